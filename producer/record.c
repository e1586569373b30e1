/* record.c: event -> record, for `emit` and for the library. */
#include "producer/record.h"

#include "common/event/frame.h"

/* One large event must not make all later ones expensive to hold. */
static void keep_small(struct pm_buf *buf)
{
    if (buf->cap > PM_RECORD_KEEP_BYTES / 4) pm_buf_release(buf);
    pm_buf_clear(buf);
}

void pm_record_begin(struct pm_record_maker *maker)
{
    if (pm_arena_bytes(&maker->arena) > PM_RECORD_KEEP_BYTES / 2) pm_arena_release(&maker->arena);
    pm_arena_reset(&maker->arena);
    keep_small(&maker->scratch);
    keep_small(&maker->value);
    maker->body = pm_slice(NULL, 0);
}

int pm_record_make(struct pm_record_maker *maker, const struct pm_event *ev, struct pm_record *ret,
                   struct pm_error *err)
{
    pm_buf_clear(&maker->value);
    pm_frame_put_single_object(pm_schema_fingerprint(ev->type), &maker->value);
    size_t frame = maker->value.len;
    if (maker->body.len > 0) pm_buf_slice_add(&maker->value, maker->body);
    else pm_event_encode(ev, &maker->value);
    if (maker->value.len - frame > PM_EVENT_BYTES_MAX)
        return pm_error_set(err, PM_ELIMIT, "the event has %zu bytes as a record; at most %d are allowed",
                            maker->value.len - frame, PM_EVENT_BYTES_MAX);
    *ret = (struct pm_record){
        .key = pm_event_key(ev), .value = pm_buf_slice(&maker->value), .timestamp_ms = pm_event_timestamp_ms(ev)};
    return PM_OK;
}

void pm_record_release(struct pm_record_maker *maker)
{
    pm_arena_release(&maker->arena);
    pm_buf_release(&maker->scratch);
    pm_buf_release(&maker->value);
}
