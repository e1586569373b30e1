/* man.c: the manual pages, made from the table: mdoc(7), one page a command and one for the program. */
#include <ctype.h>

#include "cli/command.h"
#include "cli/version.h"

/* Text for roff: a backslash is \e, a dot or quote at the beginning of a line is kept from being a request, dashes stay dashes. */
static void roff(FILE *out, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        bool first = i == 0 || text[i - 1] == '\n';
        if (first && (text[i] == '.' || text[i] == '\'')) fputs("\\&", out);
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

/* Running text: each sentence on a line of its own, as mdoc wants it. */
static void prose(FILE *out, const char *text)
{
    while (*text) {
        size_t len = strcspn(text, "\n");
        if (len == 0) {
            if (text[1]) fputs(".Pp\n", out);
        } else {
            for (size_t from = 0; from < len;) {
                size_t to = from;
                while (to < len && !((text[to] == '.' || text[to] == ';') && text[to + 1] == ' ')) to++;
                if (to < len) to++;
                roff(out, text + from, to - from);
                fputc('\n', out);
                from = to;
                while (from < len && text[from] == ' ') from++;
            }
        }
        text += len + (text[len] == '\n');
    }
}

static void sentence(FILE *out, const char *text)
{
    fputc(toupper((unsigned char)text[0]), out);
    roff(out, text + 1, strlen(text + 1));
    fputs(".\n", out);
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
    if (o->letter && o->value) roff(out, o->value, strlen(o->value));
    fprintf(out, "%sFl \\-", o->letter ? " , " : "");
    roff(out, o->name, strlen(o->name));
    if (o->value) fputs(" Ar ", out);
    if (o->value) roff(out, o->value, strlen(o->value));
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
        roff(out, o->name, strlen(o->name));
        if (o->value) fputs(" Ar ", out);
        if (o->value) roff(out, o->value, strlen(o->value));
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
          "Names that begin with provmat. are the program's own (provmat.log, provmat.index, provmat.format,\n"
          "provmat.schemas, provmat.timeout.ms), schema.registry.url is the schema registry,\n"
          "all others are given to librdkafka as they stand.\n"
          "A flag beats the environment, which beats the file.\n"
          ".It Pa ./provmat\\-data/log , ./provmat\\-data/index\n"
          "Where the log and the index are when nothing else is said.\n"
          ".El\n",
          out);
}

static void see_also(FILE *out, const struct pm_command *command)
{
    fputs(".Sh SEE ALSO\n", out);
    if (command) {
        fputs(".Xr provmat 1\n", out);
        return;
    }
    fputs(".Xr jq 1 ,\n.Xr kcat 1", out);
    for (const struct pm_command *c = pm_commands; c->name; c++) {
        fputs(" ,\n.Xr ", out);
        dashed(out, c->name);
        fputs(" 1", out);
    }
    fputc('\n', out);
}

static void command_page(FILE *out, const struct pm_command *c)
{
    fputs(".Sh SYNOPSIS\n.Nm provmat ", out);
    roff(out, c->name, strlen(c->name));
    fputc('\n', out);
    synopsis_options(out, c->options);
    if (c->takes & PM_TAKES_ROWS) synopsis_options(out, pm_options_rows);
    if (c->takes & PM_TAKES_FRESH) synopsis_options(out, pm_options_fresh);
    if (c->operands) {
        fputs(".Ar ", out);
        roff(out, c->operands, strlen(c->operands));
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
          "keeps the provenance of cached computations: which job computed, reused, failed or expected which result.\n"
          "Jobs append events to a log (a Kafka topic, or a local directory);\n"
          "the log is materialized into an index;\n"
          "the index answers.\n"
          "The index can always be made anew from the log.\n"
          ".Pp\nThe commands are:\n.Bl -tag -width Ds\n",
          out);
    for (const struct pm_command *c = pm_commands; c->name; c++) {
        fputs(".It Cm ", out);
        roff(out, c->name, strlen(c->name));
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
        roff(out, e->text + 1, strlen(e->text + 1));
        fputs(":\n.Bd -literal -offset indent\n", out);
        roff(out, e->command, strlen(e->command));
        fputs("\n.Ed\n", out);
    }
}

void pm_help_man(FILE *out, const struct pm_command *command)
{
    static const struct pm_example first_steps[] = {{"events into the log", "provmat emit examples/week/events.ndjson"},
                                                    {"the log into the index", "provmat materialize --once"},
                                                    {"answers", "provmat query jobs"},
                                                    {0}};
    fprintf(out, ".\\\" Made from the command table by `provmat help --man`.\n.Dd %s\n.Dt ", PM_RELEASE_DATE);
    title(out, command ? command->name : NULL);
    fprintf(out, " 1\n.Os provmat %s\n.Sh NAME\n.Nm ", PM_VERSION);
    dashed(out, command ? command->name : NULL);
    fputs("\n.Nd ", out);
    const char *summary = command ? command->summary : "which job computed or reused which cached result";
    roff(out, summary, strlen(summary));
    fputc('\n', out);
    if (command)
        command_page(out, command);
    else
        program_page(out);
    settings(out);
    exit_status(out);
    examples(out, command ? command->examples : first_steps);
    see_also(out, command);
}
