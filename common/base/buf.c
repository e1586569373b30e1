/* buf.c: growing bytes. Any thread; one buffer belongs to one thread at a time. */
#include "common/base/buf.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/base/check.h"

void pm_buf_release(struct pm_buf *buf)
{
    if (!buf) return;
    free(buf->ptr);
    *buf = (struct pm_buf){0};
}

void pm_buf_reserve(struct pm_buf *buf, size_t extra)
{
    if (buf->cap - buf->len >= extra) return;
    size_t cap = buf->cap ? buf->cap * 2 : 256;
    while (cap - buf->len < extra) cap *= 2;
    buf->ptr = pm_realloc(buf->ptr, cap);
    buf->cap = cap;
}

void pm_buf_printf(struct pm_buf *buf, const char *fmt, ...)
{
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    PM_CHECK(n >= 0);
    pm_buf_reserve(buf, (size_t)n + 1);
    vsnprintf(buf->ptr + buf->len, (size_t)n + 1, fmt, again);
    va_end(again);
    buf->len += (size_t)n;
}
