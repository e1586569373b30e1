/* avro_codec.c: an event's record body, read and written directly: one decoder and one encoder for each type, straight
 * code made from fields.def, no loop over a schema, no allocation while reading. The general ways (another writer's
 * schema, another framing) end here too, by being re-encoded into this form (avro_slow.c). Any thread. Wire format:
 * docs/formats/event.md.
 *
 * Each KIND of fields.def has a get_KIND (bytes -> member) and, beside it, a size_KIND and a put_KIND (member ->
 * bytes). */
#include <stdio.h>

#include "common/base/check.h"
#include "common/event/avro_bytes.h"

/* ---- enums: the index of the symbol ---- */

PM_AVRO_INLINE const uint8_t *get_symbol(const uint8_t *p, const uint8_t *end, unsigned count, unsigned *ret,
                                         struct pm_avro_fault *fault)
{
    int64_t at;
    const uint8_t *next = pm_avro_get_long(p, end, &at, fault);
    if (!PM_LIKELY(next)) return NULL;
    if (!PM_LIKELY((uint64_t)at < count)) return pm_avro_fail(fault, PM_AVRO_SYMBOL, at, p, end);
    *ret = (unsigned)at;
    return next;
}

#define ENUM_KIND(KIND, type, last)                                                           \
    PM_AVRO_INLINE const uint8_t *get_##KIND(const uint8_t *p, const uint8_t *end, type *ret, \
                                             struct pm_avro_fault *fault)                     \
    {                                                                                         \
        unsigned at = 0;                                                                      \
        p = get_symbol(p, end, (last) + 1, &at, fault);                                       \
        if (PM_LIKELY(p)) *ret = (type)at;                                                    \
        return p;                                                                             \
    }                                                                                         \
    PM_AVRO_INLINE size_t size_##KIND(const type *value)                                      \
    {                                                                                         \
        PM_CHECK((unsigned)*value <= (last));                                                 \
        return PM_AVRO_LONG_BYTES;                                                            \
    }                                                                                         \
    PM_AVRO_INLINE uint8_t *put_##KIND(uint8_t *out, const type *value)                       \
    {                                                                                         \
        return pm_avro_put_long(out, (int64_t)*value);                                        \
    }

ENUM_KIND(KIND, enum pm_kind, PM_KIND_AGG)
ENUM_KIND(SOURCE, enum pm_source, PM_SOURCE_JOB)
ENUM_KIND(STATUS, enum pm_status, PM_STATUS_CANCELLED)

/* ---- text and numbers ---- */

#define get_TEXT pm_avro_get_text
#define get_DOUBLE pm_avro_get_double
#define get_LONG pm_avro_get_long
#define get_TIME pm_avro_get_big

PM_AVRO_INLINE const uint8_t *get_SEED(const uint8_t *p, const uint8_t *end, uint64_t *ret, struct pm_avro_fault *fault)
{
    int64_t value;
    p = pm_avro_get_big(p, end, &value, fault);
    if (PM_LIKELY(p)) *ret = (uint64_t)value;
    return p;
}

PM_AVRO_INLINE size_t size_TEXT(const struct pm_slice *text) { return PM_AVRO_LONG_BYTES + text->len; }
PM_AVRO_INLINE size_t size_DOUBLE(const double *value) { return sizeof *value; }
PM_AVRO_INLINE size_t size_LONG(const int64_t *value)
{
    (void)value;
    return PM_AVRO_LONG_BYTES;
}
PM_AVRO_INLINE size_t size_SEED(const uint64_t *value)
{
    (void)value;
    return PM_AVRO_LONG_BYTES;
}
PM_AVRO_INLINE uint8_t *put_TEXT(uint8_t *out, const struct pm_slice *text) { return pm_avro_put_text(out, *text); }
PM_AVRO_INLINE uint8_t *put_DOUBLE(uint8_t *out, const double *value) { return pm_avro_put_double(out, *value); }
PM_AVRO_INLINE uint8_t *put_LONG(uint8_t *out, const int64_t *value) { return pm_avro_put_long(out, *value); }
PM_AVRO_INLINE uint8_t *put_SEED(uint8_t *out, const uint64_t *value) { return pm_avro_put_long(out, (int64_t)*value); }
#define size_TIME size_LONG
#define put_TIME put_LONG

/* Text with a meaning of its own is text on the wire. */
#define get_PATH get_TEXT
#define size_PATH size_TEXT
#define put_PATH put_TEXT
#define get_PARAMS get_TEXT
#define size_PARAMS size_TEXT
#define put_PARAMS put_TEXT
#define get_OBJECT get_TEXT
#define size_OBJECT size_TEXT
#define put_OBJECT put_TEXT

/* ---- the record Failure ---- */

PM_AVRO_INLINE const uint8_t *get_FAILURE(const uint8_t *p, const uint8_t *end, struct pm_failure *ret,
                                          struct pm_avro_fault *fault)
{
    p = pm_avro_get_text(p, end, &ret->type, fault);
    if (PM_LIKELY(p)) p = pm_avro_get_text(p, end, &ret->message, fault);
    if (!PM_LIKELY(p)) return NULL;
    if (!PM_LIKELY(p < end)) return pm_avro_fail(fault, PM_AVRO_CUT, 0, p, end);
    if (!PM_LIKELY(*p <= 1)) return pm_avro_fail(fault, PM_AVRO_BOOL, *p, p, end);
    ret->retryable = *p;
    return p + 1;
}
PM_AVRO_INLINE size_t size_FAILURE(const struct pm_failure *value)
{
    return size_TEXT(&value->type) + size_TEXT(&value->message) + 1;
}
PM_AVRO_INLINE uint8_t *put_FAILURE(uint8_t *out, const struct pm_failure *value)
{
    out = pm_avro_put_text(out, value->type);
    out = pm_avro_put_text(out, value->message);
    *out++ = value->retryable;
    return out;
}

/* ---- arrays: checked item by item, then kept as they are ---- */

PM_AVRO_INLINE const uint8_t *skip_text(const uint8_t *p, const uint8_t *end, struct pm_avro_fault *fault)
{
    struct pm_slice text;
    return pm_avro_get_text(p, end, &text, fault);
}

PM_AVRO_INLINE const uint8_t *skip_output(const uint8_t *p, const uint8_t *end, struct pm_avro_fault *fault)
{
    int64_t size;
    p = skip_text(p, end, fault);
    if (PM_LIKELY(p)) p = pm_avro_get_long(p, end, &size, fault);
    if (PM_LIKELY(p)) p = skip_text(p, end, fault);
    return p;
}

PM_AVRO_INLINE const uint8_t *skip_double(const uint8_t *p, const uint8_t *end, struct pm_avro_fault *fault)
{
    double value;
    return pm_avro_get_double(p, end, &value, fault);
}

/* Block headers: a positive count, or a negative one and the block's size in bytes. *ret_block_end is the end that the
 * size gives, else NULL. `item_bytes_min` times the count must fit into what is left, so that a small record cannot
 * claim much work. */
PM_AVRO_INLINE const uint8_t *get_block(const uint8_t *p, const uint8_t *end, size_t item_bytes_min, uint32_t total,
                                        int64_t *ret_count, const uint8_t **ret_block_end, struct pm_avro_fault *fault)
{
    int64_t count, size;
    const uint8_t *next = pm_avro_get_long(p, end, &count, fault);
    if (!PM_LIKELY(next)) return NULL;
    *ret_block_end = NULL;
    if (!PM_LIKELY(count >= 0)) {
        const uint8_t *size_at = next;
        next = pm_avro_get_long(next, end, &size, fault);
        if (!next) return NULL;
        if ((uint64_t)size > (uint64_t)(end - next)) return pm_avro_fail(fault, PM_AVRO_LENGTH, size, size_at, end);
        *ret_block_end = next + size;
        if (count < -PM_ARRAY_ITEMS_MAX) return pm_avro_fail(fault, PM_AVRO_COUNT, count, p, end);
        count = -count;
    }
    if (!PM_LIKELY(count <= PM_ARRAY_ITEMS_MAX - (int64_t)total &&
                   (uint64_t)count * item_bytes_min <= (uint64_t)(end - next)))
        return pm_avro_fail(fault, PM_AVRO_COUNT, count, p, end);
    *ret_count = count;
    return next;
}

#define ARRAY_KIND(KIND, skip, item_bytes_min)                                                                         \
    PM_AVRO_INLINE const uint8_t *get_##KIND(const uint8_t *p, const uint8_t *end, struct pm_array *ret,               \
                                             struct pm_avro_fault *fault)                                              \
    {                                                                                                                  \
        const uint8_t *start = p;                                                                                      \
        uint32_t total = 0;                                                                                            \
        for (;;) {                                                                                                     \
            const uint8_t *block_end, *block = p;                                                                      \
            int64_t count = 0;                                                                                         \
            p = get_block(p, end, item_bytes_min, total, &count, &block_end, fault);                                   \
            if (!PM_LIKELY(p)) return NULL;                                                                            \
            if (count == 0) break;                                                                                     \
            const uint8_t *items = p;                                                                                  \
            for (int64_t i = 0; i < count; i++) {                                                                      \
                p = skip(p, end, fault);                                                                               \
                if (!PM_LIKELY(p)) return NULL;                                                                        \
            }                                                                                                          \
            if (block_end && p != block_end) return pm_avro_fail(fault, PM_AVRO_BLOCK, block_end - items, block, end); \
            total += (uint32_t)count;                                                                                  \
        }                                                                                                              \
        ret->count = total;                                                                                            \
        ret->raw = pm_slice(start, (size_t)(p - start));                                                               \
        return p;                                                                                                      \
    }

ARRAY_KIND(TEXTS, skip_text, 1)
ARRAY_KIND(DOUBLES, skip_double, 8)
ARRAY_KIND(OUTPUTS, skip_output, 3)
#define get_PATHS get_TEXTS

/* Is `array` one block with a positive count? Then no other follows, since its count is all there is; what is written
 * is always this form. */
PM_AVRO_INLINE bool one_block(const struct pm_array *array)
{
    struct pm_avro_fault fault;
    int64_t count = 0;
    const uint8_t *p = (const uint8_t *)array->raw.ptr;
    return array->raw.len && pm_avro_get_long(p, p + array->raw.len, &count, &fault) && count == (int64_t)array->count;
}

PM_AVRO_INLINE size_t size_array(const struct pm_array *array) { return PM_AVRO_LONG_BYTES + array->raw.len + 1; }
#define size_TEXTS size_array
#define size_PATHS size_array
#define size_DOUBLES size_array
#define size_OUTPUTS size_array

/* Several blocks become one. The items' bytes do not grow by that: numbers are written in their shortest form. */
static __attribute__((noinline)) uint8_t *merge_texts(uint8_t *out, const struct pm_array *array)
{
    struct pm_slice text;
    if (array->count) out = pm_avro_put_long(out, array->count);
    for (struct pm_array_iter it = pm_array_iter(*array); pm_array_next_text(&it, &text);)
        out = pm_avro_put_text(out, text);
    *out++ = 0;
    return out;
}

static __attribute__((noinline)) uint8_t *merge_doubles(uint8_t *out, const struct pm_array *array)
{
    double value;
    if (array->count) out = pm_avro_put_long(out, array->count);
    for (struct pm_array_iter it = pm_array_iter(*array); pm_array_next_double(&it, &value);)
        out = pm_avro_put_double(out, value);
    *out++ = 0;
    return out;
}

static __attribute__((noinline)) uint8_t *merge_outputs(uint8_t *out, const struct pm_array *array)
{
    struct pm_output output;
    if (array->count) out = pm_avro_put_long(out, array->count);
    for (struct pm_array_iter it = pm_array_iter(*array); pm_array_next_output(&it, &output);) {
        out = pm_avro_put_text(out, output.name);
        out = pm_avro_put_long(out, output.size);
        out = pm_avro_put_text(out, output.checksum);
    }
    *out++ = 0;
    return out;
}

#define ARRAY_PUT(KIND, merge)                                                     \
    PM_AVRO_INLINE uint8_t *put_##KIND(uint8_t *out, const struct pm_array *array) \
    {                                                                              \
        if (!PM_LIKELY(one_block(array))) return merge(out, array);                \
        memcpy(out, array->raw.ptr, array->raw.len);                               \
        return out + array->raw.len;                                               \
    }
ARRAY_PUT(TEXTS, merge_texts)
ARRAY_PUT(DOUBLES, merge_doubles)
ARRAY_PUT(OUTPUTS, merge_outputs)
#define put_PATHS put_TEXTS

/* ---- decoders ---- */

/* A union ["null", T]: branch 0 or 1, one byte unless a foreign writer pads it. */
PM_AVRO_INLINE const uint8_t *get_branch(const uint8_t *p, const uint8_t *end, bool *ret_present,
                                         struct pm_avro_fault *fault)
{
    if (PM_LIKELY(p < end && (*p & ~2) == 0)) {
        *ret_present = *p;
        return p + 1;
    }
    int64_t branch;
    const uint8_t *next = pm_avro_get_long_slow(p, end, &branch, fault);
    if (!next) return NULL;
    if ((uint64_t)branch > 1) return pm_avro_fail(fault, PM_AVRO_BRANCH, branch, p, end);
    *ret_present = branch;
    return next;
}

#define GET(m, KIND)                       \
    p = get_##KIND(p, end, &ev->m, fault); \
    if (!PM_LIKELY(p)) goto malformed;     \
    has |= PM_HAS(m);
#define GET_REQUIRED(m, KIND) GET(m, KIND)
#define GET_OPTIONAL(m, KIND)                    \
    bool present_##m = false;                    \
    p = get_branch(p, end, &present_##m, fault); \
    if (!PM_LIKELY(p)) goto malformed;           \
    if (present_##m) {                           \
        GET(m, KIND)                             \
    }

/* `field` is a constant at each place, set only so that the one exit knows where it came from; the compiler keeps it
 * off the good path. */
#define PM_EVENT_BEGIN(TYPE, fn, name)                                                             \
    static int decode_##fn(struct pm_slice body, struct pm_event *ev, struct pm_avro_fault *fault) \
    {                                                                                              \
        const uint8_t *p = (const uint8_t *)body.ptr, *end = p + body.len;                         \
        const char *field;                                                                         \
        uint64_t has = 0;
#define PM_FIELD(m, name, KIND, PRESENCE) \
    {                                     \
        field = name;                     \
        GET_##PRESENCE(m, KIND)           \
    }
#define PM_EVENT_END(TYPE, fn, name)               \
    if (!PM_LIKELY(p == end)) {                    \
        fault->at = p;                             \
        fault->end = end;                          \
        fault->field = NULL; /* bytes left over */ \
        return PM_EFORMAT;                         \
    }                                              \
    ev->type = PM_##TYPE;                          \
    ev->has = has;                                 \
    return PM_OK;                                  \
    malformed:                                     \
    fault->field = field;                          \
    return PM_EFORMAT;                             \
    }
#include "common/event/fields.def"

int pm_avro_fault_error(const struct pm_avro_fault *fault, const uint8_t *start, struct pm_error *err)
{
    size_t at = (size_t)(fault->at - start), size = (size_t)(fault->end - start), left = size - at;
    if (!fault->field)
        return pm_error_set(err, PM_EFORMAT, "%zu bytes left over after the record of %zu bytes", left, at);
    long long value = fault->value;
    char why[160];
    switch (fault->why) {
    case PM_AVRO_CUT: snprintf(why, sizeof why, "the record is cut"); break;
    case PM_AVRO_LONG: snprintf(why, sizeof why, "a number longer than %d bytes", PM_AVRO_LONG_BYTES); break;
    case PM_AVRO_LENGTH:
        snprintf(why, sizeof why, "length %lld where %zu bytes are left (the record is cut, or not of this schema)",
                 value, left);
        break;
    case PM_AVRO_BRANCH: snprintf(why, sizeof why, "union branch %lld, which the schema does not have", value); break;
    case PM_AVRO_SYMBOL: snprintf(why, sizeof why, "enum index %lld, which the schema does not have", value); break;
    case PM_AVRO_BOOL: snprintf(why, sizeof why, "boolean byte %lld, which is neither 0 nor 1", value); break;
    case PM_AVRO_COUNT:
        snprintf(why, sizeof why, "array count %lld where %zu bytes are left (at most %d items)", value, left,
                 PM_ARRAY_ITEMS_MAX);
        break;
    case PM_AVRO_BLOCK:
        snprintf(why, sizeof why, "array block of %lld bytes that its items do not fill exactly", value);
        break;
    case PM_AVRO_VALUES: snprintf(why, sizeof why, "a schema with more values than the record has bytes for"); break;
    case PM_AVRO_DEPTH: snprintf(why, sizeof why, "nesting deeper than %lld", value); break;
    }
    return pm_error_set(err, PM_EFORMAT, "field \"%s\" at byte %zu of %zu: %s", fault->field, at, size, why);
}

int pm_event_decode(enum pm_event_type type, struct pm_slice body, struct pm_event *ret, struct pm_error *err)
{
    struct pm_avro_fault fault;
    int rc = PM_EFORMAT;
    if (!body.ptr) body = pm_slice("", 0);
    switch (type) {
#define PM_EVENT_BEGIN(TYPE, fn, name)       \
    case PM_##TYPE:                          \
        rc = decode_##fn(body, ret, &fault); \
        break;
#include "common/event/fields.def"
    case PM_EVENT_TYPE_COUNT: PM_CHECK(!"an event type");
    }
    if (PM_LIKELY(rc == PM_OK)) return PM_OK;
    pm_avro_fault_error(&fault, (const uint8_t *)body.ptr, err);
    return pm_error_wrap(err, rc, "%s", pm_event_type_name(type));
}

/* ---- encoders: room for the longest form is made once, then the bytes are written without further checks ---- */

#define SIZE_REQUIRED(m, KIND)             \
    PM_CHECK(pm_event_has(ev, PM_HAS(m))); \
    size += size_##KIND(&ev->m);
#define SIZE_OPTIONAL(m, KIND) size += 1 + (pm_event_has(ev, PM_HAS(m)) ? size_##KIND(&ev->m) : 0);
#define PM_EVENT_BEGIN(TYPE, fn, name)                 \
    static size_t size_##fn(const struct pm_event *ev) \
    {                                                  \
        size_t size = 0;
#define PM_FIELD(m, name, KIND, PRESENCE) SIZE_##PRESENCE(m, KIND)
#define PM_EVENT_END(TYPE, fn, name) \
    return size;                     \
    }
#include "common/event/fields.def"

#define PUT_REQUIRED(m, KIND) out = put_##KIND(out, &ev->m);
#define PUT_OPTIONAL(m, KIND)              \
    if (pm_event_has(ev, PM_HAS(m))) {     \
        *out++ = 2; /* branch 1, zigzag */ \
        out = put_##KIND(out, &ev->m);     \
    } else {                               \
        *out++ = 0;                        \
    }
#define PM_EVENT_BEGIN(TYPE, fn, name)                                   \
    static uint8_t *encode_##fn(uint8_t *out, const struct pm_event *ev) \
    {
#define PM_FIELD(m, name, KIND, PRESENCE) PUT_##PRESENCE(m, KIND)
#define PM_EVENT_END(TYPE, fn, name) \
    return out;                      \
    }
#include "common/event/fields.def"

void pm_event_encode(const struct pm_event *ev, struct pm_buf *buf)
{
    switch (ev->type) {
#define PM_EVENT_BEGIN(TYPE, fn, name)                                       \
    case PM_##TYPE: {                                                        \
        pm_buf_reserve(buf, size_##fn(ev));                                  \
        char *end = (char *)encode_##fn((uint8_t *)buf->ptr + buf->len, ev); \
        buf->len = (size_t)(end - buf->ptr);                                 \
        PM_CHECK(buf->len <= buf->cap);                                      \
        return;                                                              \
    }
#include "common/event/fields.def"
    case PM_EVENT_TYPE_COUNT: break;
    }
    PM_CHECK(!"an event type");
}
