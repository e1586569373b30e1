/* url_test.c: URLs as they may be shown. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "common/base/url.h"

static void shown_as(const char *url, const char *expected, const char *wiped)
{
    char *shown = pm_url_masked(url), *copy = strdup(url);
    pm_url_wipe(copy);
    cr_assert_str_eq(shown, expected);
    cr_assert_str_eq(copy, wiped);
    free(shown);
    free(copy);
}

Test(url, user_and_password_are_not_shown)
{
    shown_as("http://me:pw@host:1/p", "http://***@host:1/p", "http://*****@host:1/p");
    shown_as("https://token@host", "https://***@host", "https://*****@host");
    shown_as("http://me:p@w/x@host/p", "http://***@host/p", "http://********@host/p"); /* not escaped */
    shown_as("me:pw@host", "***@host", "*****@host");
    shown_as("http://host/p", "http://host/p", "http://host/p");
    shown_as("http://@host", "http://@host", "http://@host");
    shown_as("", "", "");
}
