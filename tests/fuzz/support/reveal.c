/* reveal.c: from what a path revealed back to the path. */
#include "tests/fuzz/support/reveal.h"

#include "common/base/check.h"

static bool is_hash(const struct pm_part *part) { return part->kind == PM_PART_HASH || part->kind == PM_PART_SHARD; }

void fuzz_check_revealed(const struct pm_template *const *templates, size_t n_templates, const struct pm_names *names,
                         bool loose, struct pm_slice path, const struct pm_revealed *revealed)
{
    struct pm_values values = {0};
    PM_CLEANUP(pm_buf_release) struct pm_buf out = {0};
    for (unsigned i = 0; i < names->count; i++) {
        const struct pm_revealed *one = &revealed[i];
        PM_CHECK(one->hash_len <= 64);
        PM_CHECK(!one->whole.ptr || pm_revealed_allows(one, one->whole));
        pm_values_set(&values, i, one->whole.ptr ? one->whole : one->prefix);
    }
    for (size_t t = 0; t < n_templates; t++) {
        for (size_t i = 0; i < templates[t]->n_parts; i++)
            if (is_hash(&templates[t]->parts[i]) && !revealed[templates[t]->parts[i].variable].whole.ptr) return;
        if (t) pm_buf_byte(&out, '/');
        PM_CHECK(pm_template_render(templates[t], names, &values, loose, &out, NULL) == PM_OK);
    }
    PM_CHECK(pm_slice_eq(pm_buf_slice(&out), path));
}
