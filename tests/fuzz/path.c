/* path.c: the path of a result. Accepted exactly when the rule, written here a second time and plainly, accepts. */
#include "common/base/number.h"
#include "common/event/event.h"
#include "tests/fuzz/support/fuzz.h"

static bool segment_ok(struct pm_slice s) { return s.len > 0 && !pm_slice_is(s, ".") && !pm_slice_is(s, ".."); }

static bool plain_rule(struct pm_slice path)
{
    if (path.len == 0 || path.len > PM_PATH_BYTES_MAX || memchr(path.ptr, 0, path.len)) return false;
    if (!pm_utf8_valid(path)) return false;
    size_t start = 0;
    for (size_t i = 0; i <= path.len; i++) {
        if (i < path.len && path.ptr[i] != '/') continue;
        if (!segment_ok(pm_slice(path.ptr + start, i - start))) return false;
        start = i + 1;
    }
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pm_slice path = pm_slice(data, size);
    struct pm_error err;
    int rc = pm_path_check("result", path, &err);
    PM_CHECK((rc == PM_OK) == plain_rule(path));
    PM_CHECK(rc == PM_OK || rc == PM_EINVALID || rc == PM_ELIMIT);
    return 0;
}
