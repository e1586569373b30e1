/* cmd_store_check.c: `provmat store check ROOT`: a store against the index (provstore/check.h). */
#include <stdlib.h>

#include "cli/cmd_store.h"
#include "common/base/check.h"
#include "provstore/check.h"

struct step {
    struct pm_slice path, line;
};
struct run {
    struct pm_store_command command;
    struct pm_check_counts counts;
    struct pm_arena arena; /* --repair-plan: lines of events */
    struct step *plan;
    size_t n_plan, room;
};

static int add_finding(void *arg, const struct pm_finding *finding, struct pm_error *err)
{
    struct run *run = arg;
    return run->command.rows ? pm_finding_add(run->command.rows, finding, err) : PM_OK;
}

static int add_event(void *arg, struct pm_slice path, struct pm_slice line, struct pm_error *err)
{
    struct run *run = arg;
    (void)err;
    if (run->n_plan == run->room) {
        run->room = run->room ? 2 * run->room : 64;
        run->plan = pm_realloc(run->plan, run->room * sizeof *run->plan);
    }
    run->plan[run->n_plan++] = (struct step){.path = pm_arena_copy(&run->arena, path),
                                             .line = pm_arena_copy(&run->arena, line)};
    return PM_OK;
}

/* Results come as the threads of the walk find them; the plan is the same every time. */
static int by_path(const void *a, const void *b)
{
    const struct step *one = a, *other = b;
    int order = pm_slice_cmp(one->path, other->path);
    return order ? order : pm_slice_cmp(one->line, other->line);
}

static int print_plan(const struct run *run, struct pm_error *err)
{
    if (run->n_plan) qsort(run->plan, run->n_plan, sizeof *run->plan, by_path);
    for (size_t i = 0; i < run->n_plan; i++) {
        struct pm_slice line = run->plan[i].line;
        if (fwrite(line.ptr, 1, line.len, stdout) != line.len || putchar('\n') == EOF)
            return pm_error_set(err, PM_EIO, "could not write the output");
    }
    return PM_OK;
}

static int check(struct run *run, struct pm_cli *cli, bool plan, struct pm_error *err)
{
    struct pm_check_options options = {
        .walk = run->command.walk, .index_dir = cli->index_dir, .repair = plan ? add_event : NULL, .arg = run};
    options.walk.checksums = !pm_cli_flag(cli, "sizes-only");
    options.walk.finding = add_finding;
    int rc = pm_check_store(&options, &run->counts, err);
    pm_progress_clear();
    PM_TRY(rc);
    if (*run->command.walk.stop) return pm_error_set(err, PM_EIO, "interrupted; nothing is printed");
    return plan ? print_plan(run, err) : pm_rows_print(run->command.rows, stdout, NULL, err);
}

int pm_cmd_store_check(struct pm_cli *cli, struct pm_error *err)
{
    struct run run = {0};
    char results[32], compared[32], findings[32], repairs[32];
    bool plan = pm_cli_flag(cli, "repair-plan");
    int rc = pm_store_open(&run.command, cli, pm_finding_columns, plan ? 0 : PM_FINDING_COLUMNS, err);
    if (rc == PM_OK) rc = check(&run, cli, plan, err);
    pm_store_close(&run.command);
    pm_arena_release(&run.arena);
    free(run.plan);
    if (rc != PM_OK) return rc;
    pm_cli_note(cli, "%s results in the store, %s of them in the index; %s findings, %s of them settled by an event",
                pm_count_format(run.counts.store.results, results), pm_count_format(run.counts.compared, compared),
                pm_count_format(run.counts.findings, findings), pm_count_format(run.counts.repairs, repairs));
    return run.counts.findings ? pm_error_set(err, PM_EDIFFERS, "%s", "") : PM_OK;
}
