/* emit_block.c: the lines of one block -> checked events -> encoded records. */
#include "producer/emit_block.h"

#include <stdlib.h>

#include "common/base/check.h"
#include "producer/record.h"

static void refuse(struct pm_emit_block *block, uint64_t line, const char *reason)
{
    if (block->n_refusals == block->cap_refusals) {
        block->cap_refusals = block->cap_refusals ? block->cap_refusals * 2 : 16;
        block->refusals = pm_realloc(block->refusals, block->cap_refusals * sizeof *block->refusals);
    }
    block->refusals[block->n_refusals++] = (struct pm_emit_refusal){
        .line = line, .at = block->reasons.len, .n_records_before = block->n_records};
    pm_buf_bytes(&block->reasons, reason, strlen(reason) + 1);
}

static bool is_blank(struct pm_slice line)
{
    for (size_t i = 0; i < line.len; i++)
        if (line.ptr[i] != ' ' && line.ptr[i] != '\t' && line.ptr[i] != '\r') return false;
    return true;
}

static void add_record(struct pm_emit_block *block, const struct pm_emit_record *record)
{
    if (block->n_records == block->cap_records) {
        block->cap_records = block->cap_records ? block->cap_records * 2 : 512;
        block->records = pm_realloc(block->records, block->cap_records * sizeof *block->records);
    }
    block->records[block->n_records++] = *record;
}

static int line_work(struct pm_emit_block *block, struct pm_slice line, uint64_t number, struct pm_codec *codec,
                     struct pm_arena *arena, struct pm_error *err)
{
    struct pm_event ev;
    if (line.len > 0 && line.ptr[line.len - 1] == '\r') line.len--;
    if (line.len > PM_EVENT_BYTES_MAX)
        return pm_error_set(err, PM_ELIMIT, "the event is longer than the limit of %d bytes", PM_EVENT_BYTES_MAX);
    int64_t default_at_us = block->default_at_us + (int64_t)(number - block->first_line);
    PM_TRY(pm_event_from_json(line, default_at_us, arena, &ev, err));
    struct pm_slice key = pm_event_key(&ev);
    struct pm_emit_record record = {.at = block->bytes.len, .timestamp_ms = pm_event_timestamp_ms(&ev), .line = number};
    if (codec) {
        pm_buf_slice_add(&block->bytes, key);
        int rc = pm_codec_encode(codec, &ev, &block->bytes, err);
        if (rc != PM_OK) {
            block->bytes.len = record.at;
            return rc;
        }
        record.key_len = (uint32_t)key.len;
        record.value_len = (uint32_t)(block->bytes.len - record.at - key.len);
    }
    add_record(block, &record);
    return PM_OK;
}

void pm_emit_block_work(struct pm_emit_block *block, struct pm_codec *codec, struct pm_arena *arena)
{
    const char *at = block->input, *end = block->input + block->used;
    for (uint64_t number = block->first_line; at < end; number++) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        struct pm_slice line = pm_slice(at, (size_t)((newline ? newline : end) - at));
        at = newline ? newline + 1 : end;
        if (is_blank(line)) continue;
        pm_arena_reset(arena);
        struct pm_error err = {0};
        int rc = line_work(block, line, number, codec, arena, &err);
        if (rc == PM_OK) continue;
        if (pm_error_class(rc) != PM_CLASS_POISON) {
            block->fatal = err;
            return;
        }
        refuse(block, number, err.text);
    }
}

void pm_emit_block_clear(struct pm_emit_block *block)
{
    block->used = 0;
    block->n_lines = 0;
    block->done = false;
    pm_buf_clear(&block->bytes);
    pm_buf_clear(&block->reasons);
    block->n_records = 0;
    block->n_refusals = 0;
    block->fatal.code = PM_OK;
}

void pm_emit_block_release(struct pm_emit_block *block)
{
    free(block->input);
    pm_buf_release(&block->bytes);
    pm_buf_release(&block->reasons);
    free(block->records);
    free(block->refusals);
}
