/* commands_test.c: the table of commands keeps the promises that the parser, the help and the completions rely on. */
#include <criterion/criterion.h>

#include "cli/command.h"
#include "common/base/nearest.h"

static const struct pm_option *find(const struct pm_command *command, const char *name)
{
    const struct pm_option *option;
    for (size_t i = 0; (option = pm_option_at(command, i)); i++)
        if (!strcmp(option->name, name)) return option;
    return NULL;
}

static void check_text(const char *text, const char *where)
{
    size_t len = strlen(text);
    cr_assert(len > 0 && text[len - 1] != '.', "%s: \"%s\" ends in a full stop", where, text);
    cr_assert(text[0] < 'A' || text[0] > 'Z', "%s: \"%s\" begins with a capital", where, text);
}

Test(commands, say_what_help_needs)
{
    for (const struct pm_command *c = pm_commands; c->name; c++) {
        cr_assert(c->run && c->summary && c->description && c->examples[0].command, "%s", c->name);
        check_text(c->summary, c->name);
        cr_assert(!c->examples[PM_CLI_EXAMPLES_MAX - 1].command && !c->options[PM_CLI_OPTIONS_MAX - 1].name,
                  "%s: no end", c->name);
        cr_assert(c->operands_min <= c->operands_max && !c->operands == !c->operands_max, "%s", c->name);
        const char *space = strchr(c->name, ' ');
        cr_assert(!space || !strchr(space + 1, ' '), "%s: more than two words", c->name);
        cr_assert_eq(pm_command_find(c->name), c, "%s stands there twice", c->name);
    }
}

Test(commands, groups_and_commands_fit)
{
    for (const struct pm_command_group *g = pm_command_groups; g->name; g++) {
        size_t members = 0;
        for (const struct pm_command *c = pm_commands; c->name; c++) members += pm_command_in_group(c, g);
        cr_assert_gt(members, 1, "%s", g->name);
        cr_assert_null(pm_command_find(g->name));
    }
    for (const struct pm_command *c = pm_commands; c->name; c++) {
        char group[64];
        snprintf(group, sizeof group, "%.*s", (int)strcspn(c->name, " "), c->name);
        if (strchr(c->name, ' ')) cr_assert_not_null(pm_command_group_find(group), "%s has no group", c->name);
    }
}

/* A flag may stand before its command, so what it takes must not depend on the command. */
Test(commands, a_name_of_a_flag_means_one_thing)
{
    for (const struct pm_command *c = pm_commands; c->name; c++) {
        const struct pm_option *o, *other;
        for (size_t i = 0; (o = pm_option_at(c, i)); i++) {
            cr_assert_eq(find(c, o->name), o, "%s: --%s stands there twice", c->name, o->name);
            cr_assert_eq(o->kind == PM_OPTION_FLAG, o->value == NULL, "%s --%s", c->name, o->name);
            cr_assert_eq(o->kind == PM_OPTION_CHOICE, o->choices != NULL, "%s --%s", c->name, o->name);
            check_text(o->help, o->name);
            for (const struct pm_command *d = pm_commands; d->name; d++)
                if ((other = find(d, o->name)))
                    cr_assert_eq(other->kind, o->kind, "--%s differs between %s and %s", o->name, c->name, d->name);
        }
        for (o = c->options; o->name; o++) cr_assert_eq(o->letter, 0, "%s --%s has a letter", c->name, o->name);
    }
}

static const char *suggestion(const char *word, const char *const *candidates)
{
    struct pm_nearest s = {.typed = pm_slice_cstr(word)};
    for (; *candidates; candidates++) pm_nearest_try(&s, *candidates);
    const char *best = pm_nearest_best(&s);
    return best ? best : "";
}

Test(suggest, finds_what_is_near_and_nothing_else)
{
    static const char *const names[] = {"emit", "replay", "materialize", "rebuild", "verify", "stats", NULL};
    cr_assert_str_eq(suggestion("emti", names), "emit");
    cr_assert_str_eq(suggestion("emi", names), "emit");
    cr_assert_str_eq(suggestion("mat", names), "materialize");
    cr_assert_str_eq(suggestion("matreialise", names), "materialize");
    cr_assert_str_eq(suggestion("stat", names), "stats");
    cr_assert_str_eq(suggestion("frobnicate", names), "");
    cr_assert_str_eq(suggestion("x", names), "");
    cr_assert_str_eq(suggestion("", names), "");
    char word[200];
    memset(word, 'e', sizeof word - 1);
    word[sizeof word - 1] = 0;
    cr_assert_str_eq(suggestion(word, names), "");
}

Test(count, is_grouped_by_thousands)
{
    char out[32];
    cr_assert_str_eq(pm_count_format(0, out), "0");
    cr_assert_str_eq(pm_count_format(999, out), "999");
    cr_assert_str_eq(pm_count_format(1000, out), "1,000");
    cr_assert_str_eq(pm_count_format(12345678, out), "12,345,678");
    cr_assert_str_eq(pm_count_format(UINT64_MAX, out), "18,446,744,073,709,551,615");
}
