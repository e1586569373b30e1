/* command.h: the command line: one table of commands, and what a command's function is given.
 *
 *   argv --pm_options_parse--> struct pm_cli (command, operands, flags) --pm_config_load--> settings --command->run-->
 * exit status
 *
 * The table (commands.c) is the only place that knows a command's name, flags, text and examples. Dispatch, --help,
 * "did you mean", the man pages and the shell completions are made from it. To add a command: a row in commands.c and a
 * function
 *
 *     int pm_cmd_NAME(struct pm_cli *cli, struct pm_error *err);
 *
 * The function prints its data to stdout and nothing else there; diagnostics go through pm_cli_warn. It returns PM_OK
 * or an error code; main prints err->text as "provmat: TEXT" on stderr and ends with pm_error_exit_status(code). A
 * command that has already said everything (the rows of a failed check, the count of rejected lines) returns the code
 * with err->text left empty: nothing more is printed.
 *
 * A pipe that the reader closed: SIGPIPE is ignored (a broker's socket must not end the program), so a write to stdout
 * fails with EPIPE. Return PM_EIO then, with any text: main finds out that the reader is gone and ends as a program
 * killed by SIGPIPE, without a word. stdout is flushed and checked by main after run().
 *
 * One thread, but for pm_cli_warn and pm_cli_note, which any thread may call. Everything in struct pm_cli lives until
 * the program ends. */
#ifndef PM_CLI_COMMAND_H
#define PM_CLI_COMMAND_H

#include <stdio.h>

#include "common/base/error.h"
#include "common/event/codec.h"
#include "common/log/log.h"

#define PM_CLI_OPTIONS_MAX 20 /* flags of one command, without the global ones */
#define PM_CLI_EXAMPLES_MAX 6
#define PM_CLI_CONFIG_BYTES_MAX (1024 * 1024)

/* ---- the table ---- */

enum pm_option_kind { /* what a flag's value must be; the parser checks it, so that the getters below cannot fail */
                      PM_OPTION_FLAG, /* no value */
                      PM_OPTION_TEXT,
                      PM_OPTION_COUNT,  /* 0..2^64-1 in digits */
                      PM_OPTION_TIME,   /* RFC 3339 with offset, or microseconds since 1970 */
                      PM_OPTION_AGE,    /* a TIME, or how long ago: 30d, 12h (w, d, h, m, s) */
                      PM_OPTION_PLACE,  /* PARTITION:OFFSET */
                      PM_OPTION_RANGE,  /* PARTITION:FROM-TO, both within */
                      PM_OPTION_CHOICE, /* one of `choices` */
                      PM_OPTION_FILE,   /* text; completed as a file name */
                      PM_OPTION_DIR,    /* text; completed as a directory */
};

struct pm_option {
    const char *name; /* "log", without the dashes; NULL ends a list. A name has the same kind of value (or none) in
                         every command. */
    char letter;      /* 'f' for -f; 0: none. Only global flags have one */
    enum pm_option_kind kind;
    bool repeat;         /* may be given more than once; else the last one counts */
    const char *value;   /* how help calls the value: "URL"; NULL for a flag */
    const char *choices; /* "table|json|ndjson" */
    const char *help;    /* one sentence, lower case, no final stop */
};

struct pm_example {
    const char *text;    /* what it does */
    const char *command; /* runnable as it stands */
};

struct pm_cli;
struct pm_output_options; /* query/output.h */

/* Groups of flags that several commands share. */
enum pm_command_takes {
    PM_TAKES_ROWS = 1,  /* prints rows: --columns, --limit, --sort */
    PM_TAKES_FRESH = 2, /* reads the index for an answer: --at-least, --max-lag */
};

struct pm_command {
    const char *name;            /* "emit", "query job": one or two words */
    const char *summary;         /* one line, lower case, no final stop */
    const char *operands;        /* as in the synopsis: "[FILE...]", "JOB"; NULL: none */
    const char *operand_choices; /* what the shell completes: "bash|zsh|fish"; "FILE": file names; "COMMAND": names of
                                    commands; NULL: nothing */
    unsigned operands_min, operands_max;
    unsigned takes; /* enum pm_command_takes */
    const char
        *description; /* paragraphs apart by an empty line; a line that begins with two spaces is kept as it is */
    struct pm_option options[PM_CLI_OPTIONS_MAX];
    struct pm_example examples[PM_CLI_EXAMPLES_MAX];
    int (*run)(struct pm_cli *cli, struct pm_error *err);
};

struct pm_command_group {
    const char *name; /* the first word of its commands */
    const char *summary;
};

extern const struct pm_command_group pm_command_groups[]; /* a row without a name ends it */
extern const struct pm_command
    pm_commands[]; /* a row without a name ends it; rows of a group ("query ...") stand together */
extern const struct pm_option pm_options_global[], pm_options_rows[], pm_options_fresh[];

const struct pm_command_group *pm_command_group_find(const char *name); /* NULL: none */
const struct pm_command *pm_command_find(const char *name);             /* the whole name; NULL: none */
bool pm_command_in_group(const struct pm_command *command, const struct pm_command_group *group);
const char *pm_command_last_word(const struct pm_command *command); /* "jobs" of "query jobs" */

/* ---- one run of the program ---- */

struct pm_given { /* one flag as it was given */
    const struct pm_option *option;
    const char *value; /* NULL for PM_OPTION_FLAG */
    uint64_t count;    /* PM_OPTION_COUNT; the offset of PM_OPTION_PLACE, the first of PM_OPTION_RANGE */
    uint64_t last;     /* PM_OPTION_RANGE */
    int64_t time_us;   /* PM_OPTION_TIME, PM_OPTION_AGE */
    int32_t partition; /* PM_OPTION_PLACE and PM_OPTION_RANGE */
};

struct pm_cli {
    /* from the command line */
    const struct pm_command *command;     /* NULL: none named */
    const struct pm_command_group *group; /* when only the group was named ("query") */
    const char **operands;                /* without the command's own words; a NULL after the last */
    size_t n_operands;
    struct pm_given *given; /* in the order of the command line */
    size_t n_given;

    /* settled by flag, environment, file, default (in this order) */
    const char *log_url;           /* NULL: nobody named one; see pm_cli_log_url */
    const char *index_dir;         /* never NULL */
    const char *format;            /* "table", "json", "ndjson", "csv" or "tsv"; never NULL */
    bool quiet;                    /* no progress, no summary */
    bool colour;                   /* stdout is a terminal, and neither NO_COLOR nor TERM=dumb is set */
    bool progress;                 /* stderr is a terminal, and not quiet */
    struct pm_log_options log;     /* properties, time-out and diagnostics; set `mode` in a copy */
    struct pm_codec_options codec; /* registry_topic comes from pm_cli_codec_options */
};

/* The log to write to or to read: the one that was named, else "local:./provmat-data/log". Commands that begin with the
 * index take cli->log_url (NULL: the log that the index remembers). */
const char *pm_cli_log_url(const struct pm_cli *cli);
/* cli->codec with the topic of a kafka:// URL in it. */
struct pm_codec_options pm_cli_codec_options(const struct pm_cli *cli, const char *log_url);
/* pm_log_open, except that a local log that is not there is PM_ELOG (exit 4): exit 1 is for answers. */
int pm_cli_log_open(const struct pm_cli *cli, const char *url, enum pm_log_mode mode, struct pm_log **ret,
                    struct pm_error *err) PM_MUST_CHECK;

/* --format, --columns, --sort and --limit for the rows of query/output.h. */
struct pm_output_options pm_cli_output_options(const struct pm_cli *cli);

/* Flags by name; the name must be one of the command's (PM_CHECK). */
bool pm_cli_flag(const struct pm_cli *cli, const char *name);        /* was it given */
const char *pm_cli_text(const struct pm_cli *cli, const char *name); /* the last value; NULL: not given */
uint64_t pm_cli_count(const struct pm_cli *cli, const char *name, uint64_t otherwise); /* PM_OPTION_COUNT */
int64_t pm_cli_time(const struct pm_cli *cli, const char *name, int64_t otherwise); /* PM_OPTION_TIME, PM_OPTION_AGE */
/* Repeatable flags: start with *at = 0; NULL after the last. */
const struct pm_given *pm_cli_next(const struct pm_cli *cli, const char *name, size_t *at);

/* "provmat: TEXT" and a newline on stderr, over a progress line that may stand there. Control characters but newlines
 * and tabs are shown as "\x1b". */
void pm_cli_warn(const char *fmt, ...) PM_PRINTF(1, 2);
/* The same without "provmat: ", for what begins with a place: FILE:LINE, PARTITION:OFFSET. */
void pm_cli_line(const char *fmt, ...) PM_PRINTF(1, 2);
/* As pm_cli_warn, unless --quiet: for summaries. */
void pm_cli_note(const struct pm_cli *cli, const char *fmt, ...) PM_PRINTF(2, 3);

/* ---- the parts of the command line (each in the file of that name) ---- */

/* options.c: fills command, group, operands and given. PM_EUSAGE with a "did you mean". Does not ask for required
 * operands when --help was given. */
int pm_options_parse(struct pm_cli *cli, int argc, char **argv, struct pm_error *err) PM_MUST_CHECK;
/* The command's own flags, then those it takes by group, then the global ones; NULL when i is past the last. */
const struct pm_option *pm_option_at(const struct pm_command *command, size_t i);

/* config.c: the settings. PM_EUSAGE, with FILE:LINE for what stands in a file. */
int pm_config_load(struct pm_cli *cli, struct pm_error *err) PM_MUST_CHECK;
/* "-X list" and "-X dump": prints and returns true when one of them was given. */
bool pm_config_print(const struct pm_cli *cli);

/* help.c */
void pm_help_program(FILE *out);
void pm_help_group(FILE *out, const struct pm_command_group *group);
void pm_help_command(FILE *out, const struct pm_command *command);
/* man.c: the mdoc page of a command, or of the program when NULL */
void pm_help_man(FILE *out, const struct pm_command *command);

/* completion.c */
void pm_completion_print(FILE *out, const char *shell); /* "bash", "zsh" or "fish" */

/* progress.c: a line on stderr that is written over itself. Nothing is shown when cli->progress is false. */
struct pm_progress;
void pm_progress_show(const struct pm_cli *cli, const struct pm_progress *progress);
void pm_progress_clear(void);
/* "1,234,567" into `out`; returns it. */
const char *pm_count_format(uint64_t count, char out[32]);

/* ---- the commands ---- */
int pm_cmd_completion(struct pm_cli *cli, struct pm_error *err);
int pm_cmd_emit(struct pm_cli *cli, struct pm_error *err);
int pm_cmd_help(struct pm_cli *cli, struct pm_error *err);
int pm_cmd_id_aggregation(struct pm_cli *cli, struct pm_error *err);
int pm_cmd_id_artifact(struct pm_cli *cli, struct pm_error *err);
int pm_cmd_id_bundle(struct pm_cli *cli, struct pm_error *err);
int pm_cmd_id_environment(struct pm_cli *cli, struct pm_error *err);
int pm_cmd_id_inputs(struct pm_cli *cli, struct pm_error *err);
int pm_cmd_id_params(struct pm_cli *cli, struct pm_error *err);
int pm_cmd_id_task(struct pm_cli *cli, struct pm_error *err);
int pm_cmd_log_create(struct pm_cli *cli, struct pm_error *err);
int pm_cmd_log_info(struct pm_cli *cli, struct pm_error *err);
int pm_cmd_materialize(struct pm_cli *cli, struct pm_error *err);
int pm_cmd_outbox_drain(struct pm_cli *cli, struct pm_error *err);
int pm_cmd_outbox_list(struct pm_cli *cli, struct pm_error *err);
int pm_cmd_path_check(struct pm_cli *cli, struct pm_error *err);
int pm_cmd_path_parse(struct pm_cli *cli, struct pm_error *err);
int pm_cmd_path_render(struct pm_cli *cli, struct pm_error *err);
int pm_cmd_path_schemas(struct pm_cli *cli, struct pm_error *err);
int pm_cmd_quarantine_list(struct pm_cli *cli, struct pm_error *err);
int pm_cmd_quarantine_retry(struct pm_cli *cli, struct pm_error *err);
int pm_cmd_quarantine_show(struct pm_cli *cli, struct pm_error *err);
int pm_cmd_query_conflicts(struct pm_cli *cli, struct pm_error *err);
int pm_cmd_query_job(struct pm_cli *cli, struct pm_error *err);
int pm_cmd_query_jobs(struct pm_cli *cli, struct pm_error *err);
int pm_cmd_query_result(struct pm_cli *cli, struct pm_error *err);
int pm_cmd_query_results(struct pm_cli *cli, struct pm_error *err);
int pm_cmd_rebuild(struct pm_cli *cli, struct pm_error *err);
int pm_cmd_replay(struct pm_cli *cli, struct pm_error *err);
int pm_cmd_snapshot(struct pm_cli *cli, struct pm_error *err);
int pm_cmd_stats(struct pm_cli *cli, struct pm_error *err);
int pm_cmd_store_adopt(struct pm_cli *cli, struct pm_error *err);
int pm_cmd_store_check(struct pm_cli *cli, struct pm_error *err);
int pm_cmd_store_clear(struct pm_cli *cli, struct pm_error *err);
int pm_cmd_store_get(struct pm_cli *cli, struct pm_error *err);
int pm_cmd_store_list(struct pm_cli *cli, struct pm_error *err);
int pm_cmd_store_put(struct pm_cli *cli, struct pm_error *err);
int pm_cmd_store_scan(struct pm_cli *cli, struct pm_error *err);
int pm_cmd_store_show(struct pm_cli *cli, struct pm_error *err);
int pm_cmd_store_stats(struct pm_cli *cli, struct pm_error *err);
int pm_cmd_verify(struct pm_cli *cli, struct pm_error *err);

#endif
