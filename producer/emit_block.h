/* emit_block.h: one block of whole lines on its way through emit, and the work that is done on it (emit_block.c). A
 * block belongs to one thread at a time: the reader fills it, a worker makes records of its lines, the reader appends
 * them. */
#ifndef PM_PRODUCER_EMIT_BLOCK_H
#define PM_PRODUCER_EMIT_BLOCK_H

#include "common/event/codec.h"

#define PM_EMIT_READ_BYTES (256 * 1024) /* asked of one read */
/* A block holds the rest of a line that is not yet too long, and one more read. */
#define PM_EMIT_BLOCK_BYTES (PM_EVENT_BYTES_MAX + 2 + PM_EMIT_READ_BYTES)

struct pm_emit_record { /* key and value stand one after the other in `bytes` of the block */
    size_t at;
    uint32_t key_len, value_len;
    int64_t timestamp_ms;
    uint64_t line;
};

struct pm_emit_refusal {
    uint64_t line;
    size_t at; /* of the reason, ended by a zero, in `reasons` */
    size_t n_records_before;
};

struct pm_emit_block {
    /* in */
    char *input; /* PM_EMIT_BLOCK_BYTES */
    size_t used; /* bytes of whole lines; the last may lack its newline at the end of a file */
    const char *file;
    uint64_t first_line; /* its number in the file, from 1 */
    uint64_t n_lines;
    int64_t default_at_us; /* occurred_at of the first line without one; one microsecond more a line, so that lines keep
                              their order */
    bool done;             /* guarded by the ring's mutex */

    /* out */
    struct pm_buf bytes, reasons;
    struct pm_emit_record *records;
    size_t n_records, cap_records;
    struct pm_emit_refusal *refusals; /* in line order */
    size_t n_refusals, cap_refusals;
    struct pm_error fatal; /* code PM_OK, or what stopped the work after the last record */
};

/* Makes records and refusals of the lines. `codec` NULL: checks only; a record then has no value. `arena` is reset. */
void pm_emit_block_work(struct pm_emit_block *block, struct pm_codec *codec, struct pm_arena *arena);
void pm_emit_block_clear(struct pm_emit_block *block); /* ready to be filled; keeps the memory */
void pm_emit_block_release(struct pm_emit_block *block);

#endif
