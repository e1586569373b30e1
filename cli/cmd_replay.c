/* cmd_replay.c: `provmat replay`: the log's records -> events -> lines in the form that emit reads.
 *
 * Partitions come one after the other, each up to the end that it had at the start: the output of a log that nobody
 * appends to is always the same. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/signals.h"
#include "common/base/check.h"
#include "common/base/time.h"
#include "common/event/origin.h"
#include "consumer/consumer.h"

#define POLL_RECORDS_MAX 4096
#define POLL_BYTES_MAX (4 * 1024 * 1024)
#define POLL_MS 250
#define STALL_US 30000000LL /* a log that delivers nothing for so long, with records still to come, is given up */
#define WRITE_BYTES (256 * 1024)
#define PROGRESS_US 100000

struct range {
    int64_t from, end; /* offsets from..end-1 are wanted */
};

struct replay {
    const struct pm_cli *cli;
    struct pm_log *log;
    struct pm_codec *codec;
    struct pm_arena arena;
    struct pm_buf out;
    struct range *ranges; /* one a partition */
    int32_t n_partitions;
    int64_t until_us;
    uint64_t done, total, bad; /* records */
    int64_t started_us, shown_us;
    const volatile sig_atomic_t *stop;
};

/* ---- where to begin and to end ---- */

static int read_ranges(struct replay *r, struct pm_error *err)
{
    PM_TRY(pm_log_partitions(r->log, &r->n_partitions, err));
    r->ranges = pm_calloc((size_t)r->n_partitions, sizeof *r->ranges);
    for (int32_t p = 0; p < r->n_partitions; p++)
        PM_TRY(pm_log_offsets(r->log, p, &r->ranges[p].from, &r->ranges[p].end, err));

    const struct pm_given *given;
    for (size_t at = 0; (given = pm_cli_next(r->cli, "from", &at));) {
        if (given->partition >= r->n_partitions)
            return pm_error_set(err, PM_EUSAGE, "--from %s: the log has %d partition%s, 0..%d", given->value,
                                r->n_partitions, r->n_partitions == 1 ? "" : "s", r->n_partitions - 1);
        struct range *range = &r->ranges[given->partition];
        if ((int64_t)given->count < range->from || (int64_t)given->count > range->end)
            return pm_error_set(err, PM_EUSAGE,
                                "--from %s: partition %d begins at offset %lld, and its next one is %lld", given->value,
                                given->partition, (long long)range->from, (long long)range->end);
        range->from = (int64_t)given->count;
    }
    for (int32_t p = 0; p < r->n_partitions; p++) r->total += (uint64_t)(r->ranges[p].end - r->ranges[p].from);
    return PM_OK;
}

/* ---- writing ---- */

static int write_out(struct replay *r, struct pm_error *err)
{
    size_t at = 0;
    while (at < r->out.len) {
        ssize_t n = write(STDOUT_FILENO, r->out.ptr + at, r->out.len - at);
        if (n < 0 && errno == EINTR && !*r->stop) continue;
        if (n < 0) return pm_error_set(err, PM_EIO, "could not write the output: %s", strerror(errno));
        at += (size_t)n;
    }
    pm_buf_clear(&r->out);
    return PM_OK;
}

static void show_progress(struct replay *r)
{
    int64_t now = pm_time_monotonic_us();
    if (!r->cli->progress || isatty(STDOUT_FILENO) || now - r->shown_us < PROGRESS_US) return;
    r->shown_us = now;
    double seconds = (double)(now - r->started_us) / 1e6, rate = seconds > 0 ? (double)r->done / seconds : 0;
    struct pm_progress progress = {.phase = "replay",
                                   .done = r->done,
                                   .total = r->total,
                                   .events_per_s = rate,
                                   .seconds_left = rate > 0 && r->total > r->done ? (double)(r->total - r->done) / rate
                                                                                  : -1};
    pm_progress_show(r->cli, &progress);
}

/* ---- one record ---- */

static void append_number(struct pm_buf *buf, int64_t number)
{
    char digits[24];
    int at = sizeof digits;
    uint64_t left = (uint64_t)number; /* offsets are never negative */
    do digits[--at] = (char)('0' + left % 10);
    while (left /= 10);
    pm_buf_bytes(buf, digits + at, sizeof digits - (size_t)at);
}

/* A record that is no event is told and counted; only an error that is not about the record ends the replay. */
static int print_record(struct replay *r, const struct pm_log_record *record, struct pm_buf *place,
                        struct pm_error *err)
{
    struct pm_event ev;
    struct pm_error own = {0};
    int64_t at_us = pm_time_of_ms(record->timestamp_ms), default_at_us = at_us < 0 ? 0 : at_us;
    pm_arena_reset(&r->arena);
    int rc = record->value.ptr ? pm_codec_decode(r->codec, record->value, default_at_us, &r->arena, &ev, &own)
                               : pm_error_set(&own, PM_EFORMAT, "the value is null");
    if (rc != PM_OK && pm_error_class(rc) != PM_CLASS_POISON) {
        pm_error_set(err, (enum pm_code)rc, "%s", own.text);
        return pm_error_wrap(err, rc, "partition %d offset %lld", record->partition, (long long)record->offset);
    }
    if (rc != PM_OK && pm_origin_is_end_mark(record->origin, record->value)) return PM_OK;
    if (rc != PM_OK) {
        r->bad++;
        pm_cli_line("%d:%lld: %s", record->partition, (long long)record->offset, own.text);
        return PM_OK;
    }
    if (ev.occurred_at > r->until_us) return PM_OK;
    pm_buf_clear(place);
    pm_buf_cstr(place, ",\"_partition\":");
    append_number(place, record->partition);
    pm_buf_cstr(place, ",\"_offset\":");
    append_number(place, record->offset);
    pm_event_to_json(&ev, pm_buf_slice(place), &r->out);
    pm_buf_byte(&r->out, '\n');
    return r->out.len >= WRITE_BYTES ? write_out(r, err) : PM_OK;
}

static int print_batch(struct replay *r, const struct pm_log_batch *batch, int32_t partition, struct pm_error *err)
{
    struct pm_buf place = {0};
    int rc = PM_OK;
    for (size_t i = 0; i < batch->n_records && rc == PM_OK; i++) {
        const struct pm_log_record *record = &batch->records[i];
        /* What came after the start, and what a partition that was printed before goes on to deliver, is left out. */
        if (record->partition != partition || record->offset >= r->ranges[partition].end) continue;
        r->done++;
        rc = print_record(r, record, &place, err);
    }
    pm_buf_release(&place);
    for (size_t i = 0; i < batch->n_faults && rc == PM_OK; i++) {
        const struct pm_log_fault *fault = &batch->faults[i];
        if (fault->partition < 0 || fault->partition == partition)
            rc = pm_error_set(err, fault->error.code, "%s", fault->error.text);
    }
    return rc;
}

static int replay_partition(struct replay *r, int32_t partition, struct pm_error *err)
{
    const struct range *range = &r->ranges[partition];
    if (range->from >= range->end) return PM_OK;
    PM_TRY(pm_log_seek(r->log, partition, range->from, err));
    int64_t last_us = pm_time_monotonic_us(), position = range->from;
    while (!*r->stop && position < range->end) {
        struct pm_log_batch batch = {0};
        PM_TRY(pm_log_poll(r->log, POLL_RECORDS_MAX, POLL_BYTES_MAX, POLL_MS, &batch, err));
        int rc = print_batch(r, &batch, partition, err);
        bool none = batch.n_records == 0;
        pm_log_batch_release(&batch);
        PM_TRY(rc);
        /* Nothing more at once: hand on what there is. */
        if (none) PM_TRY(write_out(r, err));
        show_progress(r);
        int64_t before = position, now = pm_time_monotonic_us();
        position = pm_log_position(r->log, partition);
        if (position != before) last_us = now;
        if (now - last_us > STALL_US)
            return pm_error_set(err, PM_ETIMEOUT,
                                "the log delivered nothing for %lld s: partition %d stands at offset %lld of %lld",
                                STALL_US / 1000000, partition, (long long)position, (long long)range->end);
    }
    return PM_OK;
}

/* What can be read of a damaged log is printed: all before the damage, and the other partitions. */
static int replay_all(struct replay *r, struct pm_error *err)
{
    PM_TRY(read_ranges(r, err));
    r->started_us = pm_time_monotonic_us();
    struct pm_error first = {0}, more;
    int rc = PM_OK;
    for (int32_t p = 0; p < r->n_partitions && !*r->stop && (rc == PM_OK || rc == PM_ECORRUPT); p++) {
        int of_this = replay_partition(r, p, rc == PM_OK ? &first : &more);
        if (of_this != PM_OK && rc != PM_OK) pm_cli_warn("%s", more.text);
        if (of_this != PM_OK) rc = of_this;
    }
    PM_TRY(write_out(r, err));
    return rc == PM_OK ? rc : pm_error_set(err, (enum pm_code)rc, "%s", first.text);
}

int pm_cmd_replay(struct pm_cli *cli, struct pm_error *err)
{
    const char *url = pm_cli_log_url(cli);
    struct pm_codec_options codec = pm_cli_codec_options(cli, url);
    struct replay r = {.cli = cli, .until_us = pm_cli_time(cli, "until", INT64_MAX), .stop = pm_signals_catch()};
    PM_TRY(pm_cli_log_open(cli, url, PM_LOG_READ, &r.log, err));
    int rc = pm_codec_open(&codec, &r.codec, err);
    if (rc == PM_OK) rc = replay_all(&r, err);
    pm_progress_clear();
    if (rc == PM_OK && r.bad) {
        char bad[32];
        pm_cli_note(cli, "%s record%s could not be read as an event", pm_count_format(r.bad, bad),
                    r.bad == 1 ? "" : "s");
        rc = pm_error_set(err, PM_EFORMAT, "%s", "");
    }
    pm_codec_close(r.codec);
    pm_log_close(r.log);
    pm_arena_release(&r.arena);
    pm_buf_release(&r.out);
    free(r.ranges);
    pm_signals_end();
    return rc;
}
