/* frame.c: what stands before a record in a log value. What is read writes the same bytes again. */
#include "common/event/frame.h"

#include "tests/fuzz/support/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct pm_buf out;
    struct pm_slice value = pm_slice(data, size);
    struct pm_frame frame;
    struct pm_error err;
    if (pm_frame_read(value, &frame, &err) != PM_OK) {
        PM_CHECK(err.code == PM_EFORMAT && err.text[0]);
        return 0;
    }
    pm_buf_clear(&out);
    if (frame.kind == PM_FRAME_SINGLE_OBJECT) pm_frame_put_single_object(frame.fingerprint, &out);
    if (frame.kind == PM_FRAME_CONFLUENT) pm_frame_put_confluent(frame.schema_id, &out);
    pm_buf_slice_add(&out, frame.body);
    PM_CHECK(pm_slice_eq(pm_buf_slice(&out), value));
    return 0;
}
