/* put.c: a result into a store (put.h). */
#include "provstore/put.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/json.h"
#include "common/base/number.h"
#include "common/event/ids.h"
#include "provstore/key.h"

#define ATTEMPTS 16 /* what lies there changes while we look */

const char *pm_put_outcome_name(enum pm_put_outcome outcome)
{
    static const char *const names[] = {"stored", "already", "repaired"};
    return names[outcome];
}

/* ---- what is given ---- */

int pm_output_name_check(struct pm_slice name, struct pm_error *err)
{
    if (!name.len) return pm_error_set(err, PM_EINVALID, "an output has no name");
    if (name.len > PM_OUTPUT_NAME_BYTES_MAX)
        return pm_error_set(err, PM_ELIMIT, "an output's name has %zu bytes, above the limit of %d", name.len,
                            PM_OUTPUT_NAME_BYTES_MAX);
    if (!pm_utf8_valid(name)) return pm_error_set(err, PM_EINVALID, "an output's name is not UTF-8");
    for (size_t i = 0; i < name.len; i++) {
        unsigned char c = (unsigned char)name.ptr[i];
        if (c < ' ' || c == 0x7f || c == '/')
            return pm_error_set(err, PM_EINVALID, "output \"%.*s\": its name holds 0x%02x; it becomes a file's name",
                                (int)i, name.ptr, (unsigned)c);
    }
    return PM_OK;
}

static int check_sources(const struct pm_put *put, struct pm_arena *arena, struct pm_error *err)
{
    if (put->n_sources > PM_OUTPUTS_MAX)
        return pm_error_set(err, PM_ELIMIT, "%zu outputs, above the limit of %d", put->n_sources, PM_OUTPUTS_MAX);
    struct pm_json_keys seen = {0};
    for (size_t i = 0; i < put->n_sources; i++) {
        const struct pm_put_source *source = &put->sources[i];
        struct stat st;
        PM_TRY(pm_output_name_check(source->name, err));
        if (!pm_json_keys_add(&seen, source->name, arena))
            return pm_error_set(err, PM_EINVALID, "output \"%.*s\" is given twice", PM_SLICE_ARG(source->name));
        if (!source->file) continue;
        if (stat(source->file, &st) != 0)
            return pm_error_set(err, PM_EUSAGE, "could not open \"%s\": %s; nothing was stored", source->file,
                                pm_error_system(errno));
        if (S_ISDIR(st.st_mode))
            return pm_error_set(err, PM_EUSAGE, "\"%s\" is a directory; an output is one file", source->file);
    }
    return PM_OK;
}

/* The id that workers write follows from parameters, seed and the outputs' names. */
static int set_task_id(const struct pm_put *put, struct pm_event *ev, struct pm_arena *arena, struct pm_error *err)
{
    if (ev->kind != PM_KIND_SIM) return PM_OK;
    struct pm_slice *names = pm_arena_alloc(arena, (put->n_sources + 1) * sizeof *names);
    char *hex = pm_arena_alloc(arena, 64);
    for (size_t i = 0; i < put->n_sources; i++) names[i] = put->sources[i].name;
    pm_task_id_worker(ev->param_id, ev->seed, names, put->n_sources, hex, NULL);
    struct pm_slice id = pm_slice(hex, 64);
    if ((ev->has & PM_HAS(task_id)) && !pm_slice_eq(ev->task_id, id))
        return pm_error_set(err, PM_EINVALID,
                            "task_id \"%.*s\" is not that of parameters, seed and these outputs, which is %.*s",
                            PM_SLICE_ARG(ev->task_id), PM_SLICE_ARG(id));
    ev->task_id = id;
    ev->has |= PM_HAS(task_id);
    return PM_OK;
}

static void set_outputs(const struct pm_put_done *done, struct pm_event *ev, struct pm_arena *arena)
{
    struct pm_output *items = pm_arena_alloc(arena, (done->n_outputs + 1) * sizeof *items);
    for (size_t i = 0; i < done->n_outputs; i++)
        items[i] = (struct pm_output){done->outputs[i].name, pm_slice(done->outputs[i].checksum, 64),
                                      done->outputs[i].size};
    ev->outputs = pm_array_of_outputs(arena, items, (uint32_t)done->n_outputs);
    if (done->n_outputs) ev->has |= PM_HAS(outputs);
}

/* ---- the bytes of outputs: into the stage, or (stage NULL) only summed up ---- */

static int open_source(const char *file, struct pm_error *err)
{
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        (void)pm_error_set(err, PM_EUSAGE, "could not open \"%s\": %s; nothing was stored", file,
                           pm_error_system(errno));
    return fd;
}

static int take_source(const struct pm_put_source *source, struct pm_stage *stage, struct pm_artifact *ret,
                       struct pm_error *err)
{
    char name[sizeof "artifact_" + PM_OUTPUT_NAME_BYTES_MAX + sizeof ".arrow"];
    snprintf(name, sizeof name, "artifact_%.*s%s", PM_SLICE_ARG(source->name), source->json ? ".json" : ".arrow");
    if (!source->file && stage) return pm_stage_text(stage, name, source->bytes, ret, err);
    if (!source->file) {
        pm_artifact_of(source->bytes, ret);
        return PM_OK;
    }
    int fd = open_source(source->file, err);
    if (fd < 0) return PM_EUSAGE;
    int rc = stage ? pm_stage_file(stage, name, fd, source->file, ret, err)
                   : pm_artifact_read(fd, source->file, false, ret, err);
    close(fd);
    return rc;
}

static int take_sources(const struct pm_put *put, struct pm_stage *stage, struct pm_arena *arena,
                        struct pm_put_done *done, struct pm_error *err)
{
    struct pm_artifact artifact;
    done->outputs = pm_arena_alloc(arena, (put->n_sources + 1) * sizeof *done->outputs);
    done->n_outputs = put->n_sources;
    for (size_t i = 0; i < put->n_sources; i++) {
        struct pm_put_output *output = &done->outputs[i];
        PM_TRY(take_source(&put->sources[i], stage, &artifact, err));
        *output = (struct pm_put_output){
            .name = put->sources[i].name, .json = put->sources[i].json, .size = (int64_t)artifact.size};
        memcpy(output->checksum, artifact.blake2b, sizeof output->checksum);
    }
    return PM_OK;
}

/* ---- the same result? ---- */

static const struct pm_put_output *find_output(const struct pm_put_done *done, struct pm_slice name)
{
    for (size_t i = 0; i < done->n_outputs; i++)
        if (pm_slice_eq(done->outputs[i].name, name)) return &done->outputs[i];
    return NULL;
}

static bool is_stored(const struct pm_event *stored, struct pm_slice name)
{
    struct pm_output output;
    if (!(stored->has & PM_HAS(outputs))) return false;
    for (struct pm_array_iter it = pm_array_iter(stored->outputs); pm_array_next_output(&it, &output);)
        if (pm_slice_eq(output.name, name)) return true;
    return false;
}

/* Some stores leave out empty outputs, so one that only one side has and that is empty is no difference. */
static int compare_outputs(const struct pm_put_done *done, const struct pm_event *stored, struct pm_error *err)
{
    struct pm_output output;
    struct pm_array_iter it = {0};
    if (stored->has & PM_HAS(outputs)) it = pm_array_iter(stored->outputs);
    while ((stored->has & PM_HAS(outputs)) && pm_array_next_output(&it, &output)) {
        const struct pm_put_output *given = find_output(done, output.name);
        if (!given && output.size > 0)
            return pm_error_set(err, PM_EDIFFERS, "output \"%.*s\" is stored, and not given",
                                PM_SLICE_ARG(output.name));
        if (given && !pm_slice_eq(output.checksum, pm_slice(given->checksum, 64)))
            return pm_error_set(err, PM_EDIFFERS, "output \"%.*s\" is stored with the checksum %.*s, not %.64s",
                                PM_SLICE_ARG(output.name), PM_SLICE_ARG(output.checksum), given->checksum);
    }
    for (size_t i = 0; i < done->n_outputs; i++) {
        const struct pm_put_output *given = &done->outputs[i];
        if (given->size > 0 && !is_stored(stored, given->name))
            return pm_error_set(err, PM_EDIFFERS, "output \"%.*s\" is given, and not stored",
                                PM_SLICE_ARG(given->name));
    }
    return PM_OK;
}

static int compare_content(const struct pm_event *ev, const struct pm_put_done *done, const struct pm_event *stored,
                           struct pm_error *err)
{
    char texts[2][PM_DOUBLE_TEXT_SIZE];
    if (ev->kind == PM_KIND_SIM) return compare_outputs(done, stored, err); /* it has nothing else */
    if (((ev->has ^ stored->has) & PM_HAS(loss)) ||
        ((ev->has & PM_HAS(loss)) && memcmp(&ev->loss, &stored->loss, sizeof ev->loss) != 0)) {
        size_t there = stored->has & PM_HAS(loss) ? pm_double_format(stored->loss, texts[0]) : 0;
        size_t given = ev->has & PM_HAS(loss) ? pm_double_format(ev->loss, texts[1]) : 0;
        return pm_error_set(err, PM_EDIFFERS, "loss is stored as %.*s, not %.*s", there ? (int)there : 4,
                            there ? texts[0] : "none", given ? (int)given : 4, given ? texts[1] : "none");
    }
    if ((ev->has & stored->has & PM_HAS(n_replicates)) && ev->n_replicates != stored->n_replicates)
        return pm_error_set(err, PM_EDIFFERS, "n_replicates is stored as %lld, not %lld",
                            (long long)stored->n_replicates, (long long)ev->n_replicates);
    return compare_outputs(done, stored, err);
}

/* Names the class of a conflict, as `provmat query conflicts` does, and where it is. */
static int conflict(const char *class, const struct pm_event *ev, int rc, struct pm_error *err)
{
    return rc == PM_EDIFFERS ? pm_error_wrap(err, rc, "conflict: %s: \"%.*s\"", class, PM_SLICE_ARG(ev->result)) : rc;
}

static int compare_identity(const struct pm_event *ev, const struct pm_event *stored, struct pm_error *err)
{
    return conflict("collision", ev, pm_key_compare(ev, stored, err), err);
}

static int look(const struct pm_put *put, struct pm_slice path, struct pm_arena *arena, struct pm_looked *ret,
                struct pm_error *err)
{
    return pm_look(&put->place, path, true, arena, ret, err);
}

/* What is stored is no whole result; the identity that it has, if it has one, must be this one all the same. */
static int refuse_damaged(const struct pm_event *ev, const struct pm_looked *looked, struct pm_error *err)
{
    PM_TRY(looked->facts.has ? compare_identity(ev, &looked->facts, err) : PM_OK);
    return pm_error_set(err, PM_ECORRUPT,
                        "what is stored at \"%.*s\" is damaged and was left as it is: %.*s; put with --repair "
                        "(PROVMAT_PUT_REPAIR) to replace it",
                        PM_SLICE_ARG(ev->result), PM_SLICE_ARG(looked->reason));
}

static bool is_damaged(const struct pm_looked *looked)
{
    return looked->state == PM_LOOK_DAMAGED || looked->state == PM_LOOK_FAILED;
}

/* ---- writing ---- */

static int write_texts(const struct pm_event *ev, const struct pm_put_done *done, struct pm_stage *stage,
                       struct pm_error *err)
{
    struct pm_buf metadata = {0}, result = {0}, manifest = {0};
    int rc = PM_OK;
    pm_metadata_write(ev, &metadata);
    pm_result_write(ev, done->outputs, done->n_outputs, &result);
    if (metadata.len > PM_STORE_JSON_BYTES_MAX || result.len > PM_STORE_JSON_BYTES_MAX)
        rc = pm_error_set(err, PM_ELIMIT, "metadata.json or result.json would have more than %d bytes",
                          PM_STORE_JSON_BYTES_MAX);
    if (rc == PM_OK && (ev->has & PM_HAS(model_digest))) {
        pm_manifest_write(ev, &manifest);
        rc = pm_stage_text(stage, "manifest.json", pm_buf_slice(&manifest), NULL, err);
    }
    if (rc == PM_OK) rc = pm_stage_text(stage, "metadata.json", pm_buf_slice(&metadata), NULL, err);
    if (rc == PM_OK) rc = pm_stage_text(stage, "result.json", pm_buf_slice(&result), NULL, err);
    pm_buf_release(&metadata);
    pm_buf_release(&result);
    pm_buf_release(&manifest);
    return rc;
}

static struct pm_slice pending_path(const struct pm_stage *stage, struct pm_slice path, struct pm_arena *arena)
{
    int above = (int)(path.len - strlen(stage->place));
    return pm_slice_cstr(pm_arena_printf(arena, "%.*s%s", above, path.ptr, stage->name));
}

/* Puts the new one in the damaged one's place. What that was is looked at again when nobody can change it any more: a
 * whole result that somebody put meanwhile goes back. */
static int replace(const struct pm_put *put, const struct pm_event *ev, struct pm_stage *stage, struct pm_arena *arena,
                   bool *ret_done, struct pm_error *err)
{
    struct pm_looked was;
    *ret_done = false;
    PM_TRY(pm_stage_exchange(stage, err));
    PM_TRY(look(put, pending_path(stage, ev->result, arena), arena, &was, err));
    *ret_done = was.state == PM_LOOK_NOTHING || is_damaged(&was);
    return *ret_done ? PM_OK : pm_stage_exchange(stage, err);
}

/* One try with the stage that is open; *ret_done false: look again. */
static int publish(const struct pm_put *put, const struct pm_event *ev, const struct pm_looked *looked,
                   struct pm_stage *stage, struct pm_arena *arena, struct pm_put_done *done, bool *ret_done,
                   struct pm_error *err)
{
    if (looked->state == PM_LOOK_NOTHING) {
        done->outcome = PM_PUT_STORED;
        PM_TRY(pm_stage_publish(stage, ret_done, err));
        if (*ret_done) pm_stage_close(stage);
        return PM_OK;
    }
    if (is_damaged(looked)) {
        done->outcome = PM_PUT_REPAIRED;
        if (!put->repair) return refuse_damaged(ev, looked, err);
        PM_TRY(looked->facts.has ? compare_identity(ev, &looked->facts, err) : PM_OK);
        return replace(put, ev, stage, arena, ret_done, err);
    }
    done->outcome = PM_PUT_ALREADY;
    done->stored_at = looked->time_from_file ? INT64_MIN : looked->facts.occurred_at;
    *ret_done = true;
    PM_TRY(compare_identity(ev, &looked->facts, err));
    return conflict("nondeterminism", ev, compare_content(ev, done, &looked->facts, err), err);
}

static int stage_and_publish(const struct pm_put *put, struct pm_event *ev, struct pm_looked *looked,
                             struct pm_stage *stage, struct pm_arena *arena, struct pm_put_done *done,
                             struct pm_error *err)
{
    bool finished = false;
    PM_TRY(take_sources(put, stage, arena, done, err));
    PM_TRY(write_texts(ev, done, stage, err));
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        PM_TRY(publish(put, ev, looked, stage, arena, done, &finished, err));
        if (finished) return PM_OK;
        PM_TRY(look(put, ev->result, arena, looked, err));
    }
    return pm_error_set(err, PM_EIO, "what lies at \"%.*s\" keeps changing; put it again", PM_SLICE_ARG(ev->result));
}

int pm_put(const struct pm_put *put, struct pm_event *ev, struct pm_arena *arena, struct pm_put_done *ret,
           struct pm_error *err)
{
    struct pm_put_done done = {.stored_at = ev->occurred_at};
    struct pm_looked looked;
    PM_TRY(pm_key_complete(put->schema, ev, arena, err));
    PM_TRY(check_sources(put, arena, err));
    PM_TRY(set_task_id(put, ev, arena, err));
    PM_TRY(look(put, ev->result, arena, &looked, err));
    if (is_damaged(&looked) && !put->repair) return refuse_damaged(ev, &looked, err);
    if (looked.state == PM_LOOK_WHOLE) { /* nothing needs to be written to find that out */
        bool finished;
        PM_TRY(compare_identity(ev, &looked.facts, err));
        PM_TRY(take_sources(put, NULL, arena, &done, err));
        PM_TRY(publish(put, ev, &looked, put->stage, arena, &done, &finished, err));
    } else {
        PM_TRY(pm_stage_open(put->place.root_fd, ev->result, put->stage, err));
        int rc = stage_and_publish(put, ev, &looked, put->stage, arena, &done, err);
        pm_stage_discard(put->stage);
        PM_TRY(rc);
    }
    set_outputs(&done, ev, arena);
    *ret = done;
    return PM_OK;
}
