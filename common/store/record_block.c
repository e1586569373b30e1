/* record_block.c: a block is a count (1 byte), then for each record its length (varint) and its bytes. A record that is
 * longer than a block has one of its own. */
#include "common/store/record_block.h"

#include "common/base/check.h"
#include "common/base/varint.h"

#define COUNT_MAX UINT8_MAX

/* ---- reading ---- */

/* Every length is looked at once, here: the walk trusts them. */
int pm_record_block_open(struct pm_slice key, struct pm_slice value, struct pm_record_block_iter *ret,
                         struct pm_error *err)
{
    uint64_t last, len = 0;
    const uint8_t *p = (const uint8_t *)value.ptr, *end = p + value.len;
    unsigned count = value.len ? *p++ : 0, n = 0;
    PM_CHECK(key.len == sizeof last);
    memcpy(&last, key.ptr, sizeof last);
    *ret = (struct pm_record_block_iter){.next = last + 1 - count, .left = count, .bytes = pm_slice(p, (size_t)(end - p))};
    for (; p && n < count; n++) {
        p = pm_varint_get(p, end, &len);
        if (!p || len > (uint64_t)(end - p)) break;
        p += len;
    }
    if (count > 0 && n == count && p == end && last + 1 >= count) return PM_OK;
    return pm_error_set(err, PM_ECORRUPT, "the index's block of records up to %llu is cut or has bytes left over",
                        (unsigned long long)last);
}

bool pm_record_block_next(struct pm_record_block_iter *it, uint64_t *ret_record, struct pm_slice *ret)
{
    if (it->left == 0) return false;
    const uint8_t *p = (const uint8_t *)it->bytes.ptr, *end = p + it->bytes.len;
    uint64_t len = 0;
    p = pm_varint_get(p, end, &len);
    *ret = pm_slice(p, (size_t)len);
    *ret_record = it->next++;
    it->left--;
    it->bytes = pm_slice(p + len, (size_t)(end - p) - (size_t)len);
    return true;
}

static int find(struct pm_record_block_iter *it, uint64_t record, struct pm_slice *ret)
{
    uint64_t number;
    while (it->next <= record && pm_record_block_next(it, &number, ret))
        if (number == record) return PM_OK;
    return PM_ENOTFOUND;
}

int pm_record_block_get(struct pm_kv_txn *txn, const struct pm_tables *tables, uint64_t record, struct pm_slice *ret,
                        struct pm_error *err)
{
    struct pm_slice key, value;
    struct pm_record_block_iter it;
    PM_TRY(pm_kv_get_from(txn, tables->records, pm_kv_u64(&record), &key, &value, err));
    PM_TRY(pm_record_block_open(key, value, &it, err));
    return find(&it, record, ret);
}

/* ---- writing ---- */

void pm_record_block_clear(struct pm_record_block *block)
{
    pm_buf_clear(&block->bytes);
    block->count = 0;
}

void pm_record_block_release(struct pm_record_block *block)
{
    pm_buf_release(&block->bytes);
    block->count = 0;
}

int pm_record_block_flush(struct pm_record_block *block, struct pm_kv_txn *txn, const struct pm_tables *tables,
                          struct pm_error *err)
{
    if (block->count == 0) return PM_OK;
    uint64_t last = block->first + block->count - 1;
    block->bytes.ptr[0] = (char)block->count;
    PM_TRY(pm_kv_append(txn, tables->records, pm_kv_u64(&last), pm_buf_slice(&block->bytes), err));
    pm_record_block_clear(block);
    return PM_OK;
}

int pm_record_block_add(struct pm_record_block *block, struct pm_kv_txn *txn, const struct pm_tables *tables,
                        uint64_t record, struct pm_slice bytes, struct pm_error *err)
{
    uint8_t head[PM_VARINT_MAX];
    size_t n = (size_t)(pm_varint_put(head, bytes.len) - head);
    if (block->count == COUNT_MAX || block->bytes.len + n + bytes.len > PM_KV_LEAF_VALUE)
        PM_TRY(pm_record_block_flush(block, txn, tables, err));
    if (block->count == 0) {
        block->first = record;
        pm_buf_clear(&block->bytes);
        pm_buf_byte(&block->bytes, 0); /* the count, in the end */
    }
    PM_CHECK(record == block->first + block->count);
    pm_buf_bytes(&block->bytes, head, n);
    pm_buf_slice_add(&block->bytes, bytes);
    block->count++;
    return PM_OK;
}

int pm_record_block_find(const struct pm_record_block *block, struct pm_kv_txn *txn, const struct pm_tables *tables,
                         uint64_t record, struct pm_slice *ret, struct pm_error *err)
{
    if (block->count == 0 || record < block->first) return pm_record_block_get(txn, tables, record, ret, err);
    struct pm_record_block_iter it = {block->first, block->count, pm_slice(block->bytes.ptr + 1, block->bytes.len - 1)};
    return find(&it, record, ret);
}
