/* schema.c: the text of a foreign schema, as a registry or a folder of schemas gives it. Input: the text up to a zero
 * byte, then a record body. What has a canonical form has it as JSON that has one again; a schema that resolves to one
 * of ours reads a body as an event of ours, or refuses it. */
#define _GNU_SOURCE /* memmem */
#include "common/event/schema.h"

#include "common/base/json.h"
#include "common/event/avro_slow.h"
#include "tests/fuzz/support/fuzz.h"

/* Avro C loses parts of many a schema that it refuses. Here alone: elsewhere a leak in it is our own omission. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void) { return "leak:libavro.so\n"; }

static struct pm_arena arena;

/* A name can lose its namespace when it is read again inside another one; the form of such a text may differ. */
static void check_canonical(struct pm_slice text)
{
    static struct pm_buf out, again;
    struct pm_error err;
    pm_buf_clear(&out);
    pm_buf_clear(&again);
    int rc = pm_schema_canonical(text, &out, &err);
    PM_CHECK(rc == PM_OK || (rc == PM_ESCHEMA && err.text[0] && out.len == 0));
    if (rc != PM_OK) return;
    PM_CHECK(pm_schema_canonical(pm_buf_slice(&out), &again, &err) == PM_OK);
    bool spaces = memmem(text.ptr, text.len, "namespace", 9) || memchr(text.ptr, '.', text.len) ||
                  memchr(text.ptr, '\\', text.len);
    PM_CHECK(spaces || pm_slice_eq(pm_buf_slice(&out), pm_buf_slice(&again)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *zero = memchr(data, 0, size);
    size_t len = zero ? (size_t)(zero - data) : size;
    struct pm_slice text = fuzz_exact(pm_slice(data, len)), translated;
    check_canonical(text);
    struct pm_writer *writer;
    struct pm_event ev;
    pm_arena_reset(&arena);
    int rc = pm_writer_new(text, &writer, NULL);
    PM_CHECK(rc == PM_OK || rc == PM_ESCHEMA);
    if (rc == PM_OK) {
        struct pm_slice body = fuzz_exact(zero ? pm_slice(zero + 1, size - len - 1) : pm_slice("", 0));
        rc = pm_writer_translate(writer, body, &arena, &translated, NULL);
        PM_CHECK(rc == PM_OK || rc == PM_EFORMAT || rc == PM_ESCHEMA);
        if (rc == PM_OK) PM_CHECK(pm_event_decode(pm_writer_type(writer), translated, &ev, NULL) == PM_OK);
        fuzz_free(body);
        pm_writer_free(writer);
    }
    fuzz_free(text);
    return 0;
}
