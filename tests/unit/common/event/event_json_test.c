/* event_json_test.c: lines as `emit` takes them, every refusal with its words, and that an event written as a line
 * comes back the same. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "common/base/time.h"
#include "common/event/event.h"

static struct pm_arena arena;
static struct pm_error err;

#define DIGEST "4f446dbc7bd09db746ea635f0acb27025ebb7dc982442691eb114588fd99a7c2"
#define AT 1767603600000000
#define COMPUTED "\"type\":\"ResultComputed\",\"job_id\":\"j\",\"result\":\"a/b\",\"kind\":\"sim\""

static struct pm_event read_line(const char *line)
{
    struct pm_event ev;
    cr_assert_eq(pm_event_from_json(pm_slice_cstr(line), AT, &arena, &ev, &err), PM_OK, "%s\n%s", line, err.text);
    return ev;
}

/* What a buffer holds, to live as long as the arena. */
static struct pm_slice kept(struct pm_buf *buf)
{
    struct pm_slice text = pm_arena_copy(&arena, pm_buf_slice(buf));
    pm_buf_release(buf);
    return text;
}

static struct pm_slice write_line(const struct pm_event *ev)
{
    struct pm_buf out = {0};
    pm_event_to_json(ev, PM_SLICE(""), &out);
    return kept(&out);
}

static bool contains(struct pm_slice text, struct pm_slice part)
{
    for (; text.len >= part.len; text.ptr++, text.len--) {
        if (pm_slice_starts(text, part)) return true;
    }
    return false;
}

static struct pm_slice record_of(const struct pm_event *ev)
{
    struct pm_buf out = {0};
    pm_event_encode(ev, &out);
    return kept(&out);
}

/* ---- what comes back ---- */

static void comes_back(struct pm_slice line, size_t number)
{
    struct pm_event ev, again, decoded;
    cr_assert_eq(pm_event_from_json(line, AT, &arena, &ev, &err), PM_OK, "line %zu: %s", number, err.text);
    struct pm_slice text = write_line(&ev), record = record_of(&ev);
    cr_assert_eq(pm_event_from_json(text, AT + 1, &arena, &again, &err), PM_OK, "line %zu: %s\n%.*s", number, err.text,
                 PM_SLICE_ARG(text));
    cr_assert_eq(again.has, ev.has);
    struct pm_slice text_again = write_line(&again), record_again = record_of(&again);
    cr_assert(pm_slice_eq(record, record_again), "line %zu: another record from\n%.*s", number, PM_SLICE_ARG(text));
    cr_assert(pm_slice_eq(text, text_again), "line %zu became\n%.*s\nthen\n%.*s", number, PM_SLICE_ARG(text),
              PM_SLICE_ARG(text_again));
    cr_assert_eq(pm_event_decode(ev.type, record, &decoded, &err), PM_OK, "line %zu: %s", number, err.text);
    cr_assert_eq(pm_event_check(&decoded, &err), PM_OK, "line %zu: %s", number, err.text);
}

static size_t for_each_line(const char *gz, size_t limit, void (*visit)(struct pm_slice line, size_t number))
{
    char command[200], *line = NULL;
    size_t size = 0, count = 0;
    snprintf(command, sizeof command, "gzip -dc %s", gz);
    FILE *lines = popen(command, "r");
    cr_assert(lines);
    for (ssize_t len; count < limit && (len = getline(&line, &size, lines)) > 0;) {
        pm_arena_reset(&arena);
        visit(pm_slice(line, (size_t)len - (line[len - 1] == '\n')), ++count);
    }
    free(line);
    pclose(lines);
    return count;
}

Test(event_json, every_event_of_the_small_data_set_comes_back)
{
    cr_assert_eq(for_each_line("tests/data/small/events.ndjson.gz", SIZE_MAX, comes_back), 230);
}

Test(event_json, every_event_of_the_week_comes_back)
{
    cr_assert_eq(for_each_line("tests/data/week/events.ndjson.gz", SIZE_MAX, comes_back), 2981);
}

/* A line with every field of its type, in the order in which it is written. */
#define HEAD(type, job)                                                                           \
    "{\"type\":\"" type "\"," job "\"occurred_at\":\"2026-01-05T09:00:00.000000Z\",\"event_id\":" \
    "\"00112233445566778899aabbccddeeff\",\"worker\":\"w \\\"0\\\"\","
#define JOB "\"job_id\":\"j\xc3\xbc\","
#define RESULT                                                                                                         \
    "\"result\":\"a/b\",\"kind\":\"agg\",\"schema\":\"token\",\"schema_version\":-1,\"bundle_ref\":\"r@sha256:" DIGEST \
    "\",\"bundle_digest\":\"" DIGEST "\",\"model_digest\":\"sha256:x\",\"entrypoint\":\"m/b\\n\","                     \
    "\"param_id\":\"4560ff738e380536d589079a5e24b30713f9257440dfb2f0134f7350c0985942\",\"params\":{\"x\":1},\"seed\":" \
    "\"18446744073709551615\","                                                                                        \
    "\"target\":\"t\",\"target_digest\":\"td\",\"aggregation_id\":\"a1\""
#define CARRIED                                                                                                \
    ",\"loss\":4245068.166666667,\"n_replicates\":3,\"task_id\":\"t1\",\"outputs\":[{\"name\":\"o\",\"size\":" \
    "9007199254740993,\"checksum\":\"c\"}],"                                                                   \
    "\"inputs\":[\"a/b\",\"c\"],\"input_task_ids\":[\"x\",\"\"],\"replicate_losses\":[1.0,-0.0,1e-05],"        \
    "\"diagnostics\":{\"z\":1.50,\"a\":[\"é\"]},\"duration_us\":0,\"env_digest\":\"e\"}"

static const char *const whole[] = {
    HEAD("ResultComputed", JOB) RESULT CARRIED,
    HEAD("ResultDiscovered", "") RESULT CARRIED,
    HEAD("ResultReused", JOB) RESULT ",\"source\":\"scheduler\",\"stored_at\":\"0001-01-01T00:00:00.000000Z\",\"loss\":"
                                     "0.0,\"n_replicates\":1,\"outputs\":[]}",
    HEAD("ResultFailed", JOB) RESULT
    ",\"error\":{\"type\":\"E\",\"message\":\"it's\\t\xf0\x9f\xa6\xa0\",\"retryable\":true}}",
    HEAD("ResultsExpected", JOB) "\"results\":[\"a/b\",\"c\"]}",
    HEAD("ResultDeleted", JOB) "\"result\":\"a/b\",\"reason\":\"gc\"}",
    HEAD("JobSubmitted", JOB) "\"job_type\":\"simulation\",\"bundle_ref\":\"sha256:" DIGEST
                              "\",\"bundle_digest\":\"" DIGEST "\",\"entrypoint\":\"m\",\"targets\":"
                              "[\"t:1\"],\"parents\":[\"j0\"],\"definition_hash\":\"d\",\"input_hash\":\"i\","
                              "\"inputs\":{\"b\":{},\"a\":1e2},\"provider_id\":\"p\","
                              "\"provider_model\":\"pm\",\"user\":\"u\",\"rerun_of\":\"j0\",\"metadata\":{}}",
    HEAD("JobStatusChanged", JOB) "\"status\":\"cancelled\",\"error\":\"text\",\"duration_us\":9223372036854775807}",
};

Test(event_json, a_whole_event_of_each_type_is_written_as_it_was_read)
{
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++) {
        struct pm_event ev = read_line(whole[i]);
        struct pm_slice text = write_line(&ev);
        cr_assert(pm_slice_is(text, whole[i]), "%s became\n%.*s", whole[i], PM_SLICE_ARG(text));
        comes_back(pm_slice_cstr(whole[i]), i);
    }
}

Test(event_json, what_replay_adds_is_written_at_the_end_and_not_read)
{
    struct pm_event ev = read_line("{" COMPUTED "}");
    struct pm_buf out = {0};
    pm_event_to_json(&ev, PM_SLICE(",\"_partition\":0,\"_offset\":7"), &out);
    struct pm_slice text = kept(&out);
    cr_assert(pm_slice_eq(pm_slice(text.ptr + text.len - 28, 28), PM_SLICE(",\"_partition\":0,\"_offset\":7}")));
    struct pm_event again;
    cr_assert_eq(pm_event_from_json(text, 0, &arena, &again, &err), PM_OK, "%s", err.text);
    cr_assert(pm_slice_eq(record_of(&ev), record_of(&again)));
}

/* ---- what is derived ---- */

Test(event_json, the_same_line_is_the_same_event)
{
    struct pm_event a, b;
    struct pm_slice line = PM_SLICE("{" COMPUTED ",\"loss\":1}");
    cr_assert_eq(pm_event_from_json(line, 1, &arena, &a, &err), PM_OK);
    cr_assert_eq(pm_event_from_json(line, 2, &arena, &b, &err), PM_OK);
    cr_assert(a.occurred_at == 1 && b.occurred_at == 2);
    cr_assert(pm_slice_eq(a.event_id, b.event_id));
    b = read_line("{ \"loss\" : 1.0, \"worker\":null, " COMPUTED " }");
    cr_assert(pm_slice_eq(a.event_id, b.event_id), "order and blanks do not make another event");
    b = read_line("{" COMPUTED ",\"loss\":1.5}");
    cr_assert_not(pm_slice_eq(a.event_id, b.event_id));
    b = read_line("{" COMPUTED ",\"loss\":1,\"occurred_at\":1}");
    cr_assert_not(pm_slice_eq(a.event_id, b.event_id));
}

Test(event_json, ids_follow_from_what_is_given)
{
    struct pm_event ev = read_line("{" COMPUTED ",\"params\":{ \"x\" : 1 },\"bundle_ref\":\"r@sha256:" DIGEST "\"}");
    cr_assert(pm_slice_is(ev.params, "{\"x\":1}"));
    cr_assert(pm_slice_is(ev.param_id, "4560ff738e380536d589079a5e24b30713f9257440dfb2f0134f7350c0985942"));
    cr_assert(pm_slice_is(ev.bundle_digest, DIGEST));
    ev = read_line("{" COMPUTED ",\"bundle_digest\":\"sha256:" DIGEST "\"}");
    cr_assert(pm_slice_is(ev.bundle_digest, DIGEST));
    cr_assert_not(pm_event_has(&ev, PM_HAS(bundle_ref)));
    ev = read_line("{" COMPUTED ",\"param_id\":\"any text\"}");
    cr_assert(pm_slice_is(ev.param_id, "any text"));
}

Test(event_json, three_ways_to_say_when)
{
    cr_assert_eq(read_line("{" COMPUTED "}").occurred_at, AT);
    cr_assert_eq(read_line("{" COMPUTED ",\"occurred_at\":-5}").occurred_at, -5);
    cr_assert_eq(read_line("{" COMPUTED ",\"occurred_at\":\"2026-01-05T10:00:00+01:00\"}").occurred_at, AT);
}

Test(event_json, null_is_absent_where_a_field_is_optional)
{
    struct pm_event ev = read_line("{" COMPUTED
                                   ",\"loss\":null,\"outputs\":null,\"event_id\":null,\"occurred_at\":null}");
    struct pm_event bare = read_line("{" COMPUTED "}");
    cr_assert(pm_slice_eq(record_of(&ev), record_of(&bare)));
}

Test(event_json, numbers)
{
    cr_assert_eq(read_line("{" COMPUTED ",\"seed\":18446744073709551615}").seed, UINT64_MAX);
    cr_assert_eq(read_line("{" COMPUTED ",\"seed\":\"0\"}").seed, 0);
    cr_assert_eq(read_line("{" COMPUTED ",\"loss\":5}").loss, 5);
    cr_assert_eq(read_line("{" COMPUTED ",\"loss\":1e2}").loss, 100);
    struct pm_event ev = read_line("{" COMPUTED ",\"seed\":9007199254740992,\"loss\":100}");
    struct pm_slice text = write_line(&ev);
    cr_assert(contains(text, PM_SLICE("\"seed\":9007199254740992,\"loss\":100.0}")), "%.*s", PM_SLICE_ARG(text));
}

Test(event_json, objects_keep_order_and_number_text_but_no_blanks)
{
    struct pm_event ev = read_line("{" COMPUTED ",\"diagnostics\": { \"b\" : 1.50 , \"a\" : [ 1E2 , \" x \" ] } }");
    cr_assert(pm_slice_is(ev.diagnostics, "{\"b\":1.50,\"a\":[1E2,\" x \"]}"), "%.*s", PM_SLICE_ARG(ev.diagnostics));
}

Test(event_json, a_foreign_object_with_line_ends_stays_on_one_line)
{
    struct pm_event ev = read_line("{" COMPUTED "}");
    ev.diagnostics = PM_SLICE("{\n  \"a\": 1\n}");
    ev.has |= PM_HAS(diagnostics);
    cr_assert_eq(pm_event_check(&ev, &err), PM_OK);
    struct pm_slice text = write_line(&ev);
    cr_assert_not(memchr(text.ptr, '\n', text.len));
    cr_assert(contains(text, PM_SLICE("\"diagnostics\":{\"a\":1}")), "%.*s", PM_SLICE_ARG(text));
}

Test(event_json, the_type_may_stand_anywhere)
{
    struct pm_event ev = read_line("{\"error\":{\"message\":\"m\",\"retryable\":false,\"type\":\"ResultReused\"},"
                                   "\"result\":\"a\",\"kind\":\"sim\",\"job_id\":\"j\",\"type\":\"ResultFailed\"}");
    cr_assert_eq(ev.type, PM_RESULT_FAILED);
    cr_assert(pm_slice_is(ev.failure.type, "ResultReused"));
}

/* ---- what is refused ---- */

static const struct {
    const char *line;
    int code;
    const char *says;
} refused[] = {
    {"", PM_EFORMAT, "expected an object"},
    {"not json", PM_EFORMAT, "not JSON at byte offset 0: expected an object"},
    {"[1]", PM_EFORMAT, "expected an object"},
    {"{" COMPUTED "} x", PM_EFORMAT, "expected the end, found 'x'"},
    {"{" COMPUTED ",}", PM_EFORMAT, "expected a key"},
    {"{" COMPUTED ",\"worker\":\"\xff\"}", PM_EFORMAT, "not UTF-8 at byte offset 76 (0xff)"},
    {"{" COMPUTED ",\"worker\":\"\\ud800\"}", PM_EFORMAT, "lone surrogate"},
    {"{\"job_id\":\"j\"}", PM_EINVALID, "missing field \"type\""},
    {"{\"type\":5}", PM_EINVALID, "type must be a string, not 5"},
    {"{\"type\":\"ResultComputd\"}", PM_EINVALID, "unknown type \"ResultComputd\" (did you mean \"ResultComputed\"?)"},
    {"{\"type\":\"Elephant\"}", PM_EINVALID, "unknown type \"Elephant\""},
    {"{" COMPUTED ",\"los\":1}", PM_EINVALID, "unknown field \"los\" of ResultComputed (did you mean \"loss\"?)"},
    {"{" COMPUTED ",\"outptus\":[]}", PM_EINVALID, "did you mean \"outputs\"?"},
    {"{" COMPUTED ",\"xyzzy\":1}", PM_EINVALID, "unknown field \"xyzzy\" of ResultComputed"},
    {"{" COMPUTED ",\"source\":\"local\"}", PM_EINVALID, "ResultComputed has no field \"source\""},
    {"{\"type\":\"ResultDiscovered\",\"job_id\":\"j\",\"result\":\"a\",\"kind\":\"sim\"}", PM_EINVALID,
     "ResultDiscovered has no field \"job_id\""},
    {"{" COMPUTED ",\"kind\":\"sim\"}", PM_EINVALID, "duplicate field \"kind\""},
    {"{" COMPUTED ",\"type\":\"ResultComputed\"}", PM_EINVALID, "duplicate field \"type\""},
    {"{" COMPUTED ",\"loss\":null,\"loss\":1}", PM_EINVALID, "duplicate field \"loss\""},
    {"{\"type\":\"ResultComputed\",\"job_id\":\"j\",\"kind\":\"sim\"}", PM_EINVALID,
     "missing field \"result\" of ResultComputed"},
    {"{\"type\":\"ResultComputed\",\"result\":\"a\",\"kind\":\"sim\"}", PM_EINVALID,
     "missing field \"job_id\" of ResultComputed"},
    {"{\"type\":\"ResultComputed\",\"job_id\":null,\"result\":\"a\",\"kind\":\"sim\"}", PM_EINVALID,
     "\"job_id\" of ResultComputed is null"},
    {"{\"type\":\"ResultComputed\",\"job_id\":\"j\",\"result\":\"a\",\"kind\":\"simu\"}", PM_EINVALID,
     "kind must be sim or agg, not \"simu\""},
    {"{\"type\":\"ResultComputed\",\"job_id\":\"j\",\"result\":\"a/../b\",\"kind\":\"sim\"}", PM_EINVALID,
     "result \"a/../b\": a path has no segment \"..\""},
    {"{\"type\":\"ResultComputed\",\"job_id\":\"j\",\"result\":\"a/\",\"kind\":\"sim\"}", PM_EINVALID,
     "does not end with '/'"},
    {"{\"type\":\"ResultComputed\",\"job_id\":\"j\",\"result\":\"a\\u0000b\",\"kind\":\"sim\"}", PM_EINVALID,
     "NUL at its byte 1"},
    {"{" COMPUTED ",\"loss\":NaN}", PM_EINVALID, "loss must be a finite number, not NaN"},
    {"{" COMPUTED ",\"loss\":-Infinity}", PM_EINVALID, "loss must be a finite number, not -Infinity"},
    {"{" COMPUTED ",\"loss\":1e999}", PM_EINVALID, "loss must be a finite number, not 1e999"},
    {"{" COMPUTED ",\"loss\":\"1\"}", PM_EINVALID, "loss must be a finite number, not \"1\""},
    {"{" COMPUTED ",\"loss\":01}", PM_EFORMAT, "expected a number, found '01"},
    {"{" COMPUTED ",\"replicate_losses\":[1,1e999]}", PM_EINVALID,
     "replicate_losses must be a finite number, not 1e999"},
    {"{" COMPUTED ",\"seed\":-1}", PM_EINVALID,
     "seed must be an integer within 0..18446744073709551615, or its digits in a string, not -1"},
    {"{" COMPUTED ",\"seed\":18446744073709551616}", PM_EINVALID, "not 18446744073709551616"},
    {"{" COMPUTED ",\"seed\":\"-1\"}", PM_EINVALID, "seed must be"},
    {"{" COMPUTED ",\"seed\":\"\"}", PM_EINVALID, "seed must be"},
    {"{" COMPUTED ",\"seed\":1.0}", PM_EINVALID, "seed must be"},
    {"{" COMPUTED ",\"seed\":true}", PM_EINVALID, "seed must be"},
    {"{" COMPUTED ",\"n_replicates\":1e2}", PM_EINVALID,
     "n_replicates must be an integer without point or exponent, not 1e2"},
    {"{" COMPUTED ",\"n_replicates\":1.0}", PM_EINVALID,
     "n_replicates must be an integer without point or exponent, not 1.0"},
    {"{" COMPUTED ",\"n_replicates\":0}", PM_EINVALID, "n_replicates must be at least 1, not 0"},
    {"{" COMPUTED ",\"n_replicates\":9223372036854775808}", PM_EINVALID, "n_replicates must be within -2^63..2^63-1"},
    {"{" COMPUTED ",\"duration_us\":-1}", PM_EINVALID, "duration_us must be at least 0, not -1"},
    {"{" COMPUTED ",\"occurred_at\":\"2026-01-05T09:00:00\"}", PM_EINVALID,
     "occurred_at: time \"2026-01-05T09:00:00\" has no offset: end it with Z"},
    {"{" COMPUTED ",\"occurred_at\":1.5}", PM_EINVALID, "occurred_at must be an integer"},
    {"{" COMPUTED ",\"occurred_at\":{}}", PM_EINVALID,
     "occurred_at must be an RFC 3339 time or integer microseconds since 1970, not an object"},
    {"{" COMPUTED ",\"occurred_at\":9223372036854775807}", PM_EINVALID, "outside the years"},
    {"{" COMPUTED ",\"event_id\":\"xyz\"}", PM_EINVALID, "event_id \"xyz\" is not 32 lower-case hex digits"},
    {"{" COMPUTED ",\"bundle_digest\":\"abc\"}", PM_EINVALID, "bundle_digest \"abc\" is not 64 lower-case hex digits"},
    {"{" COMPUTED ",\"bundle_ref\":\"local://dev\"}", PM_EINVALID, "bundle_ref \"local://dev\" is not"},
    {"{" COMPUTED ",\"bundle_ref\":\"sha256:" DIGEST
     "\",\"bundle_digest\":\"5f446dbc7bd09db746ea635f0acb27025ebb7dc982442691eb114588fd99a7c2\"}",
     PM_EINVALID, "does not agree with bundle_ref"},
    {"{" COMPUTED ",\"params\":{\"x\":1},\"param_id\":\"abc\"}", PM_EINVALID,
     "param_id \"abc\" does not agree with params, whose id is 4560ff73"},
    {"{" COMPUTED ",\"params\":{\"x\":1,\"x\":2}}", PM_EINVALID, "duplicate parameter \"x\""},
    {"{" COMPUTED ",\"params\":{\"x\":[1]}}", PM_EINVALID, "parameter \"x\" is an array"},
    {"{" COMPUTED ",\"params\":5}", PM_EINVALID, "params must be an object, not 5"},
    {"{" COMPUTED ",\"param_id\":\"\"}", PM_EINVALID, "\"param_id\" is empty"},
    {"{" COMPUTED
     ",\"outputs\":[{\"name\":\"a\",\"size\":1,\"checksum\":\"x\"},{\"name\":\"a\",\"size\":1,\"checksum\":\"x\"}]}",
     PM_EINVALID, "duplicate name \"a\""},
    {"{" COMPUTED ",\"outputs\":[{\"name\":\"a\",\"size\":1}]}", PM_EINVALID, "outputs: missing field \"checksum\""},
    {"{" COMPUTED ",\"outputs\":[{\"name\":\"a\",\"name\":\"b\",\"size\":1,\"checksum\":\"x\"}]}", PM_EINVALID,
     "outputs: duplicate key \"name\""},
    {"{" COMPUTED ",\"outputs\":[{\"nam\":\"a\"}]}", PM_EINVALID, "outputs: unknown field \"nam\""},
    {"{" COMPUTED ",\"outputs\":[5]}", PM_EINVALID, "an item of outputs must be an object {name,size,checksum}, not 5"},
    {"{" COMPUTED ",\"inputs\":[5]}", PM_EINVALID, "an item of inputs must be a string, not 5"},
    {"{" COMPUTED ",\"inputs\":[\"a//b\"]}", PM_EINVALID, "inputs \"a//b\": a path has no empty segment"},
    {"{" COMPUTED ",\"inputs\":{}}", PM_EINVALID, "inputs must be an array of strings, not an object"},
    {"{" COMPUTED ",\"diagnostics\":{\"a\":{\"b\":1,\"b\":2}}}", PM_EINVALID, "diagnostics: duplicate key \"b\""},
    {"{" COMPUTED ",\"diagnostics\":[1]}", PM_EINVALID, "diagnostics must be an object, not an array"},
    {"{\"type\":\"ResultFailed\",\"job_id\":\"j\",\"result\":\"a\",\"kind\":\"sim\",\"error\":\"x\"}", PM_EINVALID,
     "error must be an object {type,message,retryable}"},
    {"{\"type\":\"ResultFailed\",\"job_id\":\"j\",\"result\":\"a\",\"kind\":\"sim\",\"error\":{\"type\":\"x\","
     "\"message\":\"m\"}}",
     PM_EINVALID, "error: missing field \"retryable\""},
    {"{\"type\":\"ResultsExpected\",\"job_id\":\"j\",\"results\":[]}", PM_EINVALID, "\"results\" is empty"},
    {"{\"type\":\"JobSubmitted\",\"job_id\":\"j\",\"inputs\":[]}", PM_EINVALID,
     "inputs must be an object, not an array"},
    {"{\"type\":\"JobStatusChanged\",\"job_id\":\"j\",\"status\":\"done\"}", PM_EINVALID,
     "status must be pending, running, succeeded, partial, failed or cancelled, not \"done\""},
    {"{\"type\":\"ResultReused\",\"job_id\":\"j\",\"result\":\"a\",\"kind\":\"sim\",\"source\":\"disk\"}", PM_EINVALID,
     "source must be local, remote, scheduler or job"},
};

Test(event_json, refuses)
{
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        struct pm_event ev = {.has = 42};
        err.text[0] = '\0';
        int rc = pm_event_from_json(pm_slice_cstr(refused[i].line), AT, &arena, &ev, &err);
        cr_assert_eq(rc, refused[i].code, "%s: %d %s", refused[i].line, rc, err.text);
        cr_assert(strstr(err.text, refused[i].says), "%s: expected \"%s\", got \"%s\"", refused[i].line,
                  refused[i].says, err.text);
        cr_assert_eq(ev.has, 42, "an event was left behind by %s", refused[i].line);
    }
}

Test(event_json, a_line_has_a_limit)
{
    struct pm_buf line = {0};
    struct pm_event ev;
    pm_buf_cstr(&line, "{" COMPUTED ",\"_padding\":\"");
    while (line.len < PM_EVENT_BYTES_MAX - 2) pm_buf_byte(&line, 'x');
    pm_buf_cstr(&line, "\"}");
    cr_assert_eq(pm_event_from_json(pm_buf_slice(&line), AT, &arena, &ev, &err), PM_OK, "%s", err.text);
    pm_buf_byte(&line, ' ');
    cr_assert_eq(pm_event_from_json(pm_buf_slice(&line), AT, &arena, &ev, &err), PM_ELIMIT);
    cr_assert(strstr(err.text, "event of 1048577 bytes, above the limit of 1048576"), "%s", err.text);
    pm_buf_release(&line);
}

/* ---- damaged lines ---- */

static uint64_t next_random(void)
{
    static uint64_t state = 88172645463325252u;
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}

/* Whatever is done to a line, it is refused with a reason or it is an event that comes back. */
static void damage(struct pm_slice line, size_t number)
{
    static const char alphabet[] = "\"\\{}[]:,0123456789.eE+-truefalsn _\x01\xc3\xff";
    for (int round = 0; round < 40; round++) {
        size_t len = line.len;
        char *text = malloc(len + 1);
        memcpy(text, line.ptr, len);
        for (uint64_t edits = 1 + next_random() % 3; edits > 0 && len > 1; edits--) {
            size_t at = next_random() % len;
            switch (next_random() % 4) {
            case 0: text[at] = alphabet[next_random() % (sizeof alphabet - 1)]; break;
            case 1:
                memmove(text + at, text + at + 1, len - at - 1);
                len--;
                break;
            case 2: len = at ? at : 1; break;
            default: text[at] = (char)(text[at] ^ 1 << next_random() % 8); break;
            }
        }
        char *exact = malloc(len); /* its end is the end of the memory */
        memcpy(exact, text, len);
        struct pm_event ev;
        err.text[0] = '\0';
        int rc = pm_event_from_json(pm_slice(exact, len), AT, &arena, &ev, &err);
        if (rc == PM_OK) {
            comes_back(pm_slice(exact, len), number);
        } else {
            cr_assert_eq(pm_error_class(rc), PM_CLASS_POISON, "%d %s", rc, err.text);
            cr_assert_neq(err.text[0], '\0');
        }
        free(exact);
        free(text);
    }
}

Test(event_json, damaged_lines_are_refused_or_are_events)
{
    cr_assert_eq(for_each_line("tests/data/small/events.ndjson.gz", 230, damage), 230);
}
