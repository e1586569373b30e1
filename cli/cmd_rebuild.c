/* cmd_rebuild.c: `provmat rebuild`. */
#include "cli/consume.h"
#include "cli/signals.h"
#include "common/base/nearest.h"
#include "common/base/time.h"

static int check_view(const char *view, struct pm_error *err)
{
    struct pm_nearest s = {.typed = pm_slice_cstr(view)};
    char list[256];
    size_t n = 0;
    for (const char *const *name = pm_view_names(); *name; name++) {
        if (!strcmp(*name, view)) return PM_OK;
        pm_nearest_try(&s, *name);
        if (n < sizeof list) n += (size_t)snprintf(list + n, sizeof list - n, "%s%s", n ? ", " : "", *name);
    }
    const char *best = pm_nearest_best(&s);
    if (best) return pm_error_set(err, PM_EUSAGE, "--view: there is no view \"%s\"; did you mean \"%s\"?", view, best);
    return pm_error_set(err, PM_EUSAGE, "--view: there is no view \"%s\"; there are %s", view, list);
}

int pm_cmd_rebuild(struct pm_cli *cli, struct pm_error *err)
{
    const char *view = pm_cli_text(cli, "view");
    int64_t until_us = pm_cli_time(cli, "until", INT64_MAX);
    if (view) PM_TRY(check_view(view, err));
    if (view && until_us != INT64_MAX)
        return pm_error_set(
            err, PM_EUSAGE,
            "--view and --until cannot go together: a part of an index cannot end earlier than the rest");
    struct pm_consumer_options options = pm_consume_options(cli, true);
    struct pm_consumer_result result = {0};
    char applied[32], quarantined[32];
    int64_t started_us = pm_time_monotonic_us();
    int rc = pm_consume_end(pm_rebuild(&options, view, until_us, &result, err), err);
    if (options.stop && *options.stop) {
        pm_cli_note(cli, "stopped; the index is as it was");
        pm_signals_end();
    }
    PM_TRY(rc);
    double seconds = (double)(pm_time_monotonic_us() - started_us) / 1e6;
    pm_cli_note(cli, "rebuilt %s%s in %s from %s record%s in %.1f s, %s of them in the quarantine",
                view ? "view " : "the index", view ? view : "", cli->index_dir,
                pm_count_format(result.applied, applied), result.applied == 1 ? "" : "s", seconds,
                pm_count_format(result.quarantined, quarantined));
    return PM_OK;
}
