/* path_bench.c: how fast paths of results are rendered, by a schema that was compiled once: one thread, no input read.
 *
 *   path_bench [PATHS]     (2000000)
 *
 * "replicates": ten seeds a parameter set, as a study has them, so that nine of ten paths hash nothing; "sets": every
 * path has a parameter set of its own; "facts": the same ten seeds a set, with the schema's values looked up and
 * derived from named facts for every path, as `path render` does. All take turns. Prints one JSON object: seconds of
 * processor time each. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "common/base/check.h"
#include "common/base/hash.h"
#include "common/base/number.h"
#include "provstore/schema.h"

#define SETS 4096
#define SEEDS 10

struct bench {
    const struct pm_schema *schema;
    char ids[SETS][64];
    struct pm_values values;
    struct pm_buf out;
    struct pm_arena arena;
    uint64_t sum; /* of lengths: what is made is used */
};

static const char digest[] = "4f446dbc7bd09db746ea635f0acb27025ebb7dc982442691eb114588fd99a7c2";

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void must(int rc, const struct pm_error *err)
{
    if (rc == PM_OK) return;
    fprintf(stderr, "path_bench: %s\n", err->text);
    exit(1);
}

static unsigned place(const struct bench *bench, const char *name)
{
    return pm_names_find(&bench->schema->names, pm_slice_cstr(name));
}

static void render(struct bench *bench)
{
    struct pm_error err;
    pm_buf_clear(&bench->out);
    must(pm_schema_render(bench->schema, PM_PATH_SIM, &bench->values, &bench->out, &err), &err);
    bench->sum += bench->out.len;
}

static void run_values(struct bench *bench, uint64_t paths, uint64_t seeds)
{
    unsigned param_id = place(bench, "param_id"), seed = place(bench, "seed");
    char digits[PM_INTEGER_TEXT_SIZE];
    for (uint64_t i = 0; i < paths; i++) {
        if (i % seeds == 0) pm_values_set(&bench->values, param_id, pm_slice(bench->ids[i / seeds % SETS], 64));
        pm_values_set(&bench->values, seed, pm_slice(digits, pm_u64_format(i * 2654435761u & 0xffffffff, digits)));
        render(bench);
    }
}

static void run_facts(struct bench *bench, uint64_t paths)
{
    struct pm_path_facts facts = {0};
    struct pm_error err;
    char digits[PM_INTEGER_TEXT_SIZE];
    for (uint64_t i = 0; i < paths; i++) {
        pm_arena_reset(&bench->arena);
        struct pm_slice seed = pm_slice(digits, pm_u64_format(i * 2654435761u & 0xffffffff, digits));
        must(pm_path_facts_set(&facts, PM_SLICE("bundle_digest"), pm_slice_cstr(digest), &err), &err);
        must(pm_path_facts_set(&facts, PM_SLICE("param_id"), pm_slice(bench->ids[i / SEEDS % SETS], 64), &err), &err);
        must(pm_path_facts_set(&facts, PM_SLICE("seed"), seed, &err), &err);
        must(pm_schema_values(bench->schema, &facts, &bench->arena, &bench->values, &err), &err);
        render(bench);
    }
}

int main(int argc, char **argv)
{
    struct bench *bench = pm_calloc(1, sizeof *bench);
    struct pm_schemas schemas = {0};
    uint64_t paths = 2000000;
    if (argc > 2 || (argc == 2 && (!pm_u64_parse(pm_slice_cstr(argv[1]), &paths) || !paths))) {
        fprintf(stderr, "usage: path_bench [PATHS]\n");
        return 2;
    }
    for (uint64_t i = 0; i < SETS; i++) {
        struct pm_slice text = pm_slice(&i, sizeof i);
        uint8_t bytes[32];
        pm_blake2b(bytes, sizeof bytes, &text, 1);
        pm_hex_encode(bytes, sizeof bytes, bench->ids[i]);
    }
    pm_schemas_builtin(&schemas);
    bench->schema = pm_schemas_find(&schemas, PM_SLICE("token"), NULL);
    run_facts(bench, SEEDS); /* fills in name, version and bundle */
    double begin = seconds();
    run_values(bench, paths, SEEDS);
    double replicates = seconds();
    run_values(bench, paths, 1);
    double sets = seconds();
    run_facts(bench, paths);
    double facts = seconds();
    printf("{\"paths\": %" PRIu64 ", \"bytes\": %" PRIu64
           ", \"replicates_s\": %.6f, \"sets_s\": %.6f, \"facts_s\": %.6f}\n",
           paths, bench->sum, replicates - begin, sets - replicates, facts - sets);
    pm_schemas_release(&schemas);
    pm_arena_release(&bench->arena);
    pm_buf_release(&bench->out);
    free(bench);
    return 0;
}
