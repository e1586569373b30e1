/* config_lines.h: the lines of a configuration file. A line is NAME=VALUE with blanks around both, empty, or a remark
 * that begins with '#'; an UTF-8 mark at the beginning of the file is passed over. What names and values mean is
 * config.c's. */
#ifndef PM_CLI_CONFIG_LINES_H
#define PM_CLI_CONFIG_LINES_H

#include <stddef.h>

#include "common/base/error.h"

/* Calls `each` for every setting, in order, until it fails; its arguments end with the call, `where` is "PATH:LINE".
 * Cuts `text` up, which has room for one byte more than its length. PM_EUSAGE names path and line. */
int pm_config_lines(char *text, size_t len, const char *path,
                    int (*each)(void *arg, const char *name, const char *value, const char *where,
                                struct pm_error *err),
                    void *arg, struct pm_error *err) PM_MUST_CHECK;
/* What may be repeated of a text that is not NAME=VALUE: "sasl.password hunter2" ends at the blank. PM_EUSAGE. */
int pm_config_not_a_setting(const char *where, const char *text, const char *then, struct pm_error *err);

#endif
