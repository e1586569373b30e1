/* facts.h: what is known of one result: its primary record and what other events say beside it (`side_facts`). The
 * rule: the value of a field is the one that the strongest, then earliest event carries; every further
 * value stays, with the strongest event that carries it. So the state is a function of the set of events. */
#ifndef PM_STORE_FACTS_H
#define PM_STORE_FACTS_H

#include "common/store/layout.h"

struct pm_side_fact {
    unsigned field; /* enum pm_field, or PM_SIDE_* */
    struct pm_stamp stamp;
    struct pm_slice value;
};

struct pm_facts {
    uint64_t result;
    struct pm_record primary; /* stamp.type PM_CLASS_UNKNOWN: no facts */
    struct pm_slice path_form;
    struct pm_side_fact *side; /* by field; without the marks */
    size_t n_side;
    bool has_produced, has_deleted; /* the marks */
    struct pm_stamp produced, deleted;
};

/* Loads the side facts of a result whose record was decoded already into ret->primary. Values are copied to the arena.
 */
int pm_facts_load_side(struct pm_kv_txn *txn, const struct pm_tables *tables, uint64_t result, struct pm_arena *arena,
                       struct pm_facts *ret, struct pm_error *err) PM_MUST_CHECK;

/* The result is gone: its latest Computed, Discovered and Deleted event is a Deleted. */
bool pm_facts_deleted(const struct pm_facts *facts, int64_t *ret_at);

/* The merged facts: primary's fields, and for each field it lacks the best side value. */
int pm_facts_merged(const struct pm_facts *facts, struct pm_record *ret, struct pm_error *err) PM_MUST_CHECK;

/* One field with two or more values. `values` in order of strength; for outputs one conflict an output's name. */
struct pm_facts_value {
    struct pm_stamp stamp;
    struct pm_slice value; /* field bytes; for an output the checksum as text */
};
struct pm_facts_conflict {
    enum pm_field field;
    uint32_t output; /* name number, when field is PM_FIELD_OUTPUTS */
    struct pm_facts_value *values;
    size_t n_values;
};
/* All conflicts of the result. */
int pm_facts_conflicts(const struct pm_facts *facts, struct pm_arena *arena, struct pm_facts_conflict **ret,
                       size_t *ret_count, struct pm_error *err) PM_MUST_CHECK;
enum pm_conflict_class pm_facts_conflict_class(const struct pm_facts_conflict *conflict);

#endif
