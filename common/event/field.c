/* field.c: the tables of field.h, from fields.def. Read-only after the first call: any thread. */
#include "common/event/field.h"

#include <pthread.h>
#include <stddef.h>

#include "common/base/check.h"

/* ---- the tables ---- */

#define REQUIRED true
#define OPTIONAL false
#define PM_EVENT_BEGIN(TYPE, type, name) static const struct pm_field fields_##type[] = {
#define PM_FIELD(m, name, KIND, PRESENCE)                                                                          \
    {{(name), sizeof(name) - 1}, PM_FIELD_##KIND, PM_M_##m, PRESENCE, offsetof(struct pm_event, m)},
#define PM_EVENT_END(TYPE, type, name) };
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

static const struct pm_field *slots[PM_EVENT_TYPE_COUNT][SLOTS];
static pthread_once_t slots_once = PTHREAD_ONCE_INIT;

/* Names are short and known, so a few bytes of each tell them apart; a wrong guess only costs a comparison. */
static inline size_t slot_of(struct pm_slice name)
{
    uint64_t first, last;
    if (name.len >= 8) {
        memcpy(&first, name.ptr, 8);
        memcpy(&last, name.ptr + name.len - 8, 8);
    } else if (name.len >= 4) {
        uint32_t head, tail;
        memcpy(&head, name.ptr, 4);
        memcpy(&tail, name.ptr + name.len - 4, 4);
        first = head;
        last = tail;
    } else {
        first = name.len ? (unsigned char)name.ptr[0] : 0;
        last = name.len ? (unsigned char)name.ptr[name.len - 1] : 0;
    }
    return (size_t)((first * 0x9e3779b97f4a7c15u ^ (last + name.len)) * 0xc2b2ae3d27d4eb4fu >> 57);
}
_Static_assert(SLOTS == 1 << (64 - 57), "slot_of keeps the highest bits");

static void fill_slots(void)
{
    for (size_t type = 0; type < PM_EVENT_TYPE_COUNT; type++) {
        for (size_t i = 0; i < pm_field_tables[type].count; i++) {
            const struct pm_field *field = &pm_field_tables[type].fields[i];
            size_t at = slot_of(field->name);
            while (slots[type][at]) at = (at + 1) % SLOTS;
            slots[type][at] = field;
        }
    }
}

const struct pm_field *pm_field_find(enum pm_event_type type, struct pm_slice name)
{
    pthread_once(&slots_once, fill_slots);
    for (size_t at = slot_of(name);; at = (at + 1) % SLOTS) {
        const struct pm_field *field = slots[type][at];
        if (!field || pm_slice_eq(field->name, name)) return field;
    }
}

/* ---- the nearest ---- */

#define WORD_MAX 32 /* longer than any name, by more than the distance that counts as near */
#define NEAR 3

static int least(int a, int b) { return a < b ? a : b; }

/* How many characters to insert, remove or replace; two rows of the usual table. */
static int distance(struct pm_slice a, struct pm_slice b)
{
    int row[WORD_MAX + 1];
    for (size_t j = 0; j <= b.len; j++) row[j] = (int)j;
    for (size_t i = 1; i <= a.len; i++) {
        int diagonal = row[0];
        row[0] = (int)i;
        for (size_t j = 1; j <= b.len; j++) {
            int replaced = diagonal + (a.ptr[i - 1] != b.ptr[j - 1]);
            diagonal = row[j];
            row[j] = least(replaced, least(row[j], row[j - 1]) + 1);
        }
    }
    return row[b.len];
}

/* Keeps in *ret the nearest word so far. A word shares at least half of its letters with what was meant. */
static void consider(struct pm_slice typed, struct pm_slice word, int *best, const char **ret)
{
    if (typed.len > WORD_MAX) return;
    int d = distance(typed, word);
    if (d >= *best || d > NEAR || 2 * (size_t)d > (typed.len > word.len ? typed.len : word.len)) return;
    *best = d;
    *ret = word.ptr;
}

const char *pm_field_nearest(enum pm_event_type type, struct pm_slice name)
{
    int best = NEAR + 1;
    const char *nearest = NULL;
    consider(name, PM_SLICE("type"), &best, &nearest);
    for (size_t i = 0; i < pm_field_tables[type].count; i++) consider(name, pm_field_tables[type].fields[i].name, &best, &nearest);
    return nearest;
}

const char *pm_event_type_nearest(struct pm_slice name)
{
    int best = NEAR + 1;
    const char *nearest = NULL;
    for (int type = 0; type < PM_EVENT_TYPE_COUNT; type++) {
        consider(name, pm_slice_cstr(pm_event_type_name((enum pm_event_type)type)), &best, &nearest);
    }
    return nearest;
}
