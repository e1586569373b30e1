/* segment.c: a segment of an outbox, cut and damaged in any way. Whatever is read is in the file as it was written, and
 * what is read and what is not is all of the file. */
#include "producer/segment.h"

#include "tests/fuzz/support/fuzz.h"

static size_t check_record(const struct pm_record *record, struct pm_slice file)
{
    char frame[PM_SEGMENT_FRAME_BYTES];
    const char *at = record->origin.ptr - PM_SEGMENT_FRAME_BYTES;
    PM_CHECK(at >= file.ptr + PM_SEGMENT_HEAD_BYTES);
    PM_CHECK(record->key.ptr == record->origin.ptr + record->origin.len);
    PM_CHECK(record->value.ptr == record->key.ptr + record->key.len);
    PM_CHECK(record->value.ptr + record->value.len <= file.ptr + file.len);
    pm_segment_frame(record, frame);
    PM_CHECK(memcmp(frame, at, sizeof frame) == 0);
    return pm_segment_record_bytes(record);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pm_slice file = fuzz_exact(pm_slice(data, size));
    struct pm_segment_head head;
    struct pm_error err;
    char again[PM_SEGMENT_HEAD_BYTES];
    int rc = pm_segment_head_get(file, &head, &err);
    if (rc == PM_OK) {
        char name[PM_SEGMENT_NAME_SIZE];
        pm_segment_head_put(&head, again);
        PM_CHECK(memcmp(again, file.ptr, 52) == 0 || memcmp(again + 12, file.ptr + 12, 4) != 0);
        pm_segment_name(head.producer, head.number, ".seg", name);
        PM_CHECK(pm_segment_is_name(name, ".seg") && !pm_segment_is_name(name, ".damaged"));
    } else {
        PM_CHECK((rc == PM_EFORMAT || rc == PM_ESCHEMA) && err.text[0]);
    }
    if (file.len >= PM_SEGMENT_HEAD_BYTES) {
        struct pm_segment_reader reader;
        struct pm_record record;
        size_t bytes = PM_SEGMENT_HEAD_BYTES;
        uint64_t n = 0;
        pm_segment_reader_init(&reader, file);
        for (; pm_segment_next(&reader, &record); n++) bytes += check_record(&record, file);
        PM_CHECK(n == reader.records && bytes + reader.ends + reader.cut <= file.len);
        PM_CHECK(reader.damaged > 0 || bytes + reader.ends + reader.cut == file.len);
    }
    fuzz_free(file);
    return 0;
}
