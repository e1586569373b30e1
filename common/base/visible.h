/* visible.h: text of anyone's making, for a terminal. No state; any thread. */
#ifndef PM_BASE_VISIBLE_H
#define PM_BASE_VISIBLE_H

#include "common/base/buf.h"

/* Appends the text with what a terminal would obey (control characters of ASCII, and of Latin-1 in UTF-8) as "\x1b".
 * Characters of `kept` stay as they are. */
void pm_visible_add(struct pm_buf *out, struct pm_slice text, const char *kept);

#endif
