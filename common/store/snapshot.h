/* snapshot.h: what the readers' files share (index.c, result.c, job.c), and what the consumer uses to read its own
 * index (verify, load). Not for query/. */
#ifndef PM_STORE_SNAPSHOT_H
#define PM_STORE_SNAPSHOT_H

#include "common/store/facts.h"
#include "common/store/layout.h"

struct pm_snapshot_names {
    struct pm_slice *texts; /* by number, read when first asked for; ptr NULL: not yet */
};

struct pm_snapshot {
    struct pm_kv *kv;
    struct pm_kv_txn *txn;
    struct pm_tables tables;
    struct pm_meta_state state;
    struct pm_snapshot_names names[PM_NAME_KIND_COUNT];
    struct pm_runs *runs[PM_RUN_KIND_COUNT];
};

/* A snapshot of an environment that the caller holds open. */
int pm_snapshot_of(struct pm_kv *kv, struct pm_snapshot **ret, struct pm_error *err) PM_MUST_CHECK;

int pm_snapshot_runs(struct pm_snapshot *snap, enum pm_run_kind kind, const struct pm_runs **ret,
                     struct pm_error *err) PM_MUST_CHECK;
int pm_snapshot_name(struct pm_snapshot *snap, enum pm_name_kind kind, uint32_t number, struct pm_slice *ret,
                     struct pm_error *err) PM_MUST_CHECK;
int pm_snapshot_name_find(struct pm_snapshot *snap, enum pm_name_kind kind, struct pm_slice text, uint32_t *ret,
                          struct pm_error *err) PM_MUST_CHECK;

/* The latest record of a result, decoded; slices end with the snapshot. */
int pm_snapshot_record(struct pm_snapshot *snap, uint64_t result, struct pm_record *ret, struct pm_slice *ret_path_form,
                       struct pm_error *err) PM_MUST_CHECK;
/* Its path. */
int pm_snapshot_path(struct pm_snapshot *snap, const struct pm_record *rec, struct pm_slice path_form,
                     struct pm_arena *arena, struct pm_slice *ret, struct pm_error *err) PM_MUST_CHECK;

/* Every result's latest record once, by record number. */
int pm_records_each(struct pm_snapshot *snap,
                    int (*each)(void *arg, uint64_t result, const struct pm_record *rec, struct pm_error *err),
                    void *arg, struct pm_error *err) PM_MUST_CHECK;

/* The role that a stamp's event gives its job, false when it gives none. */
bool pm_stamp_role(const struct pm_stamp *stamp, enum pm_role *ret);

#define PM_SNAPSHOT_VIEWS 6
extern const char *const pm_view_names_[PM_SNAPSHOT_VIEWS + 1]; /* NULL-terminated */

#endif
