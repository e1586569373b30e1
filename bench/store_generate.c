/* store_generate.c: makes the benchmark's store from a seed, in the form that stores have today (docs/stores.md).
 *
 *   store_generate [--seed N] [--results N] [--artifacts N] DIR
 *
 *     --results N     directories with metadata.json and result.json (100000), eleven a parameter set: ten simulations
 *                     and the aggregation over them, under token/v1
 *     --artifacts N   outputs of a simulation, each a file of 1 KiB beside its Parquet twin (0)
 *
 * Shapes and blanks are those of tests/data/small. DIR must not exist. Prints one JSON object: what was written. The
 * same seed gives the same bytes. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench/synth.h"
#include "common/base/check.h"
#include "common/base/hash.h"
#include "common/base/time.h"
#include "common/event/ids.h"

#define SIMS (SYNTH_SET - 1)
#define ARTIFACTS_MAX 8
#define ARTIFACT_BYTES 1024
#define BUNDLE_HEX 12
#define PATH_SIZE 1024

struct store {
    struct synth synth;
    const char *dir;
    uint64_t artifacts, files, bytes, results;
    struct pm_buf metadata, result;
    char bundle[64], param_id[64], params[256];
    char task_ids[SIMS][64];
};

static void die(const char *what, const char *name)
{
    fprintf(stderr, "store_generate: %s \"%s\": %s\n", what, name, pm_error_system(errno));
    exit(1);
}

/* Every directory of `path`, which ends with one. */
static void make_directories(char *path)
{
    for (char *at = path + 1;; at++) {
        if (*at != '/' && *at) continue;
        char ended = *at;
        *at = 0;
        if (mkdir(path, 0777) != 0 && errno != EEXIST) die("could not make", path);
        *at = ended;
        if (!ended) return;
    }
}

static void write_file(struct store *store, const char *directory, const char *name, const char *bytes, size_t len)
{
    char path[PATH_SIZE];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0 || write(fd, bytes, len) != (ssize_t)len) die("could not write", path);
    close(fd);
    store->files++;
    store->bytes += len;
}

static void write_result(struct store *store, const char *directory)
{
    write_file(store, directory, "metadata.json", store->metadata.ptr, store->metadata.len);
    write_file(store, directory, "result.json", store->result.ptr, store->result.len);
    store->results++;
}

static void put_timestamp(struct store *store)
{
    char text[PM_TIME_TEXT_SIZE];
    size_t len = pm_time_format(SYNTH_AT + (int64_t)store->results * SYNTH_STEP_US + 1, text);
    pm_buf_printf(&store->metadata, "  \"timestamp\": \"%.*s+00:00\"\n}", (int)(len - 1), text); /* without its Z */
}

/* A double below 1 with all its digits. */
static double fraction(struct store *store, uint64_t what, uint64_t set)
{
    return (double)(synth_hash(&store->synth, what, set, 0) >> 11) * 0x1p-53 + 0.05;
}

static void begin_set(struct store *store, uint64_t set)
{
    char beta[PM_DOUBLE_TEXT_SIZE], gamma[PM_DOUBLE_TEXT_SIZE], sigma[PM_DOUBLE_TEXT_SIZE], text[256];
    uint64_t bundle = set % SYNTH_BUNDLES;
    beta[pm_double_format(fraction(store, 1, set), beta)] = 0;
    gamma[pm_double_format(fraction(store, 2, set), gamma)] = 0;
    sigma[pm_double_format(fraction(store, 3, set), sigma)] = 0;
    snprintf(text, sizeof text, "{\"beta\":%s,\"gamma\":%s,\"sigma\":%s}", beta, gamma, sigma);
    pm_param_id(pm_slice_cstr(text), store->param_id);
    snprintf(store->params, sizeof store->params, "{\n    \"beta\": %s,\n    \"sigma\": %s,\n    \"gamma\": %s\n  }",
             beta, sigma, gamma);
    for (int i = 0; i < 4; i++)
        snprintf(text + 16 * i, 17, "%016" PRIx64, synth_hash(&store->synth, 4, bundle, (uint64_t)i));
    memcpy(store->bundle, text, sizeof store->bundle);
}

static void put_outputs(struct store *store, const char *directory, uint64_t set, uint64_t replicate)
{
    char bytes[ARTIFACT_BYTES], hex[64], name[64];
    uint8_t digest[32];
    for (uint64_t n = 0; n < store->artifacts; n++) {
        for (size_t i = 0; i < sizeof bytes; i += 8) {
            uint64_t word = synth_hash(&store->synth, 16 + n, set * SIMS + replicate, i);
            memcpy(bytes + i, &word, sizeof word);
        }
        struct pm_slice pieces[] = {pm_slice(bytes, sizeof bytes)};
        pm_blake2b(digest, sizeof digest, pieces, 1);
        pm_hex_encode(digest, sizeof digest, hex);
        for (int twin = 0; twin < 2; twin++) {
            snprintf(name, sizeof name, "artifact_output%" PRIu64 ".%s", n, twin ? "parquet" : "arrow");
            write_file(store, directory, name, bytes, sizeof bytes);
        }
        pm_buf_printf(&store->result,
                      "%s\n    \"output%" PRIu64 "\": {\n      \"size\": %d,\n      \"checksum\": \"%.64s\",\n"
                      "      \"arrow_size\": %d,\n      \"parquet_size\": %d\n    }",
                      n ? "," : "", n, ARTIFACT_BYTES, hex, ARTIFACT_BYTES, ARTIFACT_BYTES);
    }
}

static void make_simulation(struct store *store, uint64_t set, uint64_t replicate)
{
    struct pm_slice names[ARTIFACTS_MAX], id = pm_slice(store->param_id, 64);
    char path[PATH_SIZE], name_texts[ARTIFACTS_MAX][32], hash[64];
    uint64_t seed = synth_hash(&store->synth, 5, set, replicate) & 0xffffffff;
    for (uint64_t n = 0; n < store->artifacts; n++) {
        snprintf(name_texts[n], sizeof name_texts[n], "output%" PRIu64, n);
        names[n] = pm_slice_cstr(name_texts[n]);
    }
    pm_task_id_worker(id, seed, names, store->artifacts, store->task_ids[replicate], NULL);
    uint8_t digest[32];
    pm_blake2b(digest, sizeof digest, &id, 1);
    pm_hex_encode(digest, sizeof digest, hash);
    snprintf(path, sizeof path, "%s/token/v1/sims/%.*s/%.2s/%.2s/params_%.8s/seed_%" PRIu64, store->dir, BUNDLE_HEX,
             store->bundle, hash, hash + 2, store->param_id, seed);
    make_directories(path);
    pm_buf_clear(&store->metadata);
    pm_buf_clear(&store->result);
    pm_buf_printf(
        &store->metadata,
        "{\n  \"bundle_ref\": \"oci.example/seir@sha256:%.64s\",\n  \"entrypoint\": \"models.seir/baseline\",\n"
        "  \"params\": %s,\n  \"seed\": %" PRIu64 ",\n  \"outputs\": null,\n  \"param_id\": \"%.64s\",\n",
        store->bundle, store->params, seed, store->param_id);
    put_timestamp(store);
    pm_buf_printf(&store->result, "{\n  \"task_id\": \"%.64s\",\n  \"outputs\": {", store->task_ids[replicate]);
    put_outputs(store, path, set, replicate);
    pm_buf_cstr(&store->result, store->artifacts ? "\n  }\n}" : "}\n}");
    write_result(store, path);
}

static void make_aggregation(struct store *store, uint64_t set, uint64_t n)
{
    static const char target[] = "targets.prevalence:prevalence_target";
    struct pm_slice ids[SIMS];
    char path[PATH_SIZE], id[16], loss[PM_DOUBLE_TEXT_SIZE];
    for (uint64_t i = 0; i < n; i++) ids[i] = pm_slice(store->task_ids[i], 64);
    pm_aggregation_id(PM_AGGREGATION_STORE, pm_slice_cstr(target), ids, n, id, NULL);
    loss[pm_double_format(1e6 * fraction(store, 6, set), loss)] = 0;
    snprintf(path, sizeof path, "%s/token/v1/aggs/%.*s/target_%s/agg_%.16s", store->dir, BUNDLE_HEX, store->bundle,
             target, id);
    make_directories(path);
    pm_buf_clear(&store->metadata);
    pm_buf_clear(&store->result);
    pm_buf_printf(&store->metadata,
                  "{\n  \"bundle_ref\": \"oci.example/seir@sha256:%.64s\",\n  \"target_entrypoint\": \"%s\",\n"
                  "  \"n_sim_returns\": %" PRIu64 ",\n  \"param_id\": \"%.16s\",\n",
                  store->bundle, target, n, store->task_ids[0]);
    put_timestamp(store);
    pm_buf_printf(
        &store->result,
        "{\n  \"aggregation_id\": \"%.16s\",\n  \"loss\": %s,\n  \"diagnostics\": {\n"
        "    \"target_type\": \"Target\",\n    \"model_output\": \"prevalence\",\n    \"n_sim_returns\": %" PRIu64
        ",\n    \"target_name\": \"SquaredErrorLoss\",\n    \"weight\": 1.0\n  },\n  \"n_replicates\": %" PRIu64
        ",\n  \"outputs\": {},\n  \"inputs\": [",
        id, loss, n, n);
    for (uint64_t i = 0; i < n; i++)
        pm_buf_printf(&store->result, "%s\n    {\n      \"type\": \"sim\",\n      \"task_id\": \"%.64s\"\n    }",
                      i ? "," : "", store->task_ids[i]);
    pm_buf_cstr(&store->result, "\n  ]\n}");
    write_result(store, path);
}

static bool parse(int argc, char **argv, struct store *store, uint64_t *ret_results)
{
    for (int i = 1; i < argc; i++) {
        bool named = i + 1 < argc && argv[i][0] == '-';
        uint64_t number = 0;
        if (named && !pm_u64_parse(pm_slice_cstr(argv[i + 1]), &number)) return false;
        if (named && strcmp(argv[i], "--seed") == 0) store->synth.seed = number;
        else if (named && strcmp(argv[i], "--results") == 0) *ret_results = number;
        else if (named && strcmp(argv[i], "--artifacts") == 0) store->artifacts = number;
        else if (!store->dir && argv[i][0] != '-') store->dir = argv[i];
        else return false;
        i += named;
    }
    return store->dir && strlen(store->dir) < PATH_SIZE / 2 && *ret_results > 0 && store->artifacts <= ARTIFACTS_MAX;
}

int main(int argc, char **argv)
{
    struct store store = {.synth = {.seed = 1}};
    uint64_t results = 100000;
    if (!parse(argc, argv, &store, &results)) {
        fprintf(stderr, "usage: store_generate [--seed N] [--results N] [--artifacts N] DIR\n");
        return 2;
    }
    if (access(store.dir, F_OK) == 0) {
        errno = EEXIST;
        die("could not make", store.dir);
    }
    for (uint64_t set = 0; store.results < results; set++) {
        uint64_t n = 0;
        begin_set(&store, set);
        while (n < SIMS && store.results < results) make_simulation(&store, set, n++);
        if (store.results < results) make_aggregation(&store, set, n);
    }
    printf("{\"results\": %" PRIu64 ", \"files\": %" PRIu64 ", \"bytes\": %" PRIu64 "}\n", store.results, store.files,
           store.bytes);
    pm_buf_release(&store.metadata);
    pm_buf_release(&store.result);
    return 0;
}
