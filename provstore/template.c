/* template.c: path templates (template.h): compiling and rendering; match.c goes the other way. */
#include "provstore/template.h"

#include "common/base/hash.h"
#include "common/base/number.h"

#define HASH_DIGITS 64

/* ---- compiling ---- */

unsigned pm_names_find(const struct pm_names *names, struct pm_slice name)
{
    for (unsigned i = 0; i < names->count; i++)
        if (pm_slice_eq(names->items[i], name)) return i;
    return PM_VARIABLES_MAX;
}

struct compiling {
    struct pm_slice text;
    size_t at;
    struct pm_names *names;
    struct pm_template *out;
};

static int refuse(const struct compiling *in, size_t at, struct pm_error *err, const char *why)
{
    return pm_error_set(err, PM_EUSAGE, "byte offset %zu of \"%.*s\": %s", at, PM_SLICE_ARG(in->text), why);
}

static bool take(struct compiling *in, const char *text)
{
    struct pm_slice left = pm_slice(in->text.ptr + in->at, in->text.len - in->at), wanted = pm_slice_cstr(text);
    if (!pm_slice_starts(left, wanted)) return false;
    in->at += wanted.len;
    return true;
}

static int take_name(struct compiling *in, struct pm_part *part, struct pm_error *err)
{
    size_t begin = in->at;
    while (in->at < in->text.len &&
           ((in->text.ptr[in->at] >= 'a' && in->text.ptr[in->at] <= 'z') || in->text.ptr[in->at] == '_'))
        in->at++;
    struct pm_slice name = pm_slice(in->text.ptr + begin, in->at - begin);
    if (name.len == 0)
        return refuse(in, begin, err, "a variable's name is expected here: letters a to z and _, without blanks");
    part->variable = pm_names_find(in->names, name);
    if (part->variable < PM_VARIABLES_MAX) return PM_OK;
    if (in->names->count == PM_VARIABLES_MAX) {
        return pm_error_set(err, PM_EUSAGE, "byte offset %zu: above the limit of %d variables", begin,
                            PM_VARIABLES_MAX);
    }
    part->variable = (unsigned)in->names->count;
    in->names->items[in->names->count++] = name;
    return PM_OK;
}

static int take_count(struct compiling *in, unsigned *ret, struct pm_error *err)
{
    size_t begin = in->at;
    uint64_t value;
    while (in->at < in->text.len && in->text.ptr[in->at] >= '0' && in->text.ptr[in->at] <= '9') in->at++;
    if (in->at == begin) return refuse(in, begin, err, "a number is expected here");
    if (!pm_u64_parse(pm_slice(in->text.ptr + begin, in->at - begin), &value) || value > PM_TEMPLATE_BYTES_MAX)
        return refuse(in, begin, err, "the number is too large");
    if (value == 0) return refuse(in, begin, err, "zero would take nothing away; the number must be at least 1");
    *ret = (unsigned)value;
    return PM_OK;
}

/* "(name" has been read up to the comma: ",d,w)" */
static int take_shard(struct compiling *in, struct pm_part *part, struct pm_error *err)
{
    unsigned width;
    size_t begin = in->at;
    if (!take(in, ",")) return refuse(in, in->at, err, "expected \",DEPTH,WIDTH)\" without blanks");
    PM_TRY(take_count(in, &part->parts, err));
    if (!take(in, ",")) return refuse(in, in->at, err, "expected \",WIDTH)\" without blanks");
    PM_TRY(take_count(in, &width, err));
    part->count = part->parts * width;
    if (part->count > HASH_DIGITS)
        return refuse(in, begin, err, "depth times width is above 64, the number of digits that a hash has");
    return take(in, ")") ? PM_OK : refuse(in, in->at, err, "expected \")\"");
}

static int take_expression(struct compiling *in, struct pm_part *part, struct pm_error *err)
{
    size_t begin = in->at - 1;
    part->parts = 1;
    part->kind = take(in, "hash(")    ? PM_PART_HASH
                 : take(in, "shard(") ? PM_PART_SHARD
                 : take(in, "split(") ? PM_PART_SPLIT
                                      : PM_PART_VALUE;
    PM_TRY(take_name(in, part, err));
    if (part->kind == PM_PART_SHARD || part->kind == PM_PART_SPLIT) {
        PM_TRY(take_shard(in, part, err));
    } else {
        if (part->kind == PM_PART_HASH && !take(in, ")"))
            return refuse(in, in->at, err, "expected \")\": hash takes one variable");
        part->count = HASH_DIGITS;
        size_t slice = in->at;
        if (take(in, "[:")) {
            PM_TRY(take_count(in, &part->count, err));
            if (!take(in, "]")) return refuse(in, in->at, err, "expected \"]\"");
            if (part->kind == PM_PART_VALUE) part->kind = PM_PART_SLICE;
            else if (part->count > HASH_DIGITS) return refuse(in, slice, err, "a hash has 64 digits");
        }
    }
    if (!take(in, "}"))
        return refuse(in, in->at, err,
                      in->at == in->text.len ? "the expression is not closed: \"}\" is missing" : "expected \"}\"");
    part->text = pm_slice(in->text.ptr + begin, in->at - begin);
    return PM_OK;
}

static int take_text(struct compiling *in, struct pm_part *part, struct pm_error *err)
{
    size_t begin = in->at;
    for (; in->at < in->text.len && in->text.ptr[in->at] != '{'; in->at++) {
        if (in->text.ptr[in->at] == '}') return refuse(in, in->at, err, "\"}\" without \"{\"");
        if (in->text.ptr[in->at] == 0) return refuse(in, in->at, err, "a NUL byte");
    }
    *part = (struct pm_part){.kind = PM_PART_TEXT, .text = pm_slice(in->text.ptr + begin, in->at - begin)};
    return PM_OK;
}

/* What stands in the template itself must be a path that stays where it is: values are looked at when they come. */
static int check_segments(const struct compiling *in, struct pm_error *err)
{
    for (size_t begin = 0; begin <= in->text.len;) {
        const char *slash = memchr(in->text.ptr + begin, '/', in->text.len - begin);
        size_t len = slash ? (size_t)(slash - in->text.ptr) - begin : in->text.len - begin;
        struct pm_slice segment = pm_slice(in->text.ptr + begin, len);
        if (len == 0) return refuse(in, begin, err, "an empty segment");
        if (pm_slice_is(segment, ".") || pm_slice_is(segment, ".."))
            return refuse(in, begin, err, "a segment that leads elsewhere");
        begin += len + 1;
    }
    return PM_OK;
}

int pm_template_compile(struct pm_slice text, struct pm_names *names, struct pm_template *ret, struct pm_error *err)
{
    struct pm_names known = *names; /* taken over only when all is well */
    struct pm_template template = {.text = text};
    struct compiling in = {.text = text, .names = &known, .out = &template};
    if (text.len == 0) return pm_error_set(err, PM_EUSAGE, "byte offset 0: the template is empty");
    if (text.len > PM_TEMPLATE_BYTES_MAX) {
        return pm_error_set(err, PM_EUSAGE, "the template has %zu bytes, above the limit of %d", text.len,
                            PM_TEMPLATE_BYTES_MAX);
    }
    size_t valid = pm_utf8_valid_prefix(text);
    if (valid < text.len) return pm_error_set(err, PM_EUSAGE, "byte offset %zu: not UTF-8", valid);
    while (in.at < text.len) {
        if (template.n_parts == PM_TEMPLATE_PARTS_MAX) {
            return pm_error_set(err, PM_EUSAGE, "byte offset %zu: above the limit of %d parts", in.at,
                                PM_TEMPLATE_PARTS_MAX);
        }
        struct pm_part *part = &template.parts[template.n_parts++];
        PM_TRY(take(&in, "{") ? take_expression(&in, part, err) : take_text(&in, part, err));
    }
    PM_TRY(check_segments(&in, err));
    *names = known;
    *ret = template;
    return PM_OK;
}

/* ---- rendering ---- */

void pm_values_set(struct pm_values *values, unsigned variable, struct pm_slice value)
{
    if (variable >= PM_VARIABLES_MAX) return;
    if (value.ptr != values->items[variable].ptr || !pm_slice_eq(value, values->items[variable]))
        values->hashed[variable] = false;
    values->items[variable] = value;
}

static const char *hash_of(struct pm_values *values, unsigned variable)
{
    if (!values->hashed[variable]) {
        unsigned char digest[HASH_DIGITS / 2];
        pm_blake2b(digest, sizeof digest, &values->items[variable], 1);
        pm_hex_encode(digest, sizeof digest, values->hash[variable]);
        values->hashed[variable] = true;
    }
    return values->hash[variable];
}

/* Bytes of the first `count` characters; SIZE_MAX when there are fewer. */
static size_t characters(struct pm_slice value, size_t count)
{
    size_t at = 0;
    for (; count && at < value.len; count--) {
        at++;
        while (at < value.len && ((unsigned char)value.ptr[at] & 0xc0) == 0x80) at++;
    }
    return count ? SIZE_MAX : at;
}

static void put_segments(struct pm_buf *out, const char *digits, const struct pm_part *part)
{
    unsigned width = part->count / part->parts;
    for (unsigned i = 0; i < part->parts; i++) {
        if (i) pm_buf_byte(out, '/');
        pm_buf_bytes(out, digits + (size_t)i * width, width);
    }
}

static int put_part(const struct pm_part *part, struct pm_slice name, struct pm_values *values, bool loose,
                    struct pm_buf *out, struct pm_error *err)
{
    struct pm_slice value = values->items[part->variable];
    if (!value.ptr) {
        return pm_error_set(err, PM_EINVALID, "%.*s: variable \"%.*s\" has no value", PM_SLICE_ARG(part->text),
                            PM_SLICE_ARG(name));
    }
    if (part->kind == PM_PART_HASH || part->kind == PM_PART_SHARD) {
        put_segments(out, hash_of(values, part->variable), part);
        return PM_OK;
    }
    size_t len = part->kind == PM_PART_VALUE ? value.len : characters(value, part->count);
    if (len == SIZE_MAX) {
        return pm_error_set(err, PM_EINVALID, "%.*s: \"%.*s\" has fewer than %u characters", PM_SLICE_ARG(part->text),
                            (int)(value.len > 200 ? 200 : value.len), value.ptr, part->count);
    }
    bool one_segment = !loose || part->kind == PM_PART_SPLIT; /* a split makes segments of its own */
    if ((one_segment && memchr(value.ptr, '/', len)) || memchr(value.ptr, 0, len)) {
        return pm_error_set(err, PM_EINVALID, "%.*s: the value \"%.*s\" holds %s, which a segment cannot",
                            PM_SLICE_ARG(part->text), (int)(len > 200 ? 200 : len), value.ptr,
                            memchr(value.ptr, 0, len) ? "a NUL byte" : "\"/\"");
    }
    if (part->kind == PM_PART_SPLIT && len != part->count)
        return pm_error_set(err, PM_EINVALID, "%.*s: \"%.*s\" is not plain ASCII", PM_SLICE_ARG(part->text),
                            PM_SLICE_ARG(value));
    if (part->kind == PM_PART_SPLIT) put_segments(out, value.ptr, part);
    else pm_buf_bytes(out, value.ptr, len);
    return PM_OK;
}

int pm_template_render(const struct pm_template *template, const struct pm_names *names, struct pm_values *values,
                       bool loose, struct pm_buf *out, struct pm_error *err)
{
    size_t begin = out->len;
    for (size_t i = 0; i < template->n_parts; i++) {
        const struct pm_part *part = &template->parts[i];
        if (part->kind == PM_PART_TEXT) {
            pm_buf_slice_add(out, part->text);
            continue;
        }
        int rc = put_part(part, names->items[part->variable], values, loose, out, err);
        if (rc == PM_OK) continue;
        out->len = begin;
        return rc;
    }
    return PM_OK;
}
