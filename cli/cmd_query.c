/* cmd_query.c: `provmat query ...` and what `provmat stats` shares with it: from flags to a question, from a question
 * to its rows. */
#include "cli/cmd_query.h"

#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/time.h"

static void note(void *arg, const char *text)
{
    const struct pm_cli *cli = arg;
    if (text[0] == ' ')
        pm_cli_line("%s", text); /* a candidate of an ambiguous name: part of an error, so never quiet */
    else pm_cli_note(cli, "%s", text);
}

struct pm_query pm_cli_question(struct pm_cli *cli)
{
    struct pm_query question = {
        .index_dir = cli->index_dir,
        .log_url = cli->log_url,
        .log = cli->log,
        .has_max_lag = pm_cli_flag(cli, "max-lag"),
        .max_lag = pm_cli_count(cli, "max-lag", 0),
        .output = pm_cli_output_options(cli),
        .out = stdout,
        .note = note,
        .arg = cli,
    };
    const struct pm_given *given;
    size_t at = 0, n = 0;
    while (pm_cli_next(cli, "at-least", &at)) n++;
    if (n == 0) return question;
    static struct pm_place *places; /* live as long as the program, as the flags do */
    places = pm_calloc(n, sizeof *places);
    question.at_least = places;
    for (at = 0; (given = pm_cli_next(cli, "at-least", &at));)
        places[question.n_at_least++] = (struct pm_place){given->partition, (int64_t)given->count};
    return question;
}

int pm_cmd_query_job(struct pm_cli *cli, struct pm_error *err)
{
    struct pm_query question = pm_cli_question(cli);
    return pm_query_job(&question, cli->operands[0], err);
}

int pm_cmd_query_jobs(struct pm_cli *cli, struct pm_error *err)
{
    struct pm_query question = pm_cli_question(cli);
    struct pm_jobs_filter filter = {
        .result = pm_cli_text(cli, "result"),
        .bundle = pm_cli_text(cli, "bundle"),
        .status = -1,
        .since_us = pm_cli_time(cli, "since", PM_TIME_MIN),
        .until_us = pm_cli_time(cli, "until", INT64_MAX),
    };
    const char *text = pm_cli_text(cli, "status");
    enum pm_status status;
    if (text && pm_status_parse(pm_slice_cstr(text), &status)) filter.status = (int)status;
    return pm_query_jobs(&question, &filter, err);
}

int pm_cmd_query_result(struct pm_cli *cli, struct pm_error *err)
{
    struct pm_query question = pm_cli_question(cli);
    return pm_query_result(&question, cli->operands[0], err);
}

int pm_cmd_query_results(struct pm_cli *cli, struct pm_error *err)
{
    struct pm_query question = pm_cli_question(cli);
    struct pm_results_filter filter = {
        .job = pm_cli_text(cli, "job"),
        .role = -1,
        .missing = pm_cli_flag(cli, "missing"),
        .kind = -1,
        .bundle = pm_cli_text(cli, "bundle"),
        .target = pm_cli_text(cli, "target"),
        .path_prefix = pm_cli_text(cli, "path-prefix"),
        .unattributed = pm_cli_flag(cli, "unattributed"),
    };
    const char *role_text = pm_cli_text(cli, "role"), *kind_text = pm_cli_text(cli, "kind");
    enum pm_role role;
    enum pm_kind kind;
    if (role_text && pm_role_parse(pm_slice_cstr(role_text), &role)) filter.role = (int)role;
    if (kind_text && pm_kind_parse(pm_slice_cstr(kind_text), &kind)) filter.kind = (int)kind;
    const char **params = pm_calloc(cli->n_given + 1, sizeof *params);
    const struct pm_given *given;
    for (size_t at = 0; (given = pm_cli_next(cli, "param", &at));) params[filter.n_params++] = given->value;
    filter.params = params;
    int rc = pm_query_results(&question, &filter, err);
    free(params);
    return rc;
}

int pm_cmd_query_conflicts(struct pm_cli *cli, struct pm_error *err)
{
    struct pm_query question = pm_cli_question(cli);
    const char *text = pm_cli_text(cli, "class");
    int class = -1;
    for (int i = PM_CONFLICT_NONDETERMINISM; text && i <= PM_CONFLICT_COLLISION; i++) {
        if (strcmp(text, pm_conflict_class_name((enum pm_conflict_class)i)) == 0) class = i;
    }
    return pm_query_conflicts(&question, class, err);
}
