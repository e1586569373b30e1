/* avro.c: the direct decoder of each record type. Input: type (1 byte), body. What is accepted is written and read
 * again as the same event, and written the second time as the same bytes. */
#include "tests/fuzz/support/fuzz.h"
#include "tests/support/events.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct pm_buf first, second;
    struct fuzz_input in = fuzz_input(data, size);
    enum pm_event_type type = (enum pm_event_type)(fuzz_byte(&in) % PM_EVENT_TYPE_COUNT);
    struct pm_event ev, again;
    struct pm_error err;
    if (pm_event_decode(type, fuzz_rest(&in), &ev, &err) != PM_OK) {
        PM_CHECK(err.code == PM_EFORMAT && err.text[0]);
        return 0;
    }
    int rc = pm_event_check(&ev, &err);
    PM_CHECK(rc == PM_OK || pm_error_class(rc) == PM_CLASS_POISON);
    pm_buf_clear(&first);
    pm_event_encode(&ev, &first);
    struct pm_slice body = fuzz_exact(pm_buf_slice(&first));
    PM_CHECK(pm_event_decode(type, body, &again, &err) == PM_OK);
    PM_CHECK(test_event_difference(&ev, &again) == NULL);
    pm_buf_clear(&second);
    pm_event_encode(&again, &second);
    PM_CHECK(pm_slice_eq(pm_buf_slice(&first), pm_buf_slice(&second)));
    fuzz_free(body);
    return 0;
}
