/* time.c: RFC 3339 text <-> microseconds. Proleptic Gregorian by arithmetic, so that neither locale nor TZ nor the C
 * library's tables have a say. Pure but for the two clocks: any thread. */
#include "common/base/time.h"

#include <time.h>

#include "common/base/check.h"

#define SECOND_US 1000000LL
#define DAY_US (86400 * SECOND_US)

/* Days since 1970-01-01. Years are counted from March, so that the leap day is the last of its year: days before a
 * month is then one linear formula, and 400 years have 146097 days. */
static int64_t days_from_date(int64_t year, int month, int day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

static void date_from_days(int64_t days, int *year, int *month, int *day)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int day_of_era = (int)(days - era * 146097);
    int year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int shifted = (5 * day_of_year + 2) / 153; /* 0 is March */
    *day = day_of_year - (153 * shifted + 2) / 5 + 1;
    *month = shifted < 10 ? shifted + 3 : shifted - 9;
    *year = (int)(year_of_era + era * 400) + (*month <= 2);
}

static int days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap);
}

/* ---- reading ---- */

static bool digits_at(const char *p, int n, int *ret)
{
    int value = 0;
    for (int i = 0; i < n; i++) {
        if ((unsigned char)(p[i] - '0') > 9) return false;
        value = value * 10 + (p[i] - '0');
    }
    *ret = value;
    return true;
}

static int refuse(struct pm_slice text, const char *why, struct pm_error *err)
{
    struct pm_slice shown = text.len > 64 ? pm_slice(text.ptr, 64) : text;
    return pm_error_set(err, PM_EINVALID, "time \"%.*s\"%s %s", PM_SLICE_ARG(shown), text.len > 64 ? "..." : "", why);
}

/* "Z" or "+hh:mm" at p, which must reach to `end` */
static bool offset_at(const char *p, const char *end, int64_t *ret_us)
{
    if (end - p == 1 && (*p == 'Z' || *p == 'z')) {
        *ret_us = 0;
        return true;
    }
    int hour, minute;
    if (end - p != 6 || (*p != '+' && *p != '-') || p[3] != ':') return false;
    if (!digits_at(p + 1, 2, &hour) || !digits_at(p + 4, 2, &minute) || hour > 23 || minute > 59) return false;
    int64_t us = (hour * 60 + minute) * 60 * SECOND_US;
    *ret_us = *p == '-' ? -us : us;
    return true;
}

int pm_time_parse(struct pm_slice text, int64_t *ret_us, struct pm_error *err)
{
    static const char form[] = "is not of the form 2026-01-05T09:00:00.000000Z";
    const char *p = text.ptr, *end = text.ptr + text.len;
    int year, month, day, hour, minute, second;
    if (text.len < 19 || !digits_at(p, 4, &year) || p[4] != '-' || !digits_at(p + 5, 2, &month) || p[7] != '-' ||
        !digits_at(p + 8, 2, &day) || (p[10] != 'T' && p[10] != 't' && p[10] != ' ') || !digits_at(p + 11, 2, &hour) ||
        p[13] != ':' || !digits_at(p + 14, 2, &minute) || p[16] != ':' || !digits_at(p + 17, 2, &second)) {
        return refuse(text, form, err);
    }
    if (month < 1 || month > 12 || day < 1 || day > days_in_month(year, month))
        return refuse(text, "names a day that does not exist", err);
    if (hour > 23 || minute > 59 || second > 59) return refuse(text, "names a time of day that does not exist", err);
    p += 19;
    int64_t fraction_us = 0;
    if (p < end && *p == '.') {
        int64_t unit_us = SECOND_US / 10;
        const char *first = ++p;
        for (; p < end && (unsigned char)(*p - '0') <= 9; p++, unit_us /= 10) fraction_us += (*p - '0') * unit_us;
        if (p == first) return refuse(text, form, err);
    }
    if (p == end)
        return refuse(text,
                      "has no offset: end it with Z for UTC or with the offset, for example 2026-01-05T09:00:00Z or "
                      "2026-01-05T10:00:00+01:00",
                      err);
    int64_t offset_us;
    if (!offset_at(p, end, &offset_us)) return refuse(text, form, err);
    int64_t us = days_from_date(year, month, day) * DAY_US + ((hour * 60 + minute) * 60 + second) * SECOND_US +
                 fraction_us - offset_us;
    if (us < PM_TIME_MIN || us > PM_TIME_MAX) return refuse(text, "is outside the years 0001..9999 in UTC", err);
    *ret_us = us;
    return PM_OK;
}

/* ---- writing ---- */

static char *put_digits(char *p, int n, int value)
{
    for (int i = n - 1; i >= 0; i--, value /= 10) p[i] = (char)('0' + value % 10);
    return p + n;
}

size_t pm_time_format(int64_t us, char out[PM_TIME_TEXT_SIZE])
{
    PM_CHECK(us >= PM_TIME_MIN && us <= PM_TIME_MAX);
    int64_t days = us / DAY_US, rest = us % DAY_US;
    if (rest < 0) {
        days--;
        rest += DAY_US;
    }
    int year, month, day, second = (int)(rest / SECOND_US);
    date_from_days(days, &year, &month, &day);
    char *p = put_digits(out, 4, year);
    *p++ = '-';
    p = put_digits(p, 2, month);
    *p++ = '-';
    p = put_digits(p, 2, day);
    *p++ = 'T';
    p = put_digits(p, 2, second / 3600);
    *p++ = ':';
    p = put_digits(p, 2, second / 60 % 60);
    *p++ = ':';
    p = put_digits(p, 2, second % 60);
    *p++ = '.';
    p = put_digits(p, 6, (int)(rest % SECOND_US));
    *p++ = 'Z';
    *p = '\0';
    return (size_t)(p - out);
}

/* ---- clocks ---- */

static int64_t clock_us(clockid_t id)
{
    struct timespec now;
    PM_CHECK(clock_gettime(id, &now) == 0);
    return (int64_t)now.tv_sec * SECOND_US + now.tv_nsec / 1000;
}

int64_t pm_time_now_us(void) { return clock_us(CLOCK_REALTIME); }
int64_t pm_time_monotonic_us(void) { return clock_us(CLOCK_MONOTONIC); }

void pm_time_cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &monotonic);
    pthread_condattr_destroy(&monotonic);
}
