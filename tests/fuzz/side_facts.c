/* side_facts.c: the side facts of a result, as they lie in the index. Input: the number of rows (1 byte), each with its
 * field (1), its value's length (1), and stamp and value; then the primary record. What is loaded is as many facts, and
 * merged and compared nothing comes out but an error or values that were put in; a value that a field takes is written
 * and read again as the same. */
#include "common/store/facts.h"

#include "tests/fuzz/support/fuzz.h"

#define RESULT 77
#define ROWS_MAX 24

static struct pm_arena arena;
static struct pm_tables tables;

static void put_row(struct pm_kv_txn *txn, struct fuzz_input *in, uint64_t number)
{
    uint8_t key[PM_SIDE_KEY_BYTES];
    unsigned field = fuzz_byte(in);
    if (field % 4) field %= PM_FIELD_COUNT; /* mostly one that there is */
    struct pm_slice value = fuzz_text(in);
    if (value.len == 0) value = pm_slice("", 1);
    PM_CHECK(pm_kv_put(txn, tables.side_facts, pm_side_key(RESULT, field, number, key), value, NULL) == PM_OK);
}

static void check_value(unsigned field, struct pm_slice value)
{
    static struct pm_buf x, y;
    struct pm_record rec = {0}, again = {0};
    int rc = pm_record_field_set(&rec, (enum pm_field)field, value, NULL);
    PM_CHECK(rc == PM_OK || rc == PM_ECORRUPT);
    PM_CHECK(rec.present == (rc == PM_OK ? PM_FIELD_BIT(field) : 0));
    if (rc != PM_OK) return;
    pm_buf_clear(&x);
    pm_buf_clear(&y);
    pm_record_field_put(&rec, (enum pm_field)field, &x);
    PM_CHECK(x.len <= value.len);
    PM_CHECK(pm_record_field_set(&again, (enum pm_field)field, pm_buf_slice(&x), NULL) == PM_OK);
    pm_record_field_put(&again, (enum pm_field)field, &y);
    PM_CHECK(pm_slice_eq(pm_buf_slice(&x), pm_buf_slice(&y)));
}

static void check_conflicts(const struct pm_facts *facts)
{
    struct pm_facts_conflict *conflicts;
    size_t n;
    PM_CHECK(pm_facts_conflicts(facts, &arena, &conflicts, &n, NULL) == PM_OK);
    for (size_t i = 0; i < n; i++) {
        PM_CHECK(conflicts[i].n_values >= 2 && conflicts[i].field < PM_FIELD_COUNT);
        (void)pm_facts_conflict_class(&conflicts[i]);
        for (size_t j = 1; j < conflicts[i].n_values; j++)
            PM_CHECK(pm_stamp_cmp(&conflicts[i].values[j - 1].stamp, &conflicts[i].values[j].stamp) <= 0);
    }
}

static void check_facts(struct pm_facts *facts)
{
    struct pm_record merged;
    int64_t at;
    for (size_t i = 0; i < facts->n_side; i++) {
        PM_CHECK(facts->side[i].field < PM_FIELD_COUNT);
        check_value(facts->side[i].field, facts->side[i].value);
    }
    if (pm_facts_deleted(facts, &at)) PM_CHECK(facts->has_deleted && at == facts->deleted.at);
    if (pm_facts_merged(facts, &merged, NULL) == PM_OK)
        PM_CHECK((merged.present & facts->primary.present) == facts->primary.present);
    check_conflicts(facts);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = fuzz_input(data, size);
    struct pm_kv_txn *txn = fuzz_txn();
    pm_arena_reset(&arena);
    PM_CHECK(pm_kv_db_open(txn, "side_facts", PM_KV_DB_CREATE, &tables.side_facts, NULL) == PM_OK);
    uint64_t rows = fuzz_byte(&in) % (ROWS_MAX + 1);
    for (uint64_t i = 0; i < rows; i++) put_row(txn, &in, i);
    struct pm_slice bytes = fuzz_exact(fuzz_rest(&in));
    struct pm_facts facts = {.primary.stamp.type = PM_CLASS_UNKNOWN};
    (void)!pm_record_decode(bytes, &facts.primary, &facts.path_form, NULL);
    int rc = pm_facts_load_side(txn, &tables, RESULT, &arena, &facts, NULL);
    PM_CHECK(rc == PM_OK || rc == PM_ECORRUPT);
    if (rc == PM_OK) {
        PM_CHECK(facts.n_side + facts.has_produced + facts.has_deleted <= rows);
        check_facts(&facts);
    }
    fuzz_free(bytes);
    pm_kv_abort(txn);
    return 0;
}
