/* codec.c: a whole log value, as the consumer meets it, without a registry. An event that comes out keeps every rule
 * and is written and read again as the same. */
#include "common/event/codec.h"

#include "tests/fuzz/support/fuzz.h"
#include "tests/support/events.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct pm_codec *codec;
    static struct pm_arena arena;
    static struct pm_buf out;
    struct pm_event ev, again;
    struct pm_error err;
    if (!codec) PM_CHECK(pm_codec_open(&(struct pm_codec_options){0}, &codec, NULL) == PM_OK);
    pm_arena_reset(&arena);
    int rc = pm_codec_decode(codec, pm_slice(data, size), 5, &arena, &ev, &err);
    if (rc != PM_OK) {
        PM_CHECK(pm_error_class(rc) == PM_CLASS_POISON && err.text[0]);
        return 0;
    }
    PM_CHECK(pm_event_check(&ev, NULL) == PM_OK);
    pm_buf_clear(&out);
    PM_CHECK(pm_codec_encode(codec, &ev, &out, NULL) == PM_OK);
    PM_CHECK(pm_codec_decode(codec, pm_buf_slice(&out), 0, &arena, &again, NULL) == PM_OK);
    PM_CHECK(test_event_difference(&ev, &again) == NULL);
    return 0;
}
