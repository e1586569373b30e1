/* news.h: what the library's thread has to tell, until a thread of Python asks: the library's thread never enters the
 * interpreter, which may be gone by then. One thread writes, one (that holds the interpreter's lock) reads. */
#ifndef PROVMAT_PYTHON_NEWS_H
#define PROVMAT_PYTHON_NEWS_H

#include <stdatomic.h>
#include <stdbool.h>

#define NEWS_MAX 4
#define NEWS_TEXT_BYTES 512

struct news {
    atomic_uint written, read; /* counts; what does not fit is left out */
    struct news_item {
        int level; /* as syslog's */
        char text[NEWS_TEXT_BYTES];
    } items[NEWS_MAX];
};

/* A `diag` of provmat.h; arg is a struct news. */
void news_put(void *arg, int level, const char *text);
bool news_waiting(struct news *news);
/* Copies the oldest; false when there is none. */
bool news_take(struct news *news, struct news_item *ret);

#endif
