/* record_block.h: compact records as the index keeps them: some of them in one value, whose key is the number of the
 * last, so that one search finds the block of any. What LMDB takes for a value is paid once for ten records, and two
 * blocks fill a leaf. Each record has a checksum of its own, so that a look-up reads no more of a block than its head.
 * Numbers are given without a hole. */
#ifndef PM_STORE_RECORD_BLOCK_H
#define PM_STORE_RECORD_BLOCK_H

#include "common/store/layout.h"

#define PM_RECORD_BLOCK_MAX 255 /* records */

/* The record of that number, until the transaction ends or writes. PM_ENOTFOUND (err untouched) when there is none. */
int pm_record_block_get(struct pm_kv_txn *txn, const struct pm_tables *tables, uint64_t record, struct pm_slice *ret,
                        struct pm_error *err) PM_MUST_CHECK;

/* Walks the records of one row of the table. */
struct pm_record_block_iter {
    struct pm_kv_txn *txn;
    uint64_t number; /* of what comes next */
    unsigned left;
    const uint8_t *len, *bytes; /* of what comes next */
};
int pm_record_block_open(struct pm_kv_txn *txn, struct pm_slice key, struct pm_slice value,
                         struct pm_record_block_iter *ret, struct pm_error *err) PM_MUST_CHECK;
/* PM_ENOTFOUND (err untouched) after the last. */
int pm_record_block_next(struct pm_record_block_iter *it, uint64_t *ret_record, struct pm_slice *ret,
                         struct pm_error *err) PM_MUST_CHECK;

/* Reads every record there is. */
int pm_record_blocks_check(struct pm_kv_txn *txn, const struct pm_tables *tables, struct pm_error *err) PM_MUST_CHECK;

/* A block that grows; zeroed it is empty. It belongs to one write transaction, and is written when the next record does
 * not fit, or by `flush`. */
struct pm_record_block {
    struct pm_buf head, bytes; /* the lengths as they are written; records, each with its checksum */
    struct pm_buf value;       /* while it is written */
    uint64_t first;
    unsigned count;
    uint32_t at[PM_RECORD_BLOCK_MAX]; /* in bytes: where each record ends */
};
void pm_record_block_clear(struct pm_record_block *block);
void pm_record_block_release(struct pm_record_block *block);
/* `record` is one above the last one added or, in an empty block, above all in the table. */
int pm_record_block_add(struct pm_record_block *block, struct pm_kv_txn *txn, const struct pm_tables *tables,
                        uint64_t record, struct pm_slice bytes, struct pm_error *err) PM_MUST_CHECK;
int pm_record_block_flush(struct pm_record_block *block, struct pm_kv_txn *txn, const struct pm_tables *tables,
                          struct pm_error *err) PM_MUST_CHECK;
/* As pm_record_block_get, for a writer: also what is not written yet; until the next add. */
int pm_record_block_find(const struct pm_record_block *block, struct pm_kv_txn *txn, const struct pm_tables *tables,
                         uint64_t record, struct pm_slice *ret, struct pm_error *err) PM_MUST_CHECK;

#endif
