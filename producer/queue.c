/* queue.c: a record stands in the ring in one piece: header, key, value, rounded up to 8 bytes. What is left at the end
 * and too small for the next record is a filler: a header of its length without a record, or nothing where no header
 * fits. */
#include "producer/queue.h"

#include <errno.h>
#include <sys/mman.h>

#include "common/base/check.h"

struct header {
    uint32_t bytes; /* with this header and the padding */
    uint32_t key_len;
    uint32_t value_len; /* FILLER: no record */
    uint32_t unused;
    int64_t timestamp_ms;
    uint64_t sequence;
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

bool pm_queue_put(struct pm_queue *queue, const struct pm_record *record)
{
    size_t bytes = (sizeof(struct header) + record->key.len + record->value.len + 7) & ~(size_t)7;
    size_t at = (size_t)(queue->head % queue->size), to_end = queue->size - at;
    size_t filler = bytes > to_end ? to_end : 0;
    if (pm_queue_used(queue) + filler + bytes > queue->size) return false;
    struct header header = {.bytes = (uint32_t)filler, .value_len = FILLER};
    if (filler >= sizeof header) memcpy(queue->ring + at, &header, sizeof header);
    if (filler) at = 0;
    header = (struct header){.bytes = (uint32_t)bytes,
                             .key_len = (uint32_t)record->key.len,
                             .value_len = (uint32_t)record->value.len,
                             .timestamp_ms = record->timestamp_ms,
                             .sequence = record->sequence};
    char *to = queue->ring + at;
    memcpy(to, &header, sizeof header);
    if (record->key.len) memcpy(to + sizeof header, record->key.ptr, record->key.len);
    if (record->value.len) memcpy(to + sizeof header + record->key.len, record->value.ptr, record->value.len);
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
        records[n++] = (struct pm_record){.key = pm_slice(key, header.key_len),
                                          .value = pm_slice(key + header.key_len, header.value_len),
                                          .timestamp_ms = header.timestamp_ms,
                                          .sequence = header.sequence};
    }
    *ret_end = at;
    return n;
}

void pm_queue_drop(struct pm_queue *queue, uint64_t end, size_t n_records)
{
    PM_CHECK(end >= queue->tail && end <= queue->head && n_records <= queue->records);
    queue->tail = end;
    queue->records -= n_records;
}
