/* output_json.c: JSON: one object a line (ndjson), or one document (json). The keys and the values are the same in
 * both. */
#include "common/base/json.h"
#include "common/base/number.h"
#include "query/output.h"

/* Bytes of the UTF-8 character at ptr, 0 when there is none. */
static size_t utf8_char(const char *ptr, size_t len)
{
    unsigned char c = (unsigned char)*ptr;
    size_t n = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
    return n <= len && pm_utf8_valid(pm_slice(ptr, n)) ? n : 0;
}

/* Text as a JSON string. Events hold only UTF-8, but a message that was cut may not: what is not UTF-8 becomes U+FFFD,
 * so that the output stays JSON. */
static void json_text(struct pm_buf *out, struct pm_slice text)
{
    if (pm_utf8_valid(text)) {
        pm_json_put_string(out, text);
        return;
    }
    struct pm_buf mended = {0};
    for (size_t i = 0; i < text.len;) {
        size_t n = utf8_char(text.ptr + i, text.len - i);
        if (n) pm_buf_bytes(&mended, text.ptr + i, n);
        else pm_buf_cstr(&mended, "\xef\xbf\xbd");
        i += n ? n : 1;
    }
    pm_json_put_string(out, pm_buf_slice(&mended));
    pm_buf_release(&mended);
}

static void json_list(struct pm_buf *out, const struct pm_value *list)
{
    struct pm_list_iter it = pm_list_iter(list);
    struct pm_value fields[PM_LIST_FIELDS_MAX];
    size_t n;
    bool bare = list->column->fields[0].name[0] == '\0', first = true;
    pm_buf_byte(out, '[');
    while (pm_list_next(&it, fields, &n)) {
        if (!first) pm_buf_byte(out, ',');
        first = false;
        if (bare) {
            pm_value_json(out, &fields[0]);
            continue;
        }
        for (size_t i = 0; i < n; i++) {
            pm_buf_byte(out, i ? ',' : '{');
            pm_buf_printf(out, "\"%s\":", fields[i].column->name);
            pm_value_json(out, &fields[i]);
        }
        pm_buf_byte(out, '}');
    }
    pm_buf_byte(out, ']');
}

void pm_value_json(struct pm_buf *out, const struct pm_value *value)
{
    if (value->null) {
        pm_buf_cstr(out, "null");
        return;
    }
    switch (value->column->type) {
    case PM_COLUMN_TEXT: json_text(out, value->text); break;
    case PM_COLUMN_U64: pm_json_put_seed(out, value->u64); break;
    case PM_COLUMN_INT: pm_json_put_i64(out, value->i64); break;
    case PM_COLUMN_DOUBLE: pm_json_put_double(out, value->real); break;
    case PM_COLUMN_TIME: pm_json_put_time(out, value->i64); break;
    case PM_COLUMN_BOOL: pm_buf_cstr(out, value->flag ? "true" : "false"); break;
    case PM_COLUMN_JSON: pm_buf_slice_add(out, value->text); break;
    case PM_COLUMN_LIST: json_list(out, value); break;
    }
}

static void object(struct pm_printing *output, const struct pm_value *values)
{
    struct pm_buf *out = &output->buf;
    for (size_t i = 0; i < output->n_columns; i++) {
        pm_buf_cstr(out, i ? ",\"" : "{\""); /* names of columns need no escapes */
        pm_buf_cstr(out, output->columns[i]->name);
        pm_buf_cstr(out, "\":");
        pm_value_json(out, &values[i]);
    }
    pm_buf_byte(out, '}');
}

static int nothing(struct pm_printing *output, struct pm_error *err)
{
    (void)output;
    (void)err;
    return PM_OK;
}

static int ndjson_row(struct pm_printing *output, const struct pm_value *values, struct pm_error *err)
{
    (void)err;
    object(output, values);
    pm_buf_byte(&output->buf, '\n');
    return PM_OK;
}

/* The document is an array, the one object, or an object with the rows and what stands beside them. */
static bool bare_object(const struct pm_printing *output) { return output->one && !output->wrap; }

static int json_begin(struct pm_printing *output, struct pm_error *err)
{
    (void)err;
    if (!bare_object(output)) pm_buf_cstr(&output->buf, output->wrap ? "{\"rows\":[" : "[");
    return PM_OK;
}

static int json_row(struct pm_printing *output, const struct pm_value *values, struct pm_error *err)
{
    (void)err;
    if (!bare_object(output)) pm_buf_cstr(&output->buf, output->n_before ? ",\n" : "\n");
    object(output, values);
    return PM_OK;
}

static int json_end(struct pm_printing *output, struct pm_error *err)
{
    (void)err;
    if (!bare_object(output)) pm_buf_cstr(&output->buf, output->n_before ? "\n]" : "]");
    if (output->wrap) {
        pm_buf_byte(&output->buf, ',');
        pm_buf_cstr(&output->buf, output->wrap);
        pm_buf_byte(&output->buf, '}');
    }
    if (!bare_object(output) || output->n_before) pm_buf_byte(&output->buf, '\n');
    return PM_OK;
}

const struct pm_format pm_format_ndjson = {
    .name = "ndjson", .help = "one JSON object a line", .begin = nothing, .row = ndjson_row, .end = nothing};
const struct pm_format pm_format_json = {
    .name = "json", .help = "one JSON document", .begin = json_begin, .row = json_row, .end = json_end};
