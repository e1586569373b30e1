/* facts.c: reading side facts, and what follows from them. The writer's half (what an event changes) is
 * consumer/facts.c. */
#include "common/store/facts.h"

#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/varint.h"

static int load_one(struct pm_slice key, struct pm_slice value, struct pm_arena *arena, struct pm_facts *facts,
                    struct pm_error *err)
{
    if (key.len != PM_SIDE_KEY_BYTES || value.len < PM_STAMP_BYTES)
        return pm_error_set(err, PM_ECORRUPT, "a side fact is cut");
    struct pm_side_fact side = {.field = (uint8_t)key.ptr[5]};
    pm_stamp_get((const uint8_t *)value.ptr, &side.stamp);
    if (side.field == PM_SIDE_LATEST_PRODUCED) {
        facts->has_produced = true;
        facts->produced = side.stamp;
        return PM_OK;
    }
    if (side.field == PM_SIDE_LATEST_DELETED) {
        facts->has_deleted = true;
        facts->deleted = side.stamp;
        return PM_OK;
    }
    if (side.field >= PM_FIELD_COUNT) return pm_error_set(err, PM_ECORRUPT, "a side fact has field %u", side.field);
    side.value = pm_arena_copy(arena, pm_slice(value.ptr + PM_STAMP_BYTES, value.len - PM_STAMP_BYTES));
    if ((facts->n_side & (facts->n_side - 1)) == 0) { /* a power of two, or none: room for twice as many */
        struct pm_side_fact *grown = pm_arena_alloc(arena, sizeof *grown * (facts->n_side ? 2 * facts->n_side : 1));
        if (facts->n_side) memcpy(grown, facts->side, sizeof *grown * facts->n_side);
        facts->side = grown;
    }
    facts->side[facts->n_side++] = side;
    return PM_OK;
}

int pm_facts_load_side(struct pm_kv_txn *txn, const struct pm_tables *tables, uint64_t result, struct pm_arena *arena,
                       struct pm_facts *ret, struct pm_error *err)
{
    ret->result = result;
    ret->side = NULL;
    ret->n_side = 0;
    ret->has_produced = ret->has_deleted = false;
    struct pm_kv_cursor *cursor;
    PM_TRY(pm_kv_cursor_open(txn, tables->side_facts, &cursor, err));
    uint8_t start[PM_SIDE_KEY_BYTES];
    struct pm_slice key, value;
    int rc = pm_kv_seek(cursor, pm_side_key(result, 0, 0, start), &key, &value, err);
    for (; rc == PM_OK && key.len >= 5 && memcmp(key.ptr, start, 5) == 0; rc = pm_kv_next(cursor, &key, &value, err))
        if ((rc = load_one(key, value, arena, ret, err)) != PM_OK) break;
    pm_kv_cursor_close(cursor);
    return rc == PM_ENOTFOUND ? PM_OK : rc;
}

static bool stamp_later(const struct pm_stamp *a, const struct pm_stamp *b)
{
    if (a->at != b->at) return a->at > b->at;
    return memcmp(a->event_id, b->event_id, PM_EVENT_ID_BYTES) > 0;
}

bool pm_facts_deleted(const struct pm_facts *facts, int64_t *ret_at)
{
    if (!facts->has_deleted) return false;
    if (facts->has_produced && stamp_later(&facts->produced, &facts->deleted)) return false;
    if (facts->primary.stamp.type <= PM_RESULT_DISCOVERED && stamp_later(&facts->primary.stamp, &facts->deleted))
        return false;
    *ret_at = facts->deleted.at;
    return true;
}

int pm_facts_merged(const struct pm_facts *facts, struct pm_record *ret, struct pm_error *err)
{
    *ret = facts->primary;
    for (unsigned field = 0; field < PM_FIELD_COUNT; field++) {
        if (facts->primary.present & PM_FIELD_BIT(field)) continue;
        const struct pm_side_fact *best = NULL;
        for (size_t i = 0; i < facts->n_side; i++)
            if (facts->side[i].field == field && (!best || pm_stamp_cmp(&facts->side[i].stamp, &best->stamp) < 0))
                best = &facts->side[i];
        if (best) PM_TRY(pm_record_field_set(ret, (enum pm_field)field, best->value, err));
    }
    return PM_OK;
}

/* ---- conflicts ---- */

static int by_strength(const void *a, const void *b)
{
    const struct pm_facts_value *x = a, *y = b;
    int c = pm_stamp_cmp(&x->stamp, &y->stamp);
    return c ? c : pm_slice_cmp(x->value, y->value);
}

static void sort_values(struct pm_facts_conflict *conflict)
{
    qsort(conflict->values, conflict->n_values, sizeof *conflict->values, by_strength);
}

/* The values of one plain field. */
static size_t field_values(const struct pm_facts *facts, enum pm_field field, struct pm_arena *arena,
                           struct pm_facts_value *values)
{
    size_t n = 0;
    if (facts->primary.present & PM_FIELD_BIT(field)) {
        struct pm_buf buf = {0};
        pm_record_field_put(&facts->primary, field, &buf);
        values[n++] = (struct pm_facts_value){facts->primary.stamp, pm_arena_copy(arena, pm_buf_slice(&buf))};
        pm_buf_release(&buf);
    }
    for (size_t i = 0; i < facts->n_side; i++)
        if (facts->side[i].field == field)
            values[n++] = (struct pm_facts_value){facts->side[i].stamp, facts->side[i].value};
    return n;
}

struct checksum { /* one (name, checksum) of one list */
    uint32_t name;
    struct pm_slice text;
    struct pm_stamp stamp;
};

static int by_name_text_strength(const void *a, const void *b)
{
    const struct checksum *x = a, *y = b;
    if (x->name != y->name) return x->name < y->name ? -1 : 1;
    int c = pm_slice_cmp(x->text, y->text);
    return c ? c : pm_stamp_cmp(&x->stamp, &y->stamp);
}

static size_t list_checksums(struct pm_slice outputs, const struct pm_stamp *stamp, struct pm_arena *arena,
                             struct checksum *ret)
{
    struct pm_slice cursor;
    uint32_t count;
    size_t n = 0;
    if (!pm_outputs_start(outputs, &cursor, &count)) return 0;
    struct pm_record_output output;
    while (n < count && pm_outputs_next(&cursor, &output)) {
        if (ret) ret[n] = (struct checksum){output.name, pm_outputs_checksum(&output, arena), *stamp};
        n++;
    }
    return n;
}

/* Appends a conflict for every output name that has two checksums. */
static size_t output_conflicts(const struct pm_facts *facts, struct pm_arena *arena, struct pm_facts_conflict **ret)
{
    size_t total = 0, lists = 0;
    if (facts->primary.present & PM_FIELD_BIT(PM_FIELD_OUTPUTS))
        total += list_checksums(facts->primary.outputs, &facts->primary.stamp, arena, NULL), lists++;
    for (size_t i = 0; i < facts->n_side; i++)
        if (facts->side[i].field == PM_FIELD_OUTPUTS)
            total += list_checksums(facts->side[i].value, &facts->side[i].stamp, arena, NULL), lists++;
    *ret = NULL;
    if (lists < 2 || total == 0) return 0;

    struct checksum *all = pm_arena_alloc(arena, total * sizeof *all);
    size_t n = 0;
    if (facts->primary.present & PM_FIELD_BIT(PM_FIELD_OUTPUTS))
        n += list_checksums(facts->primary.outputs, &facts->primary.stamp, arena, all);
    for (size_t i = 0; i < facts->n_side; i++)
        if (facts->side[i].field == PM_FIELD_OUTPUTS)
            n += list_checksums(facts->side[i].value, &facts->side[i].stamp, arena, all + n);
    qsort(all, n, sizeof *all, by_name_text_strength);

    struct pm_facts_conflict *conflicts = pm_arena_alloc(arena, n * sizeof *conflicts);
    size_t n_conflicts = 0;
    for (size_t i = 0, end; i < n; i = end) {
        for (end = i; end < n && all[end].name == all[i].name;) end++;
        struct pm_facts_value *values = pm_arena_alloc(arena, (end - i) * sizeof *values);
        size_t n_values = 0;
        for (size_t j = i; j < end; j++)
            if (j == i || !pm_slice_eq(all[j].text, all[j - 1].text))
                values[n_values++] = (struct pm_facts_value){all[j].stamp, all[j].text};
        if (n_values >= 2)
            conflicts[n_conflicts++] = (struct pm_facts_conflict){PM_FIELD_OUTPUTS, all[i].name, values, n_values};
    }
    *ret = conflicts;
    return n_conflicts;
}

int pm_facts_conflicts(const struct pm_facts *facts, struct pm_arena *arena, struct pm_facts_conflict **ret,
                       size_t *ret_count, struct pm_error *err)
{
    (void)err;
    *ret = NULL;
    *ret_count = 0;
    if (facts->n_side == 0) return PM_OK;
    struct pm_facts_conflict *outputs;
    size_t n_outputs = output_conflicts(facts, arena, &outputs), n = 0;
    struct pm_facts_conflict *all = pm_arena_alloc(arena, (PM_FIELD_COUNT + n_outputs) * sizeof *all);
    for (unsigned field = 0; field < PM_FIELD_COUNT; field++) {
        /* params is what param_id hashes: its difference shows there */
        if (field == PM_FIELD_PARAMS || field == PM_FIELD_OUTPUTS) continue;
        size_t count = (facts->primary.present >> field) & 1;
        for (size_t i = 0; i < facts->n_side; i++) count += facts->side[i].field == field;
        if (count < 2) continue;
        struct pm_facts_value *values = pm_arena_alloc(arena, count * sizeof *values);
        PM_CHECK(field_values(facts, (enum pm_field)field, arena, values) == count);
        all[n++] = (struct pm_facts_conflict){(enum pm_field)field, 0, values, count};
    }
    if (n_outputs) memcpy(all + n, outputs, n_outputs * sizeof *all);
    n += n_outputs;
    for (size_t i = 0; i < n; i++) sort_values(&all[i]);
    *ret = all;
    *ret_count = n;
    return PM_OK;
}

enum pm_conflict_class pm_facts_conflict_class(const struct pm_facts_conflict *conflict)
{
    if (PM_FIELD_BIT(conflict->field) & PM_FIELDS_OBSERVED) return PM_CONFLICT_NONDETERMINISM;
    for (size_t i = 0; i < conflict->n_values; i++)
        if (conflict->values[i].stamp.type > PM_RESULT_DISCOVERED) return PM_CONFLICT_FALSE_HIT;
    return PM_CONFLICT_COLLISION;
}
