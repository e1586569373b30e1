/* arrivals.c: rows of producers and the sets of numbers that arrived: encoders, decoders, readers. */
#include "common/store/arrivals.h"

#include "common/base/check.h"
#include "common/base/time.h"
#include "common/base/varint.h"
#include "common/event/origin.h"
#include "common/store/snapshot.h"

#define RANGE_BYTES 4 /* first and last, u16 each */

struct pm_slice pm_producer_key(uint64_t producer, uint8_t key[8])
{
    pm_be64_put(key, producer);
    return pm_slice(key, 8);
}

struct pm_slice pm_piece_key(uint64_t producer, uint32_t piece, uint8_t key[12])
{
    pm_be64_put(key, producer);
    pm_be32_put(key + 8, piece);
    return pm_slice(key, 12);
}

int pm_producer_row_get(struct pm_slice value, struct pm_producer_row *ret, struct pm_slice *ret_name,
                        struct pm_error *err)
{
    if (value.len < sizeof *ret || value.len > sizeof *ret + PM_ORIGIN_NAME_MAX)
        return pm_error_set(err, PM_ECORRUPT, "a row of producers is cut");
    memcpy(ret, value.ptr, sizeof *ret);
    *ret_name = pm_slice(value.ptr + sizeof *ret, value.len - sizeof *ret);
    return PM_OK;
}

uint64_t pm_producer_row_given(const struct pm_producer_row *row)
{
    return row->given > row->last ? row->given : row->last;
}

uint64_t pm_producer_row_missing(const struct pm_producer_row *row)
{
    return pm_producer_row_given(row) - row->arrived;
}

/* ---- the set of a piece ---- */

void pm_piece_add(struct pm_piece *piece, unsigned from, unsigned to)
{
    PM_CHECK(from <= to && to < PM_PIECE_NUMBERS);
    for (unsigned word = from / 64; word <= to / 64; word++) {
        uint64_t mask = ~(uint64_t)0;
        if (word == from / 64) mask &= ~(uint64_t)0 << from % 64;
        if (word == to / 64) mask &= ~(uint64_t)0 >> (63 - to % 64);
        piece->bits[word] |= mask;
    }
}

unsigned pm_piece_count(const struct pm_piece *piece)
{
    unsigned n = 0;
    for (unsigned word = 0; word < PM_PIECE_NUMBERS / 64; word++)
        n += (unsigned)__builtin_popcountll(piece->bits[word]);
    return n;
}

/* The first bit at or after `at` that is `set`; PM_PIECE_NUMBERS: none. */
static unsigned find(const struct pm_piece *piece, bool set, unsigned at)
{
    while (at < PM_PIECE_NUMBERS) {
        uint64_t word = (set ? piece->bits[at / 64] : ~piece->bits[at / 64]) >> at % 64;
        if (word) return at + (unsigned)__builtin_ctzll(word);
        at = (at / 64 + 1) * 64;
    }
    return PM_PIECE_NUMBERS;
}

bool pm_piece_next(const struct pm_piece *piece, bool set, unsigned *at, unsigned *ret_from, unsigned *ret_to)
{
    unsigned from = find(piece, set, *at);
    if (from == PM_PIECE_NUMBERS) return false;
    *at = find(piece, !set, from);
    *ret_from = from;
    *ret_to = *at - 1;
    return true;
}

size_t pm_piece_encode(const struct pm_piece *piece, uint8_t out[PM_PIECE_BYTES_MAX])
{
    unsigned at = 0, from, to;
    size_t len = 0;
    while (pm_piece_next(piece, true, &at, &from, &to)) {
        if (len + RANGE_BYTES >= PM_PIECE_BYTES_MAX) {
            memcpy(out, piece->bits, PM_PIECE_BYTES_MAX);
            return PM_PIECE_BYTES_MAX;
        }
        const uint16_t range[2] = {(uint16_t)from, (uint16_t)to};
        memcpy(out + len, range, RANGE_BYTES);
        len += RANGE_BYTES;
    }
    return len;
}

int pm_piece_decode(struct pm_slice bytes, struct pm_piece *ret, struct pm_error *err)
{
    struct pm_piece piece = {0};
    int before = -2;
    if (bytes.len == PM_PIECE_BYTES_MAX) {
        memcpy(ret, bytes.ptr, sizeof *ret);
        return PM_OK;
    }
    bool right = bytes.len > 0 && bytes.len < PM_PIECE_BYTES_MAX && bytes.len % RANGE_BYTES == 0;
    for (size_t at = 0; right && at < bytes.len; at += RANGE_BYTES) {
        uint16_t range[2];
        memcpy(range, bytes.ptr + at, RANGE_BYTES);
        right = range[0] > before + 1 && range[0] <= range[1] && range[1] < PM_PIECE_NUMBERS;
        if (!right) break;
        pm_piece_add(&piece, range[0], range[1]);
        before = range[1];
    }
    if (!right) return pm_error_set(err, PM_ECORRUPT, "a set of arrivals is damaged");
    *ret = piece;
    return PM_OK;
}

/* ---- readers ---- */

static int take_producer(struct pm_slice key, struct pm_slice value, struct pm_producer *ret, struct pm_error *err)
{
    struct pm_producer_row row;
    struct pm_slice name;
    if (key.len != 8) return pm_error_set(err, PM_ECORRUPT, "a key of producers is cut");
    PM_TRY(pm_producer_row_get(value, &row, &name, err));
    *ret = (struct pm_producer){.id = pm_be64_get((const uint8_t *)key.ptr),
                                .name = name,
                                .has_times = row.first_ms >= 0,
                                .first_us = pm_time_of_ms(row.first_ms),
                                .last_us = pm_time_of_ms(row.last_ms),
                                .events = pm_producer_row_given(&row),
                                .arrived = row.arrived,
                                .last = row.last,
                                .closed = row.given > 0};
    return PM_OK;
}

int pm_producers_each(struct pm_snapshot *snap,
                      int (*each)(void *arg, const struct pm_producer *producer, struct pm_error *err), void *arg,
                      struct pm_error *err)
{
    struct pm_kv_cursor *cursor;
    struct pm_slice key, value;
    PM_TRY(pm_kv_cursor_open(snap->txn, snap->tables.producers, &cursor, err));
    int rc = pm_kv_seek(cursor, pm_slice(NULL, 0), &key, &value, err);
    for (; rc == PM_OK; rc = pm_kv_next(cursor, &key, &value, err)) {
        struct pm_producer producer;
        rc = take_producer(key, value, &producer, err);
        if (rc == PM_OK) rc = each(arg, &producer, err);
        if (rc != PM_OK) break;
    }
    pm_kv_cursor_close(cursor);
    return rc == PM_ENOTFOUND ? PM_OK : rc;
}

int pm_producer_pieces(struct pm_snapshot *snap, uint64_t producer,
                       int (*each)(void *arg, uint32_t number, const struct pm_piece *piece, struct pm_error *err),
                       void *arg, struct pm_error *err)
{
    uint8_t first[12];
    struct pm_kv_cursor *cursor;
    struct pm_slice key, value;
    PM_TRY(pm_kv_cursor_open(snap->txn, snap->tables.arrivals, &cursor, err));
    int rc = pm_kv_seek(cursor, pm_piece_key(producer, 0, first), &key, &value, err);
    for (; rc == PM_OK; rc = pm_kv_next(cursor, &key, &value, err)) {
        struct pm_piece piece;
        if (key.len != 12) rc = pm_error_set(err, PM_ECORRUPT, "a key of arrivals is cut");
        else if (pm_be64_get((const uint8_t *)key.ptr) != producer) break;
        if (rc == PM_OK) rc = pm_piece_decode(value, &piece, err);
        if (rc == PM_OK) rc = each(arg, pm_be32_get((const uint8_t *)key.ptr + 8), &piece, err);
        if (rc != PM_OK) break;
    }
    pm_kv_cursor_close(cursor);
    return rc == PM_ENOTFOUND ? PM_OK : rc;
}

struct missing {
    uint64_t next; /* all below it was looked at */
    int (*each)(void *arg, uint64_t from, uint64_t to, struct pm_error *err);
    void *arg;
};

/* Ranges that arrived, in order; what lies between two is missing, also across pieces. */
static int arrived(void *arg, uint32_t number, const struct pm_piece *piece, struct pm_error *err)
{
    struct missing *missing = arg;
    uint64_t base = (uint64_t)number * PM_PIECE_NUMBERS + 1;
    unsigned at = 0, from, to;
    while (pm_piece_next(piece, true, &at, &from, &to)) {
        if (base + from > missing->next) PM_TRY(missing->each(missing->arg, missing->next, base + from - 1, err));
        missing->next = base + to + 1;
    }
    return PM_OK;
}

int pm_producer_missing_each(struct pm_snapshot *snap, const struct pm_producer *producer,
                             int (*each)(void *arg, uint64_t from, uint64_t to, struct pm_error *err), void *arg,
                             struct pm_error *err)
{
    struct missing missing = {1, each, arg};
    if (producer->arrived == producer->events) return PM_OK;
    PM_TRY(pm_producer_pieces(snap, producer->id, arrived, &missing, err));
    return missing.next <= producer->events ? each(arg, missing.next, producer->events, err) : PM_OK;
}
