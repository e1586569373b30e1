/* nearest.c: optimal string alignment distance in three rows. Any thread. */
#include "common/base/nearest.h"

#define LEN_MAX 64

static struct pm_slice tail(struct pm_slice s)
{
    return s.len <= LEN_MAX ? s : pm_slice(s.ptr + s.len - LEN_MAX, LEN_MAX);
}

static unsigned least(unsigned a, unsigned b) { return a < b ? a : b; }

unsigned pm_text_distance(struct pm_slice a, struct pm_slice b)
{
    a = tail(a);
    b = tail(b);
    unsigned rows[3][LEN_MAX + 1];
    for (unsigned j = 0; j <= b.len; j++) rows[0][j] = j;
    for (size_t i = 1; i <= a.len; i++) {
        unsigned *now = rows[i % 3], *one = rows[(i + 2) % 3], *two = rows[(i + 1) % 3];
        now[0] = (unsigned)i;
        for (size_t j = 1; j <= b.len; j++) {
            unsigned cost = a.ptr[i - 1] != b.ptr[j - 1];
            now[j] = least(least(one[j], now[j - 1]) + 1, one[j - 1] + cost);
            bool swapped = i > 1 && j > 1 && a.ptr[i - 1] == b.ptr[j - 2] && a.ptr[i - 2] == b.ptr[j - 1];
            if (swapped) now[j] = least(now[j], two[j - 2] + 1);
        }
    }
    return rows[a.len % 3][b.len];
}

bool pm_text_near(struct pm_slice typed, unsigned distance) { return distance <= 1 + typed.len / 4; }

void pm_nearest_try(struct pm_nearest *n, const char *candidate)
{
    struct pm_slice name = pm_slice_cstr(candidate);
    if (n->typed.len == 0 || n->typed.len > LEN_MAX || name.len > LEN_MAX) return;
    unsigned distance = pm_text_distance(n->typed, name);
    bool begins = n->typed.len >= 3 && n->typed.len < name.len && pm_slice_starts(name, n->typed);
    if (begins) distance = 1; /* the beginning of a name is near to it */
    if (n->best && distance >= n->distance) return;
    n->best = candidate;
    n->distance = distance;
}

const char *pm_nearest_best(const struct pm_nearest *n)
{
    return n->best && n->distance < n->typed.len && pm_text_near(n->typed, n->distance) ? n->best : NULL;
}
