/* template_test.c: the path language: what is refused when it is compiled, what when it is rendered, and the way back.
 */
#include "provstore/template.h"

#include <criterion/criterion.h>

static struct pm_error err;

static int compile(const char *text, struct pm_names *names, struct pm_template *ret)
{
    err.text[0] = 0;
    return pm_template_compile(pm_slice_cstr(text), names, ret, &err);
}

/* ---- refused at load, with the place ---- */

static const struct {
    const char *template, *place, *why;
} refused[] = {
    {"", "byte offset 0", "empty"},
    {"{}", "byte offset 1", "name"},
    {"a{b}}{", "byte offset 4", "\"}\" without \"{\""},
    {"}", "byte offset 0", "\"}\" without \"{\""},
    {"a/{b", "byte offset 4", "not closed"},
    {"{hash(a)[:8]", "byte offset 12", "not closed"},
    {"{{a}}", "byte offset 1", "name"},
    {"{A}", "byte offset 1", "name"},
    {"{a1}", "byte offset 2", "expected \"}\""},
    {"{ a }", "byte offset 1", "name"},
    {"{a!r}", "byte offset 2", "expected \"}\""},
    {"{a[:0]}", "byte offset 4", "zero"},
    {"{a[:x]}", "byte offset 4", "number"},
    {"{a[:-1]}", "byte offset 4", "number"},
    {"{a[:2][:1]}", "byte offset 6", "expected \"}\""},
    {"{a[:99999999999999999999]}", "byte offset 4", "too large"},
    {"{hash(a)[:0]}", "byte offset 10", "zero"},
    {"{hash(a)[:65]}", "byte offset 8", "64 digits"},
    {"{hash(a)[:-1]}", "byte offset 10", "number"},
    {"{hash(a,b)}", "byte offset 7", "one variable"},
    {"{hash (a)}", "byte offset 5", "expected \"}\""},
    {"{hash(a}", "byte offset 7", "\")\""},
    {"{shard(a,0,2)}", "byte offset 9", "zero"},
    {"{shard(a,2,0)}", "byte offset 11", "zero"},
    {"{shard(a,2)}", "byte offset 10", "WIDTH"},
    {"{shard(a, 2, 2)}", "byte offset 9", "number"},
    {"{shard(a,33,2)}", "byte offset 8", "above 64"},
    {"{shard(a,1,65)}", "byte offset 8", "above 64"},
    {"{split(a,9,8)}", "byte offset 8", "above 64"},
    {"x//{a}", "byte offset 2", "empty segment"},
    {"/{a}", "byte offset 0", "empty segment"},
    {"{a}/", "byte offset 4", "empty segment"},
    {"../{a}", "byte offset 0", "leads elsewhere"},
    {"x/./{a}", "byte offset 2", "leads elsewhere"},
    {"\xff", "byte offset 0", "UTF-8"},
};

Test(template, what_would_not_do_is_refused_with_its_place)
{
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        struct pm_names names = {0};
        struct pm_template template;
        cr_assert_eq(compile(refused[i].template, &names, &template), PM_EUSAGE, "\"%s\" compiles",
                     refused[i].template);
        cr_assert(strstr(err.text, refused[i].place) && strstr(err.text, refused[i].why), "\"%s\": %s",
                  refused[i].template, err.text);
        cr_assert_eq(names.count, 0, "\"%s\" left a name", refused[i].template);
    }
}

Test(template, limits)
{
    struct pm_names names = {0};
    struct pm_template template;
    char text[PM_TEMPLATE_BYTES_MAX + 2];
    memset(text, 'x', sizeof text);
    text[PM_TEMPLATE_BYTES_MAX] = 0;
    cr_assert_eq(compile(text, &names, &template), PM_OK, "%s", err.text);
    text[PM_TEMPLATE_BYTES_MAX] = 'x', text[PM_TEMPLATE_BYTES_MAX + 1] = 0;
    cr_assert_eq(compile(text, &names, &template), PM_EUSAGE);
    char many[8 * (PM_VARIABLES_MAX + 2)] = "", *at = many;
    for (int i = 0; i <= PM_VARIABLES_MAX; i++) {
        memset(at, 'a', 4);
        *at = '{', at[1] = (char)('a' + i % 26), at[3] = '}';
        if (i == PM_VARIABLES_MAX - 1) {
            at[4] = 0;
            struct pm_names all = {0};
            cr_assert_eq(compile(many, &all, &template), PM_OK, "%s", err.text);
        }
        at += 4;
    }
    *at = 0;
    cr_assert_eq(compile(many, &names, &template), PM_EUSAGE);
    cr_assert(strstr(err.text, "variables"), "%s", err.text);
}

/* ---- rendered ---- */

static const struct {
    const char *template, *a, *b, *path; /* path NULL: refused */
} rendered[] = {
    {"{a}", "x", NULL, "x"},
    {"{a}/{b}", "x", "7", "x/7"},
    {"{a[:2]}", "abcdef", NULL, "ab"},
    {"{a[:3]}", "abc", NULL, "abc"},
    {"{a[:9]}", "abc", NULL, NULL},
    {"{a[:2]}", "\xc3\xa9\xc3\xbcx", NULL, "\xc3\xa9\xc3\xbc"}, /* characters, not bytes */
    {"{hash(a)[:8]}", "x", NULL, "d161d711"},
    {"{hash(a)}", "x", NULL, "d161d71145abeec5ef15abcf0459cec60a27321e2f0ac0ef7ace5254f5944476"},
    {"{hash(a)[:12]}", "42", NULL, "2f0039e93a27"},
    {"{shard(a,2,2)}", "x", NULL, "d1/61"},
    {"{shard(a,1,64)}", "x", NULL, "d161d71145abeec5ef15abcf0459cec60a27321e2f0ac0ef7ace5254f5944476"},
    {"{split(a,2,2)}/{a}", "abcdef", NULL, "ab/cd/abcdef"},
    {"{split(a,2,2)}", "abc", NULL, NULL},
    {"{a}", "{b}", "no", "{b}"}, /* braces in a value mean nothing */
    {"{a}", "", NULL, ""},
    {"{a}", "../../etc", NULL, NULL},
    {"{a[:3]}", "a/b", NULL, NULL},
    {"{a[:1]}", "a/b", NULL, "a"},
    {"{a}", NULL, NULL, NULL},
    {"{hash(a)}", NULL, NULL, NULL},
    {"{shard(a,2,2)}", NULL, NULL, NULL},
    {"\xc3\xa9/{a}", "\xc3\xbc", NULL, "\xc3\xa9/\xc3\xbc"},
};

Test(template, renders)
{
    for (size_t i = 0; i < sizeof rendered / sizeof *rendered; i++) {
        struct pm_names names = {0};
        struct pm_template template;
        struct pm_values values = {0};
        struct pm_buf out = {0};
        pm_buf_cstr(&out, "kept");
        cr_assert_eq(compile(rendered[i].template, &names, &template), PM_OK, "%s", err.text);
        if (rendered[i].a) pm_values_set(&values, pm_names_find(&names, PM_SLICE("a")), pm_slice_cstr(rendered[i].a));
        if (rendered[i].b) pm_values_set(&values, pm_names_find(&names, PM_SLICE("b")), pm_slice_cstr(rendered[i].b));
        int rc = pm_template_render(&template, &names, &values, false, &out, &err);
        cr_assert_eq(rc == PM_OK, rendered[i].path != NULL, "\"%s\" of \"%s\": %s", rendered[i].template, rendered[i].a,
                     err.text);
        struct pm_slice path = pm_slice(out.ptr + 4, out.len - 4);
        cr_assert(pm_slice_is(path, rendered[i].path ? rendered[i].path : ""), "\"%s\" gave \"%.*s\"",
                  rendered[i].template, PM_SLICE_ARG(path));
        pm_buf_release(&out);
    }
}

Test(template, a_value_with_nul_is_refused)
{
    struct pm_names names = {0};
    struct pm_template template;
    struct pm_values values = {0};
    struct pm_buf out = {0};
    cr_assert_eq(compile("{a}", &names, &template), PM_OK);
    pm_values_set(&values, 0, pm_slice("x\0y", 3));
    cr_assert_eq(pm_template_render(&template, &names, &values, true, &out, &err), PM_EINVALID);
    cr_assert(strstr(err.text, "NUL"), "%s", err.text);
}

Test(template, a_new_value_is_hashed_anew)
{
    struct pm_names names = {0};
    struct pm_template template;
    struct pm_values values = {0};
    struct pm_buf out = {0};
    char value[2] = "x";
    cr_assert_eq(compile("{hash(a)[:8]}", &names, &template), PM_OK);
    for (int i = 0; i < 3; i++) { /* the last time in the same bytes */
        pm_buf_clear(&out);
        pm_values_set(&values, 0, i == 0 ? PM_SLICE("42") : pm_slice(value, 1));
        cr_assert_eq(pm_template_render(&template, &names, &values, false, &out, &err), PM_OK);
        cr_assert(pm_slice_is(pm_buf_slice(&out), i == 0 ? "2f0039e9" : "d161d711"), "%.*s", (int)out.len, out.ptr);
    }
    pm_buf_release(&out);
}

/* ---- back ---- */

static bool match(const char *text, const char *path, struct pm_names *names, struct pm_revealed *revealed)
{
    static struct pm_template template;
    const struct pm_template *one = &template;
    *names = (struct pm_names){0};
    cr_assert_eq(compile(text, names, &template), PM_OK, "%s", err.text);
    return pm_template_match(&one, 1, names, false, pm_slice_cstr(path), revealed);
}

Test(template, reveals_what_the_path_holds)
{
    struct pm_revealed r[PM_VARIABLES_MAX];
    struct pm_names names;
    cr_assert(match("{a[:4]}/{shard(a,2,2)}/{hash(b)[:6]}/s_{c}", "abcd/12/34/abcdef/s_x_y", &names, r));
    cr_assert(pm_slice_is(r[0].prefix, "abcd") && r[0].hash_len == 4 && !memcmp(r[0].hash, "1234", 4));
    cr_assert(!r[0].whole.ptr && r[1].hash_len == 6 && pm_slice_is(r[2].whole, "x_y"));
    cr_assert(match("{split(a,2,2)}/{a[:3]}", "ab/cd/abc", &names, r));
    cr_assert(pm_slice_is(r[0].prefix, "abcd"), "the longer beginning stays");
}

Test(template, what_disagrees_does_not_match)
{
    static const struct {
        const char *template, *path;
        bool matches;
    } cases[] = {
        {"{a}/{hash(a)[:8]}", "x/d161d711", true},
        {"{a}/{hash(a)[:8]}", "y/d161d711", false},
        {"{hash(a)[:8]}/{a}", "d161d711/x", true},
        {"{hash(a)[:8]}/{a}", "d161d711/y", false},
        {"{shard(a,2,2)}/{a}", "d1/61/x", true},
        {"{shard(a,2,2)}/{a}", "d1/62/x", false},
        {"{hash(a)[:4]}/{hash(a)[:2]}", "d161/d1", true},
        {"{hash(a)[:4]}/{hash(a)[:2]}", "d161/d2", false},
        {"{a}/{a}", "x/x", true},
        {"{a}/{a}", "x/y", false},
        {"{a[:2]}/{a}", "ab/abc", true},
        {"{a[:2]}/{a}", "ab/bbc", false},
        {"{a}/{a[:2]}", "abc/ab", true},
        {"{a}/{a[:2]}", "abc/bb", false},
        {"{split(a,2,2)}/{a[:3]}", "ab/cd/abd", false},
        {"{split(a,2,2)}/{a}", "ab/cd/abcx", false},
        {"{a}_{b}", "x_y", true},
        {"{a}-{a}", "x-x-x-x", true}, /* x-x twice: found by going back */
        {"{a}", "x/y", false},
        {"{a}/z", "x/y", false},
        {"{a}", "", false},
        {"{hash(a)[:4]}", "D161", false},
        {"{hash(a)[:4]}", "d16", false},
        {"{hash(a)[:4]}", "d1611", false},
        {"s_{seed}", "s_42", true},
        {"s_{seed}", "s_4x", false},
        {"{param_id[:2]}", "zz", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pm_revealed r[PM_VARIABLES_MAX];
        struct pm_names names;
        cr_assert_eq(match(cases[i].template, cases[i].path, &names, r), cases[i].matches, "%s of %s",
                     cases[i].template, cases[i].path);
    }
}

Test(template, a_template_made_to_be_slow_ends)
{
    struct pm_revealed r[PM_VARIABLES_MAX];
    struct pm_names names;
    char path[1000];
    memset(path, 'a', sizeof path - 1);
    path[sizeof path - 1] = 0;
    cr_assert_not(match("{a}{b}{c}{d}{e}{f}{g}{h}_", path, &names, r));
}
