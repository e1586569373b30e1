/* array.c: arrays of an event, kept as their Avro bytes: walked in place, built in an arena. Any thread; the arena
 * belongs to one. */
#include "common/base/check.h"
#include "common/event/avro_bytes.h"

struct pm_array_iter pm_array_iter(struct pm_array array)
{
    return (struct pm_array_iter){.ptr = array.raw.ptr, .end = array.raw.ptr ? array.raw.ptr + array.raw.len : NULL};
}

/* Enters the next block; false at the end. The bytes have been checked, so a reader that fails here is a broken promise
 * of the program. */
static bool next_block(struct pm_array_iter *it, struct pm_avro_fault *fault)
{
    if (it->ptr == it->end) return false; /* ended, or an array that was never built */
    const uint8_t *p = (const uint8_t *)it->ptr, *end = (const uint8_t *)it->end;
    int64_t count;
    p = pm_avro_get_long(p, end, &count, fault);
    PM_CHECK(p && count > INT64_MIN);
    if (count < 0) { /* the block's size follows; whoever walks item by item does not need it */
        int64_t size;
        p = pm_avro_get_long(p, end, &size, fault);
        PM_CHECK(p);
        count = -count;
    }
    it->ptr = count ? (const char *)p : it->end; /* the end is reached once and for all */
    it->left = count;
    return count > 0;
}

static inline bool more(struct pm_array_iter *it, struct pm_avro_fault *fault)
{
    return it->left > 0 || next_block(it, fault);
}

bool pm_array_next_text(struct pm_array_iter *it, struct pm_slice *ret)
{
    struct pm_avro_fault fault;
    if (!more(it, &fault)) return false;
    const uint8_t *p = pm_avro_get_text((const uint8_t *)it->ptr, (const uint8_t *)it->end, ret, &fault);
    PM_CHECK(p);
    it->ptr = (const char *)p;
    it->left--;
    return true;
}

bool pm_array_next_double(struct pm_array_iter *it, double *ret)
{
    struct pm_avro_fault fault;
    if (!more(it, &fault)) return false;
    const uint8_t *p = pm_avro_get_double((const uint8_t *)it->ptr, (const uint8_t *)it->end, ret, &fault);
    PM_CHECK(p);
    it->ptr = (const char *)p;
    it->left--;
    return true;
}

bool pm_array_next_output(struct pm_array_iter *it, struct pm_output *ret)
{
    struct pm_avro_fault fault;
    if (!more(it, &fault)) return false;
    const uint8_t *p = (const uint8_t *)it->ptr, *end = (const uint8_t *)it->end;
    p = pm_avro_get_text(p, end, &ret->name, &fault);
    if (p) p = pm_avro_get_long(p, end, &ret->size, &fault);
    if (p) p = pm_avro_get_text(p, end, &ret->checksum, &fault);
    PM_CHECK(p);
    it->ptr = (const char *)p;
    it->left--;
    return true;
}

/* One block with a positive count and the zero count behind it; no block for no items. */
static uint8_t *begin(struct pm_arena *arena, uint32_t count, size_t item_bytes, uint8_t **ret_start)
{
    uint8_t *start = pm_arena_alloc(arena, PM_AVRO_LONG_BYTES + item_bytes + 1);
    *ret_start = start;
    return count ? pm_avro_put_long(start, count) : start;
}

static struct pm_array end(uint32_t count, uint8_t *start, uint8_t *out)
{
    *out++ = 0;
    return (struct pm_array){.count = count, .raw = pm_slice(start, (size_t)(out - start))};
}

struct pm_array pm_array_of_texts(struct pm_arena *arena, const struct pm_slice *items, uint32_t count)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < count; i++) bytes += PM_AVRO_LONG_BYTES + items[i].len;
    uint8_t *start, *out = begin(arena, count, bytes, &start);
    for (uint32_t i = 0; i < count; i++) out = pm_avro_put_text(out, items[i]);
    return end(count, start, out);
}

struct pm_array pm_array_of_doubles(struct pm_arena *arena, const double *items, uint32_t count)
{
    uint8_t *start, *out = begin(arena, count, (size_t)count * sizeof *items, &start);
    for (uint32_t i = 0; i < count; i++) out = pm_avro_put_double(out, items[i]);
    return end(count, start, out);
}

struct pm_array pm_array_of_outputs(struct pm_arena *arena, const struct pm_output *items, uint32_t count)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < count; i++) bytes += 3 * PM_AVRO_LONG_BYTES + items[i].name.len + items[i].checksum.len;
    uint8_t *start, *out = begin(arena, count, bytes, &start);
    for (uint32_t i = 0; i < count; i++) {
        out = pm_avro_put_text(out, items[i].name);
        out = pm_avro_put_long(out, items[i].size);
        out = pm_avro_put_text(out, items[i].checksum);
    }
    return end(count, start, out);
}
