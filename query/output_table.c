/* output_table.c: tables for people: aligned columns (libsmartcols), or for one object a line a member. On a terminal a
 * row takes no more than its width, the text that does not fit is cut there; in a pipe or a file nothing is ever cut.
 * The only file that knows libsmartcols. */
#include <errno.h>
#include <libsmartcols.h>
#include <locale.h>
#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/visible.h"
#include "query/output.h"

/* Rows of one table. The widths of columns follow from its rows, so all of them are in memory; longer answers go on in
 * further tables under the same heading, as wide as theirs need. */
#define BLOCK_ROWS 20000

/* On a terminal a column up to this wide keeps its width, and the wider ones share what is left. */
#define KEEP_WIDTH 12
#define LEAST_WIDTH 10 /* of one that is cut: a date, the first digits of a digest */

struct table {
    struct libscols_table *scols;  /* NULL between blocks */
    size_t widths[PM_COLUMNS_MAX]; /* bytes of the widest cell of this block */
    size_t n_rows;
    bool headed;
    int name_width; /* one object: the longest name */
};

static bool is_number(const struct pm_column *column)
{
    return column->type == PM_COLUMN_U64 || column->type == PM_COLUMN_INT || column->type == PM_COLUMN_DOUBLE;
}

/* An item of a list for a person: its fields, one blank between. */
static void item_text(struct pm_buf *out, const struct pm_value *fields, size_t n)
{
    bool first = true;
    for (size_t i = 0; i < n; i++) {
        if (fields[i].null) continue;
        if (!first) pm_buf_byte(out, ' ');
        first = false;
        pm_value_text(out, &fields[i]);
    }
}

static void cell_text(struct pm_buf *out, const struct pm_value *value)
{
    if (value->null || value->column->type != PM_COLUMN_LIST) {
        pm_value_text(out, value);
        return;
    }
    struct pm_list_iter it = pm_list_iter(value);
    struct pm_value fields[PM_LIST_FIELDS_MAX];
    size_t n;
    for (bool first = true; pm_list_next(&it, fields, &n); first = false) {
        if (!first) pm_buf_cstr(out, ", ");
        item_text(out, fields, n);
    }
}

static int table_begin(struct pm_printing *output, struct pm_error *err)
{
    (void)err;
    /* Widths of characters follow LC_CTYPE. Nothing else of the locale is taken: numbers keep their point. */
    if (strcmp(setlocale(LC_CTYPE, NULL), "C") == 0) setlocale(LC_CTYPE, "");
    struct table *table = pm_calloc(1, sizeof *table);
    for (size_t i = 0; i < output->n_columns; i++) {
        int len = (int)strlen(output->columns[i]->name);
        if (len > table->name_width) table->name_width = len;
    }
    output->state = table;
    return PM_OK;
}

static void begin_block(struct pm_printing *output, struct table *table)
{
    table->scols = scols_new_table(); /* libsmartcols fails only without memory */
    if (!table->scols) pm_memory_out("a table");
    scols_table_set_stream(table->scols, output->out);
    if (scols_table_set_column_separator(table->scols, "  ") != 0) pm_memory_out("a table");
    scols_table_enable_noheadings(table->scols, table->headed);
    scols_table_set_termforce(table->scols, output->terminal ? SCOLS_TERMFORCE_ALWAYS : SCOLS_TERMFORCE_NEVER);
    if (output->terminal) scols_table_set_termwidth(table->scols, output->width);
    for (size_t i = 0; i < output->n_columns; i++) {
        int flags = is_number(output->columns[i]) ? SCOLS_FL_RIGHT : 0;
        if (!scols_table_new_column(table->scols, output->columns[i]->name, 0, flags))
            pm_memory_out("a column of a table");
        table->widths[i] = strlen(output->columns[i]->name);
    }
    table->headed = true;
    table->n_rows = 0;
}

/* What gives way so that a row fits the terminal: long texts; if that is not enough times too; then every text. Numbers
 * are never cut. */
enum cuts { CUT_LONG, CUT_TIMES, CUT_ALL };

static bool is_cut(const struct pm_printing *output, const struct table *table, size_t column, enum cuts cuts)
{
    if (is_number(output->columns[column])) return false;
    if (output->columns[column]->type == PM_COLUMN_TIME) return cuts >= CUT_TIMES;
    return cuts == CUT_ALL || table->widths[column] > KEEP_WIDTH;
}

static size_t least_width(const struct pm_printing *output, const struct table *table, enum cuts cuts)
{
    size_t least = 0;
    for (size_t i = 0; i < output->n_columns; i++)
        least += (i ? 2 : 0) + (is_cut(output, table, i, cuts) ? LEAST_WIDTH : table->widths[i]);
    return least;
}

static void choose_cuts(const struct pm_printing *output, struct table *table)
{
    enum cuts cuts = CUT_LONG;
    while (cuts < CUT_ALL && least_width(output, table, cuts) > output->width) cuts++;
    for (size_t i = 0; i < output->n_columns; i++) {
        if (is_cut(output, table, i, cuts))
            scols_column_set_flags(scols_table_get_column(table->scols, i), SCOLS_FL_TRUNC);
    }
}

static int end_block(struct pm_printing *output, struct table *table, struct pm_error *err)
{
    if (!table->scols) return PM_OK;
    if (output->terminal) choose_cuts(output, table);
    errno = 0;
    int rc = scols_print_table(table->scols);
    if (errno == ENOMEM)
        pm_memory_out("the text of a table"); /* rc may be 0: a cell that it had no memory for is empty */
    scols_unref_table(table->scols);
    table->scols = NULL;
    if (rc == 0 || ferror(output->out))
        return PM_OK; /* a failed write is met again, and reported, when the rest is flushed */
    return pm_error_set(err, PM_EIO, "could not lay out a table of %zu rows: %s", table->n_rows,
                        strerror(rc < 0 ? -rc : rc));
}

/* libsmartcols sees to it that no cell holds a command to the terminal; here we do. */
static void add_line(struct pm_printing *output, const char *name, int name_width)
{
    if (output->scratch.len) pm_buf_printf(&output->buf, "%-*s  ", name_width, name);
    else pm_buf_cstr(&output->buf, name);
    pm_visible_add(&output->buf, pm_buf_slice(&output->scratch), "");
    pm_buf_byte(&output->buf, '\n');
    pm_buf_clear(&output->scratch);
}

/* One object: a line a member, a list an item a line. */
static void lines(struct pm_printing *output, const struct table *table, const struct pm_value *values)
{
    for (size_t i = 0; i < output->n_columns; i++) {
        const char *name = output->columns[i]->name;
        pm_buf_clear(&output->scratch);
        if (values[i].null || output->columns[i]->type != PM_COLUMN_LIST) {
            pm_value_text(&output->scratch, &values[i]);
            add_line(output, name, table->name_width);
            continue;
        }
        struct pm_list_iter it = pm_list_iter(&values[i]);
        struct pm_value fields[PM_LIST_FIELDS_MAX];
        size_t n;
        bool more = pm_list_next(&it, fields, &n);
        if (!more) add_line(output, name, table->name_width);
        for (; more; name = "", more = pm_list_next(&it, fields, &n)) {
            item_text(&output->scratch, fields, n);
            add_line(output, name, table->name_width);
        }
    }
}

static int table_row(struct pm_printing *output, const struct pm_value *values, struct pm_error *err)
{
    struct table *table = output->state;
    if (output->one) {
        if (output->n_before) pm_buf_byte(&output->buf, '\n');
        lines(output, table, values);
        return PM_OK;
    }
    if (!table->scols) begin_block(output, table);
    struct libscols_line *line = scols_table_new_line(table->scols, NULL);
    if (!line) pm_memory_out("a line of a table");
    for (size_t i = 0; i < output->n_columns; i++) {
        pm_buf_clear(&output->scratch);
        cell_text(&output->scratch, &values[i]);
        if (output->scratch.len > table->widths[i]) table->widths[i] = output->scratch.len;
        pm_buf_byte(&output->scratch, 0);
        if (scols_line_set_data(line, i, output->scratch.ptr) != 0) pm_memory_out("a cell of a table");
    }
    return ++table->n_rows < BLOCK_ROWS ? PM_OK : end_block(output, table, err);
}

static int table_end(struct pm_printing *output, struct pm_error *err) { return end_block(output, output->state, err); }

static void table_release(struct pm_printing *output)
{
    struct table *table = output->state;
    if (!table) return;
    scols_unref_table(table->scols);
    free(table);
    output->state = NULL;
}

const struct pm_format pm_format_table = {.name = "table",
                                          .help = "aligned columns for people",
                                          .begin = table_begin,
                                          .row = table_row,
                                          .end = table_end,
                                          .release = table_release};
