/* cached.c: a worker that computes a simulation unless the store has it. Run twice, it reuses what it computed.
 *
 *   cc cached.c -o cached $(pkg-config --cflags --libs provmat)
 *   mkdir -p store && PROVMAT_LOG=local:./log PROVMAT_JOB_ID=job-1 ./cached store */
#include <provmat_store.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    struct provmat_error why;
    provmat_producer *p = NULL;
    provmat_store *store = NULL;
    if (provmat_open(NULL, &p, &why) != PROVMAT_OK) fprintf(stderr, "%s; going on without\n", why.text);
    struct provmat_store_options options = {.size = sizeof options, .root = argc > 1 ? argv[1] : ".", .producer = p};
    if (provmat_store_open(&options, &store, &why) != PROVMAT_OK) return fprintf(stderr, "%s\n", why.text), 1;

    struct provmat_result sim = {.size = sizeof sim, .kind = PROVMAT_SIM, .has = PROVMAT_HAS_SEED, .seed = 42};
    sim.bundle_ref = "sha256:4f446dbc7bd09db746ea635f0acb27025ebb7dc982442691eb114588fd99a7c2";
    sim.entrypoint = "models.seir/baseline";
    sim.params = "{\"beta\": 0.5}";

    struct provmat_reused reused = {.size = sizeof reused, .result = &sim};
    struct provmat_get get = {.size = sizeof get, .event = &reused};
    struct provmat_stored *found = NULL;
    int code = provmat_store_get(store, &get, &found, &why);
    if (code == PROVMAT_EMISS) { /* compute it */
        struct provmat_artifact table = {.name = "table", .bytes = "1,2,3", .length = 5};
        struct provmat_computed computed = {.size = sizeof computed, .result = &sim};
        struct provmat_put put = {.size = sizeof put, .event = &computed, .artifacts = &table, .n_artifacts = 1};
        code = provmat_store_put(store, &put, &found, &why);
    }
    if (code != PROVMAT_OK) fprintf(stderr, "%s\n", why.text);
    else printf("%s %s\n", found->outcome ? "computed" : "reused", found->files[0].file);

    provmat_stored_free(found);
    provmat_store_close(store);
    provmat_close(p, 5000, NULL);
    return code != PROVMAT_OK;
}
