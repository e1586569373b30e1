/* generate.c: writes the benchmark's events (synth.h) to a log or to a file of lines.
 *
 *   generate [--seed N] [--events N] [--big-job N] [--partitions N] [--brief] (--log URL | --ndjson FILE)
 *
 *     --events N      events on results, 1,000 a job (1000000); 3 events a job come with them
 *     --big-job N     instead: one further job, "job-big", with N results of those N events: half reused, half computed
 *     --partitions N  makes the log first, with N partitions; the job is the key
 *     --brief         lines of about 500 bytes: no param_id and event_id (emit derives them), one output instead of
 * two, no schema, model, entrypoint
 *
 * Prints one JSON object: what was written, how long it took. The same seed gives the same bytes. */
#include <inttypes.h>
#include <stdlib.h>

#include "bench/synth.h"
#include "common/base/check.h"
#include "common/base/time.h"
#include "common/event/codec.h"
#include "common/log/log.h"

struct sink {
    struct pm_log *log;
    struct pm_codec *codec;
    FILE *file;
    bool brief;
    struct pm_buf buf;
    uint64_t events, bytes;
};

static void must(int rc, const struct pm_error *err)
{
    if (rc == PM_OK) return;
    fprintf(stderr, "generate: %s\n", err->text);
    exit(1);
}

static void put(struct sink *k, struct pm_event *ev)
{
    struct pm_error err;
    pm_buf_clear(&k->buf);
    if (k->file) {
        if (k->brief) ev->has &= ~PM_HAS(event_id);
        pm_event_to_json(ev, pm_slice("", 0), &k->buf);
        pm_buf_byte(&k->buf, '\n');
        if (fwrite(k->buf.ptr, 1, k->buf.len, k->file) != k->buf.len) {
            perror("generate");
            exit(1);
        }
    } else {
        must(pm_codec_encode(k->codec, ev, &k->buf, &err), &err);
        must(pm_log_append(k->log, ev->job_id, pm_buf_slice(&k->buf), ev->occurred_at / 1000, &err), &err);
    }
    k->events++;
    k->bytes += k->buf.len;
}

/* A uniformly random result of those computed so far: whole groups of jobs, then what the jobs of this group have. */
static struct synth_place earlier(uint64_t random, uint32_t group_job, const uint32_t counts[SYNTH_ACTIVE],
                                  uint64_t in_group)
{
    uint64_t before = (uint64_t)group_job * SYNTH_JOB_COMPUTED, u = synth_below(random, before + in_group);
    if (u < before) return synth_place_of(u);
    u -= before;
    uint32_t slot = 0;
    while (u >= counts[slot]) u -= counts[slot++];
    return (struct synth_place){group_job + slot, (uint32_t)u};
}

static void make_group(struct synth *s, struct sink *k, uint32_t group_job, uint32_t n_jobs)
{
    struct pm_event ev;
    uint32_t counts[SYNTH_ACTIVE] = {0};
    uint64_t in_group = 0;
    for (uint32_t slot = 0; slot < n_jobs; slot++) {
        synth_submitted(s, &ev, group_job + slot);
        put(k, &ev);
        synth_status(s, &ev, group_job + slot, PM_STATUS_RUNNING);
        put(k, &ev);
    }
    for (uint32_t p = 0; p < SYNTH_JOB_RESULTS; p++) {
        for (uint32_t slot = 0; slot < n_jobs; slot++) {
            uint32_t job = group_job + slot;
            if (synth_is_reuse(s, job, p)) {
                synth_reused(s, &ev, job, earlier(synth_hash(s, 9, job, p), group_job, counts, in_group));
            } else {
                synth_computed(s, &ev, (struct synth_place){job, counts[slot]++});
                in_group++;
            }
            put(k, &ev);
        }
    }
    for (uint32_t slot = 0; slot < n_jobs; slot++) {
        synth_status(s, &ev, group_job + slot, PM_STATUS_SUCCEEDED);
        put(k, &ev);
    }
}

static void make_big_job(struct synth *s, struct sink *k, uint32_t n)
{
    struct pm_event ev;
    s->made = s->results * 2; /* later than all else */
    synth_submitted(s, &ev, SYNTH_BIG_JOB);
    put(k, &ev);
    for (uint32_t i = 0; i < n; i++) { /* every second one anew, the others spread over what is there, none twice */
        if (i % 2) synth_computed(s, &ev, (struct synth_place){SYNTH_BIG_JOB, i});
        else synth_reused(s, &ev, SYNTH_BIG_JOB, synth_place_of((unsigned __int128)synth_computed_count(s) * i / n));
        put(k, &ev);
    }
    synth_status(s, &ev, SYNTH_BIG_JOB, PM_STATUS_SUCCEEDED);
    put(k, &ev);
}

static const char usage[] =
    "usage: generate [--seed N] [--events N] [--big-job N] [--partitions N] [--brief] (--log URL | --ndjson FILE)\n";

int main(int argc, char **argv)
{
    struct synth *s = pm_calloc(1, sizeof *s);
    struct sink k = {0};
    const char *url = NULL, *path = NULL;
    uint64_t big = 0, partitions = 0;
    struct pm_error err;
    s->seed = 1;
    s->results = 1000000;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--brief") == 0) {
            s->brief = true;
            continue;
        }
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (value && strcmp(argv[i], "--log") == 0) url = value;
        else if (value && strcmp(argv[i], "--ndjson") == 0) path = value;
        else if (value && strcmp(argv[i], "--seed") == 0) s->seed = strtoull(value, NULL, 10);
        else if (value && strcmp(argv[i], "--events") == 0) s->results = strtoull(value, NULL, 10);
        else if (value && strcmp(argv[i], "--big-job") == 0) big = strtoull(value, NULL, 10);
        else if (value && strcmp(argv[i], "--partitions") == 0) partitions = strtoull(value, NULL, 10);
        else url = path = NULL, i = argc;
        i++;
    }
    s->results -= s->results % SYNTH_JOB_RESULTS;
    if (!url == !path || s->results == 0 || big > 10000000) {
        fputs(usage, stderr);
        return 2;
    }
    k.brief = s->brief;
    if (path) {
        k.file = fopen(path, "w");
        if (!k.file) {
            perror(path);
            return 1;
        }
    } else {
        struct pm_codec_options codec = {0};
        struct pm_log_options options = {.mode = PM_LOG_ADMIN, .timeout_ms = 60000};
        if (partitions) must(pm_log_create(url, &options, (int)partitions, &err), &err);
        options.mode = PM_LOG_APPEND;
        must(pm_codec_open(&codec, &k.codec, &err), &err);
        must(pm_log_open(url, &options, &k.log, &err), &err);
    }
    int64_t begin = pm_time_monotonic_us();
    if (big) {
        make_big_job(s, &k, (uint32_t)big);
    } else {
        uint32_t jobs = synth_jobs(s);
        for (uint32_t job = 0; job < jobs; job += SYNTH_ACTIVE)
            make_group(s, &k, job, jobs - job < SYNTH_ACTIVE ? jobs - job : SYNTH_ACTIVE);
    }
    if (k.log) must(pm_log_flush(k.log, &err), &err);
    if (k.file && fclose(k.file) != 0) {
        perror(path);
        return 1;
    }
    double seconds = (double)(pm_time_monotonic_us() - begin) / 1e6;
    pm_log_close(k.log);
    pm_codec_close(k.codec);
    pm_buf_release(&k.buf);
    pm_arena_release(&s->arena);
    printf("{\"seed\":%" PRIu64 ",\"events\":%" PRIu64 ",\"jobs\":%u,\"bytes\":%" PRIu64
           ",\"bytes_per_event\":%.1f,\"seconds\":%.3f,\"events_per_s\":%.0f}\n",
           s->seed, k.events, big ? 1 : synth_jobs(s), k.bytes, (double)k.bytes / (double)k.events, seconds,
           (double)k.events / seconds);
    free(s);
    return 0;
}
