/* slice.h: bytes that somebody else owns. A slice borrows; the header that hands one out says until when. */
#ifndef PM_BASE_SLICE_H
#define PM_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct pm_slice {
    const char *ptr; /* may be NULL when len is 0 */
    size_t len;
};

#define PM_SLICE(literal) ((struct pm_slice){(literal), sizeof(literal) - 1})
#define PM_SLICE_ARG(s) (int)(s).len, (s).ptr /* for "%.*s" */

static inline struct pm_slice pm_slice(const void *ptr, size_t len) { return (struct pm_slice){ptr, len}; }
static inline struct pm_slice pm_slice_cstr(const char *text) { return (struct pm_slice){text, strlen(text)}; }

static inline bool pm_slice_eq(struct pm_slice a, struct pm_slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}
static inline bool pm_slice_is(struct pm_slice a, const char *text) { return pm_slice_eq(a, pm_slice_cstr(text)); }
static inline bool pm_slice_starts(struct pm_slice a, struct pm_slice prefix)
{
    return a.len >= prefix.len && (prefix.len == 0 || memcmp(a.ptr, prefix.ptr, prefix.len) == 0);
}
/* Order of the bytes, the shorter first when one begins the other. */
static inline int pm_slice_cmp(struct pm_slice a, struct pm_slice b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    int c = n ? memcmp(a.ptr, b.ptr, n) : 0;
    return c ? c : (a.len > b.len) - (a.len < b.len);
}

#endif
