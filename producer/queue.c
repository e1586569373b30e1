/* queue.c: a record stands in the ring in one piece: header, key, value, origin, rounded up to 8 bytes. What is left at
 * the end and too small for the next record is a filler: a header of its length without a record, or nothing where no
 * header fits. */
#include "producer/queue.h"

#include <errno.h>
#include <sys/mman.h>

#include "common/base/check.h"

struct header {
    uint32_t bytes; /* with this header and the padding */
    uint32_t key_len;
    uint32_t value_len; /* FILLER: no record */
    uint32_t origin_len;
    int64_t timestamp_ms;
};
#define FILLER UINT32_MAX
_Static_assert(PM_QUEUE_BYTES_MAX <= UINT32_MAX, "a filler may be as long as the ring");

int pm_queue_open(struct pm_queue *queue, size_t size, struct pm_error *err)
{
    PM_CHECK(size >= PM_QUEUE_BYTES_MIN && size <= PM_QUEUE_BYTES_MAX && size % 8 == 0);
    void *ring = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (ring == MAP_FAILED)
        return pm_error_set(err, PM_ENOMEM, "could not reserve %zu bytes: %s", size, pm_error_system(errno));
    *queue = (struct pm_queue){.ring = ring, .size = size};
    return PM_OK;
}

void pm_queue_close(struct pm_queue *queue)
{
    if (queue->ring) munmap(queue->ring, queue->size);
    *queue = (struct pm_queue){0};
}

static char *put_bytes(char *to, struct pm_slice bytes)
{
    if (bytes.len) memcpy(to, bytes.ptr, bytes.len);
    return to + bytes.len;
}

static size_t rounded(size_t bytes) { return (bytes + 7) & ~(size_t)7; }

bool pm_queue_put(struct pm_queue *queue, const struct pm_record *record)
{
    size_t bytes = rounded(sizeof(struct header) + record->key.len + record->value.len + record->origin.len);
    size_t at = (size_t)(queue->head % queue->size), to_end = queue->size - at;
    size_t filler = bytes > to_end ? to_end : 0;
    if (pm_queue_used(queue) + filler + bytes > queue->size) return false;
    struct header header = {.bytes = (uint32_t)filler, .value_len = FILLER};
    if (filler >= sizeof header) memcpy(queue->ring + at, &header, sizeof header);
    if (filler) at = 0;
    header = (struct header){.bytes = (uint32_t)bytes,
                             .key_len = (uint32_t)record->key.len,
                             .value_len = (uint32_t)record->value.len,
                             .origin_len = (uint32_t)record->origin.len,
                             .timestamp_ms = record->timestamp_ms};
    char *to = put_bytes(queue->ring + at, pm_slice(&header, sizeof header));
    to = put_bytes(to, record->key);
    to = put_bytes(to, record->value);
    (void)put_bytes(to, record->origin);
    queue->head += filler + bytes;
    queue->records++;
    return true;
}

size_t pm_queue_take(const struct pm_queue *queue, struct pm_record *records, size_t n_max, size_t bytes_max,
                     uint64_t *ret_end)
{
    uint64_t at = queue->tail;
    size_t n = 0;
    while (at < queue->head && n < n_max && at - queue->tail < bytes_max) {
        size_t place = (size_t)(at % queue->size);
        struct header header = {.value_len = FILLER, .bytes = (uint32_t)(queue->size - place)};
        if (queue->size - place >= sizeof header) memcpy(&header, queue->ring + place, sizeof header);
        at += header.bytes;
        if (header.value_len == FILLER) continue;
        const char *key = queue->ring + place + sizeof header;
        records[n++] = (struct pm_record){
            .key = pm_slice(key, header.key_len),
            .value = pm_slice(key + header.key_len, header.value_len),
            .timestamp_ms = header.timestamp_ms,
            .origin = pm_slice(key + header.key_len + header.value_len, header.origin_len)};
    }
    *ret_end = at;
    return n;
}

bool pm_queue_amend(struct pm_queue *queue, uint64_t at, struct pm_slice origin)
{
    size_t place = (size_t)(at % queue->size), to_end = queue->size - place;
    struct header header;
    if (at < queue->tail || at >= queue->head || to_end < sizeof header) return false;
    memcpy(&header, queue->ring + place, sizeof header);
    if (header.value_len == FILLER || at + header.bytes != queue->head) return false;
    size_t before = sizeof header + header.key_len + header.value_len, bytes = rounded(before + origin.len);
    if (bytes > to_end || at + bytes - queue->tail > queue->size) return false;
    header.bytes = (uint32_t)bytes;
    header.origin_len = (uint32_t)origin.len;
    memcpy(queue->ring + place, &header, sizeof header);
    (void)put_bytes(queue->ring + place + before, origin);
    queue->head = at + bytes;
    return true;
}

void pm_queue_drop(struct pm_queue *queue, uint64_t end, size_t n_records)
{
    PM_CHECK(end >= queue->tail && end <= queue->head && n_records <= queue->records);
    queue->tail = end;
    queue->records -= n_records;
}
