/* arena.c: a list of blocks, filled one after the other. One arena belongs to one thread at a time. */
#include "common/base/arena.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/base/check.h"

#define BLOCK_BYTES ((size_t)64 * 1024)

struct pm_arena_block {
    struct pm_arena_block *next;
    size_t size;
    _Alignas(16) char bytes[];
};

void *pm_arena_alloc(struct pm_arena *arena, size_t size)
{
    size = (size + 15) & ~(size_t)15;
    struct pm_arena_block *block = arena->current;
    while (block && block->size - arena->used < size) {
        block = block->next;
        arena->used = 0;
    }
    if (!block) {
        size_t block_size = size > BLOCK_BYTES ? size : BLOCK_BYTES;
        block = pm_malloc(sizeof *block + block_size);
        block->size = block_size;
        /* Keep the list: the new block goes behind the last one that was tried. */
        struct pm_arena_block **tail = arena->current ? &arena->current->next : &arena->first;
        block->next = *tail;
        *tail = block;
        arena->used = 0;
    }
    arena->current = block;
    void *ptr = block->bytes + arena->used;
    arena->used += size;
    return ptr;
}

struct pm_slice pm_arena_copy(struct pm_arena *arena, struct pm_slice s)
{
    if (s.len == 0) return pm_slice("", 0);
    void *ptr = pm_arena_alloc(arena, s.len);
    memcpy(ptr, s.ptr, s.len);
    return pm_slice(ptr, s.len);
}

char *pm_arena_cstr(struct pm_arena *arena, struct pm_slice s)
{
    char *text = pm_arena_alloc(arena, s.len + 1);
    if (s.len) memcpy(text, s.ptr, s.len);
    text[s.len] = 0;
    return text;
}

char *pm_arena_printf(struct pm_arena *arena, const char *fmt, ...)
{
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    PM_CHECK(n >= 0);
    char *text = pm_arena_alloc(arena, (size_t)n + 1);
    vsnprintf(text, (size_t)n + 1, fmt, again);
    va_end(again);
    return text;
}

void pm_arena_reset(struct pm_arena *arena)
{
    arena->current = arena->first;
    arena->used = 0;
}

void pm_arena_release(struct pm_arena *arena)
{
    if (!arena) return;
    for (struct pm_arena_block *b = arena->first, *next; b; b = next) {
        next = b->next;
        free(b);
    }
    *arena = (struct pm_arena){0};
}

size_t pm_arena_bytes(const struct pm_arena *arena)
{
    size_t n = 0;
    for (struct pm_arena_block *b = arena->first; b; b = b->next) n += b->size;
    return n;
}
