/* provmat_store.c: the calls of provmat_store.h: what is given becomes facts, the store does its work (put.c, get.c),
 * and the producer is told. Any thread; a store never changes after it was opened. */
#include "provstore/provmat_store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/given.h"
#include "common/base/time.h"
#include "common/event/ids.h"
#include "provstore/get.h"
#include "provstore/given.h"
#include "provstore/put.h"

#define SCHEMA_DEFAULT "token"

struct provmat_store {
    char *root; /* absolute: the process may change its directory */
    int root_fd;
    struct pm_schemas schemas;
    const struct pm_schema *schema;
    provmat_producer *producer;
};

/* ---- errors ---- */

static int code_of(int rc)
{
    switch (rc) {
    case PM_OK: return PROVMAT_OK;
    case PM_ENOMEM: return PROVMAT_ENOMEM;
    case PM_EUSAGE: return PROVMAT_ECONFIG;
    case PM_ENOTFOUND: return PROVMAT_EMISS;
    case PM_EDIFFERS: return PROVMAT_ECONFLICT;
    case PM_ECORRUPT: return PROVMAT_EDAMAGED;
    default: return pm_error_class(rc) == PM_CLASS_POISON ? PROVMAT_EINVALID : PROVMAT_EIO;
    }
}

static int give(struct provmat_error *err, int code, const char *text)
{
    if (err) {
        err->code = code;
        snprintf(err->text, sizeof err->text, "%s", code == PROVMAT_OK ? "" : text);
    }
    return code;
}

/* ---- opening ---- */

struct opening {
    const struct provmat_store_options *given;
    struct provmat_store *store;
};

static int open_root(struct provmat_store *store, const char *root, struct pm_error *err)
{
    if (!root || !*root) return pm_error_set(err, PM_EUSAGE, "option root is missing; name the store's directory");
    store->root = realpath(root, NULL);
    store->root_fd = store->root ? open(store->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (store->root_fd >= 0) return PM_OK;
    if (errno == ENOMEM) return pm_error_set(err, PM_ENOMEM, "could not open the store: out of memory");
    return pm_error_set(err, PM_EUSAGE, "could not open the store \"%s\": %s%s", root, pm_error_system(errno),
                        errno == ENOENT ? "; make the directory first, if it is to be a new one" : "");
}

static int open_schema(struct provmat_store *store, const struct provmat_store_options *o, struct pm_error *err)
{
    const char *id = o->schema ? o->schema : SCHEMA_DEFAULT, *near = NULL;
    if (o->n_schema_files && !o->schema_files)
        return pm_error_set(err, PM_EUSAGE, "option schema_files is NULL; n_schema_files is not 0");
    for (size_t i = 0; i < o->n_schema_files; i++)
        PM_TRY(pm_schemas_read(&store->schemas, o->schema_files[i] ? o->schema_files[i] : "", err));
    store->schema = pm_schemas_find(&store->schemas, pm_slice_cstr(id), &near);
    if (!store->schema)
        return pm_error_set(err, PM_EUSAGE, "there is no schema \"%s\"%s%s%s; `provmat path schemas` lists them", id,
                            near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
    if (!store->schema->read_only) return PM_OK;
    return pm_error_set(err, PM_EUSAGE, "schema \"%s\" is one that is only read; `provmat path schemas` lists them",
                        id);
}

static int open_parts(void *arg, struct pm_error *err)
{
    struct opening *opening = arg;
    struct provmat_store_options o;
    if (PM_GIVEN_TAKE(o, opening->given, "provmat_store_options", err) != PM_OK)
        return pm_error_wrap(err, PM_EUSAGE, "options");
    pm_schemas_builtin(&opening->store->schemas);
    opening->store->producer = o.producer;
    PM_TRY(open_root(opening->store, o.root, err));
    return open_schema(opening->store, &o, err);
}

int provmat_store_open(const struct provmat_store_options *options, provmat_store **ret, struct provmat_error *err)
{
    struct pm_error why = {0};
    struct opening opening = {.given = options, .store = calloc(1, sizeof(struct provmat_store))};
    if (!opening.store) return give(err, PROVMAT_ENOMEM, "out of memory");
    opening.store->root_fd = -1;
    int rc = pm_memory_guarded(open_parts, &opening, &why);
    if (rc != PM_OK) {
        provmat_store_close(opening.store);
        return give(err, rc == PM_ENOMEM ? PROVMAT_ENOMEM : PROVMAT_ECONFIG, why.text);
    }
    *ret = opening.store;
    return give(err, PROVMAT_OK, "");
}

void provmat_store_close(provmat_store *store)
{
    if (!store) return;
    if (store->root_fd >= 0) close(store->root_fd);
    pm_schemas_release(&store->schemas);
    free(store->root);
    free(store);
}

/* ---- what both calls do ---- */

static struct pm_place place_of(const struct provmat_store *store)
{
    return (struct pm_place){.root = store->root, .root_fd = store->root_fd, .schemas = &store->schemas};
}

/* The event names the schema that the store has. */
static int check_schema(const struct provmat_store *store, const struct provmat_result *r, struct pm_error *err)
{
    if (r->schema && !pm_slice_is(store->schema->name, r->schema))
        return pm_error_set(err, PM_EINVALID, "schema \"%s\" is not that of the store, \"%.*s\"", r->schema,
                            PM_SLICE_ARG(store->schema->name));
    if ((r->has & PROVMAT_HAS_SCHEMA_VERSION) && r->schema_version != store->schema->version)
        return pm_error_set(err, PM_EINVALID, "schema_version %lld is not that of the store, %lld",
                            (long long)r->schema_version, (long long)store->schema->version);
    return PM_OK;
}

/* What follows from the store, into the event's result. */
static void fill_result(const struct pm_event *ev, struct pm_arena *arena, struct provmat_result *r)
{
    r->path = pm_arena_cstr(arena, ev->result);
    r->schema = pm_arena_cstr(arena, ev->schema);
    r->schema_version = ev->schema_version;
    r->has |= PROVMAT_HAS_SCHEMA_VERSION;
    if (ev->has & PM_HAS(aggregation_id)) r->aggregation_id = pm_arena_cstr(arena, ev->aggregation_id);
}

static const struct provmat_output *outputs_of(const struct pm_event *ev, struct pm_arena *arena, size_t *ret_count)
{
    struct pm_output output;
    size_t n = 0;
    if (!(ev->has & PM_HAS(outputs))) return NULL;
    struct provmat_output *items = pm_arena_alloc(arena, (ev->outputs.count + 1) * sizeof *items);
    for (struct pm_array_iter it = pm_array_iter(ev->outputs); pm_array_next_output(&it, &output);)
        items[n++] = (struct provmat_output){.name = pm_arena_cstr(arena, output.name),
                                             .size = output.size,
                                             .checksum = pm_arena_cstr(arena, output.checksum)};
    *ret_count = n;
    return items;
}

struct room { /* what a struct provmat_stored is the beginning of */
    struct provmat_stored stored;
    struct pm_arena arena;
};

void provmat_stored_free(struct provmat_stored *stored)
{
    if (!stored) return;
    struct room *room = (struct room *)stored; /* its first member */
    pm_arena_release(&room->arena);
    free(room);
}

static int no_store(struct provmat_error *err)
{
    return give(err, PROVMAT_EINVALID, "the store is NULL; open one with provmat_store_open");
}

/* What `facts` say of what is stored. */
static void fill_stored(const struct pm_event *facts, struct room *room)
{
    struct provmat_stored *stored = &room->stored;
    *stored = (struct provmat_stored){.size = sizeof *stored,
                                      .path = pm_arena_cstr(&room->arena, facts->result),
                                      .schema = pm_arena_cstr(&room->arena, facts->schema),
                                      .schema_version = facts->schema_version};
    if (facts->has & PM_HAS(loss)) stored->has |= PROVMAT_HAS_LOSS, stored->loss = facts->loss;
    if (facts->has & PM_HAS(n_replicates)) stored->n_replicates = facts->n_replicates;
    if (facts->has & PM_HAS(task_id)) stored->task_id = pm_arena_cstr(&room->arena, facts->task_id);
    if (facts->has & PM_HAS(aggregation_id))
        stored->aggregation_id = pm_arena_cstr(&room->arena, facts->aggregation_id);
}

static void set_stored_at(struct provmat_stored *stored, int64_t us)
{
    stored->has |= PROVMAT_HAS_STORED_AT;
    stored->stored_at_us = us;
}

static void set_event(struct provmat_stored *stored, int code, const struct provmat_error *why)
{
    stored->event = code;
    if (code != PROVMAT_OK) memcpy(stored->event_why, why->text, sizeof stored->event_why);
}

/* ---- putting ---- */

struct putting {
    provmat_store *store;
    const struct provmat_put *given;
    struct room *room;
    struct pm_stage stage;
    struct pm_given_computed event;
    struct pm_event facts;
    struct pm_put_done done;
};

static int take_artifacts(const struct provmat_put *put, struct pm_arena *arena, struct pm_put *ret,
                          struct pm_error *err)
{
    if (put->n_artifacts && !put->artifacts)
        return pm_error_set(err, PM_EINVALID, "artifacts is NULL and has %zu items", put->n_artifacts);
    if (put->n_artifacts > PM_OUTPUTS_MAX)
        return pm_error_set(err, PM_ELIMIT, "%zu artifacts, above the limit of %d", put->n_artifacts, PM_OUTPUTS_MAX);
    struct pm_put_source *sources = pm_arena_alloc(arena, (put->n_artifacts + 1) * sizeof *sources);
    for (size_t i = 0; i < put->n_artifacts; i++) {
        const struct provmat_artifact *given = &put->artifacts[i];
        if (!given->name) return pm_error_set(err, PM_EINVALID, "an artifact has no name");
        if (!given->file && !given->bytes && given->length)
            return pm_error_set(err, PM_EINVALID, "artifact \"%s\" has neither a file nor bytes", given->name);
        sources[i] = (struct pm_put_source){.name = pm_slice_cstr(given->name),
                                            .file = given->file,
                                            .bytes = pm_slice(given->bytes, given->file ? 0 : given->length),
                                            .json = given->json != 0};
    }
    ret->sources = sources;
    ret->n_sources = put->n_artifacts;
    return PM_OK;
}

static void fill_put(struct putting *call)
{
    const struct pm_put_done *done = &call->done;
    struct pm_arena *arena = &call->room->arena;
    struct provmat_stored *stored = &call->room->stored;
    struct provmat_file *files = pm_arena_alloc(arena, (done->n_outputs + 1) * sizeof *files);
    for (size_t i = 0; i < done->n_outputs; i++) {
        const struct pm_put_output *output = &done->outputs[i];
        files[i] = (struct provmat_file){.name = pm_arena_cstr(arena, output->name),
                                         .file = pm_arena_printf(arena, "%s/%.*s/artifact_%.*s%s", call->store->root,
                                                                 PM_SLICE_ARG(call->facts.result),
                                                                 PM_SLICE_ARG(output->name),
                                                                 output->json ? ".json" : ".arrow"),
                                         .size = output->size,
                                         .checksum = pm_arena_cstr(arena, pm_slice(output->checksum, 64))};
    }
    fill_stored(&call->facts, call->room);
    stored->outcome = (int)done->outcome + PROVMAT_STORED;
    stored->files = files;
    stored->n_files = done->n_outputs;
    if (done->stored_at != INT64_MIN) set_stored_at(stored, done->stored_at);
}

static int put_result(void *arg, struct pm_error *err)
{
    struct putting *call = arg;
    struct provmat_put given;
    struct pm_put put = {.place = place_of(call->store), .schema = call->store->schema, .stage = &call->stage};
    PM_TRY(PM_GIVEN_TAKE(given, call->given, "provmat_put", err));
    if (given.flags & ~(unsigned)PROVMAT_PUT_REPAIR)
        return pm_error_set(err, PM_EINVALID, "flags 0x%x: only PROVMAT_PUT_REPAIR (1) is known", given.flags);
    put.repair = given.flags & PROVMAT_PUT_REPAIR;
    PM_TRY(pm_given_computed_take(given.event, &call->room->arena, &call->event, &call->facts, err));
    PM_TRY(check_schema(call->store, &call->event.result, err));
    PM_TRY(take_artifacts(&given, &call->room->arena, &put, err));
    if (!(call->facts.has & PM_HAS(occurred_at))) call->facts.occurred_at = pm_time_now_us();
    call->facts.has |= PM_HAS(occurred_at);
    PM_TRY(pm_put(&put, &call->facts, &call->room->arena, &call->done, err));
    struct provmat_computed *event = &call->event.event;
    fill_result(&call->facts, &call->room->arena, &call->event.result);
    event->result = &call->event.result;
    event->occurred_at_us = call->facts.occurred_at;
    event->outputs = outputs_of(&call->facts, &call->room->arena, &event->n_outputs);
    if (call->facts.has & PM_HAS(task_id)) event->task_id = pm_arena_cstr(&call->room->arena, call->facts.task_id);
    fill_put(call);
    return PM_OK;
}

int provmat_store_put(provmat_store *store, const struct provmat_put *put, struct provmat_stored **ret,
                      struct provmat_error *err)
{
    struct pm_error why = {0};
    struct provmat_error event_why = {0};
    struct putting call = {
        .store = store, .given = put, .room = calloc(1, sizeof(struct room)), .stage = PM_STAGE_CLOSED};
    if (!call.room) return give(err, PROVMAT_ENOMEM, "out of memory");
    int rc = store ? pm_memory_guarded(put_result, &call, &why) : PM_OK;
    pm_stage_discard(&call.stage); /* still open when memory was out */
    if (!store || rc != PM_OK) {
        provmat_stored_free(&call.room->stored);
        return store ? give(err, code_of(rc), why.text) : no_store(err);
    }
    struct provmat_stored *stored = &call.room->stored;
    if (store->producer)
        set_event(stored, provmat_computed(store->producer, &call.event.event, &event_why), &event_why);
    if (ret) *ret = stored;
    else provmat_stored_free(stored);
    return give(err, PROVMAT_OK, "");
}

/* ---- getting ---- */

struct getting {
    provmat_store *store;
    const struct provmat_get *given;
    struct pm_given_reused event;
    struct pm_event facts;
    struct pm_got got;
    struct room *room;
};

static int take_get(const struct getting *call, struct provmat_get *ret, struct pm_get *get, struct pm_error *err)
{
    PM_TRY(PM_GIVEN_TAKE(*ret, call->given, "provmat_get", err));
    if (ret->flags & ~(unsigned)PROVMAT_GET_LINK)
        return pm_error_set(err, PM_EINVALID, "flags 0x%x: only PROVMAT_GET_LINK (1) is known", ret->flags);
    if ((ret->flags & PROVMAT_GET_LINK) && !ret->to)
        return pm_error_set(err, PM_EINVALID, "PROVMAT_GET_LINK without `to`: name the directory of the links");
    get->to = ret->to;
    get->copies = !ret->to ? PM_GET_NO_COPIES : ret->flags & PROVMAT_GET_LINK ? PM_GET_LINK : PM_GET_COPY;
    return PM_OK;
}

static void fill_hit(struct getting *call)
{
    struct provmat_stored *stored = &call->room->stored;
    struct pm_arena *arena = &call->room->arena;
    const struct pm_looked *looked = &call->got.looked;
    struct provmat_file *files = pm_arena_alloc(arena, (call->got.n_files + 1) * sizeof *files);
    for (size_t i = 0; i < call->got.n_files; i++) {
        const struct pm_got_file *file = &call->got.files[i];
        files[i] = (struct provmat_file){
            .name = file->name, .file = file->file, .size = file->size, .checksum = file->checksum};
    }
    struct pm_event facts = looked->facts;
    facts.result = call->facts.result;
    facts.schema = call->facts.schema;
    facts.schema_version = call->facts.schema_version;
    fill_stored(&facts, call->room);
    stored->files = files;
    stored->n_files = call->got.n_files;
    stored->metadata = pm_arena_cstr(arena, looked->metadata);
    stored->result = pm_arena_cstr(arena, looked->result);
    if (!looked->time_from_file) set_stored_at(stored, facts.occurred_at);
}

/* What the caller said of the copy is replaced by what the store says. */
static void fill_event(struct getting *call)
{
    const struct provmat_stored *hit = &call->room->stored;
    struct provmat_reused *event = &call->event.event;
    fill_result(&call->facts, &call->room->arena, &call->event.result);
    event->result = &call->event.result;
    event->has = hit->has;
    event->loss = hit->loss;
    event->stored_at_us = hit->stored_at_us;
    event->n_replicates = hit->n_replicates;
    event->outputs = outputs_of(&call->got.looked.facts, &call->room->arena, &event->n_outputs);
    if (!event->source) event->source = PROVMAT_SOURCE_LOCAL;
}

static int get_result(void *arg, struct pm_error *err)
{
    struct getting *call = arg;
    struct provmat_get given;
    struct pm_get get = {.place = place_of(call->store), .schema = call->store->schema};
    PM_TRY(take_get(call, &given, &get, err));
    PM_TRY(pm_given_reused_take(given.event, &call->room->arena, &call->event, &call->facts, err));
    PM_TRY(check_schema(call->store, &call->event.result, err));
    struct pm_event wanted = call->facts;
    wanted.occurred_at = pm_time_now_us(); /* the rules of events want one */
    wanted.has |= PM_HAS(occurred_at);
    PM_TRY(pm_get(&get, &wanted, &call->room->arena, &call->got, err));
    call->facts = wanted;
    fill_hit(call);
    fill_event(call);
    return PM_OK;
}

int provmat_store_get(provmat_store *store, const struct provmat_get *get, struct provmat_stored **ret,
                      struct provmat_error *err)
{
    struct pm_error why = {0};
    struct provmat_error event_why = {0};
    struct getting call = {.store = store, .given = get, .room = calloc(1, sizeof(struct room))};
    if (!call.room) return give(err, PROVMAT_ENOMEM, "out of memory");
    int rc = store ? pm_memory_guarded(get_result, &call, &why) : PM_OK;
    if (!store || rc != PM_OK) {
        provmat_stored_free(&call.room->stored);
        return store ? give(err, code_of(rc), why.text) : no_store(err);
    }
    struct provmat_stored *stored = &call.room->stored;
    if (store->producer) set_event(stored, provmat_reused(store->producer, &call.event.event, &event_why), &event_why);
    *ret = stored;
    return give(err, PROVMAT_OK, "");
}

/* ---- ids ---- */

struct aggregating {
    const char *target;
    const char *const *task_ids;
    size_t n;
    struct pm_arena arena;
    char *out;
};

static int make_aggregation_id(void *arg, struct pm_error *err)
{
    struct aggregating *call = arg;
    if (!call->target || (call->n && !call->task_ids))
        return pm_error_set(err, PM_EINVALID, "%s is NULL", call->target ? "task_ids" : "target");
    struct pm_slice *ids = pm_arena_alloc(&call->arena, (call->n + 1) * sizeof *ids);
    for (size_t i = 0; i < call->n; i++) {
        if (!call->task_ids[i]) return pm_error_set(err, PM_EINVALID, "an item of task_ids is NULL");
        ids[i] = pm_slice_cstr(call->task_ids[i]);
    }
    pm_aggregation_id(PM_AGGREGATION_STORE, pm_slice_cstr(call->target), ids, call->n, call->out, NULL);
    call->out[16] = 0;
    return PM_OK;
}

int provmat_aggregation_id(const char *target, const char *const *task_ids, size_t n, char out[17],
                           struct provmat_error *err)
{
    struct pm_error why = {0};
    struct aggregating call = {.target = target, .task_ids = task_ids, .n = n, .out = out};
    int rc = pm_memory_guarded(make_aggregation_id, &call, &why);
    pm_arena_release(&call.arena);
    return give(err, code_of(rc), why.text);
}
