/* segment.c: the bytes of docs/formats/outbox.md. What is read may have been cut by a crash or damaged on the disk. */
#include "producer/segment.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/base/hash.h"
#include "common/base/number.h"
#include "common/event/origin.h"

#define MAGIC "PMOUTBOX"
#define FORMAT 1
#define BODY_BYTES_MIN 16 /* of a record after its length and checksum: without origin, key and value */
#define BODY_BYTES_MAX (BODY_BYTES_MIN + PM_LOG_ORIGIN_BYTES_MAX + PM_LOG_RECORD_BYTES_MAX)

/* ---- the head ---- */

void pm_segment_head_put(const struct pm_segment_head *head, char out[PM_SEGMENT_HEAD_BYTES])
{
    uint32_t format = FORMAT;
    memset(out, 0, PM_SEGMENT_HEAD_BYTES);
    memcpy(out, MAGIC, 8);
    memcpy(out + 8, &format, 4);
    memcpy(out + 16, head->producer, PM_SEGMENT_ID_BYTES);
    memcpy(out + 32, &head->number, 8);
    memcpy(out + 40, &head->made_at_us, 8);
    memcpy(out + 48, &head->pid, 4);
    uint32_t crc = pm_crc32c(0, out + 16, PM_SEGMENT_HEAD_BYTES - 16);
    memcpy(out + 12, &crc, 4);
}

int pm_segment_head_get(struct pm_slice file, struct pm_segment_head *ret, struct pm_error *err)
{
    uint32_t format, crc;
    if (file.len < PM_SEGMENT_HEAD_BYTES) return pm_error_set(err, PM_EFORMAT, "its head is cut");
    if (memcmp(file.ptr, MAGIC, 8) != 0) return pm_error_set(err, PM_EFORMAT, "it is no segment of an outbox");
    memcpy(&format, file.ptr + 8, 4);
    memcpy(&crc, file.ptr + 12, 4);
    if (format != FORMAT)
        return pm_error_set(err, PM_ESCHEMA, "it has format %" PRIu32 " and this provmat reads %d; use a newer one",
                            format, FORMAT);
    if (crc != pm_crc32c(0, file.ptr + 16, PM_SEGMENT_HEAD_BYTES - 16))
        return pm_error_set(err, PM_EFORMAT, "its head is damaged");
    memcpy(ret->producer, file.ptr + 16, PM_SEGMENT_ID_BYTES);
    memcpy(&ret->number, file.ptr + 32, 8);
    memcpy(&ret->made_at_us, file.ptr + 40, 8);
    memcpy(&ret->pid, file.ptr + 48, 4);
    return PM_OK;
}

/* ---- names ---- */

#define STEM_LENGTH (2 * PM_SEGMENT_ID_BYTES + 1 + 8)

void pm_segment_name(const uint8_t producer[PM_SEGMENT_ID_BYTES], uint64_t number, const char *suffix,
                     char out[PM_SEGMENT_NAME_SIZE])
{
    char id[2 * PM_SEGMENT_ID_BYTES + 1] = "";
    pm_hex_encode(producer, PM_SEGMENT_ID_BYTES, id);
    snprintf(out, PM_SEGMENT_NAME_SIZE, "%s-%08" PRIx64 "%s", id, number, suffix);
}

bool pm_segment_is_name(const char *name, const char *suffix)
{
    size_t len = strlen(name);
    return len >= STEM_LENGTH + strlen(suffix) && len < PM_SEGMENT_NAME_SIZE &&
           strcmp(name + len - strlen(suffix), suffix) == 0 && name[2 * PM_SEGMENT_ID_BYTES] == '-' &&
           pm_hex_valid(pm_slice(name, 2 * PM_SEGMENT_ID_BYTES));
}

/* ---- records ---- */

void pm_segment_frame(const struct pm_record *record, char out[PM_SEGMENT_FRAME_BYTES])
{
    uint32_t key_len = (uint32_t)record->key.len, origin_len = (uint32_t)record->origin.len;
    uint32_t length = (uint32_t)(pm_segment_record_bytes(record) - 8);
    memcpy(out, &length, 4);
    memcpy(out + 8, &record->timestamp_ms, 8);
    memcpy(out + 16, &key_len, 4);
    memcpy(out + 20, &origin_len, 4);
    uint32_t crc = pm_crc32c(0, out + 8, PM_SEGMENT_FRAME_BYTES - 8);
    crc = pm_crc32c(crc, record->origin.ptr, record->origin.len);
    crc = pm_crc32c(pm_crc32c(crc, record->key.ptr, record->key.len), record->value.ptr, record->value.len);
    memcpy(out + 4, &crc, 4);
}

/* The record at `at`, if there is one; returns its length in the file, else 0. `looked` grows by what was summed up in
 * vain: bytes that look like lengths everywhere must not take hours. */
static size_t record_at(struct pm_slice file, size_t at, uint64_t *looked, struct pm_record *ret)
{
    uint32_t length, crc, key_len, origin_len;
    if (file.len - at < PM_SEGMENT_FRAME_BYTES) return 0;
    const char *p = file.ptr + at;
    memcpy(&length, p, 4);
    memcpy(&crc, p + 4, 4);
    if (length < BODY_BYTES_MIN || length > BODY_BYTES_MAX || length > file.len - at - 8) return 0;
    memcpy(&key_len, p + 16, 4);
    memcpy(&origin_len, p + 20, 4);
    size_t rest = length - BODY_BYTES_MIN;
    if (origin_len > PM_LOG_ORIGIN_BYTES_MAX || origin_len > rest || key_len > rest - origin_len) return 0;
    if (crc != pm_crc32c(0, p + 8, length)) {
        *looked += length;
        return 0;
    }
    memcpy(&ret->timestamp_ms, p + 8, 8);
    ret->origin = pm_slice(p + PM_SEGMENT_FRAME_BYTES, origin_len);
    ret->key = pm_slice(ret->origin.ptr + origin_len, key_len);
    ret->value = pm_slice(ret->key.ptr + key_len, rest - origin_len - key_len);
    return 8 + (size_t)length;
}

void pm_segment_reader_init(struct pm_segment_reader *reader, struct pm_slice file)
{
    *reader = (struct pm_segment_reader){.file = file, .at = PM_SEGMENT_HEAD_BYTES};
}

/* Nothing that has neither key nor value is a record. */
static bool is_end(const struct pm_record *record) { return record->key.len + record->value.len == 0; }

/* What stands behind the last record may say that its producer ended: the same origin, and more. */
static void take_end(struct pm_segment_reader *reader, struct pm_record *record)
{
    struct pm_record end;
    struct pm_origin origin, more;
    while (reader->at < reader->file.len) {
        uint64_t looked = 0;
        size_t bytes = record_at(reader->file, reader->at, &looked, &end);
        if (bytes == 0 || !is_end(&end)) return;
        reader->at += bytes;
        reader->ends += bytes;
        if (pm_origin_decode(record->origin, &origin) && pm_origin_decode(end.origin, &more) &&
            origin.producer == more.producer && origin.sequence == more.sequence)
            record->origin = end.origin;
    }
}

bool pm_segment_next(struct pm_segment_reader *reader, struct pm_record *ret)
{
    size_t from = reader->at;
    size_t at = from;
    for (; at < reader->file.len && reader->looked <= PM_SEGMENT_LOOK_MAX; at++) {
        size_t bytes = record_at(reader->file, at, &reader->looked, ret);
        if (bytes == 0) continue;
        if (at != from) reader->damaged++;
        reader->at = at + bytes;
        if (is_end(ret)) { /* its record is damaged */
            reader->ends += bytes;
            from = reader->at;
            at = from - 1;
            continue;
        }
        reader->records++;
        take_end(reader, ret);
        return true;
    }
    reader->cut = reader->file.len - from;
    if (at < reader->file.len) reader->damaged++;
    reader->at = reader->file.len;
    return false;
}
