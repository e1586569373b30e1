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

#define STORE_LINKS "\n\nThe store itself is only read; symbolic links are not followed."
#define STORE_RULES                                                                                          \
    "Nothing is written. Symbolic links are not followed; view folders (vN/views) are passed over. Control " \
    "characters, and bytes that are not UTF-8, are shown as \\xNN."

/* What the commands about paths share. */
#define TEMPLATES                                                                                                      \
    "In a template, {name} is the value of a variable, {name[:n]} its first n characters, {hash(name)[:n]} the first " \
    "n digits of its BLAKE2b-256, {shard(name,d,w)} the first d times w digits of that hash as d segments, and "       \
    "{split(name,d,w)} the same of the value itself."
#define SCHEMA                                                                                              \
    {                                                                                                       \
        "schema", 0, PM_OPTION_TEXT, false, "SCHEMA", NULL, "the layout; `provmat path schemas` lists them" \
    }
#define SCHEMA_FILE                                                                                      \
    {                                                                                                    \
        "schema-file", 0, PM_OPTION_FILE, true, "FILE", NULL, "schemas of your own, as JSON; repeatable" \
    }
#define PATH_KIND                                                                     \
    {                                                                                 \
        "kind", 0, PM_OPTION_CHOICE, false, "KIND", "sim|agg|job", "the kind of path" \
    }

/* What put and get share: what the result is, and who says the event. */
#define IDENTITY                                                                                                       \
    {"kind", 0, PM_OPTION_CHOICE, false, "KIND", "sim|agg", "the kind of result (default: agg when a target is set)"}, \
        SCHEMA, SCHEMA_FILE,                                                                                           \
        {"params", 0, PM_OPTION_TEXT, false, "JSON", NULL, "the parameters, which param_id follows from"},             \
        {"set", 0, PM_OPTION_TEXT, true, "NAME=VALUE", NULL, "a field of the result; repeatable"},                     \
    {                                                                                                                  \
        "input", 0, PM_OPTION_TEXT, true, "TASK_ID", NULL,                                                             \
            "the task id of a simulation that the aggregation was made from; repeatable"                               \
    }
#define SAYS_EVENT                                                                                                      \
    {"job", 0, PM_OPTION_TEXT, false, "JOB", NULL, "the job that the event is of (PROVMAT_JOB_ID)"},                    \
        {"outbox", 0, PM_OPTION_DIR, false, "DIR", NULL, "keep the events in DIR until the log has acknowledged them"}, \
    {                                                                                                                   \
        "no-event", 0, PM_OPTION_FLAG, false, NULL, NULL, "say no event, and need no log"                               \
    }
#define IDENTITY_TEXT                                                                                             \
    "The identity comes from --params and --set: bundle_ref (or bundle_digest), entrypoint and seed of a "        \
    "simulation; bundle_ref, target and aggregation_id of an aggregation, where --input may stand for the last; " \
    "model_digest, target_digest and (of aggregations) entrypoint and parameters where they are known. The path " \
    "follows from it under --schema (default token)."

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
    {
        .name = "store list",
        .summary = "the results in a store",
        .operands = "ROOT",
        .operands_min = 1,
        .operands_max = 1,
        .takes = PM_TAKES_ROWS,
        .description =
            "Walks the directory ROOT and prints a row a result, whatever generation of code wrote it: its path, its "
            "identity as metadata.json and result.json tell it, the layout that its path follows, and whether it is "
            "whole, failed (the stored result is an error), half-written or broken, with the reason.\n\n" STORE_RULES,
        .options = {{"kind", 0, PM_OPTION_CHOICE, false, "KIND", "sim|agg", "results of this kind"},
                    {"schema", 0, PM_OPTION_TEXT, false, "SCHEMA", NULL, "results of this schema or layout"},
                    {"state", 0, PM_OPTION_CHOICE, false, "STATE", "whole|failed|half-written|broken",
                     "results in this state"},
                    SCHEMA_FILE},
        .examples = {{"the first twenty simulations", "provmat store list ./store --kind sim --limit 20"},
                     {"what was never finished", "provmat store list ./store --state half-written"}},
        .run = pm_cmd_store_list,
    },
    {
        .name = "store show",
        .summary = "one result in a store",
        .operands = "ROOT RESULT",
        .operands_min = 2,
        .operands_max = 2,
        .takes = PM_TAKES_ROWS,
        .description =
            "Prints one result by its path: a summary, its two JSON files (--as json), or its outputs with sizes and "
            "checksums (--as artifacts, which reads the files and compares). What is wrong with it is told on stderr.",
        .options = {{"as", 0, PM_OPTION_CHOICE, false, "FORM", "summary|json|artifacts",
                     "what to show: summary (default), json or artifacts"},
                    SCHEMA_FILE},
        .examples =
            {{"its outputs, checked",
              "provmat store show ./store token/v1/sims/4f446dbc7bd0/3e/84/params_f5ce358a/seed_7 --as artifacts"}},
        .run = pm_cmd_store_show,
    },
    {
        .name = "store stats",
        .summary = "a store in numbers",
        .operands = "ROOT",
        .operands_min = 1,
        .operands_max = 1,
        .takes = PM_TAKES_ROWS,
        .description =
            "Prints a row a schema, version and kind: how many results, in which state, how many files, bytes "
            "and artifacts, from when to when. Results that lie under no schema go by their first "
            "directory.\n\n" STORE_RULES,
        .options = {SCHEMA_FILE},
        .examples = {{"a store", "provmat store stats ./store"}},
        .run = pm_cmd_store_stats,
    },
    {
        .name = "store scan",
        .summary = "what is wrong in a store",
        .operands = "ROOT",
        .operands_min = 1,
        .operands_max = 1,
        .takes = PM_TAKES_ROWS,
        .description =
            "Reads every result, its artifacts too, and prints a row a finding; the exit status is 1 when there is "
            "any. `store check` does the same and compares with the index.\n\nThe codes:\n\n"
            "  half_written       a file of the result was never written\n"
            "  unreadable         a file or directory cannot be read\n"
            "  malformed          metadata.json or result.json is not what it should be\n"
            "  contradiction      the two files, or parameters and their id, disagree\n"
            "  artifact_missing   result.json names an output that has no file\n"
            "  artifact_size      a file has another size than result.json says\n"
            "  artifact_checksum  a file has other bytes than result.json says\n"
            "  path_mismatch      the path follows from the identity under no layout\n"
            "  foreign            a file or directory that belongs to no result\n"
            "  symlink            a symbolic link; it was not followed\n"
            "  bad_name           control characters, or bytes that are not UTF-8\n"
            "  too_deep           more than 32 directories within each other\n"
            "  half_deleted       `store clear` was killed before it was gone\n\n" STORE_RULES,
        .options = {{"sizes-only", 0, PM_OPTION_FLAG, false, NULL, NULL,
                     "compare the sizes of artifacts, do not read them"},
                    SCHEMA_FILE},
        .examples = {{"everything that is wrong", "provmat store scan ./store"}},
        .run = pm_cmd_store_scan,
    },
    {
        .name = "store check",
        .summary = "compare a store with the index",
        .operands = "ROOT",
        .operands_min = 1,
        .operands_max = 1,
        .takes = PM_TAKES_ROWS,
        .description =
            "Finds what `store scan` finds, compares each result with what the index knows of its path, and prints a "
            "row "
            "a finding; the exit status is 1 when there is any.\n\nThe codes, beside those of `store scan`:\n\n"
            "  unknown            in the store, and no event tells that it was computed\n"
            "                     or found\n"
            "  gone               computed or found, not deleted, and not in the store\n"
            "  deleted_present    deleted, and in the store\n"
            "  identity_differs   the files name another identity than the events\n"
            "  two_identities     the events name two identities for one path: a cache\n"
            "                     hit that should not have been\n"
            "  outcome_differs    another loss or number of replicates than the events'\n"
            "  output_differs     another size or checksum than the events'\n\n"
            "--repair-plan prints, instead of the rows, the events that would settle what events can settle, as `emit` "
            "reads them: a ResultDiscovered for what is unknown or was wrongly deleted, a ResultDeleted for what is "
            "gone. "
            "Look at them before you emit them: a result of another pod's store is gone from this one "
            "only." STORE_LINKS,
        .options = {{"sizes-only", 0, PM_OPTION_FLAG, false, NULL, NULL,
                     "compare the sizes of artifacts, do not read them"},
                    {"repair-plan", 0, PM_OPTION_FLAG, false, NULL, NULL, "print events instead of findings"},
                    SCHEMA_FILE},
        .examples = {{"everything that is wrong", "provmat store check ./store"},
                     {"settle it",
                      "provmat store check ./store --repair-plan > plan.ndjson; provmat emit plan.ndjson"}},
        .run = pm_cmd_store_check,
    },
    {
        .name = "store adopt",
        .summary = "make events of results that no event tells of",
        .operands = "ROOT",
        .operands_min = 1,
        .operands_max = 1,
        .takes = PM_TAKES_ROWS,
        .description =
            "Appends a ResultDiscovered to the log for every whole result in ROOT that the log does not know: none "
            "that "
            "was computed or discovered, by the index and by the records that it has not applied yet. The event says "
            "what "
            "metadata.json and result.json say; its time is theirs, else the file's. No job is guessed: who computed "
            "it "
            "stays unknown, until an event tells.\n\n"
            "The event_id follows from the content. So adopting twice changes nothing, and an interrupted run is "
            "continued by the same command. A result that the log says was deleted is adopted only when it was written "
            "after that. What cannot be adopted (half-written, broken) is told on stderr, and the exit status is 6.\n\n"
            "With --dry-run nothing is appended, and a row is printed for each result: what would be done with it, and "
            "where its time comes from." STORE_LINKS,
        .options = {{"dry-run", 0, PM_OPTION_FLAG, false, NULL, NULL, "append nothing; print what would be done"},
                    SCHEMA_FILE},
        .examples = {{"what would be adopted", "provmat store adopt ./store --dry-run"},
                     {"adopt what no event tells of", "provmat store adopt ./store"}},
        .run = pm_cmd_store_adopt,
    },
    {
        .name = "store clear",
        .summary = "delete results of a store",
        .operands = "ROOT",
        .operands_min = 1,
        .operands_max = 1,
        .takes = PM_TAKES_ROWS | PM_TAKES_FRESH,
        .description =
            "Prints a plan: a row for each result in ROOT that is selected, with its files and bytes, the jobs that "
            "computed and reused it, and those that have not ended and would be hurt. With --force it does what the "
            "plan "
            "says, and each row tells what became of it. All flags that select must hold; at least one is needed.\n\n"
            "An AGE is 30d or 12h (w, d, h, m, s), or a TIME. A result is as old as its metadata says; unused since "
            "the "
            "last of the times at which a job first computed, reused or expected it, or it was stored.\n\n"
            "Actions:\n\n"
            "  delete, deleted    it would go; it went\n"
            "  finish, finished   an earlier run was killed in the middle of its deletion\n"
            "  keep               selected, but the reason says why not\n"
            "  gone               it is not there any more\n"
            "  changed            it is not what was planned for, and is left alone\n"
            "  failed             the reason says why\n\n"
            "Kept are: results that a job computed, reuses or expects which has not ended (its status is pending or "
            "running, or it told none and its last event is not a day old); results half-written within the last hour; "
            "directories that hold a file, link or directory that belongs to no result. --in-use deletes the first two "
            "all the "
            "same. Views (vN/views), links and what belongs to no result are never touched; directories that "
            "are empty afterwards go.\n\n"
            "The plan can be written to a file (-f ndjson), read, cut and given to --plan: then nothing but its rows "
            "whose "
            "action is delete goes, and only while the files are the same.\n\n"
            "Each deletion is a ResultDeleted in the log: of --log, else the one that the index was made from; "
            "with --outbox, in an outbox, which is delivered at the end. "
            "A result is first renamed, then told of, then removed; a killed run is ended by the next one, whatever "
            "that selects, and tells of each result once. To act, and to select by use, the index must have every "
            "event of the log (exit 5; --max-lag and --stale-index allow less). The exit status is 1 when "
            "nothing goes, and 6 when something could not be deleted or had changed.",
        .options = {{"schema", 0, PM_OPTION_TEXT, false, "SCHEMA", NULL, "select results of this schema or layout"},
                    {"bundle", 0, PM_OPTION_TEXT, false, "DIGEST", NULL,
                     "select results of this bundle: at least 6 digits of its digest"},
                    {"kind", 0, PM_OPTION_CHOICE, false, "KIND", "sim|agg", "select results of this kind"},
                    {"state", 0, PM_OPTION_CHOICE, false, "STATE", "whole|failed|half-written|broken",
                     "select results in this state"},
                    {"path-prefix", 0, PM_OPTION_TEXT, false, "PREFIX", NULL, "select results whose path begins so"},
                    {"older-than", 0, PM_OPTION_AGE, false, "AGE", NULL, "select results stored before"},
                    {"unused-for", 0, PM_OPTION_AGE, false, "AGE", NULL,
                     "select results that were stored and last used before"},
                    {"max-jobs", 0, PM_OPTION_COUNT, false, "N", NULL,
                     "select results that at most N jobs computed or reused"},
                    {"max-reuses", 0, PM_OPTION_COUNT, false, "N", NULL, "select results that at most N jobs reused"},
                    {"all", 0, PM_OPTION_FLAG, false, NULL, NULL, "select every result"},
                    {"plan", 0, PM_OPTION_FILE, false, "FILE", NULL,
                     "select what this plan would delete, while it is unchanged; - is stdin"},
                    {"force", 0, PM_OPTION_FLAG, false, NULL, NULL, "delete"},
                    {"in-use", 0, PM_OPTION_FLAG, false, NULL, NULL,
                     "delete also what jobs use that have not ended, and what is just being written"},
                    {"dead-after", 0, PM_OPTION_AGE, false, "AGE", NULL,
                     "a job that has told nothing since has ended, whatever its status"},
                    {"outbox", 0, PM_OPTION_DIR, false, "DIR", NULL,
                     "keep the events in an outbox until the log has them"},
                    {"no-event", 0, PM_OPTION_FLAG, false, NULL, NULL, "tell nobody: the index will name what is gone"},
                    {"no-index", 0, PM_OPTION_FLAG, false, NULL, NULL, "ask no index who uses what"},
                    {"stale-index", 0, PM_OPTION_FLAG, false, NULL, NULL, "trust an index that may lack events"},
                    SCHEMA_FILE},
        .examples = {{"what nobody has reused for a month",
                      "provmat store clear ./store --unused-for 30d --max-reuses 0"},
                     {"delete it", "provmat store clear ./store --unused-for 30d --max-reuses 0 --force"},
                     {"review a plan first", "provmat store clear ./store --schema bundle -f ndjson > plan.ndjson; "
                                             "provmat store clear ./store --plan plan.ndjson --force"},
                     {"what was never finished", "provmat store clear ./store --state half-written"}},
        .run = pm_cmd_store_clear,
    },
    {
        .name = "store put",
        .summary = "store a result, and say who computed it",
        .operands = "ROOT",
        .operands_min = 1,
        .operands_max = 1,
        .takes = PM_TAKES_ROWS,
        .description =
            "Stores a result with its outputs in ROOT and appends a ResultComputed to the log. " IDENTITY_TEXT "\n\n"
            "The result is written beside its place, synced to the disk and renamed into place: it is there whole or "
            "not at all, whoever else puts it and whenever the program is killed. `action` tells what was done:\n\n"
            "  stored      it is new\n"
            "  already     the same result is there: same identity, outputs, loss\n"
            "              and n_replicates; nothing is written\n"
            "  repaired    with --repair: what was there was damaged, or an error\n\n"
            "Another result under the same path is a conflict: \"nondeterminism\" when its identity is the same, "
            "\"collision\" when it is not. Nothing is changed then, no event is said, and the exit status is 1. A "
            "damaged "
            "one is left as it is without --repair, with exit status 3.\n\n"
            "`event` tells where the event is: sent, outbox (see --outbox), none (--no-event) or lost. When the log "
            "does "
            "not take it the result stays stored, and the exit status is 4; putting it again says it again.\n\n"
            "An output's FILE is stored as artifact_NAME.json when its name ends in .json, else as "
            "artifact_NAME.arrow; "
            "it is not looked into. An aggregation keeps loss, n_replicates, diagnostics and inputs in its files; what "
            "else is said of a result is in the event alone.",
        .options = {IDENTITY,
                    {"output", 0, PM_OPTION_TEXT, true, "NAME=FILE", NULL, "an output and its file; repeatable"},
                    {"diagnostics", 0, PM_OPTION_TEXT, false, "JSON", NULL,
                     "an object that is kept with an aggregation"},
                    {"repair", 0, PM_OPTION_FLAG, false, NULL, NULL,
                     "replace a stored result that is damaged or an error"},
                    SAYS_EVENT},
        .examples = {{"a simulation",
                      "provmat store put store --job job-1 --params '{\"beta\":0.5}' --set seed=42 --set "
                      "entrypoint=models.seir/baseline --set "
                      "bundle_ref=sha256:4f446dbc7bd09db746ea635f0acb27025ebb7dc982442691eb114588fd99a7c2 --output "
                      "notes=README.md"},
                     {"an aggregation of it",
                      "provmat store put store --job job-1 --set target=targets.cases --input "
                      "b57bda9fc72db91201b4eb26db50b1099375863ee3d8096fafefbdca4cfc73f0 --set loss=0.25 --set "
                      "bundle_ref=sha256:4f446dbc7bd09db746ea635f0acb27025ebb7dc982442691eb114588fd99a7c2"}},
        .run = pm_cmd_store_put,
    },
    {
        .name = "store get",
        .summary = "find a stored result, and say who reused it",
        .operands = "ROOT",
        .operands_min = 1,
        .operands_max = 1,
        .takes = PM_TAKES_ROWS,
        .description =
            "Looks for a result by its identity, reads all of it, compares every checksum, and appends a ResultReused "
            "to the log. " IDENTITY_TEXT "\n\n"
            "`outputs` has the file of each output: in the store, or the copy with --to. Copies are compared while "
            "they "
            "are made; a damaged result leaves none.\n\n"
            "It is a hit only when what lies at the path has this identity. A miss (nothing there, another identity, "
            "an "
            "error) is exit status 1 with the reason on stderr, a damaged result exit status 3 with the name of the "
            "file; "
            "both say no event. `event` is as in `provmat store put`; when the log does not take it the exit status "
            "is 4.",
        .options = {IDENTITY,
                    {"to", 0, PM_OPTION_DIR, false, "DIR", NULL,
                     "copy the outputs into DIR, which is made when missing"},
                    {"link", 0, PM_OPTION_FLAG, false, NULL, NULL,
                     "with --to: hard links instead of copies; they must not be written to"},
                    {"source", 0, PM_OPTION_CHOICE, false, "SOURCE", "local|remote|scheduler|job",
                     "where the hit came from (default local)"},
                    SAYS_EVENT},
        .examples = {{"a simulation, else compute it",
                      "provmat store get store --job job-2 --params '{\"beta\":0.5}' --set seed=42 --set "
                      "entrypoint=models.seir/baseline --set "
                      "bundle_ref=sha256:4f446dbc7bd09db746ea635f0acb27025ebb7dc982442691eb114588fd99a7c2 --to out || "
                      "echo compute"}},
        .run = pm_cmd_store_get,
    },
    {
        .name = "path schemas",
        .summary = "the layouts that stores have and had",
        .takes = PM_TAKES_ROWS,
        .description = "Prints a row a schema and kind of path: the template, whether the layout is current, and when "
                       "and how it was written. Several layouts were written under one name and version, so `schema` "
                       "is what the other commands choose by.\n\n" TEMPLATES,
        .options = {SCHEMA_FILE},
        .examples = {{"all templates", "provmat path schemas"},
                     {"your own beside them", "provmat path schemas --schema-file mine.json"}},
        .run = pm_cmd_path_schemas,
    },
    {
        .name = "path render",
        .summary = "the path of a result",
        .operands = "[FILE...]",
        .operand_choices = "FILE",
        .operands_max = 1000000,
        .takes = PM_TAKES_ROWS,
        .description =
            "Prints the path that a schema gives to a result. The variables come from --set and --params, or from "
            "each FILE (\"-\": stdin), one JSON object a line, beside those. What follows from other variables need "
            "not be given: bundle_digest from bundle_ref, param_id from params; \"/\" in a target becomes "
            "\"_\".\n\n"
            "Refused, because nobody could tell later what the path meant or where it leads: a variable without a "
            "value, \"/\" or NUL in a value, a slice that is longer than the value, an empty segment, \".\" and "
            "\"..\". A refused line is told on stderr as FILE:LINE: reason, and the exit status is 6.\n\n" TEMPLATES,
        .options = {SCHEMA,
                    SCHEMA_FILE,
                    {"template", 0, PM_OPTION_TEXT, false, "TEMPLATE", NULL,
                     "render this template instead of a schema's"},
                    PATH_KIND,
                    {"set", 0, PM_OPTION_TEXT, true, "NAME=VALUE", NULL, "the value of a variable; repeatable"},
                    {"params", 0, PM_OPTION_TEXT, false, "JSON", NULL, "the parameters, which param_id follows from"}},
        .examples =
            {{"a simulation",
              "provmat path render --set bundle_digest=4f446dbc7bd09db746ea635f0acb27025ebb7dc982442691eb114588fd9"
              "9a7c2 --params '{\"beta\":0.5}' --set seed=42"},
             {"a template of your own", "provmat path render --template 'runs/{hash(name)[:8]}' --set name=x"}},
        .run = pm_cmd_path_render,
    },
    {
        .name = "path parse",
        .summary = "what a path reveals",
        .operands = "PATH...",
        .operands_min = 1,
        .operands_max = 1000000,
        .takes = PM_TAKES_ROWS,
        .description =
            "Prints a row for every schema that could have given this path. `reveals` tells what is known of each "
            "variable: its value, or its first characters (prefix), or the first digits of its BLAKE2b-256 (hash). "
            "Most layouts cut ids and digests, so several rows are common; with --set and --params only those remain "
            "that agree with what is given. The exit status is 1 when a path is one of no schema.\n\n"
            "With --candidates the index is read through, and `candidates` tells which parameter sets, bundles and "
            "models that it knows agree with what was cut. The whole identity of a known result is what `provmat query "
            "result PATH` prints.",
        .options = {{"candidates", 0, PM_OPTION_FLAG, false, NULL, NULL,
                     "say what the index knows that agrees with what was cut"},
                    SCHEMA,
                    SCHEMA_FILE,
                    {"template", 0, PM_OPTION_TEXT, false, "TEMPLATE", NULL, "match this template too"},
                    PATH_KIND,
                    {"set", 0, PM_OPTION_TEXT, true, "NAME=VALUE", NULL, "what is known of a variable; repeatable"},
                    {"params", 0, PM_OPTION_TEXT, false, "JSON", NULL, "the parameters, which param_id follows from"}},
        .examples =
            {{"what a path says", "provmat path parse token/v1/sims/4f446dbc7bd0/3e/84/params_f5ce358a/seed_7"},
             {"could it be of these parameters",
              "provmat path parse token/v1/sims/aaaaaaaaaaaa/8e/7b/params_4560ff73/seed_1 --params '{\"x\":1}'"}},
        .run = pm_cmd_path_parse,
    },
    {
        .name = "path check",
        .summary = "check a schema, and tell what its paths cannot tell apart",
        .takes = PM_TAKES_ROWS,
        .description =
            "Compiles the schemas of --schema-file (or --template, or the one of --schema) and prints a row a "
            "variable: how much of it the path keeps and, where it is cut, how many pairs of different values must "
            "be expected on one path among --results of them, and how likely at least one is. Variables of a result's "
            "identity that the path does not hold at all are rows too. A schema that cannot be used is refused with "
            "file, field and byte offset, exit status 2.\n\n" TEMPLATES,
        .options = {SCHEMA,
                    SCHEMA_FILE,
                    {"template", 0, PM_OPTION_TEXT, false, "TEMPLATE", NULL, "check this template"},
                    PATH_KIND,
                    {"results", 0, PM_OPTION_COUNT, false, "N", NULL,
                     "how many different values there will be (default 100000)"}},
        .examples = {{"the default layout with a million parameter sets", "provmat path check --results 1000000"},
                     {"a schema of your own", "provmat path check --schema-file mine.json"}},
        .run = pm_cmd_path_check,
    },
    {
        .name = "id params",
        .summary = "the id of a parameter set",
        .operands = "JSON...",
        .operands_min = 1,
        .operands_max = 1000000,
        .takes = PM_TAKES_ROWS,
        .description =
            "Prints the param_id of each JSON object of parameters (\"-\": one a line of stdin), and the canonical "
            "text "
            "that it hashes: BLAKE2b-256 over \"contracts:param:v1|\" and the text. 1, 1.0 and true are three "
            "different "
            "values; integers keep every digit. With --replicates also the seeds that a study plans for them; a runner "
            "may have executed others.",
        .options = {{"replicates", 0, PM_OPTION_COUNT, false, "N", NULL, "print the planned seeds of N replicates"}},
        .examples = {{"one parameter set", "provmat id params '{\"R0\":2.5,\"incubation_days\":5}'"}},
        .run = pm_cmd_id_params,
    },
    {
        .name = "id task",
        .summary = "the ids of a simulation task, by every algorithm",
        .takes = PM_TAKES_ROWS,
        .description =
            "Prints a row an algorithm: worker is what workers write to result.json (over the beginning of param_id, "
            "the "
            "seed and the sorted names of the outputs; neither bundle nor entrypoint), worker-error what they write "
            "when "
            "the task failed, canonical the one over the whole identity, when --bundle-ref and --entrypoint are given. "
            "`over` is the text that was hashed.",
        .options = {{"params", 0, PM_OPTION_TEXT, false, "JSON", NULL, "the parameters, which param_id follows from"},
                    {"param-id", 0, PM_OPTION_TEXT, false, "ID", NULL, "64 hexadecimal digits, instead of --params"},
                    {"seed", 0, PM_OPTION_COUNT, false, "N", NULL, "the seed"},
                    {"output", 0, PM_OPTION_TEXT, true, "NAME", NULL, "the name of an output; repeatable"},
                    {"bundle-ref", 0, PM_OPTION_TEXT, false, "REF", NULL, "the bundle, as the task names it"},
                    {"entrypoint", 0, PM_OPTION_TEXT, false, "ENTRYPOINT", NULL, "the entrypoint, with its scenario"}},
        .examples = {{"what a worker writes", "provmat id task --params '{\"x\":1}' --seed 42 --output table"}},
        .run = pm_cmd_id_task,
    },
    {
        .name = "id aggregation",
        .summary = "the ids of an aggregation, by every algorithm",
        .operands = "TASK_ID...",
        .operands_min = 1,
        .operands_max = 1000000,
        .takes = PM_TAKES_ROWS,
        .description =
            "Prints a row an algorithm, over the target and the task ids of the simulations in any order: store is "
            "what "
            "paths and result.json hold, paths the one of a module beside the store, manifest (with --params or "
            "--param-id) the one of manifests of expected outputs. `over` is the text that was hashed.",
        .options = {{"target", 0, PM_OPTION_TEXT, false, "TARGET", NULL, "the target's entrypoint"},
                    {"params", 0, PM_OPTION_TEXT, false, "JSON", NULL, "the parameters, which param_id follows from"},
                    {"param-id", 0, PM_OPTION_TEXT, false, "ID", NULL, "64 hexadecimal digits, instead of --params"},
                    {"replicates", 0, PM_OPTION_COUNT, false, "N", NULL,
                     "for the manifest's (default: as many as task ids)"}},
        .examples = {{"of one simulation", "provmat id aggregation --target targets.prevalence:prevalence_target "
                                           "b57bda9fc72db91201b4eb26db50b1099375863ee3d8096fafefbdca4cfc73f0"}},
        .run = pm_cmd_id_aggregation,
    },
    {
        .name = "id inputs",
        .summary = "the fingerprint of an index's inputs",
        .operands = "PARAM_ID...",
        .operands_min = 1,
        .operands_max = 1000000,
        .takes = PM_TAKES_ROWS,
        .description = "Prints the input_fingerprint that manifests of losses hold: over the bundle's reference, the "
                       "parameter ids in any order, "
                       "and the targets in the order given. Two manifests with one fingerprint were made of the same "
                       "inputs. `over` is the text "
                       "that was hashed.",
        .options = {{"bundle-ref", 0, PM_OPTION_TEXT, false, "REF", NULL, "the bundle, as the job names it"},
                    {"target", 0, PM_OPTION_TEXT, true, "TARGET", NULL, "a target's entrypoint; repeatable"}},
        .examples =
            {{"of one parameter set",
              "provmat id inputs --bundle-ref sha256:4f446dbc7bd09db746ea635f0acb27025ebb7dc982442691eb114588fd99a7c2 "
              "--target "
              "targets.prevalence:prevalence_target 4560ff738e380536d589079a5e24b30713f9257440dfb2f0134f7350c0985942"}},
        .run = pm_cmd_id_inputs,
    },
    {
        .name = "id environment",
        .summary = "the digest of what a job ran in",
        .takes = PM_TAKES_ROWS,
        .description = "Prints the digest of an environment, as producers put it into events (env_digest): over the "
                       "versions of Python and of "
                       "packages in any order, the platform, container and CUDA (null unless given), the generator of "
                       "random numbers and the "
                       "number of threads. No path holds it: a store gives the results of one environment to another. "
                       "`over` is the text that "
                       "was hashed.",
        .options = {{"python", 0, PM_OPTION_TEXT, false, "VERSION", NULL, "such as 3.12.1"},
                    {"platform", 0, PM_OPTION_TEXT, false, "NAME", NULL, "such as linux-x86_64"},
                    {"dep", 0, PM_OPTION_TEXT, true, "NAME=VERSION", NULL, "a package; repeatable"},
                    {"container", 0, PM_OPTION_TEXT, false, "IMAGE", NULL, "the image's digest"},
                    {"cuda", 0, PM_OPTION_TEXT, false, "VERSION", NULL, "the version of CUDA"},
                    {"rng", 0, PM_OPTION_TEXT, false, "NAME", NULL, "the generator of random numbers (PCG64)"},
                    {"threads", 0, PM_OPTION_COUNT, false, "N", NULL, "the number of threads (1)"}},
        .examples = {{"a worker's",
                      "provmat id environment --python 3.12.1 --platform linux-x86_64 --dep numpy=2.5.5"}},
        .run = pm_cmd_id_environment,
    },
    {
        .name = "id bundle",
        .summary = "what a bundle reference is in paths",
        .operands = "REF...",
        .operands_min = 1,
        .operands_max = 1000000,
        .takes = PM_TAKES_ROWS,
        .description =
            "Prints a row a reference: its digest (null, with the reason, when it is not [REPOSITORY@]sha256: and 64 "
            "lower-case hexadecimal digits; the exit status is 6 then), the segment that the digest's beginning is "
            "(bundle12), the one that stores really have since 2025-10-14 (store_segment: what follows the first "
            "colon, "
            "so that a port breaks it), the one before that (refhash_segment), and the one as designed "
            "(hashed_segment).",
        .examples = {{"a reference with a port", "provmat id bundle oci.example:5000/seir@sha256:"
                                                 "4f446dbc7bd09db746ea635f0acb27025ebb7dc982442691eb114588fd99a7c2"}},
        .run = pm_cmd_id_bundle,
    },
    {
        .name = "id artifact",
        .summary = "size and digests of files",
        .operands = "FILE...",
        .operand_choices = "FILE",
        .operands_min = 1,
        .operands_max = 1000000,
        .takes = PM_TAKES_ROWS,
        .description = "Prints a row a file (\"-\": stdin): size, checksum (BLAKE2b-256, as result.json has it), and "
                       "sha256, which digests of models are, and which one executor wrote as the checksum of errors.",
        .examples = {{"a file of a result", "provmat id artifact README.md"}},
        .run = pm_cmd_id_artifact,
    },
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
