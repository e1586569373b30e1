/* verify.c: the index against itself: both directions of every pair, counters, the dictionary, checksums of runs and
 * chunks on the way; and against a fresh replay up to the same offsets. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/varint.h"
#include "common/store/arrivals.h"
#include "common/store/job.h"
#include "consumer/gaps.h"
#include "consumer/rebuild.h"
#include "consumer/replayer.h"
#include "consumer/views/views.h"

/* ---- a dump folded to a digest, and kept row by row when two are to be compared ---- */

struct fold {
    uint64_t hi, lo, rows; /* sums: the order of rows does not matter */
    struct pm_view_row *kept;
    size_t room;
    bool keep;
};

static int fold_row(void *arg, const struct pm_view_row *row, struct pm_error *err)
{
    (void)err;
    struct fold *fold = arg;
    if (fold->keep) {
        if (fold->rows == fold->room) {
            fold->room = fold->room ? 2 * fold->room : 4096;
            fold->kept = pm_realloc(fold->kept, fold->room * sizeof *fold->kept);
        }
        fold->kept[fold->rows] = *row;
    }
    fold->hi += row->content.hi;
    fold->lo += row->content.lo;
    fold->rows++;
    return PM_OK;
}

static bool fold_equal(const struct fold *a, const struct fold *b)
{
    return a->hi == b->hi && a->lo == b->lo && a->rows == b->rows;
}

static int by_content(const void *a, const void *b)
{
    const struct pm_view_row *x = a, *y = b;
    if (x->content.hi != y->content.hi) return x->content.hi < y->content.hi ? -1 : 1;
    return (x->content.lo > y->content.lo) - (x->content.lo < y->content.lo);
}

/* The first row that only one of two dumps has, in words. */
static void first_difference(struct pm_dump *dump_a, const struct pm_view *a, const char *only_a,
                             struct pm_dump *dump_b, const struct pm_view *b, const char *only_b, char *out,
                             size_t size)
{
    struct fold x = {.keep = true}, y = {.keep = true};
    snprintf(out, size, "the digests differ");
    if (a->dump(dump_a, fold_row, &x, NULL) == PM_OK && b->dump(dump_b, fold_row, &y, NULL) == PM_OK) {
        char name[400];
        size_t i = 0, j = 0;
        if (x.rows) qsort(x.kept, x.rows, sizeof *x.kept, by_content);
        if (y.rows) qsort(y.kept, y.rows, sizeof *y.kept, by_content);
        while (i < x.rows && j < y.rows && by_content(&x.kept[i], &y.kept[j]) == 0) i++, j++;
        bool first = i < x.rows && (j == y.rows || by_content(&x.kept[i], &y.kept[j]) < 0);
        if (first) pm_dump_name(dump_a, &x.kept[i], name, sizeof name);
        else if (j < y.rows) pm_dump_name(dump_b, &y.kept[j], name, sizeof name);
        if (i < x.rows || j < y.rows) snprintf(out, size, "%s: %s", first ? only_a : only_b, name);
    }
    free(x.kept);
    free(y.kept);
}

/* ---- the index against itself ---- */

struct dictionary_check {
    struct pm_dump *dump;
    uint64_t entries;
    char *out;
    size_t size;
};

static int check_entry(void *arg, const uint8_t *entry, struct pm_error *err)
{
    (void)err;
    struct dictionary_check *check = arg;
    uint64_t result = pm_be40_get(entry + 16);
    struct pm_hash128 hash = {pm_be64_get(entry), pm_be64_get(entry + 8)};
    check->entries++;
    if (check->out[0]) return PM_OK;
    if (result >= check->dump->n_results || check->dump->results[result].hi != hash.hi ||
        check->dump->results[result].lo != hash.lo) {
        struct pm_view_row row = {.result = result < check->dump->n_results ? (int64_t)result : -1, .job = -1};
        int n = snprintf(check->out, check->size, "the dictionary points to a record of another path: ");
        pm_dump_name(check->dump, &row, check->out + n, check->size - (size_t)n);
    }
    return PM_OK;
}

/* Every name is found by its text, and there are as many numbers as texts. The names of jobs belong to the view of
 * jobs, the others to the results. */
static int check_names(struct pm_dump *dump, bool jobs, char *out, size_t size, struct pm_error *err)
{
    struct pm_snapshot *snap = dump->snap;
    for (unsigned kind = 0; kind < PM_NAME_KIND_COUNT; kind++) {
        if ((kind == PM_NAME_JOB) != jobs) continue;
        for (uint32_t number = 0; number < snap->state.next_name[kind]; number++) {
            struct pm_slice text;
            uint32_t found = UINT32_MAX;
            PM_TRY(pm_snapshot_name(snap, (enum pm_name_kind)kind, number, &text, err));
            int rc = pm_snapshot_name_find(snap, (enum pm_name_kind)kind, text, &found, err);
            if (rc != PM_OK && rc != PM_ENOTFOUND) return rc;
            if (found == number || out[0]) continue;
            snprintf(out, size, "the name \"%.*s\" is not found by its text", (int)(text.len < 300 ? text.len : 300),
                     text.ptr);
        }
    }
    uint64_t names, texts, bytes;
    PM_TRY(pm_kv_db_stat(snap->txn, snap->tables.names, &names, &bytes, err));
    PM_TRY(pm_kv_db_stat(snap->txn, snap->tables.name_texts, &texts, &bytes, err));
    if (!out[0] && names != texts)
        snprintf(out, size, "there are %llu names for %llu texts", (unsigned long long)names,
                 (unsigned long long)texts);
    return PM_OK;
}

static int check_results(struct pm_dump *dump, const struct fold *fold, char *out, size_t size, struct pm_error *err)
{
    (void)fold;
    const struct pm_meta_state *state = &dump->snap->state;
    const struct pm_runs *runs;
    struct dictionary_check check = {dump, 0, out, size};
    PM_TRY(check_names(dump, false, out, size, err));
    PM_TRY(pm_snapshot_runs(dump->snap, PM_RUN_DICTIONARY, &runs, err));
    PM_TRY(pm_runs_scan(runs, dump->snap->txn, check_entry, &check, err));
    if (!out[0] && check.entries != dump->found)
        snprintf(out, size, "the dictionary holds %llu paths, the records %llu", (unsigned long long)check.entries,
                 (unsigned long long)dump->found);
    if (!out[0] && dump->found != state->results)
        snprintf(out, size, "there are %llu results, the counter says %llu", (unsigned long long)dump->found,
                 (unsigned long long)state->results);
    return PM_OK;
}

static int count_role(void *arg, const struct pm_pair *pair, struct pm_error *err)
{
    (void)err;
    struct pm_job_row *row = arg;
    row->shown[pm_pair_shown(pair)]++;
    row->expected += pair->roles >> PM_ROLE_EXPECTED & 1;
    row->missing += pm_pair_missing(pair);
    return PM_OK;
}

static int check_jobs(struct pm_dump *dump, const struct fold *fold, char *out, size_t size, struct pm_error *err)
{
    (void)fold;
    uint64_t shown[PM_ROLE_COUNT] = {0};
    struct pm_snapshot *snap = dump->snap;
    PM_TRY(check_names(dump, true, out, size, err));
    for (uint32_t job = 0; job < dump->n_jobs; job++) {
        struct pm_job_row row, counted = {0};
        PM_TRY(pm_job_row_get(snap->txn, &snap->tables, job, &row, err));
        PM_TRY(pm_pairs_of_job(snap, job, count_role, &counted, err));
        for (unsigned role = 0; role < PM_ROLE_COUNT; role++) shown[role] += counted.shown[role];
        if (out[0] || (memcmp(row.shown, counted.shown, sizeof row.shown) == 0 && row.expected == counted.expected &&
                       row.missing == counted.missing))
            continue;
        struct pm_view_row name = {.result = -1, .job = job};
        int n = snprintf(out, size, "the counts do not agree with the pairs: ");
        pm_dump_name(dump, &name, out + n, size - (size_t)n);
    }
    if (!out[0] && memcmp(shown, snap->state.pairs_by_role, sizeof shown) != 0)
        snprintf(out, size, "the index's counts of pairs do not agree with the pairs");
    return PM_OK;
}

/* The two directions hold the same rows. */
static int check_directions(struct pm_dump *dump, const struct fold *fold, char *out, size_t size, struct pm_error *err)
{
    struct fold other = {0};
    PM_TRY(pm_views[1].dump(dump, fold_row, &other, err));
    if (!fold_equal(fold, &other))
        first_difference(dump, &pm_views[1], "only in job_results", dump, &pm_views[2], "only in result_jobs", out,
                         size);
    return PM_OK;
}

static int check_conflicts(struct pm_dump *dump, const struct fold *fold, char *out, size_t size, struct pm_error *err)
{
    (void)err;
    uint64_t counter = dump->snap->state.conflicts;
    if (fold->rows != counter)
        snprintf(out, size, "there are %llu conflicts, the counter says %llu", (unsigned long long)fold->rows,
                 (unsigned long long)counter);
    return PM_OK;
}

struct producers_check {
    struct pm_dump *dump;
    uint64_t producers, with_gaps, missing, pieces;
    uint64_t arrived, last; /* of one producer, counted */
    char *out;
    size_t size;
};

static int count_piece(void *arg, uint32_t number, const struct pm_piece *piece, struct pm_error *err)
{
    (void)err;
    struct producers_check *check = arg;
    unsigned at = 0, from, to;
    check->pieces++;
    check->arrived += pm_piece_count(piece);
    while (pm_piece_next(piece, true, &at, &from, &to)) check->last = (uint64_t)number * PM_PIECE_NUMBERS + to + 1;
    return PM_OK;
}

static int check_producer(void *arg, const struct pm_producer *producer, struct pm_error *err)
{
    struct producers_check *check = arg;
    check->arrived = check->last = 0;
    PM_TRY(pm_producer_pieces(check->dump->snap, producer->id, count_piece, check, err));
    check->producers++;
    check->with_gaps += producer->events > producer->arrived;
    check->missing += producer->events - producer->arrived;
    if ((check->arrived != producer->arrived || check->last != producer->last) && !check->out[0])
        snprintf(check->out, check->size, "the counts do not agree with what arrived: producer %016llx",
                 (unsigned long long)producer->id);
    return PM_OK;
}

static int check_producers(struct pm_dump *dump, const struct fold *fold, char *out, size_t size, struct pm_error *err)
{
    (void)fold;
    const struct pm_meta_state *state = &dump->snap->state;
    struct producers_check check = {.dump = dump, .out = out, .size = size};
    uint64_t pieces, bytes;
    PM_TRY(pm_producers_each(dump->snap, check_producer, &check, err));
    PM_TRY(pm_kv_db_stat(dump->snap->txn, dump->snap->tables.arrivals, &pieces, &bytes, err));
    if (!out[0] && pieces != check.pieces)
        snprintf(out, size, "%llu sets of arrivals are of no producer", (unsigned long long)(pieces - check.pieces));
    if (!out[0] && (check.producers != state->producers || check.with_gaps != state->producers_with_gaps ||
                    check.missing != state->missing_events))
        snprintf(out, size, "the index's counts of producers do not agree with the producers");
    return PM_OK;
}

static int (*const checks[PM_VIEW_COUNT])(struct pm_dump *dump, const struct fold *fold, char *out, size_t size,
                                          struct pm_error *err) = {
    check_results, NULL, check_directions, check_jobs, check_conflicts, check_producers};

/* ---- both ---- */

static int verify_view(struct pm_dump *dump, struct pm_dump *fresh, size_t i, struct pm_verify_row *row,
                       struct pm_error *err)
{
    const struct pm_view *view = &pm_views[i];
    struct fold fold = {0}, again = {0};
    PM_TRY(view->dump(dump, fold_row, &fold, err));
    *row = (struct pm_verify_row){.view = view->name, .version = view->version, .rows = fold.rows};
    snprintf(row->digest, sizeof row->digest, "%016llx%016llx", (unsigned long long)fold.hi,
             (unsigned long long)fold.lo);
    if (checks[i]) PM_TRY(checks[i](dump, &fold, row->difference, sizeof row->difference, err));
    if (fresh && !row->difference[0]) {
        PM_TRY(view->dump(fresh, fold_row, &again, err));
        if (!fold_equal(&fold, &again))
            first_difference(dump, view, "only in the index", fresh, view, "only in the replay", row->difference,
                             sizeof row->difference);
    }
    row->ok = !row->difference[0];
    return PM_OK;
}

static int verify_views(struct pm_snapshot *snap, struct pm_snapshot *fresh,
                        void (*each)(void *arg, const struct pm_verify_row *row), void *arg, struct pm_error *err)
{
    struct pm_dump dump, fresh_dump;
    PM_TRY(pm_dump_open(snap, &dump, err));
    int rc = fresh ? pm_dump_open(fresh, &fresh_dump, err) : PM_OK;
    if (rc != PM_OK) {
        pm_dump_release(&dump);
        return rc;
    }
    bool all_ok = true;
    for (size_t i = 0; i < PM_VIEW_COUNT && rc == PM_OK; i++) {
        struct pm_verify_row row;
        rc = verify_view(&dump, fresh ? &fresh_dump : NULL, i, &row, err);
        if (rc != PM_OK) break;
        all_ok = all_ok && row.ok;
        each(arg, &row);
    }
    pm_dump_release(&dump);
    if (fresh) pm_dump_release(&fresh_dump);
    if (rc == PM_OK && !all_ok)
        rc = pm_error_set(err, PM_EDIFFERS,
                          "%s: the index is not as it should be; make it anew: provmat rebuild --index %s",
                          pm_kv_dir(snap->kv), pm_kv_dir(snap->kv));
    return rc;
}

/* ---- the fresh replay ---- */

struct replayed {
    char dir[PATH_MAX];
    struct pm_kv *kv;
    struct pm_snapshot *snap;
};

static int replay_beside(const struct pm_consumer_options *options, struct pm_snapshot *snap, struct replayed *ret,
                         struct pm_error *err)
{
    PM_CLEANUP(pm_arena_release) struct pm_arena arena = {0};
    struct pm_applied *applied;
    size_t n;
    PM_TRY(pm_snapshot_applied(snap, &arena, &applied, &n, err));
    struct pm_replay_end *ends = pm_arena_alloc(&arena, (n + 1) * sizeof *ends);
    for (size_t i = 0; i < n; i++)
        ends[i] = (struct pm_replay_end){applied[i].partition, applied[i].first, applied[i].next};
    struct pm_index_info info;
    PM_TRY(pm_snapshot_info(snap, &info, err));
    struct pm_consumer_options with_url = *options;
    if (!with_url.log_url) with_url.log_url = info.log_url;
    struct pm_replay replay = {.options = &with_url,
                               .index_dir = ret->dir,
                               .phase = "replay",
                               .once = true,
                               .ends = ends,
                               .n_ends = n,
                               .until_us = info.until_us,
                               .made_from = &info};
    struct pm_consumer_result result;
    PM_TRY(pm_replay(&replay, &result, err));
    PM_TRY(pm_kv_open(ret->dir, PM_KV_READ_ONLY, &ret->kv, err));
    return pm_snapshot_of(ret->kv, &ret->snap, err);
}

static int tell_gaps(const struct pm_consumer_options *options, struct pm_snapshot *snap, struct pm_error *err)
{
    PM_CLEANUP(pm_arena_release) struct pm_arena arena = {0};
    struct pm_gap *gaps;
    size_t n;
    char text[PM_GAP_TEXT_MAX];
    PM_TRY(pm_snapshot_gaps(snap, &arena, &gaps, &n, err));
    for (size_t i = 0; i < n && options->warn; i++) {
        pm_gap_describe(&gaps[i], text);
        options->warn(options->arg, text);
    }
    return PM_OK;
}

int pm_verify(const struct pm_consumer_options *options, bool against_log,
              void (*each)(void *arg, const struct pm_verify_row *row), void *arg, struct pm_error *err)
{
    struct pm_index *index = NULL;
    struct pm_snapshot *snap = NULL;
    struct replayed fresh = {.kv = NULL};
    snprintf(fresh.dir, sizeof fresh.dir, "%s.verify-%ld", options->index_dir, (long)getpid());
    int rc = pm_index_check_pages(options->index_dir, err);
    if (rc == PM_OK) rc = pm_index_open(options->index_dir, &index, err);
    if (rc == PM_OK) rc = pm_snapshot_open(index, &snap, err);
    if (rc == PM_OK) rc = tell_gaps(options, snap, err);
    if (rc == PM_OK) rc = pm_tables_check(&snap->tables, snap->txn, err);
    if (rc == PM_OK && against_log) rc = pm_rebuild_remove(fresh.dir, err); /* of a process of the same id */
    if (rc == PM_OK && against_log) rc = replay_beside(options, snap, &fresh, err);
    if (rc == PM_OK) {
        pm_kv_read_ahead(snap->kv, true);
        rc = verify_views(snap, fresh.snap, each, arg, err);
    }
    pm_snapshot_close(fresh.snap);
    pm_kv_close(fresh.kv);
    if (against_log && pm_rebuild_remove(fresh.dir, NULL) != PM_OK && options->warn)
        options->warn(options->arg, "could not remove the replay beside the index");
    pm_snapshot_close(snap);
    pm_index_close(index);
    return rc;
}
