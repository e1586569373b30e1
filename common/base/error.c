/* error.c: codes, their class, exit status and text; all from the one list in error.h. */
#include "common/base/error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct {
    enum pm_error_class class;
    int exit_status;
    const char *name;
} codes[PM_CODE_COUNT] = {
#define X(code, class_, status, name) [code] = {class_, status, name},
    PM_ERROR_CODES(X)
#undef X
};

static void format(char *text, const char *fmt, va_list args)
{
    int n = vsnprintf(text, PM_ERROR_TEXT_MAX, fmt, args);
    if (n >= PM_ERROR_TEXT_MAX) memcpy(text + PM_ERROR_TEXT_MAX - 4, "...", 4);
}

int pm_error_set(struct pm_error *err, enum pm_code code, const char *fmt, ...)
{
    if (err) {
        va_list args;
        va_start(args, fmt);
        format(err->text, fmt, args);
        va_end(args);
        err->code = code;
    }
    return code;
}

int pm_error_wrap(struct pm_error *err, int code, const char *fmt, ...)
{
    if (err && code != PM_OK) {
        char inner[PM_ERROR_TEXT_MAX], prefix[PM_ERROR_TEXT_MAX];
        memcpy(inner, err->text, sizeof inner);
        va_list args;
        va_start(args, fmt);
        format(prefix, fmt, args);
        va_end(args);
        pm_error_set(err, (enum pm_code)code, "%s: %s", prefix, inner);
    }
    return code;
}

const char *pm_error_system(int number)
{
    switch (number) {
    case EMFILE: return "too many open files; raise the limit, as with: ulimit -n 1024";
    case ENFILE: return "too many open files in the whole system; end some programs";
    case ENOSPC: return "no space left on the device; make some and run this again";
    case EDQUOT: return "the disk quota is used up; make some space and run this again";
    case EROFS: return "the file system is read-only; mount it for writing, or name another directory";
    case EACCES:
    case EPERM: return "permission denied; see who may with: ls -ld, or name another directory";
    default: return strerror(number);
    }
}

static int known(int code) { return code >= 0 && code < PM_CODE_COUNT ? code : PM_EIO; }
enum pm_error_class pm_error_class(int code) { return codes[known(code)].class; }
int pm_error_exit_status(int code) { return codes[known(code)].exit_status; }
const char *pm_error_name(int code) { return codes[known(code)].name; }
