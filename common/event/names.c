/* names.c: the words that events use outside, and back. The index of a word is its enum value, in memory and on the
 * wire. Any thread. */
#include "common/base/check.h"
#include "common/event/event.h"

#define COUNT(words) (sizeof(words) / sizeof *(words))

static const char *const type_names[PM_EVENT_TYPE_COUNT] = {
#define PM_EVENT_BEGIN(TYPE, type, name) [PM_##TYPE] = name,
#include "common/event/fields.def"
};
static const char *const kind_names[] = {[PM_KIND_SIM] = "sim", [PM_KIND_AGG] = "agg"};
static const char *const source_names[] = {
    [PM_SOURCE_LOCAL] = "local",
    [PM_SOURCE_REMOTE] = "remote",
    [PM_SOURCE_SCHEDULER] = "scheduler",
    [PM_SOURCE_JOB] = "job",
};
static const char *const status_names[] = {
    [PM_STATUS_PENDING] = "pending", [PM_STATUS_RUNNING] = "running", [PM_STATUS_SUCCEEDED] = "succeeded",
    [PM_STATUS_PARTIAL] = "partial", [PM_STATUS_FAILED] = "failed",   [PM_STATUS_CANCELLED] = "cancelled",
};

static const char *name_at(const char *const *words, size_t count, size_t at)
{
    PM_CHECK(at < count);
    return words[at];
}

static bool find(const char *const *words, size_t count, struct pm_slice text, size_t *ret)
{
    for (size_t i = 0; i < count; i++) {
        if (!pm_slice_is(text, words[i])) continue;
        *ret = i;
        return true;
    }
    return false;
}

const char *pm_event_type_name(enum pm_event_type type) { return name_at(type_names, COUNT(type_names), type); }
const char *pm_kind_name(enum pm_kind kind) { return name_at(kind_names, COUNT(kind_names), kind); }
const char *pm_source_name(enum pm_source source) { return name_at(source_names, COUNT(source_names), source); }
const char *pm_status_name(enum pm_status status) { return name_at(status_names, COUNT(status_names), status); }

bool pm_event_type_parse(struct pm_slice text, enum pm_event_type *ret)
{
    size_t at;
    if (!find(type_names, COUNT(type_names), text, &at)) return false;
    *ret = (enum pm_event_type)at;
    return true;
}

bool pm_kind_parse(struct pm_slice text, enum pm_kind *ret)
{
    size_t at;
    if (!find(kind_names, COUNT(kind_names), text, &at)) return false;
    *ret = (enum pm_kind)at;
    return true;
}

bool pm_source_parse(struct pm_slice text, enum pm_source *ret)
{
    size_t at;
    if (!find(source_names, COUNT(source_names), text, &at)) return false;
    *ret = (enum pm_source)at;
    return true;
}

bool pm_status_parse(struct pm_slice text, enum pm_status *ret)
{
    size_t at;
    if (!find(status_names, COUNT(status_names), text, &at)) return false;
    *ret = (enum pm_status)at;
    return true;
}
