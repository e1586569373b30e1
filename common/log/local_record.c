/* local_record.c: a record of the embedded log, both ways.
 *
 * 0 format, 1..3 zero, 4 crc32c of everything from 8 on, 8 timestamp_ms, 16 key length | origin length | NULL_VALUE, 20
 * origin, key, value; native byte order, as all of the file. */
#include "common/log/local_record.h"

#include "common/base/hash.h"

#define RECORD_FORMAT 1
#define HEADER_BYTES 20
#define NULL_VALUE 0x80000000u /* in the key length */
#define ORIGIN_SHIFT 23        /* 8 bits of it */
#define KEY_LENGTH_MASK 0x7fffffu
_Static_assert(PM_LOG_RECORD_BYTES_MAX <= KEY_LENGTH_MASK && PM_LOG_ORIGIN_BYTES_MAX <= 255,
               "they fit into one number");

size_t pm_local_record_size(const struct pm_log_record *record)
{
    return HEADER_BYTES + record->origin.len + record->key.len + record->value.len;
}

void pm_local_record_encode(const struct pm_log_record *record, struct pm_buf *out)
{
    char header[HEADER_BYTES] = {RECORD_FORMAT};
    uint32_t lengths = (uint32_t)record->key.len | (uint32_t)record->origin.len << ORIGIN_SHIFT |
                       (record->value.ptr ? 0 : NULL_VALUE);
    size_t at = out->len;
    memcpy(header + 8, &record->timestamp_ms, 8);
    memcpy(header + 16, &lengths, 4);
    pm_buf_reserve(out, pm_local_record_size(record));
    pm_buf_bytes(out, header, HEADER_BYTES);
    pm_buf_slice_add(out, record->origin);
    pm_buf_slice_add(out, record->key);
    pm_buf_slice_add(out, record->value);
    uint32_t crc = pm_crc32c(0, out->ptr + at + 8, out->len - at - 8);
    memcpy(out->ptr + at + 4, &crc, 4);
}

const char *pm_local_record_decode(struct pm_slice bytes, struct pm_log_record *ret)
{
    if (bytes.len < HEADER_BYTES) return "it is cut";
    if (bytes.ptr[0] != RECORD_FORMAT) return "its format is unknown";
    uint32_t crc, lengths;
    memcpy(&crc, bytes.ptr + 4, 4);
    if (crc != pm_crc32c(0, bytes.ptr + 8, bytes.len - 8)) return "its checksum does not match";
    memcpy(&lengths, bytes.ptr + 16, 4);
    bool null_value = lengths & NULL_VALUE;
    size_t origin_len = lengths >> ORIGIN_SHIFT & 255, key_len = lengths & KEY_LENGTH_MASK;
    if (origin_len > bytes.len - HEADER_BYTES) return "its origin is cut";
    const char *key = bytes.ptr + HEADER_BYTES + origin_len;
    size_t rest = bytes.len - HEADER_BYTES - origin_len;
    if (key_len > rest || (null_value && key_len != rest)) return "its key is cut";
    memcpy(&ret->timestamp_ms, bytes.ptr + 8, 8);
    ret->origin = pm_slice(bytes.ptr + HEADER_BYTES, origin_len);
    ret->key = pm_slice(key, key_len);
    ret->value = pm_slice(null_value ? NULL : key + key_len, rest - key_len);
    return NULL;
}

int64_t pm_local_record_time(struct pm_slice bytes)
{
    int64_t timestamp_ms = 0;
    if (bytes.len >= HEADER_BYTES) memcpy(&timestamp_ms, bytes.ptr + 8, 8);
    return timestamp_ms;
}
