/* frame.h: what stands before an Avro record in a log value and says which schema wrote it. Any thread. Described byte
 * by byte in docs/formats/event.md. */
#ifndef PM_EVENT_FRAME_H
#define PM_EVENT_FRAME_H

#include "common/event/event.h"

#define PM_FRAME_SINGLE_OBJECT_BYTES 10 /* C3 01, fingerprint little-endian */
#define PM_FRAME_CONFLUENT_BYTES 5      /* 00, schema id big-endian */

enum pm_frame_kind { PM_FRAME_SINGLE_OBJECT, PM_FRAME_CONFLUENT, PM_FRAME_JSON };

struct pm_frame {
    enum pm_frame_kind kind;
    uint64_t fingerprint; /* PM_FRAME_SINGLE_OBJECT */
    uint32_t schema_id;   /* PM_FRAME_CONFLUENT */
    struct pm_slice body; /* what comes after; all of the value for PM_FRAME_JSON */
};

/* Borrows from `value`. PM_EFORMAT when it is empty, or begins like none of the three, or ends inside the frame. */
int pm_frame_read(struct pm_slice value, struct pm_frame *ret, struct pm_error *err) PM_MUST_CHECK;

void pm_frame_put_single_object(uint64_t fingerprint, struct pm_buf *out);
void pm_frame_put_confluent(uint32_t schema_id, struct pm_buf *out);

#endif
