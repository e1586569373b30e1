/* options.c: from argv to a command, its operands and its flags.
 *
 * Flags may stand before, between and after the words of the command, so whether a flag takes a value must be known
 * before the command is: a name means the same in every command (lookup_any), and only when all is read is it asked
 * whether this command takes it. */
#include "cli/command.h"
#include "common/base/check.h"
#include "common/base/nearest.h"
#include "common/base/number.h"
#include "common/base/time.h"

static size_t count_options(const struct pm_option *list)
{
    size_t n = 0;
    while (list[n].name) n++;
    return n;
}

const struct pm_option *pm_option_at(const struct pm_command *command, size_t i)
{
    const struct pm_option *lists[] = {
        command ? command->options : NULL,
        command && (command->takes & PM_TAKES_ROWS) ? pm_options_rows : NULL,
        command && (command->takes & PM_TAKES_FRESH) ? pm_options_fresh : NULL,
        pm_options_global,
    };
    for (size_t l = 0; l < sizeof lists / sizeof *lists; l++) {
        if (!lists[l]) continue;
        size_t n = count_options(lists[l]);
        if (i < n) return lists[l] + i;
        i -= n;
    }
    return NULL;
}

static const struct pm_option *lookup(const struct pm_command *command, const char *name, size_t len)
{
    const struct pm_option *option;
    for (size_t i = 0; (option = pm_option_at(command, i)); i++)
        if (strlen(option->name) == len && memcmp(option->name, name, len) == 0) return option;
    return NULL;
}

static const struct pm_option *lookup_any(const char *name, size_t len)
{
    const struct pm_option *option = lookup(NULL, name, len);
    for (const struct pm_command *c = pm_commands; !option && c->name; c++) option = lookup(c, name, len);
    return option;
}

static const struct pm_option *lookup_letter(char letter)
{
    const struct pm_option *option;
    for (size_t i = 0; (option = pm_option_at(NULL, i)); i++)
        if (option->letter == letter) return option;
    return NULL;
}

/* ---- the words of the command ---- */

/* How "help" for what is known so far is asked for. */
static const char *help_hint(const struct pm_cli *cli, char out[128])
{
    if (cli->command) snprintf(out, 128, "provmat help %s", cli->command->name);
    else if (cli->group) snprintf(out, 128, "provmat help %s", cli->group->name);
    else snprintf(out, 128, "provmat help");
    return out;
}

static int unknown_command(const struct pm_cli *cli, const char *word, struct pm_error *err)
{
    struct pm_nearest s = {.typed = pm_slice_cstr(word)};
    const struct pm_command *nearest = NULL; /* NULL: the suggestion is a group */
    for (const struct pm_command *c = pm_commands; c->name; c++) {
        const char *before = s.best;
        if (cli->group && !pm_command_in_group(c, cli->group)) continue;
        pm_nearest_try(&s, pm_command_last_word(c)); /* "jobs" finds "query jobs" */
        if (s.best != before) nearest = c;
    }
    for (const struct pm_command_group *g = pm_command_groups; !cli->group && g->name; g++) {
        const char *before = s.best;
        pm_nearest_try(&s, g->name);
        if (s.best != before) nearest = NULL;
    }
    char hint[128], unknown[128];
    snprintf(unknown, sizeof unknown, "%s%s%.80s", cli->group ? cli->group->name : "", cli->group ? " " : "", word);
    const char *best = pm_nearest_best(&s);
    if (!best)
        return pm_error_set(err, PM_EUSAGE, "unknown command \"%s\"; `%s` lists them", unknown, help_hint(cli, hint));
    return pm_error_set(err, PM_EUSAGE, "unknown command \"%s\"; did you mean \"%s\"? `%s` lists them", unknown,
                        nearest ? nearest->name : best, help_hint(cli, hint));
}

/* Takes one operand: a word of the command as long as that is not complete, else an operand. */
static int take_word(struct pm_cli *cli, const char *word, struct pm_error *err)
{
    if (cli->command) {
        cli->operands[cli->n_operands++] = word;
        return PM_OK;
    }
    char name[128];
    int n = snprintf(name, sizeof name, "%s%s%s", cli->group ? cli->group->name : "", cli->group ? " " : "", word);
    if (n < (int)sizeof name && (cli->command = pm_command_find(name))) {
        cli->group = NULL;
        return PM_OK;
    }
    const struct pm_command_group *group = cli->group ? NULL : pm_command_group_find(word);
    if (!group) return unknown_command(cli, word, err);
    cli->group = group;
    return PM_OK;
}

/* ---- flags ---- */

static int unknown_flag(const struct pm_cli *cli, const char *flag, struct pm_error *err)
{
    char hint[128];
    const struct pm_option *option;
    if (flag[1] != '-')
        return pm_error_set(err, PM_EUSAGE, "unknown flag \"-%c\"; `%s` lists them", flag[1], help_hint(cli, hint));
    char name[80];
    snprintf(name, sizeof name, "%.*s", (int)strcspn(flag + 2, "="), flag + 2);
    struct pm_nearest s = {.typed = pm_slice_cstr(name)};
    for (size_t i = 0; (option = pm_option_at(cli->command, i)); i++) pm_nearest_try(&s, option->name);
    const char *best = pm_nearest_best(&s);
    if (best)
        return pm_error_set(err, PM_EUSAGE, "unknown flag \"--%s\"; did you mean \"--%s\"? `%s` lists them", name, best,
                            help_hint(cli, hint));
    return pm_error_set(err, PM_EUSAGE, "unknown flag \"--%s\"; `%s` lists them", name, help_hint(cli, hint));
}

static int parse_choice(const struct pm_option *option, const char *value, struct pm_error *err)
{
    struct pm_nearest s = {.typed = pm_slice_cstr(value)};
    char words[16][32];
    size_t n = 0;
    for (const char *p = option->choices; p && n < 16; n++) {
        size_t len = strcspn(p, "|");
        PM_CHECK(len < sizeof words[0]);
        memcpy(words[n], p, len);
        words[n][len] = 0;
        if (strcmp(words[n], value) == 0) return PM_OK;
        pm_nearest_try(&s, words[n]);
        p = p[len] ? p + len + 1 : NULL;
    }
    const char *best = pm_nearest_best(&s);
    if (best)
        return pm_error_set(err, PM_EUSAGE, "--%s: \"%s\" is none of %s; did you mean \"%s\"?", option->name, value,
                            option->choices, best);
    return pm_error_set(err, PM_EUSAGE, "--%s: \"%s\" is none of %s", option->name, value, option->choices);
}

static int parse_place(const struct pm_option *option, struct pm_given *given, struct pm_error *err)
{
    const char *colon = strchr(given->value, ':');
    uint64_t partition, offset;
    if (!colon || !pm_u64_parse(pm_slice(given->value, (size_t)(colon - given->value)), &partition) ||
        !pm_u64_parse(pm_slice_cstr(colon + 1), &offset) || offset > INT64_MAX)
        return pm_error_set(err, PM_EUSAGE, "--%s: \"%s\" is not PARTITION:OFFSET, such as 0:41", option->name,
                            given->value);
    if (partition >= PM_LOG_PARTITIONS_MAX)
        return pm_error_set(err, PM_EUSAGE, "--%s: partition %llu is above the limit of %d", option->name,
                            (unsigned long long)partition, PM_LOG_PARTITIONS_MAX - 1);
    given->partition = (int32_t)partition;
    given->count = offset;
    return PM_OK;
}

static int parse_range(const struct pm_option *option, struct pm_given *given, struct pm_error *err)
{
    const char *colon = strchr(given->value, ':'), *dash = colon ? strchr(colon, '-') : NULL;
    uint64_t partition, from, to;
    if (!dash || !pm_u64_parse(pm_slice(given->value, (size_t)(colon - given->value)), &partition) ||
        !pm_u64_parse(pm_slice(colon + 1, (size_t)(dash - colon - 1)), &from) ||
        !pm_u64_parse(pm_slice_cstr(dash + 1), &to) || from > to || to > INT64_MAX)
        return pm_error_set(err, PM_EUSAGE, "--%s: \"%s\" is not PARTITION:FROM-TO, such as 0:40-59", option->name,
                            given->value);
    if (partition >= PM_LOG_PARTITIONS_MAX)
        return pm_error_set(err, PM_EUSAGE, "--%s: partition %llu is above the limit of %d", option->name,
                            (unsigned long long)partition, PM_LOG_PARTITIONS_MAX - 1);
    given->partition = (int32_t)partition;
    given->count = from;
    given->last = to;
    return PM_OK;
}

static int parse_time(const struct pm_option *option, struct pm_given *given, struct pm_error *err)
{
    if (pm_i64_parse(pm_slice_cstr(given->value), &given->time_us)) return PM_OK;
    if (pm_time_parse(pm_slice_cstr(given->value), &given->time_us, err) == PM_OK) return PM_OK;
    return pm_error_wrap(err, PM_EUSAGE, "--%s", option->name);
}

/* How long ago, from now; else a time. */
static int parse_age(const struct pm_option *option, struct pm_given *given, struct pm_error *err)
{
    static const struct {
        char letter;
        uint64_t seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {'w', 7 * 86400}};
    size_t len = strlen(given->value);
    uint64_t count, seconds = 0;
    for (size_t i = 0; len > 1 && i < sizeof units / sizeof *units; i++)
        if (units[i].letter == given->value[len - 1]) seconds = units[i].seconds;
    if (seconds && pm_u64_parse(pm_slice(given->value, len - 1), &count)) {
        if (count > (uint64_t)(PM_TIME_MAX / 1000000) / seconds)
            return pm_error_set(err, PM_EUSAGE, "--%s: \"%s\" is longer ago than times reach", option->name,
                                given->value);
        given->time_us = pm_time_now_us() - (int64_t)(count * seconds) * 1000000;
        return PM_OK;
    }
    if (pm_time_parse(pm_slice_cstr(given->value), &given->time_us, err) == PM_OK) return PM_OK;
    return pm_error_set(err, PM_EUSAGE, "--%s: \"%s\" is neither an age, such as 30d or 12h, nor a time with an offset",
                        option->name, given->value);
}

static int parse_value(struct pm_given *given, struct pm_error *err)
{
    const struct pm_option *option = given->option;
    switch (option->kind) {
    case PM_OPTION_FLAG:
    case PM_OPTION_TEXT: return PM_OK;
    case PM_OPTION_FILE:
    case PM_OPTION_DIR:
        if (given->value[0]) return PM_OK;
        return pm_error_set(err, PM_EUSAGE, "--%s: the value is empty", option->name);
    case PM_OPTION_COUNT:
        if (pm_u64_parse(pm_slice_cstr(given->value), &given->count)) return PM_OK;
        return pm_error_set(err, PM_EUSAGE, "--%s: \"%s\" is not a whole number from 0 to 2^64-1", option->name,
                            given->value);
    case PM_OPTION_TIME: return parse_time(option, given, err);
    case PM_OPTION_AGE: return parse_age(option, given, err);
    case PM_OPTION_PLACE: return parse_place(option, given, err);
    case PM_OPTION_RANGE: return parse_range(option, given, err);
    case PM_OPTION_CHOICE: return parse_choice(option, given->value, err);
    }
    return PM_OK;
}

static int add(struct pm_cli *cli, const struct pm_option *option, const char *value)
{
    cli->given[cli->n_given++] = (struct pm_given){.option = option, .value = value};
    return PM_OK;
}

static int missing_value(const struct pm_option *option, struct pm_error *err)
{
    return pm_error_set(err, PM_EUSAGE, "--%s needs a value: --%s %s", option->name, option->name, option->value);
}

/* "--name", "--name=value", "--name value"; *at moves past what was taken */
static int take_long(struct pm_cli *cli, char **argv, int argc, int *at, struct pm_error *err)
{
    const char *name = argv[*at] + 2, *equals = strchr(name, '=');
    size_t len = equals ? (size_t)(equals - name) : strlen(name);
    const struct pm_option *option = lookup_any(name, len);
    if (!option) return unknown_flag(cli, argv[*at], err);
    if (option->kind == PM_OPTION_FLAG) {
        if (equals) return pm_error_set(err, PM_EUSAGE, "--%s takes no value, got \"%s\"", option->name, equals + 1);
        return add(cli, option, NULL);
    }
    if (equals) return add(cli, option, equals + 1);
    if (*at + 1 >= argc) return missing_value(option, err);
    return add(cli, option, argv[++*at]);
}

/* "-q", "-qf json", "-Xname=value", "-X name=value" */
static int take_letters(struct pm_cli *cli, char **argv, int argc, int *at, struct pm_error *err)
{
    for (const char *p = argv[*at] + 1; *p; p++) {
        const struct pm_option *option = lookup_letter(*p);
        if (!option) return unknown_flag(cli, (char[]){'-', *p, 0}, err);
        if (option->kind == PM_OPTION_FLAG) {
            add(cli, option, NULL);
            continue;
        }
        if (p[1]) return add(cli, option, p + 1);
        if (*at + 1 >= argc) return missing_value(option, err);
        return add(cli, option, argv[++*at]);
    }
    return PM_OK;
}

/* ---- the whole line ---- */

static bool asks_for_help(const struct pm_cli *cli)
{
    for (size_t i = 0; i < cli->n_given; i++)
        if (!strcmp(cli->given[i].option->name, "help") || !strcmp(cli->given[i].option->name, "version")) return true;
    return false;
}

/* Every flag must be one that this command takes, as the command defines it. */
static int check_flags(struct pm_cli *cli, struct pm_error *err)
{
    for (size_t i = 0; i < cli->n_given; i++) {
        const char *name = cli->given[i].option->name;
        const struct pm_option *option = lookup(cli->command, name, strlen(name));
        char hint[128];
        if (!option && !cli->command)
            return pm_error_set(err, PM_EUSAGE, "--%s needs a command before or after it; `provmat help` lists them",
                                name);
        if (!option) {
            return pm_error_set(err, PM_EUSAGE, "\"%s\" takes no flag \"--%s\"; `%s` lists those it takes",
                                cli->command->name, name, help_hint(cli, hint));
        }
        cli->given[i].option = option;
        PM_TRY(parse_value(&cli->given[i], err));
    }
    return PM_OK;
}

static int check_operands(const struct pm_cli *cli, struct pm_error *err)
{
    const struct pm_command *c = cli->command;
    char hint[128];
    if (cli->n_operands < c->operands_min)
        return pm_error_set(err, PM_EUSAGE, "\"%s\" needs %s; `%s` shows examples", c->name, c->operands,
                            help_hint(cli, hint));
    if (cli->n_operands > c->operands_max)
        return pm_error_set(err, PM_EUSAGE, "\"%s\" takes %s, and \"%s\" is one word too many; `%s` shows examples",
                            c->name, c->operands_max ? c->operands : "no arguments", cli->operands[c->operands_max],
                            help_hint(cli, hint));
    return PM_OK;
}

int pm_options_parse(struct pm_cli *cli, int argc, char **argv, struct pm_error *err)
{
    size_t letters = 0;
    for (int i = 1; i < argc; i++) letters += strlen(argv[i]);
    cli->operands = pm_calloc((size_t)argc + 1, sizeof *cli->operands);
    cli->given = pm_calloc((size_t)argc + letters, sizeof *cli->given); /* "-qqq": a flag a letter at most */
    bool only_operands = false;
    for (int i = 1; i < argc; i++) {
        const char *arg = argv[i];
        if (only_operands || arg[0] != '-' || !arg[1]) PM_TRY(take_word(cli, arg, err));
        else if (!strcmp(arg, "--")) only_operands = true;
        else if (arg[1] == '-') PM_TRY(take_long(cli, argv, argc, &i, err));
        else PM_TRY(take_letters(cli, argv, argc, &i, err));
    }
    if (asks_for_help(cli)) return PM_OK;
    PM_TRY(check_flags(cli, err));
    return cli->command ? check_operands(cli, err) : PM_OK;
}

/* ---- reading what was given ---- */

static const struct pm_given *last(const struct pm_cli *cli, const char *name)
{
    PM_CHECK(lookup(cli->command, name, strlen(name)));
    for (size_t i = cli->n_given; i > 0; i--)
        if (!strcmp(cli->given[i - 1].option->name, name)) return &cli->given[i - 1];
    return NULL;
}

bool pm_cli_flag(const struct pm_cli *cli, const char *name) { return last(cli, name) != NULL; }

const char *pm_cli_text(const struct pm_cli *cli, const char *name)
{
    const struct pm_given *given = last(cli, name);
    return given ? given->value : NULL;
}

uint64_t pm_cli_count(const struct pm_cli *cli, const char *name, uint64_t otherwise)
{
    const struct pm_given *given = last(cli, name);
    return given ? given->count : otherwise;
}

int64_t pm_cli_time(const struct pm_cli *cli, const char *name, int64_t otherwise)
{
    const struct pm_given *given = last(cli, name);
    return given ? given->time_us : otherwise;
}

const struct pm_given *pm_cli_next(const struct pm_cli *cli, const char *name, size_t *at)
{
    PM_CHECK(lookup(cli->command, name, strlen(name)));
    while (*at < cli->n_given) {
        const struct pm_given *given = &cli->given[(*at)++];
        if (!strcmp(given->option->name, name)) return given;
    }
    return NULL;
}
