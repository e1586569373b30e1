/* record_block.c: a block is a count (1 byte), the records' lengths (varints), and the records, behind each of them a
 * CRC-32C of its number and its bytes. A record that is longer than a block has one of its own. */
#include "common/store/record_block.h"

#include "common/base/check.h"
#include "common/base/hash.h"
#include "common/base/varint.h"

#define CRC_BYTES 4

/* With the number in it, a record that a damaged length leads to is not taken for another. */
static uint32_t checksum(uint64_t record, const void *bytes, size_t len)
{
    return pm_crc32c(pm_crc32c(0, &record, sizeof record), bytes, len);
}

/* ---- reading ---- */

/* Every length is looked at once, here: the walk trusts them. */
int pm_record_block_open(struct pm_kv_txn *txn, struct pm_slice key, struct pm_slice value,
                         struct pm_record_block_iter *ret, struct pm_error *err)
{
    uint64_t last = 0, len = 0, sum = 0;
    const uint8_t *p = (const uint8_t *)value.ptr, *end = p + value.len;
    unsigned count = value.len ? *p++ : 0, n = 0;
    if (key.len != sizeof last) return pm_kv_corrupt(txn, err, "a key of %zu bytes is not a record's", key.len);
    memcpy(&last, key.ptr, sizeof last);
    *ret = (struct pm_record_block_iter){.txn = txn, .number = last + 1 - count, .left = count, .len = p};
    for (; p && n < count; n++) {
        p = pm_varint_get(p, end, &len);
        if (!p || len > value.len) break;
        sum += len + CRC_BYTES;
    }
    ret->bytes = p;
    if (count > 0 && n == count && sum == (uint64_t)(end - p) && last + 1 >= count) return PM_OK;
    return pm_kv_corrupt(txn, err, "the block of records up to %llu is damaged", (unsigned long long)last);
}

static uint64_t step(struct pm_record_block_iter *it)
{
    uint64_t len = 0;
    it->len = pm_varint_get(it->len, it->bytes, &len);
    it->left--;
    it->number++;
    it->bytes += len + CRC_BYTES;
    return len;
}

int pm_record_block_next(struct pm_record_block_iter *it, uint64_t *ret_record, struct pm_slice *ret,
                         struct pm_error *err)
{
    if (it->left == 0) return PM_ENOTFOUND;
    const uint8_t *bytes = it->bytes;
    *ret_record = it->number;
    size_t len = (size_t)step(it);
    uint32_t crc;
    memcpy(&crc, bytes + len, CRC_BYTES);
    if (crc != checksum(*ret_record, bytes, len))
        return pm_kv_corrupt(it->txn, err, "record %llu does not match its checksum", (unsigned long long)*ret_record);
    *ret = pm_slice(bytes, len);
    return PM_OK;
}

int pm_record_block_get(struct pm_kv_txn *txn, const struct pm_tables *tables, uint64_t record, struct pm_slice *ret,
                        struct pm_error *err)
{
    struct pm_slice key, value;
    struct pm_record_block_iter it;
    PM_TRY(pm_kv_get_from(txn, tables->records, pm_kv_u64(&record), &key, &value, err));
    PM_TRY(pm_record_block_open(txn, key, value, &it, err));
    if (it.number > record) return PM_ENOTFOUND;
    while (it.number < record) (void)step(&it);
    uint64_t number;
    return pm_record_block_next(&it, &number, ret, err);
}

static int check_block(struct pm_kv_txn *txn, struct pm_slice key, struct pm_slice value, struct pm_error *err)
{
    struct pm_record_block_iter it;
    uint64_t number;
    struct pm_slice bytes;
    int rc = pm_record_block_open(txn, key, value, &it, err);
    while (rc == PM_OK) rc = pm_record_block_next(&it, &number, &bytes, err);
    return rc == PM_ENOTFOUND ? PM_OK : rc;
}

int pm_record_blocks_check(struct pm_kv_txn *txn, const struct pm_tables *tables, struct pm_error *err)
{
    struct pm_kv_cursor *cursor;
    PM_TRY(pm_kv_cursor_open(txn, tables->records, &cursor, err));
    struct pm_slice key, value;
    int rc = pm_kv_seek(cursor, pm_slice(NULL, 0), &key, &value, err);
    while (rc == PM_OK) {
        rc = check_block(txn, key, value, err);
        if (rc == PM_OK) rc = pm_kv_next(cursor, &key, &value, err);
    }
    pm_kv_cursor_close(cursor);
    return rc == PM_ENOTFOUND ? PM_OK : rc;
}

/* ---- writing ---- */

void pm_record_block_clear(struct pm_record_block *block)
{
    pm_buf_clear(&block->head);
    pm_buf_clear(&block->bytes);
    block->count = 0;
}

void pm_record_block_release(struct pm_record_block *block)
{
    pm_buf_release(&block->head);
    pm_buf_release(&block->bytes);
    pm_buf_release(&block->value);
    block->count = 0;
}

int pm_record_block_flush(struct pm_record_block *block, struct pm_kv_txn *txn, const struct pm_tables *tables,
                          struct pm_error *err)
{
    if (block->count == 0) return PM_OK;
    uint64_t last = block->first + block->count - 1;
    pm_buf_clear(&block->value);
    pm_buf_byte(&block->value, (uint8_t)block->count);
    pm_buf_slice_add(&block->value, pm_buf_slice(&block->head));
    pm_buf_slice_add(&block->value, pm_buf_slice(&block->bytes));
    PM_TRY(pm_kv_append(txn, tables->records, pm_kv_u64(&last), pm_buf_slice(&block->value), err));
    pm_record_block_clear(block);
    return PM_OK;
}

int pm_record_block_add(struct pm_record_block *block, struct pm_kv_txn *txn, const struct pm_tables *tables,
                        uint64_t record, struct pm_slice bytes, struct pm_error *err)
{
    uint8_t len[PM_VARINT_MAX];
    size_t n = (size_t)(pm_varint_put(len, bytes.len) - len);
    size_t size = 1 + block->head.len + n + block->bytes.len + bytes.len + CRC_BYTES;
    if (block->count == PM_RECORD_BLOCK_MAX || size > PM_KV_LEAF_VALUE)
        PM_TRY(pm_record_block_flush(block, txn, tables, err));
    if (block->count == 0) block->first = record;
    PM_CHECK(record == block->first + block->count);
    uint32_t crc = checksum(record, bytes.ptr, bytes.len);
    pm_buf_bytes(&block->head, len, n);
    pm_buf_slice_add(&block->bytes, bytes);
    block->at[block->count++] = (uint32_t)block->bytes.len;
    pm_buf_bytes(&block->bytes, &crc, CRC_BYTES);
    return PM_OK;
}

int pm_record_block_find(const struct pm_record_block *block, struct pm_kv_txn *txn, const struct pm_tables *tables,
                         uint64_t record, struct pm_slice *ret, struct pm_error *err)
{
    if (block->count == 0 || record < block->first) return pm_record_block_get(txn, tables, record, ret, err);
    if (record - block->first >= block->count) return PM_ENOTFOUND;
    size_t i = (size_t)(record - block->first), from = i ? block->at[i - 1] + CRC_BYTES : 0;
    *ret = pm_slice(block->bytes.ptr + from, block->at[i] - from);
    return PM_OK;
}
