/* worker.c: a worker that computes three simulations of a job and reuses one, and tells provmat so.
 *
 *   cc worker.c -o worker $(pkg-config --cflags --libs provmat) && PROVMAT_LOG=local:./log ./worker */
#include <provmat.h>
#include <stdio.h>

int main(void)
{
    struct provmat_options options = {.size = sizeof options, .worker = "w7"}; /* the log: $PROVMAT_LOG */
    struct provmat_error err;
    provmat_producer *p = NULL;
    if (provmat_open(&options, &p, &err) != PROVMAT_OK) fprintf(stderr, "%s; going on without\n", err.text);

    provmat_job_begin(p, "job-1", NULL);
    for (int seed = 1; seed <= 4; seed++) {
        char path[64];
        snprintf(path, sizeof path, "token/v1/sims/4f446dbc7bd0/seed_%d", seed);
        struct provmat_result sim = {.size = sizeof sim, .path = path, .kind = PROVMAT_SIM};
        sim.has = PROVMAT_HAS_SEED;
        sim.seed = (uint64_t)seed;
        sim.params = "{\"beta\": 0.5, \"gamma\": 0.25}";
        if (seed == 4) { /* it was in the cache */
            struct provmat_reused reused = {.size = sizeof reused, .result = &sim, .source = PROVMAT_SOURCE_LOCAL};
            provmat_reused(p, &reused, NULL);
            continue;
        }
        struct provmat_computed computed = {.size = sizeof computed, .result = &sim, .has = PROVMAT_HAS_LOSS};
        computed.loss = 0.1 * seed;
        provmat_computed(p, &computed, NULL);
    }
    provmat_job_end(p, PROVMAT_SUCCEEDED, NULL, NULL);

    if (provmat_close(p, 5000, &err) != PROVMAT_OK) fprintf(stderr, "%s\n", err.text);
    return 0;
}
