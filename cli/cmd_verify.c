/* cmd_verify.c: `provmat verify`: one row a view. */
#include "cli/consume.h"
#include "cli/signals.h"
#include "query/output.h"

static const struct pm_column columns[] = {
    {.name = "view", .type = PM_COLUMN_TEXT}, {.name = "version", .type = PM_COLUMN_INT},
    {.name = "rows", .type = PM_COLUMN_INT},  {.name = "digest", .type = PM_COLUMN_TEXT},
    {.name = "ok", .type = PM_COLUMN_BOOL},
};

struct verify {
    struct pm_rows *rows;
    struct pm_buf differences; /* "VIEW: TEXT", each ended by a zero */
    int rc;                    /* of the rows */
    struct pm_error err;
};

static void add_row(void *arg, const struct pm_verify_row *row)
{
    struct verify *v = arg;
    pm_row_begin(v->rows);
    pm_row_cstr(v->rows, row->view);
    pm_row_int(v->rows, row->version);
    pm_row_int(v->rows, (int64_t)row->rows);
    pm_row_cstr(v->rows, row->digest);
    pm_row_bool(v->rows, row->ok);
    if (v->rc == PM_OK) v->rc = pm_row_end(v->rows, &v->err);
    if (row->ok) return;
    pm_buf_printf(&v->differences, "view \"%s\": %s", row->view, row->difference);
    pm_buf_byte(&v->differences, 0);
}

/* The rows are printed after a difference too: they are the answer. */
static int verify(struct pm_cli *cli, struct verify *v, struct pm_error *err)
{
    struct pm_consumer_options options = pm_consume_options(cli, true);
    struct pm_error found = {0};
    int rc = pm_consume_end(pm_verify(&options, pm_cli_flag(cli, "against-log"), add_row, v, &found), &found);
    pm_signals_end(); /* half a check is no answer */
    if (rc != PM_OK && rc != PM_EDIFFERS) return pm_error_set(err, (enum pm_code)rc, "%s", found.text);
    if (v->rc != PM_OK) return pm_error_set(err, (enum pm_code)v->rc, "%s", v->err.text);
    PM_TRY(pm_rows_print(v->rows, stdout, NULL, err));
    fflush(stdout);
    for (size_t i = 0; i < v->differences.len; i += strlen(v->differences.ptr + i) + 1)
        pm_cli_warn("%s", v->differences.ptr + i);
    if (rc == PM_OK) return PM_OK;
    return pm_error_set(err, PM_EDIFFERS,
                        "the check found a difference; `provmat rebuild` makes the index anew from the log");
}

int pm_cmd_verify(struct pm_cli *cli, struct pm_error *err)
{
    struct pm_rows_spec spec = {.columns = columns, .n_columns = sizeof columns / sizeof *columns};
    struct pm_output_options options = pm_cli_output_options(cli);
    struct verify v = {0};
    PM_TRY(pm_rows_new(&spec, &options, &v.rows, err));
    int rc = verify(cli, &v, err);
    pm_rows_free(v.rows);
    pm_buf_release(&v.differences);
    return rc;
}
