/* url.c: see url.h. */
#include "common/base/url.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"

/* Where the user begins and how long it is; false: there is none. */
static bool find_user(const char *url, size_t *ret_at, size_t *ret_len)
{
    const char *scheme = strstr(url, "://"), *at = strrchr(url, '@');
    if (!at) return false;
    const char *user = scheme && scheme < at ? scheme + 3 : url;
    *ret_at = (size_t)(user - url);
    *ret_len = (size_t)(at - user);
    return true;
}

char *pm_url_masked(const char *url)
{
    struct pm_buf masked = {0};
    size_t at, len;
    if (!find_user(url, &at, &len)) at = len = 0;
    pm_buf_bytes(&masked, url, at);
    if (len) pm_buf_cstr(&masked, "***");
    pm_buf_bytes(&masked, url + at + len, strlen(url + at + len) + 1);
    return masked.ptr;
}

void pm_url_wipe(char *url)
{
    size_t at, len;
    if (find_user(url, &at, &len)) memset(url + at, '*', len);
}
