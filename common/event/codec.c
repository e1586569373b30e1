/* codec.c: log value <-> event. Which schema wrote a record, and so who reads it:
 *
 *   C3 01 fingerprint --built in?--> pm_event_decode
 *                     --in schema_dir?--> pm_writer_translate -> pm_event_decode
 *   00 id --registry (once an id)--> fingerprint --built in?--> the same two ways
 *   '{' --> pm_event_from_json
 *
 * A codec belongs to one thread. */
#include "common/event/codec.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/time.h"
#include "common/event/avro_slow.h"
#include "common/event/frame.h"
#include "common/event/identity.h"
#include "common/event/registry.h"
#include "common/event/schema.h"

#define WRITERS_MAX 1024 /* schemas known beside the built-in ones: files, and ids of the registry */
#define SCHEMA_FILE_BYTES_MAX 1048576
#define UNKNOWN_ID_TTL_US 10000000 /* how long an id that the registry did not have is not asked for again */

/* Who wrote a record: a built-in schema (writer NULL), a foreign one that resolves, or one that does not (code and
 * why). */
struct source {
    uint64_t key; /* fingerprint or registry id */
    enum pm_event_type type;
    struct pm_writer *writer;
    int code;
    char *why;
    int64_t forget_at_us; /* 0: never, a schema does not change */
};

struct sources {
    struct source *items;
    size_t count, last; /* `last`: the one found last, most often the next one too */
};

struct pm_codec {
    struct pm_registry *registry;
    char *topic, *schema_dir;
    struct sources files, ids;
    bool registered[PM_EVENT_TYPE_COUNT];
    uint32_t id_of[PM_EVENT_TYPE_COUNT];
    struct pm_buf scratch;
};

/* ---- what is known of writers ---- */

static void source_release(struct source *source)
{
    pm_writer_free(source->writer);
    free(source->why);
    *source = (struct source){0};
}

static void sources_release(struct sources *sources)
{
    for (size_t i = 0; i < sources->count; i++) source_release(&sources->items[i]);
    free(sources->items);
}

static struct source *sources_find(struct sources *sources, uint64_t key)
{
    if (sources->last < sources->count && sources->items[sources->last].key == key)
        return &sources->items[sources->last];
    for (size_t i = 0; i < sources->count; i++) {
        if (sources->items[i].key != key) continue;
        sources->last = i;
        return &sources->items[i];
    }
    return NULL;
}

/* Room for a new one: at the end, or, when all is full (garbage that looks like ids), in the place of the oldest that
 * may be forgotten. */
static struct source *sources_add(struct sources *sources, uint64_t key)
{
    size_t at = sources->count;
    if (at == WRITERS_MAX) {
        at = 0;
        for (size_t i = 1; i < WRITERS_MAX; i++) {
            const struct source *best = &sources->items[at], *item = &sources->items[i];
            if (item->forget_at_us && (!best->forget_at_us || item->forget_at_us < best->forget_at_us)) at = i;
        }
        source_release(&sources->items[at]);
    } else {
        if ((at & (at - 1)) == 0)
            sources->items = pm_realloc(sources->items, (at ? 2 * at : 1) * sizeof *sources->items);
        sources->count++;
    }
    sources->items[at] = (struct source){.key = key};
    return &sources->items[at];
}

/* From a schema's text: built in, foreign, or neither, which is remembered too. */
static void source_resolve(struct source *source, struct pm_slice schema_json)
{
    struct pm_error why = {0};
    uint64_t fingerprint;
    int rc = pm_schema_identify(schema_json, &fingerprint, &why);
    if (rc == PM_OK && pm_schema_find(fingerprint, &source->type)) return;
    if (rc == PM_OK) rc = pm_writer_new(schema_json, &source->writer, &why);
    if (rc == PM_OK) {
        source->type = pm_writer_type(source->writer);
        return;
    }
    source->code = rc;
    source->why = pm_strdup(why.text);
}

/* ---- schema_dir ---- */

static int read_file(const char *path, struct pm_buf *out, struct pm_error *err)
{
    FILE *file = fopen(path, "rb");
    if (!file) return pm_error_set(err, PM_EUSAGE, "could not open schema file %s: %s", path, strerror(errno));
    pm_buf_clear(out);
    pm_buf_reserve(out, SCHEMA_FILE_BYTES_MAX + 1);
    out->len = fread(out->ptr, 1, SCHEMA_FILE_BYTES_MAX + 1, file);
    bool failed = ferror(file) != 0;
    fclose(file);
    if (failed) return pm_error_set(err, PM_EUSAGE, "could not read schema file %s", path);
    if (out->len > SCHEMA_FILE_BYTES_MAX)
        return pm_error_set(err, PM_EUSAGE, "schema file %s is above %d bytes", path, SCHEMA_FILE_BYTES_MAX);
    return PM_OK;
}

/* A file that is no schema, or resolves to none of ours, is a mistake of whoever put it there: said at the start, not
 * at the first record. */
static int load_file(struct pm_codec *codec, const char *name, struct pm_error *err)
{
    PM_CLEANUP(pm_buf_release) struct pm_buf path = {0};
    enum pm_event_type type;
    uint64_t fingerprint;
    struct pm_error why;
    pm_buf_printf(&path, "%s/%s", codec->schema_dir, name);
    PM_TRY(read_file(path.ptr, &codec->scratch, err));
    struct pm_slice text = pm_buf_slice(&codec->scratch);
    if (pm_schema_identify(text, &fingerprint, &why) != PM_OK)
        return pm_error_set(err, PM_EUSAGE, "schema file %s: %s", path.ptr, why.text);
    if (pm_schema_find(fingerprint, &type) || sources_find(&codec->files, fingerprint)) return PM_OK;
    if (codec->files.count == WRITERS_MAX)
        return pm_error_set(err, PM_EUSAGE, "schema directory %s holds more than %d schemas", codec->schema_dir,
                            WRITERS_MAX);
    struct source *source = sources_add(&codec->files, fingerprint);
    source_resolve(source, text);
    return source->code == PM_OK ? PM_OK : pm_error_set(err, PM_EUSAGE, "schema file %s: %s", path.ptr, source->why);
}

static int load_directory(struct pm_codec *codec, struct pm_error *err)
{
    DIR *dir = opendir(codec->schema_dir);
    if (!dir)
        return pm_error_set(err, PM_EUSAGE, "could not open schema directory %s: %s", codec->schema_dir,
                            strerror(errno));
    int rc = PM_OK;
    for (struct dirent *entry; rc == PM_OK && (entry = readdir(dir));) {
        size_t len = strlen(entry->d_name);
        if (len > 5 && strcmp(entry->d_name + len - 5, ".avsc") == 0) rc = load_file(codec, entry->d_name, err);
    }
    closedir(dir);
    return rc;
}

/* ---- open, close ---- */

static int open_parts(struct pm_codec *codec, const struct pm_codec_options *options, struct pm_error *err)
{
    if (options->registry_url)
        PM_TRY(pm_registry_open(options->registry_url, options->registry_ca_file, &codec->registry, err));
    if (options->registry_topic) codec->topic = pm_strdup(options->registry_topic);
    if (!options->schema_dir) return PM_OK;
    codec->schema_dir = pm_strdup(options->schema_dir);
    return load_directory(codec, err);
}

int pm_codec_open(const struct pm_codec_options *options, struct pm_codec **ret, struct pm_error *err)
{
    struct pm_codec *codec = pm_calloc(1, sizeof *codec);
    struct pm_error why = {0};
    int rc = open_parts(codec, options, &why);
    if (rc == PM_OK) {
        *ret = codec;
        return PM_OK;
    }
    pm_codec_close(codec);
    return pm_error_set(err, rc, "%s", why.text);
}

void pm_codec_close(struct pm_codec *codec)
{
    if (!codec) return;
    pm_registry_close(codec->registry);
    sources_release(&codec->files);
    sources_release(&codec->ids);
    pm_buf_release(&codec->scratch);
    free(codec->topic);
    free(codec->schema_dir);
    free(codec);
}

/* ---- decode ---- */

static int find_fingerprint(struct pm_codec *codec, uint64_t fingerprint, struct source **ret, struct pm_error *err)
{
    *ret = sources_find(&codec->files, fingerprint);
    if (*ret) return PM_OK;
    return pm_error_set(err, PM_ESCHEMA,
                        "schema fingerprint %016llx is unknown (put the writer's schema as *.avsc into %s, then: "
                        "provmat quarantine retry)",
                        (unsigned long long)fingerprint,
                        codec->schema_dir ? codec->schema_dir : "a directory and set provmat.schemas to it");
}

/* Asks the registry for an id that is not known yet. */
static int learn_id(struct pm_codec *codec, uint32_t id, struct source **ret, struct pm_error *err)
{
    struct pm_error why = {0};
    pm_buf_clear(&codec->scratch);
    int rc = pm_registry_schema(codec->registry, id, &codec->scratch, &why);
    if (rc != PM_OK && rc != PM_ENOTFOUND && rc != PM_ESCHEMA)
        return pm_error_set(err, rc, "schema id %u: %s", id, why.text);
    struct source *source = sources_add(&codec->ids, id);
    if (rc == PM_OK) {
        source_resolve(source, pm_buf_slice(&codec->scratch));
    } else {
        source->code = PM_ESCHEMA;
        source->why = pm_strdup(why.text);
        if (rc == PM_ENOTFOUND) source->forget_at_us = pm_time_monotonic_us() + UNKNOWN_ID_TTL_US;
    }
    *ret = source;
    return PM_OK;
}

static int find_id(struct pm_codec *codec, uint32_t id, struct source **ret, struct pm_error *err)
{
    if (!codec->registry)
        return pm_error_set(err, PM_ESCHEMA,
                            "schema id %u cannot be looked up: set schema.registry.url, then: provmat quarantine retry",
                            id);
    struct source *source = sources_find(&codec->ids, id);
    if (source && source->forget_at_us && source->forget_at_us <= pm_time_monotonic_us()) {
        size_t at = (size_t)(source - codec->ids.items);
        source_release(source);
        codec->ids.items[at] = codec->ids.items[--codec->ids.count];
        source = NULL;
    }
    if (!source) PM_TRY(learn_id(codec, id, &source, err));
    if (source->code != PM_OK) return pm_error_set(err, source->code, "schema id %u: %s", id, source->why);
    *ret = source;
    return PM_OK;
}

static int decode_from(struct source *source, struct pm_slice body, struct pm_arena *arena, struct pm_event *ret,
                       struct pm_error *err)
{
    if (source->writer) PM_TRY(pm_writer_translate(source->writer, body, arena, &body, err));
    return pm_event_decode(source->type, body, ret, err);
}

static int decode_frame(struct pm_codec *codec, const struct pm_frame *frame, struct pm_arena *arena,
                        struct pm_event *ret, struct pm_error *err)
{
    struct source *source = NULL;
    enum pm_event_type type;
    if (frame->kind == PM_FRAME_SINGLE_OBJECT) {
        if (__builtin_expect(pm_schema_find(frame->fingerprint, &type), 1))
            return pm_event_decode(type, frame->body, ret, err);
        PM_TRY(find_fingerprint(codec, frame->fingerprint, &source, err));
    } else {
        PM_TRY(find_id(codec, frame->schema_id, &source, err));
    }
    return decode_from(source, frame->body, arena, ret, err);
}

int pm_codec_decode(struct pm_codec *codec, struct pm_slice value, int64_t default_at_us, struct pm_arena *arena,
                    struct pm_event *ret, struct pm_error *err)
{
    struct pm_frame frame;
    PM_TRY(pm_frame_read(value, &frame, err));
    if (frame.body.len > PM_EVENT_BYTES_MAX)
        return pm_error_set(err, PM_ELIMIT, "the record has %zu bytes; an event has at most %d", frame.body.len,
                            PM_EVENT_BYTES_MAX);
    if (frame.kind == PM_FRAME_JSON)
        return pm_event_from_json(frame.body, default_at_us, arena, ret, err); /* checks by itself */
    PM_TRY(decode_frame(codec, &frame, arena, ret, err));
    PM_TRY(pm_event_derive(ret, arena, err)); /* a foreign producer may leave out what a line may leave out */
    return pm_event_check(ret, err);
}

/* ---- encode ---- */

/* Once a type: the registry gives the same id for the same schema, now and at every later start. */
static int register_type(struct pm_codec *codec, enum pm_event_type type, struct pm_error *err)
{
    PM_CLEANUP(pm_buf_release) struct pm_buf subject = {0};
    /* A log without a topic's name shares one subject a type with all others like it. */
    pm_buf_printf(&subject, "%s%sprovmat.%s", codec->topic ? codec->topic : "", codec->topic ? "-" : "",
                  pm_event_type_name(type));
    int rc = pm_registry_register(codec->registry, subject.ptr, pm_schema_json(type), &codec->id_of[type], err);
    if (rc != PM_OK) return pm_error_wrap(err, rc, "subject %s", subject.ptr);
    codec->registered[type] = true;
    return PM_OK;
}

struct pm_slice pm_event_key(const struct pm_event *ev)
{
    if (pm_event_has(ev, PM_HAS(job_id))) return ev->job_id;
    return pm_event_has(ev, PM_HAS(result)) ? ev->result : PM_SLICE("");
}

int64_t pm_event_timestamp_ms(const struct pm_event *ev)
{
    int64_t us = ev->occurred_at;
    return us >= 0 ? us / 1000 : -((-us + 999) / 1000);
}

int pm_codec_encode(struct pm_codec *codec, const struct pm_event *ev, struct pm_buf *out, struct pm_error *err)
{
    PM_CHECK(ev->type < PM_EVENT_TYPE_COUNT);
    if (codec->registry && !codec->registered[ev->type]) PM_TRY(register_type(codec, ev->type, err));
    size_t start = out->len;
    if (codec->registry) pm_frame_put_confluent(codec->id_of[ev->type], out);
    else pm_frame_put_single_object(pm_schema_fingerprint(ev->type), out);
    size_t body = out->len;
    pm_event_encode(ev, out);
    if (out->len - body <= PM_EVENT_BYTES_MAX) return PM_OK;
    size_t bytes = out->len - body;
    out->len = start;
    return pm_error_set(err, PM_ELIMIT, "the event has %zu bytes as a record; at most %d are allowed", bytes,
                        PM_EVENT_BYTES_MAX);
}

int pm_codec_reframe(struct pm_codec *codec, struct pm_slice value, struct pm_buf *scratch, struct pm_slice *ret,
                     struct pm_error *err)
{
    struct pm_frame frame;
    enum pm_event_type type;
    if (!codec->registry) {
        *ret = value;
        return PM_OK;
    }
    PM_TRY(pm_frame_read(value, &frame, err));
    if (frame.kind != PM_FRAME_SINGLE_OBJECT || !pm_schema_find(frame.fingerprint, &type))
        return pm_error_set(err, PM_ESCHEMA, "the record is not one that this program wrote");
    if (!codec->registered[type]) PM_TRY(register_type(codec, type, err));
    pm_buf_clear(scratch);
    pm_frame_put_confluent(codec->id_of[type], scratch);
    pm_buf_slice_add(scratch, frame.body);
    *ret = pm_buf_slice(scratch);
    return PM_OK;
}
