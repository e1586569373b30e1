/* schema.c: the text of the released schemas, compiled in, and the identity of any schema. Any thread.
 *
 * schemas/ is the one place where schemas are written: the assembler takes the files in as they are. */
#include "common/event/schema.h"

#include "common/base/check.h"
#include "common/base/json.h"

#define X(TYPE, type, file, fp)                                                  \
    extern const char pm_schema_##type[], pm_schema_##type##_end[];              \
    __asm__(".pushsection .rodata\n"                                             \
            ".global pm_schema_" #type "\n.hidden pm_schema_" #type "\n"         \
            ".global pm_schema_" #type "_end\n.hidden pm_schema_" #type "_end\n" \
            "pm_schema_" #type ":\n"                                             \
            ".incbin \"schemas/" file "\"\n"                                     \
            "pm_schema_" #type "_end:\n"                                         \
            ".byte 0\n"                                                          \
            ".popsection\n");
PM_SCHEMAS_RELEASED(X)
#undef X

struct pm_slice pm_schema_json(enum pm_event_type type)
{
    switch (type) {
#define X(TYPE, type, file, fp) \
    case PM_##TYPE: return pm_slice(pm_schema_##type, (size_t)(pm_schema_##type##_end - pm_schema_##type));
        PM_SCHEMAS_RELEASED(X)
#undef X
    case PM_EVENT_TYPE_COUNT: break;
    }
    PM_CHECK(!"an event type");
    return pm_slice("", 0);
}

uint64_t pm_schema_fingerprint(enum pm_event_type type)
{
    static const uint64_t fingerprints[PM_EVENT_TYPE_COUNT] = {
#define X(TYPE, type, file, fp) [PM_##TYPE] = fp,
        PM_SCHEMAS_RELEASED(X)
#undef X
    };
    PM_CHECK(type < PM_EVENT_TYPE_COUNT);
    return fingerprints[type];
}

uint64_t pm_schema_crc64(struct pm_slice bytes)
{
    const uint64_t empty = 0xc15d213aa4d7a795u; /* the fingerprint of no bytes, and the polynomial */
    uint64_t crc = empty;
    for (size_t i = 0; i < bytes.len; i++) {
        crc ^= (uint8_t)bytes.ptr[i];
        for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (empty & -(crc & 1));
    }
    return crc;
}

/* ---- Parsing Canonical Form ---- */

/* The attributes that stay, each as a cursor at its value; a cursor without `at` was not there. */
struct attributes {
    struct pm_json name, namespace, type, fields, symbols, items, values, size;
};

static int put_schema(struct pm_json *in, struct pm_slice space, struct pm_buf *out, struct pm_error *err);

static int refuse(struct pm_error *err, const char *why)
{
    return pm_error_set(err, PM_ESCHEMA, "not an Avro schema: %s", why);
}

static int read_attributes(struct pm_json *in, struct attributes *ret, struct pm_error *err)
{
    const struct {
        const char *key;
        struct pm_json *value;
    } wanted[] = {
        {"name", &ret->name},       {"namespace", &ret->namespace}, {"type", &ret->type},     {"fields", &ret->fields},
        {"symbols", &ret->symbols}, {"items", &ret->items},         {"values", &ret->values}, {"size", &ret->size},
    };
    *ret = (struct attributes){0};
    PM_TRY(pm_json_enter(in, '{', err));
    for (;;) {
        struct pm_slice key;
        bool more;
        PM_TRY(pm_json_read_key(in, &key, &more, err));
        if (!more) return PM_OK;
        for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
            if (pm_slice_is(key, wanted[i].key)) *wanted[i].value = *in;
        PM_TRY(pm_json_read_compact(in, NULL, err));
    }
}

static bool is_primitive(struct pm_slice name)
{
    static const char *const primitives[] = {"null", "boolean", "int", "long", "float", "double", "bytes", "string"};
    for (size_t i = 0; i < sizeof primitives / sizeof *primitives; i++)
        if (pm_slice_is(name, primitives[i])) return true;
    return false;
}

/* "a.b.C" -> "a.b"; nothing when there is no dot. */
static struct pm_slice namespace_of(struct pm_slice name)
{
    while (name.len && name.ptr[name.len - 1] != '.') name.len--;
    return pm_slice(name.ptr, name.len ? name.len - 1 : 0);
}

/* A name with its namespace in front, unless it brings its own or is in none. */
static void put_fullname(struct pm_slice name, struct pm_slice space, struct pm_buf *out)
{
    PM_CLEANUP(pm_buf_release) struct pm_buf full = {0};
    if (space.len && !namespace_of(name).len) {
        pm_buf_slice_add(&full, space);
        pm_buf_byte(&full, '.');
    }
    pm_buf_slice_add(&full, name);
    pm_json_put_string(out, pm_buf_slice(&full));
}

/* A type given by name: a primitive, or something defined elsewhere. */
static void put_reference(struct pm_slice name, struct pm_slice space, struct pm_buf *out)
{
    put_fullname(name, is_primitive(name) ? pm_slice("", 0) : space, out);
}

static int put_list(struct pm_json *in, struct pm_slice space, struct pm_buf *out, struct pm_error *err,
                    int (*put_one)(struct pm_json *, struct pm_slice, struct pm_buf *, struct pm_error *))
{
    PM_TRY(pm_json_enter(in, '[', err));
    pm_buf_byte(out, '[');
    for (bool first = true;; first = false) {
        bool more;
        PM_TRY(pm_json_read_item(in, &more, err));
        if (!more) break;
        if (!first) pm_buf_byte(out, ',');
        PM_TRY(put_one(in, space, out, err));
    }
    pm_buf_byte(out, ']');
    return PM_OK;
}

static int put_symbol(struct pm_json *in, struct pm_slice space, struct pm_buf *out, struct pm_error *err)
{
    (void)space;
    struct pm_slice symbol;
    PM_TRY(pm_json_read_string(in, &symbol, err));
    pm_json_put_string(out, symbol);
    return PM_OK;
}

static int put_field(struct pm_json *in, struct pm_slice space, struct pm_buf *out, struct pm_error *err)
{
    struct attributes field;
    struct pm_slice name;
    PM_TRY(read_attributes(in, &field, err));
    if (!field.name.at || !field.type.at) return refuse(err, "a field without name or type");
    PM_TRY(pm_json_read_string(&field.name, &name, err));
    pm_buf_cstr(out, "{\"name\":");
    pm_json_put_string(out, name);
    pm_buf_cstr(out, ",\"type\":");
    PM_TRY(put_schema(&field.type, space, out, err));
    pm_buf_byte(out, '}');
    return PM_OK;
}

/* The size of a fixed: digits, or digits in a string; without leading zeros. */
static int put_size(struct pm_json *in, struct pm_buf *out, struct pm_error *err)
{
    struct pm_slice digits;
    bool integer = true;
    if (pm_json_peek(in) == PM_JSON_STRING) PM_TRY(pm_json_read_string(in, &digits, err));
    else PM_TRY(pm_json_read_number(in, &digits, &integer, err));
    while (digits.len > 1 && *digits.ptr == '0') digits = pm_slice(digits.ptr + 1, digits.len - 1);
    if (!digits.len || !integer || strspn(digits.ptr, "0123456789") < digits.len)
        return refuse(err, "a size that is not a number");
    pm_buf_slice_add(out, digits);
    return PM_OK;
}

/* Record, enum and fixed: named, and their namespace holds for what is inside. */
static int put_named(struct attributes *schema, struct pm_slice type, struct pm_slice space, struct pm_buf *out,
                     struct pm_error *err)
{
    struct pm_slice name;
    if (!schema->name.at) return refuse(err, "a record, enum or fixed without name");
    PM_TRY(pm_json_read_string(&schema->name, &name, err));
    if (schema->namespace.at) PM_TRY(pm_json_read_string(&schema->namespace, &space, err));
    if (namespace_of(name).len) space = namespace_of(name);
    pm_buf_cstr(out, "{\"name\":");
    put_fullname(name, space, out);
    pm_buf_cstr(out, ",\"type\":");
    pm_json_put_string(out, type);
    if (pm_slice_is(type, "enum")) {
        if (!schema->symbols.at) return refuse(err, "an enum without symbols");
        pm_buf_cstr(out, ",\"symbols\":");
        PM_TRY(put_list(&schema->symbols, space, out, err, put_symbol));
    } else if (pm_slice_is(type, "fixed")) {
        if (!schema->size.at) return refuse(err, "a fixed without size");
        pm_buf_cstr(out, ",\"size\":");
        PM_TRY(put_size(&schema->size, out, err));
    } else {
        if (!schema->fields.at) return refuse(err, "a record without fields");
        pm_buf_cstr(out, ",\"fields\":");
        PM_TRY(put_list(&schema->fields, space, out, err, put_field));
    }
    pm_buf_byte(out, '}');
    return PM_OK;
}

static int put_object(struct pm_json *in, struct pm_slice space, struct pm_buf *out, struct pm_error *err)
{
    struct attributes schema;
    struct pm_slice type;
    PM_TRY(read_attributes(in, &schema, err));
    if (!schema.type.at) return refuse(err, "an object without type");
    if (pm_json_peek(&schema.type) != PM_JSON_STRING) return put_schema(&schema.type, space, out, err);
    PM_TRY(pm_json_read_string(&schema.type, &type, err));
    if (pm_slice_is(type, "record") || pm_slice_is(type, "error") || pm_slice_is(type, "enum") ||
        pm_slice_is(type, "fixed"))
        return put_named(&schema, type, space, out, err);
    bool array = pm_slice_is(type, "array");
    if (array || pm_slice_is(type, "map")) {
        struct pm_json *inner = array ? &schema.items : &schema.values;
        if (!inner->at) return refuse(err, array ? "an array without items" : "a map without values");
        pm_buf_cstr(out, array ? "{\"type\":\"array\",\"items\":" : "{\"type\":\"map\",\"values\":");
        PM_TRY(put_schema(inner, space, out, err));
        pm_buf_byte(out, '}');
        return PM_OK;
    }
    put_reference(type, space, out);
    return PM_OK;
}

static int put_schema(struct pm_json *in, struct pm_slice space, struct pm_buf *out, struct pm_error *err)
{
    struct pm_slice name;
    switch (pm_json_peek(in)) {
    case PM_JSON_STRING:
        PM_TRY(pm_json_read_string(in, &name, err));
        put_reference(name, space, out);
        return PM_OK;
    case PM_JSON_ARRAY: return put_list(in, space, out, err, put_schema);
    case PM_JSON_OBJECT: return put_object(in, space, out, err);
    default: return pm_json_expected(in, "a schema", err);
    }
}

static int put_canonical(struct pm_slice json, struct pm_arena *arena, struct pm_buf *out, struct pm_error *err)
{
    struct pm_json in;
    PM_TRY(pm_json_open(&in, json, arena, err));
    PM_TRY(put_schema(&in, pm_slice("", 0), out, err));
    return pm_json_close(&in, err);
}

int pm_schema_canonical(struct pm_slice json, struct pm_buf *out, struct pm_error *err)
{
    PM_CLEANUP(pm_arena_release) struct pm_arena arena = {0};
    size_t len = out->len;
    struct pm_error why = {0};
    int rc = put_canonical(json, &arena, out, &why);
    if (rc == PM_OK) return PM_OK;
    out->len = len;
    /* Whatever the reader says about the text, for the caller the schema is what is wrong. */
    return pm_error_set(err, PM_ESCHEMA, "%s%s", rc == PM_ESCHEMA ? "" : "not an Avro schema: ", why.text);
}

int pm_schema_identify(struct pm_slice json, uint64_t *ret_fingerprint, struct pm_error *err)
{
    PM_CLEANUP(pm_buf_release) struct pm_buf canonical = {0};
    PM_TRY(pm_schema_canonical(json, &canonical, err));
    *ret_fingerprint = pm_schema_crc64(pm_buf_slice(&canonical));
    return PM_OK;
}
