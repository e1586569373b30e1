/* trash.c: the names of what is being deleted (trash.h). */
#define _GNU_SOURCE /* memmem */
#include "provstore/trash.h"

#include <stdio.h>
#include <string.h>

#include "common/base/number.h"

#define MARK ".deleted-"
#define MARK_LEN (sizeof MARK - 1)

bool pm_trash_name(struct pm_slice name, int64_t at_us, char out[PM_NAME_BYTES_MAX + 1])
{
    char digits[PM_INTEGER_TEXT_SIZE];
    size_t n = pm_i64_format(at_us, digits);
    if (name.len + 1 + MARK_LEN + n > PM_NAME_BYTES_MAX) return false;
    *out++ = '.';
    memcpy(out, name.ptr, name.len);
    memcpy(out + name.len, MARK, MARK_LEN);
    memcpy(out + name.len + MARK_LEN, digits, n);
    out[name.len + MARK_LEN + n] = 0;
    return true;
}

bool pm_trash_parse(struct pm_slice trash, struct pm_slice *ret_name, int64_t *ret_at_us)
{
    const char *mark = NULL, *end = trash.ptr + trash.len;
    uint64_t at;
    if (trash.len < 3 + MARK_LEN || *trash.ptr != '.') return false;
    /* the last one: a name may hold such a mark itself */
    for (const char *from = trash.ptr + 2, *found; (found = memmem(from, (size_t)(end - from), MARK, MARK_LEN));) {
        mark = found;
        from = found + 1;
    }
    if (!mark || !pm_u64_parse(pm_slice(mark + MARK_LEN, (size_t)(end - mark) - MARK_LEN), &at) || at > INT64_MAX)
        return false;
    if (ret_name) *ret_name = pm_slice(trash.ptr + 1, (size_t)(mark - trash.ptr - 1));
    if (ret_at_us) *ret_at_us = (int64_t)at;
    return true;
}
