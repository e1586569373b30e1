/* man.c: the manual pages, made from the table: mdoc(7), one page a command and one for the program. */
#include <ctype.h>
#include <stdlib.h>

#include "cli/command.h"
#include "cli/version.h"

#define LINE_MAX_BYTES 64 /* escapes make lines longer; mandoc wants at most 80 bytes */
#define COMMANDS_MAX 64

/* Text for roff: a backslash is \e, a dot or quote at the beginning of a line is kept from being a request, dashes stay
 * dashes. */
static void roff(FILE *out, const char *text, size_t len, bool line_begins)
{
    for (size_t i = 0; i < len; i++) {
        if (i == 0 && line_begins && (text[i] == '.' || text[i] == '\'')) fputs("\\&", out);
        switch (text[i]) {
        case '\\': fputs("\\e", out); break;
        case '-': fputs("\\-", out); break;
        case '`': fputs("\\(ga", out); break;
        case '\'': fputs("\\(aq", out); break;
        case '"': fputs("\\(dq", out); break;
        case '^': fputs("\\(ha", out); break;
        case '~': fputs("\\(ti", out); break;
        default: fputc(text[i], out);
        }
    }
}

/* One sentence, broken at blanks into lines of at most LINE_MAX_BYTES. */
static void sentence_lines(FILE *out, const char *text, size_t len)
{
    size_t at = 0;
    for (size_t i = 0; i < len;) {
        size_t word = 0;
        while (i + word < len && text[i + word] != ' ') word++;
        bool fresh = at == 0 || at + 1 + word > LINE_MAX_BYTES;
        if (at > 0) fputc(fresh ? '\n' : ' ', out);
        at = fresh ? word : at + 1 + word;
        roff(out, text + i, word, fresh);
        i += word;
        while (i < len && text[i] == ' ') i++;
    }
    fputc('\n', out);
}

/* Running text: each sentence begins on a line of its own, as mdoc wants it. */
static void prose(FILE *out, const char *text)
{
    while (*text) {
        size_t len = strcspn(text, "\n");
        if (len == 0 && text[1]) fputs(".Pp\n", out);
        for (size_t from = 0; from < len;) {
            size_t to = from;
            while (to < len && !((text[to] == '.' || text[to] == ';') && text[to + 1] == ' ')) to++;
            if (to < len) to++;
            sentence_lines(out, text + from, to - from);
            from = to;
            while (from < len && text[from] == ' ') from++;
        }
        text += len + (text[len] == '\n');
    }
}

/* A summary or a flag's help: with a capital and a full stop. */
static void sentence(FILE *out, const char *text)
{
    char line[512];
    int n = snprintf(line, sizeof line, "%s.", text);
    line[0] = (char)toupper((unsigned char)line[0]);
    sentence_lines(out, line, n < (int)sizeof line ? (size_t)n : sizeof line - 1);
}

static void title(FILE *out, const char *name)
{
    fputs("PROVMAT", out);
    for (const char *p = name ? name : ""; *p; p++) {
        if (p == name) fputc('-', out);
        fputc(*p == ' ' ? '-' : toupper((unsigned char)*p), out);
    }
}

static void dashed(FILE *out, const char *name)
{
    fputs("provmat", out);
    if (name) fputc('-', out);
    for (const char *p = name ? name : ""; *p; p++) fputc(*p == ' ' ? '-' : *p, out);
}

static void option(FILE *out, const struct pm_option *o)
{
    fputs(".It ", out);
    if (o->letter) fprintf(out, "Fl %c%s", o->letter, o->value ? " Ar " : "");
    if (o->letter && o->value) roff(out, o->value, strlen(o->value), false);
    fprintf(out, "%sFl \\-", o->letter ? " , " : "");
    roff(out, o->name, strlen(o->name), false);
    if (o->value) fputs(" Ar ", out);
    if (o->value) roff(out, o->value, strlen(o->value), false);
    fputc('\n', out);
    sentence(out, o->help);
}

static void options(FILE *out, const struct pm_option *list)
{
    for (const struct pm_option *o = list; o->name; o++) option(out, o);
}

static void synopsis_options(FILE *out, const struct pm_option *list)
{
    for (const struct pm_option *o = list; o->name; o++) {
        fputs(".Op Fl \\-", out);
        roff(out, o->name, strlen(o->name), false);
        if (o->value) fputs(" Ar ", out);
        if (o->value) roff(out, o->value, strlen(o->value), false);
        fputc('\n', out);
    }
}

static void exit_status(FILE *out)
{
    fputs(".Sh EXIT STATUS\n"
          ".Bl -tag -width 2n\n"
          ".It 0\nDone, or found.\n"
          ".It 1\nNothing found, or a check found a difference.\n"
          ".It 2\nUsage.\n"
          ".It 3\nThe index is missing, corrupt, locked or of another log.\n"
          ".It 4\nThe log cannot be reached, or refuses.\n"
          ".It 5\nThe index is behind what was asked for.\n"
          ".It 6\nSome input was rejected; the rest was taken.\n"
          ".El\n",
          out);
}

static void settings(FILE *out)
{
    fputs(".Sh ENVIRONMENT\n"
          ".Bl -tag -width PROVMAT_CONFIG\n"
          ".It Ev PROVMAT_LOG\nThe log, as\n.Fl \\-log .\n"
          ".It Ev PROVMAT_INDEX\nThe index, as\n.Fl \\-index .\n"
          ".It Ev PROVMAT_CONFIG\nThe configuration file, as\n.Fl F .\n"
          ".It Ev NO_COLOR\nWhen set, tables have no colour.\n"
          ".El\n"
          ".Sh FILES\n"
          ".Bl -tag -width Ds\n"
          ".It Pa \\(ti/.config/provmat.conf\n"
          "Lines of NAME=VALUE.\n"
          "Empty lines and lines that begin with # are skipped.\n"
          "Names that begin with provmat. are the program's own\n"
          "(provmat.log, provmat.index, provmat.format, provmat.schemas,\n"
          "provmat.timeout.ms), schema.registry.url is the schema registry,\n"
          "all others are given to librdkafka as they stand.\n"
          "A flag beats the environment, which beats the file.\n"
          ".It Pa ./provmat\\-data/log , ./provmat\\-data/index\n"
          "Where the log and the index are when nothing else is said.\n"
          ".El\n",
          out);
}

static int by_name(const void *a, const void *b)
{
    const struct pm_command *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

static void see_also(FILE *out, const struct pm_command *command)
{
    const struct pm_command *sorted[COMMANDS_MAX];
    size_t n = 0;
    fputs(".Sh SEE ALSO\n", out);
    if (command) {
        fputs(".Xr provmat 1\n", out);
        return;
    }
    for (const struct pm_command *c = pm_commands; c->name && n < COMMANDS_MAX; c++) sorted[n++] = c;
    qsort(sorted, n, sizeof sorted[0], by_name);
    fputs(".Xr jq 1 ,\n.Xr kcat 1", out);
    for (size_t i = 0; i < n; i++) {
        fputs(" ,\n.Xr ", out);
        dashed(out, sorted[i]->name);
        fputs(" 1", out);
    }
    fputc('\n', out);
}

static void command_page(FILE *out, const struct pm_command *c)
{
    fputs(".Sh SYNOPSIS\n.Nm provmat ", out);
    roff(out, c->name, strlen(c->name), false);
    fputc('\n', out);
    synopsis_options(out, c->options);
    if (c->takes & PM_TAKES_ROWS) synopsis_options(out, pm_options_rows);
    if (c->takes & PM_TAKES_FRESH) synopsis_options(out, pm_options_fresh);
    if (c->operands) {
        fputs(".Ar ", out);
        roff(out, c->operands, strlen(c->operands), false);
        fputc('\n', out);
    }
    fputs(".Sh DESCRIPTION\n", out);
    prose(out, c->description);
    fputs(".Pp\nThe flags are:\n.Bl -tag -width Ds\n", out);
    options(out, c->options);
    if (c->takes & PM_TAKES_ROWS) options(out, pm_options_rows);
    if (c->takes & PM_TAKES_FRESH) options(out, pm_options_fresh);
    options(out, pm_options_global);
    fputs(".El\n", out);
}

static void program_page(FILE *out)
{
    fputs(".Sh SYNOPSIS\n.Nm provmat\n.Ar COMMAND\n.Op Ar FLAGS\n.Op Ar ARGUMENTS\n.Sh DESCRIPTION\n.Nm\n"
          "keeps the provenance of cached computations:\n"
          "which job computed, reused, failed or expected which result.\n"
          "Jobs append events to a log (a Kafka topic, or a local directory);\n"
          "the log is materialized into an index;\n"
          "the index answers.\n"
          "The index can always be made anew from the log.\n"
          ".Pp\nThe commands are:\n.Bl -tag -width Ds\n",
          out);
    for (const struct pm_command *c = pm_commands; c->name; c++) {
        fputs(".It Cm ", out);
        roff(out, c->name, strlen(c->name), false);
        fputc('\n', out);
        sentence(out, c->summary);
    }
    fputs(".El\n.Pp\nThe flags of every command, accepted before or after it, are:\n.Bl -tag -width Ds\n", out);
    options(out, pm_options_global);
    fputs(".El\n", out);
}

static void examples(FILE *out, const struct pm_example *list)
{
    fputs(".Sh EXAMPLES\n", out);
    for (const struct pm_example *e = list; e->command; e++) {
        if (e != list) fputs(".Pp\n", out);
        fputc(toupper((unsigned char)e->text[0]), out);
        roff(out, e->text + 1, strlen(e->text + 1), false);
        fputs(":\n.Bd -literal -offset indent\n", out);
        roff(out, e->command, strlen(e->command), true);
        fputs("\n.Ed\n", out);
    }
}

void pm_help_man(FILE *out, const struct pm_command *command)
{
    static const struct pm_example first_steps[] = {{"events into the log", "provmat emit examples/week/events.ndjson"},
                                                    {"the log into the index", "provmat materialize --once"},
                                                    {"answers", "provmat query jobs"},
                                                    {0}};
    fprintf(out, ".\\\" provmat %s; made from the command table by `provmat help --man`.\n.Dd %s\n.Dt ", PM_VERSION,
            PM_RELEASE_DATE);
    title(out, command ? command->name : NULL);
    fputs(" 1\n.Os\n.Sh NAME\n.Nm ", out);
    dashed(out, command ? command->name : NULL);
    fputs("\n.Nd ", out);
    const char *summary = command ? command->summary : "which job computed or reused which cached result";
    roff(out, summary, strlen(summary), false);
    fputc('\n', out);
    if (command) command_page(out, command);
    else program_page(out);
    settings(out);
    exit_status(out);
    examples(out, command ? command->examples : first_steps);
    see_also(out, command);
}
