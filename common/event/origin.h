/* origin.h: which producer a record comes from, and which of its events it is: what travels beside a record (a Kafka
 * header, a field of the embedded log and of the outbox) so that an index can tell what never arrived. As text,
 * docs/formats/event.md:
 *
 *   PRODUCER-SEQUENCE[/GIVEN][ NAME]        1f03a2c4b5d6e7f8-17        1f03a2c4b5d6e7f8-42/42 w7
 *
 * A producer that ends in order says how many it gave with its last event, or, when that is on its way already, with a
 * record of its own: the end mark, which has no value and the sequence 0. It is no event.
 *
 * No memory; any thread. */
#ifndef PM_EVENT_ORIGIN_H
#define PM_EVENT_ORIGIN_H

#include "common/base/slice.h"

#define PM_ORIGIN_BYTES_MAX 255 /* a log refuses a longer one */
#define PM_ORIGIN_NAME_MAX 128
#define PM_ORIGIN_SEQUENCE_MAX 1000000000000 /* 10^12 */
#define PM_ORIGIN_ID_DIGITS 16

struct pm_origin {
    uint64_t producer;    /* drawn at random when it began */
    uint64_t sequence;    /* 1..PM_ORIGIN_SEQUENCE_MAX, counted by the producer; 0: of an end mark */
    uint64_t given;       /* the producer has ended and numbered so many, at least `sequence`; 0: it said nothing */
    struct pm_slice name; /* for people; empty: not said */
};

/* What a log holds is no event but an end mark. */
bool pm_origin_is_end_mark(struct pm_slice origin, struct pm_slice value);

/* Names tell producers apart for people; not each record needs one, and a lost one must not take the name with it. */
static inline bool pm_origin_wants_name(uint64_t sequence) { return (sequence & (sequence - 1)) == 0; }

/* Returns the length. A name above PM_ORIGIN_NAME_MAX is cut between characters. */
size_t pm_origin_encode(const struct pm_origin *origin, char out[PM_ORIGIN_BYTES_MAX]);
/* False when it is none, of whatever else the bytes are: such a record has no origin. The name borrows from `text`. */
bool pm_origin_decode(struct pm_slice text, struct pm_origin *ret);

#endif
