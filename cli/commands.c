/* commands.c: the one table of commands. Everything that is said about a command is said here (command.h). */
#include <string.h>

#include "cli/command.h"

const struct pm_option pm_options_global[] = {
    {"log", 0, PM_OPTION_TEXT, false, "URL", NULL,
     "the log: kafka://HOST:PORT[,HOST:PORT...]/TOPIC or local:DIR (PROVMAT_LOG; default local:./provmat-data/log)"},
    {"index", 0, PM_OPTION_DIR, false, "DIR", NULL, "the index (PROVMAT_INDEX; default ./provmat-data/index)"},
    {"format", 'f', PM_OPTION_CHOICE, false, "FORMAT", "table|json|ndjson|csv|tsv",
     "how rows are printed: table, json, ndjson, csv or tsv (default: table on a terminal, else ndjson)"},
    {"property", 'X', PM_OPTION_TEXT, true, "NAME=VALUE", NULL,
     "a setting, given to librdkafka as it stands; \"list\" prints all names, \"dump\" all values; secrets belong into "
     "a "
     "file (-F)"},
    {"config", 'F', PM_OPTION_FILE, false, "FILE", NULL,
     "a file of NAME=VALUE lines (PROVMAT_CONFIG; default ~/.config/provmat.conf)"},
    {"quiet", 'q', PM_OPTION_FLAG, false, NULL, NULL, "no progress and no summary on stderr; errors are still told"},
    {"help", 'h', PM_OPTION_FLAG, false, NULL, NULL, "show this help"},
    {"version", 'V', PM_OPTION_FLAG, false, NULL, NULL, "show the version"},
    {0},
};

const struct pm_option pm_options_rows[] = {
    {"columns", 0, PM_OPTION_TEXT, false, "A,B,...", NULL, "print only these keys, in this order"},
    {"limit", 0, PM_OPTION_COUNT, false, "N", NULL, "print at most N rows"},
    {"sort", 0, PM_OPTION_TEXT, false, "KEY[:desc]", NULL, "order of the rows; \"none\" prints them as they are found"},
    {0},
};

const struct pm_option pm_options_fresh[] = {
    {"at-least", 0, PM_OPTION_PLACE, true, "PARTITION:OFFSET", NULL,
     "refuse to answer (exit 5) unless the record at OFFSET has been applied; repeatable"},
    {"max-lag", 0, PM_OPTION_COUNT, false, "EVENTS", NULL,
     "refuse to answer (exit 5) when the index is more than EVENTS records behind the log"},
    {0},
};

/* Ends the description of every query. */
#define WRAPPED                                                                                                       \
    "\n\n--format json prints one document, {\"rows\": [...], \"index\": {\"applied\": {PARTITION: OFFSET, ...}, "    \
    "\"complete\": ...}}. OFFSET is the next one to be applied, as in `provmat stats`. complete is \"yes\" when the " \
    "index had everything that the log had when it was asked, \"no\" when not, and \"unknown\" when the log could "   \
    "not be asked. Where the log lost records before they were applied it is \"no\" too, and gaps names "             \
    "them."

#define STATUSES "pending|running|succeeded|partial|failed|cancelled"

const struct pm_command_group pm_command_groups[] = {
    {"log", "make and inspect the log"},
    {"outbox", "events that wait for the log"},
    {"query", "ask the index"},
    {"quarantine", "records that could not be applied"},
    {"store", "what lies in a store of results"},
    {"path", "the paths of results, forwards and backwards"},
    {"id", "the ids that parameters, tasks, bundles and files have"},
    {0},
};

const struct pm_command pm_commands[] = {
    {
        .name = "emit",
        .summary = "append events to the log, one JSON object a line",
        .operands = "[FILE...]",
        .operand_choices = "FILE",
        .operands_max = 1000000,
        .description =
            "Reads one JSON object a line from each FILE (from stdin when there is none, or for \"-\"), checks it, and "
            "appends it to the log. A line that breaks a rule is reported on stderr as FILE:LINE: reason; the others "
            "are still appended, and the exit status is 6.\n\n"
            "The last line on stderr tells how many were appended and how many rejected. It is printed only after the "
            "log has acknowledged every one of them. Emitting the same file again changes no answer: events are known "
            "by their event_id, which is derived from the other fields when a line has none.\n\n"
            "Empty lines are skipped. When stdin pauses, what was read so far is made durable.\n\n"
            "With --outbox the events are written to files in DIR first, and synced; then what waits in DIR is "
            "appended to the log. When the log cannot be reached they stay there, which is told, and the exit "
            "status is 0: `provmat outbox drain` appends them later.",
        .options = {{"outbox", 0, PM_OPTION_DIR, false, "DIR", NULL,
                     "keep the events in DIR until the log has acknowledged them"},
                    {"dry-run", 0, PM_OPTION_FLAG, false, NULL, NULL,
                     "check the lines and append nothing; needs no log"}},
        .examples =
            {{"append a file to the default log", "provmat emit examples/week/events.ndjson"},
             {"check a file first", "provmat emit --dry-run examples/week/events.ndjson"},
             {"one event by hand",
              "echo '{\"type\":\"JobStatusChanged\",\"job_id\":\"job-1\",\"status\":\"running\"}' | provmat emit"},
             {"whether the log can be reached or not", "provmat emit --outbox waiting examples/week/events.ndjson"}},
        .run = pm_cmd_emit,
    },
    {
        .name = "outbox list",
        .summary = "the files of an outbox and the events that wait in them",
        .operands = "DIR",
        .operands_min = 1,
        .operands_max = 1,
        .takes = PM_TAKES_ROWS,
        .description =
            "Prints one row a segment: waiting (to be delivered), in use (its writer lives, or somebody delivers it) "
            "or damaged (delivered but for what cannot be read). damaged counts places that cannot be read, cut the "
            "bytes of a last event that was not written to its end. The exit status is 1 when there is none.",
        .examples = {{"all", "provmat outbox list waiting"},
                     {"how many events wait", "provmat outbox list waiting -f ndjson | jq -s 'map(.events) | add'"}},
        .run = pm_cmd_outbox_list,
    },
    {
        .name = "outbox drain",
        .summary = "append what waits in an outbox to the log",
        .operands = "DIR",
        .operands_min = 1,
        .operands_max = 1,
        .description =
            "Appends the events of every segment that is not in use, and removes the segment when the log has "
            "acknowledged all of them. Several may do so at once. An event that is appended twice, after a crash, "
            "changes no answer.\n\n"
            "The exit status is 6 when something was damaged (the segment is kept as .damaged) or refused by the log.",
        .examples = {{"into the default log", "provmat outbox drain waiting"},
                     {"into a topic", "provmat outbox drain waiting --log kafka://localhost:9092/provenance"}},
        .run = pm_cmd_outbox_drain,
    },
    {
        .name = "replay",
        .summary = "print the log's events in the form that emit reads",
        .description = "Prints every event of the log as one JSON object a line, with the place where it stands as "
                       "_partition and _offset (emit ignores both). Partitions come one after the other, each in the "
                       "order of its offsets, up to the end that the log had at the start.\n\n"
                       "A record that is no event is reported on stderr as PARTITION:OFFSET: reason; the others are "
                       "still printed, and the exit status is 6.",
        .options =
            {{"from", 0, PM_OPTION_PLACE, true, "PARTITION:OFFSET", NULL,
              "start at this offset of that partition; repeatable; other partitions start at their first offset"},
             {"until", 0, PM_OPTION_TIME, false, "TIME", NULL, "leave out events that occurred later"}},
        .examples = {{"all events", "provmat replay"},
                     {"count them by type", "provmat replay | jq -r .type | sort | uniq -c"},
                     {"copy a log", "provmat replay | provmat emit --log local:copy"},
                     {"the events of partition 0 from offset 100 on", "provmat replay --from 0:100"}},
        .run = pm_cmd_replay,
    },
    {
        .name = "materialize",
        .summary = "bring the index up to date with the log",
        .description =
            "Reads the log from where the index stands and applies every event. Follows the log until "
            "SIGINT or SIGTERM, which ends it cleanly with exit status 0; with --once it ends when the end "
            "that the log had at the start is reached.\n\n"
            "The index is made when there is none; it remembers its log and refuses another one. One "
            "process at a time may materialize an index; queries may run meanwhile. A record that cannot be "
            "applied goes to the quarantine and stops nothing.\n\n"
            "At the start, and whenever the connection to the log was lost, the last record that was applied "
            "is read again and compared. When the log has lost records that were never applied, or was "
            "recreated or truncated, the partition stops there, with the offsets and the ways out; the other "
            "partitions go on, and the exit status is 4. --accept-gap goes on all the same, and the index "
            "records the gap for ever: `provmat stats` and `provmat verify` show it.",
        .options = {{"once", 0, PM_OPTION_FLAG, false, NULL, NULL, "end at the end that the log had at the start"},
                    {"accept-gap", 0, PM_OPTION_RANGE, true, "PARTITION:FROM-TO", NULL,
                     "go on without these offsets, which the log has lost; repeatable"}},
        .examples = {{"up to now", "provmat materialize --once"},
                     {"go on behind records that retention deleted", "provmat materialize --once --accept-gap 0:40-59"},
                     {"follow a topic", "provmat materialize --log kafka://localhost:9092/provenance"}},
        .run = pm_cmd_materialize,
    },
    {
        .name = "query job",
        .summary = "one job: its status and how many results it computed, reused and lacks",
        .operands = "JOB",
        .operands_min = 1,
        .operands_max = 1,
        .takes = PM_TAKES_ROWS | PM_TAKES_FRESH,
        .description = "Prints one row: what the job is, its status, and its results counted by role. JOB is the whole "
                       "job id or a prefix that only one job has." WRAPPED,
        .examples = {{"one job", "provmat query job job-7c81d4ef"},
                     {"only the counts", "provmat query job job-7c81d4ef --columns computed,reused,missing"}},
        .run = pm_cmd_query_job,
    },
    {
        .name = "query jobs",
        .summary = "jobs, newest first, or the jobs that used a result",
        .takes = PM_TAKES_ROWS | PM_TAKES_FRESH,
        .description = "Prints a row a job, newest first_at first. With --result the rows are the jobs of that result "
                       "and the role each of them has." WRAPPED,
        .options = {{"result", 0, PM_OPTION_TEXT, false, "PATH", NULL,
                     "the jobs that computed, reused, failed or expected this result"},
                    {"bundle", 0, PM_OPTION_TEXT, false, "DIGEST-PREFIX", NULL,
                     "jobs of this bundle (at least 6 digits)"},
                    {"status", 0, PM_OPTION_CHOICE, false, "STATUS", STATUSES, "jobs in this status: " STATUSES},
                    {"since", 0, PM_OPTION_TIME, false, "TIME", NULL, "jobs whose first_at is at or after TIME"},
                    {"until", 0, PM_OPTION_TIME, false, "TIME", NULL, "jobs whose first_at is before TIME"}},
        .examples = {{"all jobs", "provmat query jobs"},
                     {"failed jobs since Monday", "provmat query jobs --status failed --since 2026-01-05T00:00:00Z"},
                     {"who used this result",
                      "provmat query jobs --result token/v1/sims/4f446dbc7bd0/fa/05/params_c3e04bb3/seed_2503804040"}},
        .run = pm_cmd_query_jobs,
    },
    {
        .name = "query result",
        .summary = "one result: its facts and the jobs that computed, reused or failed it",
        .operands = "PATH",
        .operands_min = 1,
        .operands_max = 1,
        .takes = PM_TAKES_ROWS | PM_TAKES_FRESH,
        .description = "Prints one row with everything that is known of a result. PATH is the whole path or a prefix "
                       "that only one result has." WRAPPED,
        .examples = {{"one result",
                      "provmat query result token/v1/sims/4f446dbc7bd0/fa/05/params_c3e04bb3/seed_2503804040"}},
        .run = pm_cmd_query_result,
    },
    {
        .name = "query results",
        .summary = "results, by job, bundle, target, parameter or path",
        .takes = PM_TAKES_ROWS | PM_TAKES_FRESH,
        .description =
            "Prints a row a result, by path: every result, or those for which all filters that are given hold. "
            "Filters other than --job read through all results.\n\n"
            "--param NAME=VALUE compares with the parameter's canonical JSON text: beta=0.5; n=1 is not "
            "n=1.0; a bare word is a string." WRAPPED,
        .options =
            {{"job", 0, PM_OPTION_TEXT, false, "JOB", NULL,
              "the results of this job, with the role that it has for each"},
             {"role", 0, PM_OPTION_CHOICE, false, "ROLE", "computed|reused|failed|expected",
              "with --job: only pairs shown in this role"},
             {"missing", 0, PM_OPTION_FLAG, false, NULL, NULL, "with --job: only what was expected and is not there"},
             {"kind", 0, PM_OPTION_CHOICE, false, "KIND", "sim|agg", "only simulations (sim) or aggregations (agg)"},
             {"bundle", 0, PM_OPTION_TEXT, false, "DIGEST-PREFIX", NULL, "results of this bundle (at least 6 digits)"},
             {"target", 0, PM_OPTION_TEXT, false, "NAME", NULL, "results for this target"},
             {"unattributed", 0, PM_OPTION_FLAG, false, NULL, NULL, "results that no job computed"},
             {"path-prefix", 0, PM_OPTION_TEXT, false, "P", NULL, "results whose path begins so"},
             {"param", 0, PM_OPTION_TEXT, true, "NAME=VALUE", NULL, "results with this parameter; repeatable"}},
        .examples = {{"what a job reused", "provmat query results --job job-677d8d27 --role reused"},
                     {"what it still lacks", "provmat query results --job job-5457dd3d --missing"},
                     {"what nobody has claimed", "provmat query results --unattributed"},
                     {"by parameter", "provmat query results --param beta=0.9189560012891888 --sort loss --limit 10"}},
        .run = pm_cmd_query_results,
    },
    {
        .name = "query conflicts",
        .summary = "fields for which the log holds two different values",
        .takes = PM_TAKES_ROWS | PM_TAKES_FRESH,
        .description = "Prints a row a field of a result or job for which events disagree, with each value and the "
                       "event that carries it. The first value is the one shown as the fact." WRAPPED,
        .options = {{"class", 0, PM_OPTION_CHOICE, false, "CLASS", "nondeterminism|false_hit|collision",
                     "nondeterminism (same identity, other outputs), false_hit (a reuse claims another identity), "
                     "collision (two identities on one path)"}},
        .examples = {{"all", "provmat query conflicts"},
                     {"only false hits", "provmat query conflicts --class false_hit"}},
        .run = pm_cmd_query_conflicts,
    },
    {
        .name = "stats",
        .summary = "the index in numbers: events, results, jobs, lag",
        .takes = PM_TAKES_ROWS | PM_TAKES_FRESH,
        .description =
            "Prints one object: counts, the ratio of reuse, and how far each partition has been applied. "
            "end and lag are null when the log cannot be reached. gaps lists the offsets that the log lost before "
            "they were applied (kind missing), or after (kind replaced: the log was recreated or "
            "truncated); complete is as in the JSON of `provmat query`.\n\n"
            "--producers prints a row for each producer that numbers its events, as the library does (and `provmat "
            "emit` "
            "does not: its exit status says whether all arrived): how many it gave, how many of them the index has "
            "seen, "
            "which numbers are missing, and in the summary what that means. closed says that it ended in order and "
            "told "
            "how many events there were; of one that did not, as one that was killed, nothing is known after its last "
            "event. The exit status is 1 when there is no such producer.",
        .options = {{"producers", 0, PM_OPTION_FLAG, false, NULL, NULL,
                     "whose events never arrived: a row a producer, those with gaps first"}},
        .examples = {{"everything", "provmat stats"},
                     {"the ratio alone", "provmat stats --format json | jq .reuse_ratio"},
                     {"whose events never arrived", "provmat stats --producers"}},
        .run = pm_cmd_stats,
    },
    {
        .name = "rebuild",
        .summary = "make the index anew from the whole log, and swap",
        .description =
            "Replays the log from its first offset into a new index beside the old one, which keeps answering, and "
            "then swaps the two in one step. A rebuild that is stopped leaves the old index as it was.\n\n"
            "With --until the new index leaves out events that occurred later; it says so in `provmat stats`, and "
            "materialize refuses to continue it.",
        .options = {{"view", 0, PM_OPTION_TEXT, false, "NAME", NULL, "only this view (`provmat verify` names them)"},
                    {"until", 0, PM_OPTION_TIME, false, "TIME", NULL, "leave out events that occurred later"}},
        .examples = {{"everything", "provmat rebuild"},
                     {"the index as of Monday night, beside the live one",
                      "provmat rebuild --index monday --until 2026-01-05T23:59:59Z --log local:provmat-data/log"}},
        .run = pm_cmd_rebuild,
    },
    {
        .name = "verify",
        .summary = "check the index against itself, or against the log",
        .takes = PM_TAKES_ROWS,
        .description = "Prints one row a view. The first difference of a view goes to stderr; the exit status is 1 "
                       "when there is one. Gaps that the index records are told on stderr.\n\n"
                       "The index's file is looked at page by page first: damage is told with exit status 3, and with "
                       "the command that makes the index anew. With --against-log so is the file of a local log.",
        .options = {{"against-log", 0, PM_OPTION_FLAG, false, NULL, NULL,
                     "also replay the log into a scratch index and compare"}},
        .examples = {{"the index alone", "provmat verify"},
                     {"and against a fresh replay", "provmat verify --against-log"}},
        .run = pm_cmd_verify,
    },
    {
        .name = "snapshot",
        .summary = "copy the index into a directory, also while it is written to",
        .operands = "DIR",
        .operands_min = 1,
        .operands_max = 1,
        .takes = PM_TAKES_ROWS,
        .description =
            "Copies the index as one transaction left it, with its offsets, into DIR, which is new or empty. The copy "
            "is synced to the disk, read back, and checked as `provmat verify` does before it gets its name: a copy "
            "that is stopped, or that the disk is too small for, leaves no index. Materializing goes on meanwhile.\n\n"
            "Prints one object: what was copied, how far each partition had been applied, and the digests of the views "
            "as `provmat verify` prints them.\n\n"
            "To use the copy, name it with --index; `provmat materialize --index DIR` continues it from its offsets.",
        .examples = {{"a copy a day", "provmat snapshot backup-$(date +%F)"},
                     {"ask the copy", "provmat query jobs --index backup"},
                     {"continue it", "provmat materialize --once --index backup"}},
        .run = pm_cmd_snapshot,
    },
    {
        .name = "quarantine list",
        .summary = "the records that could not be applied",
        .takes = PM_TAKES_ROWS,
        .description = "Prints one row a record: its place, time, class, reason and the size of its value. The exit "
                       "status is 1 when there is none.",
        .examples = {{"all", "provmat quarantine list"},
                     {"count by class", "provmat quarantine list --format ndjson | jq -r .class | sort | uniq -c"}},
        .run = pm_cmd_quarantine_list,
    },
    {
        .name = "quarantine show",
        .summary = "one such record with its bytes",
        .operands = "PARTITION:OFFSET",
        .operands_min = 1,
        .operands_max = 1,
        .takes = PM_TAKES_ROWS,
        .description = "Prints the row of `provmat quarantine list` and the record's key and value: as text where they "
                       "are printable UTF-8, and the value in hexadecimal and base64.",
        .examples = {{"the record at offset 41 of partition 0", "provmat quarantine show 0:41"}},
        .run = pm_cmd_quarantine_show,
    },
    {
        .name = "quarantine retry",
        .summary = "try them again",
        .description = "Applies what can be applied now, after a schema or a registry became known; the rest stays. "
                       "The exit status is 6 when some stayed.",
        .examples = {{"with the schemas of a directory", "provmat quarantine retry -X provmat.schemas=./schemas"}},
        .run = pm_cmd_quarantine_retry,
    },
    {
        .name = "log create",
        .summary = "make the log so that it can always be replayed",
        .description = "Makes the topic with cleanup.policy=delete, retention.ms=-1 and retention.bytes=-1, or the "
                       "directory of a local log. A log that exists already is left alone, and the exit status is 4.",
        .options = {{"partitions", 0, PM_OPTION_COUNT, false, "N", NULL,
                     "number of partitions (default: 1 for a local log, the broker's own for a topic)"}},
        .examples = {{"a topic", "provmat log create --log kafka://localhost:9092/provenance --partitions 8"},
                     {"a local log", "provmat log create"}},
        .run = pm_cmd_log_create,
    },
    {
        .name = "log info",
        .summary = "partitions, offsets and settings of the log",
        .takes = PM_TAKES_ROWS,
        .description = "Prints one object: the log's url and identity, the first and next offset of each partition, "
                       "its settings, and warnings where a replay from the beginning is no longer possible.",
        .examples = {{"the default log", "provmat log info"},
                     {"warnings alone", "provmat log info --format json | jq -r '.warnings[]'"}},
        .run = pm_cmd_log_info,
    },
#include "cli/commands_store.def"
    {
        .name = "completion",
        .summary = "print the completion script of a shell",
        .operands = "bash|zsh|fish",
        .operand_choices = "bash|zsh|fish",
        .operands_min = 1,
        .operands_max = 1,
        .description = "Prints a script that completes commands, flags and their values.",
        .examples = {{"bash, for this shell", "source <(provmat completion bash)"},
                     {"zsh, for this shell", "source <(provmat completion zsh)"},
                     {"fish, for good", "provmat completion fish > ~/.config/fish/completions/provmat.fish"}},
        .run = pm_cmd_completion,
    },
    {
        .name = "help",
        .summary = "show help for a command",
        .operands = "[COMMAND]",
        .operand_choices = "COMMAND",
        .operands_max = 2,
        .description = "Without COMMAND: all commands. `provmat COMMAND --help` shows the same.",
        .options = {{"man", 0, PM_OPTION_FLAG, false, NULL, NULL, "print the manual page in mdoc(7), for man -l"},
                    {"list", 0, PM_OPTION_FLAG, false, NULL, NULL, "print the names of all commands, one a line"}},
        .examples = {{"one command", "provmat help query results"},
                     {"its manual page", "provmat help --man emit | man -l -"}},
        .run = pm_cmd_help,
    },
    {0},
};

const struct pm_command_group *pm_command_group_find(const char *name)
{
    for (const struct pm_command_group *g = pm_command_groups; g->name; g++)
        if (!strcmp(g->name, name)) return g;
    return NULL;
}

const struct pm_command *pm_command_find(const char *name)
{
    for (const struct pm_command *c = pm_commands; c->name; c++)
        if (!strcmp(c->name, name)) return c;
    return NULL;
}

bool pm_command_in_group(const struct pm_command *command, const struct pm_command_group *group)
{
    size_t len = strlen(group->name);
    return !strncmp(command->name, group->name, len) && command->name[len] == ' ';
}

const char *pm_command_last_word(const struct pm_command *command)
{
    const char *space = strchr(command->name, ' ');
    return space ? space + 1 : command->name;
}
