/* params.c: parameters and their canonical text. Canonical text is its own canonical text, has the id that was hashed
 * from it, and is verified exactly when writing it again changes nothing. */
#include "common/event/identity.h"
#include "tests/fuzz/support/fuzz.h"

static int verify(struct pm_slice text, struct pm_slice id)
{
    return pm_params_verify_id(text, id, pm_params_glance(text, id), NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct pm_buf first, second;
    struct pm_slice text = pm_slice(data, size), value;
    char id[64], hashed[64];
    struct pm_error err;
    pm_buf_clear(&first);
    pm_buf_clear(&second);
    int rc = pm_params_canonical(text, &first, &err);
    PM_CHECK(rc == PM_OK || pm_error_class(rc) == PM_CLASS_POISON);
    bool same = rc == PM_OK && pm_slice_eq(pm_buf_slice(&first), text) && size <= PM_PARAMS_BYTES_MAX;
    PM_CHECK((pm_params_verify(text, id, &err) == PM_OK) == same);
    if (rc != PM_OK) return 0;
    PM_CHECK(pm_params_canonical(pm_buf_slice(&first), &second, NULL) == PM_OK);
    PM_CHECK(pm_slice_eq(pm_buf_slice(&first), pm_buf_slice(&second)));
    PM_CHECK(pm_params_verify(pm_buf_slice(&first), id, NULL) == PM_OK);
    pm_param_id(pm_buf_slice(&first), hashed);
    PM_CHECK(memcmp(id, hashed, sizeof id) == 0);
    PM_CHECK(verify(pm_buf_slice(&first), pm_slice(id, 64)) == PM_OK);
    hashed[size % 64] ^= 1;
    PM_CHECK(verify(pm_buf_slice(&first), pm_slice(hashed, 64)) == PM_EINVALID);
    (void)pm_params_get(pm_buf_slice(&first), PM_SLICE("beta"), &value);
    return 0;
}
