/* emit_bench.c: what one call of the library costs, and how fast events get into a log through it.
 *
 *   emit_bench LOG N       one JSON object: N calls from one thread into LOG, which is then flushed and closed
 *
 * A call's time is taken around each call by itself; the whole is from the first call to the last acknowledgement. When
 * the queue is full the caller waits, which counts in the whole and not in a call. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "producer/provmat.h"

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static double cpu_s(clockid_t which)
{
    struct timespec t;
    clock_gettime(which, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* The texts of a call are there before its time is taken, as a job has them. */
#define SETS 4096
static char paths[20 * SETS][96], params[SETS][64];

static void make_texts(void)
{
    for (unsigned set = 0; set < SETS; set++) {
        snprintf(params[set], sizeof params[set], "{\"beta\":0.%06u,\"gamma\":0.25,\"n\":%u}", set + 100000, set);
        for (unsigned seed = 0; seed < 20; seed++)
            snprintf(paths[20 * set + seed], sizeof *paths, "token/v1/sims/4f446dbc7bd0/%02x/%02x/params_%08x/seed_%u",
                     set & 255, set >> 8, set * 2654435761u, seed);
    }
}

/* Three of five computed, two reused; 20 seeds share their params. A path comes again after 81,920 calls. */
static int one_call(provmat_producer *p, uint64_t i, struct provmat_error *err)
{
    struct provmat_result result = {.size = sizeof result,
                                    .path = paths[i % (20 * SETS)],
                                    .kind = PROVMAT_SIM,
                                    .params = params[i / 20 % SETS],
                                    .has = PROVMAT_HAS_SEED,
                                    .seed = i,
                                    .bundle_digest = "4f446dbc7bd04f446dbc7bd04f446dbc7bd04f446dbc7bd04f446dbc7bd01234",
                                    .entrypoint = "models.sir:run",
                                    .target = "cases"};
    if (i % 5 < 3) {
        struct provmat_computed event = {.size = sizeof event,
                                         .result = &result,
                                         .has = PROVMAT_HAS_LOSS | PROVMAT_HAS_DURATION,
                                         .loss = (double)(i % 1000) / 7,
                                         .duration_us = 1000 + (int64_t)(i % 500)};
        return provmat_computed(p, &event, err);
    }
    struct provmat_reused event = {.size = sizeof event, .result = &result, .source = PROVMAT_SOURCE_LOCAL};
    return provmat_reused(p, &event, err);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: emit_bench LOG N\n");
        return 2;
    }
    struct provmat_options options = {.size = sizeof options, .log = argv[1], .job_id = "job-bench", .worker = "w7"};
    struct provmat_error err;
    provmat_producer *p;
    if (provmat_open(&options, &p, &err) != PROVMAT_OK) {
        fprintf(stderr, "emit_bench: %s\n", err.text);
        return 2;
    }
    make_texts();
    uint64_t n = strtoull(argv[2], NULL, 10), waited = 0;
    uint32_t *took = calloc(n, sizeof *took);
    int64_t began = now_ns();
    double own = cpu_s(CLOCK_THREAD_CPUTIME_ID), all = cpu_s(CLOCK_PROCESS_CPUTIME_ID);
    for (uint64_t i = 0; i < n; i++) {
        int64_t at = now_ns();
        int code = one_call(p, i, &err);
        int64_t ns = now_ns() - at;
        took[i] = ns > UINT32_MAX ? UINT32_MAX : (uint32_t)ns;
        if (code == PROVMAT_OK) continue;
        if (code != PROVMAT_EDROPPED) {
            fprintf(stderr, "emit_bench: %s\n", err.text);
            return 1;
        }
        nanosleep(&(struct timespec){.tv_nsec = 500000}, NULL);
        waited++;
        i--;
    }
    struct provmat_counters counters = {.size = sizeof counters};
    int code = provmat_flush(p, 60000, &err);
    double seconds = (double)(now_ns() - began) / 1e9;
    own = cpu_s(CLOCK_THREAD_CPUTIME_ID) - own;
    all = cpu_s(CLOCK_PROCESS_CPUTIME_ID) - all - own;
    provmat_counters(p, &counters);
    provmat_close(p, 1000, NULL);
    qsort(took, n, sizeof *took, by_value);
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("{\"events\":%llu,\"acknowledged\":%llu,\"median_ns\":%u,\"p99_ns\":%u,\"max_ns\":%u,\"events_per_s\":%.0f,"
           "\"caller_cpu_ns\":%.0f,\"rest_cpu_ns\":%.0f,\"waited\":%llu,\"max_rss_kb\":%ld}\n",
           (unsigned long long)n, (unsigned long long)counters.acknowledged, took[n / 2], took[n * 99 / 100],
           took[n - 1], (double)n / seconds, own / (double)n * 1e9, all / (double)n * 1e9, (unsigned long long)waited,
           usage.ru_maxrss);
    free(took);
    if (code != PROVMAT_OK) fprintf(stderr, "emit_bench: %s\n", err.text);
    return code == PROVMAT_OK ? 0 : 1;
}
