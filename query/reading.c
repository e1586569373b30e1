/* reading.c: opens a snapshot, finds out how far it is behind its log, and prints what was gathered from it. */
#include "query/reading.h"

#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/time.h"

#define NEXT_COMMAND "provmat materialize --once"

/* Of a URL or an identity. To ask a broker takes time, to ask another log does not. */
static bool is_kafka(const char *log) { return strncmp(log, "kafka:", 6) == 0; }

/* ---- what the log says ---- */
struct ends { /* of every partition, in the reading's arena */
    int32_t count;
    int64_t *first, *next;
};

static int read_ends(struct pm_log *log, struct pm_arena *arena, struct ends *ret, struct pm_error *err)
{
    struct ends ends;
    PM_TRY(pm_log_partitions(log, &ends.count, err));
    ends.first = pm_arena_alloc(arena, (size_t)ends.count * sizeof *ends.first);
    ends.next = pm_arena_alloc(arena, (size_t)ends.count * sizeof *ends.next);
    for (int32_t i = 0; i < ends.count; i++) PM_TRY(pm_log_offsets(log, i, &ends.first[i], &ends.next[i], err));
    *ret = ends;
    return PM_OK;
}

static int other_log(const struct pm_query *question, const struct pm_index_info *info, const char *found,
                     struct pm_error *err)
{
    return pm_error_set(err, PM_EINDEX,
                        "%s: the index was made from another log: %s (%s), not %s (%s); name its own --index",
                        question->index_dir, info->log_url, info->log_identity, question->log_url, found);
}

/* Without asking: a log of another kind, or another topic. (The same topic may have been reached through other
 * brokers.) */
static int check_kind(const struct pm_query *question, const struct pm_index_info *info, struct pm_error *err)
{
    if (!question->log_url) return PM_OK;
    if (is_kafka(question->log_url) && !is_kafka(info->log_identity))
        return other_log(question, info, "another kind of log", err);
    const char *named = strrchr(question->log_url, '/'), *made = strrchr(info->log_identity, '/');
    if (is_kafka(question->log_url) && named && made && strcmp(named, made) != 0)
        return other_log(question, info, "another topic", err);
    return PM_OK;
}

/* PM_EINDEX: the log that was named is not the index's. Every other error: the log could not be asked. */
static int ask_log(const struct pm_query *question, struct pm_reading *reading, struct ends *ret, struct pm_error *err)
{
    const struct pm_index_info *info = &reading->info;
    struct pm_log_options options = question->log;
    options.mode = PM_LOG_READ;
    if (!options.timeout_ms) options.timeout_ms = PM_FRESH_TIMEOUT_MS;
    if (!question->has_max_lag) options.diag = NULL; /* nobody asked for the log: its troubles are not told */
    struct pm_log *log;
    PM_TRY(pm_log_open(question->log_url ? question->log_url : info->log_url, &options, &log, err));
    int rc;
    if (strcmp(pm_log_identity(log), info->log_identity) == 0) rc = read_ends(log, &reading->arena, ret, err);
    else if (question->log_url) rc = other_log(question, info, pm_log_identity(log), err);
    else
        rc = pm_error_set(err, PM_ELOG, "log %s is not the one that the index was made from: it is %s, that was %s",
                          info->log_url, pm_log_identity(log), info->log_identity);
    pm_log_close(log);
    return rc;
}

/* ---- what the index says ---- */
static int by_partition(const void *a, const void *b)
{
    const struct pm_partition *x = a, *y = b;
    return (x->partition > y->partition) - (x->partition < y->partition);
}

static int read_partitions(struct pm_reading *reading, const struct ends *ends, struct pm_error *err)
{
    struct pm_applied *applied;
    size_t n_applied;
    PM_TRY(pm_snapshot_applied(reading->snap, &reading->arena, &applied, &n_applied, err));
    size_t n_max = n_applied + (ends ? (size_t)ends->count : 0), n = 0;
    struct pm_partition *rows = pm_arena_alloc(&reading->arena, (n_max + 1) * sizeof *rows);
    for (size_t i = 0; i < n_applied; i++)
        rows[n++] = (struct pm_partition){.partition = applied[i].partition,
                                          .first = applied[i].first,
                                          .next = applied[i].next,
                                          .in_index = true,
                                          .end = -1};
    for (int32_t p = 0; ends && p < ends->count; p++) {
        struct pm_partition *row = NULL;
        for (size_t i = 0; i < n_applied && !row; i++) row = rows[i].partition == p ? &rows[i] : NULL;
        if (!row) {
            row = &rows[n++];
            *row = (struct pm_partition){.partition = p, .first = ends->first[p], .next = ends->first[p]};
        }
        row->end = ends->next[p];
    }
    qsort(rows, n, sizeof *rows, by_partition);
    reading->partitions = rows;
    reading->n_partitions = n;
    reading->reached = ends != NULL;
    for (size_t i = 0; i < n; i++) {
        if (rows[i].end < 0) reading->reached = false;
        else if (rows[i].end > rows[i].next) reading->lag += (uint64_t)(rows[i].end - rows[i].next);
    }
    return PM_OK;
}

static bool has_open_gap(const struct pm_reading *reading, int32_t partition)
{
    for (size_t i = 0; i < reading->n_gaps; i++)
        if (reading->gaps[i].partition == partition && !reading->gaps[i].accepted) return true;
    return false;
}

static int by_place(const void *a, const void *b)
{
    const struct pm_gap *x = a, *y = b;
    if (x->partition != y->partition) return x->partition > y->partition ? 1 : -1;
    return (x->from > y->from) - (x->from < y->from);
}

/* The gaps that the index records, and those that no materializer has met yet. */
static int read_gaps(struct pm_reading *reading, const struct ends *ends, struct pm_error *err)
{
    struct pm_gap *recorded;
    size_t n;
    PM_TRY(pm_snapshot_gaps(reading->snap, &reading->arena, &recorded, &n, err));
    reading->gaps = pm_arena_alloc(&reading->arena, (n + reading->n_partitions + 1) * sizeof *recorded);
    for (size_t i = 0; i < n; i++) reading->gaps[i] = recorded[i];
    reading->n_gaps = n;
    for (size_t i = 0; ends && i < reading->n_partitions; i++) {
        const struct pm_partition *row = &reading->partitions[i];
        bool there = row->partition < ends->count;
        int64_t first = there ? ends->first[row->partition] : 0, next = there ? ends->next[row->partition] : 0;
        if (!row->in_index || has_open_gap(reading, row->partition)) continue;
        struct pm_gap gap = {.partition = row->partition, .from = row->next, .to = first - 1};
        if (row->next > next) gap.kind = PM_GAP_REPLACED, gap.from = next, gap.to = row->next - 1;
        if (gap.from <= gap.to) reading->gaps[reading->n_gaps++] = gap;
    }
    qsort(reading->gaps, reading->n_gaps, sizeof *reading->gaps, by_place);
    return PM_OK;
}

static int open_snapshot(struct pm_reading *reading, struct pm_error *err)
{
    PM_TRY(pm_snapshot_open(reading->index, &reading->snap, err));
    return pm_snapshot_info(reading->snap, &reading->info, err);
}

/* ---- is it fresh enough ---- */
static int check_at_least(const struct pm_reading *reading, const struct pm_query *question, struct pm_error *err)
{
    for (size_t i = 0; i < question->n_at_least; i++) {
        const struct pm_place *place = &question->at_least[i];
        const struct pm_partition *found = NULL;
        for (size_t k = 0; k < reading->n_partitions; k++) {
            if (reading->partitions[k].partition == place->partition && reading->partitions[k].in_index)
                found = &reading->partitions[k];
        }
        if (found && found->next > place->offset) continue;
        if (!found || found->next == found->first)
            return pm_error_set(
                err, PM_EBEHIND,
                "the index is behind: nothing of partition %d has been applied, %d:%lld was asked for; next: %s",
                place->partition, place->partition, (long long)place->offset, NEXT_COMMAND);
        return pm_error_set(
            err, PM_EBEHIND,
            "the index is behind: partition %d has been applied up to offset %lld, %d:%lld was asked for; next: %s",
            place->partition, (long long)found->next - 1, place->partition, (long long)place->offset, NEXT_COMMAND);
    }
    return PM_OK;
}

static int check_max_lag(const struct pm_reading *reading, const struct pm_query *question, struct pm_error *err)
{
    if (!question->has_max_lag || (reading->reached && reading->lag <= question->max_lag)) return PM_OK;
    if (!reading->reached)
        return pm_error_set(err, PM_ELOG,
                            "cannot tell the lag: the log no longer has every partition that was applied");
    return pm_error_set(err, PM_EBEHIND, "the index is %llu records behind the log, more than %llu; next: %s",
                        (unsigned long long)reading->lag, (unsigned long long)question->max_lag, NEXT_COMMAND);
}

bool pm_reading_for_a_person(const struct pm_query *question)
{
    return question->note && question->output.format && strcmp(question->output.format, "table") == 0;
}

static bool must_ask(const struct pm_query *question, const struct pm_reading *reading, enum pm_reading_asks asks)
{
    bool json = question->output.format && strcmp(question->output.format, "json") == 0;
    bool cheap = !is_kafka(question->log_url ? question->log_url : reading->info.log_url);
    /* A log that was named is opened, where that is cheap, to see whether it is the right one. */
    return asks == PM_ASK_ALWAYS || question->has_max_lag || json ||
           (cheap && (question->log_url || pm_reading_for_a_person(question)));
}

static int open_reading(const struct pm_query *question, enum pm_reading_asks asks, struct pm_reading *reading,
                        struct pm_error *err)
{
    struct ends ends;
    bool known = false;
    PM_TRY(pm_index_open(question->index_dir, &reading->index, err));
    PM_TRY(open_snapshot(reading, err));
    PM_TRY(check_kind(question, &reading->info, err));
    if (must_ask(question, reading, asks)) {
        pm_snapshot_close(reading->snap); /* a broker may take its time: nothing is held meanwhile */
        reading->snap = NULL;
        struct pm_error log_err = {0};
        int rc = ask_log(question, reading, &ends, &log_err);
        known = rc == PM_OK;
        if (rc == PM_EINDEX || rc == PM_EUSAGE || rc == PM_ENOMEM || (rc != PM_OK && question->has_max_lag)) {
            /* a log that is not there (any more) is no answer of the index */
            return pm_error_set(err, rc == PM_ENOTFOUND ? PM_ELOG : (enum pm_code)rc, "%s", log_err.text);
        }
        PM_TRY(open_snapshot(reading, err));
    }
    PM_TRY(read_partitions(reading, known ? &ends : NULL, err));
    PM_TRY(read_gaps(reading, known ? &ends : NULL, err));
    PM_TRY(check_at_least(reading, question, err));
    return check_max_lag(reading, question, err);
}

int pm_reading_open(const struct pm_query *question, enum pm_reading_asks asks, struct pm_reading *ret,
                    struct pm_error *err)
{
    struct pm_reading reading = {0};
    int rc = open_reading(question, asks, &reading, err);
    if (rc != PM_OK) {
        pm_reading_close(&reading);
        return rc;
    }
    *ret = reading;
    return PM_OK;
}

void pm_reading_close(struct pm_reading *reading)
{
    if (!reading) return;
    if (reading->snap) pm_snapshot_close(reading->snap);
    pm_index_close(reading->index);
    pm_arena_release(&reading->arena);
    *reading = (struct pm_reading){0};
}

/* ---- printing ---- */
/* An index that left events out on purpose never is complete: what is absent may only have been left out. Neither is
 * one that lacks what the log has lost; what it has beyond the log takes nothing away once that was accepted. */
const char *pm_reading_complete(const struct pm_reading *reading)
{
    for (size_t i = 0; i < reading->n_gaps; i++)
        if (!reading->gaps[i].accepted || reading->gaps[i].kind == PM_GAP_MISSING) return "no";
    if (!reading->reached) return "unknown";
    return reading->lag == 0 && reading->info.until_us == INT64_MAX ? "yes" : "no";
}

static void wrap_text(const struct pm_reading *reading, struct pm_buf *out)
{
    bool first = true;
    pm_buf_cstr(out, "\"index\":{\"applied\":{");
    for (size_t i = 0; i < reading->n_partitions; i++) {
        const struct pm_partition *row = &reading->partitions[i];
        if (!row->in_index || row->next == row->first) continue;
        pm_buf_printf(out, "%s\"%d\":%lld", first ? "" : ",", row->partition, (long long)row->next);
        first = false;
    }
    pm_buf_printf(out, "},\"complete\":\"%s\"", pm_reading_complete(reading));
    if (reading->info.until_us != INT64_MAX) {
        char text[PM_TIME_TEXT_SIZE];
        pm_buf_printf(out, ",\"until\":\"%.*s\"", (int)pm_time_format(reading->info.until_us, text), text);
    }
    for (size_t i = 0; i < reading->n_gaps; i++) {
        const struct pm_gap *gap = &reading->gaps[i];
        pm_buf_printf(out, "%s{\"partition\":%d,\"from\":%lld,\"to\":%lld,\"kind\":\"%s\",\"accepted\":%s}",
                      i ? "," : ",\"gaps\":[", gap->partition, (long long)gap->from, (long long)gap->to,
                      pm_gap_kind_name(gap->kind), gap->accepted ? "true" : "false");
    }
    pm_buf_cstr(out, reading->n_gaps ? "]}" : "}");
    pm_buf_byte(out, 0);
}

static void tell_lag(const struct pm_reading *reading, const struct pm_query *question)
{
    if (!pm_reading_for_a_person(question) || !reading->reached || reading->lag == 0) return;
    char text[160];
    snprintf(text, sizeof text, "the index is %llu record%s behind the log; next: %s", (unsigned long long)reading->lag,
             reading->lag == 1 ? "" : "s", NEXT_COMMAND);
    question->note(question->arg, text);
}

int pm_reading_print(struct pm_reading *reading, const struct pm_query *question, struct pm_rows *rows, bool wrapped,
                     struct pm_error *err)
{
    pm_snapshot_close(reading->snap); /* I8 */
    reading->snap = NULL;
    struct pm_buf wrap = {0};
    if (wrapped && pm_rows_is_json(rows)) wrap_text(reading, &wrap);
    uint64_t n = pm_rows_count(rows);
    int rc = pm_rows_print(rows, question->out, wrap.len ? wrap.ptr : NULL, err);
    pm_buf_release(&wrap);
    if (rc != PM_OK) return rc;
    tell_lag(reading, question);
    return n ? PM_OK : pm_error_set(err, PM_ENOTFOUND, "%s", "");
}

int pm_reading_print_none(struct pm_reading *reading, const struct pm_query *question, struct pm_rows *rows,
                          struct pm_error *err)
{
    struct pm_error print_err = {0};
    int rc = pm_reading_print(reading, question, rows, true, &print_err);
    return rc == PM_ENOTFOUND ? PM_ENOTFOUND : pm_error_set(err, (enum pm_code)rc, "%s", print_err.text);
}
