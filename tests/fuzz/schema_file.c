/* schema_file.c: a file of schemas. What is accepted can be rendered, matched and measured; what is not leaves the
 * schemas as they were and names the file. */
#include "common/event/event.h"
#include "provstore/schema.h"
#include "tests/fuzz/support/fuzz.h"

static void use(const struct pm_schema *schema)
{
    static struct pm_revealed revealed[PM_VARIABLES_MAX];
    struct pm_budget budget[PM_VARIABLES_MAX];
    struct pm_values values = {0};
    PM_CHECK(schema->id.len > 0 && schema->name.len > 0 && schema->names.count <= PM_VARIABLES_MAX);
    PM_CHECK(schema->paths[PM_PATH_SIM].n_parts || schema->paths[PM_PATH_AGG].n_parts);
    for (unsigned i = 0; i < schema->names.count; i++)
        pm_values_set(&values, i, PM_SLICE("0123456789012345678901234567890123456789012345678901234567890123"));
    for (unsigned kind = 0; kind < PM_PATH_KIND_COUNT; kind++) {
        PM_CLEANUP(pm_buf_release) struct pm_buf path = {0};
        enum pm_path_kind found;
        if (!schema->paths[kind].n_parts) continue;
        PM_CHECK(pm_schema_budget(schema, (enum pm_path_kind)kind, budget) <= schema->names.count);
        if (pm_schema_render(schema, (enum pm_path_kind)kind, &values, &path, NULL) != PM_OK) continue;
        PM_CHECK(pm_path_check("path", pm_buf_slice(&path), NULL) == PM_OK);
        if (pm_schema_match(schema, pm_buf_slice(&path), NULL, &found, revealed))
            PM_CHECK(schema->paths[found].n_parts);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pm_schemas schemas = {0};
    struct pm_slice text = fuzz_exact(pm_slice(data, size));
    struct pm_error err = {0};
    pm_schemas_builtin(&schemas);
    size_t before = schemas.count;
    int rc = pm_schemas_read_text(&schemas, text, "FILE", &err);
    fuzz_free(text); /* nothing borrows from it */
    PM_CHECK(rc == PM_OK ? schemas.count > before : rc == PM_EUSAGE && schemas.count == before);
    PM_CHECK(rc == PM_OK || strncmp(err.text, "FILE: ", 6) == 0);
    for (size_t i = before; i < schemas.count; i++) use(schemas.items[i]);
    pm_schemas_release(&schemas);
    return 0;
}
