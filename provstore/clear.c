/* clear.c: which results of a store would be deleted, who used them, and why some of them are kept (clear.h). Called by
 * one of the walk's threads at a time (store.h). */
#include "provstore/clear.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/time.h"
#include "provstore/below.h"
#include "provstore/pending.h"
#include "provstore/trash.h"

#define NONE ((struct pm_slice){NULL, 0})

const char *pm_clear_action_name(enum pm_clear_action action)
{
    static const char *const names[] = {"delete", "finish", "keep", "deleted", "finished", "gone", "changed", "failed"};
    return names[action];
}

/* ---- what lies at a place ---- */

bool pm_clear_is_own(const char *name)
{
    static const char *const names[] = {"metadata.json", "result.json", "manifest.json", "error_details.arrow"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0) return true;
    return strncmp(name, "artifact_", 9) == 0;
}

static int64_t us_of(struct timespec time) { return (int64_t)time.tv_sec * 1000000 + time.tv_nsec / 1000; }

/* Sums do not depend on the order of a directory. */
static void add(struct pm_clear_look *look, const char *name, const struct stat *st)
{
    struct pm_buf text = {0};
    pm_buf_printf(&text, "%s/%llu/%lld/%lld.%09ld", name, (unsigned long long)st->st_ino, (long long)st->st_size,
                  (long long)st->st_mtim.tv_sec, st->st_mtim.tv_nsec);
    struct pm_hash128 hash = pm_hash128(pm_buf_slice(&text));
    pm_buf_release(&text);
    look->version.hi += hash.hi;
    look->version.lo += hash.lo;
    look->files++;
    look->bytes += (uint64_t)st->st_size;
}

static void take_times(struct pm_clear_look *look, const struct stat *st)
{
    if (us_of(st->st_mtim) > look->written_us) look->written_us = us_of(st->st_mtim);
    if (us_of(st->st_ctim) > look->touched_us) look->touched_us = us_of(st->st_ctim);
}

static int look_at_entries(DIR *dir, struct pm_clear_look *look)
{
    for (struct dirent *entry; (entry = pm_below_next(dir)) != NULL;) {
        struct stat st;
        if (fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0) return -1;
        take_times(look, &st);
        add(look, entry->d_name, &st);
        if (look->has_foreign || (S_ISREG(st.st_mode) && pm_clear_is_own(entry->d_name))) continue;
        look->has_foreign = true;
        snprintf(look->foreign, sizeof look->foreign, "%s", entry->d_name);
    }
    return errno ? -1 : 0;
}

int pm_clear_look(int fd, struct pm_clear_look *ret)
{
    struct pm_clear_look look = {.written_us = INT64_MIN, .touched_us = INT64_MIN};
    struct stat st;
    if (fstat(fd, &st) != 0) return -1;
    take_times(&look, &st);
    look.is_file = !S_ISDIR(st.st_mode);
    if (look.is_file) {
        add(&look, "", &st);
        *ret = look;
        return 0;
    }
    DIR *dir = pm_below_list(fd, PM_SLICE(""));
    if (!dir) return -1;
    int rc = look_at_entries(dir, &look), number = errno;
    closedir(dir);
    errno = number;
    struct stat self = {.st_ino = st.st_ino}; /* the directory itself, without its time: a rename changes that */
    uint64_t files = look.files, bytes = look.bytes;
    add(&look, "/", &self);
    look.files = files;
    look.bytes = bytes;
    if (rc == 0) *ret = look;
    return rc;
}

int pm_clear_open(int root_fd, struct pm_slice path, int *ret_parent, int *ret_fd, struct pm_error *err)
{
    char name[PM_NAME_BYTES_MAX + 1];
    int parent = pm_below_parent(root_fd, path, name);
    int fd = parent < 0 ? -1 : openat(parent, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    struct stat st;
    int number = fd >= 0 && fstat(fd, &st) == 0 ? 0 : errno;
    if (!number && !S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode)) number = ELOOP;
    if (!number) {
        if (ret_parent) *ret_parent = parent;
        else close(parent);
        *ret_fd = fd;
        return PM_OK;
    }
    if (parent >= 0) close(parent);
    if (fd >= 0) close(fd);
    if (number == ENOENT) return pm_error_set(err, PM_ENOTFOUND, "not there any more");
    if (number == ELOOP || number == ENOTDIR || number == ENXIO)
        return pm_error_set(err, PM_EINVALID, "something else lies there: no directory, or a symbolic link");
    return pm_error_set(err, PM_EIO, "could not be opened: %s", pm_error_system(number));
}

/* ---- the plan ---- */

struct planning {
    const struct pm_clear_options *options;
    struct pm_clear *plan;
    struct pm_arena scratch;
    uint32_t *job_of; /* by the index's number: 1 + place in plan->jobs; 0: not met */
    size_t n_job_of;
    int64_t started_us, now_us;
};

/* `path` must live as long as the plan, or be replaced. */
static struct pm_clear_item *new_item(struct planning *run, struct pm_slice path)
{
    struct pm_clear *plan = run->plan;
    if (plan->n_items == plan->room_items) {
        plan->room_items = plan->room_items ? 2 * plan->room_items : 256;
        plan->items = pm_realloc(plan->items, plan->room_items * sizeof *plan->items);
    }
    struct pm_clear_item *item = &plan->items[plan->n_items++];
    *item = (struct pm_clear_item){
        .path = path, .kind = -1, .state = -1, .at = INT64_MIN, .last_used_at = INT64_MIN, .first_use = plan->n_uses};
    return item;
}

static struct pm_slice PM_PRINTF(2, 3) say(struct pm_clear *plan, const char *fmt, ...)
{
    char text[PM_ERROR_TEXT_MAX];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    return pm_arena_copy(&plan->arena, pm_slice_cstr(text));
}

static void set(struct pm_clear_item *item, enum pm_clear_action action, struct pm_slice reason)
{
    if (item->reason.ptr) return; /* the first one says enough */
    item->action = action;
    item->reason = reason;
}

/* ---- who used it ---- */

static bool is_live(const struct planning *run, const struct pm_job *job)
{
    int64_t silent_before = run->options->silent_before;
    if (job->status >= 0 && job->status != PM_STATUS_PENDING && job->status != PM_STATUS_RUNNING) return false;
    if (silent_before == INT64_MIN && job->status < 0) silent_before = run->now_us - PM_CLEAR_SILENT_US;
    return job->last_at >= silent_before;
}

static int job_place(struct planning *run, uint32_t number, uint32_t *ret, struct pm_error *err)
{
    struct pm_clear *plan = run->plan;
    struct pm_job job;
    PM_CHECK(number < run->n_job_of);
    if (!run->job_of[number]) {
        PM_TRY(pm_job_get(run->options->snap, number, &run->scratch, &job, err));
        plan->jobs[plan->n_jobs] = (struct pm_clear_job){
            .job_id = pm_arena_copy(&plan->arena, job.job_id),
            .status = job.status < 0 ? NULL : pm_status_name((enum pm_status)job.status),
            .live = is_live(run, &job)};
        run->job_of[number] = (uint32_t)++plan->n_jobs;
    }
    *ret = run->job_of[number] - 1;
    return PM_OK;
}

static int add_use(struct planning *run, struct pm_clear_item *item, const struct pm_pair *pair, struct pm_error *err)
{
    struct pm_clear *plan = run->plan;
    const unsigned uses = 1u << PM_ROLE_COMPUTED | 1u << PM_ROLE_REUSED | 1u << PM_ROLE_EXPECTED;
    struct pm_clear_use use = {.role = pm_pair_shown(pair), .at = pair->at[pm_pair_shown(pair)]};
    PM_TRY(job_place(run, pair->job, &use.job, err));
    use.hurt = plan->jobs[use.job].live && (pair->roles & uses);
    for (int role = 0; role < PM_ROLE_COUNT; role++)
        if ((pair->roles >> role & 1) && pair->at[role] > item->last_used_at) item->last_used_at = pair->at[role];
    if (plan->n_uses == plan->room_uses) {
        plan->room_uses = plan->room_uses ? 2 * plan->room_uses : 256;
        plan->uses = pm_realloc(plan->uses, plan->room_uses * sizeof *plan->uses);
    }
    plan->uses[plan->n_uses++] = use;
    item->n_uses++;
    return PM_OK;
}

static int ask_index(struct planning *run, struct pm_clear_item *item, struct pm_error *err)
{
    uint64_t number;
    struct pm_pair *pairs;
    size_t n;
    if (!run->options->snap) return PM_OK;
    pm_arena_reset(&run->scratch);
    int rc = pm_result_find(run->options->snap, item->path, &number, err);
    if (rc == PM_ENOTFOUND) return PM_OK;
    PM_TRY(rc);
    PM_TRY(pm_pairs_of_result(run->options->snap, number, &run->scratch, &pairs, &n, err));
    for (size_t i = 0; i < n; i++) PM_TRY(add_use(run, item, &pairs[i], err));
    return PM_OK;
}

/* ---- is it selected ---- */

/* What the walk told is enough for these. */
static bool is_selected(const struct pm_clear_select *select, const struct pm_stored *stored)
{
    const struct pm_event *ev = &stored->facts;
    if (select->kind >= 0 && (!(ev->has & PM_HAS(kind)) || (int)ev->kind != select->kind)) return false;
    if (select->state >= 0 && (int)stored->state != select->state) return false;
    if (select->path_prefix && !pm_slice_starts(stored->path, pm_slice_cstr(select->path_prefix))) return false;
    if (select->bundle.ptr &&
        (!(ev->has & PM_HAS(bundle_digest)) || !pm_slice_starts(ev->bundle_digest, select->bundle)))
        return false;
    return !select->schema || ((ev->has & PM_HAS(schema)) && pm_slice_is(ev->schema, select->schema)) ||
           (stored->layout && pm_slice_is(stored->layout->id, select->schema));
}

static bool is_old_and_unused(const struct planning *run, const struct pm_clear_item *item)
{
    const struct pm_clear_select *select = &run->options->select;
    uint64_t jobs = 0, reuses = 0;
    for (size_t i = 0; i < item->n_uses; i++) {
        enum pm_role role = run->plan->uses[item->first_use + i].role;
        jobs += role == PM_ROLE_COMPUTED || role == PM_ROLE_REUSED;
        reuses += role == PM_ROLE_REUSED;
    }
    return item->at < select->stored_before && item->at < select->used_before &&
           item->last_used_at < select->used_before && jobs <= select->jobs_max && reuses <= select->reuses_max;
}

static int by_path(const void *a, const void *b)
{
    return pm_slice_cmp(((const struct pm_clear_planned *)a)->path, ((const struct pm_clear_planned *)b)->path);
}

static const struct pm_clear_planned *find_planned(const struct pm_clear_select *select, struct pm_slice path)
{
    struct pm_clear_planned key = {.path = path};
    return select->n_planned ? bsearch(&key, select->plan, select->n_planned, sizeof key, by_path) : NULL;
}

/* ---- what speaks against it ---- */

static void keep_used(struct planning *run, struct pm_clear_item *item)
{
    const struct pm_clear *plan = run->plan;
    size_t hurt = 0;
    const struct pm_clear_job *first = NULL;
    for (size_t i = 0; i < item->n_uses; i++) {
        const struct pm_clear_use *use = &plan->uses[item->first_use + i];
        if (use->hurt && !hurt++) first = &plan->jobs[use->job];
    }
    if (!hurt || run->options->in_use) return;
    char more[48] = "";
    if (hurt > 1) snprintf(more, sizeof more, ", and %zu more", hurt - 1);
    set(item, PM_CLEAR_KEEP,
        say(run->plan, "in use: %.*s %s%s", PM_SLICE_ARG(first->job_id),
            first->status ? "has not ended" : "has told something lately and no end", more));
}

/* A result that is half-written may have a writer; a put says in its directory's name who it is (pending.h). */
static bool may_have_writer(const struct planning *run, const struct pm_clear_item *item,
                            const struct pm_clear_look *look)
{
    char name[PM_NAME_BYTES_MAX + 1];
    if (item->state != PM_STORED_HALF || run->options->in_use) return false;
    if (pm_below_name(item->path, name) == 0 && pm_pending_is(name))
        return !pm_pending_is_left(name) && look->written_us > run->now_us - PM_PENDING_AGE_US;
    return look->written_us > run->now_us - PM_CLEAR_YOUNG_US;
}

static void keep_what_must_be(struct planning *run, struct pm_clear_item *item, const struct pm_clear_look *look,
                              const struct pm_clear_planned *planned)
{
    struct pm_clear *plan = run->plan;
    bool other = planned && (planned->version.hi != look->version.hi || planned->version.lo != look->version.lo);
    if (look->has_foreign)
        set(item, PM_CLEAR_KEEP, say(plan, "it holds \"%s\", which belongs to no result", look->foreign));
    if (other) set(item, PM_CLEAR_CHANGED, say(plan, "changed since the plan"));
    if (look->touched_us > run->started_us) set(item, PM_CLEAR_KEEP, say(plan, "changed while the store was read"));
    if (may_have_writer(run, item, look))
        set(item, PM_CLEAR_KEEP, say(plan, "half-written, and not long ago: its writer may be at work"));
    keep_used(run, item);
}

/* ---- what the walk finds ---- */

static void take_facts(struct pm_clear_item *item, const struct pm_stored *stored)
{
    item->state = (int)stored->state;
    if (stored->facts.has & PM_HAS(kind)) item->kind = (int)stored->facts.kind;
    if (stored->facts.has & PM_HAS(occurred_at)) item->at = stored->facts.occurred_at;
    if (stored->layout) item->layout = stored->layout->id;
}

/* Until here its texts are the walk's. */
static void keep_texts(struct planning *run, struct pm_clear_item *item, const struct pm_stored *stored)
{
    struct pm_arena *arena = &run->plan->arena;
    const struct pm_clear_item *before = item > run->plan->items ? item - 1 : NULL;
    item->path = pm_arena_copy(arena, stored->path);
    if (!(stored->facts.has & PM_HAS(bundle_digest))) return;
    bool same = before && pm_slice_eq(before->bundle_digest, stored->facts.bundle_digest); /* neighbours share theirs */
    item->bundle_digest = same ? before->bundle_digest : pm_arena_copy(arena, stored->facts.bundle_digest);
}

static int open_and_look(const struct pm_clear *plan, struct pm_slice path, struct pm_clear_look *ret,
                         struct pm_error *err)
{
    int fd;
    PM_TRY(pm_clear_open(plan->root_fd, path, NULL, &fd, err));
    int rc = pm_clear_look(fd, ret), number = errno;
    close(fd);
    return rc == 0 ? PM_OK : pm_error_set(err, PM_EIO, "could not be read: %s", pm_error_system(number));
}

/* What it is, who used it, and what speaks against it; *ret_wanted is false when it turns out not to be selected. */
static int fill(struct planning *run, struct pm_clear_item *item, const struct pm_stored *stored,
                const struct pm_clear_planned *planned, bool *ret_wanted, struct pm_error *err)
{
    struct pm_clear_look look = {.written_us = INT64_MIN};
    struct pm_error why;
    take_facts(item, stored);
    PM_TRY(ask_index(run, item, err));
    *ret_wanted = item->at == INT64_MIN || is_old_and_unused(run, item);
    if (!*ret_wanted) return PM_OK;
    int rc = open_and_look(run->plan, item->path, &look, &why);
    if (item->at == INT64_MIN) item->at = look.written_us; /* half-written: no file tells */
    *ret_wanted = is_old_and_unused(run, item);
    if (!*ret_wanted) return PM_OK;
    keep_texts(run, item, stored);
    if (rc != PM_OK) {
        set(item, rc == PM_ENOTFOUND ? PM_CLEAR_GONE : PM_CLEAR_FAILED, say(run->plan, "%s", why.text));
        return PM_OK;
    }
    item->files = look.files;
    item->bytes = look.bytes;
    item->version = look.version;
    keep_what_must_be(run, item, &look, planned);
    return PM_OK;
}

static int take_result(void *arg, const struct pm_stored *stored, struct pm_error *err)
{
    struct planning *run = arg;
    const struct pm_clear_select *select = &run->options->select;
    struct pm_clear *plan = run->plan;
    const struct pm_clear_planned *planned = find_planned(select, stored->path);
    bool wanted;
    if ((select->plan && !planned) || !is_selected(select, stored)) return PM_OK;
    struct pm_clear_item *item = new_item(run, stored->path);
    PM_TRY(fill(run, item, stored, planned, &wanted, err));
    if (wanted) return PM_OK;
    plan->n_uses = item->first_use;
    plan->n_items--;
    return PM_OK;
}

/* Whatever is selected: it was deleted already, and only the end of that is missing. */
static int take_half_deleted(void *arg, struct pm_slice trash, struct pm_error *err)
{
    struct planning *run = arg;
    struct pm_slice last = pm_below_last(trash), name;
    struct pm_clear_look look;
    int fd = -1;
    int64_t at;
    (void)err;
    if (!pm_trash_parse(last, &name, &at)) return PM_OK;
    char *path = pm_arena_printf(&run->plan->arena, "%.*s%.*s", (int)(trash.len - last.len), trash.ptr,
                                 PM_SLICE_ARG(name));
    struct pm_clear_item *item = new_item(run, pm_slice_cstr(path));
    set(item, PM_CLEAR_FINISH, say(run->plan, "half-deleted by a run that did not end"));
    item->deleted_at = at;
    if (pm_clear_open(run->plan->root_fd, trash, NULL, &fd, NULL) == PM_OK && pm_clear_look(fd, &look) == 0) {
        item->files = look.files;
        item->bytes = look.bytes;
    }
    if (fd >= 0) close(fd);
    return PM_OK;
}

static int take_finding(void *arg, const struct pm_finding *finding, struct pm_error *err)
{
    struct planning *run = arg;
    struct pm_slice prefix = pm_slice_cstr(run->options->select.path_prefix ? run->options->select.path_prefix : "");
    (void)err;
    if (!pm_slice_starts(finding->path, prefix) && !pm_slice_starts(prefix, finding->path)) return PM_OK;
    if (strcmp(finding->code, "unreadable") != 0 || finding->what.len) return PM_OK; /* of a file of a result */
    run->plan->unreadable++;
    if (run->options->unreadable) run->options->unreadable(run->options->arg, finding->path, finding->detail);
    return PM_OK;
}

/* ---- all of it ---- */

static int item_by_path(const void *a, const void *b)
{
    const struct pm_clear_item *x = a, *y = b;
    int c = pm_slice_cmp(x->path, y->path);
    return c ? c : (x->deleted_at > y->deleted_at) - (x->deleted_at < y->deleted_at);
}

/* Planned once, and not there any more. */
static void add_missing(struct planning *run)
{
    const struct pm_clear_select *select = &run->options->select;
    struct pm_clear *plan = run->plan;
    size_t n = plan->n_items, at = 0;
    for (size_t i = 0; i < select->n_planned; i++) {
        while (at < n && pm_slice_cmp(plan->items[at].path, select->plan[i].path) < 0) at++;
        if (at < n && pm_slice_eq(plan->items[at].path, select->plan[i].path)) continue;
        struct pm_clear_item *item = new_item(run, select->plan[i].path);
        set(item, PM_CLEAR_GONE, say(plan, "in the plan, and not (or not any more) in the store and selected"));
    }
}

static int plan_all(struct planning *run, struct pm_error *err)
{
    const struct pm_clear_options *options = run->options;
    struct pm_clear *plan = run->plan;
    struct pm_store_walk walk = options->walk;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME_COARSE, &now); /* the clock of files' times */
    run->started_us = us_of(now);
    run->now_us = pm_time_now_us();
    if (options->select.n_planned)
        qsort(options->select.plan, options->select.n_planned, sizeof *options->select.plan, by_path);
    plan->root_fd = open(walk.root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (plan->root_fd < 0)
        return pm_error_set(err, PM_EUSAGE, "could not open the store \"%s\": %s", walk.root, pm_error_system(errno));
    if (options->snap) {
        run->n_job_of = pm_job_count(options->snap);
        run->job_of = pm_calloc(run->n_job_of + 1, sizeof *run->job_of);
        plan->jobs = pm_calloc(run->n_job_of + 1, sizeof *plan->jobs);
    }
    walk.result = take_result;
    walk.half_deleted = take_half_deleted;
    walk.finding = take_finding;
    walk.arg = run;
    PM_TRY(pm_store_walk(&walk, NULL, err));
    if (plan->n_items) qsort(plan->items, plan->n_items, sizeof *plan->items, item_by_path);
    add_missing(run);
    if (plan->n_items) qsort(plan->items, plan->n_items, sizeof *plan->items, item_by_path);
    return PM_OK;
}

int pm_clear_plan(const struct pm_clear_options *options, struct pm_clear *ret, struct pm_error *err)
{
    struct pm_clear plan = {.root = options->walk.root, .root_fd = -1};
    struct planning run = {.options = options, .plan = &plan};
    int rc = plan_all(&run, err);
    free(run.job_of);
    pm_arena_release(&run.scratch);
    if (rc == PM_OK) *ret = plan;
    else pm_clear_release(&plan);
    return rc;
}

void pm_clear_release(struct pm_clear *plan)
{
    if (plan->root && plan->root_fd >= 0) close(plan->root_fd);
    free(plan->items);
    free(plan->uses);
    free(plan->jobs);
    pm_arena_release(&plan->arena);
    *plan = (struct pm_clear){.root_fd = -1};
}
