/* config.c: a configuration file. Nothing but settings or an error with path and line comes out; the settings, written
 * as lines again, are read as the same. */
#include "cli/config_lines.h"

#include <ctype.h>

#include "tests/fuzz/support/fuzz.h"

struct settings {
    struct pm_buf text;
    unsigned count, stop_after; /* 0: never */
};

static int keep(void *arg, const char *name, const char *value, const char *where, struct pm_error *err)
{
    struct settings *s = arg;
    size_t n = strlen(name), m = strlen(value);
    PM_CHECK(n > 0 && name[0] != '#' && !strchr(name, '=') && !strchr(name, '\n') && !strchr(value, '\n'));
    PM_CHECK(!isspace((unsigned char)name[0]) && !isspace((unsigned char)name[n - 1]));
    PM_CHECK(m == 0 || (!isspace((unsigned char)value[0]) && !isspace((unsigned char)value[m - 1])));
    PM_CHECK(strncmp(where, "FILE:", 5) == 0);
    pm_buf_printf(&s->text, "%s=%s\n", name, value);
    s->count++;
    return s->count == s->stop_after ? pm_error_set(err, PM_EUSAGE, "%s: stopped", where) : PM_OK;
}

static int read_lines(struct pm_slice file, struct settings *ret, struct pm_error *err)
{
    char *text = pm_malloc(file.len + 1); /* no more room than is promised */
    if (file.len) memcpy(text, file.ptr, file.len);
    pm_buf_clear(&ret->text);
    pm_buf_byte(&ret->text, '\n'); /* a mark is passed over in the first line alone */
    ret->count = 0;
    int rc = pm_config_lines(text, file.len, "FILE", keep, ret, err);
    fuzz_free(pm_slice(text, 0));
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct settings first, again;
    struct pm_error err;
    first.stop_after = 0;
    int rc = read_lines(pm_slice(data, size), &first, &err);
    PM_CHECK(rc == PM_OK || (rc == PM_EUSAGE && strncmp(err.text, "FILE:", 5) == 0));
    if (rc != PM_OK) return 0;
    PM_CHECK(read_lines(pm_buf_slice(&first.text), &again, &err) == PM_OK);
    PM_CHECK(first.count == again.count && pm_slice_eq(pm_buf_slice(&first.text), pm_buf_slice(&again.text)));
    if (first.count == 0) return 0;
    again.stop_after = 1 + first.count / 2;
    PM_CHECK(read_lines(pm_slice(data, size), &again, &err) == (again.stop_after <= first.count ? PM_EUSAGE : PM_OK));
    again.stop_after = 0;
    return 0;
}
