/* table.h: the dictionary in memory: hash128 of a path -> result number, and per result what decides fast whether an
 * event brings anything new. Rebuilt from the runs at start (about 50 ns a result) and after an aborted transaction;
 * about 45 bytes a result. Belongs to the thread that writes the index. */
#ifndef PM_CONSUMER_TABLE_H
#define PM_CONSUMER_TABLE_H

#include "common/base/hash.h"
#include "common/base/slice.h"

#define PM_RESULTS_MAX UINT32_MAX /* record numbers of one index */

struct pm_table;

struct pm_row {
    uint64_t hash_lo;
    uint64_t identity, observed; /* pm_record_identity_sum, _observed_sum of the primary record */
    uint32_t record;             /* the primary's record number */
    uint8_t type;                /* its stamp's type; PM_ROW_UNLOADED: not read yet since start */
    bool has_side;               /* side facts may exist */
};
#define PM_ROW_UNLOADED 0xff

struct pm_table *pm_table_new(void);
void pm_table_free(struct pm_table *table);
/* Bring near what `find` will read: first the slot, and some time after it the row that the slot names. */
void pm_table_prefetch(const struct pm_table *table, struct pm_hash128 hash);
void pm_table_prefetch_row(const struct pm_table *table, struct pm_hash128 hash);
/* The row's number, or -1. */
int64_t pm_table_find(const struct pm_table *table, struct pm_hash128 hash);
/* Adds a result that is not there; the row is zeroed but for hash_lo. */
struct pm_row *pm_table_add(struct pm_table *table, struct pm_hash128 hash, uint64_t result);
struct pm_row *pm_table_row(const struct pm_table *table, uint64_t result);
size_t pm_table_bytes(const struct pm_table *table);

#endif
