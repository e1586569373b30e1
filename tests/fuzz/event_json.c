/* event_json.c: a line of `emit`. An event that is accepted keeps every rule, and comes back the same from its line and
 * from its record. */
#include "tests/fuzz/support/fuzz.h"
#include "tests/support/events.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct pm_arena arena;
    static struct pm_buf line, body;
    struct pm_event ev, again;
    struct pm_error err;
    pm_arena_reset(&arena);
    int rc = pm_event_from_json(pm_slice(data, size), 1700000000000000, &arena, &ev, &err);
    if (rc != PM_OK) {
        PM_CHECK(err.code == (enum pm_code)rc && pm_error_class(rc) == PM_CLASS_POISON && err.text[0]);
        return 0;
    }
    PM_CHECK(pm_event_check(&ev, NULL) == PM_OK);
    pm_buf_clear(&line);
    pm_event_to_json(&ev, pm_slice("", 0), &line);
    PM_CHECK(pm_event_from_json(pm_buf_slice(&line), 0, &arena, &again, NULL) == PM_OK);
    PM_CHECK(test_event_difference(&ev, &again) == NULL);
    pm_buf_clear(&body);
    pm_event_encode(&ev, &body);
    PM_CHECK(pm_event_decode(ev.type, pm_buf_slice(&body), &again, NULL) == PM_OK);
    PM_CHECK(test_event_difference(&ev, &again) == NULL);
    return 0;
}
