/* store_path.c: the path of a result, backwards, under every built-in layout. */
#include "common/event/event.h"
#include "provstore/schema.h"
#include "tests/fuzz/support/fuzz.h"
#include "tests/fuzz/support/reveal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct pm_schemas schemas;
    static struct pm_revealed revealed[PM_VARIABLES_MAX];
    struct pm_slice path = fuzz_exact(pm_slice(data, size));
    if (!schemas.count) pm_schemas_builtin(&schemas);
    for (size_t i = 0; i < schemas.count && pm_path_check("path", path, NULL) == PM_OK; i++) {
        const struct pm_schema *schema = schemas.items[i];
        enum pm_path_kind kind;
        if (!pm_schema_match(schema, path, NULL, &kind, revealed)) continue;
        const struct pm_template *both[2] = {&schema->root, &schema->paths[kind]};
        size_t skip = schema->root.n_parts ? 0 : 1;
        fuzz_check_revealed(both + skip, 2 - skip, &schema->names, schema->loose, path, revealed);
    }
    fuzz_free(path);
    return 0;
}
