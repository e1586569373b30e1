/* identity_test.c: parameter ids against those that the real code gave (tests/data/golden_ids.json, read with our own
 * reader), and ids of bundles and events. */
#include "common/event/identity.h"

#include <criterion/criterion.h>
#include <stdio.h>

#include "common/base/number.h"

static struct pm_arena arena;
static struct pm_error err;

static struct pm_slice read_file(const char *path)
{
    struct pm_buf text = {0};
    char part[65536];
    FILE *file = fopen(path, "r");
    cr_assert(file, "cannot open %s: tests run from the repository's root", path);
    for (size_t n; (n = fread(part, 1, sizeof part, file)) > 0;) pm_buf_bytes(&text, part, n);
    fclose(file);
    struct pm_slice kept = pm_arena_copy(&arena, pm_buf_slice(&text));
    pm_buf_release(&text);
    return kept;
}

/* ---- the golden file ---- */

/* Puts the cursor on the value of the top-level key. */
static void open_at(struct pm_json *in, struct pm_slice text, const char *wanted)
{
    struct pm_slice key;
    bool more;
    cr_assert_eq(pm_json_open(in, text, &arena, &err), PM_OK, "%s", err.text);
    cr_assert_eq(pm_json_enter(in, '{', &err), PM_OK);
    for (;;) {
        cr_assert(pm_json_read_key(in, &key, &more, &err) == PM_OK && more, "no \"%s\" in the golden file", wanted);
        if (pm_slice_is(key, wanted)) return;
        cr_assert_eq(pm_json_read_compact(in, NULL, &err), PM_OK, "%s", err.text);
    }
}

struct golden {
    struct pm_slice params, canonical, id;
};

static struct golden read_golden(struct pm_json *in)
{
    struct golden g = {0};
    struct pm_slice key;
    bool more;
    cr_assert_eq(pm_json_enter(in, '{', &err), PM_OK);
    for (;;) {
        cr_assert_eq(pm_json_read_key(in, &key, &more, &err), PM_OK);
        if (!more) return g;
        if (pm_slice_is(key, "canonical_json")) {
            cr_assert_eq(pm_json_read_string(in, &g.canonical, &err), PM_OK);
        } else if (pm_slice_is(key, "param_id")) {
            cr_assert_eq(pm_json_read_string(in, &g.id, &err), PM_OK);
        } else {
            pm_json_peek(in);
            const char *begin = in->at;
            cr_assert_eq(pm_json_read_compact(in, NULL, &err), PM_OK);
            if (pm_slice_is(key, "params")) g.params = pm_slice(begin, (size_t)(in->at - begin));
        }
    }
}

static void check_golden(const struct golden *g)
{
    struct pm_buf canonical = {0};
    char id[64];
    cr_assert_eq(pm_params_canonical(g->params, &canonical, &err), PM_OK, "%s", err.text);
    cr_assert(pm_slice_eq(pm_buf_slice(&canonical), g->canonical), "%.*s became %.*s", PM_SLICE_ARG(g->params),
              (int)canonical.len, canonical.ptr);
    pm_param_id(pm_buf_slice(&canonical), id);
    cr_assert(pm_slice_eq(pm_slice(id, 64), g->id), "%.*s has id %.64s", PM_SLICE_ARG(g->canonical), id);
    for (int round = 0; round < 2; round++) { /* the second is answered from memory */
        memset(id, 0, sizeof id);
        cr_assert_eq(pm_params_verify(g->canonical, id, &err), PM_OK, "%.*s: %s", PM_SLICE_ARG(g->canonical), err.text);
        cr_assert(pm_slice_eq(pm_slice(id, 64), g->id));
    }
    pm_buf_release(&canonical);
}

Test(identity, param_ids_are_those_of_the_real_code)
{
    struct pm_json in;
    bool more;
    int count = 0;
    open_at(&in, read_file("tests/data/golden_ids.json"), "param_ids");
    cr_assert_eq(pm_json_enter(&in, '[', &err), PM_OK);
    for (;; count++) {
        cr_assert_eq(pm_json_read_item(&in, &more, &err), PM_OK);
        if (!more) break;
        struct golden g = read_golden(&in);
        check_golden(&g);
    }
    cr_assert_geq(count, 62);
}

Test(identity, a_file_with_another_id_would_be_noticed)
{
    struct golden g = {PM_SLICE("{\"x\":1}"), PM_SLICE("{\"x\":1}"),
                       PM_SLICE("4560ff738e380536d589079a5e24b30713f9257440dfb2f0134f7350c0985942")};
    char id[64];
    check_golden(&g);
    pm_param_id(PM_SLICE("{\"x\":1.0}"), id);
    cr_assert(pm_slice_is(pm_slice(id, 64), "3f1b615cf1dab4bfd2505c195f18fe8d70035f80beb5b0056c93844204158684"));
    pm_param_id(PM_SLICE("{\"x\":-0.0}"), id);
    cr_assert(pm_slice_is(pm_slice(id, 64), "e69ec3a1fe2a767af4e8d1b8b24b1819d6cb92ff03342e7dde723566f80ea36f"));
}

/* ---- canonical form ---- */

static const struct {
    const char *json, *canonical;
} forms[] = {
    {" { \"b\" : 2 , \"a\" : 1 } ", "{\"a\":1,\"b\":2}"},
    {"{\"x\":1E5}", "{\"x\":100000.0}"},
    {"{\"x\":0.10}", "{\"x\":0.1}"},
    {"{\"x\":1e0}", "{\"x\":1.0}"},
    {"{\"x\":-0}", "{\"x\":0}"},
    {"{\"x\":-0.0}", "{\"x\":-0.0}"},
    {"{\"x\":-0e7}", "{\"x\":-0.0}"},
    {"{\"x\":1e-400}", "{\"x\":0.0}"},
    {"{\"x\":123456789012345678901234567890123456789012345678901234567890}",
     "{\"x\":123456789012345678901234567890123456789012345678901234567890}"},
    {"{\"\\u0062\":\"\\u00e9\\/\\u0001\",\"a\":true}", "{\"a\":true,\"b\":\"\xc3\xa9/\\u0001\"}"},
    {"{\"\\ud800\\udc00\":1,\"\xef\xbf\xbd\":2}",
     "{\"\xef\xbf\xbd\":2,\"\xf0\x90\x80\x80\":1}"}, /* by code point, not by UTF-16 unit */
    {"{\"a\\u0000\":2,\"aa\":3,\"a\":1}", "{\"a\":1,\"a\\u0000\":2,\"aa\":3}"},
    {"{\"10\":1,\"2\":2}", "{\"10\":1,\"2\":2}"},
};

Test(identity, canonical_form)
{
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        struct pm_buf out = {0};
        char id[64];
        cr_assert_eq(pm_params_canonical(pm_slice_cstr(forms[i].json), &out, &err), PM_OK, "%s: %s", forms[i].json,
                     err.text);
        cr_assert(pm_slice_is(pm_buf_slice(&out), forms[i].canonical), "%s became %.*s", forms[i].json, (int)out.len,
                  out.ptr);
        cr_assert_eq(pm_params_verify(pm_buf_slice(&out), id, &err), PM_OK);
        if (strcmp(forms[i].json, forms[i].canonical) != 0)
            cr_assert_neq(pm_params_verify(pm_slice_cstr(forms[i].json), id, &err), PM_OK, "%s", forms[i].json);
        pm_buf_release(&out);
    }
}

Test(identity, many_parameters_are_sorted)
{
    struct pm_buf json = {0}, out = {0};
    char id[64];
    for (int i = 0; i < 500; i++) pm_buf_printf(&json, "%c\"p%03d\":%d", i ? ',' : '{', (i * 7) % 500, i);
    pm_buf_byte(&json, '}');
    cr_assert_eq(pm_params_canonical(pm_buf_slice(&json), &out, &err), PM_OK, "%s", err.text);
    cr_assert_eq(pm_params_verify(pm_buf_slice(&out), id, &err), PM_OK, "%s", err.text);
    cr_assert(pm_slice_starts(pm_buf_slice(&out), PM_SLICE("{\"p000\":0,\"p001\":143,")));
    struct pm_slice value;
    cr_assert(pm_params_get(pm_buf_slice(&out), PM_SLICE("p499"), &value) && pm_slice_is(value, "357"));
    pm_buf_release(&json);
    pm_buf_release(&out);
}

static const struct {
    const char *json;
    int code;
    const char *says;
} refused[] = {
    {"{\"x\":NaN}", PM_EINVALID, "parameter \"x\" must be finite, not NaN"},
    {"{\"x\":Infinity}", PM_EINVALID, "must be finite, not Infinity"},
    {"{\"x\":-Infinity}", PM_EINVALID, "must be finite, not -Infinity"},
    {"{\"x\":1e999}", PM_EINVALID, "1e999 is beyond the largest double"},
    {"{\"x\":null}", PM_EINVALID, "parameter \"x\" is null"},
    {"{\"x\":[1,2]}", PM_EINVALID, "parameter \"x\" is an array"},
    {"{\"x\":[]}", PM_EINVALID, "parameter \"x\" is an array"},
    {"{\"x\":{\"y\":1}}", PM_EINVALID, "parameter \"x\" is an object"},
    {"{\"x\":1,\"y\":2,\"x\":1}", PM_EINVALID, "duplicate parameter \"x\""},
    {"{\"x\":\"\\ud800\"}", PM_EFORMAT, "lone surrogate"},
    {"{\"x\":01}", PM_EFORMAT, "expected a number"},
    {"{\"x\":b}", PM_EFORMAT, "expected a parameter's value"},
    {"[]", PM_EFORMAT, "expected an object"},
    {"null", PM_EFORMAT, "expected an object"},
    {"\"x\"", PM_EFORMAT, "expected an object"},
    {"{\"x\":1} ,", PM_EFORMAT, "expected the end"},
};

Test(identity, refused_parameters)
{
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        struct pm_buf out = {0};
        char id[64];
        cr_assert_eq(pm_params_canonical(pm_slice_cstr(refused[i].json), &out, &err), refused[i].code, "%s: %s",
                     refused[i].json, err.text);
        cr_assert(strstr(err.text, refused[i].says), "%s: %s", refused[i].json, err.text);
        cr_assert_eq(out.len, 0);
        cr_assert_eq(pm_params_verify(pm_slice_cstr(refused[i].json), id, &err), refused[i].code);
        pm_buf_release(&out);
    }
}

/* Texts that mean the same as a canonical one, and are not it. */
static const char *const not_canonical[] = {
    "{\"x\": 1}",
    "{\"x\":1.00}",
    "{\"x\":1.50}",
    "{\"x\":1e5}",
    "{\"x\":1E-07}",
    "{\"x\":1e-7}",
    "{\"x\":0.00001}",
    "{\"x\":-0}",
    "{\"x\":1e+5}",
    "{\"x\":12345678901234567.0}",
    "{\"x\":0.1000000000000000055}",
    "{\"x\":0.30000000000000005}",
    "{\"b\":1,\"a\":2}",
    "{\"a\":1,\"a\":1}",
    "{\"x\":\"\\u0041\"}",
    "{\"x\":\"\\/\"}",
    "{\"x\":\"\\u001F\"}",
    "{\"\\u0041\":1}",
    "{\"x\":1}\n",
    "{\"x\":1,}",
    "{,}",
    "{\"x\":tru}",
    "",
    "{\"x\":\"\xff\"}",
    "{\"x\":\"a\nb\"}",
    "{\"x\":00.5}",
    "{\"x\":1000000000000000000.0}",
    "{\"x\":0.0000}",
    "{\"x\":-0.00}",
};

Test(identity, only_canonical_text_is_verified)
{
    for (size_t i = 0; i < sizeof not_canonical / sizeof *not_canonical; i++) {
        char id[64] = "untouched";
        cr_assert_neq(pm_params_verify(pm_slice_cstr(not_canonical[i]), id, &err), PM_OK, "%s", not_canonical[i]);
    }
    char id[64];
    cr_assert_eq(pm_params_verify(PM_SLICE("{\"x\":1.50}"), id, &err), PM_EINVALID);
    cr_assert(strstr(err.text, "differs at byte offset 8 from {\"x\":1.5}"), "%s", err.text);
}

/* The quick look at doubles must say what reading and writing says. */
Test(identity, a_double_is_canonical_when_it_is_what_would_be_written)
{
    uint64_t state = 88172645463325252u;
    for (int i = 0; i < 60000; i++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char number[40], params[64], again[PM_DOUBLE_TEXT_SIZE], id[64];
        int decimals = (int)(state >> 60), digits = 1 + (int)(state >> 40 & 15);
        double value = (double)(int64_t)(state % 100000000) * (state & 1 ? 1e-9 : state & 2 ? 1e-4 : -1e7);
        int len = state & 4 ? snprintf(number, sizeof number, "%.*f", 1 + decimals, value)
                            : snprintf(number, sizeof number, "%.*e", digits, value);
        double read;
        cr_assert(pm_double_parse(pm_slice(number, (size_t)len), &read), "%s", number);
        bool canonical = pm_slice_eq(pm_slice(again, pm_double_format(read, again)), pm_slice(number, (size_t)len));
        int n = snprintf(params, sizeof params, "{\"x\":%s}", number);
        cr_assert_eq(pm_params_verify(pm_slice(params, (size_t)n), id, &err) == PM_OK, canonical, "%s", number);
    }
}

Test(identity, params_have_a_limit)
{
    struct pm_buf json = {0}, out = {0};
    char id[64];
    for (size_t extra = 0; extra <= 1; extra++) {
        pm_buf_clear(&json);
        pm_buf_clear(&out);
        pm_buf_cstr(&json, "{\"x\":\"");
        while (json.len < PM_PARAMS_BYTES_MAX - 2 + extra) pm_buf_byte(&json, 'y');
        pm_buf_cstr(&json, "\"}");
        int expected = extra ? PM_ELIMIT : PM_OK;
        cr_assert_eq(pm_params_canonical(pm_buf_slice(&json), &out, &err), expected, "%s", err.text);
        cr_assert_eq(pm_params_verify(pm_buf_slice(&json), id, &err), expected, "%s", err.text);
    }
    cr_assert(strstr(err.text, "65537 bytes of canonical JSON, above the limit of 65536"), "%s", err.text);
    pm_buf_release(&json);
    pm_buf_release(&out);
}

Test(identity, one_parameter)
{
    struct pm_slice
        params = PM_SLICE(
            "{\"\":0,\"a\\\"b\":\"}\",\"flag\":true,\"s\":\"x\\\\\",\"t\":\"a,\\\"t2\\\":5\",\"t2\":1.5,\"z\":-3}"),
        value;
    const struct {
        const char *name, *value;
    } there[] = {{"", "0"}, {"a\"b", "\"}\""}, {"flag", "true"}, {"s", "\"x\\\\\""}, {"t2", "1.5"}, {"z", "-3"}};
    for (size_t i = 0; i < sizeof there / sizeof *there; i++) {
        cr_assert(pm_params_get(params, pm_slice_cstr(there[i].name), &value), "%s", there[i].name);
        cr_assert(pm_slice_is(value, there[i].value), "%s is %.*s", there[i].name, PM_SLICE_ARG(value));
    }
    cr_assert_not(pm_params_get(params, PM_SLICE("x"), &value));
    cr_assert_not(pm_params_get(params, PM_SLICE("fla"), &value));
    cr_assert_not(pm_params_get(PM_SLICE("{}"), PM_SLICE("x"), &value));
}

/* ---- bundles and events ---- */

#define DIGEST "4f446dbc7bd09db746ea635f0acb27025ebb7dc982442691eb114588fd99a7c2"

Test(identity, bundle_references)
{
    struct pm_slice digest;
    const char *const good[] = {"sha256:" DIGEST, "repo@sha256:" DIGEST, "localhost:5000/m@sha256:" DIGEST,
                                "a@b@sha256:" DIGEST};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        cr_assert_eq(pm_bundle_ref_digest(pm_slice_cstr(good[i]), &digest, &err), PM_OK, "%s", err.text);
        cr_assert(pm_slice_is(digest, DIGEST));
    }
    const char *const bad[] = {"",
                               DIGEST,
                               "@sha256:" DIGEST,
                               "repo:sha256:" DIGEST,
                               "reposha256:" DIGEST,
                               "repo@sha512:" DIGEST,
                               "local://dev",
                               "sha256:" DIGEST "0",
                               "sha256:4F446dbc7bd09db746ea635f0acb27025ebb7dc982442691eb114588fd99a7c2",
                               "sha256: " DIGEST};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cr_assert_eq(pm_bundle_ref_digest(pm_slice_cstr(bad[i]), &digest, &err), PM_EINVALID, "%s", bad[i]);
        cr_assert(strstr(err.text, "[REPOSITORY@]sha256:"), "%s", err.text);
    }
}

Test(identity, derived_event_ids_depend_on_every_field_but_not_on_the_clock)
{
    struct pm_buf scratch = {0};
    struct pm_event ev = {.type = PM_JOB_STATUS_CHANGED, .has = PM_HAS(job_id) | PM_HAS(occurred_at) | PM_HAS(status)};
    char first[33] = {0}, second[33] = {0};
    ev.job_id = PM_SLICE("job-1");
    ev.occurred_at = 1767603600000000;
    ev.status = PM_STATUS_RUNNING;
    pm_event_derive_id(&ev, true, &scratch, first);
    pm_event_derive_id(&ev, true, &scratch, second);
    cr_assert_str_eq(first, second);
    cr_assert(pm_hex_valid(pm_slice_cstr(first)));

    ev.event_id = PM_SLICE("00112233445566778899aabbccddeeff"); /* what it has already does not count */
    ev.has |= PM_HAS(event_id);
    pm_event_derive_id(&ev, true, &scratch, second);
    cr_assert_str_eq(first, second);
    ev.occurred_at++;
    pm_event_derive_id(&ev, true, &scratch, second);
    cr_assert_str_neq(first, second);
    ev.occurred_at--;
    ev.status = PM_STATUS_FAILED;
    pm_event_derive_id(&ev, true, &scratch, second);
    cr_assert_str_neq(first, second);

    pm_event_derive_id(&ev, false, &scratch, first);
    ev.occurred_at = 7;
    pm_event_derive_id(&ev, false, &scratch, second);
    cr_assert_str_eq(first, second);
    pm_buf_release(&scratch);
}

Test(identity, what_is_left_out_is_derived)
{
    struct pm_event ev = {.type = PM_RESULT_COMPUTED, .has = PM_HAS(params) | PM_HAS(bundle_ref)};
    ev.params = PM_SLICE("{\"x\":1}");
    ev.bundle_ref = PM_SLICE("repo@sha256:" DIGEST);
    cr_assert_eq(pm_event_derive(&ev, &arena, &err), PM_OK);
    cr_assert(pm_event_has(&ev, PM_HAS(param_id) | PM_HAS(bundle_digest)));
    cr_assert(pm_slice_is(ev.param_id, "4560ff738e380536d589079a5e24b30713f9257440dfb2f0134f7350c0985942"));
    cr_assert(pm_slice_is(ev.bundle_digest, DIGEST));
    ev.param_id = PM_SLICE("mine");
    cr_assert_eq(pm_event_derive(&ev, &arena, &err), PM_OK);
    cr_assert(pm_slice_is(ev.param_id, "mine"));
}
