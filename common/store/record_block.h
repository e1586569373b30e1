/* record_block.h: compact records as the index keeps them: some of them in one value, whose key is the number of the
 * last, so that one search finds the block of any. A value that fits twice into a page stays in its leaf, and what LMDB
 * takes for a value is paid once for ten records. Numbers are given without a hole. */
#ifndef PM_STORE_RECORD_BLOCK_H
#define PM_STORE_RECORD_BLOCK_H

#include "common/store/layout.h"

/* The record of that number, until the transaction ends or writes. PM_ENOTFOUND (err untouched) when there is none. */
int pm_record_block_get(struct pm_kv_txn *txn, const struct pm_tables *tables, uint64_t record, struct pm_slice *ret,
                        struct pm_error *err) PM_MUST_CHECK;

/* Walks the records of one row of the table. */
struct pm_record_block_iter {
    uint64_t next; /* number of what comes next */
    unsigned left;
    struct pm_slice bytes;
};
int pm_record_block_open(struct pm_slice key, struct pm_slice value, struct pm_record_block_iter *ret,
                         struct pm_error *err) PM_MUST_CHECK;
bool pm_record_block_next(struct pm_record_block_iter *it, uint64_t *ret_record, struct pm_slice *ret);

/* A block that grows; zeroed it is empty. It belongs to one write transaction, and is written when the next record does
 * not fit, or by `flush`. */
struct pm_record_block {
    struct pm_buf bytes;
    uint64_t first;
    unsigned count;
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
