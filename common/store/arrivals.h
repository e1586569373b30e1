/* arrivals.h: what the index keeps of producers that number their events (common/event/origin.h): a row each, and which
 * of the numbers have arrived, in pieces of 4,096 numbers, so that a batch reads and writes only the pieces that it
 * adds to. What is kept follows from the set of records, not from their order or how often they came (I2).
 *
 *   table producers   producer (8)             -> struct pm_producer_row, name
 *   table arrivals    producer (8), piece (4)  -> the numbers of the piece that have arrived
 *
 * The set of a piece here; the readers' side is at the end. No state; any thread. */
#ifndef PM_STORE_ARRIVALS_H
#define PM_STORE_ARRIVALS_H

#include "common/store/layout.h"

struct pm_producer_row {
    int64_t first_ms, last_ms; /* times of its records; -1: none has one */
    uint64_t last;             /* the largest number that arrived */
    uint64_t given;            /* it has ended and given so many; 0: not that is known */
    uint64_t arrived;          /* different numbers that did */
    uint64_t name_sequence;    /* of the record that gives the name, the smallest that has one; 0: none does */
};
struct pm_slice pm_producer_key(uint64_t producer, uint8_t key[8]);
/* `ret_name` borrows from `value`. */
int pm_producer_row_get(struct pm_slice value, struct pm_producer_row *ret, struct pm_slice *ret_name,
                        struct pm_error *err) PM_MUST_CHECK;
/* Numbers that it is known to have given, and those of them that did not arrive. */
uint64_t pm_producer_row_given(const struct pm_producer_row *row);
uint64_t pm_producer_row_missing(const struct pm_producer_row *row);

#define PM_PIECE_NUMBERS 4096
#define PM_PIECE_BYTES_MAX (PM_PIECE_NUMBERS / 8)
struct pm_piece { /* a bit a number; number n of a producer is bit (n - 1) % 4096 of piece (n - 1) / 4096 */
    uint64_t bits[PM_PIECE_NUMBERS / 64];
};
struct pm_slice pm_piece_key(uint64_t producer, uint32_t piece, uint8_t key[12]);
void pm_piece_add(struct pm_piece *piece, unsigned from, unsigned to); /* both within, bits */
unsigned pm_piece_count(const struct pm_piece *piece);
/* The next range of bits that are all set, or all not set, at or after *at, which moves behind it; false at the end. */
bool pm_piece_next(const struct pm_piece *piece, bool set, unsigned *at, unsigned *ret_from, unsigned *ret_to);
/* Returns the length: ranges where these are shorter, else the bits. One set has one form. */
size_t pm_piece_encode(const struct pm_piece *piece, uint8_t out[PM_PIECE_BYTES_MAX]);
int pm_piece_decode(struct pm_slice bytes, struct pm_piece *ret, struct pm_error *err) PM_MUST_CHECK;

/* ---- reading (index.h has the rest) ---- */
/* The pieces of a producer that have a number, in order. */
int pm_producer_pieces(struct pm_snapshot *snap, uint64_t producer,
                       int (*each)(void *arg, uint32_t number, const struct pm_piece *piece, struct pm_error *err),
                       void *arg, struct pm_error *err) PM_MUST_CHECK;

#endif
