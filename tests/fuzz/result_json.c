/* result_json.c: metadata.json, result.json and manifest.json of a stored result. Whatever they say becomes an event
 * that keeps the rules and survives its own codec, or is refused with a reason. Input: the three texts, a NUL between.
 */
#include "provstore/result_json.h"

#include "provstore/adopt.h"
#include "tests/fuzz/support/fuzz.h"

static struct pm_slice next_text(struct fuzz_input *in)
{
    const uint8_t *zero = in->p < in->end ? memchr(in->p, 0, (size_t)(in->end - in->p)) : NULL;
    struct pm_slice text = fuzz_bytes(in, zero ? (size_t)(zero - in->p) : SIZE_MAX);
    if (zero) fuzz_byte(in);
    return text;
}

static void check(int rc, const struct pm_error *err)
{
    PM_CHECK(rc == PM_OK || ((rc == PM_EFORMAT || rc == PM_EINVALID || rc == PM_ELIMIT) && err->text[0]));
}

static void check_event(const struct pm_stored *stored)
{
    PM_CLEANUP(pm_buf_release) struct pm_buf scratch = {0};
    struct pm_event ev, again;
    struct pm_error err;
    char room[32];
    int rc = pm_stored_event(stored, &scratch, room, &ev, &err);
    check(rc, &err);
    if (rc != PM_OK) return;
    PM_CHECK(pm_event_check(&ev, NULL) == PM_OK);
    pm_buf_clear(&scratch);
    pm_event_encode(&ev, &scratch);
    PM_CHECK(pm_event_decode(ev.type, pm_buf_slice(&scratch), &again, NULL) == PM_OK && again.has == ev.has);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct pm_arena arena;
    struct fuzz_input in = fuzz_input(data, size);
    struct pm_slice texts[3];
    struct pm_stored stored = {.facts = {.type = PM_RESULT_DISCOVERED}, .n_sim_returns = -1};
    struct pm_result_texts found = {0};
    struct pm_error err = {0};
    pm_arena_reset(&arena);
    for (int i = 0; i < 3; i++) texts[i] = fuzz_exact(next_text(&in));
    int metadata = pm_metadata_read(texts[0], &arena, &stored, &found, &err);
    check(metadata, &err);
    int result = pm_result_read(texts[1], &arena, &stored, &found, &err);
    check(result, &err);
    check(pm_manifest_read(texts[2], &arena, &found, &err), &err);
    PM_CHECK(found.n_model_digests <= PM_MANIFEST_MODELS_MAX);
    for (size_t i = 0; i < stored.n_outputs; i++) PM_CHECK(stored.outputs[i].name.ptr || !stored.outputs[i].name.len);
    if (metadata == PM_OK && result == PM_OK) {
        stored.facts.result = stored.path = PM_SLICE("token/v1/a");
        stored.facts.occurred_at = 1;
        stored.facts.kind = found.is_agg ? PM_KIND_AGG : PM_KIND_SIM;
        stored.facts.has |= PM_HAS(result) | PM_HAS(occurred_at) | PM_HAS(kind);
        check_event(&stored);
    }
    for (int i = 0; i < 3; i++) fuzz_free(texts[i]);
    return 0;
}
