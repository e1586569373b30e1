/* layout.c: which layout a stored result follows (walk.h): its facts are rendered under each schema that has the path's
 * name and version, the usual one first, until one gives the path. */
#include "common/base/number.h"
#include "provstore/walk.h"

static const char root_usual[] = "{schema_name}/v{version}";

/* Could a path of this schema begin as this one does? */
static bool may_be(const struct pm_schema *schema, struct pm_slice path)
{
    char version[PM_INTEGER_TEXT_SIZE];
    if (!schema->root.n_parts || !pm_slice_is(schema->root.text, root_usual)) return true;
    struct pm_slice digits = pm_slice(version, pm_i64_format(schema->version, version));
    return path.len > schema->name.len + 3 + digits.len && pm_slice_starts(path, schema->name) &&
           memcmp(path.ptr + schema->name.len, "/v", 2) == 0 &&
           memcmp(path.ptr + schema->name.len + 2, digits.ptr, digits.len) == 0 &&
           path.ptr[schema->name.len + 2 + digits.len] == '/';
}

static void set(struct pm_path_facts *facts, const char *name, struct pm_slice value)
{
    if (pm_path_facts_set(facts, pm_slice_cstr(name), value, NULL) != PM_OK)
        facts->count = 0; /* as if nothing was known */
}

static void gather(struct pm_walker *walker, const struct pm_stored *stored, struct pm_path_facts *facts)
{
    const struct pm_event *ev = &stored->facts;
    char *digits = pm_arena_alloc(&walker->arena, PM_INTEGER_TEXT_SIZE);
    if (stored->bundle_ref.ptr) set(facts, "bundle_ref", stored->bundle_ref);
    if (ev->has & PM_HAS(param_id)) set(facts, "param_id", ev->param_id);
    if (ev->has & PM_HAS(seed)) set(facts, "seed", pm_slice(digits, pm_u64_format(ev->seed, digits)));
    if (ev->has & PM_HAS(entrypoint)) set(facts, "entrypoint", ev->entrypoint);
    if (ev->has & PM_HAS(target)) set(facts, "target", ev->target);
    if (ev->has & PM_HAS(target_digest)) set(facts, "target_digest", ev->target_digest);
    if (ev->has & PM_HAS(aggregation_id)) set(facts, "aggregation_id", ev->aggregation_id);
    if (stored->sim_root.ptr) set(facts, "sim_root", stored->sim_root);
}

static bool gives(struct pm_walker *walker, const struct pm_schema *schema, enum pm_path_kind kind,
                  const struct pm_path_facts *facts, struct pm_slice path)
{
    struct pm_buf out = {0};
    struct pm_values values = {0};
    bool same = pm_schema_values(schema, facts, &walker->arena, &values, NULL) == PM_OK &&
                pm_schema_render(schema, kind, &values, &out, NULL) == PM_OK && pm_slice_eq(pm_buf_slice(&out), path);
    pm_buf_release(&out);
    return same;
}

/* The layout by the model's digest: from manifest.json; the store that wrote it took "unknown" for aggregations. */
static bool gives_by_model(struct pm_walker *walker, const struct pm_schema *schema, enum pm_path_kind kind,
                           struct pm_path_facts facts, const struct pm_result_texts *texts, struct pm_slice path)
{
    for (size_t i = 0; i < texts->n_model_digests; i++) {
        set(&facts, "model_digest", texts->model_digests[i]);
        if (gives(walker, schema, kind, &facts, path)) return true;
    }
    set(&facts, "model_digest", PM_SLICE("unknown"));
    return kind == PM_PATH_AGG && gives(walker, schema, kind, &facts, path);
}

/* "NAME/vN/..." */
static void schema_of_path(struct pm_stored *stored)
{
    struct pm_slice path = stored->path;
    const char *slash = memchr(path.ptr, '/', path.len);
    size_t name = slash ? (size_t)(slash - path.ptr) : path.len, at = name + 2, end = at;
    int64_t version;
    while (end < path.len && path.ptr[end] != '/') end++;
    if (at >= path.len || path.ptr[name + 1] != 'v' || !pm_i64_parse(pm_slice(path.ptr + at, end - at), &version))
        return;
    stored->facts.schema = pm_slice(path.ptr, name);
    stored->facts.schema_version = version;
    stored->facts.has |= PM_HAS(schema) | PM_HAS(schema_version);
}

static const struct pm_schema *find(struct pm_walker *walker, const struct pm_stored *stored, enum pm_path_kind kind,
                                    const struct pm_path_facts *facts, const struct pm_result_texts *texts)
{
    const struct pm_schemas *schemas = walker->walk->options->schemas;
    for (size_t i = 0; i < schemas->count; i++) {
        const struct pm_schema *schema = schemas->items[i];
        if (!schema->paths[kind].n_parts || !may_be(schema, stored->path)) continue;
        if (gives(walker, schema, kind, facts, stored->path)) return schema;
        if (pm_names_find(&schema->names, PM_SLICE("model_digest")) < PM_VARIABLES_MAX &&
            gives_by_model(walker, schema, kind, *facts, texts, stored->path))
            return schema;
    }
    return NULL;
}

/* Where it would belong today: the current layout of the same name, else the default one. */
static void propose(struct pm_walker *walker, const struct pm_stored *stored, enum pm_path_kind kind,
                    const struct pm_path_facts *facts, struct pm_slice *ret_expected, struct pm_slice *ret_schema)
{
    const struct pm_schemas *schemas = walker->walk->options->schemas;
    const struct pm_schema *best = schemas->count ? schemas->items[0] : NULL;
    struct pm_buf out = {0};
    for (size_t i = schemas->count; i > 0; i--) {
        const struct pm_schema *schema = schemas->items[i - 1];
        if (!schema->read_only && schema->paths[kind].n_parts && may_be(schema, stored->path)) best = schema;
    }
    if (best && pm_schema_path(best, kind, facts, &out, NULL) == PM_OK) {
        *ret_expected = pm_arena_copy(&walker->arena, pm_buf_slice(&out));
        *ret_schema = best->id;
    }
    pm_buf_release(&out);
}

void pm_layout_find(struct pm_walker *walker, struct pm_stored *stored, const struct pm_result_texts *texts,
                    struct pm_slice *ret_expected, struct pm_slice *ret_schema)
{
    struct pm_path_facts facts = {0};
    *ret_expected = (struct pm_slice){NULL, 0};
    if (!(stored->facts.has & PM_HAS(kind))) return;
    enum pm_path_kind kind = stored->facts.kind == PM_KIND_AGG ? PM_PATH_AGG : PM_PATH_SIM;
    gather(walker, stored, &facts);
    stored->layout = find(walker, stored, kind, &facts, texts);
    if (stored->layout) {
        if (stored->layout->version && !texts->is_cache) {
            stored->facts.schema = stored->layout->name;
            stored->facts.schema_version = stored->layout->version;
            stored->facts.has |= PM_HAS(schema) | PM_HAS(schema_version);
        }
        return;
    }
    schema_of_path(stored);
    propose(walker, stored, kind, &facts, ret_expected, ret_schema);
}
