/* layout.c: keys and small values of the index's tables. No state; any thread. */
#include "common/store/layout.h"

#include "common/base/hash.h"
#include "common/base/time.h"
#include "common/base/varint.h"
#include "common/store/record_block.h"

int pm_tables_open(struct pm_tables *tables, struct pm_kv_txn *txn, bool create, struct pm_error *err)
{
#define X(member, name, flags) \
    PM_TRY(pm_kv_table_open(txn, name, (flags) | (create ? PM_KV_DB_CREATE : 0), &tables->member, err));
    PM_TABLES(X)
#undef X
    return PM_OK;
}

/* ---- meta ---- */

static int read_all(struct pm_kv_txn *txn, pm_kv_db db, struct pm_error *err)
{
    struct pm_kv_cursor *cursor;
    PM_TRY(pm_kv_cursor_open(txn, db, &cursor, err));
    int rc = pm_kv_seek(cursor, pm_slice(NULL, 0), NULL, NULL, err);
    while (rc == PM_OK) rc = pm_kv_next(cursor, NULL, NULL, err);
    pm_kv_cursor_close(cursor);
    return rc == PM_ENOTFOUND ? PM_OK : rc;
}

int pm_tables_check(const struct pm_tables *tables, struct pm_kv_txn *txn, struct pm_error *err)
{
#define X(member, name, flags) \
    if ((flags)&PM_KV_DB_CHECKED) PM_TRY(read_all(txn, tables->member, err));
    PM_TABLES(X)
#undef X
    return pm_record_blocks_check(txn, tables, err);
}

int pm_meta_check_format(struct pm_kv_txn *txn, const struct pm_tables *tables, const char *dir, struct pm_error *err)
{
    struct pm_slice value;
    /* Other formats may check their values otherwise, or not at all. */
    int rc = pm_kv_get_stored(txn, tables->meta, PM_SLICE(PM_META_FORMAT), &value, err);
    uint32_t format = 0;
    if (rc == PM_OK && value.len >= sizeof format) memcpy(&format, value.ptr, sizeof format);
    if (rc != PM_OK && rc != PM_ENOTFOUND) return rc;
    if (format == PM_INDEX_FORMAT) return pm_kv_get(txn, tables->meta, PM_SLICE(PM_META_FORMAT), &value, err);
    if (format == 0) return pm_error_set(err, PM_EINDEX, "%s: not a provmat index", dir);
    return pm_error_set(err, PM_EINDEX,
                        "%s: the index has format %u, this program reads format %u; use the program that made it, or "
                        "make it anew: provmat rebuild --index %s --log URL",
                        dir, format, PM_INDEX_FORMAT, dir);
}

int pm_meta_check_no_log(struct pm_kv_txn *txn, const char *dir, struct pm_error *err)
{
    pm_kv_db db;
    int rc = pm_kv_db_open(txn, "log", 0, &db, err); /* the database of a log's own facts (common/log/log_local.c) */
    if (rc == PM_ENOTFOUND) return PM_OK;
    PM_TRY(rc);
    return pm_error_set(err, PM_EINDEX, "%s: the directory holds a log, not an index; name another --index", dir);
}

int pm_meta_state_get(struct pm_kv_txn *txn, const struct pm_tables *tables, struct pm_meta_state *ret,
                      struct pm_error *err)
{
    struct pm_slice value;
    int rc = pm_kv_get(txn, tables->meta, PM_SLICE(PM_META_STATE), &value, err);
    if (rc == PM_ENOTFOUND || (rc == PM_OK && value.len != sizeof *ret))
        return pm_error_set(err, PM_ECORRUPT, "the index holds no state");
    PM_TRY(rc);
    memcpy(ret, value.ptr, sizeof *ret);
    return PM_OK;
}

int pm_meta_state_put(struct pm_kv_txn *txn, const struct pm_tables *tables, const struct pm_meta_state *state,
                      struct pm_error *err)
{
    return pm_kv_put(txn, tables->meta, PM_SLICE(PM_META_STATE), pm_slice(state, sizeof *state), err);
}

/* ---- names ---- */

struct pm_slice pm_name_key(enum pm_name_kind kind, struct pm_slice text, uint8_t key[1 + PM_NAME_KEY_TEXT_MAX])
{
    key[0] = (uint8_t)kind;
    if (text.len <= PM_NAME_KEY_TEXT_MAX) {
        if (text.len) memcpy(key + 1, text.ptr, text.len);
        return pm_slice(key, 1 + text.len);
    }
    key[0] |= 0x80;
    pm_blake2b(key + 1, 16, &text, 1);
    return pm_slice(key, 17);
}

struct pm_slice pm_name_text_key(enum pm_name_kind kind, uint32_t number, uint8_t key[5])
{
    key[0] = (uint8_t)kind;
    pm_be32_put(key + 1, number);
    return pm_slice(key, 5);
}

/* ---- side facts ---- */

void pm_stamp_put(const struct pm_stamp *stamp, uint8_t out[PM_STAMP_BYTES])
{
    out[0] = stamp->type;
    memcpy(out + 1, &stamp->at, 8);
    memcpy(out + 9, stamp->event_id, PM_EVENT_ID_BYTES);
    memcpy(out + 9 + PM_EVENT_ID_BYTES, &stamp->job1, 4);
}

void pm_stamp_get(const uint8_t in[PM_STAMP_BYTES], struct pm_stamp *ret)
{
    ret->type = in[0];
    memcpy(&ret->at, in + 1, 8);
    memcpy(ret->event_id, in + 9, PM_EVENT_ID_BYTES);
    memcpy(&ret->job1, in + 9 + PM_EVENT_ID_BYTES, 4);
}

struct pm_slice pm_side_key(uint64_t result, unsigned field, uint64_t value_hash, uint8_t key[PM_SIDE_KEY_BYTES])
{
    pm_be40_put(key, result);
    key[5] = (uint8_t)field;
    pm_be64_put(key + 6, value_hash);
    return pm_slice(key, PM_SIDE_KEY_BYTES);
}

/* ---- gaps ---- */

struct pm_slice pm_gap_key(int32_t partition, int64_t from, uint8_t key[12])
{
    pm_be32_put(key, (uint32_t)partition);
    pm_be64_put(key + 4, (uint64_t)from);
    return pm_slice(key, 12);
}

int pm_gap_get(struct pm_slice key, struct pm_slice value, struct pm_gap *ret, struct pm_error *err)
{
    struct pm_gap_row row;
    if (key.len != 12 || value.len != sizeof row) return pm_error_set(err, PM_ECORRUPT, "a row of gaps is cut");
    memcpy(&row, value.ptr, sizeof row);
    if (row.kind > PM_GAP_REPLACED) return pm_error_set(err, PM_ECORRUPT, "a gap is of the unknown kind %u", row.kind);
    const uint8_t *at = (const uint8_t *)key.ptr;
    *ret = (struct pm_gap){.partition = (int32_t)pm_be32_get(at),
                           .from = (int64_t)pm_be64_get(at + 4),
                           .to = row.to,
                           .kind = (enum pm_gap_kind)row.kind,
                           .accepted = row.accepted};
    return PM_OK;
}

/* ---- quarantine ---- */

struct pm_slice pm_quarantine_key(int32_t partition, int64_t offset, uint8_t key[12])
{
    pm_be32_put(key, (uint32_t)partition);
    pm_be64_put(key + 4, (uint64_t)offset);
    return pm_slice(key, 12);
}

void pm_quarantine_put(int code, int64_t timestamp_ms, struct pm_slice reason, struct pm_slice key,
                       struct pm_slice value, struct pm_buf *out)
{
    uint32_t lengths[2] = {(uint32_t)reason.len, (uint32_t)key.len};
    pm_buf_byte(out, (uint8_t)code);
    pm_buf_byte(out, value.ptr == NULL);
    pm_buf_bytes(out, &timestamp_ms, 8);
    pm_buf_bytes(out, lengths, sizeof lengths);
    pm_buf_slice_add(out, reason);
    pm_buf_slice_add(out, key);
    pm_buf_slice_add(out, value);
}

int pm_quarantine_get(struct pm_slice key, struct pm_slice value, struct pm_quarantined *ret, struct pm_error *err)
{
    uint32_t lengths[2] = {0};
    if (value.len >= 18) memcpy(lengths, value.ptr + 10, sizeof lengths);
    if (key.len != 12 || value.len < 18 || (uint64_t)lengths[0] + lengths[1] > value.len - 18)
        return pm_error_set(err, PM_ECORRUPT, "a row of the quarantine is cut");
    int64_t timestamp_ms;
    memcpy(&timestamp_ms, value.ptr + 2, 8);
    const char *p = value.ptr + 18;
    *ret = (struct pm_quarantined){
        .partition = (int32_t)pm_be32_get((const uint8_t *)key.ptr),
        .offset = (int64_t)pm_be64_get((const uint8_t *)key.ptr + 4),
        .at_us = pm_time_of_ms(timestamp_ms),
        .class = pm_error_name((uint8_t)value.ptr[0]),
        .reason = pm_slice(p, lengths[0]),
        .key = pm_slice(p + lengths[0], lengths[1]),
        .value = pm_slice(p + lengths[0] + lengths[1], value.len - 18 - lengths[0] - lengths[1]),
    };
    if (value.ptr[1]) ret->value = pm_slice(NULL, 0);
    return PM_OK;
}
