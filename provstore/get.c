/* get.c: a result out of a store (get.h). Copies are made under names of their own, compared while they are made, and
 * renamed when all of them are right: a damaged result leaves none. */
#include "provstore/get.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/check.h"
#include "provstore/below.h"
#include "provstore/key.h"
#include "provstore/stage.h"

#define OPEN_FILE (O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)

struct getting {
    const struct pm_get *get;
    struct pm_arena *arena;
    struct pm_got *got;
    struct pm_slice path;
    int from, to;  /* directories; -1: not open */
    size_t n_made; /* copies that have their own names yet */
};

/* ---- the files of outputs ---- */

/* The one that the checksum is of: the Arrow file where there is one, else JSON. */
static const char *file_of(const struct getting *run, struct pm_slice output)
{
    struct stat st;
    const char *arrow = pm_arena_printf(run->arena, "artifact_%.*s.arrow", PM_SLICE_ARG(output));
    if (fstatat(run->from, arrow, &st, AT_SYMLINK_NOFOLLOW) == 0) return arrow;
    return pm_arena_printf(run->arena, "artifact_%.*s.json", PM_SLICE_ARG(output));
}

static char *below(const struct getting *run, const char *dir, struct pm_slice path, const char *name)
{
    return pm_arena_printf(run->arena, "%s/%.*s%s%s", dir, PM_SLICE_ARG(path), path.len ? "/" : "", name);
}

static void list_files(struct getting *run)
{
    const struct pm_event *facts = &run->got->looked.facts;
    struct pm_output output;
    if (!(facts->has & PM_HAS(outputs))) return;
    run->got->files = pm_arena_alloc(run->arena, (facts->outputs.count + 1) * sizeof *run->got->files);
    for (struct pm_array_iter it = pm_array_iter(facts->outputs); pm_array_next_output(&it, &output);)
        run->got->files[run->got->n_files++] = (struct pm_got_file){
            .name = pm_arena_cstr(run->arena, output.name),
            .file = file_of(run, output.name),
            .size = output.size,
            .checksum = pm_arena_cstr(run->arena, output.checksum)};
}

/* From names in the result's directory to paths. */
static void place_files(struct getting *run)
{
    const struct pm_get *get = run->get;
    for (size_t i = 0; i < run->got->n_files; i++) {
        struct pm_got_file *file = &run->got->files[i];
        file->file = get->to ? below(run, get->to, PM_SLICE(""), file->file)
                             : below(run, get->place.root, run->path, file->file);
    }
}

/* ---- copies ---- */

static int damaged(const struct getting *run, const char *file, const char *why, struct pm_error *err)
{
    return pm_error_set(err, PM_ECORRUPT, "what is stored at \"%.*s\" is damaged: %s: %s", PM_SLICE_ARG(run->path),
                        file, why);
}

static int could_not(const struct getting *run, const char *what, const char *name, struct pm_error *err)
{
    return pm_error_set(err, PM_EIO, "could not %s \"%s\" in \"%s\": %s", what, name, run->get->to,
                        pm_error_system(errno));
}

static const char *copy_name(size_t i, char out[64])
{
    snprintf(out, 64, ".provmat-get-%lld-%zu", (long long)getpid(), i);
    return out;
}

static int copy_bytes(const struct getting *run, const struct pm_got_file *file, int from, const char *name,
                      struct pm_error *err)
{
    struct pm_stage into = {.parent = -1, .dir = run->to};
    struct pm_artifact artifact;
    (void)unlinkat(run->to, name, 0); /* of a process of this number that was killed */
    PM_TRY(pm_stage_file(&into, name, from, file->file, &artifact, err));
    if (!pm_slice_is(pm_slice(artifact.blake2b, 64), file->checksum))
        return damaged(run, file->file, "its bytes are not those that result.json recorded", err);
    return PM_OK;
}

static int make_copy(struct getting *run, size_t i, struct pm_error *err)
{
    const struct pm_got_file *file = &run->got->files[i];
    char name[64];
    (void)copy_name(i, name);
    run->n_made = i + 1;
    if (run->get->copies == PM_GET_LINK) {
        (void)unlinkat(run->to, name, 0);
        return linkat(run->from, file->file, run->to, name, 0) == 0 ? PM_OK : could_not(run, "link", file->file, err);
    }
    int from = openat(run->from, file->file, OPEN_FILE);
    if (from < 0) return damaged(run, file->file, pm_error_system(errno), err);
    int rc = copy_bytes(run, file, from, name, err);
    close(from);
    return rc;
}

static int rename_copies(struct getting *run, struct pm_error *err)
{
    char name[64];
    for (size_t i = 0; i < run->got->n_files; i++) {
        const char *file = run->got->files[i].file;
        if (renameat(run->to, copy_name(i, name), run->to, file) != 0) return could_not(run, "make", file, err);
        (void)unlinkat(run->to, name, 0); /* two names of one file are left as they are by a rename */
    }
    return PM_OK;
}

static int copy_all(struct getting *run, struct pm_error *err)
{
    char name[64];
    if (mkdir(run->get->to, 0777) != 0 && errno != EEXIST) return could_not(run, "make", ".", err);
    run->to = open(run->get->to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (run->to < 0) return could_not(run, "open", ".", err);
    int rc = PM_OK;
    for (size_t i = 0; rc == PM_OK && i < run->got->n_files; i++) rc = make_copy(run, i, err);
    if (rc == PM_OK) rc = rename_copies(run, err);
    for (size_t i = 0; rc != PM_OK && i < run->n_made; i++) (void)unlinkat(run->to, copy_name(i, name), 0);
    return rc;
}

/* ---- is it a hit? ---- */

static int judge(const struct getting *run, const struct pm_event *wanted, struct pm_error *err)
{
    const struct pm_looked *looked = &run->got->looked;
    struct pm_error why;
    switch (looked->state) {
    case PM_LOOK_NOTHING: return pm_error_set(err, PM_ENOTFOUND, "not stored: \"%.*s\"", PM_SLICE_ARG(run->path));
    case PM_LOOK_DAMAGED:
        return pm_error_set(err, PM_ECORRUPT, "what is stored at \"%.*s\" is damaged: %.*s", PM_SLICE_ARG(run->path),
                            PM_SLICE_ARG(looked->reason));
    default: break;
    }
    if (pm_key_compare(wanted, &looked->facts, &why) != PM_OK)
        return pm_error_set(err, PM_ENOTFOUND, "not stored: \"%.*s\": %s", PM_SLICE_ARG(run->path), why.text);
    if (looked->state == PM_LOOK_FAILED)
        return pm_error_set(err, PM_ENOTFOUND, "not stored: \"%.*s\": %.*s", PM_SLICE_ARG(run->path),
                            PM_SLICE_ARG(looked->reason));
    return PM_OK;
}

static int run_get(struct getting *run, const struct pm_event *ev, struct pm_error *err)
{
    const struct pm_get *get = run->get;
    bool copied = get->copies == PM_GET_COPY; /* what is copied is compared on its way */
    PM_TRY(pm_look(&get->place, run->path, !copied, run->arena, &run->got->looked, err));
    PM_TRY(judge(run, ev, err));
    run->from = pm_below_open(get->place.root_fd, run->path);
    if (run->from < 0)
        return pm_error_set(err, errno == ENOENT ? PM_ENOTFOUND : PM_EIO, "could not open \"%.*s\" in the store: %s",
                            PM_SLICE_ARG(run->path), pm_error_system(errno));
    list_files(run);
    if (get->to) PM_TRY(copy_all(run, err));
    place_files(run);
    return PM_OK;
}

int pm_get(const struct pm_get *get, struct pm_event *ev, struct pm_arena *arena, struct pm_got *ret,
           struct pm_error *err)
{
    struct pm_got got = {0};
    struct getting run = {.get = get, .arena = arena, .got = &got, .from = -1, .to = -1};
    PM_TRY(pm_key_complete(get->schema, ev, arena, err));
    run.path = ev->result;
    int rc = run_get(&run, ev, err);
    if (run.from >= 0) close(run.from);
    if (run.to >= 0) close(run.to);
    if (rc == PM_OK) *ret = got;
    return rc;
}
