/* config_lines.c: a configuration file as lines of NAME=VALUE. */
#include "cli/config_lines.h"

#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

typedef int each_fn(void *arg, const char *name, const char *value, const char *where, struct pm_error *err);

/* Cuts blanks at both ends, in place. */
static char *trim(char *text)
{
    while (isspace((unsigned char)*text)) text++;
    size_t n = strlen(text);
    while (n > 0 && isspace((unsigned char)text[n - 1])) text[--n] = 0;
    return text;
}

int pm_config_not_a_setting(const char *where, const char *text, const char *then, struct pm_error *err)
{
    return pm_error_set(err, PM_EUSAGE, "%s: \"%.*s\" is not NAME=VALUE%s", where, (int)strcspn(text, " \t:="), text,
                        then);
}

static int read_line(char *line, const char *path, unsigned number, each_fn *each, void *arg, struct pm_error *err)
{
    char *text = trim(line);
    if (!text[0] || text[0] == '#') return PM_OK;
    char *equals = strchr(text, '='), where[PATH_MAX + 16];
    snprintf(where, sizeof where, "%s:%u", path, number);
    if (!equals) return pm_config_not_a_setting(where, text, "", err);
    *equals = 0;
    char *name = trim(text), *value = trim(equals + 1);
    if (!name[0]) return pm_error_set(err, PM_EUSAGE, "%s: there is no name before \"=\"", where);
    return each(arg, name, value, where, err);
}

int pm_config_lines(char *text, size_t len, const char *path, each_fn *each, void *arg, struct pm_error *err)
{
    char *line = text, *end = text + len;
    if (len >= 3 && !memcmp(line, "\xEF\xBB\xBF", 3)) line += 3;
    for (unsigned number = 1; line < end; number++) {
        char *newline = memchr(line, '\n', (size_t)(end - line));
        char *stop = newline ? newline : end;
        *stop = 0;
        if (strlen(line) != (size_t)(stop - line))
            return pm_error_set(err, PM_EUSAGE, "%s:%u: a NUL byte: this is not a configuration file", path, number);
        PM_TRY(read_line(line, path, number, each, arg, err));
        line = stop + 1;
    }
    return PM_OK;
}
