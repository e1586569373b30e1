/* table.c: open addressing in 256 shards, each of which grows alone by half, so that growing never holds two whole
 * tables; rows stand apart in blocks, by number. A slot keeps 32 bits of the hash, the row keeps the lower 64; with the
 * shard's 8, two paths are taken for one only when 104 bits of their BLAKE2b agree. */
#include "consumer/table.h"

#include <stdlib.h>

#include "common/base/check.h"

#define SHARDS 256
#define SHARD_SLOTS_FIRST 64
#define BLOCK_ROWS ((uint64_t)1 << 16)
#define BLOCKS (((uint64_t)PM_RESULTS_MAX + 1) / BLOCK_ROWS)

struct slot {
    uint32_t tag;
    uint32_t result1; /* result number + 1; 0: empty */
};

struct shard {
    struct slot *slots;
    uint32_t n_slots, used;
};

struct pm_table {
    struct shard shards[SHARDS];
    struct pm_row **blocks; /* BLOCKS pointers, of which the touched part is real memory */
};

struct pm_table *pm_table_new(void)
{
    struct pm_table *table = pm_calloc(1, sizeof *table);
    table->blocks = pm_calloc(BLOCKS, sizeof *table->blocks);
    for (unsigned i = 0; i < SHARDS; i++) {
        table->shards[i].n_slots = SHARD_SLOTS_FIRST;
        table->shards[i].slots = pm_calloc(SHARD_SLOTS_FIRST, sizeof(struct slot));
    }
    return table;
}

void pm_table_free(struct pm_table *table)
{
    if (!table) return;
    for (unsigned i = 0; i < SHARDS; i++) free(table->shards[i].slots);
    for (uint64_t i = 0; i < BLOCKS; i++) free(table->blocks[i]);
    free(table->blocks);
    free(table);
}

/* hash.hi = shard (8 bits) | tag (32) | not kept (24) */
static inline unsigned shard_of(struct pm_hash128 hash) { return (unsigned)(hash.hi >> 56); }
static inline uint32_t tag_of(struct pm_hash128 hash) { return (uint32_t)(hash.hi >> 24); }
/* The tag decides where a slot would like to stand, so that a shard grows without reading rows. */
static inline uint32_t place(uint32_t tag, uint32_t n_slots) { return (uint32_t)((uint64_t)tag * n_slots >> 32); }

void pm_table_prefetch(const struct pm_table *table, struct pm_hash128 hash)
{
    const struct shard *shard = &table->shards[shard_of(hash)];
    __builtin_prefetch(&shard->slots[place(tag_of(hash), shard->n_slots)]);
}

void pm_table_prefetch_row(const struct pm_table *table, struct pm_hash128 hash)
{
    const struct shard *shard = &table->shards[shard_of(hash)];
    uint32_t tag = tag_of(hash), i = place(tag, shard->n_slots);
    while (shard->slots[i].result1 && shard->slots[i].tag != tag) i = i + 1 == shard->n_slots ? 0 : i + 1;
    if (shard->slots[i].result1) __builtin_prefetch(pm_table_row(table, shard->slots[i].result1 - 1));
}

struct pm_row *pm_table_row(const struct pm_table *table, uint64_t result)
{
    struct pm_row *block = table->blocks[result / BLOCK_ROWS];
    PM_CHECK(block);
    return &block[result % BLOCK_ROWS];
}

int64_t pm_table_find(const struct pm_table *table, struct pm_hash128 hash)
{
    const struct shard *shard = &table->shards[shard_of(hash)];
    uint32_t tag = tag_of(hash);
    for (uint32_t i = place(tag, shard->n_slots); shard->slots[i].result1; i = i + 1 == shard->n_slots ? 0 : i + 1)
        if (shard->slots[i].tag == tag && pm_table_row(table, shard->slots[i].result1 - 1)->hash_lo == hash.lo)
            return (int64_t)shard->slots[i].result1 - 1;
    return -1;
}

static void shard_put(struct shard *shard, struct slot slot)
{
    uint32_t i = place(slot.tag, shard->n_slots);
    while (shard->slots[i].result1) i = i + 1 == shard->n_slots ? 0 : i + 1;
    shard->slots[i] = slot;
}

static void shard_grow(struct shard *shard)
{
    struct slot *old = shard->slots;
    uint32_t n_old = shard->n_slots;
    shard->n_slots = n_old + n_old / 2;
    shard->slots = pm_calloc(shard->n_slots, sizeof *shard->slots);
    for (uint32_t i = 0; i < n_old; i++)
        if (old[i].result1) shard_put(shard, old[i]);
    free(old);
}

struct pm_row *pm_table_add(struct pm_table *table, struct pm_hash128 hash, uint64_t result)
{
    PM_CHECK(result < PM_RESULTS_MAX);
    struct shard *shard = &table->shards[shard_of(hash)];
    if (shard->used >= shard->n_slots / 5 * 4) shard_grow(shard);
    shard_put(shard, (struct slot){tag_of(hash), (uint32_t)result + 1});
    shard->used++;
    struct pm_row **block = &table->blocks[result / BLOCK_ROWS];
    if (!*block) *block = pm_calloc(BLOCK_ROWS, sizeof **block);
    struct pm_row *row = &(*block)[result % BLOCK_ROWS];
    *row = (struct pm_row){.hash_lo = hash.lo};
    return row;
}

size_t pm_table_bytes(const struct pm_table *table)
{
    size_t bytes = sizeof *table;
    for (unsigned i = 0; i < SHARDS; i++) bytes += table->shards[i].n_slots * sizeof(struct slot);
    for (uint64_t i = 0; i < BLOCKS; i++) bytes += table->blocks[i] ? BLOCK_ROWS * sizeof(struct pm_row) : 0;
    return bytes;
}
