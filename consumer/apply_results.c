/* apply_results.c: the first pass of a batch: where is each path, and does the event say anything new about it? The
 * common cases touch only memory: a new path (append a record), and an event that agrees with what is known. The rest
 * goes to facts.c. */
#include "common/base/check.h"
#include "consumer/apply.h"

#define PREFETCH_AHEAD 16
#define PREFETCH_ROW_AHEAD 8

static bool gives_facts(const struct pm_op *op) { return op->type <= PM_RESULT_FAILED; }
static bool on_result(const struct pm_op *op) { return op->type <= PM_RESULT_DELETED; }

static int new_result(struct pm_application *a, struct pm_op *op, struct pm_error *err)
{
    struct pm_writer *w = a->w;
    uint64_t record = w->state.next_record;
    if (record >= PM_RESULTS_MAX)
        return pm_error_set(err, PM_EINDEX, "the index is full: it holds %llu records", (unsigned long long)record);
    PM_TRY(pm_record_block_add(&a->s->block, a->txn, &w->tables, record, pm_op_bytes(a, op), err));
    w->state.next_record++;
    w->state.results++;
    w->state.attributed += op->type == PM_RESULT_COMPUTED;
    struct pm_row *row = pm_table_add(w->table, op->hash, record);
    row->record = (uint32_t)record;
    row->type = gives_facts(op) ? op->type : PM_CLASS_UNKNOWN;
    row->identity = op->identity;
    row->observed = op->observed;
    op->result = (uint32_t)record;
    op->own = gives_facts(op);

    struct pm_apply_scratch *s = a->s;
    if (s->n_results == s->results_room) {
        s->results_room = s->results_room ? 2 * s->results_room : 1024;
        s->results = pm_realloc(s->results, s->results_room * sizeof *s->results);
    }
    s->results[s->n_results++] = (struct pm_new_result){op->hash, record};
    return op->type == PM_RESULT_DELETED ? pm_apply_deleted(a, op, row, err) : PM_OK;
}

/* The event is weaker than the primary and repeats what it says. Computed and Discovered are never "weaker": the latest
 * of them decides whether a deleted result is back. */
static bool nothing_new(const struct pm_op *op, const struct pm_row *row)
{
    return op->type > PM_RESULT_DISCOVERED && row->type < op->type && row->identity == op->identity &&
           (op->observed == 0 || op->observed == row->observed);
}

static int one(struct pm_application *a, struct pm_op *op, struct pm_error *err)
{
    int64_t result = pm_table_find(a->w->table, op->hash);
    if (result < 0) return new_result(a, op, err);
    op->result = (uint32_t)result;
    if (op->type == PM_RESULTS_EXPECTED) return PM_OK;
    struct pm_row *row = pm_table_row(a->w->table, (uint64_t)result);
    if (row->type == PM_ROW_UNLOADED) PM_TRY(pm_apply_load_row(a, row, err));
    if (op->type == PM_RESULT_DELETED) return pm_apply_deleted(a, op, row, err);
    if (nothing_new(op, row)) return PM_OK;
    return pm_apply_facts(a, op, row, &op->own, err);
}

int pm_apply_results(struct pm_application *a, struct pm_error *err)
{
    struct pm_op *ops = a->batch->ops;
    size_t n = a->batch->n_ops;
    for (size_t i = 0; i < n; i++) {
        if (i + PREFETCH_AHEAD < n) pm_table_prefetch(a->w->table, ops[i + PREFETCH_AHEAD].hash);
        if (i + PREFETCH_ROW_AHEAD < n) pm_table_prefetch_row(a->w->table, ops[i + PREFETCH_ROW_AHEAD].hash);
        ops[i].own = false;
        if (on_result(&ops[i])) PM_TRY(one(a, &ops[i], err));
    }
    return pm_record_block_flush(&a->s->block, a->txn, &a->w->tables, err);
}
