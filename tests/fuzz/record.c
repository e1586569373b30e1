/* record.c: a compact record of the index. Input: two texts that it points to (bundle digest, target; each a length
 * byte and bytes), then the record. What is read again after it was written has the same fields, path and sums. */
#include "common/store/record.h"

#include "tests/fuzz/support/fuzz.h"

static struct pm_arena arena;
static struct pm_slice bundle, target;

static void walk_outputs(struct pm_slice outputs)
{
    struct pm_slice cursor;
    struct pm_record_output output;
    uint32_t count, n = 0;
    if (!pm_outputs_start(outputs, &cursor, &count)) return;
    PM_CHECK(count <= PM_OUTPUTS_MAX);
    while (n < count && pm_outputs_next(&cursor, &output)) {
        struct pm_slice checksum = pm_outputs_checksum(&output, &arena);
        PM_CHECK(!output.hex || checksum.len == 64);
        n++;
    }
}

/* Each field goes through its own bytes as well, as a side fact does. */
static void check_fields(const struct pm_record *a, const struct pm_record *b)
{
    static struct pm_buf x, y;
    PM_CHECK(a->present == b->present);
    for (unsigned field = 0; field < PM_FIELD_COUNT; field++) {
        if (!(a->present & PM_FIELD_BIT(field))) continue;
        pm_buf_clear(&x);
        pm_buf_clear(&y);
        pm_record_field_put(a, (enum pm_field)field, &x);
        pm_record_field_put(b, (enum pm_field)field, &y);
        PM_CHECK(pm_slice_eq(pm_buf_slice(&x), pm_buf_slice(&y)));
        struct pm_record side = {0};
        PM_CHECK(pm_record_field_set(&side, (enum pm_field)field, pm_buf_slice(&x), NULL) == PM_OK);
        pm_buf_clear(&y);
        pm_record_field_put(&side, (enum pm_field)field, &y);
        PM_CHECK(pm_slice_eq(pm_buf_slice(&x), pm_buf_slice(&y)));
    }
}

static void check_again(struct pm_record rec)
{
    static struct pm_buf out;
    struct pm_record again;
    struct pm_slice form;
    char hex[64];
    if (rec.present & PM_FIELD_BIT(PM_FIELD_PARAM_ID)) rec.param_id = pm_record_param_id(&rec, hex);
    rec.param_id_raw = false;
    pm_buf_clear(&out);
    pm_record_encode(&rec, bundle, target, &out);
    PM_CHECK(pm_record_decode(pm_buf_slice(&out), &again, &form, NULL) == PM_OK);
    PM_CHECK(rec.moved == again.moved && (!rec.moved || rec.result == again.result));
    PM_CHECK(rec.stamp.type == again.stamp.type);
    if (rec.stamp.type != PM_CLASS_UNKNOWN) {
        PM_CHECK(pm_stamp_cmp(&rec.stamp, &again.stamp) == 0 && rec.stamp.job1 == again.stamp.job1);
        /* param_id follows from params where both are there: what was read beside params is not kept */
        if (!(rec.present & PM_FIELD_BIT(PM_FIELD_PARAMS))) check_fields(&rec, &again);
        PM_CHECK(pm_record_observed_sum(&rec) == pm_record_observed_sum(&again));
    }
    PM_CHECK(pm_slice_eq(pm_record_path(&again, form, bundle, target, &arena), rec.path));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = fuzz_input(data, size);
    bundle = fuzz_text(&in);
    target = fuzz_text(&in);
    pm_arena_reset(&arena);
    struct pm_slice bytes = fuzz_exact(fuzz_rest(&in)), form;
    struct pm_record rec;
    int rc = pm_record_decode(bytes, &rec, &form, NULL);
    PM_CHECK(rc == PM_OK || rc == PM_ECORRUPT);
    if (rc == PM_OK) {
        rec.path = pm_record_path(&rec, form, bundle, target, &arena);
        if (rec.present & PM_FIELD_BIT(PM_FIELD_OUTPUTS)) walk_outputs(rec.outputs);
        (void)pm_record_identity_sum(&rec);
        if (pm_path_check("result", rec.path, NULL) == PM_OK) check_again(rec);
    }
    fuzz_free(bytes);
    return 0;
}
