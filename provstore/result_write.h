/* result_write.h: metadata.json, result.json and manifest.json as a store documents them, the other way round of
 * result_json.h. Pure: any thread. */
#ifndef PM_PROVSTORE_RESULT_WRITE_H
#define PM_PROVSTORE_RESULT_WRITE_H

#include "common/event/event.h"

struct pm_put_output { /* an output and the file beside the two that holds it */
    struct pm_slice name;
    bool json; /* artifact_NAME.json, else artifact_NAME.arrow */
    int64_t size;
    char checksum[64];
};

/* Appends the text. `ev` is a whole identity (pm_put_prepare); occurred_at is the timestamp. */
void pm_metadata_write(const struct pm_event *ev, struct pm_buf *out);
void pm_result_write(const struct pm_event *ev, const struct pm_put_output *outputs, size_t n, struct pm_buf *out);
/* Only of an identity with a model_digest. */
void pm_manifest_write(const struct pm_event *ev, struct pm_buf *out);

#endif
