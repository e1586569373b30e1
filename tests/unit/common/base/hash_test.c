/* hash_test.c: published vectors for BLAKE2b and CRC-32C, and what a table needs from pm_hash64. */
#include "common/base/hash.h"

#include <criterion/criterion.h>

#include "common/base/number.h"

static const char *hex_of_blake2b(size_t size, const struct pm_slice *parts, size_t n_parts)
{
    static char text[129];
    unsigned char digest[64];
    pm_blake2b(digest, size, parts, n_parts);
    pm_hex_encode(digest, size, text);
    text[2 * size] = '\0';
    return text;
}

Test(hash, blake2b_gives_the_published_digests)
{
    struct pm_slice abc = PM_SLICE("abc");
    cr_assert_str_eq(hex_of_blake2b(64, &abc, 1), "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1"
                                                  "7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923");
    cr_assert_str_eq(hex_of_blake2b(16, &abc, 1), "cf4ab791c62b8d2b2109c90275287816");
    cr_assert_str_eq(hex_of_blake2b(32, NULL, 0), "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8");
}

Test(hash, blake2b_of_parts_is_that_of_the_whole)
{
    char text[300];
    for (size_t i = 0; i < sizeof text; i++) text[i] = (char)(i * 7);
    struct pm_slice whole = pm_slice(text, sizeof text);
    char expected[65];
    memcpy(expected, hex_of_blake2b(32, &whole, 1), 65);
    for (size_t cut = 0; cut <= sizeof text; cut += 25) {
        struct pm_slice parts[3] = {pm_slice(text, cut), {NULL, 0}, pm_slice(text + cut, sizeof text - cut)};
        cr_assert_str_eq(hex_of_blake2b(32, parts, 3), expected);
    }
}

Test(hash, hash128_orders_as_its_bytes)
{
    struct pm_hash128 hash = pm_hash128(PM_SLICE("abc"));
    cr_assert_eq(hash.hi, 0xcf4ab791c62b8d2bu);
    cr_assert_eq(hash.lo, 0x2109c90275287816u);
}

Test(hash, a_group_gives_what_one_gives)
{
    char text[PM_HASH_GROUP_BYTES];
    struct pm_hash_group group = {.count = 0};
    struct pm_hash128 hashes[PM_HASH_GROUP];
    size_t lens[PM_HASH_GROUP];
    for (size_t i = 0; i < sizeof text; i++) text[i] = (char)(i * 31 + 5);
    for (size_t first = 0; first <= sizeof text; first++) {
        unsigned n = first % 5 ? PM_HASH_GROUP
                               : first % PM_HASH_GROUP; /* also groups that are not full, and empty ones */
        for (unsigned i = 0; i < n; i++) {
            lens[i] = (first + 43 * (size_t)i) % (sizeof text + 1);
            pm_hash_group_add(&group, pm_slice(text, lens[i]));
        }
        pm_hash_group_finish(&group, hashes);
        cr_assert_eq(group.count, 0);
        for (unsigned i = 0; i < n; i++) {
            struct pm_hash128 alone = pm_hash128(pm_slice(text, lens[i]));
            cr_assert(hashes[i].hi == alone.hi && hashes[i].lo == alone.lo, "%zu bytes in lane %u", lens[i], i);
        }
    }
}

Test(hash, crc32c_gives_the_published_values)
{
    char zeros[32] = {0}, ones[32], ramp[32];
    memset(ones, 0xff, sizeof ones);
    for (int i = 0; i < 32; i++) ramp[i] = (char)i;
    cr_assert_eq(pm_crc32c(0, "123456789", 9), 0xe3069283u);
    cr_assert_eq(pm_crc32c(0, zeros, 32), 0x8a9136aau);
    cr_assert_eq(pm_crc32c(0, ones, 32), 0x62a8ab43u);
    cr_assert_eq(pm_crc32c(0, ramp, 32), 0x46dd794eu);
    cr_assert_eq(pm_crc32c(0, "", 0), 0);
}

Test(hash, crc32c_is_the_same_with_and_without_the_instruction_and_in_pieces)
{
    char text[1700]; /* three times round the lanes and some */
    for (size_t i = 0; i < sizeof text; i++) text[i] = (char)(i * 31 + 5);
    for (size_t len = 0; len <= sizeof text; len++) {
        uint32_t crc = pm_crc32c(0, text, len);
        cr_assert_eq(crc, pm_crc32c_portable(0, text, len));
        cr_assert_eq(crc, pm_crc32c(pm_crc32c(0, text, len / 3), text + len / 3, len - len / 3));
    }
}

Test(hash, hash64_tells_length_seed_and_every_byte_apart)
{
    char text[40] = {0};
    uint64_t seen[2 * (sizeof text + 1)];
    size_t n = 0;
    for (size_t len = 0; len <= sizeof text; len++) {
        seen[n++] = pm_hash64(text, len, 0);
        seen[n++] = pm_hash64(text, len, 1);
    }
    for (size_t i = 0; i < n; i++) {
        for (size_t j = i + 1; j < n; j++) cr_assert_neq(seen[i], seen[j]);
    }
    for (size_t len = 1; len <= sizeof text; len++) {
        uint64_t before = pm_hash64(text, len, 0);
        for (size_t at = 0; at < len; at++) {
            text[at] ^= 1;
            cr_assert_neq(pm_hash64(text, len, 0), before, "byte %zu of %zu does not count", at, len);
            text[at] ^= 1;
        }
    }
}

Test(hash, hash64_spreads_counting_numbers_over_a_table)
{
    static unsigned char slots[4096];
    int collisions = 0;
    for (uint64_t i = 0; i < 4096; i++) {
        uint64_t at = pm_hash64(&i, sizeof i, 0) % 4096;
        collisions += slots[at] > 0;
        slots[at] = 1;
    }
    cr_assert_lt(collisions, 1700); /* chance alone gives 4096/e = 1507, standard deviation about 30 */
}
