/* frame.c: the three ways a log value begins. Reader and writers side by side. Any thread. */
#include "common/event/frame.h"

#include <endian.h>

#include "common/base/number.h"
#include "common/base/varint.h"

#define SHOWN_BYTES 8

/* The first bytes in hex, for whoever looks for the producer that wrote them. */
static __attribute__((cold)) int refuse(struct pm_slice value, struct pm_error *err)
{
    if (value.len == 0)
        return pm_error_set(
            err, PM_EFORMAT,
            "the value is empty (a tombstone means nothing here: events are never deleted from the log)");
    size_t shown = value.len < SHOWN_BYTES ? value.len : SHOWN_BYTES;
    char hex[2 * SHOWN_BYTES];
    pm_hex_encode(value.ptr, shown, hex);
    const char *what = "begins like none of: c301 (Avro single object), 00 (schema registry id), '{' (JSON)";
    uint8_t first = (uint8_t)value.ptr[0];
    if (first == 0x00) what = "is cut inside 00 and the 4-byte schema registry id";
    if (first == 0xc3 && (shown < 2 || value.ptr[1] == 0x01))
        what = "is cut inside c301 and the 8-byte schema fingerprint";
    return pm_error_set(err, PM_EFORMAT, "the value of %zu bytes (%.*s%s) %s", value.len, (int)(2 * shown), hex,
                        shown < value.len ? "..." : "", what);
}

static bool is_json(struct pm_slice value)
{
    size_t blanks = 0;
    while (blanks < value.len && (value.ptr[blanks] == ' ' || (value.ptr[blanks] >= '\t' && value.ptr[blanks] <= '\r')))
        blanks++;
    return blanks < value.len && value.ptr[blanks] == '{';
}

int pm_frame_read(struct pm_slice value, struct pm_frame *ret, struct pm_error *err)
{
    const uint8_t *p = (const uint8_t *)value.ptr;
    if (value.len >= PM_FRAME_SINGLE_OBJECT_BYTES && p[0] == 0xc3 && p[1] == 0x01) {
        uint64_t fingerprint;
        memcpy(&fingerprint, p + 2, sizeof fingerprint);
        ret->kind = PM_FRAME_SINGLE_OBJECT;
        ret->fingerprint = le64toh(fingerprint);
        ret->body = pm_slice(p + PM_FRAME_SINGLE_OBJECT_BYTES, value.len - PM_FRAME_SINGLE_OBJECT_BYTES);
        return PM_OK;
    }
    if (value.len >= PM_FRAME_CONFLUENT_BYTES && p[0] == 0x00) {
        ret->kind = PM_FRAME_CONFLUENT;
        ret->schema_id = pm_be32_get(p + 1);
        ret->body = pm_slice(p + PM_FRAME_CONFLUENT_BYTES, value.len - PM_FRAME_CONFLUENT_BYTES);
        return PM_OK;
    }
    if (is_json(value)) {
        ret->kind = PM_FRAME_JSON;
        ret->body = value;
        return PM_OK;
    }
    return refuse(value, err);
}

void pm_frame_put_single_object(uint64_t fingerprint, struct pm_buf *out)
{
    uint8_t frame[PM_FRAME_SINGLE_OBJECT_BYTES] = {0xc3, 0x01};
    fingerprint = htole64(fingerprint);
    memcpy(frame + 2, &fingerprint, sizeof fingerprint);
    pm_buf_bytes(out, frame, sizeof frame);
}

void pm_frame_put_confluent(uint32_t schema_id, struct pm_buf *out)
{
    uint8_t frame[PM_FRAME_CONFLUENT_BYTES] = {0};
    pm_be32_put(frame + 1, schema_id);
    pm_buf_bytes(out, frame, sizeof frame);
}
