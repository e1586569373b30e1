/* result_json.h: metadata.json, result.json and manifest.json of a stored result, in every form that they had: with and
 * without timestamp, sim_root, sizes a file, inputs. Members that nobody knows are passed over. */
#ifndef PM_PROVSTORE_RESULT_JSON_H
#define PM_PROVSTORE_RESULT_JSON_H

#include "provstore/store.h"

#define PM_MANIFEST_MODELS_MAX 16

/* What the files say beside the facts, for the checks that compare them. */
struct pm_result_texts {
    struct pm_slice recorded_param_id; /* as it stands beside params */
    struct pm_slice timestamp;
    struct pm_slice model_digests[PM_MANIFEST_MODELS_MAX];
    size_t n_model_digests;
    bool is_agg, is_sim, is_cache; /* as the members show */
};

/* Each fills in what the text says and returns PM_EFORMAT or PM_EINVALID with file, field and byte offset. Slices
 * borrow from `text` and `arena`. */
int pm_metadata_read(struct pm_slice text, struct pm_arena *arena, struct pm_stored *stored,
                     struct pm_result_texts *texts, struct pm_error *err) PM_MUST_CHECK;
int pm_result_read(struct pm_slice text, struct pm_arena *arena, struct pm_stored *stored,
                   struct pm_result_texts *texts, struct pm_error *err) PM_MUST_CHECK;
int pm_manifest_read(struct pm_slice text, struct pm_arena *arena, struct pm_result_texts *texts,
                     struct pm_error *err) PM_MUST_CHECK;

#endif
