/* facts.c: the slow path of the first pass: an event meets a result about which it may say something new.
 * What is kept is a function of the set of events: the primary record is the strongest, then earliest
 * event; `side_facts` holds, for every further value of a field, the strongest event that carries it. Reading stands in
 * common/store/facts.c. */
#include "common/store/facts.h"

#include "common/base/check.h"
#include "common/base/hash.h"
#include "consumer/apply.h"

/* ---- one side fact ---- */

static int put_side(struct pm_application *a, uint64_t result, unsigned field, const struct pm_stamp *stamp,
                    struct pm_slice value, struct pm_error *err)
{
    uint8_t key[PM_SIDE_KEY_BYTES], head[PM_STAMP_BYTES];
    struct pm_buf *buf = &a->s->entries;
    pm_stamp_put(stamp, head);
    pm_buf_clear(buf);
    pm_buf_bytes(buf, head, sizeof head);
    pm_buf_slice_add(buf, value);
    uint64_t hash = field < PM_FIELD_COUNT ? pm_hash64(value.ptr, value.len, field) : 0;
    return pm_kv_put(a->txn, a->w->tables.side_facts, pm_side_key(result, field, hash, key), pm_buf_slice(buf), err);
}

static int del_side(struct pm_application *a, uint64_t result, unsigned field, struct pm_slice value,
                    struct pm_error *err)
{
    uint8_t key[PM_SIDE_KEY_BYTES];
    return pm_kv_del(a->txn, a->w->tables.side_facts,
                     pm_side_key(result, field, pm_hash64(value.ptr, value.len, field), key), err);
}

static struct pm_side_fact *find_side(struct pm_facts *facts, unsigned field, struct pm_slice value)
{
    for (size_t i = 0; i < facts->n_side; i++)
        if (facts->side[i].field == field && pm_slice_eq(facts->side[i].value, value)) return &facts->side[i];
    return NULL;
}

/* The bytes of a field's value, kept in the arena. */
static struct pm_slice field_value(struct pm_application *a, const struct pm_record *rec, enum pm_field field)
{
    struct pm_buf *buf = &a->s->bytes;
    pm_buf_clear(buf);
    pm_record_field_put(rec, field, buf);
    return pm_arena_copy(&a->w->arena, pm_buf_slice(buf));
}

/* `rec`, which is not the primary, carries values: each that the primary does not have becomes or strengthens a side
 * fact. */
static int carry_aside(struct pm_application *a, uint64_t result, const struct pm_record *primary,
                       const struct pm_record *rec, struct pm_facts *facts, struct pm_error *err)
{
    for (unsigned field = 0; field < PM_FIELD_COUNT; field++) {
        if (!(rec->present & PM_FIELD_BIT(field))) continue;
        struct pm_slice value = field_value(a, rec, (enum pm_field)field);
        if (primary->present & PM_FIELD_BIT(field) && pm_slice_eq(field_value(a, primary, (enum pm_field)field), value))
            continue;
        struct pm_side_fact *side = find_side(facts, field, value);
        if (side && pm_stamp_cmp(&side->stamp, &rec->stamp) <= 0) continue;
        PM_TRY(put_side(a, result, field, &rec->stamp, value, err));
    }
    return PM_OK;
}

/* `rec` becomes the primary: side facts with its values are its own now. */
static int take_over(struct pm_application *a, uint64_t result, const struct pm_record *rec, struct pm_facts *facts,
                     struct pm_error *err)
{
    for (unsigned field = 0; field < PM_FIELD_COUNT; field++) {
        if (!(rec->present & PM_FIELD_BIT(field))) continue;
        struct pm_slice value = field_value(a, rec, (enum pm_field)field);
        if (find_side(facts, field, value)) PM_TRY(del_side(a, result, field, value, err));
    }
    return PM_OK;
}

/* ---- marks ---- */

static bool later(const struct pm_stamp *a, const struct pm_stamp *b)
{
    if (a->at != b->at) return a->at > b->at;
    return memcmp(a->event_id, b->event_id, PM_EVENT_ID_BYTES) > 0;
}

/* The latest Computed or Discovered beside the primary. */
static int mark_produced(struct pm_application *a, uint64_t result, const struct pm_stamp *stamp,
                         struct pm_facts *facts, struct pm_error *err)
{
    if (stamp->type > PM_RESULT_DISCOVERED) return PM_OK;
    if (facts->has_produced && !later(stamp, &facts->produced)) return PM_OK;
    facts->has_produced = true;
    facts->produced = *stamp;
    return put_side(a, result, PM_SIDE_LATEST_PRODUCED, stamp, pm_slice("", 0), err);
}

int pm_apply_deleted(struct pm_application *a, const struct pm_op *op, struct pm_row *row, struct pm_error *err)
{
    struct pm_facts facts = {0};
    struct pm_stamp stamp = {.type = op->type, .at = op->at, .job1 = op->job1};
    memcpy(stamp.event_id, op->event_id, PM_EVENT_ID_BYTES);
    pm_arena_reset(&a->w->arena);
    PM_TRY(pm_facts_load_side(a->txn, &a->w->tables, op->result, &a->w->arena, &facts, err));
    if (facts.has_deleted && !later(&stamp, &facts.deleted)) return PM_OK;
    row->has_side = true;
    return put_side(a, op->result, PM_SIDE_LATEST_DELETED, &stamp, pm_slice("", 0), err);
}

/* ---- the primary ---- */

static int read_primary(struct pm_application *a, const struct pm_row *row, struct pm_record *ret,
                        struct pm_slice *ret_form, struct pm_error *err)
{
    uint64_t record = row->record;
    struct pm_slice bytes;
    int rc = pm_record_block_find(&a->s->block, a->txn, &a->w->tables, record, &bytes, err);
    if (rc == PM_ENOTFOUND)
        return pm_error_set(err, PM_ECORRUPT, "the index has no record %llu", (unsigned long long)record);
    PM_TRY(rc);
    return pm_record_decode(pm_arena_copy(&a->w->arena, bytes), ret, ret_form, err);
}

int pm_apply_load_row(struct pm_application *a, struct pm_row *row, struct pm_error *err)
{
    struct pm_record rec;
    struct pm_slice form;
    pm_arena_reset(&a->w->arena);
    PM_TRY(read_primary(a, row, &rec, &form, err));
    row->type = rec.stamp.type;
    row->identity = rec.present ? pm_record_identity_sum(&rec) : 0;
    row->observed = pm_record_observed_sum(&rec);
    return PM_OK;
}

/* The event's record, appended under a new number with a pointer back to the result. The encoded bytes are the event's
 * own with the result's number put in: the head's flag, then the number. */
static int append_moved(struct pm_application *a, struct pm_op *op, struct pm_row *row, struct pm_error *err)
{
    struct pm_writer *w = a->w;
    uint64_t record = w->state.next_record;
    if (record >= PM_RESULTS_MAX)
        return pm_error_set(err, PM_EINDEX, "the index is full: it holds %llu records", (unsigned long long)record);
    struct pm_buf *buf = &a->s->bytes;
    pm_buf_clear(buf);
    pm_record_moved(pm_op_bytes(a, op), op->result, buf);
    PM_TRY(pm_record_block_add(&a->s->block, a->txn, &w->tables, record, pm_buf_slice(buf), err));
    w->state.next_record++;
    row->record = (uint32_t)record;
    struct pm_apply_scratch *s = a->s;
    if (s->n_moves == s->moves_room) {
        s->moves_room = s->moves_room ? 2 * s->moves_room : 256;
        s->moves = pm_realloc(s->moves, s->moves_room * sizeof *s->moves);
    }
    s->moves[s->n_moves++] = (struct pm_new_move){op->result, record};
    return PM_OK;
}

static int count_conflicts(struct pm_application *a, uint64_t result, struct pm_facts *facts, uint64_t *ret,
                           struct pm_error *err)
{
    struct pm_facts_conflict *conflicts;
    size_t n;
    PM_TRY(pm_facts_load_side(a->txn, &a->w->tables, result, &a->w->arena, facts, err));
    PM_TRY(pm_facts_conflicts(facts, &a->w->arena, &conflicts, &n, err));
    *ret = n;
    return PM_OK;
}

static bool same_event(const struct pm_stamp *a, const struct pm_stamp *b) { return pm_stamp_cmp(a, b) == 0; }

int pm_apply_facts(struct pm_application *a, struct pm_op *op, struct pm_row *row, bool *ret_own, struct pm_error *err)
{
    struct pm_writer *w = a->w;
    pm_arena_reset(&w->arena);
    struct pm_facts facts = {0};
    struct pm_record rec;
    struct pm_slice form;
    PM_TRY(read_primary(a, row, &facts.primary, &facts.path_form, err));
    PM_TRY(pm_record_decode(pm_op_bytes(a, op), &rec, &form, err));
    bool fresh = facts.primary.stamp.type == PM_CLASS_UNKNOWN;
    *ret_own = false;
    if (!fresh && same_event(&facts.primary.stamp, &rec.stamp) && row->identity == op->identity &&
        row->observed == op->observed) {
        *ret_own = facts.primary.stamp.job1 == rec.stamp.job1; /* delivered again */
        return PM_OK;
    }
    uint64_t before = 0, after = 0;
    if (row->has_side) PM_TRY(count_conflicts(a, op->result, &facts, &before, err));

    bool stronger = fresh || pm_stamp_cmp(&rec.stamp, &facts.primary.stamp) < 0;
    if (stronger) {
        PM_TRY(take_over(a, op->result, &rec, &facts, err));
        if (!fresh) {
            PM_TRY(carry_aside(a, op->result, &rec, &facts.primary, &facts, err));
            PM_TRY(mark_produced(a, op->result, &facts.primary.stamp, &facts, err));
        }
        enum pm_role role;
        if (!fresh &&
            pm_stamp_role(&facts.primary.stamp, &role)) /* the old record stood for this role; now a row does */
            pm_application_role(a, op->result, facts.primary.stamp.job1 - 1, role, facts.primary.stamp.at);
        PM_TRY(append_moved(a, op, row, err));
        w->state.attributed += row->type != PM_RESULT_COMPUTED && op->type == PM_RESULT_COMPUTED;
        row->type = op->type;
        row->identity = op->identity;
        row->observed = op->observed;
        *ret_own = true;
    } else {
        PM_TRY(carry_aside(a, op->result, &facts.primary, &rec, &facts, err));
        PM_TRY(mark_produced(a, op->result, &rec.stamp, &facts, err));
    }
    if (stronger) {
        facts.primary = rec;
    }
    PM_TRY(count_conflicts(a, op->result, &facts, &after, err));
    row->has_side = facts.n_side || facts.has_produced || facts.has_deleted;
    w->state.conflicts += after - before;
    return PM_OK;
}
