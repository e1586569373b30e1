/* given.c: structs that begin with their size (given.h). */
#include "common/base/given.h"

#include <string.h>

int pm_given_take(void *own, size_t own_size, const void *given, const char *name, struct pm_error *err)
{
    size_t size;
    if (!given) return pm_error_set(err, PM_EINVALID, "struct %s is missing (NULL)", name);
    memcpy(&size, given, sizeof size);
    if (size < sizeof size || size > PM_GIVEN_BYTES_MAX)
        return pm_error_set(err, PM_EINVALID, "size of struct %s is %zu; set it to sizeof(struct %s)", name, size,
                            name);
    for (size_t i = own_size; i < size; i++) {
        if (((const char *)given)[i])
            return pm_error_set(err, PM_EINVALID,
                                "struct %s of %zu bytes sets what this library (%s) does not know; use a newer one",
                                name, size, PROVMAT_VERSION);
    }
    memset(own, 0, own_size);
    memcpy(own, given, size < own_size ? size : own_size);
    return PM_OK;
}
