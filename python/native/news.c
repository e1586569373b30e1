/* news.c: a ring between the library's thread and Python's. */
#include "python/native/news.h"

#include <stdio.h>

void news_put(void *arg, int level, const char *text)
{
    struct news *news = arg;
    unsigned at = atomic_load_explicit(&news->written, memory_order_relaxed);
    if (at - atomic_load_explicit(&news->read, memory_order_acquire) >= NEWS_MAX) return;
    struct news_item *item = &news->items[at % NEWS_MAX];
    item->level = level;
    snprintf(item->text, sizeof item->text, "%s", text);
    atomic_store_explicit(&news->written, at + 1, memory_order_release);
}

bool news_waiting(struct news *news)
{
    return atomic_load_explicit(&news->written, memory_order_acquire) !=
           atomic_load_explicit(&news->read, memory_order_relaxed);
}

bool news_take(struct news *news, struct news_item *ret)
{
    if (!news_waiting(news)) return false;
    unsigned at = atomic_load_explicit(&news->read, memory_order_relaxed);
    *ret = news->items[at % NEWS_MAX];
    atomic_store_explicit(&news->read, at + 1, memory_order_release);
    return true;
}
