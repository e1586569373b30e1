/* events.c: made from fields.def, so that a new field is in every test of the codec at once. */
#include "tests/support/events.h"

#include <math.h>

uint64_t test_random(uint64_t *state)
{
    *state += 0x9e3779b97f4a7c15u;
    uint64_t z = *state;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* ---- make_KIND ---- */

static void make_TEXT(uint64_t *state, struct pm_arena *arena, struct pm_slice *ret)
{
    static const size_t lengths[] = {0, 1, 7, 32, 63, 64, 65, 127, 128, 300};
    size_t len = lengths[test_random(state) % (sizeof lengths / sizeof *lengths)];
    char *text = pm_arena_alloc(arena, len + 1);
    for (size_t i = 0; i < len; i++) text[i] = (char)test_random(state);
    *ret = pm_slice(text, len);
}

static void make_LONG(uint64_t *state, struct pm_arena *arena, int64_t *ret)
{
    (void)arena;
    static const int64_t edges[] = {0, -1, 63, 64, -64, -65, 8191, 8192, INT64_MAX, INT64_MIN};
    uint64_t pick = test_random(state);
    *ret = pick % 4 ? (int64_t)(test_random(state) >> (pick >> 8) % 64)
                    : edges[(pick >> 8) % (sizeof edges / sizeof *edges)];
}

static void make_SEED(uint64_t *state, struct pm_arena *arena, uint64_t *ret)
{
    int64_t value;
    make_LONG(state, arena, &value);
    *ret = (uint64_t)value;
}

static void make_DOUBLE(uint64_t *state, struct pm_arena *arena, double *ret)
{
    (void)arena;
    static const double edges[] = {0.0, -0.0, 5e-324, 1.7976931348623157e308, 0.1, -1.5};
    uint64_t pick = test_random(state), bits = test_random(state);
    memcpy(ret, &bits, sizeof *ret);
    if (pick % 2 || !isfinite(*ret)) *ret = edges[(pick >> 8) % (sizeof edges / sizeof *edges)];
}

static void make_KIND(uint64_t *state, struct pm_arena *arena, enum pm_kind *ret)
{
    (void)arena;
    *ret = (enum pm_kind)(test_random(state) % 2);
}
static void make_SOURCE(uint64_t *state, struct pm_arena *arena, enum pm_source *ret)
{
    (void)arena;
    *ret = (enum pm_source)(test_random(state) % 4);
}
static void make_STATUS(uint64_t *state, struct pm_arena *arena, enum pm_status *ret)
{
    (void)arena;
    *ret = (enum pm_status)(test_random(state) % 6);
}
static void make_FAILURE(uint64_t *state, struct pm_arena *arena, struct pm_failure *ret)
{
    make_TEXT(state, arena, &ret->type);
    make_TEXT(state, arena, &ret->message);
    ret->retryable = test_random(state) % 2;
}

static void make_output(uint64_t *state, struct pm_arena *arena, struct pm_output *ret)
{
    make_TEXT(state, arena, &ret->name);
    make_LONG(state, arena, &ret->size);
    make_TEXT(state, arena, &ret->checksum);
}

#define MAKE_ARRAY(KIND, type, make, build)                                                \
    static void make_##KIND(uint64_t *state, struct pm_arena *arena, struct pm_array *ret) \
    {                                                                                      \
        type items[10];                                                                    \
        uint32_t count = (uint32_t)(test_random(state) % 10);                              \
        for (uint32_t i = 0; i < count; i++) make(state, arena, &items[i]);                \
        *ret = build(arena, items, count);                                                 \
    }
MAKE_ARRAY(TEXTS, struct pm_slice, make_TEXT, pm_array_of_texts)
MAKE_ARRAY(DOUBLES, double, make_DOUBLE, pm_array_of_doubles)
MAKE_ARRAY(OUTPUTS, struct pm_output, make_output, pm_array_of_outputs)

#define make_PATH make_TEXT
#define make_PARAMS make_TEXT
#define make_OBJECT make_TEXT
#define make_TIME make_LONG
#define make_PATHS make_TEXTS

enum { OPTIONAL, REQUIRED };

void test_random_event(enum pm_event_type type, uint64_t *state, struct pm_arena *arena, struct pm_event *ret)
{
    uint64_t some = test_random(state) % 4; /* nothing optional, half of it, half of it, all of it */
    struct pm_event *ev = ret;
    *ev = (struct pm_event){.type = type};
    switch (type) {
#define PM_EVENT_BEGIN(TYPE, type, name) case PM_##TYPE:
#define PM_FIELD(m, name, KIND, PRESENCE)                                        \
    if (PRESENCE == REQUIRED || some == 3 || (some && test_random(state) % 2)) { \
        make_##KIND(state, arena, &ev->m);                                       \
        ev->has |= PM_HAS(m);                                                    \
    }
#define PM_EVENT_END(TYPE, type, name) break;
#include "common/event/fields.def"
    case PM_EVENT_TYPE_COUNT: break;
    }
}

/* ---- same_KIND ---- */

static bool same_TEXT(const struct pm_slice *a, const struct pm_slice *b) { return pm_slice_eq(*a, *b); }
static bool same_LONG(const int64_t *a, const int64_t *b) { return *a == *b; }
static bool same_SEED(const uint64_t *a, const uint64_t *b) { return *a == *b; }
static bool same_DOUBLE(const double *a, const double *b) { return memcmp(a, b, sizeof *a) == 0; }
static bool same_KIND(const enum pm_kind *a, const enum pm_kind *b) { return *a == *b; }
static bool same_SOURCE(const enum pm_source *a, const enum pm_source *b) { return *a == *b; }
static bool same_STATUS(const enum pm_status *a, const enum pm_status *b) { return *a == *b; }
static bool same_FAILURE(const struct pm_failure *a, const struct pm_failure *b)
{
    return pm_slice_eq(a->type, b->type) && pm_slice_eq(a->message, b->message) && a->retryable == b->retryable;
}
static bool same_output(const struct pm_output *a, const struct pm_output *b)
{
    return pm_slice_eq(a->name, b->name) && a->size == b->size && pm_slice_eq(a->checksum, b->checksum);
}

#define SAME_ARRAY(KIND, type, next, same)                                       \
    static bool same_##KIND(const struct pm_array *a, const struct pm_array *b)  \
    {                                                                            \
        struct pm_array_iter in_a = pm_array_iter(*a), in_b = pm_array_iter(*b); \
        type item_a, item_b;                                                     \
        uint32_t count = 0;                                                      \
        for (; next(&in_a, &item_a); count++)                                    \
            if (!next(&in_b, &item_b) || !same(&item_a, &item_b)) return false;  \
        return !next(&in_b, &item_b) && count == a->count && count == b->count;  \
    }
SAME_ARRAY(TEXTS, struct pm_slice, pm_array_next_text, same_TEXT)
SAME_ARRAY(DOUBLES, double, pm_array_next_double, same_DOUBLE)
SAME_ARRAY(OUTPUTS, struct pm_output, pm_array_next_output, same_output)

#define same_PATH same_TEXT
#define same_PARAMS same_TEXT
#define same_OBJECT same_TEXT
#define same_TIME same_LONG
#define same_PATHS same_TEXTS

const char *test_event_difference(const struct pm_event *a, const struct pm_event *b)
{
    if (a->type != b->type) return "type";
    if (a->has != b->has) return "has";
    switch (a->type) {
#define PM_EVENT_BEGIN(TYPE, type, name) case PM_##TYPE:
#define PM_FIELD(m, name, KIND, PRESENCE) \
    if (pm_event_has(a, PM_HAS(m)) && !same_##KIND(&a->m, &b->m)) return #m;
#define PM_EVENT_END(TYPE, type, name) break;
#include "common/event/fields.def"
    case PM_EVENT_TYPE_COUNT: break;
    }
    return NULL;
}

/* ---- plain events ---- */

static void plain_TEXT(struct pm_slice *ret) { *ret = PM_SLICE("job-7c81d4ef"); }
static void plain_PATH(struct pm_slice *ret)
{
    *ret = PM_SLICE("token/v1/sims/4f446dbc7bd0/fa/05/params_c3e04bb3/seed_42");
}
static void plain_TIME(int64_t *ret) { *ret = 1767603600000000; }
static void plain_KIND(enum pm_kind *ret) { *ret = PM_KIND_SIM; }
static void plain_STATUS(enum pm_status *ret) { *ret = PM_STATUS_RUNNING; }
static void plain_PATHS(struct pm_array *ret)
{
    *ret = (struct pm_array){.count = 2,
                             .raw = PM_SLICE("\x04\x06"
                                             "a/b\x06"
                                             "a/c\x00")};
}
static void plain_FAILURE(struct pm_failure *ret)
{
    *ret = (struct pm_failure){.type = PM_SLICE("ValueError"), .message = PM_SLICE("seed"), .retryable = true};
}

void test_plain_event(enum pm_event_type type, struct pm_event *ret)
{
    struct pm_event *ev = ret;
    *ev = (struct pm_event){.type = type};
    switch (type) {
#define PLAIN_OPTIONAL(m, KIND)
#define PLAIN_REQUIRED(m, KIND) \
    plain_##KIND(&ev->m);       \
    ev->has |= PM_HAS(m);
#define PM_EVENT_BEGIN(TYPE, type, name) case PM_##TYPE:
#define PM_FIELD(m, name, KIND, PRESENCE) PLAIN_##PRESENCE(m, KIND)
#define PM_EVENT_END(TYPE, type, name) break;
#include "common/event/fields.def"
    case PM_EVENT_TYPE_COUNT: break;
    }
    ev->event_id = PM_SLICE("00112233445566778899aabbccddeeff");
}
