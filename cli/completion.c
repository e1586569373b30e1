/* completion.c: completion scripts for bash, zsh and fish, made from the table. */
#include "cli/command.h"

/* ---- bash; zsh reads the same script through bashcompinit ---- */

static void bash_words(FILE *out, const char *choices)
{
    for (const char *p = choices; *p; p++) fputc(*p == '|' ? ' ' : *p, out);
}

static void bash_flags(FILE *out, const struct pm_command *command)
{
    const struct pm_option *o;
    for (size_t i = 0; (o = pm_option_at(command, i)); i++) {
        fprintf(out, "%s--%s", i ? " " : "", o->name);
        if (o->letter) fprintf(out, " -%c", o->letter);
    }
}

/* What follows a flag: the flags of all commands, each name once (a name means the same everywhere but for its
 * choices). */
static void bash_value(FILE *out, const struct pm_command *command, const struct pm_option *o)
{
    if (o->kind == PM_OPTION_FLAG) return;
    fputs("    ", out);
    fprintf(out, "\"%s --%s\"", command ? command->name : "", o->name);
    if (o->letter) fprintf(out, " | \"%s -%c\"", command ? command->name : "", o->letter);
    fputs(") ", out);
    if (o->kind == PM_OPTION_CHOICE) {
        fputs("COMPREPLY=($(compgen -W \"", out);
        bash_words(out, o->choices);
        fputs("\" -- \"$cur\"))", out);
    } else if (o->kind == PM_OPTION_FILE) {
        fputs("COMPREPLY=($(compgen -f -- \"$cur\"))", out);
    } else if (o->kind == PM_OPTION_DIR) {
        fputs("COMPREPLY=($(compgen -d -- \"$cur\"))", out);
    } else {
        fputs("COMPREPLY=()", out);
    }
    fputs("; return ;;\n", out);
}

static void bash_value_cases(FILE *out)
{
    const struct pm_option *o;
    fputs("  case \"$command $prev\" in\n", out);
    for (const struct pm_command *c = pm_commands; c->name; c++)
        for (o = c->options; o->name; o++) bash_value(out, c, o);
    fputs("  esac\n  case \" $prev\" in\n", out);
    for (o = pm_options_global; o->name; o++) bash_value(out, NULL, o);
    for (o = pm_options_rows; o->name; o++) bash_value(out, NULL, o);
    for (o = pm_options_fresh; o->name; o++) bash_value(out, NULL, o);
    fputs("  esac\n", out);
}

static void first_words(FILE *out, const char *separator)
{
    const char *between = "";
    for (const struct pm_command *c = pm_commands; c->name; c++) {
        if (strchr(c->name, ' ')) continue;
        fprintf(out, "%s%s", between, c->name);
        between = separator;
    }
    for (const struct pm_command_group *g = pm_command_groups; g->name; g++) fprintf(out, "%s%s", separator, g->name);
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

/* Every flag that takes a value, as a pattern of case. Names that several commands share stand there more than once,
 * which case does not mind. */
static void value_flags(FILE *out, const struct pm_option *list, const char **between)
{
    for (const struct pm_option *o = list; o->name; o++) {
        if (o->kind == PM_OPTION_FLAG) continue;
        fprintf(out, "%s--%s", *between, o->name);
        if (o->letter) fprintf(out, "|-%c", o->letter);
        *between = "|";
    }
}

static void value_flag_pattern(FILE *out)
{
    const char *between = "";
    value_flags(out, pm_options_global, &between);
    value_flags(out, pm_options_rows, &between);
    value_flags(out, pm_options_fresh, &between);
    for (const struct pm_command *c = pm_commands; c->name; c++) value_flags(out, c->options, &between);
}

static void bash(FILE *out)
{
    fputs("# Completion of provmat for bash: source <(provmat completion bash)\n"
          "_provmat() {\n"
          "  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} command= word skip= i\n"
          "  COMPREPLY=()\n"
          "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
          "    word=${COMP_WORDS[i]}\n"
          "    if [[ $skip ]]; then skip=; continue; fi\n"
          "    case $word in\n      ",
          out);
    value_flag_pattern(out);
    fputs(") skip=1 ;;\n"
          "      -*) ;;\n"
          "      *) case $command in\n"
          "           '') command=$word ;;\n",
          out);
    for (const struct pm_command_group *g = pm_command_groups; g->name; g++)
        fprintf(out, "           %s) command=\"%s $word\" ;;\n", g->name, g->name);
    fputs("         esac ;;\n"
          "    esac\n"
          "  done\n",
          out);
    bash_value_cases(out);
    fputs("  case $command in\n"
          "    '') if [[ $cur == -* ]]; then COMPREPLY=($(compgen -W \"",
          out);
    bash_flags(out, NULL);
    fputs("\" -- \"$cur\"))\n        else COMPREPLY=($(compgen -W \"", out);
    first_words(out, " ");
    fputs("\" -- \"$cur\")); fi ;;\n", out);
    for (const struct pm_command_group *g = pm_command_groups; g->name; g++) {
        fprintf(out, "    %s) COMPREPLY=($(compgen -W \"", g->name);
        second_words(out, g);
        fputs("\" -- \"$cur\")) ;;\n", out);
    }
    for (const struct pm_command *c = pm_commands; c->name; c++) {
        fprintf(out, "    \"%s\") if [[ $cur == -* ]]; then COMPREPLY=($(compgen -W \"", c->name);
        bash_flags(out, c);
        fputs("\" -- \"$cur\"))", out);
        if (c->operand_choices && !strcmp(c->operand_choices, "FILE")) {
            fputs("; else COMPREPLY=($(compgen -f -- \"$cur\"))", out);
        } else if (c->operand_choices) {
            fputs("; else COMPREPLY=($(compgen -W \"", out);
            if (!strcmp(c->operand_choices, "COMMAND")) first_words(out, " ");
            else bash_words(out, c->operand_choices);
            fputs("\" -- \"$cur\"))", out);
        }
        fputs("; fi ;;\n", out);
    }
    fputs("  esac\n"
          "}\n"
          "complete -o filenames -F _provmat provmat\n",
          out);
}

static void zsh(FILE *out)
{
    fputs("#compdef provmat\n"
          "autoload -U +X bashcompinit && bashcompinit\n",
          out);
    bash(out);
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
        bash_words(out, o->choices);
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
        if (!strcmp(c->operand_choices, "COMMAND")) first_words(out, " ");
        else bash_words(out, c->operand_choices);
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
