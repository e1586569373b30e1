/* clear_plan.h: the plan of `provmat store clear` as rows, in numbers, and read back from its rows (clear_plan.c). */
#ifndef PM_CLI_CLEAR_PLAN_H
#define PM_CLI_CLEAR_PLAN_H

#include "cli/command.h"
#include "provstore/clear.h"
#include "query/output.h"

#define PM_CLEAR_COLUMNS 16
extern const struct pm_column pm_clear_columns[PM_CLEAR_COLUMNS];
/* `known`: there is an index that tells who used it. */
int pm_clear_row(struct pm_rows *rows, const struct pm_clear *plan, const struct pm_clear_item *item, bool known,
                 struct pm_error *err) PM_MUST_CHECK;

struct pm_clear_totals {
    /* that would be deleted, or were; half-deleted ones too */
    uint64_t results, files, bytes;
    uint64_t finished, kept, gone, changed, failed; /* changed is a part of failed */
    uint64_t computed_by, reused_by, hurt;          /* jobs, each once */
};
void pm_clear_count(const struct pm_clear *plan, bool done, struct pm_clear_totals *ret);
void pm_clear_totals_json(const struct pm_clear_totals *totals, struct pm_buf *out); /* "totals":{...} */
/* The summary, and what failed, for stderr. */
void pm_clear_tell(const struct pm_cli *cli, const struct pm_clear *plan, const struct pm_clear_totals *totals,
                   bool done, bool known);

/* The rows of a plan whose action is "delete", from a file of ndjson ("-": stdin). Texts go to `arena`, *ret is to be
 * freed. PM_EUSAGE with FILE:LINE. */
int pm_clear_plan_read(const char *file, struct pm_arena *arena, struct pm_clear_planned **ret, size_t *ret_count,
                       struct pm_error *err) PM_MUST_CHECK;

#endif
