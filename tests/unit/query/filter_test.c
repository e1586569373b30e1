/* filter_test.c: what --param and --bundle mean. */
#include <criterion/criterion.h>

#include "query/reading.h"

static void expect_param(const char *text, const char *name, const char *value)
{
    struct pm_arena arena = {0};
    struct pm_param_filter filter = {0};
    struct pm_error err = {0};
    cr_assert_eq(pm_filter_param(text, &arena, &filter, &err), PM_OK, "%s: %s", text, err.text);
    cr_assert(pm_slice_is(filter.name, name), "%s: name %.*s", text, PM_SLICE_ARG(filter.name));
    cr_assert(pm_slice_is(filter.value, value), "%s: value %.*s", text, PM_SLICE_ARG(filter.value));
    pm_arena_release(&arena);
}

Test(filter, reads_numbers_as_params_spell_them)
{
    expect_param("beta=0.5", "beta", "0.5");
    expect_param("beta=0.50", "beta", "0.5");
    expect_param("beta=5e-1", "beta", "0.5");
    expect_param("n=1", "n", "1");
    expect_param("n=1.0", "n", "1.0");
    expect_param("n=1e0", "n", "1.0");
    expect_param("n=-0.0", "n", "-0.0");
    expect_param("n=12345678901234567890123", "n", "12345678901234567890123");
    expect_param("n=1e-5", "n", "1e-05");
}

Test(filter, reads_words_and_quoted_texts_as_strings)
{
    expect_param("mode=fast", "mode", "\"fast\"");
    expect_param("mode=\"fast\"", "mode", "\"fast\"");
    expect_param("mode=\"0.5\"", "mode", "\"0.5\"");
    expect_param("mode=\"a\\u0041\"", "mode", "\"aA\"");
    expect_param("mode=a=b", "mode", "\"a=b\"");
    expect_param("mode=", "mode", "\"\"");
    expect_param("mode=\"open", "mode", "\"\\\"open\"");
    expect_param("mode=1e999", "mode", "\"1e999\"");
    expect_param("mode=1,\"y\":2", "mode", "\"1,\\\"y\\\":2\"");
    expect_param("mode=null", "mode", "\"null\"");
    expect_param("mode=True", "mode", "\"True\"");
    expect_param("größe=日", "größe", "\"日\"");
}

Test(filter, reads_true_and_false)
{
    expect_param("flag=true", "flag", "true");
    expect_param("flag=false", "flag", "false");
}

Test(filter, refuses_a_param_without_name_or_value)
{
    struct pm_arena arena = {0};
    struct pm_param_filter filter;
    struct pm_error err = {0};
    cr_assert_eq(pm_filter_param("beta", &arena, &filter, &err), PM_EUSAGE);
    cr_assert_str_eq(err.text, "--param: \"beta\" has no \"=\"; write NAME=VALUE");
    cr_assert_eq(pm_filter_param("=1", &arena, &filter, &err), PM_EUSAGE);
    cr_assert_str_eq(err.text, "--param: \"=1\" has no name before the \"=\"; write NAME=VALUE");
    pm_arena_release(&arena);
}

static int bundle(const char *text, char *out, struct pm_error *err)
{
    struct pm_arena arena = {0};
    struct pm_slice digits = {0};
    int rc = pm_filter_bundle(text, &arena, &digits, err);
    memcpy(out, digits.ptr ? digits.ptr : "", digits.len);
    out[digits.len] = '\0';
    pm_arena_release(&arena);
    return rc;
}

Test(filter, takes_six_to_sixty_four_digits_of_a_digest)
{
    char out[80];
    struct pm_error err = {0};
    const char *all = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    cr_assert_eq(bundle("abcdef", out, &err), PM_OK);
    cr_assert_str_eq(out, "abcdef");
    cr_assert_eq(bundle("sha256:ABCDEF1", out, &err), PM_OK);
    cr_assert_str_eq(out, "abcdef1");
    cr_assert_eq(bundle(all, out, &err), PM_OK);
    cr_assert_str_eq(out, all);
    cr_assert_eq(bundle("abcde", out, &err), PM_EUSAGE);
    cr_assert_str_eq(err.text, "--bundle: \"abcde\" has 5 digits; write 6 to 64 of them");
    cr_assert_eq(bundle("sha256:", out, &err), PM_EUSAGE);
    cr_assert_eq(bundle("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0", out, &err), PM_EUSAGE);
    cr_assert_eq(bundle("abcdeg1", out, &err), PM_EUSAGE);
    cr_assert_str_eq(err.text, "--bundle: \"abcdeg1\" is no digest: 'g' is not a hexadecimal digit");
}
