/* result_json.c: the JSON files of a stored result (result_json.h). Strict in form, because what is half a number is
 * not a number; lenient in members, because four generations of code wrote them. One thread an arena. */
#include "provstore/result_json.h"

#include "common/base/json.h"
#include "common/base/number.h"
#include "common/event/identity.h"

struct reading {
    struct pm_json in;
    struct pm_arena *arena;
    struct pm_stored *stored;
    struct pm_result_texts *texts;
};

/* A member's reader; the value is at the cursor and is not null. */
typedef int read_fn(struct reading *reading, struct pm_error *err);
struct member {
    const char *name;
    read_fn *read;
};

/* An object, member by member: `member` takes the value, which is at the cursor. */
typedef int member_fn(struct reading *reading, struct pm_slice key, void *arg, struct pm_error *err);
static int read_object(struct reading *reading, member_fn *member, void *arg, struct pm_error *err)
{
    PM_TRY(pm_json_enter(&reading->in, '{', err));
    for (;;) {
        struct pm_slice key;
        bool more;
        PM_TRY(pm_json_read_key(&reading->in, &key, &more, err));
        if (!more) return PM_OK;
        PM_TRY(member(reading, key, arg, err));
    }
}

static int skip(struct reading *reading, struct pm_error *err) { return pm_json_read_compact(&reading->in, NULL, err); }

/* `arg`: where a table of members stands. */
static int take_listed(struct reading *reading, struct pm_slice key, void *arg, struct pm_error *err)
{
    const struct member *member = *(const struct member *const *)arg;
    while (member->name && !pm_slice_is(key, member->name)) member++;
    int rc;
    if (pm_json_peek(&reading->in) == PM_JSON_NULL) rc = pm_json_read_null(&reading->in, err);
    else if (member->name) rc = member->read(reading, err);
    else rc = skip(reading, err);
    if (rc == PM_OK) return PM_OK;
    return pm_error_wrap(err, rc, "field \"%.*s\" at byte offset %zu", (int)(key.len > 100 ? 100 : key.len), key.ptr,
                         (size_t)(reading->in.at - reading->in.start));
}

static int read_file(struct reading *reading, struct pm_slice text, const char *file, const struct member *members,
                     struct pm_error *err)
{
    int rc = text.len ? pm_json_open(&reading->in, text, reading->arena, err)
                      : pm_error_set(err, PM_EFORMAT, "the file is empty");
    if (rc == PM_OK) rc = read_object(reading, take_listed, &members, err);
    if (rc == PM_OK) rc = pm_json_close(&reading->in, err);
    return rc == PM_OK ? rc : pm_error_wrap(err, rc, "%s", file);
}

/* ---- kinds of value ---- */

static int read_text(struct reading *reading, struct pm_slice *ret, uint64_t has, struct pm_error *err)
{
    PM_TRY(pm_json_read_string(&reading->in, ret, err));
    if (!ret->ptr) ret->ptr = "";
    reading->stored->facts.has |= has;
    return PM_OK;
}

static int read_integer(struct reading *reading, int64_t *ret, int64_t least, struct pm_error *err)
{
    struct pm_slice text;
    bool integer;
    PM_TRY(pm_json_read_number(&reading->in, &text, &integer, err));
    if (integer && pm_i64_parse(text, ret) && *ret >= least) return PM_OK;
    return pm_error_set(err, PM_EINVALID, "%.*s is not an integer from %lld on", PM_SLICE_ARG(text), (long long)least);
}

#define TEXT(name, member, bit)                                    \
    static int name(struct reading *reading, struct pm_error *err) \
    {                                                              \
        return read_text(reading, &reading->member, bit, err);     \
    }
TEXT(read_bundle_ref, stored->bundle_ref, 0)
TEXT(read_param_id, texts->recorded_param_id, 0)
TEXT(read_timestamp, texts->timestamp, 0)
TEXT(read_task_id, stored->facts.task_id, PM_HAS(task_id))
TEXT(read_sim_root, stored->sim_root, 0)
TEXT(read_target_digest, stored->facts.target_digest, PM_HAS(target_digest))
TEXT(read_aggregation_text, stored->facts.aggregation_id, PM_HAS(aggregation_id))

/* ---- metadata.json ---- */

static int read_entrypoint(struct reading *reading, struct pm_error *err)
{
    reading->texts->is_sim = true;
    return read_text(reading, &reading->stored->facts.entrypoint, PM_HAS(entrypoint), err);
}

static int read_target(struct reading *reading, struct pm_error *err)
{
    reading->texts->is_agg = true;
    return read_text(reading, &reading->stored->facts.target, PM_HAS(target), err);
}

/* Of an aggregation, as `provmat store put` writes it: the simulations' entrypoint. */
static int read_sim_entrypoint(struct reading *reading, struct pm_error *err)
{
    reading->texts->is_agg = true;
    return read_text(reading, &reading->stored->facts.entrypoint, PM_HAS(entrypoint), err);
}

static int read_first_seen(struct reading *reading, struct pm_error *err)
{
    reading->texts->is_cache = true;
    return read_timestamp(reading, err);
}

static int read_params(struct reading *reading, struct pm_error *err)
{
    struct pm_buf canonical = {0};
    int rc = pm_params_read(&reading->in, &canonical, err);
    if (rc == PM_OK) {
        reading->stored->facts.params = pm_arena_copy(reading->arena, pm_buf_slice(&canonical));
        reading->stored->facts.has |= PM_HAS(params);
    }
    pm_buf_release(&canonical);
    return rc;
}

static int read_seed(struct reading *reading, struct pm_error *err)
{
    struct pm_slice text;
    bool integer = true;
    reading->texts->is_sim = true;
    if (pm_json_peek(&reading->in) == PM_JSON_STRING) PM_TRY(pm_json_read_string(&reading->in, &text, err));
    else PM_TRY(pm_json_read_number(&reading->in, &text, &integer, err));
    if (!integer || !pm_u64_parse(text, &reading->stored->facts.seed))
        return pm_error_set(err, PM_EINVALID, "%.*s is not a seed: 0 to 2^64-1", PM_SLICE_ARG(text));
    reading->stored->facts.has |= PM_HAS(seed);
    return PM_OK;
}

static int read_n_sim_returns(struct reading *reading, struct pm_error *err)
{
    reading->texts->is_agg = true;
    return read_integer(reading, &reading->stored->n_sim_returns, 0, err);
}

static const struct member metadata_members[] = {
    {"bundle_ref", read_bundle_ref},
    {"entrypoint", read_entrypoint},
    {"params", read_params},
    {"seed", read_seed},
    {"param_id", read_param_id},
    {"timestamp", read_timestamp},
    {"first_seen", read_first_seen},
    {"target_entrypoint", read_target},
    {"n_sim_returns", read_n_sim_returns},
    {"sim_entrypoint", read_sim_entrypoint},
    {"target_digest", read_target_digest},
    {0},
};

int pm_metadata_read(struct pm_slice text, struct pm_arena *arena, struct pm_stored *stored,
                     struct pm_result_texts *texts, struct pm_error *err)
{
    struct reading reading = {.arena = arena, .stored = stored, .texts = texts};
    return read_file(&reading, text, "metadata.json", metadata_members, err);
}

/* ---- result.json ---- */

static int take_output_member(struct reading *reading, struct pm_slice key, void *arg, struct pm_error *err)
{
    struct pm_stored_output *output = arg;
    int64_t *size = pm_slice_is(key, "size")           ? &output->size
                    : pm_slice_is(key, "arrow_size")   ? &output->arrow_size
                    : pm_slice_is(key, "parquet_size") ? &output->parquet_size
                    : pm_slice_is(key, "json_size")    ? &output->json_size
                                                       : NULL;
    if (pm_json_peek(&reading->in) == PM_JSON_NULL) return pm_json_read_null(&reading->in, err);
    if (size) return read_integer(reading, size, 0, err);
    if (pm_slice_is(key, "checksum")) return read_text(reading, &output->checksum, 0, err);
    return skip(reading, err);
}

static int read_output(struct reading *reading, struct pm_slice name, struct pm_stored_output *ret,
                       struct pm_error *err)
{
    *ret = (struct pm_stored_output){.name = name, .size = -1, .arrow_size = -1, .parquet_size = -1, .json_size = -1};
    return read_object(reading, take_output_member, ret, err);
}

/* `arg`: how many there is room for. */
static int take_output(struct reading *reading, struct pm_slice name, void *arg, struct pm_error *err)
{
    struct pm_stored *stored = reading->stored;
    size_t *room = arg;
    if (stored->n_outputs == PM_OUTPUTS_MAX)
        return pm_error_set(err, PM_ELIMIT, "above the limit of %d outputs", PM_OUTPUTS_MAX);
    if (stored->n_outputs == *room) {
        *room = *room ? 2 * *room : 8;
        struct pm_stored_output *larger = pm_arena_alloc(reading->arena, *room * sizeof *larger);
        if (stored->n_outputs) memcpy(larger, stored->outputs, stored->n_outputs * sizeof *larger);
        stored->outputs = larger;
    }
    int rc = read_output(reading, name.ptr ? name : PM_SLICE(""), &stored->outputs[stored->n_outputs++], err);
    return rc == PM_OK ? rc : pm_error_wrap(err, rc, "output \"%.*s\"", PM_SLICE_ARG(name));
}

static int read_outputs(struct reading *reading, struct pm_error *err)
{
    size_t room = 0;
    reading->stored->n_outputs = 0;
    return read_object(reading, take_output, &room, err);
}

static int take_error_member(struct reading *reading, struct pm_slice key, void *arg, struct pm_error *err)
{
    struct pm_failure *failure = arg;
    if (pm_slice_is(key, "error_type")) return pm_json_read_string(&reading->in, &failure->type, err);
    if (pm_slice_is(key, "message")) return pm_json_read_string(&reading->in, &failure->message, err);
    return skip(reading, err);
}

static int read_error(struct reading *reading, struct pm_error *err)
{
    reading->stored->state = PM_STORED_FAILED;
    return read_object(reading, take_error_member, &reading->stored->failure, err);
}

static int read_error_details(struct reading *reading, struct pm_error *err)
{
    reading->stored->has_error_details = true;
    return read_output(reading, PM_SLICE("error_details"), &reading->stored->error_details, err);
}

static int read_loss(struct reading *reading, struct pm_error *err)
{
    struct pm_slice text;
    bool integer;
    reading->texts->is_agg = true;
    PM_TRY(pm_json_read_number(&reading->in, &text, &integer, err));
    if (!pm_double_parse(text, &reading->stored->facts.loss))
        return pm_error_set(err, PM_EINVALID, "%.*s is beyond the largest double", PM_SLICE_ARG(text));
    reading->stored->facts.has |= PM_HAS(loss);
    return PM_OK;
}

static int read_n_replicates(struct reading *reading, struct pm_error *err)
{
    PM_TRY(read_integer(reading, &reading->stored->facts.n_replicates, 1, err));
    reading->stored->facts.has |= PM_HAS(n_replicates);
    return PM_OK;
}

static int read_aggregation_id(struct reading *reading, struct pm_error *err)
{
    reading->texts->is_agg = true;
    return read_aggregation_text(reading, err);
}

static int read_diagnostics(struct reading *reading, struct pm_error *err)
{
    struct pm_buf text = {0};
    int rc = pm_json_peek(&reading->in) == PM_JSON_OBJECT ? pm_json_read_compact(&reading->in, &text, err)
                                                          : pm_json_expected(&reading->in, "an object", err);
    if (rc == PM_OK && text.len <= PM_DIAGNOSTICS_BYTES_MAX) { /* above, an event cannot carry it */
        reading->stored->facts.diagnostics = pm_arena_copy(reading->arena, pm_buf_slice(&text));
        reading->stored->facts.has |= PM_HAS(diagnostics);
    }
    pm_buf_release(&text);
    return rc;
}

/* Of one of "inputs": its task_id, if it has one. */
static int take_input_member(struct reading *reading, struct pm_slice key, void *arg, struct pm_error *err)
{
    return pm_slice_is(key, "task_id") ? pm_json_read_string(&reading->in, arg, err) : skip(reading, err);
}

static int read_inputs(struct reading *reading, struct pm_error *err)
{
    struct pm_slice *ids = NULL;
    size_t n = 0, room = 0;
    PM_TRY(pm_json_enter(&reading->in, '[', err));
    for (;;) {
        bool more;
        PM_TRY(pm_json_read_item(&reading->in, &more, err));
        if (!more) break;
        if (n == PM_INPUTS_MAX) return pm_error_set(err, PM_ELIMIT, "above the limit of %d inputs", PM_INPUTS_MAX);
        if (n == room) {
            room = room ? 2 * room : 16;
            struct pm_slice *larger = pm_arena_alloc(reading->arena, room * sizeof *larger);
            if (n) memcpy(larger, ids, n * sizeof *larger);
            ids = larger;
        }
        ids[n] = (struct pm_slice){NULL, 0};
        PM_TRY(read_object(reading, take_input_member, &ids[n], err));
        n += ids[n].len > 0;
    }
    if (!n) return PM_OK;
    reading->stored->facts.input_task_ids = pm_array_of_texts(reading->arena, ids, (uint32_t)n);
    reading->stored->facts.has |= PM_HAS(input_task_ids);
    return PM_OK;
}

static const struct member result_members[] = {
    {"task_id", read_task_id},
    {"sim_root", read_sim_root},
    {"outputs", read_outputs},
    {"error", read_error},
    {"error_details", read_error_details},
    {"aggregation_id", read_aggregation_id},
    {"loss", read_loss},
    {"n_replicates", read_n_replicates},
    {"diagnostics", read_diagnostics},
    {"inputs", read_inputs},
    {0},
};

int pm_result_read(struct pm_slice text, struct pm_arena *arena, struct pm_stored *stored,
                   struct pm_result_texts *texts, struct pm_error *err)
{
    struct reading reading = {.arena = arena, .stored = stored, .texts = texts};
    return read_file(&reading, text, "result.json", result_members, err);
}

/* ---- manifest.json ---- */

static int take_model_member(struct reading *reading, struct pm_slice key, void *arg, struct pm_error *err)
{
    struct pm_result_texts *texts = arg;
    struct pm_slice digest;
    if (!pm_slice_is(key, "model_digest")) return skip(reading, err);
    PM_TRY(pm_json_read_string(&reading->in, &digest, err));
    if (digest.len && texts->n_model_digests < PM_MANIFEST_MODELS_MAX)
        texts->model_digests[texts->n_model_digests++] = digest;
    return PM_OK;
}

static int take_model(struct reading *reading, struct pm_slice name, void *arg, struct pm_error *err)
{
    (void)name;
    return read_object(reading, take_model_member, arg, err);
}

static int read_models(struct reading *reading, struct pm_error *err)
{
    return read_object(reading, take_model, reading->texts, err);
}

static const struct member manifest_members[] = {{"models", read_models}, {0}};

int pm_manifest_read(struct pm_slice text, struct pm_arena *arena, struct pm_result_texts *texts, struct pm_error *err)
{
    struct reading reading = {.arena = arena, .texts = texts};
    return read_file(&reading, text, "manifest.json", manifest_members, err);
}
