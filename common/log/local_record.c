/* local_record.c: a record of the embedded log, both ways.
 *
 * 0 format, 1..3 zero, 4 crc32c of everything from 8 on, 8 timestamp_ms, 16 key length | NULL_VALUE, 20 key, value;
 * native byte order, as all of the file. */
#include "common/log/local_record.h"

#include "common/base/hash.h"

#define RECORD_FORMAT 1
#define HEADER_BYTES 20
#define NULL_VALUE 0x80000000u /* in the key length */

size_t pm_local_record_size(struct pm_slice key, struct pm_slice value) { return HEADER_BYTES + key.len + value.len; }

void pm_local_record_encode(struct pm_slice key, struct pm_slice value, int64_t timestamp_ms, struct pm_buf *out)
{
    char header[HEADER_BYTES] = {RECORD_FORMAT};
    uint32_t key_len = (uint32_t)key.len | (value.ptr ? 0 : NULL_VALUE);
    memcpy(header + 8, &timestamp_ms, 8);
    memcpy(header + 16, &key_len, 4);
    uint32_t crc = pm_crc32c(pm_crc32c(pm_crc32c(0, header + 8, HEADER_BYTES - 8), key.ptr, key.len), value.ptr,
                             value.len);
    memcpy(header + 4, &crc, 4);
    pm_buf_bytes(out, header, HEADER_BYTES);
    pm_buf_slice_add(out, key);
    pm_buf_slice_add(out, value);
}

const char *pm_local_record_decode(struct pm_slice bytes, struct pm_log_record *ret)
{
    if (bytes.len < HEADER_BYTES) return "it is cut";
    if (bytes.ptr[0] != RECORD_FORMAT) return "its format is unknown";
    uint32_t crc, key_len;
    memcpy(&crc, bytes.ptr + 4, 4);
    if (crc != pm_crc32c(0, bytes.ptr + 8, bytes.len - 8)) return "its checksum does not match";
    memcpy(&key_len, bytes.ptr + 16, 4);
    bool null_value = key_len & NULL_VALUE;
    key_len &= ~NULL_VALUE;
    size_t rest = bytes.len - HEADER_BYTES;
    if (key_len > rest || (null_value && key_len != rest)) return "its key is cut";
    memcpy(&ret->timestamp_ms, bytes.ptr + 8, 8);
    ret->key = pm_slice(bytes.ptr + HEADER_BYTES, key_len);
    ret->value = pm_slice(null_value ? NULL : bytes.ptr + HEADER_BYTES + key_len, rest - key_len);
    return NULL;
}

int64_t pm_local_record_time(struct pm_slice bytes)
{
    int64_t timestamp_ms = 0;
    if (bytes.len >= HEADER_BYTES) memcpy(&timestamp_ms, bytes.ptr + 8, 8);
    return timestamp_ms;
}
