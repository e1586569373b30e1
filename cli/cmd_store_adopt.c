/* cmd_store_adopt.c: `provmat store adopt ROOT`: what no event tells of becomes ResultDiscovered (provstore/adopt.h).
 */
#include "cli/cmd_store.h"
#include "cli/signals.h"
#include "common/base/check.h"
#include "common/base/time.h"
#include "consumer/consumer.h"
#include "provstore/adopt.h"

static const struct pm_column columns[] = {
    {.name = "result", .type = PM_COLUMN_TEXT}, {.name = "kind", .type = PM_COLUMN_TEXT},
    {.name = "action", .type = PM_COLUMN_TEXT}, {.name = "at", .type = PM_COLUMN_TIME},
    {.name = "time", .type = PM_COLUMN_TEXT},   {.name = "reason", .type = PM_COLUMN_TEXT},
};

struct run {
    struct pm_store_command command;
    uint64_t counts[PM_ADOPTION_COUNT];
};

static int add_row(struct pm_rows *rows, struct pm_slice path, const struct pm_stored *stored,
                   enum pm_adoption adoption, const char *reason, struct pm_error *err)
{
    const struct pm_event *ev = &stored->facts;
    bool timed = (ev->has & PM_HAS(occurred_at)) && ev->occurred_at >= PM_TIME_MIN && ev->occurred_at <= PM_TIME_MAX;
    pm_row_begin(rows);
    pm_row_text(rows, path);
    pm_row_cstr(rows, ev->has & PM_HAS(kind) ? pm_kind_name(ev->kind) : NULL);
    pm_row_cstr(rows, pm_adoption_name(adoption));
    if (timed) pm_row_time(rows, ev->occurred_at);
    else pm_row_null(rows);
    pm_row_cstr(rows, !timed ? NULL : stored->time_from_file ? "file" : "metadata");
    pm_row_cstr(rows, *reason ? reason : NULL);
    return pm_row_end(rows, err);
}

/* A dry run prints a row a result; a real one tells only what it did not take. */
static int each(void *arg, const struct pm_stored *stored, enum pm_adoption adoption, const char *reason,
                struct pm_error *err)
{
    struct run *run = arg;
    struct pm_buf path = {0};
    int rc = PM_OK;
    pm_put_text(&path, stored->path);
    if (run->command.rows) {
        rc = add_row(run->command.rows, pm_buf_slice(&path), stored, adoption, reason, err);
    } else if (adoption == PM_ADOPT_REFUSED) {
        pm_cli_warn("%.*s: %s", (int)path.len, path.ptr, reason);
    }
    pm_buf_release(&path);
    return rc;
}

static void summary(const struct run *run, bool dry_run)
{
    char texts[PM_ADOPTION_COUNT][32];
    for (int i = 0; i < PM_ADOPTION_COUNT; i++) pm_count_format(run->counts[i], texts[i]);
    pm_cli_note(run->command.cli, "%s result%s %s, %s known already, %s deleted since, %s failed, %s refused",
                texts[PM_ADOPTED], run->counts[PM_ADOPTED] == 1 ? "" : "s", dry_run ? "would be adopted" : "adopted",
                texts[PM_ADOPT_KNOWN], texts[PM_ADOPT_DELETED], texts[PM_ADOPT_FAILED], texts[PM_ADOPT_REFUSED]);
}

static int adopt(struct run *run, struct pm_cli *cli, bool dry_run, struct pm_error *err)
{
    struct pm_adopt_options options = {
        .walk = run->command.walk,
        .known = {.index_dir = cli->index_dir,
                  .log_url = pm_cli_log_url(cli),
                  .log = cli->log,
                  .codec = pm_cli_codec_options(cli, pm_cli_log_url(cli)),
                  .stop = run->command.walk.stop},
        .dry_run = dry_run,
        .each = each,
        .arg = run,
    };
    int rc = pm_adopt(&options, run->counts, err);
    pm_progress_clear();
    if (rc == PM_OK && *run->command.walk.stop)
        rc = pm_error_set(err, PM_EIO, "interrupted; the same command goes on from here");
    if (rc != PM_OK && run->counts[PM_ADOPTED]) {
        char text[32];
        pm_cli_warn("stopped: %s adopted; the same command goes on from here",
                    pm_count_format(run->counts[PM_ADOPTED], text));
    }
    return rc;
}

int pm_cmd_store_adopt(struct pm_cli *cli, struct pm_error *err)
{
    struct run run = {0};
    bool dry_run = pm_cli_flag(cli, "dry-run");
    int rc = pm_store_open(&run.command, cli, columns, dry_run ? sizeof columns / sizeof *columns : 0, err);
    if (rc == PM_OK) rc = adopt(&run, cli, dry_run, err);
    if (rc == PM_OK && dry_run) rc = pm_rows_print(run.command.rows, stdout, NULL, err);
    if (rc == PM_OK) summary(&run, dry_run);
    pm_store_close(&run.command);
    if (rc != PM_OK) return rc;
    return run.counts[PM_ADOPT_REFUSED] ? pm_error_set(err, PM_EINVALID, "%s", "") : PM_OK;
}
