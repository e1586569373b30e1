/* schema_file.c: schemas that a person wrote (schema.h): JSON objects, one after the other. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/json.h"
#include "common/base/number.h"
#include "provstore/schema.h"

enum field {
    FIELD_NAME,
    FIELD_VERSION,
    FIELD_ROOT,
    FIELD_SIM,
    FIELD_AGG,
    FIELD_JOB,
    FIELD_ID,
    FIELD_NOTE,
    FIELD_COUNT
};
static const char *const field_names[FIELD_COUNT] = {"name", "version", "root", "sim", "agg", "job", "id", "note"};

struct reading {
    struct pm_json in;
    struct pm_arena *arena;
    struct pm_slice texts[FIELD_COUNT];
    size_t at[FIELD_COUNT]; /* byte offset of the value in the file */
};

static int field_error(const struct reading *reading, enum field field, struct pm_error *err)
{
    return pm_error_wrap(err, PM_EUSAGE, "field \"%s\" at byte offset %zu", field_names[field], reading->at[field]);
}

static int read_field(struct reading *reading, struct pm_slice key, size_t key_at, struct pm_error *err)
{
    unsigned field = 0;
    bool integer = true;
    while (field < FIELD_COUNT && !pm_slice_is(key, field_names[field])) field++;
    if (field == FIELD_COUNT) {
        return pm_error_set(
            err, PM_EUSAGE,
            "unknown field \"%.*s\" before byte offset %zu; a schema has name, version, root, sim, agg, "
            "job, id and note",
            PM_SLICE_ARG(key), key_at);
    }
    if (reading->texts[field].ptr)
        return pm_error_set(err, PM_EUSAGE, "duplicate field \"%s\" before byte offset %zu", field_names[field],
                            key_at);
    pm_json_peek(&reading->in);
    reading->at[field] = (size_t)(reading->in.at - reading->in.start);
    if (field != FIELD_VERSION) return pm_json_read_string(&reading->in, &reading->texts[field], err);
    PM_TRY(pm_json_read_number(&reading->in, &reading->texts[field], &integer, err));
    return integer ? PM_OK : pm_error_set(err, PM_EUSAGE, "field \"version\" must be an integer");
}

/* Names become segments and are typed on command lines. */
static int check_name(const struct reading *reading, enum field field, struct pm_error *err)
{
    struct pm_slice name = reading->texts[field];
    bool good = name.len > 0 && name.len <= PM_SCHEMA_NAME_BYTES_MAX;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        good = good && ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
                        c == '-' || (c == '.' && i > 0));
    }
    if (good) return PM_OK;
    pm_error_set(err, PM_EUSAGE, "\"%.*s\" is not a name: 1 to %d letters, digits, \"_\", \"-\" and, not first, \".\"",
                 (int)(name.len > 200 ? 200 : name.len), name.ptr, PM_SCHEMA_NAME_BYTES_MAX);
    return field_error(reading, field, err);
}

static int compile(const struct reading *reading, enum field field, struct pm_schema *schema, struct pm_template *ret,
                   struct pm_error *err)
{
    if (!reading->texts[field].ptr) return PM_OK;
    struct pm_slice text = pm_arena_copy(reading->arena, reading->texts[field]);
    if (pm_template_compile(text, &schema->names, ret, err) == PM_OK) return PM_OK;
    return field_error(reading, field, err);
}

static int finish(struct reading *reading, struct pm_schema *schema, struct pm_error *err)
{
    struct pm_slice *texts = reading->texts;
    if (!texts[FIELD_NAME].ptr) return pm_error_set(err, PM_EUSAGE, "field \"name\" is missing");
    if (!texts[FIELD_SIM].ptr && !texts[FIELD_AGG].ptr)
        return pm_error_set(err, PM_EUSAGE, "fields \"sim\" and \"agg\" are missing: a schema needs one of them");
    if (!texts[FIELD_ID].ptr) texts[FIELD_ID] = texts[FIELD_NAME];
    if (!texts[FIELD_ROOT].ptr) texts[FIELD_ROOT] = PM_SLICE("{schema_name}/v{version}");
    if (!texts[FIELD_JOB].ptr) texts[FIELD_JOB] = PM_SLICE("jobs/{job_type}/{job_id}");
    if (!texts[FIELD_VERSION].ptr) texts[FIELD_VERSION] = PM_SLICE("1");
    PM_TRY(check_name(reading, FIELD_NAME, err));
    PM_TRY(check_name(reading, FIELD_ID, err));
    if (!pm_i64_parse(texts[FIELD_VERSION], &schema->version) || schema->version < 0) {
        pm_error_set(err, PM_EUSAGE, "%.*s is not a version: a number from 0 on", PM_SLICE_ARG(texts[FIELD_VERSION]));
        return field_error(reading, FIELD_VERSION, err);
    }
    schema->name = pm_arena_copy(reading->arena, texts[FIELD_NAME]);
    schema->id = pm_slice_cstr(pm_arena_cstr(reading->arena, texts[FIELD_ID])); /* "did you mean" wants the zero */
    schema->note = pm_arena_copy(reading->arena, texts[FIELD_NOTE]);
    PM_TRY(compile(reading, FIELD_ROOT, schema, &schema->root, err));
    PM_TRY(compile(reading, FIELD_SIM, schema, &schema->paths[PM_PATH_SIM], err));
    PM_TRY(compile(reading, FIELD_AGG, schema, &schema->paths[PM_PATH_AGG], err));
    return compile(reading, FIELD_JOB, schema, &schema->paths[PM_PATH_JOB], err);
}

static struct pm_schema *new_schema(struct pm_arena *arena)
{
    struct pm_schema *schema = pm_arena_alloc(arena, sizeof *schema);
    memset(schema, 0, sizeof *schema);
    return schema;
}

static int add(struct pm_schemas *schemas, struct pm_schema *schema, struct pm_error *err)
{
    if (pm_schemas_find(schemas, schema->id, NULL)) {
        return pm_error_set(err, PM_EUSAGE, "schema \"%.*s\" exists already; give this one an \"id\" of its own",
                            PM_SLICE_ARG(schema->id));
    }
    if (schemas->count == PM_SCHEMAS_MAX)
        return pm_error_set(err, PM_EUSAGE, "above the limit of %d schemas", PM_SCHEMAS_MAX);
    schemas->items[schemas->count++] = schema;
    return PM_OK;
}

static int read_object(struct reading *reading, struct pm_schemas *schemas, struct pm_error *err)
{
    struct pm_slice key;
    bool more;
    memset(reading->texts, 0, sizeof reading->texts);
    reading->in.depth = 0;
    PM_TRY(pm_json_enter(&reading->in, '{', err));
    for (;;) {
        PM_TRY(pm_json_read_key(&reading->in, &key, &more, err));
        if (!more) break;
        PM_TRY(read_field(reading, key, (size_t)(reading->in.at - reading->in.start), err));
    }
    struct pm_schema *schema = new_schema(reading->arena);
    PM_TRY(finish(reading, schema, err));
    return add(schemas, schema, err);
}

static int read_text(const char *file, struct pm_buf *out, struct pm_error *err)
{
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    ssize_t n = -1;
    if (fd >= 0) {
        do {
            pm_buf_reserve(out, 65536);
            n = read(fd, out->ptr + out->len, 65536);
            if (n > 0) out->len += (size_t)n;
        } while (n > 0 && out->len <= PM_SCHEMA_FILE_BYTES_MAX);
    }
    int number = errno;
    if (fd >= 0) close(fd);
    if (n < 0) return pm_error_set(err, PM_EUSAGE, "could not read \"%s\": %s", file, pm_error_system(number));
    if (out->len <= PM_SCHEMA_FILE_BYTES_MAX) return PM_OK;
    return pm_error_set(err, PM_EUSAGE, "\"%s\" is above the limit of %d bytes", file, PM_SCHEMA_FILE_BYTES_MAX);
}

int pm_schemas_read_text(struct pm_schemas *schemas, struct pm_slice text, const char *file, struct pm_error *err)
{
    struct reading reading = {.arena = &schemas->arena};
    size_t before = schemas->count;
    int rc = pm_json_open(&reading.in, text, &schemas->arena, err);
    while (rc == PM_OK && pm_json_peek(&reading.in) == PM_JSON_OBJECT) rc = read_object(&reading, schemas, err);
    if (rc == PM_OK) rc = pm_json_close(&reading.in, err);
    if (rc == PM_OK && schemas->count == before)
        rc = pm_error_set(err, PM_EUSAGE, "no schema: a JSON object with name and sim or agg is expected");
    if (rc == PM_OK) return PM_OK;
    schemas->count = before;
    pm_error_wrap(err, PM_EUSAGE, "%s", file);
    return err ? (int)(err->code = PM_EUSAGE) : PM_EUSAGE; /* what a person wrote: theirs to mend */
}

int pm_schemas_read(struct pm_schemas *schemas, const char *file, struct pm_error *err)
{
    struct pm_buf text = {0};
    int rc = read_text(file, &text, err);
    if (rc == PM_OK) rc = pm_schemas_read_text(schemas, pm_buf_slice(&text), file, err);
    pm_buf_release(&text);
    return rc;
}

int pm_schemas_add_template(struct pm_schemas *schemas, struct pm_slice text, enum pm_path_kind kind,
                            struct pm_error *err)
{
    struct pm_schema *schema = new_schema(&schemas->arena);
    schema->id = schema->name = PM_SLICE("template");
    schema->version = 1;
    schema->note = PM_SLICE("given with --template");
    PM_TRY(pm_template_compile(text, &schema->names, &schema->paths[kind], err));
    return add(schemas, schema, err);
}

void pm_schemas_release(struct pm_schemas *schemas)
{
    pm_arena_release(&schemas->arena);
    schemas->count = 0;
}
