/* help.c: what `provmat help`, `provmat COMMAND --help` and a wrong command line show, made from the table. */
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/command.h"
#include "common/base/buf.h"
#include "common/base/check.h"

#define WIDTH_MAX 100
#define WIDTH_MIN 60
#define TIED '\x01' /* a blank at which no line is broken */

static int width_of(FILE *out)
{
    struct winsize size;
    if (ioctl(fileno(out), TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
    return size.ws_col > WIDTH_MAX ? WIDTH_MAX : size.ws_col < WIDTH_MIN ? WIDTH_MIN : size.ws_col;
}

/* One paragraph, broken at blanks; every line begins at `indent`, the first one stands at column `at` already. */
static void wrap(FILE *out, const char *text, size_t len, int indent, int at)
{
    int width = width_of(out);
    bool fresh = at <= indent;
    for (int i = at; i < indent; i++) fputc(' ', out);
    if (at < indent) at = indent;
    for (size_t i = 0; i < len;) {
        size_t word = 0;
        while (i + word < len && text[i + word] != ' ') word++;
        if (!fresh && at + 1 + (int)word > width) {
            fprintf(out, "\n%*s", indent, "");
            at = indent;
            fresh = true;
        }
        if (!fresh) fputc(' ', out);
        for (size_t k = 0; k < word; k++) fputc(text[i + k] == TIED ? ' ' : text[i + k], out);
        at += (int)word + !fresh;
        fresh = false;
        i += word;
        while (i < len && text[i] == ' ') i++;
    }
    fputc('\n', out);
}

static void paragraphs(FILE *out, const char *text)
{
    while (*text) {
        size_t len = strcspn(text, "\n");
        if (len == 0) fputc('\n', out);
        else if (text[0] == ' ') fprintf(out, "%.*s\n", (int)len, text);
        else wrap(out, text, len, 0, 0);
        text += len + (text[len] == '\n');
    }
}

static void print_option(FILE *out, const struct pm_option *option)
{
    char left[80];
    int n = option->letter ? snprintf(left, sizeof left, "  -%c, --%s", option->letter, option->name)
                           : snprintf(left, sizeof left, "      --%s", option->name);
    if (option->value) n += snprintf(left + n, sizeof left - (size_t)n, " %s", option->value);
    fputs(left, out);
    if (n > 26) {
        fputc('\n', out);
        n = 0;
    }
    wrap(out, option->help, strlen(option->help), 28, n);
}

static void print_options(FILE *out, const char *title, const struct pm_option *options)
{
    if (!options[0].name) return;
    fprintf(out, "\n%s\n", title);
    for (const struct pm_option *o = options; o->name; o++) print_option(out, o);
}

static void print_exit_codes(FILE *out)
{
    fputs("\nExit status\n"
          "  0  done, found\n"
          "  1  nothing found, or a check found a difference\n"
          "  2  usage\n"
          "  3  the index is missing, corrupt, locked or of another log\n"
          "  4  the log cannot be reached, or refuses\n"
          "  5  the index is behind what was asked for (--at-least, --max-lag)\n"
          "  6  some input was rejected; the rest was taken\n",
          out);
}

static void print_command_line(FILE *out, const struct pm_command *c, int column)
{
    int n = fprintf(out, "  %s", c->name);
    wrap(out, c->summary, strlen(c->summary), column, n);
}

void pm_help_program(FILE *out)
{
    fputs("provmat: which job computed or reused which cached result\n\n"
          "  provmat COMMAND [FLAGS] [ARGUMENTS]\n\nCommands\n",
          out);
    for (const struct pm_command *c = pm_commands; c->name; c++) print_command_line(out, c, 20);
    print_options(out, "Flags of every command, before or after it", pm_options_global);
    print_exit_codes(out);
    fputs("\n"
          "Start here\n"
          "  provmat emit examples/week/events.ndjson   # events -> log\n"
          "  provmat materialize --once                 # log -> index\n"
          "  provmat query jobs                         # index -> answers\n"
          "\n"
          "`provmat help COMMAND` shows a command's flags and examples.\n",
          out);
}

void pm_help_group(FILE *out, const struct pm_command_group *group)
{
    fprintf(out, "provmat %s: %s\n\n", group->name, group->summary);
    for (const struct pm_command *c = pm_commands; c->name; c++)
        if (pm_command_in_group(c, group)) print_command_line(out, c, 20);
    fprintf(out, "\n`provmat help %s COMMAND` shows a command's flags and examples.\n", group->name);
}

/* One line: "provmat emit [--dry-run] [FILE...]". */
static void synopsis_of(struct pm_buf *out, const struct pm_command *command)
{
    pm_buf_printf(out, "provmat %s", command->name);
    for (const struct pm_option *o = command->options; o->name; o++)
        pm_buf_printf(out, " [--%s%s%s]%s", o->name, o->value ? " " : "", o->value ? o->value : "",
                      o->repeat ? "..." : "");
    if (command->takes & PM_TAKES_ROWS) pm_buf_cstr(out, " [--columns A,B,...] [--limit N] [--sort KEY[:desc]]");
    if (command->takes & PM_TAKES_FRESH) pm_buf_cstr(out, " [--at-least PARTITION:OFFSET]... [--max-lag EVENTS]");
    if (command->operands) pm_buf_printf(out, " %s", command->operands);
}

void pm_help_command(FILE *out, const struct pm_command *command)
{
    PM_CLEANUP(pm_buf_release) struct pm_buf synopsis = {0};
    synopsis_of(&synopsis, command);
    wrap(out, command->summary, strlen(command->summary), 2, fprintf(out, "provmat %s:", command->name));
    fputc('\n', out);
    for (size_t i = 0, depth = 0; i < synopsis.len; i++) { /* a flag stays together with its value */
        depth += (synopsis.ptr[i] == '[') - (synopsis.ptr[i] == ']');
        if (synopsis.ptr[i] == ' ' && depth > 0) synopsis.ptr[i] = TIED;
    }
    wrap(out, synopsis.ptr, synopsis.len, 6, 2);
    fputc('\n', out);
    paragraphs(out, command->description);
    fputs("\nExamples\n", out);
    for (const struct pm_example *e = command->examples; e->command; e++)
        fprintf(out, "  # %s\n  %s\n", e->text, e->command);
    print_options(out, "Flags", command->options);
    if (command->takes & PM_TAKES_ROWS) print_options(out, "Flags for rows", pm_options_rows);
    if (command->takes & PM_TAKES_FRESH) print_options(out, "Flags for fresh answers", pm_options_fresh);
    print_options(out, "Flags of every command", pm_options_global);
    print_exit_codes(out);
}
