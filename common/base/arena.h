/* arena.h: memory that ends all at once. What one record or one row needs comes from an arena that is reset at the top
 * of the loop; a reset keeps the blocks. A zeroed struct is an empty arena. Pointers from it end at the next reset or
 * release. */
#ifndef PM_BASE_ARENA_H
#define PM_BASE_ARENA_H

#include "common/base/error.h"
#include "common/base/slice.h"

struct pm_arena_block;
struct pm_arena {
    struct pm_arena_block *first, *current;
    size_t used; /* in the current block */
};

void *pm_arena_alloc(struct pm_arena *arena, size_t size); /* aligned to 16 bytes, not zeroed */
struct pm_slice pm_arena_copy(struct pm_arena *arena, struct pm_slice s);
char *pm_arena_cstr(struct pm_arena *arena, struct pm_slice s);                      /* a copy with a zero behind it */
char *pm_arena_printf(struct pm_arena *arena, const char *fmt, ...) PM_PRINTF(2, 3); /* never cut */
void pm_arena_reset(struct pm_arena *arena);
void pm_arena_release(struct pm_arena *arena);
size_t pm_arena_bytes(const struct pm_arena *arena); /* held, for limits */

#endif
