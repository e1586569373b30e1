/* docs.h: what help() says of the functions that are written in C. The first line of each is its signature. */
#ifndef PROVMAT_PYTHON_DOCS_H
#define PROVMAT_PYTHON_DOCS_H

#define DOC_OF_JOB                                                                                               \
    "\n\nFields of every event: job_id (str; default: that of provmat.job, else the producer's), worker (str;\n" \
    "default: the producer's), occurred_at (an aware datetime, an RFC 3339 text or int microseconds since\n"     \
    "1970; default now), event_id (32 hex digits; default: derived from all other fields)."

#define DOC_RESULT                                                                                               \
    "\n\nFields of the result: kind ('sim' or 'agg', required), schema, schema_version (int), bundle_ref,\n"     \
    "bundle_digest (64 hex digits; follows from bundle_ref), model_digest, entrypoint, params (a flat mapping\n" \
    "of names to bool, int, float or str), param_id (follows from params), seed (int, 0 to 2**64-1), target,\n"  \
    "target_digest, aggregation_id."

#define DOC_SAID "\n\nReturns True when it was accepted. Raises nothing: what is wrong is counted, and logged once."

#define DOC_COMPUTED                                                                                             \
    "computed($self, result, /, **fields)\n--\n\n"                                                               \
    "The job made the result, which is named by its path below the store's root.\n\n"                            \
    "loss (finite float), n_replicates (int above 0), task_id, outputs (dicts of name, size in bytes and\n"      \
    "checksum), inputs (paths of results), input_task_ids, replicate_losses (floats), diagnostics (a mapping,\n" \
    "at most 64 KiB of JSON), duration_us (int microseconds, or a timedelta), env_digest." DOC_RESULT DOC_OF_JOB \
        DOC_SAID

#define DOC_DISCOVERED                                                                                   \
    "discovered($self, result, /, **fields)\n--\n\n"                                                     \
    "The result was found in a store and nobody knows which job made it. Fields as of computed, but no " \
    "job_id." DOC_RESULT DOC_SAID

#define DOC_REUSED                                                                                                \
    "reused($self, result, /, **fields)\n--\n\n"                                                                  \
    "The job found the result in a cache.\n\n"                                                                    \
    "source ('local', 'remote', 'scheduler' or 'job'), stored_at (the cached copy's own time, as occurred_at),\n" \
    "loss (finite float), n_replicates, outputs (dicts of name, size in bytes and checksum, as seen in the\n"     \
    "copy)." DOC_RESULT DOC_OF_JOB DOC_SAID

#define DOC_EXPECTED                                \
    "expected($self, results, /, **fields)\n--\n\n" \
    "The job is to produce or reuse these results: a list of 1 to 1,000 paths." DOC_OF_JOB DOC_SAID

#define DOC_DELETED                               \
    "deleted($self, result, /, **fields)\n--\n\n" \
    "The result is no longer in the store. reason (str). It is of no job unless job_id is given." DOC_SAID

#define DOC_SUBMITTED                                                                                            \
    "submitted($self, job_id=None, /, **fields)\n--\n\n"                                                         \
    "The job was handed in.\n\n"                                                                                 \
    "job_type, bundle_ref, bundle_digest, entrypoint, targets (a list), parents (a list of job ids),\n"          \
    "definition_hash, input_hash, inputs (a mapping), provider_id, provider_model, user, rerun_of (a job id),\n" \
    "metadata (a mapping)." DOC_OF_JOB DOC_SAID

#define DOC_CANONICAL_JSON                                                                                    \
    "canonical_json(params, /)\n--\n\n"                                                                       \
    "The text of the parameters that param_id hashes. params: a flat mapping of names to bool, int (of any\n" \
    "size), float or str; 1, 1.0 and True are three different values. Raises TypeError and ValueError."

#define DOC_PARAM_ID              \
    "param_id(params, /)\n--\n\n" \
    "The id of a set of parameters: 64 hex digits. params as of canonical_json."

#define DOC_BUNDLE_DIGEST                  \
    "bundle_digest(bundle_ref, /)\n--\n\n" \
    "The digest in [REPOSITORY@]sha256:HEX: 64 hex digits. Raises ValueError."

#endif
