/* segment.h: one file of an outbox as bytes (docs/formats/outbox.md): encoder and decoder. No files; any thread. */
#ifndef PM_PRODUCER_SEGMENT_H
#define PM_PRODUCER_SEGMENT_H

#include "common/log/log.h"
#include "producer/record.h"

#define PM_SEGMENT_HEAD_BYTES 64
#define PM_SEGMENT_FRAME_BYTES 24
#define PM_SEGMENT_BYTES ((size_t)4 << 20) /* a writer begins a new one when it is reached */
/* What a reader takes for a segment: the last record may reach beyond. */
#define PM_SEGMENT_BYTES_MAX \
    (PM_SEGMENT_BYTES + PM_SEGMENT_FRAME_BYTES + PM_LOG_ORIGIN_BYTES_MAX + PM_LOG_RECORD_BYTES_MAX)
#define PM_SEGMENT_ID_BYTES 16
#define PM_SEGMENT_NAME_SIZE 64 /* with the zero */

struct pm_segment_head {
    uint8_t producer[PM_SEGMENT_ID_BYTES];
    uint64_t number;
    int64_t made_at_us;
    uint32_t pid;
};

void pm_segment_head_put(const struct pm_segment_head *head, char out[PM_SEGMENT_HEAD_BYTES]);
/* PM_EFORMAT when it is cut, damaged or no segment, PM_ESCHEMA when a newer program wrote it. */
int pm_segment_head_get(struct pm_slice file, struct pm_segment_head *ret, struct pm_error *err) PM_MUST_CHECK;

/* "PRODUCER-NUMBER" and the suffix (".seg"). */
void pm_segment_name(const uint8_t producer[PM_SEGMENT_ID_BYTES], uint64_t number, const char *suffix,
                     char out[PM_SEGMENT_NAME_SIZE]);
bool pm_segment_is_name(const char *name, const char *suffix);

/* What stands before origin, key and value of the record, and how long it is with them. */
void pm_segment_frame(const struct pm_record *record, char out[PM_SEGMENT_FRAME_BYTES]);

static inline size_t pm_segment_record_bytes(const struct pm_record *record)
{
    return PM_SEGMENT_FRAME_BYTES + record->origin.len + record->key.len + record->value.len;
}

#define PM_SEGMENT_LOOK_MAX ((uint64_t)256 << 20)

struct pm_segment_reader {
    struct pm_slice file;
    size_t at;
    uint64_t records, damaged; /* damaged: places in the middle that are no record */
    size_t ends;               /* bytes that say that a producer ended: of no record */
    size_t cut;                /* bytes at the end that are no record */
    uint64_t looked; /* bytes that were summed up in vain; past PM_SEGMENT_LOOK_MAX the rest counts as damaged */
};
void pm_segment_reader_init(struct pm_segment_reader *reader, struct pm_slice file); /* its head has been read */
/* The next whole record, which borrows from the file; false at the end. */
bool pm_segment_next(struct pm_segment_reader *reader, struct pm_record *ret);

#endif
