/* walk.c: the directories of a store (store.h): what an entry is, and what is told of it. Directories are opened by
 * openat without following links, from ROOT on, so that nothing that changes meanwhile leads out of it. */
#define _GNU_SOURCE /* struct dirent64 */
#include "provstore/walk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/number.h"
#include "provstore/below.h"
#include "provstore/pending.h"
#include "provstore/trash.h"

#define PROGRESS_EVERY 512

const struct pm_finding_code pm_finding_codes[] = {
    {"half_written", "a file of the result was never written"},
    {"unreadable", "a file or directory cannot be read"},
    {"malformed", "metadata.json or result.json is not what it should be"},
    {"contradiction", "metadata.json and result.json, or parameters and their id, do not agree"},
    {"artifact_missing", "result.json names an output that has no file"},
    {"artifact_size", "a file has another size than result.json says"},
    {"artifact_checksum", "a file has other bytes than result.json says"},
    {"path_mismatch", "the path does not follow from the identity under any layout"},
    {"foreign", "a file or directory that belongs to no result"},
    {"symlink", "a symbolic link; it was not followed"},
    {"bad_name", "a name with control characters or bytes that are not UTF-8"},
    {"too_deep", "directories within directories, past the limit"},
    {"half_deleted", "a deletion of it was begun and not ended"},
    {0},
};

const char *pm_stored_state_name(enum pm_stored_state state)
{
    static const char *const names[] = {"whole", "failed", "half-written", "broken"};
    return names[state];
}

/* ---- telling ---- */

bool pm_put_text(struct pm_buf *out, struct pm_slice text)
{
    bool changed = false;
    while (text.len) {
        size_t good = 0, valid = pm_utf8_valid_prefix(text);
        while (good < valid && (unsigned char)text.ptr[good] >= ' ' && text.ptr[good] != 0x7f) good++;
        pm_buf_bytes(out, text.ptr, good);
        text = pm_slice(text.ptr + good, text.len - good);
        if (!text.len) break;
        pm_buf_printf(out, "\\x%02x", (unsigned char)*text.ptr);
        text = pm_slice(text.ptr + 1, text.len - 1);
        changed = true;
    }
    return changed;
}

static void keep_error(struct pm_walk *walk, int rc)
{
    if (rc == PM_OK || walk->stopped) return;
    walk->rc = rc;
    __atomic_store_n(&walk->stopped, true, __ATOMIC_RELAXED);
    pthread_cond_broadcast(&walk->changed);
}

static struct pm_slice printable(struct pm_walker *walker, struct pm_slice text)
{
    struct pm_buf out = {0};
    pm_put_text(&out, text);
    struct pm_slice kept = pm_arena_copy(&walker->arena, pm_buf_slice(&out));
    pm_buf_release(&out);
    return kept;
}

void pm_walk_finding(struct pm_walker *walker, const char *code, struct pm_slice path, struct pm_slice what,
                     struct pm_slice found, struct pm_slice expected, const char *fmt, ...)
{
    struct pm_walk *walk = walker->walk;
    struct pm_buf detail = {0};
    char text[PM_ERROR_TEXT_MAX];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    pm_put_text(&detail, pm_slice_cstr(text));
    struct pm_finding finding = {.code = code,
                                 .path = printable(walker, path),
                                 .what = printable(walker, what),
                                 .found = found.ptr ? printable(walker, found) : found,
                                 .expected = expected.ptr ? printable(walker, expected) : expected,
                                 .detail = pm_buf_slice(&detail)};
    pthread_mutex_lock(&walk->lock);
    walk->counts.findings++;
    if (walk->options->finding && !walk->stopped)
        keep_error(walk, walk->options->finding(walk->options->arg, &finding, walk->err));
    pthread_mutex_unlock(&walk->lock);
    pm_buf_release(&detail);
}

void pm_walk_result(struct pm_walker *walker, const struct pm_stored *stored)
{
    struct pm_walk *walk = walker->walk;
    pthread_mutex_lock(&walk->lock);
    walk->counts.results++;
    if (walk->options->result && !walk->stopped)
        keep_error(walk, walk->options->result(walk->options->arg, stored, walk->err));
    if (walk->options->progress && walk->counts.results % PROGRESS_EVERY == 0)
        walk->options->progress(walk->options->progress_arg, &walk->counts);
    pthread_mutex_unlock(&walk->lock);
}

struct pm_slice pm_walk_child(struct pm_walker *walker, struct pm_slice name)
{
    struct pm_slice dir = pm_buf_slice(&walker->path);
    char *path = pm_arena_alloc(&walker->arena, dir.len + 1 + name.len);
    if (!dir.len) return pm_arena_copy(&walker->arena, name);
    memcpy(path, dir.ptr, dir.len);
    path[dir.len] = '/';
    memcpy(path + dir.len + 1, name.ptr, name.len);
    return pm_slice(path, dir.len + 1 + name.len);
}

static void tell_unreadable(struct pm_walker *walker, struct pm_slice path, int number)
{
    pm_walk_finding(walker, "unreadable", path, (struct pm_slice){NULL, 0}, (struct pm_slice){NULL, 0},
                    (struct pm_slice){NULL, 0}, "%s", pm_error_system(number));
}

static void tell(struct pm_walker *walker, const char *code, struct pm_slice path, const char *detail)
{
    struct pm_slice none = {NULL, 0};
    pm_walk_finding(walker, code, path, none, none, none, "%s", detail);
}

void pm_walk_half_deleted(struct pm_walker *walker, struct pm_slice name)
{
    struct pm_walk *walk = walker->walk;
    struct pm_slice path = pm_walk_child(walker, name);
    tell(walker, "half_deleted", path, "`provmat store clear --force` ends what was begun");
    pthread_mutex_lock(&walk->lock);
    if (walk->options->half_deleted && !walk->stopped)
        keep_error(walk, walk->options->half_deleted(walk->options->arg, path, walk->err));
    pthread_mutex_unlock(&walk->lock);
}

/* ---- directories ---- */

/* "views" right below a version: what other programs derive from results. */
static bool is_view_folder(struct pm_slice path)
{
    struct pm_slice above = pm_below_last(pm_below_above(path));
    uint64_t version;
    return pm_slice_is(pm_below_last(path), "views") && above.len > 1 && *above.ptr == 'v' &&
           pm_u64_parse(pm_slice(above.ptr + 1, above.len - 1), &version);
}

bool pm_walk_stopped(const struct pm_walk *walk)
{
    return __atomic_load_n(&walk->stopped, __ATOMIC_RELAXED) ||
           (walk->options->stop && __atomic_load_n(walk->options->stop, __ATOMIC_RELAXED));
}

static void tell_bad_name(struct pm_walker *walker, struct pm_slice name)
{
    struct pm_buf text = {0};
    if (pm_put_text(&text, name))
        tell(walker, "bad_name", pm_walk_child(walker, name), "control characters or bytes that are not UTF-8");
    pm_buf_release(&text);
}

/* A directory that a put writes to, or that one has left (pending.h): not gone into, because it changes. */
static void tell_pending(struct pm_walker *walker, const char *name)
{
    struct pm_buf text = {0};
    pm_pending_describe(name, &text);
    pm_buf_byte(&text, 0);
    struct pm_stored stored = {.path = pm_buf_slice(&walker->path),
                               .state = PM_STORED_HALF,
                               .reason = pm_slice(text.ptr, text.len - 1),
                               .n_sim_returns = -1};
    tell(walker, "half_written", stored.path, text.ptr);
    pm_walk_result(walker, &stored);
    pm_buf_release(&text);
}

int pm_walk_child_open(struct pm_walker *walker, int parent, const char *name, unsigned depth)
{
    pm_arena_reset(&walker->arena);
    tell_bad_name(walker, pm_slice_cstr(name));
    if (pm_trash_parse(pm_slice_cstr(name), NULL, NULL)) {
        pm_walk_half_deleted(walker, pm_slice_cstr(name));
        return -1;
    }
    if (walker->path.len) pm_buf_byte(&walker->path, '/');
    pm_buf_cstr(&walker->path, name);
    struct pm_slice path = pm_buf_slice(&walker->path);
    if (is_view_folder(path)) {
        __atomic_add_fetch(&walker->walk->counts.views, 1, __ATOMIC_RELAXED);
        return -1;
    }
    if (pm_pending_is(name)) {
        tell_pending(walker, name);
        return -1;
    }
    if (depth > PM_STORE_DEPTH_MAX) {
        tell(walker, "too_deep", path, "32 directories within each other are the limit");
        return -1;
    }
    int fd = openat(parent, name, PM_OPEN_DIRECTORY);
    if (fd < 0 && errno != ENOENT) tell_unreadable(walker, path, errno);
    return fd;
}

static bool starts(const char *name, const char *with) { return !strncmp(name, with, strlen(with)); }

static void look_at(struct pm_walker *walker, struct pm_walk_level *level, const struct dirent64 *entry)
{
    struct pm_slice name = pm_slice_cstr(entry->d_name);
    if (entry->d_type == DT_DIR) {
        int fd = pm_walk_child_open(walker, level->entries.fd, entry->d_name, level->depth + 1);
        if (fd >= 0) pm_walk_enter(walker, fd, level->depth + 1);
        return;
    }
    pm_arena_reset(&walker->arena);
    tell_bad_name(walker, name);
    if (entry->d_type == DT_REG && pm_trash_parse(name, NULL, NULL)) {
        pm_walk_half_deleted(walker, name);
    } else if (entry->d_type == DT_LNK) {
        tell(walker, "symlink", pm_walk_child(walker, name), "not followed");
    } else if (starts(entry->d_name, "artifact_")) {
        level->artifacts = true;
    } else {
        tell(walker, "foreign", pm_walk_child(walker, name), "a file that belongs to no result");
    }
}

/* Artifacts alone, or an empty directory where a result should be: its writer ended early. */
static void tell_half_written(struct pm_walker *walker, const struct pm_walk_level *level)
{
    struct pm_slice path = pm_buf_slice(&walker->path), name = pm_below_last(path);
    bool empty = level->n_entries == 0 &&
                 (pm_slice_starts(name, PM_SLICE("seed_")) || pm_slice_starts(name, PM_SLICE("agg_")));
    if (!level->artifacts && !empty) return;
    pm_arena_reset(&walker->arena);
    struct pm_stored stored = {.path = path,
                               .state = PM_STORED_HALF,
                               .reason = empty ? PM_SLICE("the directory is empty")
                                               : PM_SLICE("metadata.json and result.json are missing"),
                               .n_sim_returns = -1};
    tell(walker, "half_written", path, stored.reason.ptr);
    pm_walk_result(walker, &stored);
}

void pm_walk_enter(struct pm_walker *walker, int fd, unsigned depth)
{
    struct pm_walk_level *level = &walker->levels[walker->n_levels];
    __atomic_add_fetch(&walker->walk->counts.directories, 1, __ATOMIC_RELAXED);
    pm_listing_open(&level->entries, fd);
    if (pm_listing_has_either(&level->entries, "metadata.json", "result.json")) {
        pm_arena_reset(&walker->arena);
        pm_read_result(walker, &level->entries);
        close(fd);
        return;
    }
    level->path_len = walker->path.len;
    level->depth = depth;
    level->n_entries = 0;
    level->artifacts = false;
    bool shareable = pm_listing_ahead(&level->entries, DT_DIR) != NULL;
    pthread_mutex_lock(&walker->lock);
    walker->n_levels++;
    pthread_mutex_unlock(&walker->lock);
    if (shareable) pm_walk_share(walker->walk);
}

void pm_walk_step(struct pm_walker *walker)
{
    struct pm_walk_level *level = &walker->levels[walker->n_levels - 1];
    walker->path.len = level->path_len;
    pthread_mutex_lock(&walker->lock);
    size_t before = level->entries.at;
    const struct dirent64 *entry = pm_listing_next(&level->entries);
    bool taken = entry && entry->d_type == PM_TAKEN, next_piece = level->entries.at < before;
    if (!entry) walker->n_levels--;
    pthread_mutex_unlock(&walker->lock);
    if (next_piece) pm_walk_share(walker->walk);
    if (entry) {
        level->n_entries++;
        if (!taken) look_at(walker, level, entry);
        return;
    }
    close(level->entries.fd);
    if (level->entries.error) tell_unreadable(walker, pm_buf_slice(&walker->path), level->entries.error);
    else tell_half_written(walker, level);
}

bool pm_store_holds(const char *root, struct pm_slice path)
{
    char name[PM_NAME_BYTES_MAX + 1];
    struct stat st;
    int top = open(root, PM_OPEN_DIRECTORY & ~O_NOFOLLOW), fd = top < 0 ? -1 : pm_below_parent(top, path, name);
    bool held = fd >= 0 && fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISLNK(st.st_mode);
    if (fd >= 0) close(fd);
    if (top >= 0) close(top);
    return held;
}

/* One result alone: its directory, or the file of a cache in its directory. */
static int run_only(struct pm_walker *walker, int root, const char *only, struct pm_error *err)
{
    struct pm_walk *walk = walker->walk;
    struct pm_listing *entries = &walker->levels[0].entries;
    struct pm_slice path = pm_slice_cstr(only);
    int fd = pm_below_open(root, path);
    if (fd < 0 && errno == ENOTDIR && memchr(only, '/', path.len)) {
        walker->only_name = pm_below_last(path);
        path = pm_below_above(path);
        fd = pm_below_open(root, path);
    }
    if (fd < 0)
        return pm_error_set(err, PM_ENOTFOUND, "no result \"%s\" in \"%s\": %s", only, walk->options->root,
                            pm_error_system(errno));
    pm_buf_slice_add(&walker->path, path);
    pm_listing_open(entries, fd);
    if (pm_listing_has_either(entries, "metadata.json", "result.json")) pm_read_result(walker, entries);
    close(fd);
    if (walk->counts.results || walk->rc != PM_OK) return walk->rc;
    return pm_error_set(err, PM_ENOTFOUND,
                        "\"%s\" in \"%s\" is no result: it has neither metadata.json nor result.json", only,
                        walk->options->root);
}

static int walk_only(struct pm_walk *walk, int root, const char *only, struct pm_error *err)
{
    struct pm_walker *walker = pm_malloc(sizeof *walker);
    pm_walker_init(walker, walk);
    int rc = run_only(walker, root, only, err);
    pm_walker_release(walker);
    close(root);
    free(walker);
    return rc;
}

int pm_store_walk(const struct pm_store_walk *options, struct pm_store_counts *ret_counts, struct pm_error *err)
{
    struct pm_walk walk = {.options = options, .err = err, .rc = PM_OK};
    int root = open(options->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (root < 0)
        return pm_error_set(err, PM_EUSAGE, "could not open the store \"%s\": %s", options->root,
                            pm_error_system(errno));
    pthread_mutex_init(&walk.lock, NULL);
    pthread_cond_init(&walk.changed, NULL);
    int rc = PM_OK;
    if (options->only) rc = walk_only(&walk, root, options->only, err);
    else pm_walk_all(&walk, root);
    pthread_cond_destroy(&walk.changed);
    pthread_mutex_destroy(&walk.lock);
    if (rc == PM_OK) rc = walk.rc;
    if (rc == PM_OK && ret_counts) *ret_counts = walk.counts;
    return rc;
}
