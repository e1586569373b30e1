/* output_csv.c: comma-separated values as in RFC 4180 (CR LF ends a line, a field with a quote, comma or line break is
 * quoted), and tab-separated values with \t, \n, \r and \\ written as two characters, so that a row is always one line.
 * Both begin with the names of the columns. Lists are their JSON. */
#include "query/output.h"

static void csv_field(struct pm_buf *out, struct pm_slice text, bool null, bool alone)
{
    bool quote = text.len == 0
                     ? !null || alone
                     : false; /* "" is a text that is empty; nothing at all is absent, unless the line would be empty */
    for (size_t i = 0; i < text.len && !quote; i++) quote = strchr("\",\r\n", text.ptr[i]) != NULL;
    if (!quote) {
        pm_buf_slice_add(out, text);
        return;
    }
    pm_buf_byte(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '"') pm_buf_byte(out, '"');
        pm_buf_byte(out, (uint8_t)text.ptr[i]);
    }
    pm_buf_byte(out, '"');
}

static void tsv_field(struct pm_buf *out, struct pm_slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        switch (text.ptr[i]) {
        case '\t': pm_buf_cstr(out, "\\t"); break;
        case '\n': pm_buf_cstr(out, "\\n"); break;
        case '\r': pm_buf_cstr(out, "\\r"); break;
        case '\\': pm_buf_cstr(out, "\\\\"); break;
        default: pm_buf_byte(out, (uint8_t)text.ptr[i]);
        }
    }
}

static int csv_begin(struct pm_printing *output, struct pm_error *err)
{
    (void)err;
    for (size_t i = 0; i < output->n_columns; i++) {
        if (i) pm_buf_byte(&output->buf, ',');
        csv_field(&output->buf, pm_slice_cstr(output->columns[i]->name), false, false);
    }
    pm_buf_cstr(&output->buf, "\r\n");
    return PM_OK;
}

static int csv_row(struct pm_printing *output, const struct pm_value *values, struct pm_error *err)
{
    (void)err;
    struct pm_buf *scratch = &output->scratch;
    for (size_t i = 0; i < output->n_columns; i++) {
        if (i) pm_buf_byte(&output->buf, ',');
        pm_buf_clear(scratch);
        pm_value_text(scratch, &values[i]);
        csv_field(&output->buf, pm_buf_slice(scratch), values[i].null, output->n_columns == 1);
    }
    pm_buf_cstr(&output->buf, "\r\n");
    return PM_OK;
}

static int tsv_begin(struct pm_printing *output, struct pm_error *err)
{
    (void)err;
    for (size_t i = 0; i < output->n_columns; i++) {
        if (i) pm_buf_byte(&output->buf, '\t');
        tsv_field(&output->buf, pm_slice_cstr(output->columns[i]->name));
    }
    pm_buf_byte(&output->buf, '\n');
    return PM_OK;
}

static int tsv_row(struct pm_printing *output, const struct pm_value *values, struct pm_error *err)
{
    (void)err;
    struct pm_buf *scratch = &output->scratch;
    for (size_t i = 0; i < output->n_columns; i++) {
        if (i) pm_buf_byte(&output->buf, '\t');
        pm_buf_clear(scratch);
        pm_value_text(scratch, &values[i]);
        tsv_field(&output->buf, pm_buf_slice(scratch));
    }
    pm_buf_byte(&output->buf, '\n');
    return PM_OK;
}

static int nothing(struct pm_printing *output, struct pm_error *err)
{
    (void)output;
    (void)err;
    return PM_OK;
}

const struct pm_format pm_format_csv = {
    .name = "csv", .help = "comma-separated values (RFC 4180)", .begin = csv_begin, .row = csv_row, .end = nothing};
const struct pm_format pm_format_tsv = {.name = "tsv",
                                        .help = "tab-separated values, \t \n \r \\ escaped",
                                        .begin = tsv_begin,
                                        .row = tsv_row,
                                        .end = nothing};
