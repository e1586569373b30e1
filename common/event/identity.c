/* identity.c: canonical parameters and the ids made from content (identity.h). Between the JSON reader and the event;
 * the index and the queries use it on params that an event carries. Any thread: what is remembered between calls is
 * thread-local, or atomic. */
#include "common/event/identity.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/hash.h"
#include "common/base/number.h"

/* ---- param_id ---- */

void pm_param_id(struct pm_slice canonical_params, char out_hex[64])
{
    unsigned char digest[32];
    struct pm_slice parts[2] = {PM_SLICE("contracts:param:v1|"), canonical_params};
    pm_blake2b(digest, sizeof digest, parts, 2);
    pm_hex_encode(digest, sizeof digest, out_hex);
}

/* ---- reading parameters ---- */

enum value_kind { VALUE_TEXT_AS_IS, VALUE_STRING, VALUE_DOUBLE };

struct param {
    struct pm_slice name, text; /* without escapes; `text`: of a string, or the canonical text itself */
    double number;
    enum value_kind kind;
};

#define PARAMS_ON_STACK 32

struct param_list {
    struct param few[PARAMS_ON_STACK], *items;
    size_t count, size;
};

static struct param *list_add(struct param_list *list, struct pm_arena *arena)
{
    if (list->count == list->size) {
        struct param *larger = pm_arena_alloc(arena, list->size * 2 * sizeof *larger);
        memcpy(larger, list->items, list->size * sizeof *larger);
        list->items = larger;
        list->size *= 2;
    }
    return &list->items[list->count++];
}

static int compare_names(const void *a, const void *b)
{
    return pm_slice_cmp(((const struct param *)a)->name, ((const struct param *)b)->name);
}

static void sort_by_name(struct param *items, size_t count)
{
    if (count > PARAMS_ON_STACK) {
        qsort(items, count, sizeof *items, compare_names);
        return;
    }
    for (size_t i = 1; i < count; i++) {
        struct param item = items[i];
        size_t at = i;
        for (; at > 0 && pm_slice_cmp(item.name, items[at - 1].name) < 0; at--) items[at] = items[at - 1];
        items[at] = item;
    }
}

static int cut(size_t len) { return (int)(len > 200 ? 200 : len); }

static int read_number(struct pm_json *in, struct param *param, struct pm_error *err)
{
    bool integer;
    PM_TRY(pm_json_read_number(in, &param->text, &integer, err));
    if (integer) { /* every digit stays; the one integer with two texts is zero */
        param->kind = VALUE_TEXT_AS_IS;
        if (pm_slice_is(param->text, "-0")) param->text = PM_SLICE("0");
        return PM_OK;
    }
    param->kind = VALUE_DOUBLE;
    if (pm_double_parse(param->text, &param->number)) return PM_OK;
    return pm_error_set(err, PM_EINVALID, "parameter \"%.*s\": %.*s is beyond the largest double", cut(param->name.len),
                        param->name.ptr, cut(param->text.len), param->text.ptr);
}

static int read_value(struct pm_json *in, struct param *param, struct pm_error *err)
{
    enum pm_json_kind kind = pm_json_peek(in);
    bool value;
    struct pm_slice left = pm_slice(in->at, (size_t)(in->end - in->at));
    switch (kind) {
    case PM_JSON_NUMBER: return read_number(in, param, err);
    case PM_JSON_STRING: param->kind = VALUE_STRING; return pm_json_read_string(in, &param->text, err);
    case PM_JSON_BOOL:
        PM_TRY(pm_json_read_bool(in, &value, err));
        param->kind = VALUE_TEXT_AS_IS;
        param->text = value ? PM_SLICE("true") : PM_SLICE("false");
        return PM_OK;
    case PM_JSON_NONE:
        if (pm_slice_starts(left, PM_SLICE("NaN")) || pm_slice_starts(left, PM_SLICE("Infinity")) ||
            pm_slice_starts(left, PM_SLICE("-Infinity"))) {
            size_t len = *left.ptr == '-' ? 9 : *left.ptr == 'I' ? 8 : 3;
            return pm_error_set(err, PM_EINVALID, "parameter \"%.*s\" must be finite, not %.*s", cut(param->name.len),
                                param->name.ptr, (int)len, left.ptr);
        }
        return pm_json_expected(in, "a parameter's value", err);
    default:
        return pm_error_set(err, PM_EINVALID,
                            "parameter \"%.*s\" is %s: it must be a bool, an integer, a float or a string",
                            cut(param->name.len), param->name.ptr, pm_json_kind_name(kind));
    }
}

static void put_value(struct pm_buf *out, const struct param *param)
{
    switch (param->kind) {
    case VALUE_TEXT_AS_IS: pm_buf_slice_add(out, param->text); break;
    case VALUE_STRING: pm_json_put_string(out, param->text); break;
    case VALUE_DOUBLE: pm_json_put_double(out, param->number); break;
    }
}

int pm_params_read(struct pm_json *in, struct pm_buf *out, struct pm_error *err)
{
    struct param_list list;
    list.items = list.few;
    list.count = 0;
    list.size = PARAMS_ON_STACK;
    PM_TRY(pm_json_enter(in, '{', err));
    for (;;) {
        struct pm_slice name;
        bool more;
        PM_TRY(pm_json_read_key(in, &name, &more, err));
        if (!more) break;
        struct param *param = list_add(&list, in->arena);
        param->name = name;
        PM_TRY(read_value(in, param, err));
    }
    sort_by_name(list.items, list.count);
    for (size_t i = 1; i < list.count; i++) {
        if (pm_slice_eq(list.items[i - 1].name, list.items[i].name)) {
            return pm_error_set(err, PM_EINVALID, "duplicate parameter \"%.*s\"", cut(list.items[i].name.len),
                                list.items[i].name.ptr);
        }
    }
    size_t begin = out->len;
    pm_buf_byte(out, '{');
    for (size_t i = 0; i < list.count; i++) {
        if (i) pm_buf_byte(out, ',');
        pm_json_put_string(out, list.items[i].name);
        pm_buf_byte(out, ':');
        put_value(out, &list.items[i]);
    }
    pm_buf_byte(out, '}');
    if (out->len - begin <= PM_PARAMS_BYTES_MAX) return PM_OK;
    size_t len = out->len - begin;
    out->len = begin;
    return pm_error_set(err, PM_ELIMIT, "params has %zu bytes of canonical JSON, above the limit of %d", len,
                        PM_PARAMS_BYTES_MAX);
}

static void release_arena(struct pm_arena *arena) { pm_arena_release(arena); }

int pm_params_canonical(struct pm_slice json, struct pm_buf *out, struct pm_error *err)
{
    PM_CLEANUP(release_arena) struct pm_arena arena = {0};
    struct pm_json in;
    size_t begin = out->len;
    int rc = pm_json_open(&in, json, &arena, err);
    if (rc == PM_OK) rc = pm_params_read(&in, out, err);
    if (rc == PM_OK) rc = pm_json_close(&in, err);
    if (rc != PM_OK) out->len = begin;
    return rc;
}

/* ---- is this text canonical ---- */

/* A double's text is what pm_double_format writes. Nearly every such text has either up to 15 digits, which no two
 * texts share a double with, so that the layout alone decides; or more, and is read and written again. */
static bool is_canonical_double(struct pm_slice text)
{
    const char *p = text.ptr + (*text.ptr == '-'), *end = text.ptr + text.len;
    if (end - p <= 16 && !memchr(p, 'e', (size_t)(end - p)) &&
        !memchr(p, 'E', (size_t)(end - p))) { /* 15 digits and a point */
        const char *point = memchr(p, '.', (size_t)(end - p));
        bool one_zero = end - point == 2 && point[1] == '0';
        if (end[-1] == '0' && !one_zero) return false;
        bool below_one = *p == '0';
        /* 0.0001 is the smallest that is written without exponent */
        return !below_one || one_zero || end - point <= 4 || memcmp(point + 1, "0000", 4) != 0;
    }
    double value;
    char again[PM_DOUBLE_TEXT_SIZE];
    return pm_double_parse(text, &value) && pm_slice_eq(pm_slice(again, pm_double_format(value, again)), text);
}

/* The canonical value at p: where it ends, NULL when it is none (or one with escapes, which the caller looks at in
 * another way). */
static const char *canonical_value_end(const char *p, const char *end)
{
    if (p == end) return NULL;
    if (*p == '"') {
        p++;
        p += pm_json_plain_length(p, (size_t)(end - p));
        return p < end && *p == '"' ? p + 1 : NULL;
    }
    struct pm_slice left = pm_slice(p, (size_t)(end - p));
    if (pm_slice_starts(left, PM_SLICE("true"))) return p + 4;
    if (pm_slice_starts(left, PM_SLICE("false"))) return p + 5;
    bool integer;
    size_t len = pm_number_length(left, &integer);
    struct pm_slice text = pm_slice(p, len);
    if (len == 0 || (integer ? pm_slice_is(text, "-0") : !is_canonical_double(text))) return NULL;
    return p + len;
}

/* One pass over params without escapes. False means "not canonical, or not that plain". */
static bool is_plainly_canonical(struct pm_slice text)
{
    const char *p = text.ptr, *end = text.ptr + text.len;
    struct pm_slice last = {NULL, 0};
    if (text.len < 2 || *p++ != '{' || end[-1] != '}') return false;
    if (text.len == 2) return true;
    for (;;) {
        if (p == end || *p++ != '"') return false;
        struct pm_slice name = pm_slice(p, pm_json_plain_length(p, (size_t)(end - p)));
        p += name.len;
        if (end - p < 2 || p[0] != '"' || p[1] != ':') return false;
        if (last.ptr && pm_slice_cmp(last, name) >= 0) return false;
        last = name;
        p = canonical_value_end(p + 2, end);
        if (!p || p == end) return false;
        if (*p == '}') return p + 1 == end;
        if (*p++ != ',') return false;
    }
}

static void release_buf(struct pm_buf *buf) { pm_buf_release(buf); }

static int check_by_rewriting(struct pm_slice text, struct pm_error *err)
{
    PM_CLEANUP(release_buf) struct pm_buf canonical = {0};
    int rc = pm_params_canonical(text, &canonical, err);
    if (rc != PM_OK) return pm_error_wrap(err, rc, "params");
    if (pm_slice_eq(pm_buf_slice(&canonical), text)) return PM_OK;
    size_t at = 0;
    while (at < text.len && at < canonical.len && text.ptr[at] == canonical.ptr[at]) at++;
    return pm_error_set(err, PM_EINVALID, "params is not in canonical form: it differs at byte offset %zu from %.*s",
                        at, cut(canonical.len), canonical.ptr);
}

/* What this thread has verified lately: the replicates of one parameter set come one after the other, and a job's sets
 * come again with each reuse. A slot answers only for the very same bytes. */
#define MEMO_SLOTS 128
#define MEMO_TEXT_MAX 184

struct memo_slot {
    uint32_t len; /* 0: empty */
    char text[MEMO_TEXT_MAX], id[64];
};
static _Thread_local struct memo_slot memo[MEMO_SLOTS];

int pm_params_verify(struct pm_slice text, char out_id[64], struct pm_error *err)
{
    struct memo_slot *slot = NULL;
    if (text.len <= MEMO_TEXT_MAX && text.len > 0) {
        slot = &memo[pm_hash64(text.ptr, text.len, 0) % MEMO_SLOTS];
        if (slot->len == text.len && memcmp(slot->text, text.ptr, text.len) == 0) {
            memcpy(out_id, slot->id, 64);
            return PM_OK;
        }
    }
    if (text.len > PM_PARAMS_BYTES_MAX) {
        return pm_error_set(err, PM_ELIMIT, "params has %zu bytes of canonical JSON, above the limit of %d", text.len,
                            PM_PARAMS_BYTES_MAX);
    }
    if (!pm_utf8_valid(text) || !is_plainly_canonical(text)) PM_TRY(check_by_rewriting(text, err));
    pm_param_id(text, out_id);
    if (slot) {
        slot->len = (uint32_t)text.len;
        memcpy(slot->text, text.ptr, text.len);
        memcpy(slot->id, out_id, 64);
    }
    return PM_OK;
}

/* Two tables of sums: a small one that stays in the processor's cache, for the replicates of one set that come close
 * together, and a large one for the reuses of old sets. A race costs a second look, no more. */
#define RECENT_PAIRS_BITS 11
#define KNOWN_PAIRS_BITS 20
static _Atomic uint64_t recent_pairs[1u << RECENT_PAIRS_BITS], known_pairs[1u << KNOWN_PAIRS_BITS];

uint64_t pm_params_glance(struct pm_slice text, struct pm_slice id)
{
    uint64_t sum = pm_hash64(id.ptr, id.len, pm_hash64(text.ptr, text.len, text.len)) | 1;
    __builtin_prefetch(&known_pairs[sum >> (64 - KNOWN_PAIRS_BITS)]);
    return sum;
}

int pm_params_verify_id(struct pm_slice text, struct pm_slice id, uint64_t sum, struct pm_error *err)
{
    _Atomic uint64_t *recent = &recent_pairs[sum >> (64 - RECENT_PAIRS_BITS)];
    _Atomic uint64_t *known = &known_pairs[sum >> (64 - KNOWN_PAIRS_BITS)];
    if (atomic_load_explicit(recent, memory_order_relaxed) == sum) return PM_OK;
    if (atomic_load_explicit(known, memory_order_relaxed) == sum) {
        atomic_store_explicit(recent, sum, memory_order_relaxed);
        return PM_OK;
    }
    char derived[64];
    PM_TRY(pm_params_verify(text, derived, err));
    if (!pm_slice_eq(id, pm_slice(derived, sizeof derived))) {
        return pm_error_set(err, PM_EINVALID, "param_id \"%.*s\" does not agree with params, whose id is %.64s",
                            cut(id.len), id.ptr, derived);
    }
    atomic_store_explicit(recent, sum, memory_order_relaxed);
    atomic_store_explicit(known, sum, memory_order_relaxed);
    return PM_OK;
}

/* ---- looking into canonical params ---- */

static const char *string_end(const char *p, const char *end) /* p: after the opening quote; returns the closing one */
{
    for (;;) {
        p += pm_json_plain_length(p, (size_t)(end - p));
        if (p >= end || *p == '"') return p;
        p += 2; /* an escape; that of \u00xx goes on plain */
        if (p > end) return end;
    }
}

static bool find_value(struct pm_slice params, struct pm_slice written_name, struct pm_slice *ret_value)
{
    const char *p = params.ptr + 1, *end = params.ptr + params.len;
    while (p < end && *p == '"') {
        const char *name = p + 1, *name_end = string_end(name, end), *value = name_end + 2;
        if (value >= end) return false;
        p = value;
        if (*p == '"') {
            p = string_end(p + 1, end) + 1;
            if (p > end) return false;
        } else {
            while (p < end && *p != ',' && *p != '}') p++;
        }
        if (pm_slice_eq(pm_slice(name, (size_t)(name_end - name)), written_name)) {
            *ret_value = pm_slice(value, (size_t)(p - value));
            return true;
        }
        p++;
    }
    return false;
}

bool pm_params_get(struct pm_slice canonical_params, struct pm_slice name, struct pm_slice *ret_value)
{
    if (canonical_params.len < 2) return false;
    if (pm_json_plain_length(name.ptr, name.len) == name.len) return find_value(canonical_params, name, ret_value);
    PM_CLEANUP(release_buf) struct pm_buf written = {0};
    pm_json_put_string(&written, name);
    return find_value(canonical_params, pm_slice(written.ptr + 1, written.len - 2), ret_value);
}

/* ---- bundle and event ids ---- */

int pm_bundle_ref_digest(struct pm_slice ref, struct pm_slice *ret_digest, struct pm_error *err)
{
    static const struct pm_slice scheme = {"sha256:", 7};
    size_t tail = scheme.len + 64;
    if (ref.len >= tail) {
        struct pm_slice digest = pm_slice(ref.ptr + ref.len - 64, 64);
        size_t before = ref.len - tail; /* "REPOSITORY@": nothing, or at least one character and the '@' */
        if (pm_slice_starts(pm_slice(ref.ptr + before, tail), scheme) && pm_hex_valid(digest) &&
            (before == 0 || (before >= 2 && ref.ptr[before - 1] == '@'))) {
            *ret_digest = digest;
            return PM_OK;
        }
    }
    return pm_error_set(err, PM_EINVALID,
                        "bundle_ref \"%.*s\" is not [REPOSITORY@]sha256: and 64 lower-case hex digits", cut(ref.len),
                        ref.ptr);
}

struct pm_slice pm_digest_digits(struct pm_slice digest)
{
    struct pm_slice scheme = PM_SLICE("sha256:");
    return pm_slice_starts(digest, scheme) ? pm_slice(digest.ptr + scheme.len, digest.len - scheme.len) : digest;
}

int pm_event_derive(struct pm_event *ev, struct pm_arena *arena, struct pm_error *err)
{
    if (pm_event_has(ev, PM_HAS(bundle_ref)) && !pm_event_has(ev, PM_HAS(bundle_digest))) {
        PM_TRY(pm_bundle_ref_digest(ev->bundle_ref, &ev->bundle_digest, err));
        ev->has |= PM_HAS(bundle_digest);
    }
    if (pm_event_has(ev, PM_HAS(params)) && !pm_event_has(ev, PM_HAS(param_id))) {
        char id[64];
        PM_TRY(pm_params_verify(ev->params, id, err));
        ev->param_id = pm_arena_copy(arena, pm_slice(id, sizeof id));
        ev->has |= PM_HAS(param_id);
    }
    return PM_OK;
}

#define NO_ID "00000000000000000000000000000000"
#define ID_PREFIX "provmat:event:v1|"

void pm_event_derive_id(const struct pm_event *ev, bool occurred_at_given, struct pm_buf *scratch, char out_hex[32])
{
    struct pm_event copy;
    const struct pm_event *bare = ev;
    if (!occurred_at_given || !pm_event_has(ev, PM_HAS(event_id)) || !pm_slice_is(ev->event_id, NO_ID)) {
        copy = *ev;
        copy.event_id = PM_SLICE(NO_ID);
        copy.has |= PM_HAS(event_id);
        if (!occurred_at_given) {
            copy.occurred_at = 0;
            copy.has |= PM_HAS(occurred_at);
        }
        bare = &copy;
    }
    pm_buf_clear(scratch);
    pm_buf_cstr(scratch, ID_PREFIX);
    pm_buf_cstr(scratch, pm_event_type_name(ev->type));
    pm_buf_byte(scratch, '|');
    size_t body = scratch->len;
    pm_event_encode(bare, scratch);
    unsigned char digest[16];
    struct pm_slice all = pm_buf_slice(scratch);
    pm_blake2b(digest, sizeof digest, &all, 1);
    pm_hex_encode(digest, sizeof digest, out_hex);
    PM_CHECK(memcmp(scratch->ptr + body + 1, NO_ID, 32) == 0); /* the first field, behind its length */
    memcpy(scratch->ptr + body + 1, out_hex, 32);
}

struct pm_slice pm_event_derived_body(const struct pm_event *ev, const struct pm_buf *scratch)
{
    size_t body = strlen(ID_PREFIX) + strlen(pm_event_type_name(ev->type)) + 1;
    PM_CHECK(scratch->len > body);
    return pm_slice(scratch->ptr + body, scratch->len - body);
}
