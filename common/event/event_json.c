/* event_json.c: events as JSON lines, both ways: what `emit` reads, what `replay` writes, and JSON values on the log.
 * Which fields there are and what each holds comes from fields.def (field.h); what they must keep from event_check.c.
 * One thread a call. */
#include <stdio.h>

#include "common/base/check.h"
#include "common/base/json.h"
#include "common/base/number.h"
#include "common/base/time.h"
#include "common/event/event_rules.h"
#include "common/event/field.h"
#include "common/event/identity.h"

/* ---- reading: the state of one line ---- */

struct reader {
    struct pm_json in;
    struct pm_event *ev;
    const char *type; /* the event's, for messages */
    struct pm_arena *arena;
    struct pm_buf
        *scratch; /* one for all that is rewritten on the way: params, objects, the record that event_id hashes */
    struct pm_error *err;
};

/* How much of some text a message shows. */
static int shown(struct pm_slice text) { return (int)(text.len > 120 ? 120 : text.len); }

/* The value at the cursor, to show it: a word, a number, the start of a string. */
static struct pm_slice value_text(struct pm_json *in)
{
    pm_json_peek(in);
    const char *p = in->at;
    bool string = p < in->end && *p == '"';
    if (string) p++;
    while (p < in->end && p - in->at < 80 && *p != ',' && *p != '}' && *p != ']' && *p != '"' &&
           (unsigned char)*p > ' ')
        p++;
    if (string && p < in->end && *p == '"') p++;
    return pm_slice(in->at, (size_t)(p - in->at));
}

static int refuse_value(struct reader *r, const char *field, const char *rule)
{
    enum pm_json_kind kind = pm_json_peek(&r->in);
    if (kind == PM_JSON_OBJECT || kind == PM_JSON_ARRAY) {
        return pm_error_set(r->err, PM_EINVALID, "%s must be %s, not %s", field, rule, pm_json_kind_name(kind));
    }
    struct pm_slice text = value_text(&r->in);
    if (text.len == 0) return pm_json_expected(&r->in, "a value", r->err);
    return pm_error_set(r->err, PM_EINVALID, "%s must be %s, not %.*s", field, rule, PM_SLICE_ARG(text));
}

static int refuse_item(struct reader *r, const char *field, const char *rule)
{
    char name[64];
    snprintf(name, sizeof name, "an item of %s", field);
    return refuse_value(r, name, rule);
}

/* ---- reading: one value ---- */

static int read_text(struct reader *r, const char *field, struct pm_slice *ret)
{
    if (pm_json_peek(&r->in) != PM_JSON_STRING) return refuse_value(r, field, "a string");
    return pm_json_read_string(&r->in, ret, r->err);
}

static int read_long(struct reader *r, const char *field, int64_t *ret)
{
    struct pm_slice text;
    bool integer;
    if (pm_json_peek(&r->in) != PM_JSON_NUMBER) return refuse_value(r, field, "an integer");
    PM_TRY(pm_json_read_number(&r->in, &text, &integer, r->err));
    if (!integer)
        return pm_error_set(r->err, PM_EINVALID, "%s must be an integer without point or exponent, not %.*s", field,
                            shown(text), text.ptr);
    if (pm_i64_parse(text, ret)) return PM_OK;
    return pm_error_set(r->err, PM_EINVALID, "%s must be within -2^63..2^63-1, not %.*s", field, shown(text), text.ptr);
}

static int read_time(struct reader *r, const char *field, int64_t *ret)
{
    struct pm_slice text;
    enum pm_json_kind kind = pm_json_peek(&r->in);
    if (kind == PM_JSON_NUMBER) return read_long(r, field, ret);
    if (kind != PM_JSON_STRING) return refuse_value(r, field, "an RFC 3339 time or integer microseconds since 1970");
    PM_TRY(pm_json_read_string(&r->in, &text, r->err));
    return pm_error_wrap(r->err, pm_time_parse(text, ret, r->err), "%s", field);
}

static int read_seed(struct reader *r, const char *field, uint64_t *ret)
{
    static const char rule[] = "an integer within 0..18446744073709551615, or its digits in a string";
    struct pm_slice text;
    bool integer = true;
    enum pm_json_kind kind = pm_json_peek(&r->in);
    if (kind == PM_JSON_NUMBER) {
        PM_TRY(pm_json_read_number(&r->in, &text, &integer, r->err));
    } else if (kind == PM_JSON_STRING) {
        PM_TRY(pm_json_read_string(&r->in, &text, r->err));
    } else {
        return refuse_value(r, field, rule);
    }
    if (integer && pm_u64_parse(text, ret)) return PM_OK;
    return pm_error_set(r->err, PM_EINVALID, "%s must be %s, not %.*s", field, rule, shown(text), text.ptr);
}

static int read_double(struct reader *r, const char *field, double *ret)
{
    struct pm_slice text;
    bool integer;
    if (pm_json_peek(&r->in) != PM_JSON_NUMBER)
        return refuse_value(r, field, "a finite number"); /* NaN and Infinity come here too */
    PM_TRY(pm_json_read_number(&r->in, &text, &integer, r->err));
    if (pm_double_parse(text, ret)) return PM_OK;
    return pm_error_set(r->err, PM_EINVALID, "%s must be a finite number, not %.*s", field, shown(text), text.ptr);
}

/* The words of an enum field; `parse` knows them. */
static int read_word(struct reader *r, const struct pm_field *field, void *member)
{
    struct pm_slice text;
    const char *words;
    bool known;
    PM_TRY(read_text(r, field->name.ptr, &text));
    if (field->kind == PM_FIELD_KIND) {
        words = "sim or agg";
        known = pm_kind_parse(text, member);
    } else if (field->kind == PM_FIELD_SOURCE) {
        words = "local, remote, scheduler or job";
        known = pm_source_parse(text, member);
    } else {
        words = "pending, running, succeeded, partial, failed or cancelled";
        known = pm_status_parse(text, member);
    }
    if (known) return PM_OK;
    return pm_error_set(r->err, PM_EINVALID, "%s must be %s, not \"%.*s\"", field->name.ptr, words, shown(text),
                        text.ptr);
}

/* ---- reading: arrays ---- */

/* Items while an array is read: first on the stack, then in the arena. A longer array than any limit allows is cut off
 * by the line's length. */
#define ITEMS_ON_STACK 64

static void *grown(struct reader *r, const void *items, size_t count, size_t item_bytes)
{
    void *larger = pm_arena_alloc(r->arena, count * 2 * item_bytes);
    memcpy(larger, items, count * item_bytes);
    return larger;
}

static int read_texts(struct reader *r, const char *field, struct pm_array *ret)
{
    struct pm_slice few[ITEMS_ON_STACK], *items = few;
    uint32_t count = 0, size = ITEMS_ON_STACK;
    if (pm_json_peek(&r->in) != PM_JSON_ARRAY) return refuse_value(r, field, "an array of strings");
    PM_TRY(pm_json_enter(&r->in, '[', r->err));
    for (;;) {
        bool more;
        PM_TRY(pm_json_read_item(&r->in, &more, r->err));
        if (!more) break;
        if (count == size) {
            items = grown(r, items, size, sizeof *items);
            size *= 2;
        }
        if (pm_json_peek(&r->in) != PM_JSON_STRING) return refuse_item(r, field, "a string");
        PM_TRY(pm_json_read_string(&r->in, &items[count++], r->err));
    }
    *ret = pm_array_of_texts(r->arena, items, count);
    return PM_OK;
}

static int read_doubles(struct reader *r, const char *field, struct pm_array *ret)
{
    double few[ITEMS_ON_STACK], *items = few;
    uint32_t count = 0, size = ITEMS_ON_STACK;
    if (pm_json_peek(&r->in) != PM_JSON_ARRAY) return refuse_value(r, field, "an array of numbers");
    PM_TRY(pm_json_enter(&r->in, '[', r->err));
    for (;;) {
        bool more;
        PM_TRY(pm_json_read_item(&r->in, &more, r->err));
        if (!more) break;
        if (count == size) {
            items = grown(r, items, size, sizeof *items);
            size *= 2;
        }
        PM_TRY(read_double(r, field, &items[count++]));
    }
    *ret = pm_array_of_doubles(r->arena, items, count);
    return PM_OK;
}

/* The fields of a small object inside an event: one bit each, all of them required. */
struct part {
    const char *name;
    size_t name_len;
};
#define PART(name)            \
    {                         \
        name, sizeof name - 1 \
    }

/* Reads a key that must be one of the parts and new; *ret_part is its index, -1 at the end, when all must have been
 * seen. */
static int read_part(struct reader *r, const char *field, const struct part *parts, int n_parts, unsigned *seen,
                     int *ret_part)
{
    struct pm_slice key;
    bool more;
    PM_TRY(pm_json_read_key(&r->in, &key, &more, r->err));
    for (int i = 0; more && i < n_parts; i++) {
        if (!pm_slice_eq(key, pm_slice(parts[i].name, parts[i].name_len))) continue;
        if (*seen & 1u << i) return pm_error_set(r->err, PM_EINVALID, "%s: duplicate key \"%s\"", field, parts[i].name);
        *seen |= 1u << i;
        *ret_part = i;
        return PM_OK;
    }
    if (more) return pm_error_set(r->err, PM_EINVALID, "%s: unknown field \"%.*s\"", field, shown(key), key.ptr);
    for (int i = 0; i < n_parts; i++) {
        if (!(*seen & 1u << i))
            return pm_error_set(r->err, PM_EINVALID, "%s: missing field \"%s\"", field, parts[i].name);
    }
    *ret_part = -1;
    return PM_OK;
}

static int read_output(struct reader *r, struct pm_output *ret)
{
    static const struct part parts[] = {PART("name"), PART("size"), PART("checksum")};
    unsigned seen = 0;
    if (pm_json_peek(&r->in) != PM_JSON_OBJECT) return refuse_item(r, "outputs", "an object {name,size,checksum}");
    PM_TRY(pm_json_enter(&r->in, '{', r->err));
    for (;;) {
        int part;
        PM_TRY(read_part(r, "outputs", parts, 3, &seen, &part));
        switch (part) {
        case 0: PM_TRY(read_text(r, "outputs.name", &ret->name)); break;
        case 1: PM_TRY(read_long(r, "outputs.size", &ret->size)); break;
        case 2: PM_TRY(read_text(r, "outputs.checksum", &ret->checksum)); break;
        default: return PM_OK;
        }
    }
}

static int read_outputs(struct reader *r, struct pm_array *ret)
{
    struct pm_output few[16], *items = few;
    uint32_t count = 0, size = 16;
    if (pm_json_peek(&r->in) != PM_JSON_ARRAY)
        return refuse_value(r, "outputs", "an array of objects {name,size,checksum}");
    PM_TRY(pm_json_enter(&r->in, '[', r->err));
    for (;;) {
        bool more;
        PM_TRY(pm_json_read_item(&r->in, &more, r->err));
        if (!more) break;
        if (count == size) {
            items = grown(r, items, size, sizeof *items);
            size *= 2;
        }
        PM_TRY(read_output(r, &items[count++]));
    }
    *ret = pm_array_of_outputs(r->arena, items, count);
    return PM_OK;
}

/* ---- reading: objects ---- */

static int read_failure(struct reader *r, struct pm_failure *ret)
{
    static const struct part parts[] = {PART("type"), PART("message"), PART("retryable")};
    unsigned seen = 0;
    if (pm_json_peek(&r->in) != PM_JSON_OBJECT) return refuse_value(r, "error", "an object {type,message,retryable}");
    PM_TRY(pm_json_enter(&r->in, '{', r->err));
    for (;;) {
        int part;
        PM_TRY(read_part(r, "error", parts, 3, &seen, &part));
        switch (part) {
        case 0: PM_TRY(read_text(r, "error.type", &ret->type)); break;
        case 1: PM_TRY(read_text(r, "error.message", &ret->message)); break;
        case 2:
            if (pm_json_peek(&r->in) != PM_JSON_BOOL) return refuse_value(r, "error.retryable", "true or false");
            PM_TRY(pm_json_read_bool(&r->in, &ret->retryable, r->err));
            break;
        default: return PM_OK;
        }
    }
}

static int read_params(struct reader *r, struct pm_slice *ret)
{
    if (pm_json_peek(&r->in) != PM_JSON_OBJECT) return refuse_value(r, "params", "an object");
    pm_buf_clear(r->scratch);
    PM_TRY(pm_params_read(&r->in, r->scratch, r->err));
    *ret = pm_arena_copy(r->arena, pm_buf_slice(r->scratch));
    return PM_OK;
}

static int read_object(struct reader *r, const char *field, struct pm_slice *ret)
{
    if (pm_json_peek(&r->in) != PM_JSON_OBJECT) return refuse_value(r, field, "an object");
    const char *begin = r->in.at;
    pm_buf_clear(r->scratch);
    int rc = pm_json_read_compact(&r->in, r->scratch, r->err);
    if (rc != PM_OK) return pm_error_wrap(r->err, rc, "%s", field);
    struct pm_slice as_given = pm_slice(begin, (size_t)(r->in.at - begin));
    struct pm_slice compact = pm_buf_slice(r->scratch);
    *ret = pm_slice_eq(as_given, compact) ? as_given : pm_arena_copy(r->arena, compact);
    return PM_OK;
}

/* ---- reading: fields ---- */

static int read_value(struct reader *r, const struct pm_field *field)
{
    void *member = pm_field_of(r->ev, field);
    const char *name = field->name.ptr;
    switch (field->kind) {
    case PM_FIELD_TEXT:
    case PM_FIELD_PATH: return read_text(r, name, member);
    case PM_FIELD_PARAMS: return read_params(r, member);
    case PM_FIELD_OBJECT: return read_object(r, name, member);
    case PM_FIELD_TIME: return read_time(r, name, member);
    case PM_FIELD_LONG: return read_long(r, name, member);
    case PM_FIELD_SEED: return read_seed(r, name, member);
    case PM_FIELD_DOUBLE: return read_double(r, name, member);
    case PM_FIELD_KIND:
    case PM_FIELD_SOURCE:
    case PM_FIELD_STATUS: return read_word(r, field, member);
    case PM_FIELD_TEXTS:
    case PM_FIELD_PATHS: return read_texts(r, name, member);
    case PM_FIELD_DOUBLES: return read_doubles(r, name, member);
    case PM_FIELD_OUTPUTS: return read_outputs(r, member);
    case PM_FIELD_FAILURE: return read_failure(r, member);
    }
    return PM_OK;
}

static int refuse_key(struct reader *r, struct pm_slice key)
{
    if (pm_field_known(key))
        return pm_error_set(r->err, PM_EINVALID, "%s has no field \"%.*s\"", r->type, PM_SLICE_ARG(key));
    const char *near = pm_field_nearest(r->ev->type, key);
    return pm_error_set(r->err, PM_EINVALID, "unknown field \"%.*s\" of %s%s%s%s", shown(key), key.ptr, r->type,
                        near ? " (did you mean \"" : "", near ? near : "", near ? "\"?)" : "");
}

/* One key of the event with its value. `seen` has a bit a member; bit 63 is "type". */
#define SEEN_TYPE ((uint64_t)1 << 63)
_Static_assert(PM_MEMBER_COUNT < 63, "bit 63 is free");

static int read_field(struct reader *r, struct pm_slice key, uint64_t *seen)
{
    const struct pm_field *field = pm_field_find(r->ev->type, key);
    bool is_type = !field && pm_slice_eq(key, PM_SLICE("type"));
    if (!field && !is_type) {
        if (key.len && key.ptr[0] == '_') return pm_json_read_compact(&r->in, NULL, r->err);
        return refuse_key(r, key);
    }
    uint64_t bit = is_type ? SEEN_TYPE : (uint64_t)1 << field->member;
    if (*seen & bit) return pm_error_set(r->err, PM_EINVALID, "duplicate field \"%.*s\"", PM_SLICE_ARG(key));
    *seen |= bit;
    struct pm_slice type;
    if (is_type) return pm_json_read_string(&r->in, &type, r->err); /* known by now */
    if (pm_json_peek(&r->in) == PM_JSON_NULL) {                     /* what many JSON libraries write for "absent" */
        bool derived = field->member == PM_M_event_id || field->member == PM_M_occurred_at;
        if (field->required && !derived)
            return pm_error_set(r->err, PM_EINVALID, "field \"%s\" of %s is null, and it is required", field->name.ptr,
                                r->type);
        return pm_json_read_null(&r->in, r->err);
    }
    PM_TRY(read_value(r, field));
    r->ev->has |= bit;
    return PM_OK;
}

/* The type decides what all other fields mean, and it may stand anywhere in the line; nearly every writer puts it
 * first. */
static int find_type(struct reader *r)
{
    struct pm_json ahead = r->in;
    PM_TRY(pm_json_enter(&ahead, '{', r->err));
    for (;;) {
        struct pm_slice key, name;
        bool more;
        PM_TRY(pm_json_read_key(&ahead, &key, &more, r->err));
        if (!more) return pm_error_set(r->err, PM_EINVALID, "missing field \"type\"");
        if (!pm_slice_eq(key, PM_SLICE("type"))) {
            PM_TRY(pm_json_read_compact(&ahead, NULL, r->err));
            continue;
        }
        struct reader at_type = {.in = ahead, .err = r->err};
        PM_TRY(read_text(&at_type, "type", &name));
        if (!pm_event_type_parse(name, &r->ev->type)) {
            const char *near = pm_event_type_nearest(name);
            return pm_error_set(r->err, PM_EINVALID, "unknown type \"%.*s\"%s%s%s", shown(name), name.ptr,
                                near ? " (did you mean \"" : "", near ? near : "", near ? "\"?)" : "");
        }
        r->type = pm_event_type_name(r->ev->type);
        return PM_OK;
    }
}

static int read_fields(struct reader *r)
{
    uint64_t seen = 0;
    if (pm_json_peek(&r->in) != PM_JSON_OBJECT) return pm_json_expected(&r->in, "an object: one event a line", r->err);
    PM_TRY(find_type(r));
    PM_TRY(pm_json_enter(&r->in, '{', r->err));
    for (;;) {
        struct pm_slice key;
        bool more;
        PM_TRY(pm_json_read_key(&r->in, &key, &more, r->err));
        if (!more) break;
        PM_TRY(read_field(r, key, &seen));
    }
    return pm_json_close(&r->in, r->err);
}

static void release_buf(struct pm_buf *buf) { pm_buf_release(buf); }

int pm_event_from_json(struct pm_slice line, int64_t default_at_us, struct pm_arena *arena, struct pm_event *ret,
                       struct pm_error *err)
{
    if (line.len > PM_EVENT_BYTES_MAX) {
        return pm_error_set(err, PM_ELIMIT, "event of %zu bytes, above the limit of %d", line.len, PM_EVENT_BYTES_MAX);
    }
    PM_CLEANUP(release_buf) struct pm_buf scratch = {0};
    struct pm_event ev;
    ev.has = 0;
    struct reader r = {.ev = &ev, .arena = arena, .scratch = &scratch, .err = err};
    PM_TRY(pm_json_open(&r.in, line, arena, err));
    pm_buf_reserve(&scratch, line.len + 256);
    PM_TRY(read_fields(&r));
    bool time_given = pm_event_has(&ev, PM_HAS(occurred_at));
    if (!time_given) {
        ev.occurred_at = default_at_us;
        ev.has |= PM_HAS(occurred_at);
    }
    PM_TRY(pm_event_complete_read(&ev, time_given, PM_TRUST_TEXT, arena, &scratch, err));
    *ret = ev;
    return PM_OK;
}

/* ---- writing ---- */

static void put_key(struct pm_buf *out, struct pm_slice name)
{
    if (out->cap - out->len < name.len + 4) pm_buf_reserve(out, name.len + 4);
    char *p = out->ptr + out->len;
    *p++ = ',';
    *p++ = '"';
    memcpy(p, name.ptr, name.len);
    p += name.len;
    *p++ = '"';
    *p = ':';
    out->len += name.len + 4;
}

void pm_texts_to_json(struct pm_array texts, struct pm_buf *out)
{
    struct pm_array_iter it = pm_array_iter(texts);
    struct pm_slice text;
    pm_buf_byte(out, '[');
    for (bool first = true; pm_array_next_text(&it, &text); first = false) {
        if (!first) pm_buf_byte(out, ',');
        pm_json_put_string(out, text);
    }
    pm_buf_byte(out, ']');
}

static void put_doubles(struct pm_buf *out, struct pm_array array)
{
    struct pm_array_iter it = pm_array_iter(array);
    double value;
    pm_buf_byte(out, '[');
    for (bool first = true; pm_array_next_double(&it, &value); first = false) {
        if (!first) pm_buf_byte(out, ',');
        pm_json_put_double(out, value);
    }
    pm_buf_byte(out, ']');
}

static void put_outputs(struct pm_buf *out, struct pm_array array)
{
    struct pm_array_iter it = pm_array_iter(array);
    struct pm_output output;
    pm_buf_byte(out, '[');
    for (bool first = true; pm_array_next_output(&it, &output); first = false) {
        if (!first) pm_buf_byte(out, ',');
        pm_buf_slice_add(out, PM_SLICE("{\"name\":"));
        pm_json_put_string(out, output.name);
        pm_buf_slice_add(out, PM_SLICE(",\"size\":"));
        pm_json_put_i64(out, output.size);
        pm_buf_slice_add(out, PM_SLICE(",\"checksum\":"));
        pm_json_put_string(out, output.checksum);
        pm_buf_byte(out, '}');
    }
    pm_buf_byte(out, ']');
}

static void put_failure(struct pm_buf *out, const struct pm_failure *failure)
{
    pm_buf_slice_add(out, PM_SLICE("{\"type\":"));
    pm_json_put_string(out, failure->type);
    pm_buf_slice_add(out, PM_SLICE(",\"message\":"));
    pm_json_put_string(out, failure->message);
    pm_buf_slice_add(out, failure->retryable ? PM_SLICE(",\"retryable\":true}") : PM_SLICE(",\"retryable\":false}"));
}

static void release_arena(struct pm_arena *arena) { pm_arena_release(arena); }

/* An object's text as it is, unless a foreign writer left line ends or other control characters in it: a line must stay
 * one line. */
static void put_object(struct pm_buf *out, struct pm_slice text)
{
    const char *p = text.ptr, *end = text.ptr + text.len;
    while (p < end && (unsigned char)*p >= 0x20) p++;
    if (p == end) {
        pm_buf_slice_add(out, text);
        return;
    }
    PM_CLEANUP(release_arena) struct pm_arena arena = {0};
    struct pm_json in;
    pm_json_open_checked(&in, text, &arena);
    PM_CHECK(pm_json_read_compact(&in, out, NULL) == PM_OK); /* pm_event_check has read it */
}

static void put_value(struct pm_buf *out, const struct pm_event *ev, const struct pm_field *field)
{
    const void *member = pm_field_of_const(ev, field);
    switch (field->kind) {
    case PM_FIELD_TEXT:
    case PM_FIELD_PATH: pm_json_put_string(out, *(const struct pm_slice *)member); break;
    case PM_FIELD_PARAMS: pm_buf_slice_add(out, *(const struct pm_slice *)member); break;
    case PM_FIELD_OBJECT: put_object(out, *(const struct pm_slice *)member); break;
    case PM_FIELD_TIME: pm_json_put_time(out, *(const int64_t *)member); break;
    case PM_FIELD_LONG: pm_json_put_i64(out, *(const int64_t *)member); break;
    case PM_FIELD_SEED: pm_json_put_seed(out, *(const uint64_t *)member); break;
    case PM_FIELD_DOUBLE: pm_json_put_double(out, *(const double *)member); break;
    case PM_FIELD_KIND: pm_json_put_string(out, pm_slice_cstr(pm_kind_name(*(const enum pm_kind *)member))); break;
    case PM_FIELD_SOURCE:
        pm_json_put_string(out, pm_slice_cstr(pm_source_name(*(const enum pm_source *)member)));
        break;
    case PM_FIELD_STATUS:
        pm_json_put_string(out, pm_slice_cstr(pm_status_name(*(const enum pm_status *)member)));
        break;
    case PM_FIELD_TEXTS:
    case PM_FIELD_PATHS: pm_texts_to_json(*(const struct pm_array *)member, out); break;
    case PM_FIELD_DOUBLES: put_doubles(out, *(const struct pm_array *)member); break;
    case PM_FIELD_OUTPUTS: put_outputs(out, *(const struct pm_array *)member); break;
    case PM_FIELD_FAILURE: put_failure(out, member); break;
    }
}

/* The contract names the common fields in this order, before each type's own. */
static void put_common(struct pm_buf *out, const struct pm_event *ev)
{
    pm_buf_slice_add(out, PM_SLICE("{\"type\":\""));
    pm_buf_cstr(out, pm_event_type_name(ev->type));
    pm_buf_byte(out, '"');
    if (pm_event_has(ev, PM_HAS(job_id))) {
        put_key(out, PM_SLICE("job_id"));
        pm_json_put_string(out, ev->job_id);
    }
    put_key(out, PM_SLICE("occurred_at"));
    pm_json_put_time(out, ev->occurred_at);
    put_key(out, PM_SLICE("event_id"));
    pm_json_put_string(out, ev->event_id);
    if (pm_event_has(ev, PM_HAS(worker))) {
        put_key(out, PM_SLICE("worker"));
        pm_json_put_string(out, ev->worker);
    }
}

void pm_event_to_json(const struct pm_event *ev, struct pm_slice extra, struct pm_buf *out)
{
    const uint64_t common = PM_HAS(job_id) | PM_HAS(occurred_at) | PM_HAS(event_id) | PM_HAS(worker);
    const struct pm_field_table *table = &pm_field_tables[ev->type];
    put_common(out, ev);
    for (size_t i = 0; i < table->count; i++) {
        const struct pm_field *field = &table->fields[i];
        uint64_t bit = (uint64_t)1 << field->member;
        if (!(ev->has & bit & ~common)) continue;
        put_key(out, field->name);
        put_value(out, ev, field);
    }
    pm_buf_slice_add(out, extra);
    pm_buf_byte(out, '}');
}
