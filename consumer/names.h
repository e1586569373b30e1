/* names.h: interning: short texts that repeat become numbers. The whole map is in memory (one entry a job, bundle,
 * entrypoint ...); new names are collected with the batch that brings them and written in its transaction. Belongs to
 * the thread that prepares batches. */
#ifndef PM_CONSUMER_NAMES_H
#define PM_CONSUMER_NAMES_H

#include "common/store/layout.h"

struct pm_names;

struct pm_fresh_name { /* text borrows from the map, for its life */
    enum pm_name_kind kind;
    uint32_t number;
    struct pm_slice text;
};
struct pm_fresh_names {
    struct pm_fresh_name *rows;
    size_t count, room;
};
void pm_fresh_names_release(struct pm_fresh_names *fresh);

/* Reads every name of the index. */
int pm_names_load(struct pm_kv_txn *txn, const struct pm_tables *tables, struct pm_names **ret,
                  struct pm_error *err) PM_MUST_CHECK;
void pm_names_free(struct pm_names *names);

/* The number of a text; a new one is given the next number and added to `fresh`. */
uint32_t pm_names_intern(struct pm_names *names, enum pm_name_kind kind, struct pm_slice text,
                         struct pm_fresh_names *fresh);

/* Writes new names; state->next_name follows. */
int pm_names_write(struct pm_kv_txn *txn, const struct pm_tables *tables, const struct pm_fresh_names *fresh,
                   struct pm_meta_state *state, struct pm_error *err) PM_MUST_CHECK;

#endif
