/* cmd_materialize.c: `provmat materialize`. */
#include "cli/consume.h"
#include "common/base/time.h"
#include "common/store/mark.h"

/* Without a named log: the one that the index remembers (NULL), and the default one when there is no index yet, or one
 * whose making was cut short. An index that could not be read now is no reason to take another log. */
static int log_of(const struct pm_cli *cli, const char **ret, struct pm_error *err)
{
    struct pm_index *index = NULL;
    *ret = cli->log_url;
    if (*ret) return PM_OK;
    PM_TRY(pm_mark_check(cli->index_dir, err));
    int rc = pm_index_open(cli->index_dir, &index, err);
    if (rc == PM_EIO || rc == PM_ENOMEM) return rc;
    if (rc != PM_OK) *ret = pm_cli_log_url(cli);
    pm_index_close(index);
    return PM_OK;
}

static int take_gaps(const struct pm_cli *cli, struct pm_gap gaps[PM_ACCEPTED_GAPS_MAX], size_t *ret_n,
                     struct pm_error *err)
{
    size_t at = 0, n = 0;
    for (const struct pm_given *given; (given = pm_cli_next(cli, "accept-gap", &at)); n++) {
        if (n == PM_ACCEPTED_GAPS_MAX)
            return pm_error_set(err, PM_EUSAGE, "--accept-gap: more than %d gaps", PM_ACCEPTED_GAPS_MAX);
        gaps[n] = (struct pm_gap){
            .partition = given->partition, .from = (int64_t)given->count, .to = (int64_t)given->last};
    }
    *ret_n = n;
    return PM_OK;
}

int pm_cmd_materialize(struct pm_cli *cli, struct pm_error *err)
{
    bool once = pm_cli_flag(cli, "once");
    struct pm_consumer_options options = pm_consume_options(cli, true);
    struct pm_consumer_result result = {0};
    char applied[32], quarantined[32];
    struct pm_gap gaps[PM_ACCEPTED_GAPS_MAX];
    PM_TRY(take_gaps(cli, gaps, &options.n_accepted_gaps, err));
    options.accepted_gaps = gaps;
    PM_TRY(log_of(cli, &options.log_url, err));
    if (options.log_url) options.codec = pm_cli_codec_options(cli, options.log_url);
    if (!once) pm_cli_note(cli, "following the log into %s; SIGINT (Ctrl-C) ends it", cli->index_dir);
    int64_t started_us = pm_time_monotonic_us();
    PM_TRY(pm_consume_end(pm_materialize(&options, once, &result, err), err));
    double seconds = (double)(pm_time_monotonic_us() - started_us) / 1e6;
    pm_cli_note(cli, "%s record%s applied in %.1f s, %s of them to the quarantine%s",
                pm_count_format(result.applied, applied), result.applied == 1 ? "" : "s", seconds,
                pm_count_format(result.quarantined, quarantined),
                result.quarantined ? "; `provmat quarantine list` shows them" : "");
    return PM_OK;
}
