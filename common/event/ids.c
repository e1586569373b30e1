/* ids.c: ids that workers make (ids.h). */
#include "common/event/ids.h"

#include <stdlib.h>

#include "common/base/hash.h"
#include "common/base/json.h"
#include "common/base/number.h"
#include "common/base/sha256.h"
#include "common/base/varint.h"

/* `digits` of the BLAKE2b of `size` bytes. */
static void hash_text(const struct pm_buf *text, size_t size, char *out_hex, size_t digits, struct pm_buf *over)
{
    unsigned char digest[32];
    struct pm_slice part = pm_buf_slice(text);
    pm_blake2b(digest, size, &part, 1);
    pm_hex_encode(digest, digits / 2, out_hex);
    if (over) pm_buf_slice_add(over, part);
}

static void put_number(struct pm_buf *out, uint64_t value)
{
    char digits[PM_INTEGER_TEXT_SIZE];
    pm_buf_bytes(out, digits, pm_u64_format(value, digits));
}

static int compare(const void *a, const void *b)
{
    return pm_slice_cmp(*(const struct pm_slice *)a, *(const struct pm_slice *)b);
}

static void put_sorted(struct pm_buf *out, struct pm_slice *items, size_t count)
{
    if (count) qsort(items, count, sizeof *items, compare);
    for (size_t i = 0; i < count; i++) {
        if (i) pm_buf_byte(out, ',');
        pm_buf_slice_add(out, items[i]);
    }
}

static void put_task(struct pm_buf *out, struct pm_slice param_id, uint64_t seed)
{
    pm_buf_bytes(out, param_id.ptr, param_id.len < 16 ? param_id.len : 16);
    pm_buf_byte(out, '-');
    put_number(out, seed);
    pm_buf_byte(out, '-');
}

void pm_task_id_worker(struct pm_slice param_id, uint64_t seed, struct pm_slice *outputs, size_t n_outputs,
                       char out_hex[64], struct pm_buf *over)
{
    struct pm_buf text = {0};
    put_task(&text, param_id, seed);
    put_sorted(&text, outputs, n_outputs);
    hash_text(&text, 32, out_hex, 64, over);
    pm_buf_release(&text);
}

void pm_task_id_worker_error(struct pm_slice param_id, uint64_t seed, char out_hex[64], struct pm_buf *over)
{
    struct pm_slice error = PM_SLICE("error");
    pm_task_id_worker(param_id, seed, &error, 1, out_hex, over);
}

void pm_task_id_canonical(struct pm_slice bundle_ref, struct pm_slice entrypoint, struct pm_slice param_id,
                          uint64_t seed, char out_hex[32], struct pm_buf *over)
{
    struct pm_buf text = {0};
    pm_buf_cstr(&text, "sim:v1|");
    pm_buf_slice_add(&text, bundle_ref);
    pm_buf_byte(&text, '|');
    pm_buf_slice_add(&text, entrypoint);
    pm_buf_byte(&text, '|');
    pm_buf_slice_add(&text, param_id);
    pm_buf_byte(&text, '|');
    put_number(&text, seed);
    hash_text(&text, 16, out_hex, 32, over);
    pm_buf_release(&text);
}

void pm_aggregation_id(enum pm_aggregation_algorithm algorithm, struct pm_slice target, struct pm_slice *task_ids,
                       size_t n_task_ids, char out_hex[16], struct pm_buf *over)
{
    struct pm_buf text = {0};
    pm_buf_slice_add(&text, target);
    pm_buf_byte(&text, ':');
    put_sorted(&text, task_ids, n_task_ids);
    hash_text(&text, algorithm == PM_AGGREGATION_STORE ? 32 : 16, out_hex, 16, over);
    pm_buf_release(&text);
}

/* One character of UTF-8; a byte that belongs to none stands for itself. */
static uint32_t next_character(struct pm_slice text, size_t *at)
{
    unsigned char first = (unsigned char)text.ptr[(*at)++];
    unsigned more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : first >= 0xc0 ? 1 : 0;
    uint32_t code = more ? first & (0x3fu >> more) : first;
    for (; more && *at < text.len; more--) code = code << 6 | ((unsigned char)text.ptr[(*at)++] & 0x3f);
    return code;
}

/* A JSON string in ASCII: everything else as \uXXXX, in pairs above 0xffff. */
static void put_ascii_string(struct pm_buf *out, struct pm_slice text)
{
    static const char plain[] = "\"\\\b\f\n\r\t", escaped[] = "\"\\bfnrt";
    pm_buf_byte(out, '"');
    for (size_t at = 0; at < text.len;) {
        uint32_t code = next_character(text, &at);
        const char *found = code && code < 0x80 ? strchr(plain, (int)code) : NULL;
        if (found) pm_buf_printf(out, "\\%c", escaped[found - plain]);
        else if (code >= 0x20 && code < 0x7f) pm_buf_byte(out, (uint8_t)code);
        else if (code > 0xffff) {
            pm_buf_printf(out, "\\u%04x\\u%04x", (unsigned)(0xd800 + ((code - 0x10000) >> 10)),
                          (unsigned)(0xdc00 + ((code - 0x10000) & 0x3ff)));
        } else {
            pm_buf_printf(out, "\\u%04x", (unsigned)code);
        }
    }
    pm_buf_byte(out, '"');
}

void pm_aggregation_id_manifest(struct pm_slice param_id, uint64_t replicates, struct pm_slice target_id,
                                char out_hex[16], struct pm_buf *over)
{
    struct pm_buf text = {0};
    uint8_t digest[32];
    pm_buf_cstr(&text, "{\"param_id\": ");
    put_ascii_string(&text, param_id);
    pm_buf_cstr(&text, ", \"replicate_count\": ");
    put_number(&text, replicates);
    pm_buf_cstr(&text, ", \"target_id\": ");
    put_ascii_string(&text, target_id);
    pm_buf_byte(&text, '}');
    pm_sha256(digest, pm_buf_slice(&text));
    pm_hex_encode(digest, 8, out_hex);
    if (over) pm_buf_slice_add(over, pm_buf_slice(&text));
    pm_buf_release(&text);
}

static int compare_packages(const void *a, const void *b)
{
    const struct pm_environment_package *one = a, *other = b;
    int order = pm_slice_cmp(one->name, other->name);
    return order ? order : pm_slice_cmp(one->version, other->version);
}

static void put_text_or_null(struct pm_buf *out, const char *before, struct pm_slice text)
{
    pm_buf_cstr(out, before);
    if (text.ptr) pm_json_put_string(out, text);
    else pm_buf_cstr(out, "null");
}

void pm_environment_digest(const struct pm_environment *environment, char out_hex[64], struct pm_buf *over)
{
    struct pm_buf text = {0};
    size_t n = environment->n_packages;
    if (n) qsort(environment->packages, n, sizeof *environment->packages, compare_packages);
    pm_buf_cstr(&text, "contracts:env:v1|");
    put_text_or_null(&text, "{\"container\":", environment->container);
    put_text_or_null(&text, ",\"cuda\":", environment->cuda);
    pm_buf_cstr(&text, ",\"deps\":[");
    for (size_t i = 0; i < n; i++) {
        put_text_or_null(&text, i ? ",[" : "[", environment->packages[i].name);
        put_text_or_null(&text, ",", environment->packages[i].version);
        pm_buf_byte(&text, ']');
    }
    put_text_or_null(&text, "],\"platform\":", environment->platform);
    put_text_or_null(&text, ",\"python\":", environment->python);
    put_text_or_null(&text, ",\"rng\":", environment->rng);
    pm_buf_cstr(&text, ",\"threads\":");
    put_number(&text, environment->threads);
    pm_buf_byte(&text, '}');
    hash_text(&text, 32, out_hex, 64, over);
    pm_buf_release(&text);
}

static void put_ascii_strings(struct pm_buf *out, const struct pm_slice *items, size_t count)
{
    pm_buf_byte(out, '[');
    for (size_t i = 0; i < count; i++) {
        if (i) pm_buf_cstr(out, ", ");
        put_ascii_string(out, items[i]);
    }
    pm_buf_byte(out, ']');
}

void pm_input_fingerprint(struct pm_slice bundle_ref, struct pm_slice *param_ids, size_t n_param_ids,
                          const struct pm_slice *targets, size_t n_targets, char out_hex[16], struct pm_buf *over)
{
    struct pm_buf text = {0};
    if (n_param_ids) qsort(param_ids, n_param_ids, sizeof *param_ids, compare);
    pm_buf_cstr(&text, "{\"bundle\": ");
    put_ascii_string(&text, bundle_ref);
    pm_buf_cstr(&text, ", \"param_ids\": ");
    put_ascii_strings(&text, param_ids, n_param_ids);
    pm_buf_cstr(&text, ", \"targets\": ");
    put_ascii_strings(&text, targets, n_targets);
    pm_buf_byte(&text, '}');
    hash_text(&text, 8, out_hex, 16, over);
    pm_buf_release(&text);
}

uint32_t pm_planned_seed(struct pm_slice param_id, uint64_t replicate)
{
    struct pm_buf text = {0};
    uint8_t digest[8];
    pm_buf_slice_add(&text, param_id);
    pm_buf_byte(&text, ':');
    put_number(&text, replicate);
    struct pm_slice part = pm_buf_slice(&text);
    pm_blake2b(digest, sizeof digest, &part, 1);
    pm_buf_release(&text);
    return pm_be32_get(digest + 4);
}
