/* index_bench.c: the index from the inside.
 *
 *   index_bench ingest [--uneven] LOG_URL DIR       log -> a new index in DIR, timing every batch; --uneven: each
 * partition wholly before the next index_bench lookup DIR SEED EVENTS COUNT        result -> jobs in process: COUNT
 * random paths of the index that was made of these events, once to warm, once measured
 *
 * Prints one JSON object. Ingest is the loop of consumer/replayer.c (poll, prepare, hand over) with a clock in it. */
#include <inttypes.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "bench/synth.h"
#include "common/base/check.h"
#include "common/base/time.h"
#include "common/store/index.h"
#include "consumer/pipeline.h"
#include "consumer/prepare.h"

#define BATCH_OPS 32768
#define BATCH_BYTES ((size_t)32 << 20)
#define POLL_BYTES ((size_t)256 << 10)
#define TENTHS 10

static void must(int rc, const struct pm_error *err)
{
    if (rc == PM_OK) return;
    fprintf(stderr, "index_bench: %s\n", err->text);
    exit(1);
}

static double clock_s(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double seconds_since(int64_t begin) { return (double)(pm_time_monotonic_us() - begin) / 1e6; }

/* ---- ingest ---- */

struct mark { /* after a batch was handed over: records so far, seconds so far */
    uint64_t records;
    double at;
};

struct ingest {
    struct pm_log *log;
    struct pm_writer *writer;
    struct pm_pipeline *pipeline;
    struct pm_prepare prepare;
    struct pm_codec *codec;
    int64_t ends[PM_LOG_PARTITIONS_MAX];
    int32_t n_partitions;
    struct mark *marks;
    size_t n_marks;
    uint64_t records, bytes, computed, reused;
    int64_t begin;
    double reader_cpu_s, cpu_s;
};

static void fill(struct ingest *g, struct pm_batch *batch, int32_t first, int32_t last)
{
    struct pm_error err;
    while (batch->n_ops < BATCH_OPS && batch->bytes.len < BATCH_BYTES) {
        bool ended = true;
        for (int32_t i = first; i < last; i++) ended = ended && pm_log_position(g->log, i) >= g->ends[i];
        if (ended) return;
        struct pm_log_batch from;
        must(pm_log_poll(g->log, BATCH_OPS - batch->n_ops, POLL_BYTES, 200, &from, &err), &err);
        for (size_t i = 0; i < from.n_records; i++) {
            must(pm_prepare_record(&g->prepare, &from.records[i], batch, &err), &err);
            g->bytes += from.records[i].value.len;
        }
        g->records += from.n_records;
        pm_log_batch_release(&from);
        for (int32_t i = first; i < last; i++) pm_batch_offset(batch, i)->next = pm_log_position(g->log, i);
    }
}

/* Brings partitions [first, last) to their end. */
static void read_partitions(struct ingest *g, int32_t first, int32_t last)
{
    struct pm_error err;
    for (int32_t i = first; i < last; i++) must(pm_log_seek(g->log, i, 0, &err), &err);
    for (;;) {
        struct pm_batch *batch;
        must(pm_pipeline_take(g->pipeline, &batch, &err), &err);
        uint64_t before = g->records;
        fill(g, batch, first, last);
        for (size_t i = 0; i < batch->n_ops; i++)
            g->computed += batch->ops[i].type == PM_RESULT_COMPUTED,
                g->reused += batch->ops[i].type == PM_RESULT_REUSED;
        bool got = g->records > before;
        pm_pipeline_give(g->pipeline, batch);
        if (!got) return;
        g->marks = pm_realloc(g->marks, (g->n_marks + 1) * sizeof *g->marks);
        g->marks[g->n_marks++] = (struct mark){g->records, seconds_since(g->begin)};
    }
}

/* Seconds at which `records` were handed over, between two marks by proportion. */
static double time_of(const struct ingest *g, uint64_t records)
{
    struct mark low = {0, 0};
    for (size_t i = 0; i < g->n_marks; i++) {
        struct mark high = g->marks[i];
        if (high.records >= records)
            return low.at + (high.at - low.at) * (double)(records - low.records) / (double)(high.records - low.records);
        low = high;
    }
    return low.at;
}

static void print_ingest(struct ingest *g, double seconds)
{
    struct rusage usage;
    double slowest = 0;
    getrusage(RUSAGE_SELF, &usage);
    g->marks[g->n_marks - 1].at = seconds; /* the last batch counts until it is committed */
    for (size_t i = 1; i < g->n_marks; i++)
        if (g->marks[i].at - g->marks[i - 1].at > slowest) slowest = g->marks[i].at - g->marks[i - 1].at;
    printf("{\"events\":%" PRIu64 ",\"avro_bytes\":%" PRIu64 ",\"computed\":%" PRIu64 ",\"reused\":%" PRIu64
           ",\"commits\":%zu,",
           g->records, g->bytes, g->computed, g->reused, g->n_marks);
    printf(
        "\"seconds\":%.4f,\"events_per_s\":%.0f,\"slowest_batch_s\":%.4f,\"reader_cpu_s\":%.4f,\"writer_cpu_s\":%.4f,",
        seconds, (double)g->records / seconds, slowest, g->reader_cpu_s, g->cpu_s - g->reader_cpu_s);
    printf("\"moved\":%" PRIu64 ",",
           pm_runs_entries(&g->writer->runs[PM_RUN_MOVES])); /* results first met by their reuse */
    printf("\"index_bytes\":%" PRIu64 ",\"written_bytes\":%llu,\"rss_mb\":%.1f,\"tenths\":[",
           pm_kv_file_bytes(g->writer->kv), (unsigned long long)usage.ru_oublock * 512, (double)usage.ru_maxrss / 1024);
    for (int i = 0; i < TENTHS; i++) {
        double from = time_of(g, g->records * (uint64_t)i / TENTHS),
               to = time_of(g, g->records * (uint64_t)(i + 1) / TENTHS);
        printf("%s%.0f", i ? "," : "", (double)g->records / TENTHS / (to - from));
    }
    printf("]}\n");
}

static void ingest(const char *url, const char *dir, bool uneven)
{
    struct ingest *g = pm_calloc(1, sizeof *g);
    struct pm_error err;
    struct pm_log_options log = {.mode = PM_LOG_READ};
    struct pm_codec_options codec = {0};
    must(pm_log_open(url, &log, &g->log, &err), &err);
    must(pm_codec_open(&codec, &g->codec, &err), &err);
    must(pm_writer_open(dir, pm_log_url(g->log), pm_log_identity(g->log), INT64_MAX, &g->writer, &err), &err);
    g->prepare = (struct pm_prepare){.codec = g->codec, .until_us = INT64_MAX};
    must(pm_writer_names(g->writer, &g->prepare.names, &err), &err);
    must(pm_log_partitions(g->log, &g->n_partitions, &err), &err);
    for (int32_t i = 0; i < g->n_partitions; i++) {
        int64_t first;
        must(pm_log_offsets(g->log, i, &first, &g->ends[i], &err), &err);
        PM_CHECK(first == 0);
    }
    must(pm_pipeline_open(g->writer, false, &g->pipeline, &err), &err);
    double thread_before = clock_s(CLOCK_THREAD_CPUTIME_ID), before = clock_s(CLOCK_PROCESS_CPUTIME_ID);
    g->begin = pm_time_monotonic_us();
    if (!uneven) read_partitions(g, 0, g->n_partitions);
    for (int32_t i = 0; uneven && i < g->n_partitions; i++) read_partitions(g, i, i + 1);
    must(pm_pipeline_drain(g->pipeline, &err), &err);
    double seconds = seconds_since(g->begin);
    g->reader_cpu_s = clock_s(CLOCK_THREAD_CPUTIME_ID) - thread_before;
    g->cpu_s = clock_s(CLOCK_PROCESS_CPUTIME_ID) - before;
    pm_pipeline_close(g->pipeline);
    print_ingest(g, seconds);
    pm_names_free(g->prepare.names);
    pm_prepare_release(&g->prepare);
    pm_writer_close(g->writer);
    pm_codec_close(g->codec);
    pm_log_close(g->log);
    free(g->marks);
    free(g);
}

/* ---- lookup ---- */

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void lookup(const char *dir, uint64_t seed, uint64_t events, size_t count)
{
    struct synth *s = pm_calloc(1, sizeof *s);
    struct pm_arena paths = {0}, arena = {0};
    struct pm_slice *path = pm_calloc(count, sizeof *path);
    double *us = pm_calloc(count, sizeof *us);
    struct pm_index *index;
    struct pm_snapshot *snap;
    struct pm_error err;
    uint64_t jobs = 0;
    s->seed = seed;
    s->results = events - events % SYNTH_JOB_RESULTS;
    for (size_t i = 0; i < count; i++) {
        struct pm_event ev;
        synth_computed(s, &ev, synth_place_of(synth_below(synth_hash(s, 10, i, 0), synth_computed_count(s))));
        path[i] = pm_arena_copy(&paths, ev.result);
    }
    must(pm_index_open(dir, &index, &err), &err);
    must(pm_snapshot_open(index, &snap, &err), &err);
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < count; i++) {
            struct timespec t0, t1;
            uint64_t result;
            struct pm_pair *pairs;
            size_t n;
            pm_arena_reset(&arena);
            clock_gettime(CLOCK_MONOTONIC, &t0);
            int rc = pm_result_find(snap, path[i], &result, &err);
            if (rc == PM_ENOTFOUND) {
                fprintf(stderr, "index_bench: %.*s is not in the index\n", PM_SLICE_ARG(path[i]));
                exit(1);
            }
            must(rc, &err);
            must(pm_pairs_of_result(snap, result, &arena, &pairs, &n, &err), &err);
            for (size_t j = 0; j < n; j++) {
                struct pm_slice job_id;
                must(pm_job_id(snap, pairs[j].job, &job_id, &err), &err);
            }
            clock_gettime(CLOCK_MONOTONIC, &t1);
            us[i] = (double)(t1.tv_sec - t0.tv_sec) * 1e6 + (double)(t1.tv_nsec - t0.tv_nsec) / 1e3;
            jobs += round ? n : 0;
        }
    }
    qsort(us, count, sizeof *us, by_value);
    printf(
        "{\"count\":%zu,\"jobs_per_result\":%.2f,\"min_us\":%.2f,\"median_us\":%.2f,\"p99_us\":%.2f,\"max_us\":%.2f}\n",
        count, (double)jobs / (double)count, us[0], us[count / 2], us[count - count / 100 - 1], us[count - 1]);
    pm_snapshot_close(snap);
    pm_index_close(index);
    pm_arena_release(&paths);
    pm_arena_release(&arena);
    pm_arena_release(&s->arena);
    free(path);
    free(us);
    free(s);
}

int main(int argc, char **argv)
{
    bool uneven = argc == 5 && strcmp(argv[1], "ingest") == 0 && strcmp(argv[2], "--uneven") == 0;
    if (uneven || (argc == 4 && strcmp(argv[1], "ingest") == 0)) {
        ingest(argv[argc - 2], argv[argc - 1], uneven);
    } else if (argc == 6 && strcmp(argv[1], "lookup") == 0 && strtoull(argv[5], NULL, 10) > 0) {
        lookup(argv[2], strtoull(argv[3], NULL, 10), strtoull(argv[4], NULL, 10), strtoull(argv[5], NULL, 10));
    } else {
        fputs("usage: index_bench ingest [--uneven] LOG_URL DIR | index_bench lookup DIR SEED EVENTS COUNT\n", stderr);
        return 2;
    }
    return 0;
}
