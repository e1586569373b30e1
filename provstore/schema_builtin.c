/* schema_builtin.c: the layouts that stores have and had. docs/paths.md shows an example of each and says what it
 * cannot tell apart; the notes here are what `provmat path schemas` prints. Compiled once, on first use. */
#include <pthread.h>

#include "common/base/check.h"
#include "provstore/schema.h"

#define ROOT "{schema_name}/v{version}"
#define JOB "jobs/{job_type}/{job_id}"
#define SIM_IN(bundle) "sims/" bundle "/{shard(param_id,2,2)}/params_{param_id[:8]}/seed_{seed}"
#define AGG_IN(bundle) "aggs/" bundle "/target_{target}/agg_{aggregation_id}"
#define UNDER(bundle) .root = ROOT, .sim = SIM_IN(bundle), .agg = AGG_IN(bundle), .job = JOB

#define PLAIN UNDER("{bundle_digest[:12]}")
#define BY_PORT UNDER("{bundle_ref_tail[:12]}"), .read_only = true, .loose = true
#define BY_REF_HASH UNDER("{hash(bundle_ref_hash)[:12]}"), .read_only = true

static const char port_note[] = "a port in the reference's repository became the bundle's segments: every bundle of "
                                "the repository shares them",
                  ref_note[] = "2025-09-22 to 2025-10-14: the hash of the hash of the whole reference",
                  v2_note[] = "2025-10-14, for a hundred minutes";

static const struct {
    const char *id, *name;
    int version;
    const char *root, *sim, *agg, *job, *note;
    bool read_only, loose;
} table[] = {
    {"token", "token", 1, PLAIN, .note = "since 2025-10-14, the default: the digest of the bundle as it is"},
    {"bundle", "bundle", 1, PLAIN, .note = "since 2025-10-14, under the other name"},
    {"default", "default", 1, PLAIN, .note = "since 2025-10-14, a schema without a name"},
    {"token-hashed", "token", 1, .root = ROOT, .sim = SIM_IN("{hash(model_digest)[:12]}"),
     .agg = AGG_IN("{hash(model_digest)[:12]}"), .job = JOB,
     .note = "as designed, and 2025-09-22 for two hours: the hash of the model's digest"},
    {"bundle-hashed", "bundle", 1, UNDER("{hash(bundle_digest)[:12]}"),
     .note = "as designed: the hash of the bundle's digest"},
    {"default-hashed", "default", 1, UNDER("{hash(bundle_digest)[:12]}"),
     .note = "as designed, a schema without a name"},
    {"token-refhash", "token", 1, BY_REF_HASH, .note = ref_note},
    {"bundle-refhash", "bundle", 1, BY_REF_HASH, .note = ref_note},
    {"default-refhash", "default", 1, BY_REF_HASH, .note = ref_note},
    {"token-port", "token", 1, BY_PORT, .note = port_note},
    {"bundle-port", "bundle", 1, BY_PORT, .note = port_note},
    {"default-port", "default", 1, BY_PORT, .note = port_note},
    {"token-v2", "token", 2, PLAIN, .read_only = true, .note = v2_note},
    {"bundle-v2", "bundle", 2, PLAIN, .read_only = true, .note = v2_note},
    {"token-v2-port", "token", 2, BY_PORT, .note = port_note},
    {"bundle-v2-port", "bundle", 2, BY_PORT, .note = port_note},
    {"token-drawn", "token", 1, .root = ROOT,
     .sim = "sims/{bundle_digest[:12]}/{split(param_id,2,2)}/params_{param_id[:8]}/seed_{seed}",
     .agg = AGG_IN("{bundle_digest[:12]}"), .job = JOB, .read_only = true,
     .note = "as drawn in documents, where the shard is the id's own digits; no known store has it"},
    {"paths-module", "token", 1, .root = "provenance/token/v1",
     .sim = "sims/{bundle_digest[:12]}/{split(param_id,1,2)}/params_{param_id[:8]}/seed_{seed}",
     .agg = "aggs/{bundle_digest[:12]}/target_{target_double}/agg_{aggregation_id}",
     .note = "of a module that computed paths apart from the store; no known store has it", .read_only = true,
     .loose = true},
    {"cache", "cache", 0, .root = "cache", .sim = "{param_id}/seed_{seed}", .read_only = true,
     .note = "2025-09-05 to 09-09: one file a seed (pickle, then ZIP); neither bundle nor model is in the path"},
    {"cache-simroot", "cache", 2, .root = "cache/v2", .sim = "{split(sim_root,2,2)}/{sim_root}/{param_id}/{seed}.mops",
     .read_only = true, .note = "2025-09-09 to 09-22: one ZIP a seed under a hash of everything that went in"},
};
#define TABLE_COUNT (sizeof table / sizeof *table)

static struct pm_schema schemas[TABLE_COUNT];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void compile(const char *text, struct pm_schema *schema, struct pm_template *ret)
{
    struct pm_error err;
    if (text) PM_CHECK(pm_template_compile(pm_slice_cstr(text), &schema->names, ret, &err) == PM_OK);
}

static void compile_all(void)
{
    for (size_t i = 0; i < TABLE_COUNT; i++) {
        struct pm_schema *schema = &schemas[i];
        schema->id = pm_slice_cstr(table[i].id);
        schema->name = pm_slice_cstr(table[i].name);
        schema->version = table[i].version;
        schema->note = pm_slice_cstr(table[i].note);
        schema->read_only = table[i].read_only;
        schema->loose = table[i].loose;
        compile(table[i].root, schema, &schema->root);
        compile(table[i].sim, schema, &schema->paths[PM_PATH_SIM]);
        compile(table[i].agg, schema, &schema->paths[PM_PATH_AGG]);
        compile(table[i].job, schema, &schema->paths[PM_PATH_JOB]);
    }
}

void pm_schemas_builtin(struct pm_schemas *ret)
{
    pthread_once(&once, compile_all);
    *ret = (struct pm_schemas){0};
    for (size_t i = 0; i < TABLE_COUNT; i++) ret->items[ret->count++] = &schemas[i];
}
