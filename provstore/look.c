/* look.c: one result of a store (look.h). */
#include "provstore/look.h"

#include <errno.h>
#include <unistd.h>

#include "provstore/below.h"

struct looking {
    struct pm_arena *arena;
    struct pm_looked *ret;
};

static void keep(struct pm_arena *arena, struct pm_slice *slice) { *slice = pm_arena_copy(arena, *slice); }

static void keep_facts(struct pm_arena *arena, struct pm_event *ev)
{
#define KEEP(member) \
    if (ev->has & PM_HAS(member)) keep(arena, &ev->member);
    KEEP(result)
    KEEP(schema)
    KEEP(bundle_ref)
    KEEP(bundle_digest)
    KEEP(model_digest)
    KEEP(entrypoint)
    KEEP(param_id)
    KEEP(params)
    KEEP(target)
    KEEP(target_digest)
    KEEP(aggregation_id)
    KEEP(task_id)
    KEEP(diagnostics)
#undef KEEP
    if (ev->has & PM_HAS(outputs)) keep(arena, &ev->outputs.raw);
    if (ev->has & PM_HAS(input_task_ids)) keep(arena, &ev->input_task_ids.raw);
}

static int take(void *arg, const struct pm_stored *stored, struct pm_error *err)
{
    struct looking *looking = arg;
    struct pm_looked *ret = looking->ret;
    (void)err;
    ret->state = stored->state == PM_STORED_WHOLE    ? PM_LOOK_WHOLE
                 : stored->state == PM_STORED_FAILED ? PM_LOOK_FAILED
                                                     : PM_LOOK_DAMAGED;
    ret->reason = stored->state == PM_STORED_FAILED ? PM_SLICE("what is stored is an error") : stored->reason;
    keep(looking->arena, &ret->reason);
    ret->facts = stored->facts;
    keep_facts(looking->arena, &ret->facts);
    ret->time_from_file = stored->time_from_file;
    ret->metadata = pm_arena_copy(looking->arena, stored->metadata);
    ret->result = pm_arena_copy(looking->arena, stored->result);
    return PM_OK;
}

/* A directory that is no result. */
static void take_other(struct pm_looked *ret)
{
    ret->state = PM_LOOK_DAMAGED;
    ret->reason = PM_SLICE("half_written: metadata.json and result.json are missing");
}

static int walk(const struct pm_place *place, const char *path, bool checksums, struct looking *looking,
                struct pm_error *err)
{
    struct pm_error why;
    struct pm_store_walk walk = {.root = place->root,
                                 .schemas = place->schemas,
                                 .only = path,
                                 .checksums = checksums,
                                 .threads = 1,
                                 .result = take,
                                 .arg = looking};
    take_other(looking->ret);
    int rc = pm_store_walk(&walk, NULL, &why);
    if (rc == PM_OK || rc == PM_ENOTFOUND) return PM_OK;
    return pm_error_set(err, rc == PM_EUSAGE ? PM_EIO : (enum pm_code)rc, "%s", why.text);
}

int pm_look(const struct pm_place *place, struct pm_slice path, bool checksums, struct pm_arena *arena,
            struct pm_looked *ret, struct pm_error *err)
{
    struct looking looking = {.arena = arena, .ret = ret};
    *ret = (struct pm_looked){.state = PM_LOOK_NOTHING};
    DIR *dir = pm_below_list(place->root_fd, path);
    if (!dir && errno == ENOENT) return PM_OK;
    if (!dir)
        return pm_error_set(err, PM_EIO, "could not open \"%.*s\" in the store: %s%s", PM_SLICE_ARG(path),
                            pm_error_system(errno),
                            errno == ENOTDIR || errno == ELOOP ? " (symbolic links are not followed)" : "");
    bool empty = pm_below_next(dir) == NULL;
    closedir(dir);
    if (empty) return PM_OK;
    PM_TRY(walk(place, pm_arena_cstr(arena, path), checksums, &looking, err));
    int fd = pm_below_open(place->root_fd, path);
    if (fd >= 0) close(fd);
    else if (errno == ENOENT) ret->state = PM_LOOK_NOTHING; /* removed meanwhile */
    return PM_OK;
}
