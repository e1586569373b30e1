/* url.h: URLs as they may be shown. No state; any thread. */
#ifndef PM_BASE_URL_H
#define PM_BASE_URL_H

#include <stdbool.h>

/* The URL with three stars for its user and password; all before the last "@", because a password that was not
 * escaped may hold any character. Other texts as they are. The caller frees it. */
char *pm_url_masked(const char *url);

/* Writes "*" over the user and password of the URL in place. */
void pm_url_wipe(char *url);

#endif
