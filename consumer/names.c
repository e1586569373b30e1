/* names.c: interning in memory: per kind an open-addressing table of numbers over an array of texts. */
#include "consumer/names.h"

#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/hash.h"
#include "common/base/varint.h"

#define RECENT_BITS 8

struct name_map {
    struct pm_slice *texts; /* by number */
    uint32_t count, room;
    uint32_t *slots;                   /* number + 1; 0: empty */
    uint32_t n_slots;                  /* power of two */
    uint32_t recent[1 << RECENT_BITS]; /* number + 1 of what was asked for last, by glance(): some jobs run at once and
                                          name the same things over and over */
};

struct pm_names {
    struct name_map maps[PM_NAME_KIND_COUNT];
    struct pm_arena texts;
};

void pm_fresh_names_release(struct pm_fresh_names *fresh)
{
    free(fresh->rows);
    *fresh = (struct pm_fresh_names){0};
}

/* What both ends of a text and its length say: enough to tell those apart that are in use at one time. */
static uint32_t glance(struct pm_slice text)
{
    uint64_t first = 0, last = 0;
    if (text.len >= 8) {
        memcpy(&first, text.ptr, 8);
        memcpy(&last, text.ptr + text.len - 8, 8);
    } else if (text.len >= 4) {
        memcpy(&first, text.ptr, 4);
        memcpy(&last, text.ptr + text.len - 4, 4);
    } else if (text.len) {
        first = (unsigned char)text.ptr[0];
        last = (unsigned char)text.ptr[text.len - 1];
    }
    uint64_t h = (first ^ last << 29 ^ last >> 35 ^ text.len) * 0x9e3779b97f4a7c15u;
    return (uint32_t)(h >> (64 - RECENT_BITS));
}

static uint32_t slot_of(const struct name_map *map, struct pm_slice text)
{
    uint32_t i = (uint32_t)pm_hash64(text.ptr, text.len, 0) & (map->n_slots - 1);
    while (map->slots[i] && !pm_slice_eq(map->texts[map->slots[i] - 1], text)) i = (i + 1) & (map->n_slots - 1);
    return i;
}

static void map_grow(struct name_map *map)
{
    map->n_slots = map->n_slots ? 2 * map->n_slots : 64;
    free(map->slots);
    map->slots = pm_calloc(map->n_slots, sizeof *map->slots);
    for (uint32_t n = 0; n < map->count; n++)
        if (map->texts[n].ptr) map->slots[slot_of(map, map->texts[n])] = n + 1;
}

static void texts_room(struct name_map *map, uint32_t number)
{
    if (number < map->room) return;
    uint32_t room = map->room ? map->room : 64;
    while (room <= number) room *= 2;
    map->texts = pm_realloc(map->texts, room * sizeof *map->texts);
    memset(map->texts + map->room, 0, (room - map->room) * sizeof *map->texts);
    map->room = room;
}

/* `text` must stay. */
static void map_put(struct name_map *map, uint32_t number, struct pm_slice text)
{
    texts_room(map, number);
    map->texts[number] = text;
    if (number >= map->count) map->count = number + 1;
    if (map->count * 2 > map->n_slots) map_grow(map);
    map->slots[slot_of(map, text)] = number + 1;
}

static __attribute__((noinline)) uint32_t find_or_add(struct pm_names *names, enum pm_name_kind kind,
                                                      struct pm_slice text, struct pm_fresh_names *fresh)
{
    struct name_map *map = &names->maps[kind];
    if (map->n_slots) {
        uint32_t i = slot_of(map, text);
        if (map->slots[i]) return map->slots[i] - 1;
    }
    uint32_t number = map->count;
    PM_CHECK(number < UINT32_MAX / 2);
    struct pm_slice kept = pm_arena_copy(&names->texts, text);
    map_put(map, number, kept);
    if (fresh->count == fresh->room) {
        fresh->room = fresh->room ? 2 * fresh->room : 64;
        fresh->rows = pm_realloc(fresh->rows, fresh->room * sizeof *fresh->rows);
    }
    fresh->rows[fresh->count++] = (struct pm_fresh_name){kind, number, kept};
    return number;
}

uint32_t pm_names_intern(struct pm_names *names, enum pm_name_kind kind, struct pm_slice text,
                         struct pm_fresh_names *fresh)
{
    struct name_map *map = &names->maps[kind];
    uint32_t *recent = &map->recent[glance(text)];
    if (*recent && pm_slice_eq(map->texts[*recent - 1], text)) return *recent - 1;
    uint32_t number = find_or_add(names, kind, text, fresh);
    *recent = number + 1;
    return number;
}

int pm_names_load(struct pm_kv_txn *txn, const struct pm_tables *tables, struct pm_names **ret, struct pm_error *err)
{
    struct pm_names *names = pm_calloc(1, sizeof *names);
    struct pm_kv_cursor *cursor;
    int rc = pm_kv_cursor_open(txn, tables->name_texts, &cursor, err);
    if (rc != PM_OK) {
        free(names);
        return rc;
    }
    struct pm_slice key, value;
    for (rc = pm_kv_seek(cursor, pm_slice(NULL, 0), &key, &value, err); rc == PM_OK;
         rc = pm_kv_next(cursor, &key, &value, err)) {
        unsigned kind = (uint8_t)key.ptr[0];
        if (key.len != 5 || kind >= PM_NAME_KIND_COUNT) {
            rc = pm_error_set(err, PM_ECORRUPT, "a row of name_texts has a key of %zu bytes", key.len);
            break;
        }
        map_put(&names->maps[kind], pm_be32_get((const uint8_t *)key.ptr + 1), pm_arena_copy(&names->texts, value));
    }
    pm_kv_cursor_close(cursor);
    if (rc != PM_ENOTFOUND) {
        pm_names_free(names);
        return rc;
    }
    *ret = names;
    return PM_OK;
}

void pm_names_free(struct pm_names *names)
{
    if (!names) return;
    for (unsigned kind = 0; kind < PM_NAME_KIND_COUNT; kind++) {
        free(names->maps[kind].texts);
        free(names->maps[kind].slots);
    }
    pm_arena_release(&names->texts);
    free(names);
}

int pm_names_write(struct pm_kv_txn *txn, const struct pm_tables *tables, const struct pm_fresh_names *fresh,
                   struct pm_meta_state *state, struct pm_error *err)
{
    for (size_t i = 0; i < fresh->count; i++) {
        const struct pm_fresh_name *name = &fresh->rows[i];
        uint8_t key[1 + PM_NAME_KEY_TEXT_MAX], text_key[5];
        PM_CHECK(name->number == state->next_name[name->kind]);
        state->next_name[name->kind]++;
        PM_TRY(
            pm_kv_put(txn, tables->names, pm_name_key(name->kind, name->text, key), pm_slice(&name->number, 4), err));
        PM_TRY(
            pm_kv_put(txn, tables->name_texts, pm_name_text_key(name->kind, name->number, text_key), name->text, err));
    }
    return PM_OK;
}
