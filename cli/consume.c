/* consume.c: see consume.h. */
#include "cli/consume.h"

#include "cli/signals.h"

static void show_progress(void *arg, const struct pm_progress *progress) { pm_progress_show(arg, progress); }

static void show_warning(void *arg, const char *text)
{
    (void)arg;
    pm_cli_warn("%s", text);
}

struct pm_consumer_options pm_consume_options(struct pm_cli *cli, bool with_signals)
{
    return (struct pm_consumer_options){
        .index_dir = cli->index_dir,
        .log_url = cli->log_url,
        .log = cli->log,
        .codec = pm_cli_codec_options(cli, cli->log_url),
        .stop = with_signals ? pm_signals_catch() : NULL,
        .progress = cli->progress ? show_progress : NULL,
        .warn = show_warning,
        .arg = cli,
    };
}

int pm_consume_end(int rc, struct pm_error *err)
{
    pm_progress_clear();
    if (rc != PM_ENOTFOUND) return rc;
    err->code = PM_ELOG;
    return PM_ELOG;
}
