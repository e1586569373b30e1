/* sort.h: stable radix sort of (key, index) by some bits of the key; what the batch's new entries and the operations of
 * a job are ordered by. */
#ifndef PM_CONSUMER_SORT_H
#define PM_CONSUMER_SORT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct pm_sort_item {
    uint64_t key;
    uint32_t index;
};

#define PM_SORT_DIGIT_BITS 11

/* Sorts by bits [low, high) of the key; `other` has the same room. Returns whichever of the two arrays holds the
 * result. */
static inline struct pm_sort_item *pm_sort(struct pm_sort_item *items, struct pm_sort_item *other, size_t count,
                                           unsigned low, unsigned high)
{
    for (unsigned shift = low; shift < high; shift += PM_SORT_DIGIT_BITS) {
        uint32_t starts[1u << PM_SORT_DIGIT_BITS] = {0};
        const uint64_t mask = ((uint64_t)1 << PM_SORT_DIGIT_BITS) - 1;
        for (size_t i = 0; i < count; i++) starts[items[i].key >> shift & mask]++;
        if (count && starts[items[0].key >> shift & mask] == count) continue; /* all alike */
        uint32_t sum = 0;
        for (size_t d = 0; d <= mask; d++) {
            uint32_t n = starts[d];
            starts[d] = sum;
            sum += n;
        }
        for (size_t i = 0; i < count; i++) other[starts[items[i].key >> shift & mask]++] = items[i];
        struct pm_sort_item *swap = items;
        items = other;
        other = swap;
    }
    return items;
}

/* Bits that a number needs. */
static inline unsigned pm_sort_bits(uint64_t max) { return max ? 64 - (unsigned)__builtin_clzll(max) : 1; }

#endif
