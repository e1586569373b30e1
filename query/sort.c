/* sort.c: multikey quicksort with the current eight bytes of each key cached beside the entry: most comparisons touch
 * no key at all, which is what counts when the keys lie in a mapped file. Entries equal in a word are the middle part
 * and go on eight bytes deeper. */
#include "query/sort.h"

#include <stdlib.h>

#define INSERTION_MAX 16

struct sorter {
    struct pm_slice (*key)(const void *arg, uint64_t where);
    const void *arg;
};

/* The word at `depth`; a key that ends inside it is filled up with zeros. */
static uint64_t word_at(struct pm_slice key, size_t depth)
{
    if (depth >= key.len) return 0;
    unsigned char bytes[8] = {0};
    size_t n = key.len - depth < 8 ? key.len - depth : 8;
    memcpy(bytes, key.ptr + depth, n);
    uint64_t word = 0;
    for (int i = 0; i < 8; i++) word = word << 8 | bytes[i];
    return word;
}

static void swap(struct pm_sort_entry *a, struct pm_sort_entry *b)
{
    struct pm_sort_entry t = *a;
    *a = *b;
    *b = t;
}

/* Order of two entries whose keys are equal in the first `depth` bytes and whose words were read there. */
static int compare(const struct sorter *s, const struct pm_sort_entry *a, const struct pm_sort_entry *b, size_t depth)
{
    if (a->word != b->word) return a->word < b->word ? -1 : 1;
    struct pm_slice x = s->key(s->arg, a->where), y = s->key(s->arg, b->where);
    size_t at_x = depth < x.len ? depth : x.len, at_y = depth < y.len ? depth : y.len;
    return pm_slice_cmp(pm_slice(x.ptr + at_x, x.len - at_x), pm_slice(y.ptr + at_y, y.len - at_y));
}

static void insertion(const struct sorter *s, struct pm_sort_entry *e, size_t n, size_t depth)
{
    for (size_t i = 1; i < n; i++) {
        for (size_t j = i; j > 0 && compare(s, &e[j - 1], &e[j], depth) > 0; j--) swap(&e[j - 1], &e[j]);
    }
}

static uint64_t median(uint64_t a, uint64_t b, uint64_t c)
{
    if (a < b) return b < c ? b : (a < c ? c : a);
    return a < c ? a : (b < c ? c : b);
}

/* Pseudo-median of nine: inputs that are already in some order are common here. */
static uint64_t pivot_of(const struct pm_sort_entry *e, size_t n)
{
    size_t d = n / 8, m = n / 2, l = n - 1;
    return median(median(e[0].word, e[d].word, e[2 * d].word), median(e[m - d].word, e[m].word, e[m + d].word),
                  median(e[l - 2 * d].word, e[l - d].word, e[l].word));
}

static void fill_words(const struct sorter *s, struct pm_sort_entry *e, size_t n, size_t depth)
{
    for (size_t i = 0; i < n; i++) e[i].word = word_at(s->key(s->arg, e[i].where), depth);
}

/* The smaller side recurses and the larger is the loop, so that the stack holds at most log2(n) frames and one a word
 * of the longest key. */
static void sort_words(const struct sorter *s, struct pm_sort_entry *e, size_t n, size_t depth)
{
    while (n > INSERTION_MAX) {
        uint64_t pivot = pivot_of(e, n);
        size_t low = 0, i = 0, high = n;
        while (i < high) {
            if (e[i].word < pivot) swap(&e[low++], &e[i++]);
            else if (e[i].word > pivot) swap(&e[i], &e[--high]);
            else i++;
        }
        size_t n_equal = high - low, n_above = n - high;
        /* No key begins another, so where one ends inside this word all of the middle are the same key. */
        if (n_equal > 1 && s->key(s->arg, e[low].where).len > depth + 8) {
            fill_words(s, e + low, n_equal, depth + 8);
            sort_words(s, e + low, n_equal, depth + 8);
        }
        if (low < n_above) {
            sort_words(s, e, low, depth);
            e += high;
            n = n_above;
        } else {
            sort_words(s, e + high, n_above, depth);
            n = low;
        }
    }
    insertion(s, e, n, depth);
}

void pm_sort_keys(struct pm_sort_entry *entries, size_t n, struct pm_slice (*key)(const void *arg, uint64_t where),
                  const void *arg)
{
    struct sorter s = {key, arg};
    fill_words(&s, entries, n, 0);
    sort_words(&s, entries, n, 0);
}
