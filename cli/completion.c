/* completion.c: completion scripts for bash, zsh and fish, made from the table. */
#include "cli/command.h"

/* ---- bash and zsh: one script but for how words are offered ---- */

enum shell { BASH, ZSH };

static void words(FILE *out, const char *choices)
{
    for (const char *p = choices; *p; p++) fputc(*p == '|' ? ' ' : *p, out);
}

static void offer_begin(FILE *out, enum shell shell)
{
    fputs(shell == BASH ? "COMPREPLY=($(compgen -W \"" : "compadd -- ", out);
}

static void offer_end(FILE *out, enum shell shell) { fputs(shell == BASH ? "\" -- \"$cur\"))" : "", out); }

static void offer_files(FILE *out, enum shell shell, bool directories)
{
    if (shell == BASH) fprintf(out, "COMPREPLY=($(compgen -%c -- \"$cur\"))", directories ? 'd' : 'f');
    else fputs(directories ? "_files -/" : "_files", out);
}

static void offer_flags(FILE *out, enum shell shell, const struct pm_command *command)
{
    const struct pm_option *o;
    offer_begin(out, shell);
    for (size_t i = 0; (o = pm_option_at(command, i)); i++) {
        fprintf(out, "%s--%s", i ? " " : "", o->name);
        if (o->letter) fprintf(out, " -%c", o->letter);
    }
    offer_end(out, shell);
}

/* The commands of one word and the groups. */
static void first_words(FILE *out)
{
    const char *between = "";
    for (const struct pm_command *c = pm_commands; c->name; c++) {
        if (strchr(c->name, ' ')) continue;
        fprintf(out, "%s%s", between, c->name);
        between = " ";
    }
    for (const struct pm_command_group *g = pm_command_groups; g->name; g++) fprintf(out, " %s", g->name);
}

static void second_words(FILE *out, const struct pm_command_group *group)
{
    const char *between = "";
    for (const struct pm_command *c = pm_commands; c->name; c++) {
        if (!pm_command_in_group(c, group)) continue;
        fprintf(out, "%s%s", between, pm_command_last_word(c));
        between = " ";
    }
}

/* One case: the word before is this flag, so its value is completed. */
static void value_case(FILE *out, enum shell shell, const struct pm_command *command, const struct pm_option *o)
{
    if (o->kind == PM_OPTION_FLAG) return;
    fprintf(out, "    \"%s --%s\"", command ? command->name : "", o->name);
    if (o->letter) fprintf(out, " | \"%s -%c\"", command ? command->name : "", o->letter);
    fputs(") ", out);
    if (o->kind == PM_OPTION_CHOICE) {
        offer_begin(out, shell);
        words(out, o->choices);
        offer_end(out, shell);
        fputs("; ", out);
    } else if (o->kind == PM_OPTION_FILE || o->kind == PM_OPTION_DIR) {
        offer_files(out, shell, o->kind == PM_OPTION_DIR);
        fputs("; ", out);
    }
    fputs("return ;;\n", out);
}

static void value_cases(FILE *out, enum shell shell)
{
    const struct pm_option *o;
    fputs("  case \"$command $prev\" in\n", out);
    for (const struct pm_command *c = pm_commands; c->name; c++)
        for (o = c->options; o->name; o++) value_case(out, shell, c, o);
    fputs("  esac\n  case \" $prev\" in\n", out);
    for (o = pm_options_global; o->name; o++) value_case(out, shell, NULL, o);
    for (o = pm_options_rows; o->name; o++) value_case(out, shell, NULL, o);
    for (o = pm_options_fresh; o->name; o++) value_case(out, shell, NULL, o);
    fputs("  esac\n", out);
}

/* Flags that take a value, as a pattern of case. A name that several commands share stands there more than once, which
 * case does not mind. */
static void value_flags(FILE *out, const struct pm_option *list, const char **between)
{
    for (const struct pm_option *o = list; o->name; o++) {
        if (o->kind == PM_OPTION_FLAG) continue;
        fprintf(out, "%s--%s", *between, o->name);
        if (o->letter) fprintf(out, "|-%c", o->letter);
        *between = "|";
    }
}

/* Finds the words of the command among what was typed so far. */
static void find_command(FILE *out, enum shell shell)
{
    const char *between = "";
    fprintf(out, "  for ((i = %d; i < %s; i++)); do\n    word=${%s[i]}\n", shell == BASH ? 1 : 2,
            shell == BASH ? "COMP_CWORD" : "CURRENT", shell == BASH ? "COMP_WORDS" : "words");
    fputs("    if [[ -n $skip ]]; then skip=; continue; fi\n    case $word in\n      ", out);
    value_flags(out, pm_options_global, &between);
    value_flags(out, pm_options_rows, &between);
    value_flags(out, pm_options_fresh, &between);
    for (const struct pm_command *c = pm_commands; c->name; c++) value_flags(out, c->options, &between);
    fputs(") skip=1 ;;\n      -*) ;;\n      *) case $command in\n           '') command=$word ;;\n", out);
    for (const struct pm_command_group *g = pm_command_groups; g->name; g++)
        fprintf(out, "           %s) command=\"%s $word\" ;;\n", g->name, g->name);
    fputs("         esac ;;\n    esac\n  done\n", out);
}

static void command_case(FILE *out, enum shell shell, const struct pm_command *c)
{
    fprintf(out, "    \"%s\") if [[ $cur == -* ]]; then ", c->name);
    offer_flags(out, shell, c);
    if (c->operand_choices) {
        fputs("; else ", out);
        if (!strcmp(c->operand_choices, "FILE")) {
            offer_files(out, shell, false);
        } else {
            offer_begin(out, shell);
            if (!strcmp(c->operand_choices, "COMMAND")) first_words(out);
            else words(out, c->operand_choices);
            offer_end(out, shell);
        }
    }
    fputs("; fi ;;\n", out);
}

static void function(FILE *out, enum shell shell)
{
    fputs("_provmat() {\n  local command= word= skip= i= ", out);
    if (shell == BASH) fputs("cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n  COMPREPLY=()\n", out);
    else fputs("cur=${words[CURRENT]} prev=${words[CURRENT-1]}\n", out);
    find_command(out, shell);
    value_cases(out, shell);
    fputs("  case $command in\n    '') if [[ $cur == -* ]]; then ", out);
    offer_flags(out, shell, NULL);
    fputs("; else ", out);
    offer_begin(out, shell);
    first_words(out);
    offer_end(out, shell);
    fputs("; fi ;;\n", out);
    for (const struct pm_command_group *g = pm_command_groups; g->name; g++) {
        fprintf(out, "    %s) ", g->name);
        offer_begin(out, shell);
        second_words(out, g);
        offer_end(out, shell);
        fputs(" ;;\n", out);
    }
    for (const struct pm_command *c = pm_commands; c->name; c++) command_case(out, shell, c);
    fputs("  esac\n}\n", out);
}

static void bash(FILE *out)
{
    fputs("# Completion of provmat for bash: source <(provmat completion bash)\n", out);
    function(out, BASH);
    fputs("complete -o filenames -F _provmat provmat\n", out);
}

/* As a file named _provmat on fpath it is loaded at the first use; sourced, it registers itself. */
static void zsh(FILE *out)
{
    fputs("#compdef provmat\n# Completion of provmat for zsh: source <(provmat completion zsh)\n", out);
    function(out, ZSH);
    fputs("if [[ $funcstack[1] == _provmat ]]; then _provmat \"$@\"; else compdef _provmat provmat; fi\n", out);
}

/* ---- fish ---- */

/* In single quotes fish knows \\ and \' only. */
static void fish_quote(FILE *out, const char *text)
{
    fputc('\'', out);
    for (; *text; text++) {
        if (*text == '\'' || *text == '\\') fputc('\\', out);
        fputc(*text, out);
    }
    fputc('\'', out);
}

static void fish_option(FILE *out, const char *condition, const struct pm_option *o)
{
    fprintf(out, "complete -c provmat %s%s%s -l %s", condition[0] ? "-n '" : "", condition, condition[0] ? "'" : "",
            o->name);
    if (o->letter) fprintf(out, " -s %c", o->letter);
    if (o->kind == PM_OPTION_FILE) fputs(" -r -F", out);
    else if (o->kind == PM_OPTION_DIR) fputs(" -x -a '(__fish_complete_directories)'", out);
    else if (o->kind != PM_OPTION_FLAG) fputs(" -x", out);
    if (o->kind == PM_OPTION_CHOICE) {
        fputs(" -a '", out);
        words(out, o->choices);
        fputc('\'', out);
    }
    fputs(" -d ", out);
    fish_quote(out, o->help);
    fputc('\n', out);
}

static void fish_command(FILE *out, const struct pm_command *c)
{
    char seen[128];
    const char *space = strchr(c->name, ' ');
    if (space) {
        snprintf(seen, sizeof seen, "__fish_seen_subcommand_from %.*s; and not __fish_seen_subcommand_from %s",
                 (int)(space - c->name), c->name, space + 1);
        fprintf(out, "complete -c provmat -f -n '%s' -a %s -d ", seen, space + 1);
        fish_quote(out, c->summary);
        fputc('\n', out);
        snprintf(seen, sizeof seen, "__fish_seen_subcommand_from %.*s; and __fish_seen_subcommand_from %s",
                 (int)(space - c->name), c->name, space + 1);
    } else {
        fprintf(out, "complete -c provmat -f -n __fish_use_subcommand -a %s -d ", c->name);
        fish_quote(out, c->summary);
        fputc('\n', out);
        snprintf(seen, sizeof seen, "__fish_seen_subcommand_from %s", c->name);
    }
    for (const struct pm_option *o = c->options; o->name; o++) fish_option(out, seen, o);
    if (c->takes & PM_TAKES_ROWS)
        for (const struct pm_option *o = pm_options_rows; o->name; o++) fish_option(out, seen, o);
    if (c->takes & PM_TAKES_FRESH)
        for (const struct pm_option *o = pm_options_fresh; o->name; o++) fish_option(out, seen, o);
    if (!c->operand_choices) return;
    if (!strcmp(c->operand_choices, "FILE")) {
        fprintf(out, "complete -c provmat -F -n '%s'\n", seen);
    } else {
        fprintf(out, "complete -c provmat -f -n '%s' -a '", seen);
        if (!strcmp(c->operand_choices, "COMMAND")) first_words(out);
        else words(out, c->operand_choices);
        fputs("'\n", out);
    }
}

static void fish(FILE *out)
{
    fputs("# Completion of provmat for fish\ncomplete -c provmat -f\n", out);
    for (const struct pm_command_group *g = pm_command_groups; g->name; g++) {
        fprintf(out, "complete -c provmat -f -n __fish_use_subcommand -a %s -d ", g->name);
        fish_quote(out, g->summary);
        fputc('\n', out);
    }
    for (const struct pm_option *o = pm_options_global; o->name; o++) fish_option(out, "", o);
    for (const struct pm_command *c = pm_commands; c->name; c++) fish_command(out, c);
}

void pm_completion_print(FILE *out, const char *shell)
{
    if (!strcmp(shell, "bash")) bash(out);
    if (!strcmp(shell, "zsh")) zsh(out);
    if (!strcmp(shell, "fish")) fish(out);
}
