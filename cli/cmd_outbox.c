/* cmd_outbox.c: `provmat outbox list|drain`, and what `provmat emit --outbox` does at its end. */
#include "cli/outbox.h"

#include "cli/signals.h"
#include "query/output.h"

/* ---- list ---- */

static const struct pm_column columns[] = {
    {.name = "segment", .type = PM_COLUMN_TEXT},  {.name = "state", .type = PM_COLUMN_TEXT},
    {.name = "pid", .type = PM_COLUMN_INT},       {.name = "made_at", .type = PM_COLUMN_TIME},
    {.name = "events", .type = PM_COLUMN_INT},    {.name = "bytes", .type = PM_COLUMN_INT},
    {.name = "first_at", .type = PM_COLUMN_TIME}, {.name = "last_at", .type = PM_COLUMN_TIME},
    {.name = "damaged", .type = PM_COLUMN_INT},   {.name = "cut", .type = PM_COLUMN_INT},
    {.name = "reason", .type = PM_COLUMN_TEXT},
};

struct listing {
    struct pm_rows *rows;
    uint64_t n;
    int rc;
    struct pm_error *err;
};

static void add_time_ms(struct pm_rows *rows, bool known, int64_t ms)
{
    if (known) pm_row_time(rows, ms * 1000);
    else pm_row_null(rows);
}

static void add_row(void *arg, const struct pm_segment_info *info)
{
    static const char *const states[] = {"waiting", "in use", "damaged"};
    struct listing *listing = arg;
    struct pm_rows *rows = listing->rows;
    if (listing->rc != PM_OK) return;
    pm_row_begin(rows);
    pm_row_cstr(rows, info->name);
    pm_row_cstr(rows, states[info->state]);
    if (info->readable) {
        pm_row_int(rows, info->head.pid);
        pm_row_time(rows, info->head.made_at_us);
        pm_row_int(rows, (int64_t)info->records);
    } else {
        pm_row_null(rows);
        pm_row_null(rows);
        pm_row_null(rows);
    }
    pm_row_int(rows, (int64_t)info->bytes);
    add_time_ms(rows, info->records > 0, info->first_ms);
    add_time_ms(rows, info->records > 0, info->last_ms);
    pm_row_int(rows, (int64_t)info->damaged);
    pm_row_int(rows, (int64_t)info->cut);
    if (info->why[0]) pm_row_cstr(rows, info->why);
    else pm_row_null(rows);
    listing->rc = pm_row_end(rows, listing->err);
    listing->n++;
}

static int no_outbox(int rc, struct pm_error *err)
{
    return rc == PM_ENOTFOUND ? pm_error_wrap(err, PM_EUSAGE, "there is no outbox") : rc;
}

int pm_cmd_outbox_list(struct pm_cli *cli, struct pm_error *err)
{
    struct pm_rows_spec spec = {.columns = columns,
                                .n_columns = sizeof columns / sizeof *columns,
                                .sort = {{3, false}, {0, false}},
                                .n_sort = 2};
    struct pm_output_options options = pm_cli_output_options(cli);
    struct listing listing = {.err = err};
    PM_TRY(pm_rows_new(&spec, &options, &listing.rows, err));
    int rc = no_outbox(pm_outbox_each(cli->operands[0], add_row, &listing, err), err);
    if (rc == PM_OK) rc = listing.rc;
    if (rc == PM_OK) rc = pm_rows_print(listing.rows, stdout, NULL, err);
    pm_rows_free(listing.rows);
    if (rc != PM_OK || listing.n > 0) return rc;
    pm_cli_note(cli, "the outbox is empty");
    return pm_error_set(err, PM_ENOTFOUND, "%s", "");
}

/* ---- drain ---- */

struct draining {
    const volatile sig_atomic_t *stop;
    uint64_t refused;
};

static bool must_stop(void *arg) { return *((struct draining *)arg)->stop; }

static void show_refusal(void *arg, const struct pm_record *record, const char *reason)
{
    struct draining *draining = arg;
    draining->refused++;
    pm_cli_warn("an event with the key \"%.*s\" was refused: %s", PM_SLICE_ARG(record->key), reason);
}

int pm_cli_drain(const struct pm_cli *cli, const char *dir, const volatile sig_atomic_t *stop,
                 struct pm_drain_counts *counts, uint64_t *ret_refused, struct pm_error *err)
{
    struct draining draining = {.stop = stop};
    struct pm_ship ship = {.url = pm_cli_log_url(cli),
                           .options = cli->log,
                           .codec_options = pm_cli_codec_options(cli, pm_cli_log_url(cli)),
                           .refused = show_refusal,
                           .arg = &draining};
    ship.options.mode = PM_LOG_APPEND;
    int rc = pm_ship_open(&ship, err);
    if (rc == PM_OK) rc = pm_outbox_drain(dir, &ship, must_stop, &draining, counts, err);
    pm_ship_close(&ship);
    *ret_refused = draining.refused;
    return rc;
}

int pm_cmd_outbox_drain(struct pm_cli *cli, struct pm_error *err)
{
    struct pm_drain_counts counts = {0};
    uint64_t refused = 0;
    char events[32], segments[32], in_use[32];
    const volatile sig_atomic_t *stop = pm_signals_catch();
    int rc = no_outbox(pm_cli_drain(cli, cli->operands[0], stop, &counts, &refused, err), err);
    if (rc == PM_EUSAGE) return rc;
    pm_cli_note(cli, "%s event%s of %s segment%s appended", pm_count_format(counts.events - refused, events),
                counts.events - refused == 1 ? "" : "s", pm_count_format(counts.segments, segments),
                counts.segments == 1 ? "" : "s");
    if (counts.in_use > 0)
        pm_cli_note(cli, "%s segment%s in use and left alone; drain again when the writers have ended",
                    pm_count_format(counts.in_use, in_use), counts.in_use == 1 ? " is" : "s are");
    if (rc != PM_OK) return rc;
    pm_signals_end();
    if (counts.damaged > 0)
        pm_cli_warn("%llu segment%s damaged and kept; see: provmat outbox list %s", (unsigned long long)counts.damaged,
                    counts.damaged == 1 ? " was" : "s were", cli->operands[0]);
    if (counts.failed > 0) return pm_error_set(err, counts.why.code, "%s", counts.why.text);
    return counts.damaged + refused ? pm_error_set(err, PM_EFORMAT, "%s", "") : PM_OK;
}
