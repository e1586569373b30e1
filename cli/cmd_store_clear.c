/* cmd_store_clear.c: `provmat store clear ROOT`: which results would go, and with --force their deletion
 * (provstore/clear.h). */
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "cli/clear_plan.h"
#include "cli/cmd_query.h"
#include "cli/cmd_store.h"
#include "cli/outbox.h"
#include "cli/signals.h"
#include "common/base/check.h"
#include "common/base/json.h"
#include "producer/outbox.h"
#include "provstore/known.h"
#include "query/reading.h"

struct run {
    struct pm_store_command command;
    struct pm_cli *cli;
    bool force;
    struct pm_reading reading;
    const char *complete; /* "yes", "no", "unknown"; NULL: there is no index */
    struct pm_clear plan;
    struct pm_clear_planned *planned; /* --plan */
    struct pm_arena arena;
    struct pm_clear_totals totals;
    /* who is told */
    struct pm_log *log;
    struct pm_codec *codec;
    struct pm_outbox *outbox;
    struct pm_record_maker maker;
    struct pm_buf record;
};

/* ---- what was asked for ---- */

static const char *const selections[] = {"schema",     "kind",     "state",      "bundle", "path-prefix", "older-than",
                                         "unused-for", "max-jobs", "max-reuses", "plan",   "all"};
static const char *const asking_index[] = {"unused-for", "max-jobs", "max-reuses"};

static const char *first_given(const struct pm_cli *cli, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (pm_cli_flag(cli, names[i])) return names[i];
    return NULL;
}
#define FIRST_GIVEN(cli, names) first_given(cli, names, sizeof(names) / sizeof *(names))

static int check_flags(const struct pm_cli *cli, struct pm_error *err)
{
    const char *asks = FIRST_GIVEN(cli, asking_index);
    if (!FIRST_GIVEN(cli, selections))
        return pm_error_set(err, PM_EUSAGE,
                            "nothing says which results: --schema, --bundle, --older-than, --unused-for ..., or --all "
                            "for every one; `provmat help store clear` lists them");
    if (asks && pm_cli_flag(cli, "no-index"))
        return pm_error_set(err, PM_EUSAGE, "--%s asks the index, and --no-index says not to", asks);
    if (pm_cli_flag(cli, "force") && pm_cli_flag(cli, "limit"))
        return pm_error_set(err, PM_EUSAGE,
                            "--limit is about the rows that are printed, not about what is deleted: write a plan, take "
                            "lines out of it, and delete what it names with --plan FILE");
    if (pm_cli_flag(cli, "no-event") && pm_cli_flag(cli, "outbox"))
        return pm_error_set(err, PM_EUSAGE, "--no-event tells nobody, and --outbox says whom to tell");
    return PM_OK;
}

static int state_of(const char *text)
{
    for (int i = PM_STORED_WHOLE; text && i <= PM_STORED_BROKEN; i++)
        if (!strcmp(text, pm_stored_state_name((enum pm_stored_state)i))) return i;
    return -1;
}

static int make_select(struct run *run, struct pm_clear_select *ret, struct pm_error *err)
{
    const struct pm_cli *cli = run->cli;
    const char *kind = pm_cli_text(cli, "kind"), *bundle = pm_cli_text(cli, "bundle"), *plan = pm_cli_text(cli, "plan");
    enum pm_kind parsed;
    *ret = (struct pm_clear_select){
        .schema = pm_cli_text(cli, "schema"),
        .path_prefix = pm_cli_text(cli, "path-prefix"),
        .kind = kind && pm_kind_parse(pm_slice_cstr(kind), &parsed) ? (int)parsed : -1,
        .state = state_of(pm_cli_text(cli, "state")),
        .stored_before = pm_cli_time(cli, "older-than", INT64_MAX),
        .used_before = pm_cli_time(cli, "unused-for", INT64_MAX),
        .jobs_max = pm_cli_count(cli, "max-jobs", UINT64_MAX),
        .reuses_max = pm_cli_count(cli, "max-reuses", UINT64_MAX),
    };
    if (bundle) PM_TRY(pm_filter_bundle(bundle, &run->arena, &ret->bundle, err));
    if (!plan) return PM_OK;
    int rc = pm_clear_plan_read(plan, &run->arena, &run->planned, &ret->n_planned, err);
    ret->plan = run->planned;
    return rc;
}

/* ---- the index ---- */

/* Deletions that it has not heard of yet, such as those of the last run, say nothing of who uses what. */
static int only_deletions_lack(const struct run *run, bool *ret, struct pm_error *err)
{
    struct pm_known_options options = {.index_dir = run->cli->index_dir,
                                       .log_url = run->cli->log_url,
                                       .log = run->cli->log,
                                       .codec = pm_cli_codec_options(run->cli, run->cli->log_url),
                                       .stop = run->command.walk.stop};
    struct pm_known *known = NULL;
    PM_TRY(pm_known_open(&options, &known, err));
    *ret = pm_known_others(known) == 0;
    pm_known_close(known);
    return PM_OK;
}

static int is_fresh(const struct run *run, bool *ret, struct pm_error *err)
{
    const struct pm_reading *reading = &run->reading;
    *ret = !strcmp(run->complete, "yes") || pm_cli_flag(run->cli, "stale-index");
    if (*ret || !reading->reached || reading->n_gaps || reading->info.until_us != INT64_MAX) return PM_OK;
    *ret = pm_cli_flag(run->cli, "max-lag"); /* opening has checked it */
    return *ret ? PM_OK : only_deletions_lack(run, ret, err);
}

static int check_fresh(const struct run *run, struct pm_error *err)
{
    const struct pm_reading *reading = &run->reading;
    bool fresh;
    char what[64] = "events are missing in the index";
    PM_TRY(is_fresh(run, &fresh, err));
    if (fresh) return PM_OK;
    if (!strcmp(run->complete, "unknown")) snprintf(what, sizeof what, "the log could not be asked");
    else if (reading->lag && !reading->n_gaps)
        snprintf(what, sizeof what, "the index is %llu records behind", (unsigned long long)reading->lag);
    if (run->force || FIRST_GIVEN(run->cli, asking_index))
        return pm_error_set(err, PM_EBEHIND,
                            "%s, so a job may use what nobody seems to; next: provmat materialize --once, or allow it "
                            "with --stale-index",
                            what);
    pm_cli_note(run->cli, "%s: who uses these results may not be all", what);
    return PM_OK;
}

static int no_index(const struct run *run, struct pm_error *err)
{
    const char *asks = FIRST_GIVEN(run->cli, asking_index);
    if (asks || (run->force && !pm_cli_flag(run->cli, "no-index")))
        return pm_error_set(err, PM_EINDEX,
                            "there is no index \"%s\" that tells who uses these results: make it with provmat "
                            "materialize --once%s",
                            run->cli->index_dir, asks ? "" : ", or delete without knowing with --no-index");
    pm_cli_note(run->cli, "no index: who uses these results is not known");
    return PM_OK;
}

static int open_index(struct run *run, struct pm_error *err)
{
    struct pm_query question = pm_cli_question(run->cli);
    struct stat st;
    if (pm_cli_flag(run->cli, "no-index") || (stat(question.index_dir, &st) != 0 && errno == ENOENT))
        return no_index(run, err);
    PM_TRY(pm_reading_open(&question, PM_ASK_ALWAYS, &run->reading, err));
    run->complete = pm_reading_complete(&run->reading);
    if (!run->cli->log_url) run->cli->log_url = run->reading.info.log_url;
    return check_fresh(run, err);
}

/* ---- who is told ---- */

static int tell_log(void *arg, const struct pm_event *ev, struct pm_error *err)
{
    struct run *run = arg;
    pm_buf_clear(&run->record);
    PM_TRY(pm_codec_encode(run->codec, ev, &run->record, err));
    return pm_log_append(run->log, pm_event_key(ev), pm_buf_slice(&run->record), pm_event_timestamp_ms(ev), err);
}
static int settle_log(void *arg, struct pm_error *err) { return pm_log_flush(((struct run *)arg)->log, err); }

static int tell_outbox(void *arg, const struct pm_event *ev, struct pm_error *err)
{
    struct run *run = arg;
    struct pm_record record;
    pm_record_begin(&run->maker);
    PM_TRY(pm_record_make(&run->maker, ev, &record, err));
    return pm_outbox_write(run->outbox, &record, 1, err);
}
static int settle_outbox(void *arg, struct pm_error *err) { return pm_outbox_sync(((struct run *)arg)->outbox, err); }

/* Before anything is touched: a log that is away must not leave results half-deleted. */
static int open_telling(struct run *run, struct pm_clear_telling *ret, struct pm_error *err)
{
    struct pm_cli *cli = run->cli;
    struct pm_outbox_options options = {.dir = pm_cli_text(cli, "outbox"), .sync = PM_OUTBOX_SYNC_INTERVAL};
    *ret = (struct pm_clear_telling){.arg = run, .stop = run->command.walk.stop};
    if (pm_cli_flag(cli, "no-event")) return PM_OK;
    if (!cli->log_url)
        return pm_error_set(err, PM_EUSAGE,
                            "nobody would be told, and the index would name results that are gone: say --log URL, "
                            "or --no-event");
    ret->tell = options.dir ? tell_outbox : tell_log;
    ret->settle = options.dir ? settle_outbox : settle_log;
    if (options.dir) {
        PM_TRY(pm_log_check(cli->log_url, err));
        return pm_outbox_open(&options, &run->outbox, err);
    }
    struct pm_codec_options codec = pm_cli_codec_options(cli, cli->log_url);
    PM_TRY(pm_codec_open(&codec, &run->codec, err));
    return pm_cli_log_open(cli, cli->log_url, PM_LOG_APPEND, &run->log, err);
}

/* As `emit --outbox` ends: the log has them, or will have them. */
static void deliver(struct run *run)
{
    const char *dir = pm_cli_text(run->cli, "outbox");
    struct pm_drain_counts counts = {0};
    struct pm_error why = {0};
    uint64_t refused = 0;
    pm_outbox_close(run->outbox);
    run->outbox = NULL;
    if (pm_cli_drain(run->cli, dir, run->command.walk.stop, &counts, &refused, &why) != PM_OK)
        pm_cli_warn("%s; the events wait in the outbox: provmat outbox drain %s --log %s", why.text, dir,
                    run->cli->log_url);
    else if (counts.failed > 0) pm_cli_warn("%s", counts.why.text);
}

/* ---- the command ---- */

static void tell_unreadable(void *arg, struct pm_slice path, struct pm_slice why)
{
    (void)arg;
    pm_cli_warn("\"%.*s\" could not be read, and what lies there is not in the plan: %.*s", PM_SLICE_ARG(path),
                PM_SLICE_ARG(why));
}

static int make_plan(struct run *run, struct pm_error *err)
{
    struct pm_clear_options options = {.walk = run->command.walk,
                                       .in_use = pm_cli_flag(run->cli, "in-use"),
                                       .silent_before = pm_cli_time(run->cli, "dead-after", INT64_MIN),
                                       .unreadable = tell_unreadable};
    PM_TRY(make_select(run, &options.select, err));
    PM_TRY(open_index(run, err));
    options.snap = run->reading.snap;
    int rc = pm_clear_plan(&options, &run->plan, err);
    pm_progress_clear();
    if (run->reading.snap) pm_snapshot_close(run->reading.snap); /* nothing is held while files are deleted */
    run->reading.snap = NULL;
    if (rc == PM_OK && *run->command.walk.stop) rc = pm_error_set(err, PM_EIO, "interrupted; nothing was deleted");
    return rc;
}

/* On an error of the log what was done is told all the same. */
static int act(struct run *run, struct pm_error *err)
{
    struct pm_clear_telling telling;
    PM_TRY(open_telling(run, &telling, err));
    int rc = pm_clear_act(&run->plan, &telling, err);
    if (run->outbox) deliver(run);
    if (rc == PM_OK && *run->command.walk.stop)
        rc = pm_error_set(err, PM_EIO, "interrupted; the same command goes on from here");
    return rc;
}

static int print(struct run *run, struct pm_error *err)
{
    PM_CLEANUP(pm_buf_release) struct pm_buf wrap = {0};
    for (size_t i = 0; i < run->plan.n_items; i++)
        PM_TRY(pm_clear_row(run->command.rows, &run->plan, &run->plan.items[i], run->complete != NULL, err));
    pm_clear_count(&run->plan, run->force, &run->totals);
    pm_clear_totals_json(&run->totals, &wrap);
    if (run->complete) pm_buf_printf(&wrap, ",\"index\":{\"complete\":\"%s\"}", run->complete);
    else pm_buf_cstr(&wrap, ",\"index\":null");
    pm_buf_byte(&wrap, 0);
    return pm_rows_print(run->command.rows, stdout, wrap.ptr, err);
}

static int clear(struct run *run, struct pm_error *err)
{
    struct pm_error why = {0};
    PM_TRY(make_plan(run, err));
    int rc = run->force ? act(run, &why) : PM_OK;
    if (rc == PM_EUSAGE) return pm_error_set(err, PM_EUSAGE, "%s", why.text);
    PM_TRY(print(run, err));
    pm_clear_tell(run->cli, &run->plan, &run->totals, run->force, run->complete != NULL);
    if (rc != PM_OK) return pm_error_set(err, (enum pm_code)rc, "%s", why.text);
    if (run->totals.failed + run->plan.unreadable) return pm_error_set(err, PM_EINVALID, "%s", "");
    return run->totals.results ? PM_OK : pm_error_set(err, PM_ENOTFOUND, "%s", "");
}

int pm_cmd_store_clear(struct pm_cli *cli, struct pm_error *err)
{
    struct run run = {.cli = cli, .force = pm_cli_flag(cli, "force"), .plan = {.root_fd = -1}};
    PM_TRY(check_flags(cli, err));
    int rc = pm_store_open(&run.command, cli, pm_clear_columns, PM_CLEAR_COLUMNS, err);
    if (rc == PM_OK) rc = clear(&run, err);
    pm_log_close(run.log);
    pm_codec_close(run.codec);
    pm_outbox_close(run.outbox);
    pm_record_release(&run.maker);
    pm_buf_release(&run.record);
    pm_clear_release(&run.plan);
    pm_reading_close(&run.reading);
    pm_store_close(&run.command);
    pm_arena_release(&run.arena);
    free(run.planned);
    return rc;
}
