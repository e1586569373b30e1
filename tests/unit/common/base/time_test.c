/* time_test.c: RFC 3339 both ways, and what is refused. */
#include "common/base/time.h"

#include <criterion/criterion.h>

static const struct {
    const char *text;
    int64_t us;
    const char *again; /* NULL: the same text */
} times[] = {
    {"1970-01-01T00:00:00.000000Z", 0, NULL},
    {"2026-01-05T09:00:00.000000Z", 1767603600000000, NULL},
    {"2026-01-05T10:00:00+01:00", 1767603600000000, "2026-01-05T09:00:00.000000Z"},
    {"2026-01-05T03:30:00-05:30", 1767603600000000, "2026-01-05T09:00:00.000000Z"},
    {"2026-01-05t09:00:00z", 1767603600000000, "2026-01-05T09:00:00.000000Z"},
    {"2026-01-05 09:00:00.5Z", 1767603600500000, "2026-01-05T09:00:00.500000Z"},
    {"2026-01-05T09:00:00.1234569999Z", 1767603600123456, "2026-01-05T09:00:00.123456Z"},
    {"1969-12-31T23:59:59.999999Z", -1, NULL},
    {"2000-02-29T12:00:00.000000Z", 951825600000000, NULL},
    {"2000-03-01T00:00:00.000000Z", 951868800000000, NULL},
    {"1900-03-01T00:00:00.000000Z", -2203891200000000, NULL},
    {"0001-01-01T00:00:00.000000Z", PM_TIME_MIN, NULL},
    {"9999-12-31T23:59:59.999999Z", PM_TIME_MAX, NULL},
};

Test(time, reads_and_writes)
{
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        int64_t us = 42;
        struct pm_error err = {0};
        char text[PM_TIME_TEXT_SIZE];
        cr_assert_eq(pm_time_parse(pm_slice_cstr(times[i].text), &us, &err), PM_OK, "%s: %s", times[i].text, err.text);
        cr_assert_eq(us, times[i].us, "%s gave %lld", times[i].text, (long long)us);
        cr_assert_eq(pm_time_format(us, text), strlen(text));
        cr_assert_str_eq(text, times[i].again ? times[i].again : times[i].text);
    }
}

Test(time, every_day_of_eight_centuries_comes_back)
{
    int64_t day = 86400LL * 1000000;
    char before[PM_TIME_TEXT_SIZE] = "";
    for (int64_t us = PM_TIME_MIN + 1500 * 365 * day; us < PM_TIME_MIN + 2300 * 365 * day; us += day) {
        int64_t again;
        char text[PM_TIME_TEXT_SIZE];
        size_t len = pm_time_format(us, text);
        cr_assert_eq(pm_time_parse(pm_slice(text, len), &again, NULL), PM_OK, "%s", text);
        cr_assert_eq(again, us, "%s", text);
        cr_assert_lt(strcmp(before, text), 0);
        memcpy(before, text, sizeof text);
    }
}

static const struct {
    const char *text, *says;
} refused[] = {
    {"2026-01-05T09:00:00", "has no offset"},
    {"2026-01-05T09:00:00.123", "has no offset"},
    {"2026-01-05", "not of the form"},
    {"", "not of the form"},
    {"yesterday, at about noon", "not of the form"},
    {"2026-01-05T09:00:00.Z", "not of the form"},
    {"2026-01-05T09:00:00,5Z", "not of the form"},
    {"2026-01-05T09:00:00Zx", "not of the form"},
    {"2026-01-05T09:00:00+0100", "not of the form"},
    {"2026-01-05T09:00:00+24:00", "not of the form"},
    {"2026-1-05T09:00:00Z", "not of the form"},
    {"+026-01-05T09:00:00Z", "not of the form"},
    {"2026-02-29T00:00:00Z", "a day that does not exist"},
    {"1900-02-29T00:00:00Z", "a day that does not exist"},
    {"2026-13-01T00:00:00Z", "a day that does not exist"},
    {"2026-00-01T00:00:00Z", "a day that does not exist"},
    {"2026-01-00T00:00:00Z", "a day that does not exist"},
    {"2026-01-05T24:00:00Z", "a time of day that does not exist"},
    {"2026-01-05T23:60:00Z", "a time of day that does not exist"},
    {"2026-01-05T23:59:60Z", "a time of day that does not exist"},
    {"0001-01-01T00:00:00+00:01", "outside the years"},
    {"9999-12-31T23:59:59-00:01", "outside the years"},
    {"0000-06-01T00:00:00Z", "outside the years"},
};

Test(time, refuses)
{
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        int64_t us = 42;
        struct pm_error err = {0};
        cr_assert_eq(pm_time_parse(pm_slice_cstr(refused[i].text), &us, &err), PM_EINVALID, "%s", refused[i].text);
        cr_assert(strstr(err.text, refused[i].says), "%s: %s", refused[i].text, err.text);
        cr_assert(strstr(err.text, refused[i].text));
        cr_assert_eq(us, 42);
    }
}

Test(time, clocks_go_on)
{
    int64_t us = pm_time_monotonic_us();
    cr_assert_geq(pm_time_monotonic_us(), us);
    cr_assert_gt(pm_time_now_us(), 1735689600000000); /* after 2025-01-01 */
}
