/* avro_slow.c: the one door to Avro C. Foreign record -> our own bounds check along the writer's schema -> Avro C's
 * generic value -> members of an event by name -> our own bytes. A writer belongs to one thread.
 *
 * Two things about Avro C (1.11) shape this file. It believes lengths: a record of six bytes can make it allocate
 * gigabytes and leak them, so no byte reaches it, and no value is made by it, before check_bytes has walked the whole
 * record along the same schema: every length, count, branch and symbol is within its bounds, nothing is left over, and
 * depth and number of values are bounded, so that what Avro C allocates is too. And its resolved readers and writers
 * know no defaults (a field that the writer lacks ends them), so fields are matched here, from fields.def, and only
 * reading generic values is left to it. */
#include "common/event/avro_slow.h"

#include <avro.h>
#include <inttypes.h>
#include <stdlib.h>

#include "common/base/check.h"
#include "common/event/avro_bytes.h"

#define WALK_DEPTH_MAX 64
/* Values that a record of so many bytes may have: most take a byte, but records and nulls take none. */
#define WALK_VALUES_MAX(bytes) (65536 + 16 * (int64_t)(bytes))

struct pm_writer {
    enum pm_event_type type;
    avro_schema_t schema;
    avro_value_iface_t *iface;
    int field_at[PM_MEMBER_COUNT]; /* where the writer's record has it, -1 when it does not */
    struct pm_buf scratch;
};

/* ---- the check along the writer's schema ---- */

struct walk {
    const uint8_t *end;
    struct pm_avro_fault *fault;
    int64_t items_left;  /* of all arrays and maps together: an item may take no byte at all */
    int64_t values_left; /* a schema of a few lines, each record with two of the next, has 2^20 values in no byte */
};

static const uint8_t *walk_value(struct walk *walk, avro_schema_t schema, const uint8_t *p, int depth);

static const uint8_t *walk_bytes(struct walk *walk, const uint8_t *p, size_t size)
{
    if ((size_t)(walk->end - p) < size) return pm_avro_fail(walk->fault, PM_AVRO_CUT, 0, p, walk->end);
    return p + size;
}

/* A number within 0..count-1: a union's branch or an enum's index. */
static const uint8_t *walk_index(struct walk *walk, const uint8_t *p, size_t count, enum pm_avro_why why, int64_t *ret)
{
    const uint8_t *next = pm_avro_get_long(p, walk->end, ret, walk->fault);
    if (next && (uint64_t)*ret >= count) return pm_avro_fail(walk->fault, why, *ret, p, walk->end);
    return next;
}

/* `key`: a map's items have a text before their value. */
static const uint8_t *walk_blocks(struct walk *walk, avro_schema_t items, bool key, const uint8_t *p, int depth)
{
    for (;;) {
        const uint8_t *block = p, *block_end = NULL;
        int64_t count, size = 0;
        p = pm_avro_get_long(p, walk->end, &count, walk->fault);
        if (!p || count == 0) return p;
        if (count < 0) {
            p = pm_avro_get_long(p, walk->end, &size, walk->fault);
            if (!p) return NULL;
            if ((uint64_t)size > (uint64_t)(walk->end - p))
                return pm_avro_fail(walk->fault, PM_AVRO_LENGTH, size, block, walk->end);
            block_end = p + size;
        }
        if (count < -walk->items_left || count > walk->items_left)
            return pm_avro_fail(walk->fault, PM_AVRO_COUNT, count, block, walk->end);
        count = count < 0 ? -count : count;
        walk->items_left -= count;
        for (int64_t i = 0; i < count && p; i++) {
            struct pm_slice text;
            if (key) p = pm_avro_get_text(p, walk->end, &text, walk->fault);
            if (p) p = walk_value(walk, items, p, depth);
        }
        if (!p) return NULL;
        if (block_end && p != block_end) return pm_avro_fail(walk->fault, PM_AVRO_BLOCK, size, block, walk->end);
    }
}

static const uint8_t *walk_record(struct walk *walk, avro_schema_t schema, const uint8_t *p, int depth)
{
    size_t count = avro_schema_record_size(schema);
    for (size_t i = 0; i < count && p; i++) {
        if (depth == 1) walk->fault->field = avro_schema_record_field_name(schema, (int)i);
        p = walk_value(walk, avro_schema_record_field_get_by_index(schema, (int)i), p, depth);
    }
    return p;
}

static const uint8_t *walk_value(struct walk *walk, avro_schema_t schema, const uint8_t *p, int depth)
{
    const uint8_t *at = p;
    struct pm_slice text;
    int64_t value;
    if (--walk->values_left < 0) return pm_avro_fail(walk->fault, PM_AVRO_VALUES, 0, p, walk->end);
    if (++depth > WALK_DEPTH_MAX) return pm_avro_fail(walk->fault, PM_AVRO_DEPTH, WALK_DEPTH_MAX, p, walk->end);
    switch (avro_typeof(schema)) {
    case AVRO_NULL: return p;
    case AVRO_BOOLEAN:
        p = walk_bytes(walk, p, 1);
        return p && *at > 1 ? pm_avro_fail(walk->fault, PM_AVRO_BOOL, *at, at, walk->end) : p;
    case AVRO_INT32:
        p = pm_avro_get_long(p, walk->end, &value, walk->fault);
        return p && value != (int32_t)value ? pm_avro_fail(walk->fault, PM_AVRO_LONG, value, at, walk->end) : p;
    case AVRO_INT64: return pm_avro_get_long(p, walk->end, &value, walk->fault);
    case AVRO_FLOAT: return walk_bytes(walk, p, 4);
    case AVRO_DOUBLE: return walk_bytes(walk, p, 8);
    case AVRO_STRING:
    case AVRO_BYTES: return pm_avro_get_text(p, walk->end, &text, walk->fault);
    case AVRO_FIXED: return walk_bytes(walk, p, (size_t)avro_schema_fixed_size(schema));
    case AVRO_ENUM:
        return walk_index(walk, p, (size_t)avro_schema_enum_number_of_symbols(schema), PM_AVRO_SYMBOL, &value);
    case AVRO_UNION:
        p = walk_index(walk, p, avro_schema_union_size(schema), PM_AVRO_BRANCH, &value);
        return p ? walk_value(walk, avro_schema_union_branch(schema, (int)value), p, depth) : NULL;
    case AVRO_ARRAY: return walk_blocks(walk, avro_schema_array_items(schema), false, p, depth);
    case AVRO_MAP: return walk_blocks(walk, avro_schema_map_values(schema), true, p, depth);
    case AVRO_RECORD: return walk_record(walk, schema, p, depth);
    case AVRO_LINK: return walk_value(walk, avro_schema_link_target(schema), p, depth);
    default: break;
    }
    PM_CHECK(!"a kind of schema");
    return NULL;
}

/* ---- values to members: take_KIND of each KIND in fields.def ---- */

static int mismatch(const char *field, const char *expected, avro_value_t *value, struct pm_error *err)
{
    avro_schema_t schema = avro_value_get_schema(value);
    return pm_error_set(err, PM_ESCHEMA, "field \"%s\": the writer's %s does not resolve to %s", field,
                        schema ? avro_schema_type_name(schema) : "value", expected);
}

/* The value inside a union; others are themselves. */
static avro_value_t inside(avro_value_t value)
{
    avro_value_t branch;
    while (avro_value_get_type(&value) == AVRO_UNION && avro_value_get_current_branch(&value, &branch) == 0)
        value = branch;
    return value;
}

static int take_TEXT(const char *field, avro_value_t *value, struct pm_arena *arena, struct pm_slice *ret,
                     struct pm_error *err)
{
    (void)arena;
    const void *ptr = NULL;
    size_t size = 0;
    if (avro_value_get_type(value) == AVRO_STRING) {
        const char *text;
        if (avro_value_get_string(value, &text, &size)) return mismatch(field, "string", value, err);
        *ret = pm_slice(text, size - 1); /* Avro C counts the zero it puts behind */
        return PM_OK;
    }
    if (avro_value_get_type(value) != AVRO_BYTES || avro_value_get_bytes(value, &ptr, &size))
        return mismatch(field, "string", value, err);
    *ret = pm_slice(ptr, size);
    return PM_OK;
}

static int take_LONG(const char *field, avro_value_t *value, struct pm_arena *arena, int64_t *ret, struct pm_error *err)
{
    (void)arena;
    int32_t narrow;
    if (avro_value_get_type(value) == AVRO_INT64 && avro_value_get_long(value, ret) == 0) return PM_OK;
    if (avro_value_get_type(value) != AVRO_INT32 || avro_value_get_int(value, &narrow))
        return mismatch(field, "long", value, err);
    *ret = narrow;
    return PM_OK;
}

static int take_SEED(const char *field, avro_value_t *value, struct pm_arena *arena, uint64_t *ret,
                     struct pm_error *err)
{
    int64_t seed;
    PM_TRY(take_LONG(field, value, arena, &seed, err));
    *ret = (uint64_t)seed;
    return PM_OK;
}

static int take_DOUBLE(const char *field, avro_value_t *value, struct pm_arena *arena, double *ret,
                       struct pm_error *err)
{
    int64_t integer;
    float narrow;
    if (avro_value_get_type(value) == AVRO_DOUBLE && avro_value_get_double(value, ret) == 0) return PM_OK;
    if (avro_value_get_type(value) == AVRO_FLOAT && avro_value_get_float(value, &narrow) == 0) {
        *ret = (double)narrow;
        return PM_OK;
    }
    if (take_LONG(field, value, arena, &integer, NULL) != PM_OK) return mismatch(field, "double", value, err);
    *ret = (double)integer;
    return PM_OK;
}

/* The symbol the writer's enum has at its index, as text. */
static int take_symbol(const char *field, avro_value_t *value, struct pm_slice *ret, struct pm_error *err)
{
    int at;
    if (avro_value_get_type(value) != AVRO_ENUM || avro_value_get_enum(value, &at))
        return mismatch(field, "enum", value, err);
    *ret = pm_slice_cstr(avro_schema_enum_get(avro_value_get_schema(value), at));
    return PM_OK;
}

#define TAKE_ENUM(KIND, type, parse)                                                                                \
    static int take_##KIND(const char *field, avro_value_t *value, struct pm_arena *arena, type *ret,               \
                           struct pm_error *err)                                                                    \
    {                                                                                                               \
        (void)arena;                                                                                                \
        struct pm_slice symbol;                                                                                     \
        PM_TRY(take_symbol(field, value, &symbol, err));                                                            \
        if (parse(symbol, ret)) return PM_OK;                                                                       \
        return pm_error_set(err, PM_ESCHEMA, "field \"%s\": the writer's symbol \"%.*s\" is not known here", field, \
                            PM_SLICE_ARG(symbol));                                                                  \
    }
TAKE_ENUM(KIND, enum pm_kind, pm_kind_parse)
TAKE_ENUM(SOURCE, enum pm_source, pm_source_parse)
TAKE_ENUM(STATUS, enum pm_status, pm_status_parse)

/* A field of a record inside the event's record, by name. */
static int take_member(const char *field, avro_value_t *record, const char *name, avro_value_t *ret,
                       struct pm_error *err)
{
    avro_value_t member;
    if (avro_value_get_type(record) != AVRO_RECORD) return mismatch(field, "record", record, err);
    if (avro_value_get_by_name(record, name, &member, NULL))
        return pm_error_set(err, PM_ESCHEMA, "field \"%s\": the writer's record has no field \"%s\"", field, name);
    *ret = inside(member);
    return PM_OK;
}

static int take_FAILURE(const char *field, avro_value_t *value, struct pm_arena *arena, struct pm_failure *ret,
                        struct pm_error *err)
{
    avro_value_t member;
    int retryable;
    PM_TRY(take_member(field, value, "type", &member, err));
    PM_TRY(take_TEXT(field, &member, arena, &ret->type, err));
    PM_TRY(take_member(field, value, "message", &member, err));
    PM_TRY(take_TEXT(field, &member, arena, &ret->message, err));
    PM_TRY(take_member(field, value, "retryable", &member, err));
    if (avro_value_get_type(&member) != AVRO_BOOLEAN || avro_value_get_boolean(&member, &retryable))
        return mismatch(field, "boolean", &member, err);
    ret->retryable = retryable;
    return PM_OK;
}

static int take_output(const char *field, avro_value_t *value, struct pm_arena *arena, struct pm_output *ret,
                       struct pm_error *err)
{
    avro_value_t member;
    PM_TRY(take_member(field, value, "name", &member, err));
    PM_TRY(take_TEXT(field, &member, arena, &ret->name, err));
    PM_TRY(take_member(field, value, "size", &member, err));
    PM_TRY(take_LONG(field, &member, arena, &ret->size, err));
    PM_TRY(take_member(field, value, "checksum", &member, err));
    return take_TEXT(field, &member, arena, &ret->checksum, err);
}

#define TAKE_ARRAY(KIND, type, take, make)                                                                       \
    static int take_##KIND(const char *field, avro_value_t *value, struct pm_arena *arena, struct pm_array *ret, \
                           struct pm_error *err)                                                                 \
    {                                                                                                            \
        size_t count;                                                                                            \
        if (avro_value_get_type(value) != AVRO_ARRAY || avro_value_get_size(value, &count))                      \
            return mismatch(field, "array", value, err);                                                         \
        type *items = pm_arena_alloc(arena, (count + 1) * sizeof *items);                                        \
        for (size_t i = 0; i < count; i++) {                                                                     \
            avro_value_t item;                                                                                   \
            PM_CHECK(avro_value_get_by_index(value, i, &item, NULL) == 0);                                       \
            item = inside(item);                                                                                 \
            PM_TRY(take(field, &item, arena, &items[i], err));                                                   \
        }                                                                                                        \
        *ret = make(arena, items, (uint32_t)count); /* the walk has counted at most PM_ARRAY_ITEMS_MAX */        \
        return PM_OK;                                                                                            \
    }
TAKE_ARRAY(TEXTS, struct pm_slice, take_TEXT, pm_array_of_texts)
TAKE_ARRAY(DOUBLES, double, take_DOUBLE, pm_array_of_doubles)
TAKE_ARRAY(OUTPUTS, struct pm_output, take_output, pm_array_of_outputs)

#define take_PATH take_TEXT
#define take_PARAMS take_TEXT
#define take_OBJECT take_TEXT
#define take_TIME take_LONG
#define take_PATHS take_TEXTS

enum { OPTIONAL, REQUIRED };

/* The value of a member's field; *ret_present is false when the writer's schema or this record has none. */
static int find_value(const struct pm_writer *writer, avro_value_t *record, enum pm_member member, const char *field,
                      bool required, avro_value_t *ret, bool *ret_present, struct pm_error *err)
{
    avro_value_t value;
    int at = writer->field_at[member];
    *ret_present = false;
    if (at < 0) return PM_OK; /* pm_writer_new has refused writers that lack a required field */
    PM_CHECK(avro_value_get_by_index(record, (size_t)at, &value, NULL) == 0);
    *ret = inside(value);
    if (avro_value_get_type(ret) != AVRO_NULL) *ret_present = true;
    else if (required)
        return pm_error_set(err, PM_ESCHEMA, "field \"%s\" is required and the writer's value is null", field);
    return PM_OK;
}

#define PM_EVENT_BEGIN(TYPE, fn, name)                                                                 \
    static int take_##fn(const struct pm_writer *writer, avro_value_t *record, struct pm_arena *arena, \
                         struct pm_event *ev, struct pm_error *err)                                    \
    {                                                                                                  \
        avro_value_t value;                                                                            \
        bool present;                                                                                  \
        *ev = (struct pm_event){.type = PM_##TYPE};
#define PM_FIELD(m, name, KIND, PRESENCE)                                                \
    PM_TRY(find_value(writer, record, PM_M_##m, name, PRESENCE, &value, &present, err)); \
    if (present) {                                                                       \
        PM_TRY(take_##KIND(name, &value, arena, &ev->m, err));                           \
        ev->has |= PM_HAS(m);                                                            \
    }
#define PM_EVENT_END(TYPE, type, name) \
    return PM_OK;                      \
    }
#include "common/event/fields.def"

static int take_event(const struct pm_writer *writer, avro_value_t *record, struct pm_arena *arena, struct pm_event *ev,
                      struct pm_error *err)
{
    int rc = PM_ESCHEMA;
    switch (writer->type) {
#define PM_EVENT_BEGIN(TYPE, fn, name)                  \
    case PM_##TYPE:                                     \
        rc = take_##fn(writer, record, arena, ev, err); \
        break;
#include "common/event/fields.def"
    case PM_EVENT_TYPE_COUNT: PM_CHECK(!"an event type");
    }
    return rc;
}

/* ---- writers ---- */

static int find_field(struct pm_writer *writer, enum pm_member member, const char *field, bool required,
                      struct pm_error *err)
{
    writer->field_at[member] = avro_schema_record_field_get_index(writer->schema, field);
    if (writer->field_at[member] >= 0 || !required) return PM_OK;
    return pm_error_set(err, PM_ESCHEMA, "the writer's schema of %s has no field \"%s\", which is required",
                        pm_event_type_name(writer->type), field);
}

static int find_fields(struct pm_writer *writer, struct pm_error *err)
{
    switch (writer->type) {
#define PM_EVENT_BEGIN(TYPE, type, name) case PM_##TYPE:
#define PM_FIELD(m, name, KIND, PRESENCE) PM_TRY(find_field(writer, PM_M_##m, name, PRESENCE, err));
#define PM_EVENT_END(TYPE, type, name) return PM_OK;
#include "common/event/fields.def"
    case PM_EVENT_TYPE_COUNT: break;
    }
    PM_CHECK(!"an event type");
    return PM_OK;
}

static int add_fixed(avro_schema_t schema, int64_t *total, struct pm_error *err);

static int add_fields(avro_schema_t schema, int64_t *total, struct pm_error *err)
{
    int n = (int)avro_schema_record_size(schema);
    for (int i = 0; i < n; i++) PM_TRY(add_fixed(avro_schema_record_field_get_by_index(schema, i), total, err));
    return PM_OK;
}

static int add_branches(avro_schema_t schema, int64_t *total, struct pm_error *err)
{
    int n = (int)avro_schema_union_size(schema);
    for (int i = 0; i < n; i++) PM_TRY(add_fixed(avro_schema_union_branch(schema, i), total, err));
    return PM_OK;
}

/* Avro C lays values out by the sizes of the schema's fixed types, and believes every one, negative ones too. */
static int add_fixed(avro_schema_t schema, int64_t *total, struct pm_error *err)
{
    switch (avro_typeof(schema)) {
    case AVRO_FIXED: break;
    case AVRO_RECORD: return add_fields(schema, total, err);
    case AVRO_UNION: return add_branches(schema, total, err);
    case AVRO_ARRAY: return add_fixed(avro_schema_array_items(schema), total, err);
    case AVRO_MAP: return add_fixed(avro_schema_map_values(schema), total, err);
    default: return PM_OK;
    }
    int64_t size = avro_schema_fixed_size(schema);
    if (size < 0 || size > PM_EVENT_BYTES_MAX - *total)
        return pm_error_set(err, PM_ESCHEMA,
                            "the fixed type \"%s\" of %" PRId64 " bytes: they are 0 to %d bytes in all",
                            avro_schema_name(schema), size, PM_EVENT_BYTES_MAX);
    *total += size;
    return PM_OK;
}

static int open_schema(struct pm_writer *writer, struct pm_slice json, struct pm_error *err)
{
    int64_t fixed_bytes = 0;
    if (avro_schema_from_json_length(json.ptr, json.len, &writer->schema)) {
        writer->schema = NULL;
        return pm_error_set(err, PM_ESCHEMA, "not an Avro schema: %s", avro_strerror());
    }
    if (avro_typeof(writer->schema) != AVRO_RECORD)
        return pm_error_set(err, PM_ESCHEMA, "the writer's schema is %s, not a record",
                            avro_schema_type_name(writer->schema));
    const char *name = avro_schema_name(writer->schema);
    if (!pm_event_type_parse(pm_slice_cstr(name), &writer->type))
        return pm_error_set(err, PM_ESCHEMA, "the writer's record \"%s\" is none of the event types", name);
    PM_TRY(find_fields(writer, err));
    PM_TRY(add_fixed(writer->schema, &fixed_bytes, err));
    writer->iface = avro_generic_class_from_schema(writer->schema);
    if (!writer->iface)
        return pm_error_set(err, PM_ESCHEMA, "Avro C cannot read the writer's schema: %s", avro_strerror());
    return PM_OK;
}

int pm_writer_new(struct pm_slice schema_json, struct pm_writer **ret, struct pm_error *err)
{
    struct pm_writer *writer = pm_calloc(1, sizeof *writer);
    int rc = open_schema(writer, schema_json, err);
    if (rc == PM_OK) *ret = writer;
    else pm_writer_free(writer);
    return rc;
}

void pm_writer_free(struct pm_writer *writer)
{
    if (!writer) return;
    if (writer->iface) avro_value_iface_decref(writer->iface);
    if (writer->schema) avro_schema_decref(writer->schema);
    pm_buf_release(&writer->scratch);
    free(writer);
}

enum pm_event_type pm_writer_type(const struct pm_writer *writer) { return writer->type; }

static int check_bytes(struct pm_writer *writer, struct pm_slice body, struct pm_error *err)
{
    struct pm_avro_fault fault = {0};
    const uint8_t *start = (const uint8_t *)body.ptr, *end = start + body.len;
    struct walk walk = {
        .end = end, .fault = &fault, .items_left = PM_ARRAY_ITEMS_MAX, .values_left = WALK_VALUES_MAX(body.len)};
    const uint8_t *p = walk_value(&walk, writer->schema, start, 0);
    if (p == end) return PM_OK;
    if (p) { /* bytes left over */
        fault.at = p;
        fault.end = end;
        fault.field = NULL;
    }
    return pm_avro_fault_error(&fault, start, err);
}

static int read_value(struct pm_slice body, avro_value_t *value, struct pm_error *err)
{
    avro_reader_t reader = avro_reader_memory(body.ptr, (int64_t)body.len);
    if (!reader) pm_memory_out("a reader of Avro C");
    int failed = avro_value_read(reader, value);
    avro_reader_free(reader);
    return failed ? pm_error_set(err, PM_EFORMAT, "Avro C: %s", avro_strerror()) : PM_OK;
}

int pm_writer_translate(struct pm_writer *writer, struct pm_slice body, struct pm_arena *arena,
                        struct pm_slice *ret_body, struct pm_error *err)
{
    if (!body.ptr) body = pm_slice("", 0);
    PM_TRY(check_bytes(writer, body, err));
    avro_value_t value;
    if (avro_generic_value_new(writer->iface, &value) != 0) pm_memory_out("a value of Avro C");
    struct pm_event ev;
    int rc = read_value(body, &value, err);
    if (rc == PM_OK) rc = take_event(writer, &value, arena, &ev, err);
    if (rc == PM_OK) {
        pm_buf_clear(&writer->scratch);
        pm_event_encode(&ev, &writer->scratch);
        *ret_body = pm_arena_copy(arena, pm_buf_slice(&writer->scratch));
    }
    avro_value_decref(&value);
    return rc;
}
