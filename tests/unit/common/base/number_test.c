/* number_test.c: doubles laid out as Python's repr, numbers of JSON and integers to the last of their range,
 * hexadecimal. */
#include "common/base/number.h"

#include <criterion/criterion.h>
#include <math.h>

/* Python: print(value.hex(), repr(value)) */
static const struct {
    double value;
    const char *text;
} doubles[] = {
    {0x0.0p+0, "0.0"},
    {-0x0.0p+0, "-0.0"},
    {0x1.0000000000000p+0, "1.0"},
    {-0x1.0000000000000p+0, "-1.0"},
    {0x1.999999999999ap-4, "0.1"},
    {0x1.0000000000000p-1, "0.5"},
    {0x1.9000000000000p+6, "100.0"},
    {0x1.d6f3454000000p+26, "123456789.0"},
    {0x1.031930aaaaaabp+22, "4245068.166666667"},
    {0x1.a36e2eb1c432dp-14, "0.0001"},
    {0x1.02e4b6ce5dc68p-13, "0.00012345"},
    {0x1.4f8b588e368f1p-17, "1e-05"},
    {0x1.a36371ea531a8p-14, "9.999e-05"},
    {0x1.c6bf526340000p+49, "1000000000000000.0"},
    {0x1.c6bf52633ffffp+49, "999999999999999.9"},
    {0x1.c6bf526340000p+49, "1000000000000000.0"},
    {0x1.1c37937e07fffp+53, "9999999999999998.0"},
    {0x1.1c37937e08000p+53, "1e+16"},
    {0x1.b69b4ba630f35p+56, "1.2345678901234568e+17"},
    {0x1.0f0cf064dd592p+73, "1e+22"},
    {0x1.52d02c7e14af6p+76, "1e+23"},
    {0x1.249ad2594c37dp+332, "1e+100"},
    {0x0.0000000000001p-1022, "5e-324"},
    {0x1.0000000000000p-1022, "2.2250738585072014e-308"},
    {0x0.fffffffffffffp-1022, "2.225073858507201e-308"},
    {0x1.fffffffffffffp+1023, "1.7976931348623157e+308"},
    {-0x1.1126666666666p+8, "-273.15"},
    {0x1.3333333333334p-2, "0.30000000000000004"},
    {0x1.5555555555555p-1, "0.6666666666666666"},
    {0x1.ad7f29abcaf48p-24, "1e-07"},
    {0x1.6b082c2148b8ep-60, "1.23e-18"},
    {0x1.0000000000000p+53, "9007199254740992.0"},
    {0x1.0000000000000p+53, "9007199254740992.0"},
    {0x1.fe185ca57c517p+78, "6.02214076e+23"},
};

Test(number, doubles_are_written_as_python_writes_them_and_come_back)
{
    for (size_t i = 0; i < sizeof doubles / sizeof *doubles; i++) {
        char text[PM_DOUBLE_TEXT_SIZE];
        size_t len = pm_double_format(doubles[i].value, text);
        cr_assert(pm_slice_is(pm_slice(text, len), doubles[i].text), "%s became %.*s", doubles[i].text, (int)len, text);
        double again;
        cr_assert(pm_double_parse(pm_slice_cstr(doubles[i].text), &again));
        cr_assert_eq(memcmp(&again, &doubles[i].value, sizeof again), 0, "%s", doubles[i].text);
    }
}

Test(number, any_double_comes_back)
{
    uint64_t bits = 88172645463325252u;
    for (int i = 0; i < 100000; i++) {
        bits ^= bits << 13;
        bits ^= bits >> 7;
        bits ^= bits << 17;
        double value, again;
        memcpy(&value, &bits, sizeof value);
        if (!isfinite(value)) continue;
        char text[PM_DOUBLE_TEXT_SIZE];
        size_t len = pm_double_format(value, text);
        cr_assert_leq(len, sizeof text);
        cr_assert(pm_double_parse(pm_slice(text, len), &again));
        cr_assert_eq(memcmp(&again, &value, sizeof value), 0, "%a became %.*s", value, (int)len, text);
    }
}

Test(number, doubles_beyond_the_range)
{
    double value = 42;
    const char *const large[] = {"1e999", "-1e999", "1.7976931348623159e308", "1e99999999999999999999", "123e307"};
    for (size_t i = 0; i < sizeof large / sizeof *large; i++)
        cr_assert_not(pm_double_parse(pm_slice_cstr(large[i]), &value), "%s", large[i]);
    cr_assert_eq(value, 42);
    const char *const small[] = {"1e-999", "2e-324", "1e-99999999999999999999", "0e999", "0.0001e-400", "100e-400"};
    for (size_t i = 0; i < sizeof small / sizeof *small; i++) {
        cr_assert(pm_double_parse(pm_slice_cstr(small[i]), &value), "%s", small[i]);
        cr_assert(value == 0 && !signbit(value), "%s", small[i]);
    }
    cr_assert(pm_double_parse(PM_SLICE("-1e-999"), &value) && value == 0 && signbit(value));
    cr_assert(pm_double_parse(PM_SLICE("1.7976931348623158e308"), &value) && value == 0x1.fffffffffffffp1023);
}

Test(number, only_numbers_of_json_are_numbers)
{
    const char *const no[] = {"",    "-",   "+1",  ".5",   "1.",       "01", "-01", "1e",  "1e+", "1.e5", "0x10",
                              "NaN", "nan", "inf", "-inf", "Infinity", "1 ", " 1",  "1_0", "1,0", "--1",  "1e5.0"};
    double value;
    for (size_t i = 0; i < sizeof no / sizeof *no; i++)
        cr_assert_not(pm_double_parse(pm_slice_cstr(no[i]), &value), "%s", no[i]);
    const struct {
        const char *text;
        size_t len;
        bool integer;
    } yes[] = {{"0", 1, true},   {"-0", 2, true}, {"10,", 2, true}, {"1.5e+3]", 6, false},
               {"1.x", 1, true}, {"1e", 1, true}, {"1E5", 3, false}};
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++) {
        bool integer = !yes[i].integer;
        cr_assert_eq(pm_number_length(pm_slice_cstr(yes[i].text), &integer), yes[i].len, "%s", yes[i].text);
        cr_assert_eq(integer, yes[i].integer, "%s", yes[i].text);
    }
}

Test(number, unsigned_integers)
{
    uint64_t value = 42;
    cr_assert(pm_u64_parse(PM_SLICE("18446744073709551615"), &value) && value == UINT64_MAX);
    cr_assert(pm_u64_parse(PM_SLICE("00000000000000000000000018446744073709551615"), &value) && value == UINT64_MAX);
    cr_assert(pm_u64_parse(PM_SLICE("0"), &value) && value == 0);
    value = 42;
    const char *const no[] = {
        "",   "18446744073709551616", "184467440737095516150", "99999999999999999999", "-1", "+1", " 1", "1 ", "1.0",
        "0x1"};
    for (size_t i = 0; i < sizeof no / sizeof *no; i++)
        cr_assert_not(pm_u64_parse(pm_slice_cstr(no[i]), &value), "%s", no[i]);
    cr_assert_eq(value, 42);
}

Test(number, signed_integers)
{
    int64_t value = 42;
    cr_assert(pm_i64_parse(PM_SLICE("9223372036854775807"), &value) && value == INT64_MAX);
    cr_assert(pm_i64_parse(PM_SLICE("-9223372036854775808"), &value) && value == INT64_MIN);
    cr_assert(pm_i64_parse(PM_SLICE("-0"), &value) && value == 0);
    value = 42;
    const char *const no[] = {"", "-", "9223372036854775808", "-9223372036854775809", "--1", "+1", "1e2", "1.0"};
    for (size_t i = 0; i < sizeof no / sizeof *no; i++)
        cr_assert_not(pm_i64_parse(pm_slice_cstr(no[i]), &value), "%s", no[i]);
    cr_assert_eq(value, 42);
}

Test(number, integers_are_written)
{
    char text[PM_INTEGER_TEXT_SIZE];
    cr_assert(pm_slice_is(pm_slice(text, pm_u64_format(0, text)), "0"));
    cr_assert(pm_slice_is(pm_slice(text, pm_u64_format(UINT64_MAX, text)), "18446744073709551615"));
    cr_assert(pm_slice_is(pm_slice(text, pm_i64_format(INT64_MIN, text)), "-9223372036854775808"));
    cr_assert(pm_slice_is(pm_slice(text, pm_i64_format(INT64_MAX, text)), "9223372036854775807"));
    cr_assert(pm_slice_is(pm_slice(text, pm_i64_format(-7, text)), "-7"));
}

Test(number, hexadecimal_is_lower_case_and_even)
{
    uint8_t bytes[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    char text[16];
    cr_assert(pm_hex_decode(PM_SLICE("00ff10a9"), bytes));
    cr_assert_eq(memcmp(bytes, "\x00\xff\x10\xa9\x05", 5), 0);
    pm_hex_encode("\x00\xff\x10\xa9\xde\xad\xbe\xef", 8, text);
    cr_assert(pm_slice_is(pm_slice(text, 16), "00ff10a9deadbeef"));
    cr_assert_not(pm_hex_decode(PM_SLICE("abc"), bytes));
    cr_assert_not(pm_hex_decode(PM_SLICE("AB"), bytes));
}

Test(number, every_byte_at_every_place_is_hexadecimal_or_not)
{
    for (int c = 0; c < 256; c++) {
        bool hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
        for (size_t at = 0; at < 20; at++) {
            char text[20];
            memset(text, '7', sizeof text);
            text[at] = (char)c;
            cr_assert_eq(pm_hex_valid(pm_slice(text, sizeof text)), hex, "byte 0x%02x at %zu", (unsigned)c, at);
        }
    }
}
