/* result.c: results as readers see them: path -> number by probing the dictionary, number -> record, record + side
 * facts -> facts, and the scan of all. */
#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/hash.h"
#include "common/base/json.h"
#include "common/base/number.h"
#include "common/base/varint.h"
#include "common/event/identity.h"
#include "common/store/job.h"
#include "common/store/record_block.h"
#include "common/store/snapshot.h"

/* ---- number -> record ---- */

static bool take_record_number(void *arg, const uint8_t *entry)
{
    uint64_t record = ~pm_be40_get(entry + 5) & 0xffffffffffULL, *latest = arg;
    if (record > *latest) *latest = record;
    return true;
}

int pm_snapshot_record(struct pm_snapshot *snap, uint64_t result, struct pm_record *ret, struct pm_slice *ret_path_form,
                       struct pm_error *err)
{
    uint64_t record = result;
    const struct pm_runs *moves;
    PM_TRY(pm_snapshot_runs(snap, PM_RUN_MOVES, &moves, err));
    if (moves->count) {
        uint8_t prefix[5];
        pm_be40_put(prefix, result);
        PM_TRY(pm_runs_lookup(moves, snap->txn, pm_slice(prefix, sizeof prefix), take_record_number, &record, err));
    }
    struct pm_slice bytes;
    int rc = pm_record_block_get(snap->txn, &snap->tables, record, &bytes, err);
    if (rc == PM_ENOTFOUND)
        return pm_error_set(err, PM_ECORRUPT, "result %llu has no record %llu", (unsigned long long)result,
                            (unsigned long long)record);
    PM_TRY(rc);
    return pm_record_decode(bytes, ret, ret_path_form, err);
}

static int name_of(struct pm_snapshot *snap, const struct pm_record *rec, enum pm_field field, enum pm_name_kind kind,
                   uint32_t number, struct pm_slice *ret, struct pm_error *err)
{
    *ret = pm_slice("", 0);
    return rec->present & PM_FIELD_BIT(field) ? pm_snapshot_name(snap, kind, number, ret, err) : PM_OK;
}

int pm_snapshot_path(struct pm_snapshot *snap, const struct pm_record *rec, struct pm_slice form,
                     struct pm_arena *arena, struct pm_slice *ret, struct pm_error *err)
{
    struct pm_slice bundle, target;
    PM_TRY(name_of(snap, rec, PM_FIELD_BUNDLE, PM_NAME_BUNDLE, rec->bundle, &bundle, err));
    PM_TRY(name_of(snap, rec, PM_FIELD_TARGET, PM_NAME_TARGET, rec->target, &target, err));
    *ret = pm_record_path(rec, form, bundle, target, arena);
    return PM_OK;
}

/* ---- path -> number ---- */

struct find {
    bool found;
    uint64_t result;
};

static bool take_result(void *arg, const uint8_t *entry)
{
    struct find *find = arg;
    find->found = true;
    find->result = pm_be40_get(entry + 16);
    return false;
}

int pm_result_find(struct pm_snapshot *snap, struct pm_slice path, uint64_t *ret, struct pm_error *err)
{
    struct pm_hash128 hash = pm_hash128(path);
    uint8_t prefix[16];
    pm_be64_put(prefix, hash.hi);
    pm_be64_put(prefix + 8, hash.lo);
    const struct pm_runs *runs;
    PM_TRY(pm_snapshot_runs(snap, PM_RUN_DICTIONARY, &runs, err));
    struct find find = {0};
    PM_TRY(pm_runs_lookup(runs, snap->txn, pm_slice(prefix, sizeof prefix), take_result, &find, err));
    if (!find.found) return PM_ENOTFOUND;
    *ret = find.result;
    return PM_OK;
}

/* ---- record -> facts ---- */

static int outputs_array(struct pm_snapshot *snap, struct pm_slice outputs, struct pm_arena *arena,
                         struct pm_array *ret, struct pm_error *err)
{
    struct pm_slice cursor;
    uint32_t count;
    if (!pm_outputs_start(outputs, &cursor, &count))
        return pm_error_set(err, PM_ECORRUPT, "a record's outputs are cut");
    struct pm_output *items = pm_arena_alloc(arena, (count + 1) * sizeof *items);
    for (uint32_t i = 0; i < count; i++) {
        struct pm_record_output output;
        if (!pm_outputs_next(&cursor, &output)) return pm_error_set(err, PM_ECORRUPT, "a record's outputs are cut");
        PM_TRY(pm_snapshot_name(snap, PM_NAME_OUTPUT, output.name, &items[i].name, err));
        items[i].size = output.size;
        items[i].checksum = pm_outputs_checksum(&output, arena);
    }
    *ret = pm_array_of_outputs(arena, items, count);
    return PM_OK;
}

/* Record fields -> the members of an event that stand for them. The cheap part: names and numbers; not param_id's
 * derivation, not outputs. */
static int facts_event(struct pm_snapshot *snap, const struct pm_record *rec, struct pm_event *ev, struct pm_error *err)
{
    ev->type = (enum pm_event_type)(rec->stamp.type == PM_CLASS_UNKNOWN ? PM_RESULTS_EXPECTED : rec->stamp.type);
    ev->has = 0;
    static const uint64_t bits[PM_FIELD_COUNT] = {
        PM_HAS(kind),         PM_HAS(schema),       PM_HAS(schema_version), PM_HAS(bundle_digest),
        PM_HAS(model_digest), PM_HAS(entrypoint),   PM_HAS(param_id),       PM_HAS(params),
        PM_HAS(seed),         PM_HAS(target),       PM_HAS(target_digest),  PM_HAS(aggregation_id),
        PM_HAS(loss),         PM_HAS(n_replicates), PM_HAS(outputs),
    };
    for (unsigned left = rec->present; left; left &= left - 1) ev->has |= bits[__builtin_ctz(left)];
    ev->kind = rec->kind;
    ev->schema_version = rec->schema_version;
    ev->seed = rec->seed;
    ev->loss = rec->loss;
    ev->n_replicates = rec->n_replicates;
    ev->params = rec->params;
    ev->aggregation_id = rec->aggregation_id;
    ev->param_id = rec->param_id_raw ? pm_slice(NULL, 0) : rec->param_id;
    PM_TRY(name_of(snap, rec, PM_FIELD_SCHEMA, PM_NAME_SCHEMA, rec->schema, &ev->schema, err));
    PM_TRY(name_of(snap, rec, PM_FIELD_BUNDLE, PM_NAME_BUNDLE, rec->bundle, &ev->bundle_digest, err));
    PM_TRY(name_of(snap, rec, PM_FIELD_MODEL, PM_NAME_MODEL, rec->model, &ev->model_digest, err));
    PM_TRY(name_of(snap, rec, PM_FIELD_ENTRYPOINT, PM_NAME_ENTRYPOINT, rec->entrypoint, &ev->entrypoint, err));
    PM_TRY(name_of(snap, rec, PM_FIELD_TARGET, PM_NAME_TARGET, rec->target, &ev->target, err));
    return name_of(snap, rec, PM_FIELD_TARGET_DIGEST, PM_NAME_TARGET_DIGEST, rec->target_digest, &ev->target_digest,
                   err);
}

/* The primary is the strongest event, so it tells whether there is one that strong. */
static void put_origin(struct pm_result *ret, const struct pm_stamp *primary)
{
    ret->attributed = primary->type == PM_RESULT_COMPUTED;
    ret->produced = primary->type == PM_RESULT_COMPUTED || primary->type == PM_RESULT_DISCOVERED;
}

static int result_full(struct pm_snapshot *snap, struct pm_facts *facts, struct pm_arena *arena, struct pm_result *ret,
                       struct pm_error *err)
{
    PM_TRY(pm_facts_load_side(snap->txn, &snap->tables, facts->result, arena, facts, err));
    struct pm_record merged;
    PM_TRY(pm_facts_merged(facts, &merged, err));
    ret->number = facts->result;
    PM_TRY(pm_snapshot_path(snap, &facts->primary, facts->path_form, arena, &ret->path, err));
    PM_TRY(facts_event(snap, &merged, &ret->facts, err));
    put_origin(ret, &facts->primary.stamp);
    ret->deleted = pm_facts_deleted(facts, &ret->deleted_at);
    struct pm_facts_conflict *conflicts;
    size_t n_conflicts;
    PM_TRY(pm_facts_conflicts(facts, arena, &conflicts, &n_conflicts, err));
    ret->conflicts = (uint32_t)n_conflicts;
    if (merged.present & PM_FIELD_BIT(PM_FIELD_PARAM_ID)) {
        char *hex = pm_arena_alloc(arena, 64);
        ret->facts.param_id = pm_record_param_id(&merged, hex);
    }
    if (merged.present & PM_FIELD_BIT(PM_FIELD_OUTPUTS))
        PM_TRY(outputs_array(snap, merged.outputs, arena, &ret->facts.outputs, err));
    return PM_OK;
}

int pm_result_get(struct pm_snapshot *snap, uint64_t result, struct pm_arena *arena, struct pm_result *ret,
                  struct pm_error *err)
{
    struct pm_facts facts = {.result = result};
    PM_TRY(pm_snapshot_record(snap, result, &facts.primary, &facts.path_form, err));
    return result_full(snap, &facts, arena, ret, err);
}

struct pm_slice pm_result_param_id(const struct pm_result *result, char hex[64])
{
    if (!(result->facts.has & PM_HAS(param_id))) return pm_slice(NULL, 0);
    if (result->facts.param_id.ptr) return result->facts.param_id;
    pm_param_id(result->facts.params, hex);
    return pm_slice(hex, 64);
}

/* ---- every result ---- */

/* One bit a record number. */
struct bits {
    uint64_t *words;
    uint64_t count;
};
static void bits_set(struct bits *bits, uint64_t i)
{
    if (i < bits->count) bits->words[i / 64] |= (uint64_t)1 << (i % 64);
}
static bool bits_get(const struct bits *bits, uint64_t i)
{
    return bits->words && i < bits->count && (bits->words[i / 64] >> (i % 64) & 1);
}

static int mark_move(void *arg, const uint8_t *entry, struct pm_error *err)
{
    (void)err;
    /* A result that moved is not in its first record; which of its later ones counts, is_latest asks. */
    bits_set(arg, pm_be40_get(entry));
    return PM_OK;
}

/* A moved record is old when its result has a later one: only a result that moved more than once, so ask the runs. */
static int is_latest(struct pm_snapshot *snap, const struct pm_runs *moves, uint64_t result, uint64_t record, bool *ret,
                     struct pm_error *err)
{
    uint8_t prefix[5];
    uint64_t latest = 0;
    pm_be40_put(prefix, result);
    PM_TRY(pm_runs_lookup(moves, snap->txn, pm_slice(prefix, sizeof prefix), take_record_number, &latest, err));
    *ret = latest == record;
    return PM_OK;
}

/* Results that have side facts: one pass over their keys. */
static int mark_side(struct pm_snapshot *snap, struct bits *bits, struct pm_error *err)
{
    struct pm_kv_cursor *cursor;
    PM_TRY(pm_kv_cursor_open(snap->txn, snap->tables.side_facts, &cursor, err));
    struct pm_slice key;
    int rc = pm_kv_seek(cursor, pm_slice(NULL, 0), &key, NULL, err);
    for (; rc == PM_OK; rc = pm_kv_next(cursor, &key, NULL, err))
        if (key.len >= 5) bits_set(bits, pm_be40_get((const uint8_t *)key.ptr));
    pm_kv_cursor_close(cursor);
    return rc == PM_ENOTFOUND ? PM_OK : rc;
}

struct walk {
    struct pm_snapshot *snap;
    const struct pm_runs *moves;
    const struct bits *superseded;
    int (*each)(void *arg, struct pm_facts *facts, struct pm_error *err);
    void *arg;
};

static int walk_block(struct walk *w, struct pm_slice key, struct pm_slice value, struct pm_error *err)
{
    struct pm_record_block_iter it;
    PM_TRY(pm_record_block_open(w->snap->txn, key, value, &it, err));
    uint64_t record;
    struct pm_slice bytes;
    int rc;
    while ((rc = pm_record_block_next(&it, &record, &bytes, err)) == PM_OK) {
        if (bits_get(w->superseded, record)) continue;
        struct pm_facts facts;
        PM_TRY(pm_record_decode(bytes, &facts.primary, &facts.path_form, err));
        facts.result = facts.primary.moved ? facts.primary.result : record;
        bool latest = true;
        if (facts.primary.moved) PM_TRY(is_latest(w->snap, w->moves, facts.result, record, &latest, err));
        if (latest) PM_TRY(w->each(w->arg, &facts, err));
    }
    return rc == PM_ENOTFOUND ? PM_OK : rc;
}

/* Walks the latest record of every result; `facts` holds primary, path_form and result. */
static int walk(struct pm_snapshot *snap, struct bits *superseded,
                int (*each)(void *arg, struct pm_facts *facts, struct pm_error *err), void *arg, struct pm_error *err)
{
    struct walk w = {.snap = snap, .superseded = superseded, .each = each, .arg = arg};
    pm_kv_read_ahead(snap->kv, true);
    PM_TRY(pm_snapshot_runs(snap, PM_RUN_MOVES, &w.moves, err));
    PM_TRY(pm_runs_scan(w.moves, snap->txn, mark_move, superseded, err));
    struct pm_kv_cursor *cursor;
    PM_TRY(pm_kv_cursor_open(snap->txn, snap->tables.records, &cursor, err));
    struct pm_slice key, value;
    int rc = pm_kv_seek(cursor, pm_slice(NULL, 0), &key, &value, err);
    while (rc == PM_OK) {
        rc = walk_block(&w, key, value, err);
        if (rc == PM_OK) rc = pm_kv_next(cursor, &key, &value, err);
    }
    pm_kv_cursor_close(cursor);
    return rc == PM_ENOTFOUND ? PM_OK : rc;
}

static struct bits bits_new(uint64_t count) { return (struct bits){pm_calloc(count / 64 + 1, 8), count}; }

struct each_result {
    struct pm_snapshot *snap;
    struct bits with_side;
    struct pm_arena arena;
    int (*each)(void *arg, const struct pm_result *result, struct pm_error *err);
    void *arg;
};

static int brief_result(struct each_result *e, const struct pm_facts *facts, struct pm_result *ret,
                        struct pm_error *err)
{
    *ret = (struct pm_result){.number = facts->result};
    put_origin(ret, &facts->primary.stamp);
    PM_TRY(pm_snapshot_path(e->snap, &facts->primary, facts->path_form, &e->arena, &ret->path, err));
    PM_TRY(facts_event(e->snap, &facts->primary, &ret->facts, err));
    if (!facts->primary.param_id_raw) return PM_OK;
    char *hex = pm_arena_alloc(&e->arena, 64);
    ret->facts.param_id = pm_record_param_id(&facts->primary, hex);
    return PM_OK;
}

static int take_facts(void *arg, struct pm_facts *facts, struct pm_error *err)
{
    struct each_result *e = arg;
    struct pm_result result;
    pm_arena_reset(&e->arena);
    if (bits_get(&e->with_side, facts->result)) PM_TRY(result_full(e->snap, facts, &e->arena, &result, err));
    else PM_TRY(brief_result(e, facts, &result, err));
    return e->each(e->arg, &result, err);
}

int pm_results_each(struct pm_snapshot *snap,
                    int (*each)(void *arg, const struct pm_result *result, struct pm_error *err), void *arg,
                    struct pm_error *err)
{
    struct bits superseded = bits_new(snap->state.next_record);
    struct each_result e = {.snap = snap, .with_side = bits_new(snap->state.next_record), .each = each, .arg = arg};
    int rc = mark_side(snap, &e.with_side, err);
    if (rc == PM_OK) rc = walk(snap, &superseded, take_facts, &e, err);
    free(superseded.words);
    free(e.with_side.words);
    pm_arena_release(&e.arena);
    return rc;
}

struct each_record {
    int (*each)(void *arg, uint64_t result, const struct pm_record *rec, struct pm_error *err);
    void *arg;
};

static int take_record(void *arg, struct pm_facts *facts, struct pm_error *err)
{
    const struct each_record *e = arg;
    return e->each(e->arg, facts->result, &facts->primary, err);
}

int pm_records_each(struct pm_snapshot *snap,
                    int (*each)(void *arg, uint64_t result, const struct pm_record *rec, struct pm_error *err),
                    void *arg, struct pm_error *err)
{
    struct bits superseded = bits_new(snap->state.next_record);
    struct each_record e = {each, arg};
    int rc = walk(snap, &superseded, take_record, &e, err);
    free(superseded.words);
    return rc;
}

/* ---- conflicts of results ---- */

/* A value of a field as JSON text. */
static int value_json(struct pm_snapshot *snap, enum pm_field field, struct pm_slice value, struct pm_arena *arena,
                      struct pm_slice *ret, struct pm_error *err)
{
    PM_CLEANUP(pm_buf_release) struct pm_buf buf = {0};
    if (field == PM_FIELD_OUTPUTS) {
        pm_json_put_string(&buf, value);
    } else {
        struct pm_record rec = {.present = 0};
        struct pm_event ev;
        char number[PM_DOUBLE_TEXT_SIZE];
        PM_TRY(pm_record_field_set(&rec, field, value, err));
        PM_TRY(facts_event(snap, &rec, &ev, err));
        switch (field) {
        case PM_FIELD_KIND: pm_json_put_string(&buf, pm_slice_cstr(pm_kind_name(ev.kind))); break;
        case PM_FIELD_SCHEMA: pm_json_put_string(&buf, ev.schema); break;
        case PM_FIELD_SCHEMA_VERSION: pm_buf_printf(&buf, "%lld", (long long)ev.schema_version); break;
        case PM_FIELD_BUNDLE: pm_json_put_string(&buf, ev.bundle_digest); break;
        case PM_FIELD_MODEL: pm_json_put_string(&buf, ev.model_digest); break;
        case PM_FIELD_ENTRYPOINT: pm_json_put_string(&buf, ev.entrypoint); break;
        case PM_FIELD_PARAM_ID: pm_json_put_string(&buf, ev.param_id); break;
        case PM_FIELD_PARAMS: pm_buf_slice_add(&buf, ev.params); break;
        case PM_FIELD_SEED: pm_json_put_seed(&buf, ev.seed); break;
        case PM_FIELD_TARGET: pm_json_put_string(&buf, ev.target); break;
        case PM_FIELD_TARGET_DIGEST: pm_json_put_string(&buf, ev.target_digest); break;
        case PM_FIELD_AGGREGATION_ID: pm_json_put_string(&buf, ev.aggregation_id); break;
        case PM_FIELD_LOSS: pm_buf_bytes(&buf, number, pm_double_format(ev.loss, number)); break;
        case PM_FIELD_N_REPLICATES: pm_buf_printf(&buf, "%lld", (long long)ev.n_replicates); break;
        default: return pm_error_set(err, PM_ECORRUPT, "a conflict about field %d", field);
        }
    }
    *ret = pm_arena_copy(arena, pm_buf_slice(&buf));
    return PM_OK;
}

static int report_conflict(struct pm_snapshot *snap, const struct pm_facts_conflict *from, struct pm_slice path,
                           struct pm_arena *arena, struct pm_conflict *ret, struct pm_error *err)
{
    *ret = (struct pm_conflict){.id = path,
                                .class = pm_facts_conflict_class(from),
                                .what = pm_slice_cstr(pm_field_name(from->field)),
                                .n_values = from->n_values};
    if (from->field == PM_FIELD_OUTPUTS) {
        struct pm_slice name;
        PM_TRY(pm_snapshot_name(snap, PM_NAME_OUTPUT, from->output, &name, err));
        char *what = pm_arena_alloc(arena, 7 + name.len);
        memcpy(what, "output:", 7);
        memcpy(what + 7, name.ptr, name.len);
        ret->what = pm_slice(what, 7 + name.len);
    }
    ret->values = pm_arena_alloc(arena, from->n_values * sizeof *ret->values);
    for (size_t i = 0; i < from->n_values; i++) {
        struct pm_conflict_value *value = &ret->values[i];
        const struct pm_stamp *stamp = &from->values[i].stamp;
        *value = (struct pm_conflict_value){
            .type = (enum pm_event_type)stamp->type, .has_job = stamp->job1 != 0, .at = stamp->at};
        if (value->has_job) PM_TRY(pm_snapshot_name(snap, PM_NAME_JOB, stamp->job1 - 1, &value->job_id, err));
        PM_TRY(value_json(snap, from->field, from->values[i].value, arena, &value->value, err));
    }
    return PM_OK;
}

int pm_result_conflicts_each(struct pm_snapshot *snap,
                             int (*each)(void *arg, const struct pm_conflict *conflict, struct pm_error *err),
                             void *arg, struct pm_error *err)
{
    PM_CLEANUP(pm_arena_release) struct pm_arena arena = {0};
    struct pm_kv_cursor *cursor;
    PM_TRY(pm_kv_cursor_open(snap->txn, snap->tables.side_facts, &cursor, err));
    struct pm_slice key;
    uint8_t next[PM_SIDE_KEY_BYTES];
    int rc = pm_kv_seek(cursor, pm_slice(NULL, 0), &key, NULL, err);
    while (rc == PM_OK && key.len >= 5) {
        pm_arena_reset(&arena);
        struct pm_facts facts = {.result = pm_be40_get((const uint8_t *)key.ptr)};
        struct pm_facts_conflict *conflicts;
        size_t n = 0;
        struct pm_slice path;
        rc = pm_snapshot_record(snap, facts.result, &facts.primary, &facts.path_form, err);
        if (rc == PM_OK) rc = pm_facts_load_side(snap->txn, &snap->tables, facts.result, &arena, &facts, err);
        if (rc == PM_OK) rc = pm_facts_conflicts(&facts, &arena, &conflicts, &n, err);
        if (rc == PM_OK && n) rc = pm_snapshot_path(snap, &facts.primary, facts.path_form, &arena, &path, err);
        for (size_t i = 0; i < n && rc == PM_OK; i++) {
            struct pm_conflict row;
            rc = report_conflict(snap, &conflicts[i], path, &arena, &row, err);
            if (rc == PM_OK) rc = each(arg, &row, err);
        }
        if (rc == PM_OK) rc = pm_kv_seek(cursor, pm_side_key(facts.result + 1, 0, 0, next), &key, NULL, err);
    }
    pm_kv_cursor_close(cursor);
    return rc == PM_ENOTFOUND ? PM_OK : rc;
}
