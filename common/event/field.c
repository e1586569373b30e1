/* field.c: the tables of field.h, from fields.def. Read-only after the first call: any thread. */
#include "common/event/field.h"

#include <pthread.h>
#include <stddef.h>

#include "common/base/check.h"
#include "common/base/nearest.h"

/* ---- the tables ---- */

#define REQUIRED true
#define OPTIONAL false
#define PM_EVENT_BEGIN(TYPE, type, name) static const struct pm_field fields_##type[] = {
#define PM_FIELD(m, name, KIND, PRESENCE) \
    {{(name), sizeof(name) - 1}, PM_FIELD_##KIND, PM_M_##m, PRESENCE, offsetof(struct pm_event, m)},
#define PM_EVENT_END(TYPE, type, name) \
    }                                  \
    ;
#include "common/event/fields.def"

const struct pm_field_table pm_field_tables[PM_EVENT_TYPE_COUNT] = {
#define PM_EVENT_BEGIN(TYPE, type, name) [PM_##TYPE] = {fields_##type, sizeof fields_##type / sizeof *fields_##type},
#include "common/event/fields.def"
};

const uint64_t pm_fields_allowed[PM_EVENT_TYPE_COUNT] = {
#define PM_EVENT_BEGIN(TYPE, type, name) [PM_##TYPE] = 0
#define PM_FIELD(m, name, KIND, PRESENCE) | PM_HAS(m)
#define PM_EVENT_END(TYPE, type, name) ,
#include "common/event/fields.def"
};

const uint64_t pm_fields_required[PM_EVENT_TYPE_COUNT] = {
#define PM_EVENT_BEGIN(TYPE, type, name) [PM_##TYPE] = 0
#define PM_FIELD(m, name, KIND, PRESENCE) | (PRESENCE ? PM_HAS(m) : 0)
#define PM_EVENT_END(TYPE, type, name) ,
#include "common/event/fields.def"
};

const char *pm_member_name(enum pm_member member)
{
    static const char *const names[PM_MEMBER_COUNT] = {
#define X(m) #m,
        PM_EVENT_MEMBERS(X)
#undef X
    };
    switch (member) { /* the three whose name outside is taken by another member of the struct */
    case PM_M_failure:
    case PM_M_status_error: return "error";
    case PM_M_job_inputs: return "inputs";
    default: PM_CHECK(member < PM_MEMBER_COUNT); return names[member];
    }
}

/* ---- by name ---- */

#define SLOTS 128 /* over four times the fields of any type: a look-up hits at once or next door */

/* Names have 4..16 bytes, so their first and last eight (or four) bytes and the length are the whole name. */
#define NAME_LEAST 4
#define NAME_MOST 16

struct key {
    uint64_t first, last, len;
};
struct slot {
    struct key key;
    const struct pm_field *field; /* NULL: free */
};
static struct slot slots[PM_EVENT_TYPE_COUNT][SLOTS];
static pthread_once_t slots_once = PTHREAD_ONCE_INIT;

static inline struct key key_of(struct pm_slice name)
{
    struct key key = {.len = name.len};
    if (name.len >= 8) {
        memcpy(&key.first, name.ptr, 8);
        memcpy(&key.last, name.ptr + name.len - 8, 8);
    } else {
        memcpy(&key.first, name.ptr, 4);
        memcpy(&key.last, name.ptr + name.len - 4, 4);
    }
    return key;
}

static inline size_t slot_of(struct key key)
{
    return (size_t)((key.first * 0x9e3779b97f4a7c15u ^ (key.last + key.len)) * 0xc2b2ae3d27d4eb4fu >> 57);
}
_Static_assert(SLOTS == 1 << (64 - 57), "slot_of keeps the highest bits");

static void fill_slots(void)
{
    for (size_t type = 0; type < PM_EVENT_TYPE_COUNT; type++) {
        for (size_t i = 0; i < pm_field_tables[type].count; i++) {
            const struct pm_field *field = &pm_field_tables[type].fields[i];
            PM_CHECK(field->name.len >= NAME_LEAST && field->name.len <= NAME_MOST);
            struct key key = key_of(field->name);
            size_t at = slot_of(key);
            while (slots[type][at].field) at = (at + 1) % SLOTS;
            slots[type][at] = (struct slot){key, field};
        }
    }
}

const struct pm_field *pm_field_find(enum pm_event_type type, struct pm_slice name)
{
    if (name.len < NAME_LEAST || name.len > NAME_MOST) return NULL;
    pthread_once(&slots_once, fill_slots);
    struct key key = key_of(name);
    for (size_t at = slot_of(key);; at = (at + 1) % SLOTS) {
        const struct slot *slot = &slots[type][at];
        if (!slot->field || (slot->key.first == key.first && slot->key.last == key.last && slot->key.len == key.len))
            return slot->field;
    }
}

bool pm_field_known(struct pm_slice name)
{
    for (int type = 0; type < PM_EVENT_TYPE_COUNT; type++) {
        if (pm_field_find((enum pm_event_type)type, name)) return true;
    }
    return false;
}

/* ---- the nearest ---- */

const char *pm_field_nearest(enum pm_event_type type, struct pm_slice name)
{
    struct pm_nearest nearest = {.typed = name};
    pm_nearest_try(&nearest, "type");
    for (size_t i = 0; i < pm_field_tables[type].count; i++)
        pm_nearest_try(&nearest, pm_field_tables[type].fields[i].name.ptr);
    return pm_nearest_best(&nearest);
}

const char *pm_event_type_nearest(struct pm_slice name)
{
    struct pm_nearest nearest = {.typed = name};
    for (int type = 0; type < PM_EVENT_TYPE_COUNT; type++)
        pm_nearest_try(&nearest, pm_event_type_name((enum pm_event_type)type));
    return pm_nearest_best(&nearest);
}
