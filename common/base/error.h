/* error.h: how a function says that it failed.
 *
 * A function that can fail returns PM_OK or a code and fills the caller's `struct pm_error` (last argument, NULL
 * allowed). Its outputs
 * (`ret_*`) stay untouched on failure. The class of a code decides what the program does next; nobody switches on
 * single codes. Wording: lower case, no final stop, the reason and the value; the innermost site says what, each layer
 * adds which (pm_error_wrap). A function either prints a diagnostic or returns an error, never both.
 */
#ifndef PM_BASE_ERROR_H
#define PM_BASE_ERROR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

/* What the caller does about it. */
enum pm_error_class {
    PM_CLASS_NONE,   /* no error */
    PM_CLASS_RETRY,  /* may work later: back off, same record */
    PM_CLASS_POISON, /* this record never will: quarantine it (or refuse the line), go on */
    PM_CLASS_USAGE,  /* the person at the terminal mends it: exit 2 */
    PM_CLASS_FATAL,  /* stop */
};

/* X(code, class, exit status of the program, short name) */
#define PM_ERROR_CODES(X)                                                                                 \
    X(PM_OK, PM_CLASS_NONE, 0, "ok")                                                                      \
    X(PM_ENOTFOUND, PM_CLASS_FATAL, 1, "not found")                                                       \
    X(PM_EDIFFERS, PM_CLASS_FATAL, 1, "a check found a difference")                                       \
    X(PM_EUSAGE, PM_CLASS_USAGE, 2, "usage")                                                              \
    X(PM_EINVALID, PM_CLASS_POISON, 6, "invalid event")  /* a field breaks a rule of the event */         \
    X(PM_EFORMAT, PM_CLASS_POISON, 6, "malformed bytes") /* not JSON, cut Avro record, bytes left over */ \
    X(PM_ESCHEMA, PM_CLASS_POISON, 6, "unknown schema")  /* fingerprint or registry id nobody knows */    \
    X(PM_ELIMIT, PM_CLASS_POISON, 6, "above a limit")                                                     \
    X(PM_EINDEX, PM_CLASS_FATAL, 3, "index") /* missing, locked, of another log, newer format */          \
    X(PM_ECORRUPT, PM_CLASS_FATAL, 3, "corrupt")                                                          \
    X(PM_EMAPFULL, PM_CLASS_RETRY, 3, "map full") /* kv: the environment must grow, then again */         \
    X(PM_ELOG, PM_CLASS_FATAL, 4, "log")          /* refused, topic missing, gap */                       \
    X(PM_ELOGAWAY, PM_CLASS_RETRY, 4, "log unreachable")                                                  \
    X(PM_ETIMEOUT, PM_CLASS_RETRY, 4, "timed out")                                                        \
    X(PM_EBEHIND, PM_CLASS_FATAL, 5, "index is behind")                                                   \
    X(PM_EIO, PM_CLASS_FATAL, 3, "i/o")                                                                   \
    X(PM_ENOMEM, PM_CLASS_FATAL, 3, "out of memory")

enum pm_code {
#define X(code, class, status, name) code,
    PM_ERROR_CODES(X)
#undef X
        PM_CODE_COUNT
};

#define PM_ERROR_TEXT_MAX 1024

struct pm_error {
    enum pm_code code;
    char text[PM_ERROR_TEXT_MAX]; /* always terminated; cut with "..." when longer */
};

#define PM_MUST_CHECK __attribute__((warn_unused_result))
#define PM_PRINTF(a, b) __attribute__((format(printf, a, b)))

/* Sets *err (NULL allowed) and returns `code`, so that a site reads `return pm_error_set(err, PM_EFORMAT, "...")`. */
int pm_error_set(struct pm_error *err, enum pm_code code, const char *fmt, ...) PM_PRINTF(3, 4);

/* Puts "prefix: " before the text of *err (NULL allowed, and nothing when err holds no error). Returns err's code. */
int pm_error_wrap(struct pm_error *err, int code, const char *fmt, ...) PM_PRINTF(3, 4);

/* What the system says with this errno, and what to do about it where there is something to do. */
const char *pm_error_system(int number);

enum pm_error_class pm_error_class(int code);
int pm_error_exit_status(int code);
const char *pm_error_name(int code);

/* The one control-flow macro: leave with the same error. */
#define PM_TRY(expr)                                                     \
    do {                                                                 \
        int pm_try_rc_ = (expr);                                         \
        if (__builtin_expect(pm_try_rc_ != PM_OK, 0)) return pm_try_rc_; \
    } while (0)

#endif
