/* schema.c: from facts to a path and back (schema.h). */
#define _GNU_SOURCE /* memrchr */
#include "provstore/schema.h"

#include <math.h>

#include "common/base/hash.h"
#include "common/base/nearest.h"
#include "common/base/number.h"
#include "common/event/event.h"
#include "common/event/identity.h"

static const char *const kind_names[] = {"sim", "agg", "job"};

const char *pm_path_kind_name(enum pm_path_kind kind) { return kind_names[kind]; }

bool pm_path_kind_parse(struct pm_slice text, enum pm_path_kind *ret)
{
    for (unsigned i = 0; i < PM_PATH_KIND_COUNT; i++) {
        if (!pm_slice_is(text, kind_names[i])) continue;
        *ret = (enum pm_path_kind)i;
        return true;
    }
    return false;
}

const struct pm_schema *pm_schemas_find(const struct pm_schemas *schemas, struct pm_slice id, const char **ret_near)
{
    struct pm_nearest nearest = {.typed = id};
    for (size_t i = 0; i < schemas->count; i++) {
        if (pm_slice_eq(schemas->items[i]->id, id)) return schemas->items[i];
        pm_nearest_try(&nearest, schemas->items[i]->id.ptr);
    }
    if (ret_near) *ret_near = pm_nearest_best(&nearest);
    return NULL;
}

/* ---- facts ---- */

int pm_path_facts_set(struct pm_path_facts *facts, struct pm_slice name, struct pm_slice value, struct pm_error *err)
{
    if (!value.ptr) value.ptr = "";
    for (size_t i = 0; i < facts->count; i++) {
        if (!pm_slice_eq(facts->items[i].name, name)) continue;
        facts->items[i].value = value;
        return PM_OK;
    }
    if (facts->count == PM_PATH_FACTS_MAX)
        return pm_error_set(err, PM_ELIMIT, "above the limit of %d variables", PM_PATH_FACTS_MAX);
    facts->items[facts->count++] = (struct pm_path_fact){name, value};
    return PM_OK;
}

bool pm_path_facts_get(const struct pm_path_facts *facts, struct pm_slice name, struct pm_slice *ret)
{
    for (size_t i = 0; i < facts->count; i++) {
        if (!pm_slice_eq(facts->items[i].name, name)) continue;
        *ret = facts->items[i].value;
        return true;
    }
    return false;
}

struct pm_slice pm_bundle_after_colon(struct pm_slice ref)
{
    const char *colon = ref.len ? memchr(ref.ptr, ':', ref.len) : NULL;
    return colon ? pm_slice(colon + 1, ref.len - (size_t)(colon + 1 - ref.ptr)) : ref;
}

struct pm_slice pm_bundle_digest_part(struct pm_slice ref)
{
    const char *at = ref.len ? memrchr(ref.ptr, '@', ref.len) : NULL;
    return pm_bundle_after_colon(at ? pm_slice(at + 1, ref.len - (size_t)(at + 1 - ref.ptr)) : ref);
}

static struct pm_slice hash_text(struct pm_slice text, struct pm_arena *arena)
{
    unsigned char digest[32];
    char *hex = pm_arena_alloc(arena, 64);
    pm_blake2b(digest, sizeof digest, &text, 1);
    pm_hex_encode(digest, sizeof digest, hex);
    return pm_slice(hex, 64);
}

/* One character as one other, or as two. */
static struct pm_slice with_replaced(struct pm_slice text, char from, const char *to, struct pm_arena *arena)
{
    if (!text.len || !memchr(text.ptr, from, text.len)) return text;
    size_t width = strlen(to), len = 0;
    char *out = pm_arena_alloc(arena, text.len * width);
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] != from) {
            out[len++] = text.ptr[i];
            continue;
        }
        memcpy(out + len, to, width);
        len += width;
    }
    return pm_slice(out, len);
}

static int param_id_of(struct pm_slice params, struct pm_arena *arena, struct pm_slice *ret, struct pm_error *err)
{
    struct pm_buf canonical = {0};
    int rc = pm_params_canonical(params, &canonical, err);
    if (rc == PM_OK) {
        char *id = pm_arena_alloc(arena, 64);
        pm_param_id(pm_buf_slice(&canonical), id);
        *ret = pm_slice(id, 64);
    }
    pm_buf_release(&canonical);
    return rc == PM_OK ? rc : pm_error_wrap(err, rc, "params");
}

/* *ret without a pointer: nothing gives this variable a value. */
static int value_of(const struct pm_schema *schema, struct pm_slice name, const struct pm_path_facts *facts,
                    struct pm_arena *arena, struct pm_slice *ret, struct pm_error *err)
{
    struct pm_slice from;
    *ret = (struct pm_slice){NULL, 0};
    bool given = pm_path_facts_get(facts, name, ret);
    if (pm_slice_is(name, "target") && given) *ret = with_replaced(*ret, '/', "_", arena);
    if (given && (pm_slice_is(name, "bundle_digest") || pm_slice_is(name, "model_digest")))
        *ret = pm_digest_digits(*ret);
    if (given) return PM_OK;
    if (pm_slice_is(name, "schema_name")) *ret = schema->name;
    else if (pm_slice_is(name, "version")) {
        char *digits = pm_arena_alloc(arena, PM_INTEGER_TEXT_SIZE);
        *ret = pm_slice(digits, pm_i64_format(schema->version, digits));
    } else if (pm_slice_is(name, "target_double") && pm_path_facts_get(facts, PM_SLICE("target"), &from)) {
        *ret = with_replaced(from, ':', "__", arena);
    } else if (pm_slice_is(name, "param_id") && pm_path_facts_get(facts, PM_SLICE("params"), &from)) {
        return param_id_of(from, arena, ret, err);
    } else if (pm_path_facts_get(facts, PM_SLICE("bundle_ref"), &from)) {
        if (pm_slice_is(name, "bundle_digest")) *ret = pm_bundle_digest_part(from);
        else if (pm_slice_is(name, "bundle_ref_hash")) *ret = hash_text(from, arena);
        else if (pm_slice_is(name, "bundle_ref_tail")) *ret = pm_bundle_after_colon(from);
    }
    return PM_OK;
}

int pm_schema_values(const struct pm_schema *schema, const struct pm_path_facts *facts, struct pm_arena *arena,
                     struct pm_values *values, struct pm_error *err)
{
    for (unsigned i = 0; i < schema->names.count; i++) {
        struct pm_slice value;
        PM_TRY(value_of(schema, schema->names.items[i], facts, arena, &value, err));
        pm_values_set(values, i, value);
    }
    return PM_OK;
}

/* ---- paths ---- */

int pm_schema_render(const struct pm_schema *schema, enum pm_path_kind kind, struct pm_values *values,
                     struct pm_buf *out, struct pm_error *err)
{
    size_t begin = out->len;
    if (!schema->paths[kind].n_parts) {
        return pm_error_set(err, PM_EINVALID, "schema \"%.*s\" has no template for paths of kind %s",
                            PM_SLICE_ARG(schema->id), kind_names[kind]);
    }
    int rc = PM_OK;
    if (schema->root.n_parts) {
        rc = pm_template_render(&schema->root, &schema->names, values, schema->loose, out, err);
        pm_buf_byte(out, '/');
    }
    if (rc == PM_OK) rc = pm_template_render(&schema->paths[kind], &schema->names, values, schema->loose, out, err);
    if (rc == PM_OK) rc = pm_path_check("path", pm_slice(out->ptr + begin, out->len - begin), err);
    if (rc != PM_OK) out->len = begin;
    return rc;
}

int pm_schema_path(const struct pm_schema *schema, enum pm_path_kind kind, const struct pm_path_facts *facts,
                   struct pm_buf *out, struct pm_error *err)
{
    struct pm_arena arena = {0};
    struct pm_values values = {0};
    int rc = pm_schema_values(schema, facts, &arena, &values, err);
    if (rc == PM_OK) rc = pm_schema_render(schema, kind, &values, out, err);
    pm_arena_release(&arena);
    return rc;
}

static bool facts_agree(const struct pm_schema *schema, const struct pm_path_facts *facts,
                        const struct pm_revealed revealed[PM_VARIABLES_MAX])
{
    struct pm_arena arena = {0};
    struct pm_values values = {0};
    bool agree = pm_schema_values(schema, facts, &arena, &values, NULL) == PM_OK;
    for (unsigned i = 0; agree && i < schema->names.count; i++)
        agree = !values.items[i].ptr || pm_revealed_allows(&revealed[i], values.items[i]);
    pm_arena_release(&arena);
    return agree;
}

bool pm_schema_match(const struct pm_schema *schema, struct pm_slice path, const struct pm_path_facts *facts,
                     enum pm_path_kind *ret_kind, struct pm_revealed ret[PM_VARIABLES_MAX])
{
    struct pm_path_facts none = {0};
    for (unsigned kind = 0; kind < PM_PATH_KIND_COUNT; kind++) {
        const struct pm_template *both[2] = {&schema->root, &schema->paths[kind]};
        size_t skip = schema->root.n_parts ? 0 : 1;
        if (!schema->paths[kind].n_parts) continue;
        if (!pm_template_match(both + skip, 2 - skip, &schema->names, schema->loose, path, ret)) continue;
        /* a path under another name or version is one of another schema: these two always have values */
        if (!facts_agree(schema, facts ? facts : &none, ret)) continue;
        *ret_kind = (enum pm_path_kind)kind;
        return true;
    }
    return false;
}

/* ---- how much of a value a path keeps ---- */

static void add_budget(const struct pm_schema *schema, const struct pm_template *template,
                       struct pm_budget ret[PM_VARIABLES_MAX])
{
    for (size_t i = 0; i < template->n_parts; i++) {
        const struct pm_part *part = &template->parts[i];
        if (part->kind == PM_PART_TEXT) continue;
        struct pm_budget *budget = &ret[part->variable];
        budget->variable = schema->names.items[part->variable];
        bool hashed = part->kind == PM_PART_HASH || part->kind == PM_PART_SHARD;
        unsigned *digits = hashed ? &budget->hash_digits : &budget->value_digits;
        if (part->kind == PM_PART_VALUE) budget->whole = true;
        else if (*digits < part->count) *digits = part->count;
    }
}

size_t pm_schema_budget(const struct pm_schema *schema, enum pm_path_kind kind, struct pm_budget ret[PM_VARIABLES_MAX])
{
    struct pm_budget all[PM_VARIABLES_MAX] = {0};
    size_t n = 0;
    add_budget(schema, &schema->root, all);
    add_budget(schema, &schema->paths[kind], all);
    for (size_t i = 0; i < schema->names.count; i++) {
        if (!all[i].variable.ptr) continue;
        unsigned bits = 4 * (all[i].value_digits + all[i].hash_digits);
        all[i].bits = all[i].whole ? 0 : bits > 256 ? 256 : bits;
        ret[n++] = all[i];
    }
    return n;
}

void pm_collisions(uint64_t n, unsigned bits, double *ret_pairs, double *ret_chance)
{
    double pairs = (double)n * ((double)n - 1) / 2 / exp2(bits);
    *ret_pairs = n < 2 ? 0 : pairs;
    *ret_chance = -expm1(-*ret_pairs);
}
