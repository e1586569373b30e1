/* event_rules.h: the rules of an event for the reader of JSON lines, which has made sure of some of them while reading.
 * Private to event_check.c and event_json.c. */
#ifndef PM_EVENT_EVENT_RULES_H
#define PM_EVENT_EVENT_RULES_H

#include "common/event/event.h"

enum pm_event_trust {
    PM_TRUST_NOTHING, /* bytes from the log */
    PM_TRUST_TEXT, /* all text is UTF-8; params is canonical text that this program wrote; objects are checked, compact
                      JSON */
};

int pm_event_check_read(const struct pm_event *ev, enum pm_event_trust trust, struct pm_error *err) PM_MUST_CHECK;
int pm_event_complete_read(struct pm_event *ev, bool time_given, enum pm_event_trust trust, struct pm_arena *arena,
                           struct pm_buf *scratch, struct pm_error *err) PM_MUST_CHECK;

#endif
