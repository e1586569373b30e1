/* output.c: the flags of every command that prints rows (--format --columns --sort --limit) and the printing itself.
 * One thread. */
#include "query/output.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/json.h"
#include "common/base/nearest.h"
#include "common/base/number.h"
#include "common/base/time.h"
#include "query/rows.h"

#define WRITE_BYTES 65536
#define WIDTH_DEFAULT 80

const struct pm_format *const pm_formats[] = {
    &pm_format_table, &pm_format_json, &pm_format_ndjson, &pm_format_csv, &pm_format_tsv, NULL,
};

void pm_value_text(struct pm_buf *out, const struct pm_value *value)
{
    if (value->null) return;
    char text[PM_DOUBLE_TEXT_SIZE > PM_TIME_TEXT_SIZE ? PM_DOUBLE_TEXT_SIZE : PM_TIME_TEXT_SIZE];
    switch (value->column->type) {
    case PM_COLUMN_TEXT:
    case PM_COLUMN_JSON: pm_buf_slice_add(out, value->text); break;
    case PM_COLUMN_U64: pm_json_put_u64(out, value->u64); break;
    case PM_COLUMN_INT: pm_json_put_i64(out, value->i64); break;
    case PM_COLUMN_DOUBLE: pm_buf_bytes(out, text, pm_double_format(value->real, text)); break;
    case PM_COLUMN_TIME: pm_buf_bytes(out, text, pm_time_format(value->i64, text)); break;
    case PM_COLUMN_BOOL: pm_buf_cstr(out, value->flag ? "true" : "false"); break;
    case PM_COLUMN_LIST: pm_value_json(out, value); break;
    }
}

/* ---- the flags ---- */
static int find_format(const char *name, const struct pm_format **ret, struct pm_error *err)
{
    struct pm_slice typed = pm_slice_cstr(name);
    struct pm_nearest nearest = {.typed = typed};
    for (const struct pm_format *const *format = pm_formats; *format; format++) {
        if (pm_slice_is(typed, (*format)->name)) {
            *ret = *format;
            return PM_OK;
        }
        pm_nearest_try(&nearest, (*format)->name);
    }
    const char *near = pm_nearest_best(&nearest);
    struct pm_buf text = {0};
    for (const struct pm_format *const *format = pm_formats; *format; format++)
        pm_buf_printf(&text, "%s%s", text.len ? ", " : "", (*format)->name);
    int rc = pm_error_set(err, PM_EUSAGE, "unknown format \"%s\"%s%s%s formats: %.*s", name,
                          near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : ";",
                          PM_SLICE_ARG(pm_buf_slice(&text)));
    pm_buf_release(&text);
    return rc;
}

static int unknown_column(const struct pm_rows_spec *spec, const char *flag, struct pm_slice typed,
                          struct pm_error *err)
{
    struct pm_nearest nearest = {.typed = typed};
    struct pm_buf text = {0};
    for (size_t i = 0; i < spec->n_columns; i++) {
        const struct pm_column *column = &spec->columns[i];
        if (column->hidden) continue;
        pm_buf_printf(&text, "%s%s", text.len ? ", " : "", column->name);
        pm_nearest_try(&nearest, column->name);
    }
    const char *near = pm_nearest_best(&nearest);
    int rc = pm_error_set(err, PM_EUSAGE, "%s: unknown column \"%.*s\"%s%s%s columns: %.*s", flag, PM_SLICE_ARG(typed),
                          near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : ";",
                          PM_SLICE_ARG(pm_buf_slice(&text)));
    pm_buf_release(&text);
    return rc;
}

static int find_column(const struct pm_rows_spec *spec, const char *flag, struct pm_slice name, size_t *ret,
                       struct pm_error *err)
{
    for (size_t i = 0; i < spec->n_columns; i++) {
        if (!spec->columns[i].hidden && pm_slice_is(name, spec->columns[i].name)) {
            *ret = i;
            return PM_OK;
        }
    }
    return unknown_column(spec, flag, name, err);
}

static void show(struct pm_rows *rows, size_t column)
{
    rows->shown_at[column] = rows->n_shown;
    rows->shown[rows->n_shown++] = &rows->spec.columns[column];
    rows->kept[column] = true;
}

static struct pm_slice trimmed(const char *ptr, const char *end)
{
    while (ptr < end && *ptr == ' ') ptr++;
    while (end > ptr && end[-1] == ' ') end--;
    return pm_slice(ptr, (size_t)(end - ptr));
}

static int parse_columns(struct pm_rows *rows, struct pm_error *err)
{
    const char *ptr = rows->options.columns;
    if (!ptr) {
        for (size_t i = 0; i < rows->spec.n_columns; i++) {
            if (!rows->spec.columns[i].hidden) show(rows, i);
        }
        return PM_OK;
    }
    for (;;) {
        const char *end = ptr + strcspn(ptr, ",");
        struct pm_slice name = trimmed(ptr, end);
        size_t column;
        PM_TRY(find_column(&rows->spec, "--columns", name, &column, err));
        if (rows->shown_at[column] != SIZE_MAX)
            return pm_error_set(err, PM_EUSAGE, "--columns: \"%.*s\" is named twice", PM_SLICE_ARG(name));
        show(rows, column);
        if (!*end) return PM_OK;
        ptr = end + 1;
    }
}

static int parse_sort(struct pm_rows *rows, struct pm_error *err)
{
    const char *text = rows->options.sort;
    if (text && strcmp(text, "none") == 0) return PM_OK;
    if (text) {
        const char *colon = strrchr(text, ':');
        size_t len = colon ? (size_t)(colon - text) : strlen(text);
        struct pm_sort_key key = {0};
        if (colon && strcmp(colon, ":desc") == 0) key.desc = true;
        else if (colon && strcmp(colon, ":asc") != 0)
            return pm_error_set(err, PM_EUSAGE, "--sort: \"%s\" is not an order; write KEY, KEY:desc or none", text);
        PM_TRY(find_column(&rows->spec, "--sort", pm_slice(text, len), &key.column, err));
        rows->sort[rows->n_sort++] = key;
    }
    for (size_t i = 0; i < rows->spec.n_sort; i++) rows->sort[rows->n_sort++] = rows->spec.sort[i];
    for (size_t i = 0; i < rows->n_sort; i++) rows->kept[rows->sort[i].column] = true;
    return PM_OK;
}

int pm_rows_new(const struct pm_rows_spec *spec, const struct pm_output_options *options, struct pm_rows **ret,
                struct pm_error *err)
{
    PM_CHECK(spec->n_columns > 0 && spec->n_columns <= PM_COLUMNS_MAX && spec->n_sort <= PM_SORT_KEYS_MAX);
    struct pm_rows *rows = pm_calloc(1, sizeof *rows);
    rows->spec = *spec;
    rows->options = *options;
    rows->at = SIZE_MAX;
    for (size_t i = 0; i < PM_COLUMNS_MAX; i++) rows->shown_at[i] = SIZE_MAX;
    int rc = options->format ? find_format(options->format, &rows->format, err) : PM_OK;
    if (rc == PM_OK) rc = parse_columns(rows, err);
    if (rc == PM_OK) rc = parse_sort(rows, err);
    if (rc != PM_OK) {
        pm_rows_free(rows);
        return rc;
    }
    *ret = rows;
    return PM_OK;
}

bool pm_rows_is_json(const struct pm_rows *rows) { return rows->format == &pm_format_json; }

/* ---- printing ---- */
static size_t terminal_width(FILE *out)
{
    struct winsize size;
    if (ioctl(fileno(out), TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
    const char *columns = getenv("COLUMNS");
    uint64_t width;
    if (columns && pm_u64_parse(pm_slice_cstr(columns), &width) && width > 0 && width < 100000) return (size_t)width;
    return WIDTH_DEFAULT;
}

/* Writes what the format has appended. */
static int flush(struct pm_printing *output, bool last, struct pm_error *err)
{
    bool ok = output->buf.len == 0 || fwrite(output->buf.ptr, 1, output->buf.len, output->out) == output->buf.len;
    pm_buf_clear(&output->buf);
    if (ok && last) ok = fflush(output->out) == 0;
    if (ok && !ferror(output->out)) return PM_OK;
    return pm_error_set(err, PM_EIO, "could not write the output: %s", strerror(errno));
}

static int print(struct pm_rows *rows, const struct pm_format *format, struct pm_printing *output, struct pm_error *err)
{
    struct pm_value values[PM_COLUMNS_MAX];
    PM_TRY(format->begin(output, err));
    while (pm_rows_next(rows, values)) {
        PM_TRY(format->row(output, values, err));
        output->n_before++;
        if (output->buf.len >= WRITE_BYTES) PM_TRY(flush(output, false, err));
    }
    PM_TRY(format->end(output, err));
    return flush(output, true, err);
}

int pm_rows_print(struct pm_rows *rows, FILE *out, const char *wrap, struct pm_error *err)
{
    bool terminal = isatty(fileno(out)) != 0;
    const struct pm_format *format = rows->format ? rows->format : terminal ? &pm_format_table : &pm_format_ndjson;
    struct pm_printing output = {
        .columns = rows->shown,
        .n_columns = rows->n_shown,
        .out = out,
        .terminal = terminal,
        .width = terminal ? terminal_width(out) : 0,
        .one = rows->spec.one,
        .wrap = wrap,
    };
    pm_rows_order(rows);
    errno = 0;
    int rc = print(rows, format, &output, err);
    if (format->release) format->release(&output);
    pm_buf_release(&output.buf);
    pm_buf_release(&output.scratch);
    return rc;
}
