/* cmd_store_check.c: `provmat store check ROOT`: a store against the index (provstore/check.h). */
#include "cli/cmd_store.h"
#include "common/base/check.h"
#include "provstore/check.h"

struct run {
    struct pm_store_command command;
    struct pm_check_counts counts;
    struct pm_buf plan; /* --repair-plan: lines of events */
};

static int add_finding(void *arg, const struct pm_finding *finding, struct pm_error *err)
{
    struct run *run = arg;
    return run->command.rows ? pm_finding_add(run->command.rows, finding, err) : PM_OK;
}

static int add_event(void *arg, struct pm_slice line, struct pm_error *err)
{
    struct run *run = arg;
    (void)err;
    pm_buf_slice_add(&run->plan, line);
    pm_buf_byte(&run->plan, '\n');
    return PM_OK;
}

static int print_plan(const struct run *run, struct pm_error *err)
{
    if (run->plan.len && fwrite(run->plan.ptr, 1, run->plan.len, stdout) != run->plan.len)
        return pm_error_set(err, PM_EIO, "could not write the output");
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
    pm_buf_release(&run.plan);
    if (rc != PM_OK) return rc;
    pm_cli_note(cli, "%s results in the store, %s of them in the index; %s findings, %s of them settled by an event",
                pm_count_format(run.counts.store.results, results), pm_count_format(run.counts.compared, compared),
                pm_count_format(run.counts.findings, findings), pm_count_format(run.counts.repairs, repairs));
    return run.counts.findings ? pm_error_set(err, PM_EDIFFERS, "%s", "") : PM_OK;
}
