/* ids.h: the ids of tasks, aggregations, seeds and artifacts as workers make them, bit for bit; param_id, bundle digest
 * and event_id are in identity.h. Several algorithms were in use for one name, and stores hold all of them; none is
 * ever taken for another. Golden values: tests/data/golden_ids.json. Pure functions: any thread. */
#ifndef PM_EVENT_IDS_H
#define PM_EVENT_IDS_H

#include "common/base/buf.h"

/* Each writes lower-case hexadecimal digits and, when `over` is not NULL, appends the text that was hashed.
 *
 * worker, worker-error: what workers write to result.json. 64 digits over "{param_id[:16]}-{seed}-{outputs}", the names
 * of the outputs sorted, with commas between; "error" in their place when the task failed. Neither bundle nor
 * entrypoint is in it: never join by it across bundles. `outputs` is sorted in place. */
void pm_task_id_worker(struct pm_slice param_id, uint64_t seed, struct pm_slice *outputs, size_t n_outputs,
                       char out_hex[64], struct pm_buf *over);
void pm_task_id_worker_error(struct pm_slice param_id, uint64_t seed, char out_hex[64], struct pm_buf *over);
/* canonical: 32 digits over "sim:v1|{bundle_ref}|{entrypoint}|{param_id}|{seed}". */
void pm_task_id_canonical(struct pm_slice bundle_ref, struct pm_slice entrypoint, struct pm_slice param_id,
                          uint64_t seed, char out_hex[32], struct pm_buf *over);

/* The first 16 digits over "{target}:{task ids}", the ids sorted, with commas between: of BLAKE2b-256 (store: what is
 * in paths and result.json) or of BLAKE2b-128 (paths: a module beside the store), which are different functions.
 * `task_ids` is sorted in place. */
enum pm_aggregation_algorithm { PM_AGGREGATION_STORE, PM_AGGREGATION_PATHS };
void pm_aggregation_id(enum pm_aggregation_algorithm algorithm, struct pm_slice target, struct pm_slice *task_ids,
                       size_t n_task_ids, char out_hex[16], struct pm_buf *over);
/* manifest: the first 16 digits of SHA-256 over {"param_id": "...", "replicate_count": N, "target_id": "..."}, ASCII.
 */
void pm_aggregation_id_manifest(struct pm_slice param_id, uint64_t replicates, struct pm_slice target_id,
                                char out_hex[16], struct pm_buf *over);

/* environment: 64 digits over "contracts:env:v1|" and the JSON of what a job ran in, its members sorted, its
 * dependencies as sorted pairs. No path holds it. */
struct pm_environment {
    struct pm_slice python, platform, rng;
    struct pm_slice container, cuda; /* ptr NULL: null */
    uint64_t threads;
    struct pm_environment_package {
        struct pm_slice name, version;
    } * packages; /* sorted in place */
    size_t n_packages;
};
#define PM_ENVIRONMENT_RNG "PCG64" /* what those have that name none; threads: 1 */
void pm_environment_digest(const struct pm_environment *environment, char out_hex[64], struct pm_buf *over);

/* inputs: the input_fingerprint of an index of losses, 16 digits over {"bundle": "...", "param_ids": [...], "targets":
 * [...]}, ASCII: the bundle's reference as it stands, `param_ids` sorted (in place), targets in their order. */
void pm_input_fingerprint(struct pm_slice bundle_ref, struct pm_slice *param_ids, size_t n_param_ids,
                          const struct pm_slice *targets, size_t n_targets, char out_hex[16], struct pm_buf *over);

/* The seed that a study plans for a replicate, 0..2^32-1. Runners may execute another one: base, base+1, ... */
uint32_t pm_planned_seed(struct pm_slice param_id, uint64_t replicate);

#endif
