/* suggest.c: "did you mean": the nearest of several names. */
#include <string.h>

#include "cli/command.h"

#define WORD_MAX 64 /* longer words get no suggestion */

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
    unsigned m = a < b ? a : b;
    return m < c ? m : c;
}

/* Edits (insert, delete, replace, swap of neighbours) between two words of at most WORD_MAX bytes. */
static unsigned edits(const char *a, size_t n, const char *b, size_t m)
{
    unsigned rows[3][WORD_MAX + 1];
    unsigned *before = rows[0], *above = rows[1], *row = rows[2];
    for (size_t j = 0; j <= m; j++) above[j] = (unsigned)j;
    for (size_t i = 1; i <= n; i++) {
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= m; j++) {
            row[j] = min3(above[j] + 1, row[j - 1] + 1, above[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && before[j - 2] + 1 < row[j])
                row[j] = before[j - 2] + 1;
        }
        unsigned *spare = before;
        before = above;
        above = row;
        row = spare;
    }
    return above[m];
}

void pm_suggest_try(struct pm_suggest *s, const char *candidate)
{
    size_t n = strlen(s->word), m = strlen(candidate);
    if (n == 0 || n > WORD_MAX || m > WORD_MAX) return;
    unsigned distance = edits(s->word, n, candidate, m);
    if (n >= 3 && n < m && memcmp(s->word, candidate, n) == 0) distance = 1; /* the beginning of a name is near to it */
    if (!s->best || distance < s->distance) {
        s->best = candidate;
        s->distance = distance;
    }
}

const char *pm_suggest_best(const struct pm_suggest *s)
{
    if (!s->best) return NULL;
    size_t n = strlen(s->word);
    return s->distance <= 1 + n / 4 && s->distance < n ? s->best : NULL;
}
