/* hash.h: BLAKE2b (libb2) for identities, a fast 64-bit mix for tables in memory, CRC-32C for what is written to disk.
 */
#ifndef PM_BASE_HASH_H
#define PM_BASE_HASH_H

#include "common/base/slice.h"

/* Unkeyed BLAKE2b over the parts one after the other; `size` 1..64 bytes of digest into `out`. */
void pm_blake2b(void *out, size_t size, const struct pm_slice *parts, size_t n_parts);

/* The same of what comes in pieces. `finish` writes the digest (of the size given to `new`) and frees; `out` NULL: only
 * frees. */
struct pm_blake2b_stream;
struct pm_blake2b_stream *pm_blake2b_new(size_t size);
void pm_blake2b_update(struct pm_blake2b_stream *stream, const void *ptr, size_t len);
void pm_blake2b_finish(struct pm_blake2b_stream *stream, void *out);

struct pm_hash128 {
    uint64_t hi, lo; /* the 16 digest bytes as two big-endian numbers, so that order of numbers = order of bytes */
};
/* BLAKE2b-128 of a result's path: its key everywhere in the index. */
struct pm_hash128 pm_hash128(struct pm_slice bytes);

/* The same of several texts at once, where the processor can; a zeroed struct is an empty group. Texts of up to
 * PM_HASH_GROUP_BYTES are copied into it until it is full. `finish` writes as many hashes as there are texts, in their
 * order, and empties the group. */
#define PM_HASH_GROUP 4
#define PM_HASH_GROUP_BYTES 128 /* a block */
struct pm_hash_group {
    unsigned char blocks[PM_HASH_GROUP][PM_HASH_GROUP_BYTES]; /* filled up with zeros */
    uint8_t len[PM_HASH_GROUP];
    unsigned count;
};
void pm_hash_group_add(struct pm_hash_group *group, struct pm_slice bytes);
void pm_hash_group_finish(struct pm_hash_group *group, struct pm_hash128 out[PM_HASH_GROUP]);

/* Not cryptographic: 64 bits for tables in memory and for "has this been seen" comparisons. `seed` chains calls. */
uint64_t pm_hash64(const void *ptr, size_t len, uint64_t seed);

uint32_t pm_crc32c(uint32_t crc, const void *ptr, size_t len);          /* start with 0 */
uint32_t pm_crc32c_portable(uint32_t crc, const void *ptr, size_t len); /* the same on a CPU without the instruction */

#endif
