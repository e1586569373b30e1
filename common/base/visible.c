/* visible.c: see visible.h. */
#include "common/base/visible.h"

#include <string.h>

/* How many bytes at `p` are a control character. */
static size_t control_bytes(const char *p, size_t left, const char *kept)
{
    unsigned char c = (unsigned char)p[0];
    if (c == 0xc2 && left > 1 && ((unsigned char)p[1] & 0xe0) == 0x80) return 2;
    if (c >= 0x20 && c != 0x7f) return 0;
    return c && strchr(kept, c) ? 0 : 1;
}

void pm_visible_add(struct pm_buf *out, struct pm_slice text, const char *kept)
{
    const char *p = text.ptr, *plain = p, *end = p + text.len;
    while (p < end) {
        size_t n = control_bytes(p, (size_t)(end - p), kept);
        if (n == 0) {
            p++;
            continue;
        }
        pm_buf_bytes(out, plain, (size_t)(p - plain));
        for (; n > 0; n--) pm_buf_printf(out, "\\x%02x", (unsigned char)*p++);
        plain = p;
    }
    pm_buf_bytes(out, plain, (size_t)(p - plain));
}
