/* record.c: compact records, both ways. No I/O; any thread. Encoder and decoder of each part stand beside each other.
 */
#include "common/store/record.h"

#include <endian.h>

#include "common/base/check.h"
#include "common/base/hash.h"
#include "common/base/number.h"
#include "common/base/varint.h"
#include "common/event/identity.h"

/* head byte: bits 0..2 type, bit 3 moved, bit 4 has a job, bit 5 param_id as 32 raw bytes, bit 6 param_id as text
 * (neither: it follows from params) */
enum { HEAD_TYPE = 7, HEAD_MOVED = 8, HEAD_JOB = 16, HEAD_PARAM_RAW = 32, HEAD_PARAM_TEXT = 64, HEAD_UNUSED = 128 };

/* first byte of a path's short form */
enum { PATH_VERBATIM, PATH_TOKENS };

/* Segments of a path that the record's own fields give: one byte instead of the text. */
enum path_token {
    TOKEN_BUNDLE12 = 1,
    TOKEN_PARAMS8,
    TOKEN_SEED,
    TOKEN_AGGREGATION,
    TOKEN_TARGET,
    TOKEN_PARAM_ID,
    TOKEN_END
};

static const char *const field_names[PM_FIELD_COUNT] = {
    "kind", "schema", "schema_version", "bundle_digest",  "model_digest", "entrypoint",   "param_id", "params",
    "seed", "target", "target_digest",  "aggregation_id", "loss",         "n_replicates", "outputs",
};
const char *pm_field_name(enum pm_field field) { return field_names[field]; }

int pm_stamp_cmp(const struct pm_stamp *a, const struct pm_stamp *b)
{
    if (a->type != b->type) return a->type < b->type ? -1 : 1;
    if (a->at != b->at) return a->at < b->at ? -1 : 1;
    return memcmp(a->event_id, b->event_id, PM_EVENT_ID_BYTES);
}

static bool has(const struct pm_record *rec, enum pm_field field) { return rec->present & PM_FIELD_BIT(field); }

/* 64 lower-case hex digits as 32 bytes; false when the text is another. */
static bool pack_hex64(struct pm_slice s, uint8_t out[32]) { return s.len == 64 && pm_hex_decode(s, out); }

static void put_varint(struct pm_buf *out, uint64_t v)
{
    uint8_t tmp[PM_VARINT_MAX];
    pm_buf_bytes(out, tmp, (size_t)(pm_varint_put(tmp, v) - tmp));
}

struct reader {
    const uint8_t *p, *end;
    bool bad;
};

static struct reader reader_of(struct pm_slice s)
{
    const uint8_t *p = (const uint8_t *)(s.len ? s.ptr : ""); /* no bytes may be nowhere */
    return (struct reader){p, p + s.len, false};
}

static uint64_t get_varint(struct reader *r)
{
    uint64_t v = 0;
    const uint8_t *p = r->bad ? NULL : pm_varint_get(r->p, r->end, &v);
    if (p) r->p = p;
    else r->bad = true;
    return v;
}

static struct pm_slice get_bytes(struct reader *r, uint64_t n)
{
    if (r->bad || n > (uint64_t)(r->end - r->p)) {
        r->bad = true;
        return pm_slice("", 0);
    }
    struct pm_slice s = pm_slice(r->p, (size_t)n);
    r->p += n;
    return s;
}

static struct pm_slice get_text(struct reader *r) { return get_bytes(r, get_varint(r)); }

/* A number of a name or job: they have 32 bits. */
static uint32_t get_number(struct reader *r)
{
    uint64_t v = get_varint(r);
    if (v > UINT32_MAX) r->bad = true;
    return (uint32_t)v;
}

/* ---- the path ---- */

/* Is the segment the prefix and then `rest`? */
static inline bool segment_is(struct pm_slice segment, struct pm_slice prefix, struct pm_slice rest)
{
    return rest.len > 0 && segment.len == prefix.len + rest.len && memcmp(segment.ptr, prefix.ptr, prefix.len) == 0 &&
           memcmp(segment.ptr + prefix.len, rest.ptr, rest.len) == 0;
}

static struct pm_slice decimal(uint64_t v, char digits[24])
{
    char *p = digits + 24;
    do {
        *--p = (char)('0' + v % 10);
        v /= 10;
    } while (v);
    return pm_slice(p, (size_t)(digits + 24 - p));
}

static enum path_token token_of(const struct pm_record *rec, struct pm_slice segment, struct pm_slice bundle_digest,
                                struct pm_slice target)
{
    struct pm_slice param_id = has(rec, PM_FIELD_PARAM_ID) ? rec->param_id : pm_slice("", 0);
    char digits[24];
    switch (segment.len ? segment.ptr[0] : 0) {
    case 'p':
        if (param_id.len >= 8 && segment_is(segment, PM_SLICE("params_"), pm_slice(param_id.ptr, 8)))
            return TOKEN_PARAMS8;
        break;
    case 's':
        if (has(rec, PM_FIELD_SEED) && pm_slice_starts(segment, PM_SLICE("seed_")) &&
            segment_is(segment, PM_SLICE("seed_"), decimal(rec->seed, digits)))
            return TOKEN_SEED;
        break;
    case 'a':
        if (has(rec, PM_FIELD_AGGREGATION_ID) && segment_is(segment, PM_SLICE("agg_"), rec->aggregation_id))
            return TOKEN_AGGREGATION;
        break;
    case 't':
        if (segment_is(segment, PM_SLICE("target_"), target)) return TOKEN_TARGET;
        break;
    default: break;
    }
    if (segment.len == 12 && bundle_digest.len >= 12 && memcmp(segment.ptr, bundle_digest.ptr, 12) == 0)
        return TOKEN_BUNDLE12;
    if (segment.len == 64 && pm_slice_eq(segment, param_id)) return TOKEN_PARAM_ID;
    return 0;
}

/* The first '/' from p on, or the end. Segments are short: eight bytes at a time and no call. */
static inline const char *segment_end(const char *p, const char *end)
{
    const uint64_t ones = 0x0101010101010101u;
    for (; end - p >= 8; p += 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        word = le64toh(word) ^ ones * '/';
        uint64_t zeros = (word - ones) & ~word & ones << 7; /* the lowest bit is right, those above may not be */
        if (zeros) return p + (__builtin_ctzll(zeros) >> 3);
    }
    while (p < end && *p != '/') p++;
    return p;
}

/* Up to `end` may be read, and there is room for more than a segment. */
static inline uint8_t *put_segment(uint8_t *w, struct pm_slice segment, const char *end)
{
    enum { SHORT = 16 };
    if (segment.len <= SHORT && end - segment.ptr >= SHORT) memcpy(w, segment.ptr, SHORT);
    else memcpy(w, segment.ptr, segment.len);
    return w + segment.len;
}

/* The short form: each segment either one token byte or its text and a '/'. A path with a control byte below TOKEN_END
 * at the start of a segment stays verbatim: NULL. At most one byte longer than the path. Matched by pm_record_path. */
static uint8_t *put_path_form(const struct pm_record *rec, struct pm_slice bundle_digest, struct pm_slice target,
                              uint8_t *w)
{
    const char *p = rec->path.ptr, *end = p + rec->path.len;
    while (p < end) {
        const char *slash = segment_end(p, end);
        struct pm_slice segment = pm_slice(p, (size_t)(slash - p));
        if (segment.len == 0 || (unsigned char)segment.ptr[0] < TOKEN_END) return NULL;
        enum path_token token = token_of(rec, segment, bundle_digest, target);
        if (token) {
            *w++ = (uint8_t)token;
        } else {
            w = put_segment(w, segment, end);
            *w++ = '/';
        }
        p = slash < end ? slash + 1 : end;
    }
    return w;
}

/* The param_id's text: as the event gave it, packed, or from params. */
static struct pm_slice derived_param_id(const struct pm_record *rec, char hex[64])
{
    if (rec->param_id.ptr && !rec->param_id_raw) return rec->param_id;
    if (rec->param_id.ptr) pm_hex_encode(rec->param_id.ptr, 32, hex);
    else pm_param_id(rec->params, hex);
    return pm_slice(hex, 64);
}

/* Bounded: a corrupt form cannot write past the longest legal path. */
struct path_writer {
    char text[PM_PATH_BYTES_MAX + 1];
    size_t len;
};

static void path_add(struct path_writer *w, const char *ptr, size_t len)
{
    size_t room = sizeof w->text - w->len;
    if (len > room) len = room;
    if (len) memcpy(w->text + w->len, ptr, len);
    w->len += len;
}

static struct pm_slice first_of(struct pm_slice s, size_t max) { return pm_slice(s.ptr, s.len < max ? s.len : max); }

static void path_add2(struct path_writer *w, const char *prefix, struct pm_slice rest)
{
    path_add(w, prefix, strlen(prefix));
    path_add(w, rest.ptr, rest.len);
}

struct pm_slice pm_record_path(const struct pm_record *rec, struct pm_slice form, struct pm_slice bundle_digest,
                               struct pm_slice target, struct pm_arena *arena)
{
    if (form.len == 0) return form;
    if (form.ptr[0] == PATH_VERBATIM) return pm_slice(form.ptr + 1, form.len - 1);
    struct path_writer w;
    w.len = 0;
    char hex[64], digits[24];
    for (const char *p = form.ptr + 1, *end = form.ptr + form.len; p < end;) {
        if (w.len) path_add(&w, "/", 1);
        if ((unsigned char)*p >= TOKEN_END) {
            const char *slash = memchr(p, '/', (size_t)(end - p));
            path_add(&w, p, (size_t)((slash ? slash : end) - p));
            p = slash ? slash + 1 : end;
            continue;
        }
        switch ((enum path_token) * p++) {
        case TOKEN_BUNDLE12: path_add2(&w, "", first_of(bundle_digest, 12)); break;
        case TOKEN_PARAMS8: path_add2(&w, "params_", first_of(derived_param_id(rec, hex), 8)); break;
        case TOKEN_SEED: path_add2(&w, "seed_", decimal(rec->seed, digits)); break;
        case TOKEN_AGGREGATION: path_add2(&w, "agg_", rec->aggregation_id); break;
        case TOKEN_TARGET: path_add2(&w, "target_", target); break;
        case TOKEN_PARAM_ID: path_add2(&w, "", derived_param_id(rec, hex)); break;
        default: break;
        }
    }
    return pm_arena_copy(arena, pm_slice(w.text, w.len));
}

/* ---- the record ---- */

static uint8_t *put_bytes(uint8_t *p, const void *bytes, size_t n)
{
    if (n) memcpy(p, bytes, n);
    return p + n;
}

static uint8_t *put_slice(uint8_t *p, struct pm_slice s) { return put_bytes(pm_varint_put(p, s.len), s.ptr, s.len); }

/* The path's short form behind its length, for which two bytes are left: they hold any path's. */
static uint8_t *put_path(const struct pm_record *rec, struct pm_slice bundle_digest, struct pm_slice target, uint8_t *p)
{
    uint8_t *form = p + 2;
    *form = PATH_TOKENS;
    uint8_t *end = put_path_form(rec, bundle_digest, target, form + 1);
    if (!end) {
        *form = PATH_VERBATIM;
        end = put_bytes(form + 1, rec->path.ptr, rec->path.len);
    }
    size_t n = (size_t)(end - form);
    PM_CHECK(n < 1 << 14);
    p[0] = (uint8_t)(n | 0x80);
    p[1] = (uint8_t)(n >> 7);
    return end;
}

static uint8_t *put_facts(const struct pm_record *rec, unsigned head, const uint8_t param_id[32], uint8_t *p)
{
    uint16_t mask = (uint16_t)(rec->present | (has(rec, PM_FIELD_KIND) && rec->kind == PM_KIND_AGG ? 0x8000u : 0));
    p = put_bytes(p, &mask, 2);
    p = put_bytes(p, &rec->stamp.at, 8);
    p = put_bytes(p, rec->stamp.event_id, PM_EVENT_ID_BYTES);
    if (rec->stamp.job1) p = pm_varint_put(p, rec->stamp.job1 - 1);
    if (has(rec, PM_FIELD_SCHEMA)) p = pm_varint_put(p, rec->schema);
    if (has(rec, PM_FIELD_SCHEMA_VERSION)) p = pm_varint_put(p, pm_zigzag(rec->schema_version));
    if (has(rec, PM_FIELD_BUNDLE)) p = pm_varint_put(p, rec->bundle);
    if (has(rec, PM_FIELD_MODEL)) p = pm_varint_put(p, rec->model);
    if (has(rec, PM_FIELD_ENTRYPOINT)) p = pm_varint_put(p, rec->entrypoint);
    if (head & HEAD_PARAM_RAW) p = put_bytes(p, param_id, 32);
    if (head & HEAD_PARAM_TEXT) p = put_slice(p, rec->param_id);
    if (has(rec, PM_FIELD_PARAMS)) p = put_slice(p, rec->params);
    if (has(rec, PM_FIELD_SEED)) p = pm_varint_put(p, rec->seed);
    if (has(rec, PM_FIELD_TARGET)) p = pm_varint_put(p, rec->target);
    if (has(rec, PM_FIELD_TARGET_DIGEST)) p = pm_varint_put(p, rec->target_digest);
    if (has(rec, PM_FIELD_AGGREGATION_ID)) p = put_slice(p, rec->aggregation_id);
    if (has(rec, PM_FIELD_LOSS)) p = put_bytes(p, &rec->loss, 8);
    if (has(rec, PM_FIELD_N_REPLICATES)) p = pm_varint_put(p, (uint64_t)rec->n_replicates);
    if (has(rec, PM_FIELD_OUTPUTS)) p = put_bytes(p, rec->outputs.ptr, rec->outputs.len); /* last: needs no length */
    return p;
}

/* What the numbers of a record take at most; of it put_segment has its room, too. */
#define FIXED_BYTES_MAX (1 + 2 + 2 + 8 + PM_EVENT_ID_BYTES + 32 + 8 + 20 * PM_VARINT_MAX)

void pm_record_encode(const struct pm_record *rec, struct pm_slice bundle_digest, struct pm_slice target,
                      struct pm_buf *out)
{
    bool facts = rec->stamp.type != PM_CLASS_UNKNOWN;
    bool derived = has(rec, PM_FIELD_PARAMS);
    uint8_t param_id[32];
    bool raw = has(rec, PM_FIELD_PARAM_ID) && !derived && pack_hex64(rec->param_id, param_id);
    unsigned head = rec->stamp.type | (rec->moved ? HEAD_MOVED : 0) | (facts && rec->stamp.job1 ? HEAD_JOB : 0) |
                    (raw ? HEAD_PARAM_RAW : 0) |
                    (has(rec, PM_FIELD_PARAM_ID) && !derived && !raw ? HEAD_PARAM_TEXT : 0);
    pm_buf_reserve(out, FIXED_BYTES_MAX + rec->path.len + 2 + rec->param_id.len + rec->params.len +
                            rec->aggregation_id.len + rec->outputs.len);
    uint8_t *p = (uint8_t *)out->ptr + out->len;
    *p++ = (uint8_t)head;
    if (rec->moved) p = pm_varint_put(p, rec->result);
    p = put_path(rec, bundle_digest, target, p);
    if (facts) p = put_facts(rec, head, param_id, p);
    out->len = (size_t)(p - (uint8_t *)out->ptr);
    PM_CHECK(out->len <= out->cap);
}

void pm_record_moved(struct pm_slice encoded, uint64_t result, struct pm_buf *out)
{
    PM_CHECK(encoded.len > 1 && !(encoded.ptr[0] & HEAD_MOVED));
    pm_buf_byte(out, (uint8_t)(encoded.ptr[0] | HEAD_MOVED));
    put_varint(out, result);
    pm_buf_bytes(out, encoded.ptr + 1, encoded.len - 1);
}

int pm_record_decode(struct pm_slice bytes, struct pm_record *ret, struct pm_slice *ret_path_form, struct pm_error *err)
{
    struct reader r = reader_of(bytes);
    struct pm_record rec = {0};
    struct pm_slice head_byte = get_bytes(&r, 1);
    unsigned head = head_byte.len ? (uint8_t)head_byte.ptr[0] : 0;
    rec.stamp.type = head & HEAD_TYPE;
    rec.moved = head & HEAD_MOVED;
    if (rec.moved) rec.result = get_varint(&r);
    struct pm_slice form = get_text(&r);
    if (rec.stamp.type != PM_CLASS_UNKNOWN) {
        struct pm_slice fixed = get_bytes(&r, 2 + 8 + PM_EVENT_ID_BYTES);
        if (!r.bad) {
            uint16_t mask;
            memcpy(&mask, fixed.ptr, 2);
            memcpy(&rec.stamp.at, fixed.ptr + 2, 8);
            memcpy(rec.stamp.event_id, fixed.ptr + 10, PM_EVENT_ID_BYTES);
            rec.present = mask & 0x7fff;
            rec.kind = mask & 0x8000 ? PM_KIND_AGG : PM_KIND_SIM;
        }
        if (head & HEAD_JOB) rec.stamp.job1 = get_number(&r) + 1;
        if (head & HEAD_JOB && !rec.stamp.job1) r.bad = true; /* past the last number */
        if (has(&rec, PM_FIELD_SCHEMA)) rec.schema = get_number(&r);
        if (has(&rec, PM_FIELD_SCHEMA_VERSION)) rec.schema_version = pm_unzigzag(get_varint(&r));
        if (has(&rec, PM_FIELD_BUNDLE)) rec.bundle = get_number(&r);
        if (has(&rec, PM_FIELD_MODEL)) rec.model = get_number(&r);
        if (has(&rec, PM_FIELD_ENTRYPOINT)) rec.entrypoint = get_number(&r);
        if (head & HEAD_PARAM_RAW) rec.param_id = get_bytes(&r, 32);
        if (head & HEAD_PARAM_TEXT) rec.param_id = get_text(&r);
        rec.param_id_raw = head & HEAD_PARAM_RAW;
        if (has(&rec, PM_FIELD_PARAMS)) rec.params = get_text(&r);
        if (has(&rec, PM_FIELD_SEED)) rec.seed = get_varint(&r);
        if (has(&rec, PM_FIELD_TARGET)) rec.target = get_number(&r);
        if (has(&rec, PM_FIELD_TARGET_DIGEST)) rec.target_digest = get_number(&r);
        if (has(&rec, PM_FIELD_AGGREGATION_ID)) rec.aggregation_id = get_text(&r);
        if (has(&rec, PM_FIELD_LOSS)) {
            struct pm_slice loss = get_bytes(&r, 8);
            if (!r.bad) memcpy(&rec.loss, loss.ptr, 8);
        }
        if (has(&rec, PM_FIELD_N_REPLICATES)) rec.n_replicates = (int64_t)get_varint(&r);
        if (has(&rec, PM_FIELD_OUTPUTS)) rec.outputs = get_bytes(&r, (uint64_t)(r.end - r.p));
    }
    bool known = rec.stamp.type <= PM_RESULT_FAILED || rec.stamp.type == PM_CLASS_UNKNOWN;
    bool twice = head & HEAD_PARAM_RAW && head & HEAD_PARAM_TEXT;
    bool given = head & (HEAD_PARAM_RAW | HEAD_PARAM_TEXT); /* only where it does not follow from params */
    bool wanted = has(&rec, PM_FIELD_PARAM_ID) && !has(&rec, PM_FIELD_PARAMS);
    if (r.bad || r.p != r.end || form.len == 0 || !known || twice || given != wanted || head & HEAD_UNUSED)
        return pm_error_set(err, PM_ECORRUPT, "a result's record is cut or damaged (%zu bytes)", bytes.len);
    *ret = rec;
    *ret_path_form = form;
    return PM_OK;
}

/* ---- param_id ---- */

struct pm_slice pm_record_param_id(const struct pm_record *rec, char hex[64])
{
    if (!has(rec, PM_FIELD_PARAM_ID)) return pm_slice(NULL, 0);
    return derived_param_id(rec, hex);
}

/* ---- outputs ---- */

void pm_outputs_begin(struct pm_buf *out, uint32_t count) { put_varint(out, count); }

/* Per output: varint (name << 1 | packed), varint size, 32 bytes or a text. Matched by pm_outputs_next. */
void pm_outputs_add(struct pm_buf *out, uint32_t name, int64_t size, struct pm_slice checksum)
{
    uint8_t bytes[32];
    bool packed = pack_hex64(checksum, bytes);
    pm_buf_reserve(out, 3 * PM_VARINT_MAX + (packed ? sizeof bytes : checksum.len));
    uint8_t *p = (uint8_t *)out->ptr + out->len;
    p = pm_varint_put(p, (uint64_t)name << 1 | packed);
    p = pm_varint_put(p, (uint64_t)size);
    p = packed ? put_bytes(p, bytes, sizeof bytes) : put_slice(p, checksum);
    out->len = (size_t)(p - (uint8_t *)out->ptr);
}

bool pm_outputs_start(struct pm_slice outputs, struct pm_slice *cursor, uint32_t *ret_count)
{
    struct reader r = reader_of(outputs);
    uint64_t n = get_varint(&r);
    if (r.bad || n > PM_OUTPUTS_MAX) return false;
    *ret_count = (uint32_t)n;
    *cursor = pm_slice(r.p, (size_t)(r.end - r.p));
    return true;
}

bool pm_outputs_next(struct pm_slice *cursor, struct pm_record_output *ret)
{
    if (cursor->len == 0) return false;
    struct reader r = reader_of(*cursor);
    uint64_t name = get_varint(&r);
    ret->name = (uint32_t)(name >> 1);
    ret->hex = name & 1;
    ret->size = (int64_t)get_varint(&r);
    ret->checksum = ret->hex ? get_bytes(&r, 32) : get_text(&r);
    if (r.bad) return false;
    *cursor = pm_slice(r.p, (size_t)(r.end - r.p));
    return true;
}

struct pm_slice pm_outputs_checksum(const struct pm_record_output *output, struct pm_arena *arena)
{
    if (!output->hex) return output->checksum;
    char *hex = pm_arena_alloc(arena, 64);
    pm_hex_encode(output->checksum.ptr, 32, hex);
    return pm_slice(hex, 64);
}

/* ---- one field ---- */

/* Matched by pm_record_field_set. */
void pm_record_field_put(const struct pm_record *rec, enum pm_field field, struct pm_buf *out)
{
    char hex[64];
    switch (field) {
    case PM_FIELD_KIND: pm_buf_byte(out, (uint8_t)rec->kind); break;
    case PM_FIELD_SCHEMA: put_varint(out, rec->schema); break;
    case PM_FIELD_SCHEMA_VERSION: put_varint(out, pm_zigzag(rec->schema_version)); break;
    case PM_FIELD_BUNDLE: put_varint(out, rec->bundle); break;
    case PM_FIELD_MODEL: put_varint(out, rec->model); break;
    case PM_FIELD_ENTRYPOINT: put_varint(out, rec->entrypoint); break;
    case PM_FIELD_PARAM_ID: pm_buf_slice_add(out, pm_record_param_id(rec, hex)); break;
    case PM_FIELD_PARAMS: pm_buf_slice_add(out, rec->params); break;
    case PM_FIELD_SEED: put_varint(out, rec->seed); break;
    case PM_FIELD_TARGET: put_varint(out, rec->target); break;
    case PM_FIELD_TARGET_DIGEST: put_varint(out, rec->target_digest); break;
    case PM_FIELD_AGGREGATION_ID: pm_buf_slice_add(out, rec->aggregation_id); break;
    case PM_FIELD_LOSS: pm_buf_bytes(out, &rec->loss, 8); break;
    case PM_FIELD_N_REPLICATES: put_varint(out, (uint64_t)rec->n_replicates); break;
    case PM_FIELD_OUTPUTS: pm_buf_slice_add(out, rec->outputs); break;
    case PM_FIELD_COUNT: PM_CHECK(false);
    }
}

int pm_record_field_set(struct pm_record *rec, enum pm_field field, struct pm_slice value, struct pm_error *err)
{
    struct reader r = reader_of(value);
    switch (field) {
    case PM_FIELD_KIND: {
        struct pm_slice b = get_bytes(&r, 1);
        rec->kind = b.len && b.ptr[0] ? PM_KIND_AGG : PM_KIND_SIM;
        break;
    }
    case PM_FIELD_SCHEMA: rec->schema = get_number(&r); break;
    case PM_FIELD_SCHEMA_VERSION: rec->schema_version = pm_unzigzag(get_varint(&r)); break;
    case PM_FIELD_BUNDLE: rec->bundle = get_number(&r); break;
    case PM_FIELD_MODEL: rec->model = get_number(&r); break;
    case PM_FIELD_ENTRYPOINT: rec->entrypoint = get_number(&r); break;
    case PM_FIELD_PARAM_ID: rec->param_id = get_bytes(&r, value.len), rec->param_id_raw = false; break;
    case PM_FIELD_PARAMS: rec->params = get_bytes(&r, value.len); break;
    case PM_FIELD_SEED: rec->seed = get_varint(&r); break;
    case PM_FIELD_TARGET: rec->target = get_number(&r); break;
    case PM_FIELD_TARGET_DIGEST: rec->target_digest = get_number(&r); break;
    case PM_FIELD_AGGREGATION_ID: rec->aggregation_id = get_bytes(&r, value.len); break;
    case PM_FIELD_LOSS: {
        struct pm_slice b = get_bytes(&r, 8);
        if (!r.bad) memcpy(&rec->loss, b.ptr, 8);
        break;
    }
    case PM_FIELD_N_REPLICATES: rec->n_replicates = (int64_t)get_varint(&r); break;
    case PM_FIELD_OUTPUTS: rec->outputs = get_bytes(&r, value.len); break;
    case PM_FIELD_COUNT: r.bad = true;
    }
    if (r.bad || r.p != r.end)
        return pm_error_set(err, PM_ECORRUPT, "a side fact of field %d is cut or has bytes left over", field);
    rec->present |= PM_FIELD_BIT(field);
    return PM_OK;
}

/* ---- sums ---- */

static uint64_t mix(uint64_t h, uint64_t v) { return pm_hash64(&v, sizeof v, h); }

static uint64_t mix_text(uint64_t h, struct pm_slice s) { return pm_hash64(s.ptr, s.len, h); }

uint64_t pm_record_identity_sum(const struct pm_record *rec)
{
    /* Numbers of names are equal exactly when the texts are; the fixed part goes in one piece. */
    struct {
        uint64_t schema_version, seed;
        uint32_t present, kind, schema, bundle, model, entrypoint, target, target_digest;
    } fixed = {.present = rec->present & ~PM_FIELDS_OBSERVED};
    if (has(rec, PM_FIELD_SCHEMA_VERSION)) fixed.schema_version = (uint64_t)rec->schema_version;
    if (has(rec, PM_FIELD_SEED)) fixed.seed = rec->seed;
    if (has(rec, PM_FIELD_KIND)) fixed.kind = rec->kind;
    if (has(rec, PM_FIELD_SCHEMA)) fixed.schema = rec->schema;
    if (has(rec, PM_FIELD_BUNDLE)) fixed.bundle = rec->bundle;
    if (has(rec, PM_FIELD_MODEL)) fixed.model = rec->model;
    if (has(rec, PM_FIELD_ENTRYPOINT)) fixed.entrypoint = rec->entrypoint;
    if (has(rec, PM_FIELD_TARGET)) fixed.target = rec->target;
    if (has(rec, PM_FIELD_TARGET_DIGEST)) fixed.target_digest = rec->target_digest;
    uint64_t h = pm_hash64(&fixed, sizeof fixed, 0x70726f76);
    if (has(rec, PM_FIELD_PARAMS)) {
        h = mix_text(h, rec->params); /* param_id follows from it */
    } else if (has(rec, PM_FIELD_PARAM_ID)) {
        char hex[64];
        h = mix_text(h, pm_record_param_id(rec, hex));
    }
    if (has(rec, PM_FIELD_AGGREGATION_ID)) h = mix_text(h, rec->aggregation_id);
    return h ? h : 1;
}

uint64_t pm_record_observed_sum(const struct pm_record *rec)
{
    unsigned present = rec->present & PM_FIELDS_OBSERVED;
    if (!present) return 0;
    uint64_t h = 0x6f62 ^ (uint64_t)present << 32;
    if (has(rec, PM_FIELD_LOSS)) h = pm_hash64(&rec->loss, 8, h);
    if (has(rec, PM_FIELD_N_REPLICATES)) h = mix(h, (uint64_t)rec->n_replicates);
    if (has(rec, PM_FIELD_OUTPUTS)) h = mix_text(h, rec->outputs);
    return h ? h : 1;
}
