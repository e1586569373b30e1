/* read_result.c: one directory that holds a result, or (caches) a result a file (walk.h). Reads the JSON files, takes
 * the identity out of them, compares what can be compared, and tells. */
#define _GNU_SOURCE /* struct dirent64 */
#include "provstore/walk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/number.h"
#include "common/base/time.h"
#include "common/event/identity.h"
#include "common/event/ids.h"
#include "provstore/artifact.h"
#include "provstore/below.h"
#include "provstore/trash.h"

#define FILES_MAX ((size_t)4 * PM_OUTPUTS_MAX) /* remembered by name; the others are only counted */

#define ZIP_END_BYTES 22                    /* its last record, where it has no comment */
#define JSON_BYTES_USUAL ((size_t)8 * 1024) /* most files are smaller */

struct file {
    struct pm_slice name; /* ends with a zero */
    int64_t size;         /* of metadata.json and result.json known when they have been read */
    bool named;           /* result.json speaks of it */
};

struct directory {
    struct pm_walker *walker;
    struct pm_listing *entries;
    int fd;
    struct pm_slice path;
    struct file *files; /* artifacts, or the entries of a cache */
    size_t n_files, room;
    struct file metadata, result, manifest; /* name.ptr NULL: not there */
    bool vanished;                          /* one of the three was listed, and then not there */
    uint64_t count, bytes;                  /* of files that belong to the result */
    struct pm_stored *stored;
    struct pm_result_texts texts;
};

#define NONE ((struct pm_slice){NULL, 0})

static void find_wrong(struct directory *dir, const char *code, struct pm_slice what, struct pm_slice found,
                       struct pm_slice expected, const char *detail)
{
    struct pm_stored *stored = dir->stored;
    pm_walk_finding(dir->walker, code, dir->path, what, found, expected, "%s", detail);
    if (stored->reason.ptr) return;
    stored->reason = pm_slice_cstr(
        pm_arena_printf(&dir->walker->arena, "%s%s%.*s: %s", code, what.len ? ": " : "", PM_SLICE_ARG(what), detail));
    if (strcmp(code, "path_mismatch") != 0) stored->state = PM_STORED_BROKEN;
}

/* While it is read, somebody may delete it: what is missing then is not wrong. */
static bool is_still_there(const struct directory *dir)
{
    return pm_store_holds(dir->walker->walk->options->root, dir->path);
}

static struct pm_slice number(struct pm_walker *walker, int64_t value)
{
    char *digits = pm_arena_alloc(&walker->arena, PM_INTEGER_TEXT_SIZE);
    return pm_slice(digits, pm_i64_format(value, digits));
}

/* ---- what lies in the directory ---- */

static bool is_cache_entry(struct pm_slice name)
{
    struct pm_slice suffix = PM_SLICE(".mops"), digits = name;
    uint64_t seed;
    if (pm_slice_starts(name, PM_SLICE("seed_"))) digits = pm_slice(name.ptr + 5, name.len - 5);
    else if (name.len > suffix.len && !memcmp(name.ptr + name.len - suffix.len, suffix.ptr, suffix.len))
        digits.len -= suffix.len;
    else return false;
    return pm_u64_parse(digits, &seed);
}

static void remember(struct directory *dir, const struct file *file)
{
    if (dir->n_files == FILES_MAX) return;
    if (dir->n_files == dir->room) {
        dir->room = dir->room ? 2 * dir->room : 8;
        struct file *larger = pm_arena_alloc(&dir->walker->arena, dir->room * sizeof *larger);
        if (dir->n_files) memcpy(larger, dir->files, dir->n_files * sizeof *larger);
        dir->files = larger;
    }
    dir->files[dir->n_files++] = *file;
}

static void find_beside(struct directory *dir, const char *code, struct pm_slice name, const char *detail)
{
    pm_walk_finding(dir->walker, code, pm_walk_child(dir->walker, name), NONE, NONE, NONE, "%s", detail);
}

/* False, and told unless it is gone: it cannot be looked at. */
static bool look_at(struct directory *dir, struct pm_slice name, struct stat *ret)
{
    if (fstatat(dir->fd, name.ptr, ret, AT_SYMLINK_NOFOLLOW) == 0) return true;
    if (errno != ENOENT) find_beside(dir, "unreadable", name, pm_error_system(errno));
    return false;
}

static void take_file(struct directory *dir, struct file *file)
{
    bool artifact = pm_slice_starts(file->name, PM_SLICE("artifact_"));
    struct stat st;
    struct file *json = pm_slice_is(file->name, "metadata.json")   ? &dir->metadata
                        : pm_slice_is(file->name, "result.json")   ? &dir->result
                        : pm_slice_is(file->name, "manifest.json") ? &dir->manifest
                                                                   : NULL;
    if (json) { /* its size shows when it is read */
        *json = *file;
        dir->count++;
    } else if (artifact || pm_slice_is(file->name, "error_details.arrow") || is_cache_entry(file->name)) {
        if (!look_at(dir, file->name, &st)) return;
        file->size = st.st_size;
        dir->stored->artifacts += artifact;
        dir->count++;
        dir->bytes += (uint64_t)file->size;
        remember(dir, file);
    } else if (pm_trash_parse(file->name, NULL, NULL)) { /* of a cache */
        pm_walk_half_deleted(dir->walker, file->name);
    } else {
        find_beside(dir, "foreign", file->name, "a file that belongs to no result");
    }
}

static void list_entry(struct directory *dir, const struct dirent64 *entry)
{
    struct file file = {.name = pm_slice_cstr(pm_arena_cstr(&dir->walker->arena, pm_slice_cstr(entry->d_name)))};
    struct pm_buf text = {0};
    if (pm_put_text(&text, file.name))
        find_beside(dir, "bad_name", file.name, "control characters or bytes that are not UTF-8");
    pm_buf_release(&text);
    if (entry->d_type == DT_REG) take_file(dir, &file);
    else if (entry->d_type == DT_LNK) find_beside(dir, "symlink", file.name, "not followed");
    else if (entry->d_type == DT_DIR) find_beside(dir, "foreign", file.name, "a directory within a result");
    else if (entry->d_type != DT_UNKNOWN) find_beside(dir, "foreign", file.name, "no regular file within a result");
}

static void list(struct directory *dir)
{
    for (const struct dirent64 *entry; (entry = pm_listing_next(dir->entries)) != NULL;) list_entry(dir, entry);
    if (dir->entries->error)
        pm_walk_finding(dir->walker, "unreadable", dir->path, NONE, NONE, NONE, "%s",
                        pm_error_system(dir->entries->error));
}

/* ---- the JSON files ---- */

/* `text` holds what was read of `fd` so far, `room` bytes at most; *ret_text is moved where it is larger. */
static int read_rest(struct directory *dir, int fd, size_t room, struct pm_slice *ret_text, struct pm_error *err)
{
    char *text = (char *)(uintptr_t)ret_text->ptr;
    for (;;) {
        ssize_t n = read(fd, text + ret_text->len, room - ret_text->len);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return pm_error_set(err, PM_EIO, "%s", pm_error_system(errno));
        ret_text->len += (size_t)n;
        if (n == 0 || ret_text->len < room) return PM_OK; /* a file gives less than asked for at its end */
        if (room > PM_STORE_JSON_BYTES_MAX)
            return pm_error_set(err, PM_ELIMIT, "above the limit of %d bytes", PM_STORE_JSON_BYTES_MAX);
        room = 4 * room < PM_STORE_JSON_BYTES_MAX ? 4 * room : (size_t)PM_STORE_JSON_BYTES_MAX + 1;
        text = pm_arena_alloc(&dir->walker->arena, room);
        memcpy(text, ret_text->ptr, ret_text->len);
        ret_text->ptr = text;
    }
}

/* One call of the system for nearly every file. PM_ENOTFOUND: it is gone. */
static int read_text(struct directory *dir, struct file *file, struct pm_slice *ret, struct pm_error *err)
{
    struct pm_slice text = pm_slice(pm_arena_alloc(&dir->walker->arena, JSON_BYTES_USUAL), 0);
    struct stat st;
    int fd = openat(dir->fd, file->name.ptr, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC), number = errno;
    if (fd < 0 && number == ENOENT) return PM_ENOTFOUND;
    int rc = fd < 0 ? pm_error_set(err, PM_EIO, "%s", pm_error_system(number))
                    : read_rest(dir, fd, JSON_BYTES_USUAL, &text, err);
    if (fd >= 0) close(fd);
    if (rc == PM_OK) file->size = (int64_t)text.len;
    else if (fstatat(dir->fd, file->name.ptr, &st, AT_SYMLINK_NOFOLLOW) == 0) file->size = st.st_size;
    dir->bytes += (uint64_t)file->size;
    if (rc == PM_OK) *ret = text;
    return rc;
}

typedef int parse_fn(struct pm_slice text, struct pm_arena *arena, struct pm_stored *stored,
                     struct pm_result_texts *texts, struct pm_error *err);

static int parse_manifest(struct pm_slice text, struct pm_arena *arena, struct pm_stored *stored,
                          struct pm_result_texts *texts, struct pm_error *err)
{
    (void)stored;
    return pm_manifest_read(text, arena, texts, err);
}

static void read_json(struct directory *dir, struct file *file, parse_fn *parse, struct pm_slice *ret_text)
{
    struct pm_error err;
    struct pm_slice text = {NULL, 0};
    if (!file->name.ptr) return;
    int rc = read_text(dir, file, &text, &err);
    if (rc == PM_ENOTFOUND) {
        file->name = NONE;
        dir->count--;
        dir->vanished = true;
        return;
    }
    if (rc != PM_OK) {
        find_wrong(dir, rc == PM_EIO ? "unreadable" : "malformed", file->name, NONE, NONE, err.text);
        return;
    }
    if (ret_text) *ret_text = text;
    if (parse(text, &dir->walker->arena, dir->stored, &dir->texts, &err) != PM_OK)
        find_wrong(dir, text.len ? "malformed" : "half_written", file->name, NONE, NONE, err.text);
}

static void tell_missing(struct directory *dir, const char *file)
{
    find_wrong(dir, "half_written", pm_slice_cstr(file), NONE, NONE, "the file is missing");
    if (dir->stored->state == PM_STORED_BROKEN) dir->stored->state = PM_STORED_HALF;
}

/* ---- from texts to an identity ---- */

static void set_bundle(struct pm_stored *stored, struct pm_arena *arena)
{
    struct pm_slice digest;
    if (!stored->bundle_ref.ptr) return;
    if (pm_bundle_ref_digest(stored->bundle_ref, &digest, NULL) == PM_OK) {
        stored->facts.bundle_ref = stored->bundle_ref;
        stored->facts.bundle_digest = digest;
        stored->facts.has |= PM_HAS(bundle_ref) | PM_HAS(bundle_digest);
        return;
    }
    /* upper case was taken once: the same digest */
    struct pm_slice part = pm_bundle_digest_part(stored->bundle_ref);
    char *lower = pm_arena_alloc(arena, part.len + 1);
    for (size_t i = 0; i < part.len; i++)
        lower[i] = part.ptr[i] >= 'A' && part.ptr[i] <= 'F' ? (char)(part.ptr[i] + 32) : part.ptr[i];
    struct pm_slice folded = pm_slice(lower, part.len);
    if (part.len != 64 || !pm_hex_valid(folded)) return;
    stored->facts.bundle_digest = folded;
    stored->facts.has |= PM_HAS(bundle_digest);
}

/* Written without an offset before 2025-10-10: taken as UTC. */
static bool parse_time(struct pm_slice text, int64_t *ret)
{
    char with_zone[64];
    if (pm_time_parse(text, ret, NULL) == PM_OK) return true;
    if (text.len == 0 || text.len + 1 > sizeof with_zone) return false;
    memcpy(with_zone, text.ptr, text.len);
    with_zone[text.len] = 'Z';
    return pm_time_parse(pm_slice(with_zone, text.len + 1), ret, NULL) == PM_OK;
}

static void set_time(struct directory *dir, const struct file *file)
{
    struct pm_stored *stored = dir->stored;
    stored->facts.has |= PM_HAS(occurred_at);
    if (dir->texts.timestamp.ptr && !dir->texts.is_cache &&
        parse_time(dir->texts.timestamp, &stored->facts.occurred_at))
        return;
    if (dir->texts.timestamp.ptr && !dir->texts.is_cache)
        find_wrong(dir, "malformed", PM_SLICE("timestamp"), dir->texts.timestamp, NONE, "not a time");
    struct stat st = {0};
    if (fstatat(dir->fd, file->name.ptr, &st, AT_SYMLINK_NOFOLLOW) !=
        0) /* it is gone, or hidden: told where it is read */
        find_wrong(dir, "unreadable", file->name, NONE, NONE, pm_error_system(errno));
    stored->facts.occurred_at = (int64_t)st.st_mtim.tv_sec * 1000000 + st.st_mtim.tv_nsec / 1000;
    stored->time_from_file = true;
}

static void set_param_id(struct directory *dir)
{
    struct pm_stored *stored = dir->stored;
    struct pm_slice recorded = dir->texts.recorded_param_id;
    if (dir->texts.is_agg) recorded = NONE; /* what is recorded there is the beginning of a task's id */
    if (stored->facts.has & PM_HAS(params)) {
        char *id = pm_arena_alloc(&dir->walker->arena, 64);
        pm_param_id(stored->facts.params, id);
        stored->facts.param_id = pm_slice(id, 64);
        stored->facts.has |= PM_HAS(param_id);
        if (recorded.ptr && !pm_slice_eq(recorded, stored->facts.param_id))
            find_wrong(dir, "contradiction", PM_SLICE("param_id"), recorded, stored->facts.param_id,
                       "param_id is not that of params");
    } else if (recorded.len == 64 && pm_hex_valid(recorded)) {
        stored->facts.param_id = recorded;
        stored->facts.has |= PM_HAS(param_id);
    }
}

/* manifest.json names the models of a bundle; where it is one, it is this result's. */
static void set_model(struct directory *dir)
{
    if (dir->texts.n_model_digests != 1) return;
    dir->stored->facts.model_digest = dir->texts.model_digests[0];
    dir->stored->facts.has |= PM_HAS(model_digest);
}

static void set_outputs(struct directory *dir)
{
    struct pm_stored *stored = dir->stored;
    struct pm_output *items = pm_arena_alloc(&dir->walker->arena, (stored->n_outputs + 1) * sizeof *items);
    uint32_t n = 0;
    for (size_t i = 0; i < stored->n_outputs; i++) {
        const struct pm_stored_output *output = &stored->outputs[i];
        if (output->size >= 0 && output->checksum.ptr)
            items[n++] = (struct pm_output){output->name, output->checksum, output->size};
    }
    if (!n) return;
    stored->facts.outputs = pm_array_of_outputs(&dir->walker->arena, items, n);
    stored->facts.has |= PM_HAS(outputs);
}

/* An aggregation's id follows from its target and its inputs. */
static void check_aggregation(struct directory *dir)
{
    const struct pm_event *ev = &dir->stored->facts;
    uint64_t needed = PM_HAS(target) | PM_HAS(aggregation_id) | PM_HAS(input_task_ids);
    if (dir->stored->n_sim_returns >= 0 && (ev->has & PM_HAS(input_task_ids)) &&
        ev->input_task_ids.count != (uint64_t)dir->stored->n_sim_returns)
        find_wrong(dir, "contradiction", PM_SLICE("inputs"), number(dir->walker, ev->input_task_ids.count),
                   number(dir->walker, dir->stored->n_sim_returns),
                   "result.json has another number of inputs than metadata.json says");
    if ((ev->has & needed) != needed) return;
    struct pm_slice *ids = pm_arena_alloc(&dir->walker->arena, ev->input_task_ids.count * sizeof *ids);
    struct pm_array_iter it = pm_array_iter(ev->input_task_ids);
    size_t n = 0;
    while (n < ev->input_task_ids.count && pm_array_next_text(&it, &ids[n])) n++;
    char hex[16];
    pm_aggregation_id(PM_AGGREGATION_STORE, ev->target, ids, n, hex, NULL);
    if (!pm_slice_eq(pm_slice(hex, sizeof hex), ev->aggregation_id))
        find_wrong(dir, "contradiction", PM_SLICE("aggregation_id"), ev->aggregation_id, pm_slice(hex, sizeof hex),
                   "the id is not that of the target in metadata.json and the inputs in result.json");
}

/* A task's id follows from param_id, seed and outputs, in the generations that have no sim_root. */
static void check_task(struct directory *dir)
{
    struct pm_stored *stored = dir->stored;
    const struct pm_event *ev = &stored->facts;
    const uint64_t needed = PM_HAS(param_id) | PM_HAS(seed) | PM_HAS(task_id);
    char hex[64];
    if ((ev->has & needed) != needed || stored->sim_root.ptr) return;
    pm_task_id_worker_error(ev->param_id, ev->seed, hex, NULL);
    if (pm_slice_eq(ev->task_id, pm_slice(hex, sizeof hex))) { /* once, nothing else told that the task had failed */
        stored->state = PM_STORED_FAILED;
        return;
    }
    struct pm_slice *names = pm_arena_alloc(&dir->walker->arena, (stored->n_outputs + 1) * sizeof *names);
    for (size_t i = 0; i < stored->n_outputs; i++) names[i] = stored->outputs[i].name;
    pm_task_id_worker(ev->param_id, ev->seed, names, stored->n_outputs, hex, NULL);
    if (!pm_slice_eq(ev->task_id, pm_slice(hex, sizeof hex)))
        find_wrong(dir, "contradiction", PM_SLICE("task_id"), ev->task_id, pm_slice(hex, sizeof hex),
                   "the id in result.json is not that of parameters and seed in metadata.json with these outputs");
}

static void set_kind(struct directory *dir)
{
    struct pm_stored *stored = dir->stored;
    bool agg = dir->texts.is_agg;
    if (agg && dir->texts.is_sim)
        find_wrong(dir, "contradiction", PM_SLICE("kind"), NONE, NONE,
                   "some members are those of a simulation, some those of an aggregation");
    if (!agg && !dir->texts.is_sim && !dir->texts.is_cache) return;
    stored->facts.kind = agg ? PM_KIND_AGG : PM_KIND_SIM;
    stored->facts.has |= PM_HAS(kind);
}

static void check_path(struct directory *dir)
{
    struct pm_stored *stored = dir->stored;
    struct pm_slice expected, schema = NONE;
    struct pm_error err;
    pm_layout_find(dir->walker, stored, &dir->texts, &expected, &schema);
    stored->facts.result = stored->path;
    if (pm_path_check("path", stored->path, &err) == PM_OK) stored->facts.has |= PM_HAS(result);
    else find_wrong(dir, "bad_name", NONE, NONE, NONE, err.text);
    if (stored->layout || stored->state == PM_STORED_BROKEN || stored->state == PM_STORED_HALF) return;
    char detail[160];
    snprintf(detail, sizeof detail, "under schema %.*s the identity gives the expected path",
             (int)(schema.len > 64 ? 64 : schema.len), expected.ptr ? schema.ptr : "");
    find_wrong(dir, "path_mismatch", NONE, stored->path, expected,
               expected.ptr ? detail : "the files do not say enough to give a path");
}

/* ---- artifacts ---- */

static struct file *find_file(struct directory *dir, const char *before, struct pm_slice name, const char *after)
{
    size_t head = strlen(before), tail = strlen(after);
    for (size_t i = 0; i < dir->n_files; i++) {
        struct pm_slice file = dir->files[i].name;
        if (file.len == head + name.len + tail && !memcmp(file.ptr, before, head) &&
            (name.len == 0 || !memcmp(file.ptr + head, name.ptr, name.len)) &&
            !memcmp(file.ptr + head + name.len, after, tail))
            return &dir->files[i];
    }
    return NULL;
}

static void check_bytes(struct directory *dir, const struct file *file, struct pm_slice checksum, bool or_sha256)
{
    struct pm_artifact artifact;
    struct pm_error err;
    int fd = openat(dir->fd, file->name.ptr, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) {
        int number = errno;
        if (number != ENOENT || is_still_there(dir))
            find_wrong(dir, "unreadable", file->name, NONE, NONE, pm_error_system(number));
        return;
    }
    int rc = pm_artifact_read(fd, file->name.ptr, or_sha256, &artifact, &err);
    close(fd);
    if (rc != PM_OK) find_wrong(dir, "unreadable", file->name, NONE, NONE, err.text);
    else if (!pm_slice_eq(checksum, pm_slice(artifact.blake2b, 64)) &&
             !(or_sha256 && pm_slice_eq(checksum, pm_slice(artifact.sha256, 64))))
        find_wrong(dir, "artifact_checksum", file->name, pm_slice(artifact.blake2b, 64), checksum,
                   "the file's bytes are not those that result.json recorded");
}

/* `size` < 0: unknown. `checksum` without pointer: not of this file. */
static bool check_file(struct directory *dir, struct file *file, int64_t size, struct pm_slice checksum, bool or_sha256)
{
    if (!file) return false;
    file->named = true;
    if (size >= 0 && file->size != size)
        find_wrong(dir, "artifact_size", file->name, number(dir->walker, file->size), number(dir->walker, size),
                   "the file's size is not the one that result.json recorded");
    else if (checksum.ptr && dir->walker->walk->options->checksums) check_bytes(dir, file, checksum, or_sha256);
    return true;
}

static void check_output(struct directory *dir, const struct pm_stored_output *output)
{
    int64_t arrow = output->arrow_size >= 0 ? output->arrow_size : output->size;
    int64_t json = output->json_size >= 0 ? output->json_size : output->size;
    bool any = check_file(dir, find_file(dir, "artifact_", output->name, ".arrow"), arrow, output->checksum, false);
    any |= check_file(dir, find_file(dir, "artifact_", output->name, ".json"), json, output->checksum, false);
    /* written beside it, in another encoding: best effort */
    any |= check_file(dir, find_file(dir, "artifact_", output->name, ".parquet"), output->parquet_size, NONE, false);
    if (!any && dir->n_files < FILES_MAX && is_still_there(dir))
        find_wrong(dir, "artifact_missing", output->name, NONE, NONE, "the output has no file");
}

static void check_artifacts(struct directory *dir)
{
    struct pm_stored *stored = dir->stored;
    for (size_t i = 0; i < stored->n_outputs; i++) check_output(dir, &stored->outputs[i]);
    if (stored->has_error_details && !check_file(dir, find_file(dir, "error_details", NONE, ".arrow"),
                                                 stored->error_details.size, stored->error_details.checksum, true))
        find_wrong(dir, "artifact_missing", PM_SLICE("error_details.arrow"), NONE, NONE, "the error's text is missing");
    if (!stored->result.ptr) return; /* nobody says what should be there */
    for (size_t i = 0; i < dir->n_files; i++) {
        if (!dir->files[i].named)
            pm_walk_finding(dir->walker, "foreign", pm_walk_child(dir->walker, dir->files[i].name), NONE, NONE, NONE,
                            "result.json names no such output");
    }
}

/* ---- one result, or the files of a cache ---- */

static void read_directory_result(struct directory *dir)
{
    struct pm_stored *stored = dir->stored;
    read_json(dir, &dir->result, pm_result_read, &stored->result);
    read_json(dir, &dir->manifest, parse_manifest, NULL);
    if (dir->vanished && !is_still_there(dir)) return;
    set_kind(dir);
    if (!dir->metadata.name.ptr) tell_missing(dir, "metadata.json");
    if (!dir->result.name.ptr) tell_missing(dir, "result.json");
    set_bundle(stored, &dir->walker->arena);
    set_param_id(dir);
    set_model(dir);
    set_time(dir, dir->metadata.name.ptr ? &dir->metadata : &dir->result);
    set_outputs(dir);
    stored->files = dir->count;
    stored->bytes = dir->bytes;
    if (stored->state == PM_STORED_WHOLE || stored->state == PM_STORED_FAILED) {
        if (dir->texts.is_agg) check_aggregation(dir);
        else check_task(dir);
        check_artifacts(dir);
    }
    check_path(dir);
    pm_walk_result(dir->walker, stored);
}

/* What a file of a cache is, by its first bytes, and whether its end is there: the two forms are told, and neither is
 * unpacked, for to read a pickle is to run what stands in it. */
static struct pm_slice look_at_cache_entry(struct directory *dir, const struct file *file)
{
    static const char zip[] = "PK\3\4", zip_end[] = "PK\5\6";
    char head[4] = {0}, tail[ZIP_END_BYTES] = {0};
    int64_t at = file->size > ZIP_END_BYTES ? file->size - ZIP_END_BYTES : 0, len = file->size - at;
    int fd = openat(dir->fd, file->name.ptr, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    bool good = fd >= 0 && pread(fd, head, sizeof head, 0) >= 0 && pread(fd, tail, (size_t)len, at) >= 0;
    int number = errno;
    if (fd >= 0) close(fd);
    bool is_zip = !memcmp(head, zip, 4), is_pickle = (uint8_t)head[0] == 0x80 && head[1] >= 2 && head[1] <= 5;
    bool ended = is_zip ? !memcmp(tail, zip_end, 4) : len > 0 && tail[len - 1] == '.';
    if (!good) find_wrong(dir, "unreadable", NONE, NONE, NONE, pm_error_system(number));
    else if (file->size > 0 && !is_zip && !is_pickle)
        find_wrong(dir, "malformed", NONE, NONE, NONE, "neither a pickle nor a ZIP archive");
    else if (!ended) {
        find_wrong(dir, "half_written", NONE, NONE, NONE,
                   file->size == 0 ? "the file is empty"
                   : is_zip        ? "the ZIP archive has no end"
                                   : "the pickle has no end");
        dir->stored->state = PM_STORED_HALF;
    }
    return is_zip ? PM_SLICE("a ZIP archive, which is not unpacked") : PM_SLICE("a pickle, which is never unpickled");
}

/* `seed_N` or `N.mops` beside metadata.json: a result without result.json. */
static void read_cache_entry(struct directory *dir, const struct pm_stored *common, const struct file *file)
{
    struct pm_stored stored = *common;
    struct pm_slice name = file->name, digits = name;
    if (pm_slice_starts(name, PM_SLICE("seed_"))) digits = pm_slice(name.ptr + 5, name.len - 5);
    else digits.len -= 5;
    dir->stored = &stored;
    stored.path = dir->path = pm_walk_child(dir->walker, name);
    if (pm_u64_parse(digits, &stored.facts.seed)) stored.facts.has |= PM_HAS(seed);
    stored.facts.kind = PM_KIND_SIM;
    stored.facts.has |= PM_HAS(kind);
    set_param_id(dir);
    set_time(dir, file);
    stored.files = 1;
    stored.bytes = (uint64_t)file->size;
    struct pm_slice form = look_at_cache_entry(dir, file);
    check_path(dir);
    if (!stored.reason.ptr) stored.reason = form;
    pm_walk_result(dir->walker, &stored);
}

/* cache/v2/../SIM_ROOT/PARAM_ID: the hash that the files do not repeat. */
static void take_sim_root(struct directory *dir)
{
    struct pm_slice above = pm_below_above(dir->path), name = pm_below_last(above);
    if (name.len < above.len && name.len == 64 && pm_hex_valid(name)) dir->stored->sim_root = name;
}

static void read_cache(struct directory *dir)
{
    struct pm_stored common = *dir->stored;
    struct pm_slice path = dir->path;
    dir->texts.is_cache = true;
    dir->stored = &common;
    take_sim_root(dir);
    if (!dir->n_files) find_wrong(dir, "half_written", NONE, NONE, NONE, "metadata.json stands alone");
    for (size_t i = 0; i < dir->n_files; i++) {
        if (dir->walker->only_name.ptr && !pm_slice_eq(dir->walker->only_name, dir->files[i].name)) continue;
        if (is_cache_entry(dir->files[i].name)) read_cache_entry(dir, &common, &dir->files[i]);
        dir->path = path;
    }
}

void pm_read_result(struct pm_walker *walker, struct pm_listing *entries)
{
    struct pm_stored stored = {.facts = {.type = PM_RESULT_DISCOVERED}, .n_sim_returns = -1};
    struct directory dir = {.walker = walker, .entries = entries, .fd = entries->fd, .stored = &stored};
    stored.path = dir.path = pm_arena_copy(&walker->arena, pm_buf_slice(&walker->path));
    list(&dir);
    read_json(&dir, &dir.metadata, pm_metadata_read, &stored.metadata);
    bool by_file = dir.n_files && is_cache_entry(dir.files[0].name);
    if (!dir.result.name.ptr && (dir.texts.is_cache || by_file)) read_cache(&dir);
    else if (!walker->only_name.ptr) read_directory_result(&dir); /* a file of a result is no result */
}
