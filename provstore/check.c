/* check.c: a store against the index (check.h). Called by one thread at a time (store.h). */
#include "provstore/check.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/json.h"
#include "common/base/number.h"
#include "common/base/time.h"
#include "common/event/identity.h"
#include "provstore/adopt.h"
#include "provstore/fresh.h"

const struct pm_finding_code pm_check_codes[] = {
    {"unknown", "in the store, and no event tells that it was computed or found"},
    {"gone", "computed or found, not deleted, and not in the store"},
    {"deleted_present", "deleted, and in the store"},
    {"identity_differs", "the store's files and the events name another identity for one path"},
    {"two_identities", "the events name two identities for one path that is in the store"},
    {"outcome_differs", "the store's loss or number of replicates is another one than the events'"},
    {"output_differs", "an output's size or checksum is another one than the events'"},
    {0},
};

struct checking {
    const struct pm_check_options *options;
    struct pm_check_counts *counts;
    struct pm_fresh index;
    struct pm_arena arena;
    uint8_t *seen; /* a bit a result number */
    size_t seen_bytes;
    struct pm_buf absent; /* result numbers that were not seen, uint64_t each */
    struct pm_buf text, scratch;
    bool trying;       /* nothing is told yet */
    uint64_t suspects; /* of what would have been */
};

#define NONE ((struct pm_slice){NULL, 0})

/* ---- what was seen ---- */

static void mark(struct checking *run, uint64_t number)
{
    size_t at = number / 8;
    if (at >= run->seen_bytes) {
        size_t larger = at + 1 > 2 * run->seen_bytes ? at + 4096 : 2 * run->seen_bytes;
        run->seen = pm_realloc(run->seen, larger);
        memset(run->seen + run->seen_bytes, 0, larger - run->seen_bytes);
        run->seen_bytes = larger;
    }
    run->seen[at] |= (uint8_t)(1u << number % 8);
}

static bool was_seen(const struct checking *run, uint64_t number)
{
    return number / 8 < run->seen_bytes && (run->seen[number / 8] >> number % 8 & 1);
}

/* ---- telling ---- */

static struct pm_slice shown(struct checking *run, struct pm_slice text)
{
    struct pm_buf out = {0};
    if (!text.ptr) return text;
    pm_put_text(&out, text);
    struct pm_slice kept = pm_arena_copy(&run->arena, pm_buf_slice(&out));
    pm_buf_release(&out);
    return kept;
}

static int tell(struct checking *run, const char *code, struct pm_slice path, struct pm_slice what,
                struct pm_slice found, struct pm_slice expected, const char *detail, struct pm_error *err)
{
    struct pm_finding finding = {.code = code,
                                 .path = shown(run, path),
                                 .what = shown(run, what),
                                 .found = shown(run, found),
                                 .expected = shown(run, expected),
                                 .detail = pm_slice_cstr(detail)};
    run->suspects++;
    if (run->trying) return PM_OK;
    run->counts->findings++;
    return run->options->walk.finding ? run->options->walk.finding(run->options->arg, &finding, err) : PM_OK;
}

static int pass_on(void *arg, const struct pm_finding *finding, struct pm_error *err)
{
    struct checking *run = arg;
    run->counts->findings++;
    return run->options->walk.finding ? run->options->walk.finding(run->options->arg, finding, err) : PM_OK;
}

static int repair(struct checking *run, struct pm_slice path, struct pm_slice line, struct pm_error *err)
{
    if (run->trying) return PM_OK;
    run->counts->repairs++;
    return run->options->repair ? run->options->repair(run->options->arg, path, line, err) : PM_OK;
}

/* The event that tells of a stored result, at its own time or, when it was deleted after that, as found now. */
static int propose_discovery(struct checking *run, const struct pm_stored *stored, int64_t after_us,
                             struct pm_error *err)
{
    struct pm_stored found = *stored;
    struct pm_event ev;
    char room[32];
    if (found.facts.occurred_at <= after_us) found.facts.occurred_at = pm_time_now_us();
    if (stored->state != PM_STORED_WHOLE || pm_stored_event(&found, &run->scratch, room, &ev, NULL) != PM_OK)
        return PM_OK;
    pm_buf_clear(&run->text);
    pm_event_to_json(&ev, PM_SLICE(""), &run->text);
    return repair(run, stored->path, pm_buf_slice(&run->text), err);
}

static int propose_deletion(struct checking *run, struct pm_slice path, struct pm_error *err)
{
    pm_buf_clear(&run->text);
    pm_buf_cstr(&run->text, "{\"type\":\"ResultDeleted\",\"result\":");
    pm_json_put_string(&run->text, path);
    pm_buf_cstr(&run->text, ",\"reason\":\"not in the store\"}");
    return repair(run, path, pm_buf_slice(&run->text), err);
}

/* ---- one result that both have ---- */

/* A number's text, in the arena. */
static struct pm_slice of_double(struct checking *run, double value)
{
    char *out = pm_arena_alloc(&run->arena, PM_DOUBLE_TEXT_SIZE);
    return pm_slice(out, pm_double_format(value, out));
}
static struct pm_slice of_u64(struct checking *run, uint64_t value)
{
    char *out = pm_arena_alloc(&run->arena, PM_INTEGER_TEXT_SIZE);
    return pm_slice(out, pm_u64_format(value, out));
}
static struct pm_slice of_i64(struct checking *run, int64_t value)
{
    char *out = pm_arena_alloc(&run->arena, PM_INTEGER_TEXT_SIZE);
    return pm_slice(out, pm_i64_format(value, out));
}

struct field {
    const char *name;
    uint64_t has;
    struct pm_slice disk, index;
};

static int compare_identity(struct checking *run, const struct pm_event *disk, const struct pm_event *index,
                            struct pm_error *err)
{
    const struct field fields[] = {
        {"kind", PM_HAS(kind), pm_slice_cstr(pm_kind_name(disk->has & PM_HAS(kind) ? disk->kind : PM_KIND_SIM)),
         pm_slice_cstr(pm_kind_name(index->has & PM_HAS(kind) ? index->kind : PM_KIND_SIM))},
        {"schema", PM_HAS(schema), disk->schema, index->schema},
        {"schema_version", PM_HAS(schema_version), of_i64(run, disk->schema_version),
         of_i64(run, index->schema_version)},
        {"bundle_digest", PM_HAS(bundle_digest), disk->bundle_digest, index->bundle_digest},
        {"entrypoint", PM_HAS(entrypoint), disk->entrypoint, index->entrypoint},
        {"param_id", PM_HAS(param_id), disk->param_id, index->param_id},
        {"seed", PM_HAS(seed), of_u64(run, disk->seed), of_u64(run, index->seed)},
        {"target", PM_HAS(target), disk->target, index->target},
        {"aggregation_id", PM_HAS(aggregation_id), disk->aggregation_id, index->aggregation_id},
    };
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        if (!(disk->has & index->has & fields[i].has) || pm_slice_eq(fields[i].disk, fields[i].index)) continue;
        PM_TRY(tell(run, "identity_differs", disk->result, pm_slice_cstr(fields[i].name), fields[i].disk,
                    fields[i].index, "the path holds another result than the one that the events tell of", err));
    }
    return PM_OK;
}

static int compare_outcome(struct checking *run, const struct pm_event *disk, const struct pm_event *index,
                           struct pm_error *err)
{
    uint64_t both = disk->has & index->has;
    if ((both & PM_HAS(loss)) && memcmp(&disk->loss, &index->loss, sizeof disk->loss) != 0)
        PM_TRY(tell(run, "outcome_differs", disk->result, PM_SLICE("loss"), of_double(run, disk->loss),
                    of_double(run, index->loss), "another loss than the events'", err));
    if ((both & PM_HAS(n_replicates)) && disk->n_replicates != index->n_replicates)
        PM_TRY(tell(run, "outcome_differs", disk->result, PM_SLICE("n_replicates"), of_i64(run, disk->n_replicates),
                    of_i64(run, index->n_replicates), "another number of replicates than the events'", err));
    return PM_OK;
}

static int compare_output(struct checking *run, struct pm_slice path, const struct pm_output *disk,
                          const struct pm_output *index, struct pm_error *err)
{
    char *what = pm_arena_alloc(&run->arena, 7 + disk->name.len);
    memcpy(what, "output:", 7);
    if (disk->name.len) memcpy(what + 7, disk->name.ptr, disk->name.len);
    struct pm_slice name = pm_slice(what, 7 + disk->name.len);
    if (!pm_slice_eq(disk->checksum, index->checksum))
        return tell(run, "output_differs", path, name, disk->checksum, index->checksum,
                    "result.json records another checksum than the events", err);
    if (disk->size != index->size)
        return tell(run, "output_differs", path, name, of_i64(run, disk->size), of_i64(run, index->size),
                    "result.json records another size than the events", err);
    return PM_OK;
}

/* A name that only one of them has is no contradiction: empty outputs are left out when they are stored. */
static int compare_outputs(struct checking *run, const struct pm_event *disk, const struct pm_event *index,
                           struct pm_error *err)
{
    struct pm_output mine, theirs;
    if (!(disk->has & index->has & PM_HAS(outputs))) return PM_OK;
    for (struct pm_array_iter it = pm_array_iter(disk->outputs); pm_array_next_output(&it, &mine);) {
        for (struct pm_array_iter other = pm_array_iter(index->outputs); pm_array_next_output(&other, &theirs);)
            if (pm_slice_eq(mine.name, theirs.name)) PM_TRY(compare_output(run, disk->result, &mine, &theirs, err));
    }
    return PM_OK;
}

static int check_known(struct checking *run, const struct pm_stored *stored, uint64_t number, struct pm_error *err)
{
    struct pm_result result;
    struct pm_event disk = stored->facts;
    disk.result = stored->path;
    mark(run, number);
    if (run->trying) run->counts->compared++;
    if (stored->state != PM_STORED_WHOLE && stored->state != PM_STORED_BROKEN) return PM_OK;
    PM_TRY(pm_result_get(run->index.snap, number, &run->arena, &result, err));
    if (result.deleted) {
        PM_TRY(tell(run, "deleted_present", stored->path, NONE, NONE, NONE,
                    stored->facts.occurred_at > result.deleted_at ? "written after it was deleted"
                                                                  : "a left-over of before it was deleted",
                    err));
        PM_TRY(propose_discovery(run, stored, result.deleted_at, err));
    } else if (!result.produced && stored->state == PM_STORED_WHOLE) {
        PM_TRY(tell(run, "unknown", stored->path, NONE, NONE, NONE,
                    "it was reused, failed or expected, but no event tells that it was computed or found", err));
        PM_TRY(propose_discovery(run, stored, INT64_MIN, err));
    }
    PM_TRY(compare_identity(run, &disk, &result.facts, err));
    PM_TRY(compare_outcome(run, &disk, &result.facts, err));
    return compare_outputs(run, &disk, &result.facts, err);
}

static int compare(struct checking *run, const struct pm_stored *stored, struct pm_error *err)
{
    uint64_t number;
    pm_arena_reset(&run->arena);
    int rc = pm_result_find(run->index.snap, stored->path, &number, err);
    if (rc == PM_OK) return check_known(run, stored, number, err);
    if (rc != PM_ENOTFOUND) return rc;
    if (stored->state != PM_STORED_WHOLE) return PM_OK;
    PM_TRY(tell(run, "unknown", stored->path, NONE, NONE, NONE, "no event names it", err));
    return propose_discovery(run, stored, INT64_MIN, err);
}

/* What looks wrong in a snapshot that is not quite new is looked at again in the newest one, and told when it is still
 * so, and when the result is still there. */
static int check_result(void *arg, const struct pm_stored *stored, struct pm_error *err)
{
    struct checking *run = arg;
    PM_TRY(pm_fresh_tick(&run->index, err));
    run->trying = true;
    run->suspects = 0;
    int rc = compare(run, stored, err);
    run->trying = false;
    if (rc != PM_OK || !run->suspects) return rc;
    PM_TRY(pm_fresh_newest(&run->index, err));
    return pm_store_holds(run->options->walk.root, stored->path) ? compare(run, stored, err) : PM_OK;
}

/* ---- the index's other results ---- */

static bool should_be_there(const struct checking *run, const struct pm_result *result)
{
    return !result->deleted && result->produced && result->facts.has && !was_seen(run, result->number);
}

static int gather_absent(void *arg, const struct pm_result *result, struct pm_error *err)
{
    struct checking *run = arg;
    (void)err;
    if (should_be_there(run, result)) pm_buf_bytes(&run->absent, &result->number, sizeof result->number);
    return PM_OK;
}

/* It may have been deleted since, or written after the walk had passed its place. */
static int check_gone(struct checking *run, uint64_t number, struct pm_error *err)
{
    struct pm_result result;
    pm_arena_reset(&run->arena);
    PM_TRY(pm_fresh_newest(&run->index, err));
    PM_TRY(pm_result_get(run->index.snap, number, &run->arena, &result, err));
    if (!should_be_there(run, &result) || pm_store_holds(run->options->walk.root, result.path)) return PM_OK;
    PM_TRY(tell(run, "gone", result.path, NONE, NONE, NONE,
                "the index has it and tells of no deletion; it is not in this store", err));
    return propose_deletion(run, result.path, err);
}

static int check_conflict(void *arg, const struct pm_conflict *conflict, struct pm_error *err)
{
    struct checking *run = arg;
    uint64_t number;
    char detail[160];
    if (conflict->is_job || conflict->class == PM_CONFLICT_NONDETERMINISM || conflict->n_values < 2) return PM_OK;
    int rc = pm_result_find(run->index.snap, conflict->id, &number, err);
    if (rc == PM_ENOTFOUND || (rc == PM_OK && !was_seen(run, number))) return PM_OK;
    PM_TRY(rc);
    pm_arena_reset(&run->arena);
    snprintf(detail, sizeof detail, "%s: %zu values in the events, two of them shown; provmat query conflicts has all",
             pm_conflict_class_name(conflict->class), conflict->n_values);
    return tell(run, "two_identities", conflict->id, conflict->what, conflict->values[0].value,
                conflict->values[1].value, detail, err);
}

static int check_all(struct checking *run, struct pm_error *err)
{
    struct pm_store_walk walk = run->options->walk;
    walk.result = check_result;
    walk.finding = pass_on;
    walk.arg = run;
    PM_TRY(pm_store_walk(&walk, &run->counts->store, err));
    if (walk.stop && *walk.stop) return PM_OK; /* what was not reached is not gone */
    PM_TRY(pm_fresh_newest(&run->index, err));
    PM_TRY(pm_results_each(run->index.snap, gather_absent, run, err));
    for (size_t at = 0; at < run->absent.len; at += sizeof(uint64_t)) {
        uint64_t number;
        memcpy(&number, run->absent.ptr + at, sizeof number);
        PM_TRY(check_gone(run, number, err));
    }
    PM_TRY(pm_fresh_newest(&run->index, err));
    return pm_conflicts_each(run->index.snap, check_conflict, run, err);
}

int pm_check_store(const struct pm_check_options *options, struct pm_check_counts *ret_counts, struct pm_error *err)
{
    struct pm_check_counts counts = {0};
    struct checking run = {.options = options, .counts = &counts};
    PM_TRY(pm_fresh_open(options->index_dir, &run.index, err));
    int rc = check_all(&run, err);
    pm_fresh_close(&run.index);
    pm_buf_release(&run.absent);
    pm_arena_release(&run.arena);
    pm_buf_release(&run.text);
    pm_buf_release(&run.scratch);
    free(run.seen);
    if (rc == PM_OK) *ret_counts = counts;
    return rc;
}
