/* apply_producers.c: the batch's arrivals join those that the index has. What is read and written are the rows of the
 * batch's producers and the pieces of numbers that it adds to; nothing is kept from batch to batch. Every step is a
 * union, a minimum or a maximum, so order and repetition do not matter (I2). */
#include <stdlib.h>

#include "common/base/check.h"
#include "common/store/arrivals.h"
#include "consumer/apply.h"

static int by_number(const void *a, const void *b)
{
    const struct pm_batch_arrival *x = *(const struct pm_batch_arrival *const *)a;
    const struct pm_batch_arrival *y = *(const struct pm_batch_arrival *const *)b;
    if (x->producer != y->producer) return x->producer < y->producer ? -1 : 1;
    return (x->from > y->from) - (x->from < y->from);
}

static void join_times(struct pm_producer_row *row, const struct pm_batch_arrival *arrival)
{
    if (arrival->first_ms >= 0 && (row->first_ms < 0 || arrival->first_ms < row->first_ms))
        row->first_ms = arrival->first_ms;
    if (arrival->last_ms > row->last_ms) row->last_ms = arrival->last_ms;
}

/* The name that the smallest number gives; of two for one number the smaller. */
static void join_name(const struct pm_application *a, struct pm_producer_row *row, struct pm_slice *name,
                      const struct pm_batch_arrival *arrival)
{
    if (arrival->name_sequence == 0) return;
    struct pm_slice said = pm_slice(a->batch->bytes.ptr + arrival->name_at, arrival->name_len);
    bool better = row->name_sequence == 0 || arrival->name_sequence < row->name_sequence ||
                  (arrival->name_sequence == row->name_sequence && pm_slice_cmp(said, *name) < 0);
    if (!better) return;
    row->name_sequence = arrival->name_sequence;
    *name = said;
}

/* All arrivals of one producer that fall into a piece; *at moves to the first that reaches beyond it. */
static int join_piece(struct pm_application *a, const struct pm_batch_arrival *const *arrivals, size_t n, size_t *at,
                      uint32_t number, uint64_t *ret_new, struct pm_error *err)
{
    uint8_t key[12], bytes[PM_PIECE_BYTES_MAX];
    struct pm_slice k = pm_piece_key(arrivals[0]->producer, number, key), value;
    struct pm_piece piece = {0};
    uint64_t base = (uint64_t)number * PM_PIECE_NUMBERS + 1, end = base + PM_PIECE_NUMBERS;
    int rc = pm_kv_get(a->txn, a->w->tables.arrivals, k, &value, err);
    if (rc == PM_OK) rc = pm_piece_decode(value, &piece, err);
    if (rc != PM_OK && rc != PM_ENOTFOUND) return rc;
    unsigned before = pm_piece_count(&piece);
    for (size_t i = *at; i < n && arrivals[i]->from < end; i++) {
        if (arrivals[i]->to < base) continue;
        uint64_t from = arrivals[i]->from > base ? arrivals[i]->from : base;
        uint64_t to = arrivals[i]->to < end ? arrivals[i]->to : end - 1;
        pm_piece_add(&piece, (unsigned)(from - base), (unsigned)(to - base));
    }
    while (*at < n && arrivals[*at]->to < end) (*at)++;
    *ret_new = pm_piece_count(&piece) - before;
    return *ret_new ? pm_kv_put(a->txn, a->w->tables.arrivals, k, pm_slice(bytes, pm_piece_encode(&piece, bytes)), err)
                    : PM_OK;
}

static int join_numbers(struct pm_application *a, struct pm_producer_row *row,
                        const struct pm_batch_arrival *const *arrivals, size_t n, struct pm_error *err)
{
    uint64_t piece = 0;
    size_t at = 0;
    while (at < n && arrivals[at]->from == 0) at++; /* end marks */
    while (at < n) {
        uint64_t first = (arrivals[at]->from - 1) / PM_PIECE_NUMBERS, added = 0;
        if (first > piece) piece = first;
        PM_TRY(join_piece(a, arrivals, n, &at, (uint32_t)piece, &added, err));
        row->arrived += added;
        piece++;
    }
    return PM_OK;
}

/* The index's counts without the row (sign -1) or with it (1). */
static void count(struct pm_meta_state *state, const struct pm_producer_row *row, int sign)
{
    uint64_t missing = pm_producer_row_missing(row), one = (uint64_t)sign;
    state->producers += one;
    state->producers_with_gaps += missing ? one : 0;
    state->missing_events += one * missing;
}

static int join(struct pm_application *a, const struct pm_batch_arrival *const *arrivals, size_t n,
                struct pm_error *err)
{
    uint8_t key[8];
    struct pm_slice k = pm_producer_key(arrivals[0]->producer, key), value, name = pm_slice("", 0);
    struct pm_producer_row row = {.first_ms = -1, .last_ms = -1};
    char bytes[sizeof row + PM_ORIGIN_NAME_MAX];
    int rc = pm_kv_get(a->txn, a->w->tables.producers, k, &value, err);
    if (rc == PM_OK) {
        PM_TRY(pm_producer_row_get(value, &row, &name, err));
        memcpy(bytes + sizeof row, name.ptr, name.len); /* what was read ends with the next write */
        name.ptr = bytes + sizeof row;
        count(&a->w->state, &row, -1);
    } else if (rc != PM_ENOTFOUND) {
        return rc;
    }
    for (size_t i = 0; i < n; i++) {
        if (arrivals[i]->to > row.last) row.last = arrivals[i]->to;
        if (arrivals[i]->given > row.given) row.given = arrivals[i]->given;
        join_times(&row, arrivals[i]);
        join_name(a, &row, &name, arrivals[i]);
    }
    PM_TRY(join_numbers(a, &row, arrivals, n, err));
    count(&a->w->state, &row, 1);
    if (name.len) memmove(bytes + sizeof row, name.ptr, name.len);
    memcpy(bytes, &row, sizeof row);
    return pm_kv_put(a->txn, a->w->tables.producers, k, pm_slice(bytes, sizeof row + name.len), err);
}

int pm_apply_producers(struct pm_application *a, struct pm_error *err)
{
    size_t n = a->batch->n_arrivals;
    if (n == 0) return PM_OK;
    const struct pm_batch_arrival **sorted = pm_malloc(n * sizeof *sorted);
    for (size_t i = 0; i < n; i++) sorted[i] = &a->batch->arrivals[i];
    qsort(sorted, n, sizeof *sorted, by_number);
    int rc = PM_OK;
    for (size_t from = 0, to; from < n && rc == PM_OK; from = to) {
        for (to = from + 1; to < n && sorted[to]->producer == sorted[from]->producer;) to++;
        rc = join(a, sorted + from, to - from, err);
    }
    free(sorted);
    return rc;
}
