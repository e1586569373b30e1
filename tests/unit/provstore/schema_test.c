/* schema_test.c: schemas: derived variables, files, paths and back, budgets. */
#include "provstore/schema.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <unistd.h>

static struct pm_error err;

#define DIGEST "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static void set(struct pm_path_facts *facts, const char *name, const char *value)
{
    cr_assert_eq(pm_path_facts_set(facts, pm_slice_cstr(name), pm_slice_cstr(value), &err), PM_OK);
}

static const struct pm_schema *schema(const char *id)
{
    static struct pm_schemas schemas;
    pm_schemas_builtin(&schemas);
    const struct pm_schema *found = pm_schemas_find(&schemas, pm_slice_cstr(id), NULL);
    cr_assert(found, "no schema %s", id);
    return found;
}

static void expect(const char *id, enum pm_path_kind kind, const struct pm_path_facts *facts, const char *path)
{
    struct pm_buf out = {0};
    int rc = pm_schema_path(schema(id), kind, facts, &out, &err);
    if (path)
        cr_assert(rc == PM_OK && pm_slice_is(pm_buf_slice(&out), path), "%s: %.*s %s", id, (int)out.len, out.ptr,
                  err.text);
    else cr_assert(rc != PM_OK && out.len == 0, "%s gave %.*s", id, (int)out.len, out.ptr);
    pm_buf_release(&out);
}

Test(schema, every_layout_gives_the_path_that_was_written)
{
    struct pm_path_facts facts = {0};
    set(&facts, "bundle_ref", "sha256:" DIGEST);
    set(&facts, "params", "{\"incubation_days\":5,\"R0\":2.5}");
    set(&facts, "seed", "42");
    expect("token", PM_PATH_SIM, &facts, "token/v1/sims/aaaaaaaaaaaa/e7/8d/params_66157bd2/seed_42");
    expect("bundle", PM_PATH_SIM, &facts, "bundle/v1/sims/aaaaaaaaaaaa/e7/8d/params_66157bd2/seed_42");
    expect("token-v2", PM_PATH_SIM, &facts, "token/v2/sims/aaaaaaaaaaaa/e7/8d/params_66157bd2/seed_42");
    expect("default-hashed", PM_PATH_SIM, &facts, "default/v1/sims/b1e70fb5c59f/e7/8d/params_66157bd2/seed_42");
    expect("default-refhash", PM_PATH_SIM, &facts, "default/v1/sims/6724328b3e87/e7/8d/params_66157bd2/seed_42");
    expect("paths-module", PM_PATH_SIM, &facts, "provenance/token/v1/sims/aaaaaaaaaaaa/66/params_66157bd2/seed_42");
    expect("token-drawn", PM_PATH_SIM, &facts, "token/v1/sims/aaaaaaaaaaaa/66/15/params_66157bd2/seed_42");
    expect("token-hashed", PM_PATH_SIM, &facts, NULL); /* nobody gave a model's digest */
    set(&facts, "model_digest", "sha256:cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc");
    expect("token-hashed", PM_PATH_SIM, &facts, "token/v1/sims/101f51137ec9/e7/8d/params_66157bd2/seed_42");
    set(&facts, "bundle_ref", "oci.example:5000/seir@sha256:" DIGEST);
    expect("token", PM_PATH_SIM, &facts, "token/v1/sims/aaaaaaaaaaaa/e7/8d/params_66157bd2/seed_42");
    expect("token-port", PM_PATH_SIM, &facts, "token/v1/sims/5000/seir@sh/e7/8d/params_66157bd2/seed_42");
}

Test(schema, aggregations)
{
    struct pm_path_facts facts = {0};
    set(&facts, "bundle_digest", DIGEST);
    set(&facts, "target", "targets.covid/deaths:x");
    set(&facts, "aggregation_id", "3aab0464e2e9d73f");
    expect("token", PM_PATH_AGG, &facts,
           "token/v1/aggs/aaaaaaaaaaaa/target_targets.covid_deaths:x/agg_3aab0464e2e9d73f");
    expect("paths-module", PM_PATH_AGG, &facts,
           "provenance/token/v1/aggs/aaaaaaaaaaaa/target_targets.covid/deaths__x/agg_3aab0464e2e9d73f");
    expect("cache", PM_PATH_AGG, &facts, NULL);
}

Test(schema, the_path_as_a_whole_keeps_the_rule_of_paths)
{
    struct pm_schemas schemas;
    struct pm_path_facts facts = {0};
    struct pm_buf out = {0};
    pm_schemas_builtin(&schemas);
    cr_assert_eq(pm_schemas_add_template(&schemas, PM_SLICE("x/{a}{b}"), PM_PATH_SIM, &err), PM_OK);
    const struct pm_schema *own = schemas.items[schemas.count - 1];
    static const char *const bad[][2] = {{"", ""}, {".", ""}, {".", "."}, {"..", ""}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        set(&facts, "a", bad[i][0]);
        set(&facts, "b", bad[i][1]);
        cr_assert_neq(pm_schema_path(own, PM_PATH_SIM, &facts, &out, &err), PM_OK, "%.*s", (int)out.len, out.ptr);
    }
    char *deep = malloc(1025);
    memset(deep, 'a', 1024), deep[1024] = 0;
    set(&facts, "a", deep);
    cr_assert_neq(pm_schema_path(own, PM_PATH_SIM, &facts, &out, &err), PM_OK);
    cr_assert(strstr(err.text, "1024"), "%s", err.text);
    free(deep);
    pm_buf_release(&out);
    pm_schemas_release(&schemas);
}

Test(schema, a_path_and_back)
{
    struct pm_revealed r[PM_VARIABLES_MAX];
    enum pm_path_kind kind;
    const struct pm_schema *token = schema("token");
    struct pm_slice path = PM_SLICE("token/v1/sims/aaaaaaaaaaaa/e7/8d/params_66157bd2/seed_42");
    cr_assert(pm_schema_match(token, path, NULL, &kind, r) && kind == PM_PATH_SIM);
    unsigned at = pm_names_find(&token->names, PM_SLICE("param_id"));
    cr_assert(pm_slice_is(r[at].prefix, "66157bd2") && r[at].hash_len == 4);
    cr_assert_not(pm_schema_match(schema("bundle"), path, NULL, &kind, r));
    cr_assert_not(pm_schema_match(schema("token-v2"), path, NULL, &kind, r));
    cr_assert_not(pm_schema_match(schema("token-drawn"), path, NULL, &kind, r));
    cr_assert_not(pm_schema_match(schema("token-port"), path, NULL, &kind, r), "there is no port in it");
    struct pm_path_facts facts = {0};
    set(&facts, "params", "{\"R0\":2.5,\"incubation_days\":5}");
    cr_assert(pm_schema_match(token, path, &facts, &kind, r));
    set(&facts, "params", "{\"R0\":2.5,\"incubation_days\":6}");
    cr_assert_not(pm_schema_match(token, path, &facts, &kind, r));
}

/* ---- files ---- */

static int read_schemas(const char *text, struct pm_schemas *ret)
{
    char name[] = "/tmp/provmat-schema-XXXXXX";
    int fd = mkstemp(name);
    cr_assert(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
    pm_schemas_builtin(ret);
    int rc = pm_schemas_read(ret, name, &err);
    cr_assert(rc == PM_OK || strstr(err.text, name), "no name of the file in: %s", err.text);
    unlink(name);
    return rc;
}

Test(schema, a_file_of_schemas)
{
    struct pm_schemas schemas;
    size_t builtin;
    pm_schemas_builtin(&schemas);
    builtin = schemas.count;
    cr_assert_eq(
        read_schemas("{\"name\":\"mine\",\"sim\":\"s/{seed}\"}\n{\"name\":\"mine\",\"id\":\"mine-2\",\"version\":2,"
                     "\"root\":\"r\",\"agg\":\"a/{target}\",\"note\":\"n\"}\n",
                     &schemas),
        PM_OK, "%s", err.text);
    cr_assert_eq(schemas.count, builtin + 2);
    struct pm_path_facts facts = {0};
    struct pm_buf out = {0};
    set(&facts, "seed", "7");
    set(&facts, "target", "t");
    cr_assert_eq(pm_schema_path(schemas.items[builtin], PM_PATH_SIM, &facts, &out, &err), PM_OK, "%s", err.text);
    pm_buf_byte(&out, ' ');
    cr_assert_eq(pm_schema_path(schemas.items[builtin + 1], PM_PATH_AGG, &facts, &out, &err), PM_OK, "%s", err.text);
    cr_assert(pm_slice_is(pm_buf_slice(&out), "mine/v1/s/7 r/a/t"), "%.*s", (int)out.len, out.ptr);
    pm_buf_release(&out);
    pm_schemas_release(&schemas);
}

Test(schema, a_bad_file_names_field_and_place)
{
    static const struct {
        const char *text, *field, *place;
    } cases[] = {
        {"{\"name\":\"mine\",\"sim\":\"s/{seed\"}", "field \"sim\" at byte offset 21", "byte offset 7"},
        {"{\"name\":\"mine\",\"sim\":\"{a[:0]}\"}", "field \"sim\" at byte offset 21", "byte offset 4"},
        {"{\"name\":\"../x\",\"sim\":\"{a}\"}", "field \"name\" at byte offset 8", "../x"},
        {"{\"name\":\"\",\"sim\":\"{a}\"}", "field \"name\"", "not a name"},
        {"{\"name\":\"x\",\"version\":-1,\"sim\":\"{a}\"}", "field \"version\" at byte offset 22", "-1"},
        {"{\"name\":\"x\",\"version\":1.5,\"sim\":\"{a}\"}", "\"version\"", "integer"},
        {"{\"name\":\"x\"}", "\"sim\"", "missing"},
        {"{\"sim\":\"{a}\"}", "\"name\"", "missing"},
        {"{\"name\":\"x\",\"simm\":\"{a}\"}", "unknown field \"simm\"", "byte offset"},
        {"{\"name\":\"x\",\"name\":\"y\",\"sim\":\"{a}\"}", "duplicate field \"name\"", "byte offset"},
        {"{\"name\":\"token\",\"sim\":\"{a}\"}", "\"token\" exists", "id"},
        {"{\"name\":\"x\",\"sim\":\"{a}\"", "byte offset 23", ""},
        {"", "no schema", ""},
        {"[]", "byte offset 0", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pm_schemas schemas;
        cr_assert_eq(read_schemas(cases[i].text, &schemas), PM_EUSAGE, "%s is taken", cases[i].text);
        cr_assert(strstr(err.text, cases[i].field) && strstr(err.text, cases[i].place), "%s: %s", cases[i].text,
                  err.text);
        pm_schemas_release(&schemas);
    }
}

/* ---- budgets ---- */

Test(schema, hashing_the_shard_adds_to_what_a_slice_keeps)
{
    struct pm_budget budgets[PM_VARIABLES_MAX];
    double pairs, chance;
    const char *ids[] = {"token", "token-drawn"};
    const unsigned bits[] = {48, 32};
    for (int i = 0; i < 2; i++) {
        size_t n = pm_schema_budget(schema(ids[i]), PM_PATH_SIM, budgets), at = 0;
        while (at < n && !pm_slice_is(budgets[at].variable, "param_id")) at++;
        cr_assert(at < n && budgets[at].bits == bits[i], "%s keeps %u bits", ids[i], budgets[at].bits);
    }
    pm_collisions(100000, 48, &pairs, &chance);
    cr_assert_float_eq(pairs, 1.776e-5, 1e-7);
    pm_collisions(100000, 32, &pairs, &chance);
    cr_assert_float_eq(pairs, 1.164, 1e-3);
    cr_assert_float_eq(chance, 0.688, 1e-3);
    pm_collisions(1, 4, &pairs, &chance);
    cr_assert(pairs == 0 && chance == 0);
}

Test(schema, two_rules_for_the_digest_of_a_reference)
{
    cr_assert(pm_slice_is(pm_bundle_digest_part(PM_SLICE("h:5000/m@sha256:ab")), "ab"));
    cr_assert(pm_slice_is(pm_bundle_after_colon(PM_SLICE("h:5000/m@sha256:ab")), "5000/m@sha256:ab"));
    cr_assert(pm_slice_is(pm_bundle_digest_part(PM_SLICE("sha256:ab")), "ab"));
    cr_assert(pm_slice_is(pm_bundle_digest_part(PM_SLICE("plain")), "plain"));
    cr_assert_eq(pm_bundle_digest_part(PM_SLICE("")).len, 0);
}
