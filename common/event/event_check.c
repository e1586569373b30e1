/* event_check.c: the rules that every event keeps, whoever wrote it: lines before they are appended, records before
 * they are applied. Runs once for each record of the log, so the usual event passes without an allocation and mostly in
 * steps of eight bytes. Any thread. */
#include <math.h>
#include <stddef.h>

#include "common/base/check.h"
#include "common/base/hash.h"
#include "common/base/json.h"
#include "common/base/number.h"
#include "common/base/time.h"
#include "common/event/event_rules.h"
#include "common/event/field.h"
#include "common/event/identity.h"

#define TEXT_BYTES_MAX (64 * 1024) /* of a text field without a limit of its own */
#define PARAM_ID_BYTES_MAX 128
#define EVENT_ID_DIGITS 32
#define DIGEST_DIGITS 64

#define COLD __attribute__((cold, noinline))
#define LIKELY(cond) __builtin_expect(!!(cond), 1)

/* ---- one text ---- */

/* How much of a text a message shows: whole characters, at most 120 bytes. */
static int shown(struct pm_slice text)
{
    size_t len = text.len;
    if (len > 120) {
        len = 120;
        while (len > 0 && (text.ptr[len] & 0xc0) == 0x80) len--;
    }
    return (int)len;
}

static COLD int refuse_length(const char *field, size_t len, size_t limit, struct pm_error *err)
{
    if (len == 0) return pm_error_set(err, PM_EINVALID, "field \"%s\" is empty", field);
    return pm_error_set(err, PM_ELIMIT, "field \"%s\" has %zu bytes, above the limit of %zu", field, len, limit);
}

static COLD int refuse_utf8(const char *field, struct pm_slice text, struct pm_error *err)
{
    size_t at = pm_utf8_valid_prefix(text);
    return pm_error_set(err, PM_EINVALID, "field \"%s\" is not UTF-8 at its byte %zu (0x%02x)", field, at,
                        (unsigned char)text.ptr[at]);
}

static inline bool is_text(struct pm_slice text, size_t least, size_t limit)
{
    return LIKELY(text.len - least <= limit - least) && (LIKELY(pm_ascii(text)) || pm_utf8_valid(text));
}

static COLD int refuse_text(const char *field, struct pm_slice text, size_t least, size_t limit, struct pm_error *err)
{
    bool fits = text.len >= least && text.len <= limit;
    return fits ? refuse_utf8(field, text, err) : refuse_length(field, text.len, limit, err);
}

static inline int check_text(const char *field, struct pm_slice text, size_t least, size_t limit, struct pm_error *err)
{
    return LIKELY(is_text(text, least, limit)) ? PM_OK : refuse_text(field, text, least, limit, err);
}

/* ---- paths ---- */

static COLD int refuse_path(const char *field, struct pm_slice path, const char *why, struct pm_error *err)
{
    return pm_error_set(err, PM_EINVALID, "%s \"%.*s\": %s", field, shown(path), path.ptr, why);
}

/* The rule itself, byte by byte: for what the quick look cannot clear. */
static COLD int check_path_slowly(const char *field, struct pm_slice path, struct pm_error *err)
{
    if (path.len == 0) return pm_error_set(err, PM_EINVALID, "%s: a path cannot be empty", field);
    if (path.len > PM_PATH_BYTES_MAX) {
        return pm_error_set(err, PM_ELIMIT, "%s: path of %zu bytes, above the limit of %d", field, path.len,
                            PM_PATH_BYTES_MAX);
    }
    const char *nul = memchr(path.ptr, '\0', path.len);
    if (nul)
        return pm_error_set(err, PM_EINVALID, "%s: path has a NUL at its byte %zu", field, (size_t)(nul - path.ptr));
    if (!pm_utf8_valid(path)) {
        size_t at = pm_utf8_valid_prefix(path);
        return pm_error_set(err, PM_EINVALID, "%s: path is not UTF-8 at its byte %zu (0x%02x)", field, at,
                            (unsigned char)path.ptr[at]);
    }
    if (path.ptr[0] == '/') return refuse_path(field, path, "a path does not begin with '/'", err);
    if (path.ptr[path.len - 1] == '/') return refuse_path(field, path, "a path does not end with '/'", err);
    for (const char *p = path.ptr, *end = path.ptr + path.len; p < end;) {
        const char *slash = memchr(p, '/', (size_t)(end - p));
        struct pm_slice segment = pm_slice(p, (size_t)((slash ? slash : end) - p));
        if (segment.len == 0) return refuse_path(field, path, "a path has no empty segment", err);
        if (pm_slice_is(segment, ".")) return refuse_path(field, path, "a path has no segment \".\"", err);
        if (pm_slice_is(segment, "..")) return refuse_path(field, path, "a path has no segment \"..\"", err);
        if (!slash) break;
        p = slash + 1;
    }
    return PM_OK;
}

#define STEP 16 /* bytes of a path looked at together */
typedef uint8_t vector __attribute__((vector_size(STEP)));
typedef int8_t signed_vector __attribute__((vector_size(STEP)));
typedef uint64_t vector_of_words __attribute__((vector_size(STEP)));

/* STEP bytes at p and the one after them: a NUL, a byte above ASCII, or a '/' before a '/' or a '.'? */
static inline vector suspicious(const char *p)
{
    vector here, next;
    memcpy(&here, p, STEP);
    memcpy(&next, p + 1, STEP);
    vector slashes = (vector)(here == '/') & (vector)((next | 1) == '/'); /* '.' is '/' without its lowest bit */
    return slashes | (vector)((signed_vector)here <= 0);
}

static inline int check_path(const char *field, struct pm_slice path, struct pm_error *err)
{
    if (LIKELY(path.len > STEP && path.len <= PM_PATH_BYTES_MAX)) {
        const char *last = path.ptr + path.len - STEP - 1; /* the last look overlaps the one before it */
        vector bad = suspicious(last);
        for (const char *p = path.ptr; p < last; p += STEP) bad |= suspicious(p);
        vector_of_words words = (vector_of_words)bad;
        unsigned char first = (unsigned char)path.ptr[0], end = (unsigned char)last[STEP];
        if (LIKELY((words[0] | words[1]) == 0 && first != '/' && first != '.' && end != '/' && end != 0 && end < 0x80))
            return PM_OK;
    }
    return check_path_slowly(field, path, err);
}

int pm_path_check(const char *field, struct pm_slice path, struct pm_error *err)
{
    return check_path(field, path, err);
}

/* ---- arrays ---- */

static int check_count(const char *field, uint32_t count, uint32_t least, uint32_t limit, struct pm_error *err)
{
    if (count < least) return pm_error_set(err, PM_EINVALID, "field \"%s\" is empty", field);
    if (count > limit)
        return pm_error_set(err, PM_ELIMIT, "field \"%s\" has %u items, above the limit of %u", field, count, limit);
    return PM_OK;
}

static int check_paths(const char *field, struct pm_array array, uint32_t least, uint32_t limit, struct pm_error *err)
{
    PM_TRY(check_count(field, array.count, least, limit, err));
    struct pm_array_iter it = pm_array_iter(array);
    struct pm_slice path;
    while (pm_array_next_text(&it, &path)) PM_TRY(check_path(field, path, err));
    return PM_OK;
}

static int check_texts(const char *field, struct pm_array array, size_t least, size_t limit, struct pm_error *err)
{
    struct pm_array_iter it = pm_array_iter(array);
    struct pm_slice text;
    while (pm_array_next_text(&it, &text)) PM_TRY(check_text(field, text, least, limit, err));
    return PM_OK;
}

static COLD int refuse_number(const char *field, double value, const char *rule, struct pm_error *err)
{
    const char *what = isnan(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity";
    return pm_error_set(err, PM_EINVALID, "%s must be %s, not %s", field, rule, what);
}

static int check_doubles(const char *field, struct pm_array array, struct pm_error *err)
{
    struct pm_array_iter it = pm_array_iter(array);
    double value;
    while (pm_array_next_double(&it, &value)) {
        if (!isfinite(value)) return refuse_number(field, value, "finite numbers", err);
    }
    return PM_OK;
}

/* Names are unique: up to a few by comparing each with all before it, more through a hash table on the stack. */
#define NAMES_FEW 8
#define NAME_SLOTS 2048 /* twice PM_OUTPUTS_MAX */

static COLD int refuse_output(struct pm_slice name, struct pm_error *err)
{
    return pm_error_set(err, PM_EINVALID, "outputs: duplicate name \"%.*s\"", shown(name), name.ptr);
}

static int check_names_of_many(struct pm_array outputs, struct pm_error *err)
{
    struct pm_slice slots[NAME_SLOTS];
    memset(slots, 0, sizeof slots);
    struct pm_array_iter it = pm_array_iter(outputs);
    struct pm_output output;
    while (pm_array_next_output(&it, &output)) {
        size_t at = pm_hash64(output.name.ptr, output.name.len, 0) % NAME_SLOTS;
        for (; slots[at].ptr; at = (at + 1) % NAME_SLOTS) {
            if (pm_slice_eq(slots[at], output.name)) return refuse_output(output.name, err);
        }
        slots[at] = output.name; /* not empty: that was checked */
    }
    return PM_OK;
}

static int check_outputs(struct pm_array outputs, struct pm_error *err)
{
    PM_TRY(check_count("outputs", outputs.count, 0, PM_OUTPUTS_MAX, err));
    struct pm_slice names[NAMES_FEW];
    struct pm_array_iter it = pm_array_iter(outputs);
    struct pm_output output;
    for (size_t n = 0; pm_array_next_output(&it, &output); n++) {
        PM_TRY(check_text("outputs.name", output.name, 1, TEXT_BYTES_MAX, err));
        PM_TRY(check_text("outputs.checksum", output.checksum, 1, TEXT_BYTES_MAX, err));
        if (output.size < 0)
            return pm_error_set(err, PM_EINVALID, "outputs: size must be at least 0, not %lld", (long long)output.size);
        if (n >= NAMES_FEW) continue;
        for (size_t i = 0; i < n; i++) {
            if (pm_slice_eq(names[i], output.name)) return refuse_output(output.name, err);
        }
        names[n] = output.name;
    }
    return outputs.count > NAMES_FEW ? check_names_of_many(outputs, err) : PM_OK;
}

/* ---- JSON objects ---- */

static void release_arena(struct pm_arena *arena) { pm_arena_release(arena); }

static int check_object(const char *field, struct pm_slice text, size_t limit, enum pm_event_trust trust,
                        struct pm_error *err)
{
    if (text.len > limit)
        return pm_error_set(err, PM_ELIMIT, "field \"%s\" has %zu bytes, above the limit of %zu", field, text.len,
                            limit);
    if (trust == PM_TRUST_TEXT) return PM_OK;
    PM_CLEANUP(release_arena) struct pm_arena arena = {0};
    struct pm_json in;
    int rc = pm_json_open(&in, text, &arena, err);
    if (rc == PM_OK && pm_json_peek(&in) != PM_JSON_OBJECT) rc = pm_json_expected(&in, "an object", err);
    if (rc == PM_OK) rc = pm_json_read_compact(&in, NULL, err);
    if (rc == PM_OK) rc = pm_json_close(&in, err);
    return pm_error_wrap(err, rc, "field \"%s\"", field);
}

/* ---- members ---- */

#define OBJECT_MEMBERS (PM_HAS(diagnostics) | PM_HAS(metadata) | PM_HAS(job_inputs))
#define ARRAY_MEMBERS                                                                                         \
    (PM_HAS(outputs) | PM_HAS(inputs) | PM_HAS(input_task_ids) | PM_HAS(replicate_losses) | PM_HAS(results) | \
     PM_HAS(targets) | PM_HAS(parents))

/* Text members whose only rule is a length and UTF-8: where they are, at least and at most how long. */
struct text_rule {
    uint16_t offset;
    uint16_t least;
    uint32_t limit;
};
#define TEXT(m, least, limit) [PM_M_##m] = {offsetof(struct pm_event, m), least, limit}
static const struct text_rule text_rules[PM_MEMBER_COUNT] = {
    TEXT(job_id, 1, PM_JOB_ID_BYTES_MAX),
    TEXT(worker, 0, TEXT_BYTES_MAX),
    TEXT(schema, 0, TEXT_BYTES_MAX),
    TEXT(bundle_ref, 0, TEXT_BYTES_MAX),
    TEXT(model_digest, 0, TEXT_BYTES_MAX),
    TEXT(entrypoint, 0, TEXT_BYTES_MAX),
    TEXT(param_id, 1, PARAM_ID_BYTES_MAX),
    TEXT(target, 0, TEXT_BYTES_MAX),
    TEXT(target_digest, 0, TEXT_BYTES_MAX),
    TEXT(aggregation_id, 0, TEXT_BYTES_MAX),
    TEXT(task_id, 0, TEXT_BYTES_MAX),
    TEXT(env_digest, 0, TEXT_BYTES_MAX),
    TEXT(reason, 0, TEXT_BYTES_MAX),
    TEXT(job_type, 0, TEXT_BYTES_MAX),
    TEXT(definition_hash, 0, TEXT_BYTES_MAX),
    TEXT(input_hash, 0, TEXT_BYTES_MAX),
    TEXT(provider_id, 0, TEXT_BYTES_MAX),
    TEXT(provider_model, 0, TEXT_BYTES_MAX),
    TEXT(user, 0, TEXT_BYTES_MAX),
    TEXT(rerun_of, 1, PM_JOB_ID_BYTES_MAX),
    TEXT(status_error, 0, TEXT_BYTES_MAX),
};
#define TEXT_MEMBERS                                                                                           \
    (PM_HAS(job_id) | PM_HAS(worker) | PM_HAS(schema) | PM_HAS(bundle_ref) | PM_HAS(model_digest) |            \
     PM_HAS(entrypoint) | PM_HAS(param_id) | PM_HAS(target) | PM_HAS(target_digest) | PM_HAS(aggregation_id) | \
     PM_HAS(task_id) | PM_HAS(env_digest) | PM_HAS(reason) | PM_HAS(job_type) | PM_HAS(definition_hash) |      \
     PM_HAS(input_hash) | PM_HAS(provider_id) | PM_HAS(provider_model) | PM_HAS(user) | PM_HAS(rerun_of) |     \
     PM_HAS(status_error))

static int check_text_members(const struct pm_event *ev, struct pm_error *err)
{
    for (uint64_t left = ev->has & TEXT_MEMBERS; left; left &= left - 1) {
        int member = __builtin_ctzll(left);
        const struct text_rule *rule = &text_rules[member];
        struct pm_slice text;
        memcpy(&text, (const char *)ev + rule->offset, sizeof text);
        if (!LIKELY(is_text(text, rule->least, rule->limit)))
            return refuse_text(pm_member_name((enum pm_member)member), text, rule->least, rule->limit, err);
    }
    return PM_OK;
}

static COLD int refuse_members(const struct pm_event *ev, struct pm_error *err)
{
    const char *type = pm_event_type_name(ev->type);
    uint64_t missing = pm_fields_required[ev->type] & ~ev->has, foreign = ev->has & ~pm_fields_allowed[ev->type];
    if (missing) {
        return pm_error_set(err, PM_EINVALID, "missing field \"%s\" of %s",
                            pm_member_name((enum pm_member)__builtin_ctzll(missing)), type);
    }
    return pm_error_set(err, PM_EINVALID, "%s has no field \"%s\"", type,
                        pm_member_name((enum pm_member)__builtin_ctzll(foreign)));
}

static int check_time(const char *field, int64_t us, struct pm_error *err)
{
    if (us >= PM_TIME_MIN && us <= PM_TIME_MAX) return PM_OK;
    return pm_error_set(err, PM_EINVALID, "field \"%s\": %lld microseconds are outside the years 0001..9999", field,
                        (long long)us);
}

static COLD int refuse_hex(const char *field, struct pm_slice text, int digits, struct pm_error *err)
{
    return pm_error_set(err, PM_EINVALID, "%s \"%.*s\" is not %d lower-case hex digits", field, shown(text), text.ptr,
                        digits);
}

static int check_ids(const struct pm_event *ev, uint64_t params_sum, enum pm_event_trust trust, struct pm_error *err)
{
    if (pm_event_has(ev, PM_HAS(event_id)) && (ev->event_id.len != EVENT_ID_DIGITS || !pm_hex_valid(ev->event_id))) {
        return refuse_hex("event_id", ev->event_id, EVENT_ID_DIGITS, err);
    }
    bool has_digest = pm_event_has(ev, PM_HAS(bundle_digest));
    if (has_digest && (ev->bundle_digest.len != DIGEST_DIGITS || !pm_hex_valid(ev->bundle_digest))) {
        return refuse_hex("bundle_digest", ev->bundle_digest, DIGEST_DIGITS, err);
    }
    if (pm_event_has(ev, PM_HAS(bundle_ref))) {
        struct pm_slice digest;
        PM_TRY(pm_bundle_ref_digest(ev->bundle_ref, &digest, err));
        if (has_digest && !pm_slice_eq(digest, ev->bundle_digest)) {
            return pm_error_set(err, PM_EINVALID, "bundle_digest %.*s does not agree with bundle_ref \"%.*s\"",
                                PM_SLICE_ARG(ev->bundle_digest), shown(ev->bundle_ref), ev->bundle_ref.ptr);
        }
    }
    if (pm_event_has(ev, PM_HAS(params) | PM_HAS(param_id)))
        return pm_params_verify_id(ev->params, ev->param_id, params_sum, err);
    if (pm_event_has(ev, PM_HAS(params)) && trust == PM_TRUST_NOTHING) {
        char id[64];
        return pm_params_verify(ev->params, id, err);
    }
    return PM_OK;
}

static COLD int refuse_at_least(const char *field, long long least, int64_t value, struct pm_error *err)
{
    return pm_error_set(err, PM_EINVALID, "%s must be at least %lld, not %lld", field, least, (long long)value);
}

static int check_numbers(const struct pm_event *ev, struct pm_error *err)
{
    PM_TRY(check_time("occurred_at", ev->occurred_at, err));
    if (pm_event_has(ev, PM_HAS(stored_at))) PM_TRY(check_time("stored_at", ev->stored_at, err));
    if (pm_event_has(ev, PM_HAS(loss)) && !isfinite(ev->loss))
        return refuse_number("loss", ev->loss, "a finite number", err);
    if (pm_event_has(ev, PM_HAS(n_replicates)) && ev->n_replicates < 1)
        return refuse_at_least("n_replicates", 1, ev->n_replicates, err);
    if (pm_event_has(ev, PM_HAS(duration_us)) && ev->duration_us < 0)
        return refuse_at_least("duration_us", 0, ev->duration_us, err);
    if ((pm_event_has(ev, PM_HAS(kind)) && ev->kind > PM_KIND_AGG) ||
        (pm_event_has(ev, PM_HAS(source)) && ev->source > PM_SOURCE_JOB) ||
        (pm_event_has(ev, PM_HAS(status)) && ev->status > PM_STATUS_CANCELLED)) {
        return pm_error_set(err, PM_EINVALID, "kind, source or status is none of its words");
    }
    return PM_OK;
}

static int check_arrays(const struct pm_event *ev, struct pm_error *err)
{
    if (pm_event_has(ev, PM_HAS(outputs))) PM_TRY(check_outputs(ev->outputs, err));
    if (pm_event_has(ev, PM_HAS(inputs))) PM_TRY(check_paths("inputs", ev->inputs, 0, PM_INPUTS_MAX, err));
    if (pm_event_has(ev, PM_HAS(results))) PM_TRY(check_paths("results", ev->results, 1, PM_EXPECTED_MAX, err));
    if (pm_event_has(ev, PM_HAS(input_task_ids)))
        PM_TRY(check_texts("input_task_ids", ev->input_task_ids, 0, TEXT_BYTES_MAX, err));
    if (pm_event_has(ev, PM_HAS(targets))) PM_TRY(check_texts("targets", ev->targets, 0, TEXT_BYTES_MAX, err));
    if (pm_event_has(ev, PM_HAS(parents))) PM_TRY(check_texts("parents", ev->parents, 1, PM_JOB_ID_BYTES_MAX, err));
    return pm_event_has(ev, PM_HAS(replicate_losses)) ? check_doubles("replicate_losses", ev->replicate_losses, err)
                                                      : PM_OK;
}

static int check_objects(const struct pm_event *ev, enum pm_event_trust trust, struct pm_error *err)
{
    if (pm_event_has(ev, PM_HAS(diagnostics))) {
        PM_TRY(check_object("diagnostics", ev->diagnostics, PM_DIAGNOSTICS_BYTES_MAX, trust, err));
    }
    if (pm_event_has(ev, PM_HAS(job_inputs)))
        PM_TRY(check_object("inputs", ev->job_inputs, PM_EVENT_BYTES_MAX, trust, err));
    return pm_event_has(ev, PM_HAS(metadata)) ? check_object("metadata", ev->metadata, PM_EVENT_BYTES_MAX, trust, err)
                                              : PM_OK;
}

int pm_event_check_read(const struct pm_event *ev, enum pm_event_trust trust, struct pm_error *err)
{
    PM_CHECK(ev->type < PM_EVENT_TYPE_COUNT);
    uint64_t has = ev->has;
    if (!LIKELY((pm_fields_required[ev->type] & ~has) == 0 && (has & ~pm_fields_allowed[ev->type]) == 0))
        return refuse_members(ev, err);
    uint64_t params_sum = pm_event_has(ev, PM_HAS(params) | PM_HAS(param_id)) /* first: its answer takes a while */
                              ? pm_params_glance(ev->params, ev->param_id)
                              : 0;
    if (has & PM_HAS(result)) PM_TRY(check_path("result", ev->result, err));
    PM_TRY(check_numbers(ev, err));
    PM_TRY(check_text_members(ev, err));
    PM_TRY(check_ids(ev, params_sum, trust, err));
    if (has & PM_HAS(failure)) {
        PM_TRY(check_text("error.type", ev->failure.type, 0, TEXT_BYTES_MAX, err));
        PM_TRY(check_text("error.message", ev->failure.message, 0, TEXT_BYTES_MAX, err));
    }
    if (has & ARRAY_MEMBERS) PM_TRY(check_arrays(ev, err));
    return has & OBJECT_MEMBERS ? check_objects(ev, trust, err) : PM_OK;
}

int pm_event_check(const struct pm_event *ev, struct pm_error *err)
{
    return pm_event_check_read(ev, PM_TRUST_NOTHING, err);
}

/* ---- what the contract derives ---- */

int pm_event_complete_read(struct pm_event *ev, bool time_given, enum pm_event_trust trust, struct pm_arena *arena,
                           struct pm_buf *scratch, struct pm_error *err)
{
    if (pm_event_has(ev, PM_HAS(bundle_digest))) ev->bundle_digest = pm_digest_digits(ev->bundle_digest);
    PM_TRY(pm_event_derive(ev, arena, err));
    bool id_given = pm_event_has(ev, PM_HAS(event_id));
    if (!id_given) { /* a stand-in, so that the rules can be checked before the record is made */
        ev->event_id = PM_SLICE("00000000000000000000000000000000");
        ev->has |= PM_HAS(event_id);
    }
    PM_TRY(pm_event_check_read(ev, trust, err));
    if (id_given) return PM_OK;
    char *id = pm_arena_alloc(arena, EVENT_ID_DIGITS);
    pm_event_derive_id(ev, time_given, scratch, id);
    ev->event_id = pm_slice(id, EVENT_ID_DIGITS);
    return PM_OK;
}

int pm_event_complete(struct pm_event *ev, struct pm_arena *arena, struct pm_buf *scratch, struct pm_error *err)
{
    return pm_event_complete_read(ev, true, PM_TRUST_NOTHING, arena, scratch, err);
}
