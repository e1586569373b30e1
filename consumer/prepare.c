/* prepare.c: events -> operations. Runs in the thread that reads the log, while another writes the batch before. */
#include "consumer/prepare.h"

#include "common/base/check.h"
#include "common/base/number.h"
#include "common/base/time.h"

void pm_prepare_release(struct pm_prepare *prepare)
{
    pm_arena_release(&prepare->arena);
    pm_buf_release(&prepare->scratch);
}

static uint32_t intern(struct pm_prepare *p, struct pm_batch *batch, enum pm_name_kind kind, struct pm_slice text)
{
    return pm_names_intern(p->names, kind, text, &batch->names);
}

static void fill_stamp(const struct pm_event *ev, struct pm_op *op)
{
    op->type = (uint8_t)ev->type;
    op->at = ev->occurred_at;
    PM_CHECK(pm_hex_decode(ev->event_id, op->event_id));
}

/* Outputs in the record's form, into scratch. */
static struct pm_slice outputs(struct pm_prepare *p, struct pm_batch *batch, struct pm_array array)
{
    pm_buf_clear(&p->scratch);
    pm_outputs_begin(&p->scratch, array.count);
    struct pm_array_iter it = pm_array_iter(array);
    for (struct pm_output output; pm_array_next_output(&it, &output);)
        pm_outputs_add(&p->scratch, intern(p, batch, PM_NAME_OUTPUT, output.name), output.size, output.checksum);
    return pm_buf_slice(&p->scratch);
}

/* The record of an event that gives facts. */
static void fill_record(struct pm_prepare *p, const struct pm_event *ev, struct pm_batch *batch, const struct pm_op *op,
                        struct pm_record *rec)
{
    memset(rec, 0, sizeof *rec);
    rec->stamp = (struct pm_stamp){.type = op->type, .at = op->at, .job1 = op->job1};
    memcpy(rec->stamp.event_id, op->event_id, PM_EVENT_ID_BYTES);
    rec->path = ev->result;
    uint64_t has = ev->has;
    unsigned present = 0;
#define FIELD(member, field) \
    if (has & PM_HAS(member)) present |= PM_FIELD_BIT(field)
#define NAME(member, field, kind_, to)                 \
    if (has & PM_HAS(member)) {                        \
        present |= PM_FIELD_BIT(field);                \
        rec->to = intern(p, batch, kind_, ev->member); \
    }
    FIELD(kind, PM_FIELD_KIND), rec->kind = ev->kind;
    NAME(schema, PM_FIELD_SCHEMA, PM_NAME_SCHEMA, schema)
    FIELD(schema_version, PM_FIELD_SCHEMA_VERSION), rec->schema_version = ev->schema_version;
    NAME(bundle_digest, PM_FIELD_BUNDLE, PM_NAME_BUNDLE, bundle)
    NAME(model_digest, PM_FIELD_MODEL, PM_NAME_MODEL, model)
    NAME(entrypoint, PM_FIELD_ENTRYPOINT, PM_NAME_ENTRYPOINT, entrypoint)
    FIELD(param_id, PM_FIELD_PARAM_ID), rec->param_id = ev->param_id;
    FIELD(params, PM_FIELD_PARAMS), rec->params = ev->params;
    FIELD(seed, PM_FIELD_SEED), rec->seed = ev->seed;
    NAME(target, PM_FIELD_TARGET, PM_NAME_TARGET, target)
    NAME(target_digest, PM_FIELD_TARGET_DIGEST, PM_NAME_TARGET_DIGEST, target_digest)
    FIELD(aggregation_id, PM_FIELD_AGGREGATION_ID), rec->aggregation_id = ev->aggregation_id;
    FIELD(loss, PM_FIELD_LOSS), rec->loss = ev->loss;
    FIELD(n_replicates, PM_FIELD_N_REPLICATES), rec->n_replicates = ev->n_replicates;
    if (has & PM_HAS(outputs)) {
        present |= PM_FIELD_BIT(PM_FIELD_OUTPUTS);
        rec->outputs = outputs(p, batch, ev->outputs);
    }
#undef FIELD
#undef NAME
    rec->present = present;
}

static void put_record(const struct pm_record *rec, struct pm_slice bundle_digest, struct pm_slice target,
                       struct pm_batch *batch, struct pm_op *op)
{
    op->bytes_at = batch->bytes.len;
    pm_record_encode(rec, bundle_digest, target, &batch->bytes);
    op->bytes_len = (uint32_t)(batch->bytes.len - op->bytes_at);
}

static void result_event(struct pm_prepare *p, const struct pm_event *ev, uint32_t job1, struct pm_batch *batch)
{
    struct pm_op *op = pm_batch_op(batch);
    fill_stamp(ev, op);
    op->job1 = job1;
    pm_batch_hash(batch, ev->result);
    struct pm_record rec;
    fill_record(p, ev, batch, op, &rec);
    op->identity = pm_record_identity_sum(&rec);
    op->observed = pm_record_observed_sum(&rec);
    if (job1 && ev->has & PM_HAS(bundle_digest)) op->bundle1 = rec.bundle + 1;
    if (job1 && ev->has & PM_HAS(target)) op->target1 = rec.target + 1;
    put_record(&rec, ev->has & PM_HAS(bundle_digest) ? ev->bundle_digest : pm_slice("", 0),
               ev->has & PM_HAS(target) ? ev->target : pm_slice("", 0), batch, op);
}

/* A path without facts: expected, or deleted. */
static void bare_path(const struct pm_event *ev, struct pm_slice path, uint32_t job1, struct pm_batch *batch)
{
    struct pm_op *op = pm_batch_op(batch);
    fill_stamp(ev, op);
    op->job1 = job1;
    pm_batch_hash(batch, path);
    struct pm_record rec = {.stamp = {.type = PM_CLASS_UNKNOWN}, .path = path};
    put_record(&rec, pm_slice("", 0), pm_slice("", 0), batch, op);
}

static void job_value(const struct pm_event *ev, uint32_t job1, uint32_t bundle1, uint32_t target1,
                      struct pm_batch *batch)
{
    struct pm_op *op = pm_batch_op(batch);
    op->type = PM_OP_JOB_VALUE;
    op->at = ev->occurred_at;
    op->job1 = job1;
    op->bundle1 = bundle1;
    op->target1 = target1;
}

static void job_event(struct pm_prepare *p, const struct pm_event *ev, uint32_t job1, struct pm_batch *batch)
{
    struct pm_op *op = pm_batch_op(batch);
    fill_stamp(ev, op);
    op->job1 = job1;
    if (ev->type == PM_JOB_STATUS_CHANGED) {
        op->status = (uint8_t)ev->status;
        return;
    }
    op->bytes_at = batch->bytes.len;
    pm_event_encode(ev, &batch->bytes);
    op->bytes_len = (uint32_t)(batch->bytes.len - op->bytes_at);
    if (ev->has & PM_HAS(bundle_digest))
        job_value(ev, job1, intern(p, batch, PM_NAME_BUNDLE, ev->bundle_digest) + 1, 0, batch);
    if (ev->has & PM_HAS(targets)) {
        struct pm_array_iter it = pm_array_iter(ev->targets);
        for (struct pm_slice target; pm_array_next_text(&it, &target);)
            job_value(ev, job1, 0, intern(p, batch, PM_NAME_TARGET, target) + 1, batch);
    }
}

void pm_prepare_event(struct pm_prepare *p, const struct pm_event *ev, struct pm_batch *batch)
{
    uint32_t job1 = ev->has & PM_HAS(job_id) ? intern(p, batch, PM_NAME_JOB, ev->job_id) + 1 : 0;
    switch (ev->type) {
    case PM_RESULT_COMPUTED:
    case PM_RESULT_DISCOVERED:
    case PM_RESULT_REUSED:
    case PM_RESULT_FAILED: result_event(p, ev, job1, batch); break;
    case PM_RESULT_DELETED: bare_path(ev, ev->result, job1, batch); break;
    case PM_RESULTS_EXPECTED: {
        struct pm_array_iter it = pm_array_iter(ev->results);
        for (struct pm_slice path; pm_array_next_text(&it, &path);) bare_path(ev, path, job1, batch);
        break;
    }
    case PM_JOB_SUBMITTED:
    case PM_JOB_STATUS_CHANGED: job_event(p, ev, job1, batch); break;
    case PM_EVENT_TYPE_COUNT: PM_CHECK(false);
    }
    batch->events++;
}

void pm_prepare_place(const struct pm_log_record *record, struct pm_batch *batch)
{
    struct pm_batch_offset *offset = pm_batch_offset(batch, record->partition);
    if (record->offset < offset->next) return; /* delivered again */
    offset->next = record->offset + 1;
    offset->anchor_offset = record->offset;
    offset->anchor_timestamp_ms = record->timestamp_ms;
    offset->anchor_crc = pm_crc32c(0, record->value.ptr, record->value.len);
}

/* That the record came counts, whatever is in it. */
static void take_origin(const struct pm_log_record *record, struct pm_batch *batch)
{
    struct pm_origin origin;
    if (pm_origin_decode(record->origin, &origin)) pm_batch_arrival(batch, &origin, record->timestamp_ms);
}

int pm_prepare_record(struct pm_prepare *p, const struct pm_log_record *record, struct pm_batch *batch,
                      struct pm_error *err)
{
    struct pm_event ev;
    struct pm_error why;
    pm_arena_reset(&p->arena);
    int64_t at_us = pm_time_of_ms(record->timestamp_ms), default_at_us = at_us < 0 ? 0 : at_us;
    int rc = record->value.len == 0
                 ? pm_error_set(&why, PM_EFORMAT,
                                record->value.ptr ? "the value is empty" : "the value is null (a tombstone)")
                 : pm_codec_decode(p->codec, record->value, default_at_us, &p->arena, &ev, &why);
    if (rc != PM_OK && pm_error_class(rc) != PM_CLASS_POISON) {
        if (err) *err = why;
        return rc;
    }
    batch->records++;
    if (record->origin.len > 0) take_origin(record, batch);
    if (rc != PM_OK && pm_origin_is_end_mark(record->origin, record->value)) return PM_OK;
    if (rc != PM_OK) {
        struct pm_batch_poison *poison = pm_batch_poison(batch);
        *poison = (struct pm_batch_poison){
            .partition = record->partition, .offset = record->offset, .bytes_at = batch->bytes.len};
        pm_quarantine_put(rc, record->timestamp_ms, pm_slice_cstr(why.text), record->key, record->value, &batch->bytes);
        poison->bytes_len = (uint32_t)(batch->bytes.len - poison->bytes_at);
        return PM_OK;
    }
    if (ev.occurred_at <= p->until_us) pm_prepare_event(p, &ev, batch);
    return PM_OK;
}
