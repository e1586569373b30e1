/* buf.h: bytes that grow. A zeroed struct is an empty buffer. `ptr` moves when it grows: slices into it end at the next
 * append. Out of memory ends the process with a message (check.h): there is no way on for a program this size. */
#ifndef PM_BASE_BUF_H
#define PM_BASE_BUF_H

#include "common/base/error.h"
#include "common/base/slice.h"

struct pm_buf {
    char *ptr;
    size_t len, cap;
};

void pm_buf_release(struct pm_buf *buf); /* frees; the buffer is empty and usable again */
void pm_buf_reserve(struct pm_buf *buf, size_t extra);
void pm_buf_printf(struct pm_buf *buf, const char *fmt, ...) PM_PRINTF(2, 3);

static inline void pm_buf_clear(struct pm_buf *buf) { buf->len = 0; }
static inline struct pm_slice pm_buf_slice(const struct pm_buf *buf) { return pm_slice(buf->ptr, buf->len); }
static inline void pm_buf_bytes(struct pm_buf *buf, const void *ptr, size_t len)
{
    if (buf->cap - buf->len < len) pm_buf_reserve(buf, len);
    if (len) memcpy(buf->ptr + buf->len, ptr, len);
    buf->len += len;
}
static inline void pm_buf_slice_add(struct pm_buf *buf, struct pm_slice s) { pm_buf_bytes(buf, s.ptr, s.len); }
static inline void pm_buf_cstr(struct pm_buf *buf, const char *text) { pm_buf_bytes(buf, text, strlen(text)); }
static inline void pm_buf_byte(struct pm_buf *buf, uint8_t byte)
{
    if (buf->cap == buf->len) pm_buf_reserve(buf, 1);
    buf->ptr[buf->len++] = (char)byte;
}

#endif
