/* key.c: identities and their paths (key.h). */
#include "provstore/key.h"

#include "common/base/number.h"
#include "common/event/identity.h"
#include "common/event/ids.h"
#include "provstore/store.h"

static int need(const struct pm_event *ev, uint64_t bit, const char *field, struct pm_error *err)
{
    if (ev->has & bit) return PM_OK;
    return pm_error_set(err, PM_EINVALID, "%s is missing: a stored %s is known by it", field,
                        ev->kind == PM_KIND_AGG ? "aggregation" : "simulation");
}

static int need_text(const struct pm_event *ev, uint64_t bit, const char *field, struct pm_slice text,
                     struct pm_error *err)
{
    PM_TRY(need(ev, bit, field, err));
    return text.len ? PM_OK : pm_error_set(err, PM_EINVALID, "%s is empty", field);
}

static int refuse(const struct pm_event *ev, uint64_t bit, const char *field, struct pm_error *err)
{
    if (!(ev->has & bit)) return PM_OK;
    return pm_error_set(err, PM_EINVALID, "%s is given, which a stored %s does not have", field,
                        ev->kind == PM_KIND_AGG ? "aggregation" : "simulation");
}

static int derive_aggregation(struct pm_event *ev, struct pm_arena *arena, struct pm_error *err)
{
    const uint64_t needed = PM_HAS(target) | PM_HAS(input_task_ids);
    if ((ev->has & needed) != needed || !ev->input_task_ids.count) return PM_OK;
    struct pm_slice *ids = pm_arena_alloc(arena, ev->input_task_ids.count * sizeof *ids);
    struct pm_array_iter it = pm_array_iter(ev->input_task_ids);
    size_t n = 0;
    while (n < ev->input_task_ids.count && pm_array_next_text(&it, &ids[n])) n++;
    char *hex = pm_arena_alloc(arena, 16);
    pm_aggregation_id(PM_AGGREGATION_STORE, ev->target, ids, n, hex, NULL);
    struct pm_slice id = pm_slice(hex, 16);
    if ((ev->has & PM_HAS(aggregation_id)) && !pm_slice_eq(ev->aggregation_id, id))
        return pm_error_set(err, PM_EINVALID, "aggregation_id \"%.*s\" is not that of target and inputs, which is %.*s",
                            PM_SLICE_ARG(ev->aggregation_id), PM_SLICE_ARG(id));
    ev->aggregation_id = id;
    ev->has |= PM_HAS(aggregation_id);
    return PM_OK;
}

static int check_members(struct pm_event *ev, struct pm_arena *arena, struct pm_error *err)
{
    PM_TRY(need_text(ev, PM_HAS(bundle_digest), "bundle_ref", ev->bundle_digest, err));
    if (ev->kind == PM_KIND_SIM) {
        PM_TRY(need_text(ev, PM_HAS(entrypoint), "entrypoint", ev->entrypoint, err));
        PM_TRY(need(ev, PM_HAS(param_id), "params", err));
        PM_TRY(need(ev, PM_HAS(seed), "seed", err));
        PM_TRY(refuse(ev, PM_HAS(target), "target", err));
        PM_TRY(refuse(ev, PM_HAS(target_digest), "target_digest", err));
        PM_TRY(refuse(ev, PM_HAS(input_task_ids), "input_task_ids", err));
        return refuse(ev, PM_HAS(aggregation_id), "aggregation_id", err);
    }
    PM_TRY(need_text(ev, PM_HAS(target), "target", ev->target, err));
    PM_TRY(derive_aggregation(ev, arena, err));
    PM_TRY(refuse(ev, PM_HAS(seed), "seed", err));
    PM_TRY(refuse(ev, PM_HAS(task_id), "task_id", err));
    return need_text(ev, PM_HAS(aggregation_id), "aggregation_id", ev->aggregation_id, err);
}

/* ---- the path ---- */

struct given {
    const char *name;
    uint64_t bit;
    struct pm_slice value;
};

static int gather(const struct pm_event *ev, char digits[PM_INTEGER_TEXT_SIZE], struct pm_path_facts *facts,
                  struct pm_error *err)
{
    size_t len = ev->has & PM_HAS(seed) ? pm_u64_format(ev->seed, digits) : 0;
    const struct given given[] = {
        {"bundle_ref", PM_HAS(bundle_ref), ev->bundle_ref},
        {"bundle_digest", PM_HAS(bundle_digest), ev->bundle_digest},
        {"model_digest", PM_HAS(model_digest), ev->model_digest},
        {"entrypoint", PM_HAS(entrypoint), ev->entrypoint},
        {"param_id", PM_HAS(param_id), ev->param_id},
        {"seed", PM_HAS(seed), pm_slice(digits, len)},
        {"target", PM_HAS(target), ev->target},
        {"target_digest", PM_HAS(target_digest), ev->target_digest},
        {"aggregation_id", PM_HAS(aggregation_id), ev->aggregation_id},
    };
    for (size_t i = 0; i < sizeof given / sizeof *given; i++)
        if (ev->has & given[i].bit) PM_TRY(pm_path_facts_set(facts, pm_slice_cstr(given[i].name), given[i].value, err));
    return PM_OK;
}

/* What nobody could read back: names beginning with '.' are how a store hides what is being written. */
static int check_segments(struct pm_slice path, struct pm_error *err)
{
    for (size_t at = 0; at < path.len; at++) {
        bool begins = at == 0 || path.ptr[at - 1] == '/';
        if (begins && path.ptr[at] == '.')
            return pm_error_set(err, PM_EINVALID, "path \"%.*s\": a segment begins with \".\"", PM_SLICE_ARG(path));
        if ((unsigned char)path.ptr[at] < ' ' || path.ptr[at] == 0x7f)
            return pm_error_set(err, PM_EINVALID, "path: a segment holds the control character 0x%02x",
                                (unsigned)(unsigned char)path.ptr[at]);
    }
    unsigned depth = 0;
    for (size_t at = 0, begin = 0; at <= path.len; at++) {
        if (at < path.len && path.ptr[at] != '/') continue;
        if (++depth > PM_STORE_DEPTH_MAX)
            return pm_error_set(err, PM_ELIMIT, "path: more than %d segments, which no walk would find",
                                PM_STORE_DEPTH_MAX);
        if (at - begin > 255)
            return pm_error_set(err, PM_ELIMIT, "path: a segment has %zu bytes, above the limit of 255", at - begin);
        begin = at + 1;
    }
    return PM_OK;
}

static int render(const struct pm_schema *schema, struct pm_event *ev, struct pm_arena *arena, struct pm_error *err)
{
    struct pm_path_facts facts = {0};
    struct pm_buf out = {0};
    char digits[PM_INTEGER_TEXT_SIZE];
    enum pm_path_kind kind = ev->kind == PM_KIND_AGG ? PM_PATH_AGG : PM_PATH_SIM;
    PM_TRY(gather(ev, digits, &facts, err));
    int rc = pm_schema_path(schema, kind, &facts, &out, err);
    if (rc == PM_OK) rc = check_segments(pm_buf_slice(&out), err);
    struct pm_slice path = rc == PM_OK ? pm_arena_copy(arena, pm_buf_slice(&out)) : PM_SLICE("");
    pm_buf_release(&out);
    if (rc != PM_OK) return rc;
    if ((ev->has & PM_HAS(result)) && !pm_slice_eq(ev->result, path))
        return pm_error_set(err, PM_EINVALID, "path \"%.*s\" is not that of this identity under schema %.*s: \"%.*s\"",
                            PM_SLICE_ARG(ev->result), PM_SLICE_ARG(schema->id), PM_SLICE_ARG(path));
    ev->result = path;
    ev->schema = schema->name;
    ev->schema_version = schema->version;
    ev->has |= PM_HAS(result) | PM_HAS(schema) | PM_HAS(schema_version);
    return PM_OK;
}

/* The rules of events, of the copy: its id is nobody's. */
static int check_rules(struct pm_event ev, struct pm_arena *arena, struct pm_error *err)
{
    struct pm_buf scratch = {0};
    int rc = pm_event_complete(&ev, arena, &scratch, err);
    pm_buf_release(&scratch);
    return rc;
}

int pm_key_complete(const struct pm_schema *schema, struct pm_event *ev, struct pm_arena *arena, struct pm_error *err)
{
    struct pm_event whole = *ev;
    enum pm_path_kind kind = ev->kind == PM_KIND_AGG ? PM_PATH_AGG : PM_PATH_SIM;
    if (schema->read_only)
        return pm_error_set(err, PM_EUSAGE,
                            "schema \"%.*s\" is one that is only read; `provmat path schemas` lists all",
                            PM_SLICE_ARG(schema->id));
    if (!schema->paths[kind].n_parts)
        return pm_error_set(err, PM_EUSAGE, "schema \"%.*s\" has no paths of kind %s", PM_SLICE_ARG(schema->id),
                            pm_path_kind_name(kind));
    if (whole.has & PM_HAS(bundle_digest)) whole.bundle_digest = pm_digest_digits(whole.bundle_digest);
    PM_TRY(pm_event_derive(&whole, arena, err));
    PM_TRY(check_members(&whole, arena, err));
    PM_TRY(render(schema, &whole, arena, err));
    PM_TRY(check_rules(whole, arena, err));
    *ev = whole;
    return PM_OK;
}

/* ---- comparing ---- */

static int differ(const char *field, struct pm_slice stored, struct pm_slice wanted, struct pm_error *err)
{
    return pm_error_set(err, PM_EDIFFERS, "another identity lies at this path: %s is \"%.*s\", not \"%.*s\"", field,
                        (int)(stored.len > 300 ? 300 : stored.len), stored.ptr,
                        (int)(wanted.len > 300 ? 300 : wanted.len), wanted.ptr);
}

int pm_key_compare(const struct pm_event *wanted, const struct pm_event *stored, struct pm_error *err)
{
    const uint64_t both = wanted->has & stored->has;
    char seeds[2][PM_INTEGER_TEXT_SIZE];
#define TEXT(member)                                                             \
    if ((both & PM_HAS(member)) && !pm_slice_eq(stored->member, wanted->member)) \
        return differ(#member, stored->member, wanted->member, err);
    if ((both & PM_HAS(kind)) && wanted->kind != stored->kind)
        return differ("kind", pm_slice_cstr(pm_kind_name(stored->kind)), pm_slice_cstr(pm_kind_name(wanted->kind)),
                      err);
    TEXT(bundle_digest)
    TEXT(entrypoint)
    TEXT(params)
    TEXT(param_id)
    TEXT(target)
    TEXT(target_digest)
    TEXT(aggregation_id)
#undef TEXT
    if ((both & PM_HAS(model_digest)) &&
        !pm_slice_eq(pm_digest_digits(stored->model_digest), pm_digest_digits(wanted->model_digest)))
        return differ("model_digest", stored->model_digest, wanted->model_digest, err);
    if ((both & PM_HAS(seed)) && wanted->seed != stored->seed)
        return differ("seed", pm_slice(seeds[0], pm_u64_format(stored->seed, seeds[0])),
                      pm_slice(seeds[1], pm_u64_format(wanted->seed, seeds[1])), err);
    return PM_OK;
}
