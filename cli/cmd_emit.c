/* cmd_emit.c: `provmat emit`: files of event lines into the log, through producer/emit.h. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/outbox.h"
#include "cli/signals.h"
#include "common/base/time.h"
#include "consumer/consumer.h"
#include "producer/emit.h"

#define PROGRESS_US 100000

struct run {
    const struct pm_cli *cli;
    uint64_t bytes_total; /* of all files; 0: unknown */
    int64_t started_us, shown_us;
};

static void show_refusal(void *arg, const char *file, uint64_t line, const char *reason)
{
    (void)arg;
    pm_cli_line("%s:%llu: %s", file, (unsigned long long)line, reason);
}

/* How many events there will be, guessed from the share of the bytes: two digits, so that it stands still. */
static uint64_t guess(double total)
{
    double unit = 1;
    while (total / unit >= 100) unit *= 10;
    return (uint64_t)(total / unit + 0.5) * (uint64_t)unit;
}

static void show_progress(void *arg, const struct pm_emit_counts *counts)
{
    struct run *run = arg;
    int64_t now = pm_time_monotonic_us();
    if (now - run->shown_us < PROGRESS_US) return;
    run->shown_us = now;
    double seconds = (double)(now - run->started_us) / 1e6;
    double share = run->bytes_total ? (double)counts->bytes / (double)run->bytes_total : 0;
    struct pm_progress progress = {.phase = "emit",
                                   .done = counts->taken,
                                   .total = share > 0 ? guess((double)counts->taken / share) : 0,
                                   .events_per_s = seconds > 0 ? (double)counts->taken / seconds : 0,
                                   .seconds_left = share > 0 ? seconds / share - seconds : -1};
    pm_progress_show(run->cli, &progress);
}

static bool is_stdin(const char *file) { return !strcmp(file, "-"); }

/* Every file is looked at before anything is appended: a name that is wrong must not leave half of the files in the
 * log. */
static int check_files(struct run *run, struct pm_error *err)
{
    for (size_t i = 0; i < run->cli->n_operands; i++) {
        const char *file = run->cli->operands[i];
        struct stat st;
        if (is_stdin(file)) continue;
        if (stat(file, &st) != 0 || access(file, R_OK) != 0)
            return pm_error_set(err, PM_EUSAGE, "could not open \"%s\": %s; nothing was appended", file,
                                strerror(errno));
        if (S_ISDIR(st.st_mode))
            return pm_error_set(err, PM_EUSAGE, "\"%s\" is a directory; emit reads files of JSON lines", file);
        if (S_ISREG(st.st_mode)) run->bytes_total += (uint64_t)st.st_size;
    }
    return PM_OK;
}

static int emit_file(struct pm_emit *emit, const char *file, struct pm_error *err)
{
    if (is_stdin(file)) return pm_emit_read(emit, STDIN_FILENO, "stdin", err);
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return pm_error_set(err, errno == EMFILE || errno == ENFILE ? PM_EIO : PM_EUSAGE, "could not open \"%s\": %s",
                            file, pm_error_system(errno));
    int rc = pm_emit_read(emit, fd, file, err);
    close(fd);
    return rc;
}

static int emit_files(struct pm_emit *emit, const struct pm_cli *cli, const volatile sig_atomic_t *stop,
                      struct pm_error *err)
{
    if (cli->n_operands == 0) PM_TRY(emit_file(emit, "-", err));
    for (size_t i = 0; i < cli->n_operands && !*stop; i++) PM_TRY(emit_file(emit, cli->operands[i], err));
    return pm_emit_finish(emit, err);
}

/* The last line. After a failure it tells what is in the log all the same: what the log acknowledged, now that it is
 * asked once more. */
static void summary(const struct pm_cli *cli, struct pm_log *log, const struct pm_emit *emit, bool kept, int rc)
{
    struct pm_emit_counts counts = pm_emit_counts(emit);
    char taken[32], rejected[32];
    if (rc == PM_OK) {
        pm_cli_note(cli, "%s event%s %s, %s rejected", pm_count_format(counts.taken, taken),
                    counts.taken == 1 ? "" : "s",
                    log    ? "appended"
                    : kept ? "written to the outbox"
                           : "checked, nothing appended",
                    pm_count_format(counts.rejected, rejected));
        return;
    }
    if (log && pm_log_flush(log, NULL) != PM_OK) pm_progress_clear(); /* what failed has been told */
    uint64_t acknowledged = log ? pm_log_acknowledged(log) : kept ? counts.taken : 0;
    pm_cli_warn("stopped: %s event%s %s, %s rejected; emit the same input again once that is mended: events that "
                "are there already change no answer",
                pm_count_format(acknowledged, taken), acknowledged == 1 ? "" : "s",
                kept ? "written to the outbox" : "appended", pm_count_format(counts.rejected, rejected));
}

/* Into the log, or the outbox, or neither. What an outbox holds has no registry's ids yet. */
static int run_emit(struct run *run, struct pm_log *log, struct pm_outbox *outbox, const volatile sig_atomic_t *stop,
                    uint64_t *ret_rejected, struct pm_error *err)
{
    const struct pm_cli *cli = run->cli;
    struct pm_codec_options codec = {0};
    if (!outbox) codec = pm_cli_codec_options(cli, pm_cli_log_url(cli));
    struct pm_emit_options options = {.log = log,
                                      .outbox = outbox,
                                      .codec = codec,
                                      .stop = stop,
                                      .reject = show_refusal,
                                      .progress = cli->progress ? show_progress : NULL,
                                      .arg = run};
    struct pm_emit *emit = NULL;
    PM_TRY(pm_emit_open(&options, &emit, err));
    run->started_us = pm_time_monotonic_us();
    int rc = emit_files(emit, cli, stop, err);
    pm_progress_clear();
    if (rc != PM_OK) {
        pm_cli_warn("%s", err->text);
        err->text[0] = 0;
    }
    summary(cli, log, emit, outbox, rc);
    *ret_rejected = pm_emit_counts(emit).rejected;
    pm_emit_close(emit);
    return rc;
}

/* The log has them, or will have them: both are success, and what is true is told. */
static int deliver(const struct pm_cli *cli, const char *dir, const volatile sig_atomic_t *stop, uint64_t *ret_refused,
                   struct pm_error *err)
{
    struct pm_drain_counts counts = {0};
    struct pm_error why = {0};
    char events[32];
    int rc = pm_cli_drain(cli, dir, stop, &counts, ret_refused, &why);
    if (rc == PM_EUSAGE) return pm_error_set(err, PM_EUSAGE, "%s", why.text);
    pm_cli_note(cli, "%s event%s of the outbox appended to the log",
                pm_count_format(counts.events - *ret_refused, events), counts.events - *ret_refused == 1 ? "" : "s");
    if (rc == PM_OK && counts.failed > 0) pm_cli_warn("%s", counts.why.text);
    if (rc != PM_OK)
        pm_cli_warn("%s; the rest waits in the outbox: provmat outbox drain %s --log %s", why.text, dir,
                    pm_cli_log_url(cli));
    return PM_OK;
}

static int emit_to_outbox(struct run *run, const char *dir, uint64_t *ret_rejected, struct pm_error *err)
{
    struct pm_outbox_options options = {.dir = dir, .sync = PM_OUTBOX_SYNC_INTERVAL};
    struct pm_outbox *outbox = NULL;
    uint64_t refused = 0;
    PM_TRY(pm_log_check(pm_cli_log_url(run->cli), err));
    PM_TRY(pm_outbox_open(&options, &outbox, err));
    const volatile sig_atomic_t *stop = pm_signals_catch();
    int rc = run_emit(run, NULL, outbox, stop, ret_rejected, err);
    pm_outbox_close(outbox);
    if (rc == PM_OK && !*stop) rc = deliver(run->cli, dir, stop, &refused, err);
    *ret_rejected += refused;
    return rc;
}

static int emit_to_log(struct run *run, uint64_t *ret_rejected, struct pm_error *err)
{
    struct pm_log *log = NULL;
    const struct pm_cli *cli = run->cli;
    if (!pm_cli_flag(cli, "dry-run")) PM_TRY(pm_cli_log_open(cli, pm_cli_log_url(cli), PM_LOG_APPEND, &log, err));
    const volatile sig_atomic_t *stop = pm_signals_catch();
    int rc = run_emit(run, log, NULL, stop, ret_rejected, err);
    pm_log_close(log);
    return rc;
}

int pm_cmd_emit(struct pm_cli *cli, struct pm_error *err)
{
    struct run run = {.cli = cli};
    const char *outbox = pm_cli_flag(cli, "dry-run") ? NULL : pm_cli_text(cli, "outbox");
    uint64_t rejected = 0;
    PM_TRY(check_files(&run, err));
    if (isatty(STDIN_FILENO) && (cli->n_operands == 0 || (cli->n_operands == 1 && is_stdin(cli->operands[0]))))
        pm_cli_note(cli, "reading events from the terminal, one JSON object a line; end with Ctrl-D");
    int rc = outbox ? emit_to_outbox(&run, outbox, &rejected, err) : emit_to_log(&run, &rejected, err);
    if (rc != PM_OK) return rc;
    pm_signals_end();
    return rejected ? pm_error_set(err, PM_EINVALID, "%s", "") : PM_OK;
}
