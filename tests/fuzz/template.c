/* template.c: a path template. What compiles is the text in parts; a path that was rendered is matched; what a path
 * reveals gives the path again. Input: flags, template, path, values a line. */
#include "provstore/template.h"

#include "common/base/number.h"
#include "common/event/event.h"
#include "tests/fuzz/support/fuzz.h"
#include "tests/fuzz/support/reveal.h"

static void check_parts(const struct pm_template *template, const struct pm_names *names)
{
    const char *at = template->text.ptr;
    for (size_t i = 0; i < template->n_parts; i++) {
        const struct pm_part *part = &template->parts[i];
        PM_CHECK(part->text.ptr == at && part->text.len > 0);
        at += part->text.len;
        if (part->kind == PM_PART_TEXT) continue;
        PM_CHECK(part->variable < names->count);
        PM_CHECK(part->kind == PM_PART_VALUE || (part->count > 0 && part->parts > 0 && part->count % part->parts == 0));
        PM_CHECK(part->kind == PM_PART_VALUE || part->kind == PM_PART_SLICE || part->count <= 64);
    }
    PM_CHECK(at == template->text.ptr + template->text.len);
}

/* Names whose values must look like something. */
static bool is_plain(const struct pm_names *names)
{
    static const char *const known[] = {"seed",           "version",       "param_id",     "sim_root",
                                        "aggregation_id", "bundle_digest", "model_digest", "bundle_ref_tail"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (pm_names_find(names, pm_slice_cstr(known[i])) < PM_VARIABLES_MAX) return false;
    return true;
}

static void check_render(const struct pm_template *template, const struct pm_names *names, bool loose,
                         struct fuzz_input *in)
{
    static struct pm_revealed revealed[PM_VARIABLES_MAX];
    struct pm_values values = {0};
    struct pm_error err;
    PM_CLEANUP(pm_buf_release) struct pm_buf out = {0};
    bool odd = false;
    size_t variable_lengths = 0;
    for (unsigned i = 0; i < names->count && in->p < in->end; i++) {
        const uint8_t *line = memchr(in->p, '\n', (size_t)(in->end - in->p));
        struct pm_slice value = pm_slice(in->p, line ? (size_t)(line - in->p) : (size_t)(in->end - in->p));
        in->p = line ? line + 1 : in->end;
        odd |= !value.len || !pm_utf8_valid(value); /* a character must end where its value ends */
        pm_values_set(&values, i, value);
    }
    int rc = pm_template_render(template, names, &values, loose, &out, &err);
    PM_CHECK(rc == PM_OK || (rc == PM_EINVALID && out.len == 0));
    struct pm_slice path = pm_buf_slice(&out);
    for (size_t i = 0; i < template->n_parts; i++) variable_lengths += template->parts[i].kind == PM_PART_VALUE;
    /* many values side by side take more steps than there are */
    if (rc != PM_OK || odd || !is_plain(names) || variable_lengths > 2 || pm_path_check("path", path, NULL) != PM_OK)
        return;
    PM_CHECK(pm_template_match(&template, 1, names, loose, path, revealed));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct pm_revealed revealed[PM_VARIABLES_MAX];
    struct fuzz_input in = fuzz_input(data, size);
    bool loose = fuzz_byte(&in) & 1;
    struct pm_slice text = fuzz_exact(fuzz_text(&in)), path = fuzz_exact(fuzz_text(&in));
    struct pm_names names = {0};
    struct pm_template template;
    const struct pm_template *one = &template;
    struct pm_error err;
    int rc = pm_template_compile(text, &names, &template, &err);
    PM_CHECK(rc == PM_OK || (rc == PM_EUSAGE && err.text[0] && names.count == 0));
    if (rc == PM_OK) {
        check_parts(&template, &names);
        check_render(&template, &names, loose, &in);
        if (pm_path_check("path", path, NULL) == PM_OK && pm_template_match(&one, 1, &names, loose, path, revealed))
            fuzz_check_revealed(&one, 1, &names, loose, path, revealed);
    }
    fuzz_free(text);
    fuzz_free(path);
    return 0;
}
