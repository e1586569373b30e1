/* maps.c: see maps.h. Read from /proc without allocation, locks or stdio. */
#include "common/store/maps.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static uint64_t number(const char **p, unsigned base)
{
    uint64_t n = 0;
    for (;; ++*p) {
        char c = **p;
        unsigned digit = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
                         : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10
                                                : base;
        if (digit >= base) return n;
        n = n * base + digit;
    }
}

static void skip(const char **p, char c) { *p += **p == c; }

/* "BEGIN-END FLAGS OFFSET MAJOR:MINOR INODE NAME" */
static bool parse(const char *p, dev_t dev, ino_t ino, uintptr_t *ret_begin, uintptr_t *ret_end)
{
    *ret_begin = (uintptr_t)number(&p, 16);
    skip(&p, '-');
    *ret_end = (uintptr_t)number(&p, 16);
    for (int spaces = 0; spaces < 3 && *p; p++) spaces += *p == ' ';
    unsigned high = (unsigned)number(&p, 16);
    skip(&p, ':');
    unsigned low = (unsigned)number(&p, 16);
    skip(&p, ' ');
    return makedev(high, low) == dev && number(&p, 10) == ino;
}

void pm_maps_each(dev_t dev, ino_t ino, void (*each)(void *arg, uintptr_t begin, uintptr_t end), void *arg)
{
    char bytes[4096], line[128]; /* what is cut off is the end of the file's name */
    size_t used = 0;
    uintptr_t begin, end;
    int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    for (ssize_t n; fd >= 0 && (n = read(fd, bytes, sizeof bytes)) > 0;)
        for (ssize_t i = 0; i < n; i++) {
            if (bytes[i] != '\n') {
                if (used < sizeof line - 1) line[used++] = bytes[i];
                continue;
            }
            line[used] = 0;
            used = 0;
            if (parse(line, dev, ino, &begin, &end)) each(arg, begin, end);
        }
    if (fd >= 0) close(fd);
}
