/* fuzz.h: what the fuzz targets share. A target is one file tests/fuzz/NAME.c with LLVMFuzzerTestOneInput: any bytes go
 * in, and every property that must hold of them is a PM_CHECK, which aborts. `make fuzz` links a target with libFuzzer;
 * any other build links it with replay.c, which runs the corpus through it. */
#ifndef PM_FUZZ_H
#define PM_FUZZ_H

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/check.h"
#include "common/store/kv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Takes pieces off the front of the input; past its end everything is zero or empty. */
struct fuzz_input {
    const uint8_t *p, *end;
};
static inline struct fuzz_input fuzz_input(const uint8_t *data, size_t size)
{
    return (struct fuzz_input){data, data + size};
}
static inline uint8_t fuzz_byte(struct fuzz_input *in) { return in->p < in->end ? *in->p++ : 0; }
static inline struct pm_slice fuzz_bytes(struct fuzz_input *in, size_t max)
{
    size_t left = (size_t)(in->end - in->p), n = max < left ? max : left;
    struct pm_slice s = pm_slice(in->p, n);
    in->p += n;
    return s;
}
static inline struct pm_slice fuzz_text(struct fuzz_input *in) { return fuzz_bytes(in, fuzz_byte(in)); }
static inline struct pm_slice fuzz_rest(struct fuzz_input *in) { return fuzz_bytes(in, SIZE_MAX); }

/* A copy in memory of exactly its length, so that the address sanitizer sees a read past it. */
struct pm_slice fuzz_exact(struct pm_slice s);
void fuzz_free(struct pm_slice exact);

/* A write transaction over an environment of the process's own, in memory where the system has such a place. Nothing is
 * ever committed: the caller aborts, and the next input finds nothing. */
struct pm_kv_txn *fuzz_txn(void);

#endif
