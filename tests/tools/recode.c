/* recode.c: log values and events, one a line, for tests with other implementations of Avro.
 *
 *   recode encode          JSON lines -> hexadecimal single-object values
 *   recode decode [DIR]    hexadecimal values -> JSON lines, or "error: ..."; DIR holds further writer schemas
 *   recode schemas         type, fingerprint in hexadecimal
 *   recode canonical       schemas, one a line -> their canonical form and its fingerprint */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/number.h"
#include "common/event/codec.h"
#include "common/event/schema.h"

static struct pm_codec *codec;
static struct pm_arena arena;
static struct pm_buf out;

static void encode(struct pm_slice line)
{
    struct pm_event ev;
    struct pm_error err;
    int rc = pm_event_from_json(line, 0, &arena, &ev, &err);
    if (rc == PM_OK) rc = pm_codec_encode(codec, &ev, &out, &err);
    if (rc != PM_OK) {
        printf("error: %s\n", err.text);
        return;
    }
    char *hex = pm_malloc(2 * out.len + 1);
    pm_hex_encode(out.ptr, out.len, hex);
    printf("%.*s\n", (int)(2 * out.len), hex);
    free(hex);
}

static void decode(struct pm_slice line)
{
    struct pm_event ev;
    struct pm_error err;
    uint8_t *value = pm_malloc(line.len / 2 + 1);
    PM_CHECK(pm_hex_decode(line, value));
    if (pm_codec_decode(codec, pm_slice(value, line.len / 2), 0, &arena, &ev, &err) == PM_OK) {
        pm_event_to_json(&ev, pm_slice("", 0), &out);
        printf("%.*s\n", (int)out.len, out.ptr);
    } else {
        printf("error: %s\n", err.text);
    }
    free(value);
}

static void canonical(struct pm_slice line)
{
    struct pm_error err;
    if (pm_schema_canonical(line, &out, &err) == PM_OK)
        printf("%.*s %016" PRIx64 "\n", (int)out.len, out.ptr, pm_schema_crc64(pm_buf_slice(&out)));
    else printf("error: %s\n", err.text);
}

static void schemas(void)
{
    for (int type = 0; type < PM_EVENT_TYPE_COUNT; type++)
        printf("%s %016" PRIx64 "\n", pm_event_type_name((enum pm_event_type)type),
               pm_schema_fingerprint((enum pm_event_type)type));
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    struct pm_codec_options options = {.schema_dir = argc > 2 ? argv[2] : NULL};
    struct pm_error err;
    void (*each)(struct pm_slice) = !strcmp(what, "encode")      ? encode
                                    : !strcmp(what, "decode")    ? decode
                                    : !strcmp(what, "canonical") ? canonical
                                                                 : NULL;
    if (!strcmp(what, "schemas")) schemas();
    else if (!each) return 2;
    if (pm_codec_open(&options, &codec, &err) != PM_OK) {
        fprintf(stderr, "recode: %s\n", err.text);
        return 1;
    }
    char *line = NULL;
    size_t size = 0;
    for (ssize_t len; each && (len = getline(&line, &size, stdin)) > 0;) {
        if (line[len - 1] == '\n') len--;
        pm_buf_clear(&out);
        pm_arena_reset(&arena);
        each(pm_slice(line, (size_t)len));
    }
    free(line);
    pm_codec_close(codec);
    pm_arena_release(&arena);
    pm_buf_release(&out);
    return 0;
}
