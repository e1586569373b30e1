/* producers.c: `provmat stats --producers`: which of the events that workers gave have arrived. A row tells what can be
 * known: a number that is not in the index is in a part of the log that was not applied yet, or waits in an outbox, or
 * is lost; and a producer that did not end in order may have given more. */
#include <inttypes.h>
#include <stdio.h>

#include "common/base/check.h"
#include "query/reading.h"

static const struct pm_column range_fields[] = {
    {.name = "from", .type = PM_COLUMN_INT}, {.name = "to", .type = PM_COLUMN_INT}, {0}};
static const struct pm_column columns[] = {
    {.name = "producer", .type = PM_COLUMN_TEXT},
    {.name = "name", .type = PM_COLUMN_TEXT},
    {.name = "events", .type = PM_COLUMN_INT},
    {.name = "arrived", .type = PM_COLUMN_INT},
    {.name = "missing", .type = PM_COLUMN_INT},
    {.name = "closed", .type = PM_COLUMN_BOOL},
    {.name = "first_at", .type = PM_COLUMN_TIME},
    {.name = "last_at", .type = PM_COLUMN_TIME},
    {.name = "missing_ranges", .type = PM_COLUMN_LIST, .fields = range_fields},
    {.name = "summary", .type = PM_COLUMN_TEXT},
};
enum { PRODUCER = 0, MISSING = 4, LAST_AT = 7 };

/* Whether what is not here may still lie in the log. */
enum rest { REST_NONE, REST_NOT_APPLIED, REST_UNKNOWN };

struct gather {
    struct pm_reading *reading;
    struct pm_rows *rows;
    enum rest rest;
};

/* Unlike the answers of other questions, an arrival of an event that `rebuild --until` left out counts, and what a log
 * lost before it was applied will not come. */
static enum rest rest_of(const struct pm_reading *reading)
{
    if (!reading->reached) return REST_UNKNOWN;
    for (size_t i = 0; i < reading->n_gaps; i++)
        if (!reading->gaps[i].accepted) return REST_NOT_APPLIED;
    return reading->lag > 0 ? REST_NOT_APPLIED : REST_NONE;
}

/* A number as people read it: 12,044. */
static void put_count(struct pm_buf *out, uint64_t number)
{
    char digits[24];
    int n = snprintf(digits, sizeof digits, "%" PRIu64, number);
    for (int i = 0; i < n; i++) {
        if (i > 0 && (n - i) % 3 == 0) pm_buf_byte(out, ',');
        pm_buf_byte(out, (uint8_t)digits[i]);
    }
}

static void put_missing(struct pm_buf *out, const struct pm_producer *producer, enum rest rest)
{
    put_count(out, producer->events - producer->arrived);
    pm_buf_cstr(out, " of ");
    put_count(out, producer->events);
    switch (rest) {
    case REST_NONE:
        pm_buf_cstr(out, producer->closed ? " events never arrived: lost, unless an outbox still has them"
                                          : " events have not arrived: on their way, in an outbox, or lost");
        break;
    case REST_NOT_APPLIED: pm_buf_cstr(out, " events are not here yet: the index is behind its log"); break;
    case REST_UNKNOWN: pm_buf_cstr(out, " events are not here; the log could not be asked for more"); break;
    }
}

static void put_summary(struct pm_buf *out, const struct pm_producer *producer, enum rest rest)
{
    if (producer->arrived < producer->events) {
        put_missing(out, producer, rest);
    } else {
        pm_buf_cstr(out, producer->closed ? "all " : "");
        put_count(out, producer->events);
        pm_buf_cstr(out, producer->events == 1 ? " event arrived" : " events arrived");
    }
    if (producer->closed) return;
    pm_buf_cstr(out, "; not closed: what it gave after event ");
    put_count(out, producer->last);
    pm_buf_cstr(out, " is not known");
}

static int add_range(void *arg, uint64_t from, uint64_t to, struct pm_error *err)
{
    (void)err;
    pm_row_int(arg, (int64_t)from);
    pm_row_int(arg, (int64_t)to);
    return PM_OK;
}

static int add_producer(void *arg, const struct pm_producer *producer, struct pm_error *err)
{
    struct gather *gather = arg;
    struct pm_rows *rows = gather->rows;
    PM_CLEANUP(pm_buf_release) struct pm_buf summary = {0};
    char id[24];
    snprintf(id, sizeof id, "%016" PRIx64, producer->id);
    pm_row_begin(rows);
    pm_row_cstr(rows, id);
    if (producer->name.len) pm_row_text(rows, producer->name);
    else pm_row_null(rows);
    pm_row_int(rows, (int64_t)producer->events);
    pm_row_int(rows, (int64_t)producer->arrived);
    pm_row_int(rows, (int64_t)(producer->events - producer->arrived));
    pm_row_bool(rows, producer->closed);
    pm_row_time_if(rows, producer->has_times, producer->first_us);
    pm_row_time_if(rows, producer->has_times, producer->last_us);
    pm_row_list_begin(rows);
    if (pm_row_wants(rows)) PM_TRY(pm_producer_missing_each(gather->reading->snap, producer, add_range, rows, err));
    pm_row_list_end(rows);
    put_summary(&summary, producer, gather->rest);
    pm_row_text(rows, pm_buf_slice(&summary));
    PM_TRY(pm_row_end(rows, err));
    return pm_rows_full(rows) ? PM_SCAN_STOP : PM_OK;
}

int pm_query_producers(const struct pm_query *question, struct pm_error *err)
{
    PM_CLEANUP(pm_rows_cleanup) struct pm_rows *rows = NULL;
    PM_CLEANUP(pm_reading_close) struct pm_reading reading = {0};
    struct pm_rows_spec spec = {.columns = columns,
                                .n_columns = sizeof columns / sizeof *columns,
                                .sort = {{MISSING, true}, {LAST_AT, true}, {PRODUCER, false}},
                                .n_sort = 3};
    PM_TRY(pm_rows_new(&spec, &question->output, &rows, err));
    PM_TRY(pm_reading_open(question, PM_ASK_ALWAYS, &reading, err));
    struct gather gather = {&reading, rows, rest_of(&reading)};
    int rc = pm_producers_each(reading.snap, add_producer, &gather, err);
    if (rc != PM_OK && rc != PM_SCAN_STOP) return rc;
    return pm_reading_print(&reading, question, rows, true, err);
}
