/* codec.h: from the bytes of one log record to an event and back: framing, schemas by fingerprint or registry id, slow
 * path. A codec belongs to one thread. */
#ifndef PM_EVENT_CODEC_H
#define PM_EVENT_CODEC_H

#include "common/event/event.h"

struct pm_codec;

struct pm_codec_options {
    const char *registry_url;   /* NULL: single-object framing is written, registry ids are unknown */
    const char *registry_topic; /* for the subject TOPIC-RecordName (TopicRecordNameStrategy) */
    const char *schema_dir;     /* NULL, or a directory of further writer schemas (*.avsc) for single-object records */
    const char *registry_ca_file; /* NULL: the system's */
};

int pm_codec_open(const struct pm_codec_options *options, struct pm_codec **ret, struct pm_error *err) PM_MUST_CHECK;
void pm_codec_close(struct pm_codec *codec);

/* One log value -> a checked event (pm_event_check is called). Accepts single-object framing (C3 01), Confluent framing
 * (00 + id) and a JSON object ('{'). `default_at_us` is occurred_at for a JSON object without one (the record's own
 * timestamp, so that replay gives the same). The event borrows from `value` and `arena`. Errors of class POISON go to
 * the quarantine; class RETRY (registry away) must be tried again. */
int pm_codec_decode(struct pm_codec *codec, struct pm_slice value, int64_t default_at_us, struct pm_arena *arena,
                    struct pm_event *ret, struct pm_error *err) PM_MUST_CHECK;

/* Appends the framed record. Registers the schema first when a registry is set. */
int pm_codec_encode(struct pm_codec *codec, const struct pm_event *ev, struct pm_buf *out,
                    struct pm_error *err) PM_MUST_CHECK;

/* The key that the event's record has in the log: the job's id, else the result's path, else nothing (borrows from the
 * event); and its timestamp. */
struct pm_slice pm_event_key(const struct pm_event *ev);
int64_t pm_event_timestamp_ms(const struct pm_event *ev);

/* A record as pm_codec_encode makes it without a registry, framed as this codec frames: with the registry's id, made in
 * `scratch`, or as it is. For records that waited where no registry was. */
int pm_codec_reframe(struct pm_codec *codec, struct pm_slice value, struct pm_buf *scratch, struct pm_slice *ret,
                     struct pm_error *err) PM_MUST_CHECK;

/* CRC-64-AVRO of the Parsing Canonical Form of a built-in schema, and its JSON text as in schemas/. */
uint64_t pm_schema_fingerprint(enum pm_event_type type);
struct pm_slice pm_schema_json(enum pm_event_type type);

#endif
