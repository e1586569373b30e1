/* avro_differs.c: the direct decoder against Avro C (avro_slow.c), which reads the same bytes along the built-in schema
 * as if it were foreign. Both accept, and read the same event, or both refuse. Input: type (1 byte), body. */
#include "common/event/avro_slow.h"
#include "common/event/codec.h"
#include "tests/fuzz/support/fuzz.h"
#include "tests/support/events.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct pm_writer *writers[PM_EVENT_TYPE_COUNT];
    static struct pm_arena arena;
    struct fuzz_input in = fuzz_input(data, size);
    enum pm_event_type type = (enum pm_event_type)(fuzz_byte(&in) % PM_EVENT_TYPE_COUNT);
    if (!writers[type]) PM_CHECK(pm_writer_new(pm_schema_json(type), &writers[type], NULL) == PM_OK);
    pm_arena_reset(&arena);
    struct pm_slice body = fuzz_rest(&in), translated;
    struct pm_event direct, slow;
    bool direct_reads = pm_event_decode(type, body, &direct, NULL) == PM_OK;
    bool slow_reads = pm_writer_translate(writers[type], body, &arena, &translated, NULL) == PM_OK;
    PM_CHECK(direct_reads == slow_reads);
    if (!direct_reads) return 0;
    PM_CHECK(pm_event_decode(type, translated, &slow, NULL) == PM_OK);
    PM_CHECK(test_event_difference(&direct, &slow) == NULL);
    return 0;
}
