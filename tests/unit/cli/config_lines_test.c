/* config_lines_test.c: the lines of a configuration file: what is a setting, and where something is wrong. */
#include "cli/config_lines.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static char seen[400];
static struct pm_error err;

static int note(void *arg, const char *name, const char *value, const char *where, struct pm_error *ret_err)
{
    size_t n = strlen(seen);
    (void)arg;
    snprintf(seen + n, sizeof seen - n, "%s|%s|%s;", where, name, value);
    return strcmp(name, "stop") ? PM_OK : pm_error_set(ret_err, PM_EUSAGE, "%s: stopped", where);
}

static int lines(const char *text, size_t len)
{
    char copy[200];
    cr_assert(len < sizeof copy);
    memcpy(copy, text, len);
    seen[0] = 0;
    return pm_config_lines(copy, len, "f", note, NULL, &err);
}

#define GOOD(file, wanted)                                 \
    do {                                                   \
        cr_assert_eq(lines(file, sizeof file - 1), PM_OK); \
        cr_assert_str_eq(seen, wanted);                    \
    } while (0)
#define BAD(file, wanted)                                      \
    do {                                                       \
        cr_assert_eq(lines(file, sizeof file - 1), PM_EUSAGE); \
        cr_assert_str_eq(err.text, wanted);                    \
    } while (0)

Test(config_lines, settings)
{
    GOOD("", "");
    GOOD("\n\n  # a=b\n#\n", "");
    GOOD("a=b", "f:1|a|b;");
    GOOD("\xEF\xBB\xBF"
         "a=b\n",
         "f:1|a|b;");
    GOOD(" a b\t=  c = d # e \r\n\r\nx=", "f:1|a b|c = d # e;f:3|x|;");
}

Test(config_lines, faults)
{
    BAD("a=b\nword\n", "f:2: \"word\" is not NAME=VALUE");
    BAD(" = b", "f:1: there is no name before \"=\"");
    BAD("a=b\0c\nd=e", "f:1: a NUL byte: this is not a configuration file");
    BAD("a=b\nstop=1\nc=d", "f:2: stopped");
    cr_assert_str_eq(seen, "f:1|a|b;f:2|stop|1;");
}
