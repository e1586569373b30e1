/* find.c: names as people type them: the whole name, or a prefix that only one has. */
#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/nearest.h"
#include "query/reading.h"

#define NEAREST_JOBS_MAX 20000 /* more are not compared for a "did you mean" */

static void note(const struct pm_query *question, const char *fmt, ...) PM_PRINTF(2, 3);
static void note(const struct pm_query *question, const char *fmt, ...)
{
    char text[PM_PATH_BYTES_MAX + 64];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (question->note) question->note(question->arg, text);
}

static int not_empty(const char *what, const char *name, struct pm_error *err)
{
    if (*name) return PM_OK;
    return pm_error_set(err, PM_EUSAGE, "the name of a %s is empty", what);
}

static int ambiguous(const struct pm_query *question, const char *what, const char *name, const struct pm_slice *shown,
                     size_t n_shown, uint64_t n, struct pm_error *err)
{
    for (size_t i = 0; i < n_shown; i++) note(question, "  %.*s", PM_SLICE_ARG(shown[i]));
    if (n > n_shown) note(question, "  and %llu more", (unsigned long long)(n - n_shown));
    return pm_error_set(err, PM_EUSAGE, "\"%s\" is ambiguous: %llu %ss begin so; write more of it", name,
                        (unsigned long long)n, what);
}

static int unknown(const char *what, const char *name, struct pm_slice near, struct pm_error *err)
{
    if (!near.len) return pm_error_set(err, PM_ENOTFOUND, "no %s \"%s\" in the index", what, name);
    return pm_error_set(err, PM_ENOTFOUND, "no %s \"%s\" in the index; did you mean \"%.*s\"?", what, name,
                        PM_SLICE_ARG(near));
}

/* ---- jobs ---- */
static int nearest_job(struct pm_reading *reading, struct pm_slice name, struct pm_slice *ret, struct pm_error *err)
{
    uint32_t count = pm_job_count(reading->snap);
    unsigned best = ~0u;
    for (uint32_t job = 0; job < count && count <= NEAREST_JOBS_MAX; job++) {
        struct pm_slice job_id;
        PM_TRY(pm_job_id(reading->snap, job, &job_id, err));
        size_t apart = job_id.len > name.len ? job_id.len - name.len
                                             : name.len - job_id.len; /* the distance is at least this */
        if (!pm_text_near(name, (unsigned)apart)) continue;
        unsigned distance = pm_text_distance(name, job_id);
        if (!pm_text_near(name, distance)) continue;
        if (distance < best || (distance == best && pm_slice_cmp(job_id, *ret) < 0)) {
            best = distance;
            *ret = job_id;
        }
    }
    return PM_OK;
}

int pm_find_job(struct pm_reading *reading, const struct pm_query *question, const char *name, uint32_t *ret,
                struct pm_error *err)
{
    PM_TRY(not_empty("job", name, err));
    struct pm_slice typed = pm_slice_cstr(name);
    int rc = pm_job_find(reading->snap, typed, ret, err);
    if (rc != PM_ENOTFOUND) return rc;
    struct pm_slice *begin;
    size_t n;
    PM_TRY(
        pm_job_prefix(reading->snap, typed, (size_t)pm_job_count(reading->snap) + 1, &reading->arena, &begin, &n, err));
    if (n == 1) {
        rc = pm_job_find(reading->snap, begin[0], ret, err);
        return rc == PM_ENOTFOUND
                   ? pm_error_set(err, PM_ECORRUPT, "job \"%.*s\" has a name and no row", PM_SLICE_ARG(begin[0]))
                   : rc;
    }
    if (n > 1)
        return ambiguous(question, "job", name, begin, n < PM_CANDIDATES_SHOWN ? n : PM_CANDIDATES_SHOWN, n, err);
    struct pm_slice near = {0};
    PM_TRY(nearest_job(reading, typed, &near, err));
    return unknown("job", name, near, err);
}

/* ---- results: a path is found by its hash; only a prefix needs the scan ---- */
struct scan {
    struct pm_slice typed;
    struct pm_arena *arena;
    uint64_t n, number;                         /* results that begin so; the last one met */
    struct pm_slice first[PM_CANDIDATES_SHOWN]; /* the smallest of them, in order */
    size_t n_first;
    struct pm_buf near; /* the path that shares the longest beginning with what was typed */
    size_t near_shared;
};

static void keep_smallest(struct scan *scan, struct pm_slice path)
{
    size_t at = scan->n_first;
    while (at > 0 && pm_slice_cmp(path, scan->first[at - 1]) < 0) at--;
    if (at == PM_CANDIDATES_SHOWN) return;
    size_t moved = scan->n_first - at;
    if (scan->n_first < PM_CANDIDATES_SHOWN) scan->n_first++;
    else moved--;
    memmove(&scan->first[at + 1], &scan->first[at], moved * sizeof *scan->first);
    scan->first[at] = pm_arena_copy(scan->arena, path);
}

static int each_path(void *arg, const struct pm_result *result, struct pm_error *err)
{
    (void)err;
    struct scan *scan = arg;
    if (pm_slice_starts(result->path, scan->typed)) {
        scan->n++;
        scan->number = result->number;
        keep_smallest(scan, result->path);
        return PM_OK;
    }
    if (scan->n) return PM_OK;
    size_t shared = 0, max = result->path.len < scan->typed.len ? result->path.len : scan->typed.len;
    while (shared < max && result->path.ptr[shared] == scan->typed.ptr[shared]) shared++;
    if (shared < scan->near_shared || shared == 0) return PM_OK;
    if (shared == scan->near_shared && pm_slice_cmp(result->path, pm_buf_slice(&scan->near)) >= 0) return PM_OK;
    scan->near_shared = shared;
    pm_buf_clear(&scan->near);
    pm_buf_slice_add(&scan->near, result->path);
    return PM_OK;
}

int pm_find_result(struct pm_reading *reading, const struct pm_query *question, const char *name, uint64_t *ret,
                   struct pm_error *err)
{
    PM_TRY(not_empty("result", name, err));
    struct scan scan = {.typed = pm_slice_cstr(name), .arena = &reading->arena};
    int rc = pm_result_find(reading->snap, scan.typed, ret, err);
    if (rc != PM_ENOTFOUND) return rc;
    rc = pm_results_each(reading->snap, each_path, &scan, err);
    if (rc == PM_OK && scan.n == 1) *ret = scan.number;
    else if (rc == PM_OK && scan.n > 1) rc = ambiguous(question, "result", name, scan.first, scan.n_first, scan.n, err);
    else if (rc == PM_OK) {
        struct pm_slice near = pm_buf_slice(&scan.near);
        bool tell = near.len && scan.near_shared >= 4 && pm_text_near(scan.typed, pm_text_distance(scan.typed, near));
        rc = unknown("result", name, tell ? near : (struct pm_slice){0}, err);
    }
    pm_buf_release(&scan.near);
    return rc;
}
