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

#define BIG_JOB_MAX 10000000
#define LOG_TIMEOUT_MS 60000

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

struct options {
    const char *url, *path;
    uint64_t seed, events, big, partitions;
    bool brief;
};

static bool parse(int argc, char **argv, struct options *o)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--brief") == 0) {
            o->brief = true;
            continue;
        }
        const char *name = argv[i], *value = i + 1 < argc ? argv[++i] : NULL;
        uint64_t number = 0;
        bool numeric = value && pm_u64_parse(pm_slice_cstr(value), &number);
        if (value && strcmp(name, "--log") == 0) o->url = value;
        else if (value && strcmp(name, "--ndjson") == 0) o->path = value;
        else if (numeric && strcmp(name, "--seed") == 0) o->seed = number;
        else if (numeric && strcmp(name, "--events") == 0) o->events = number;
        else if (numeric && strcmp(name, "--big-job") == 0) o->big = number;
        else if (numeric && strcmp(name, "--partitions") == 0) o->partitions = number;
        else return false;
    }
    o->events -= o->events % SYNTH_JOB_RESULTS;
    return !o->url != !o->path && o->events > 0 && o->big <= BIG_JOB_MAX && o->partitions <= PM_LOG_PARTITIONS_MAX;
}

static void open_sink(struct sink *k, const struct options *o)
{
    struct pm_error err;
    k->brief = o->brief;
    if (o->path) {
        k->file = fopen(o->path, "w");
        if (k->file) return;
        perror(o->path);
        exit(1);
    }
    struct pm_codec_options codec = {0};
    struct pm_log_options log = {.mode = PM_LOG_ADMIN, .timeout_ms = LOG_TIMEOUT_MS};
    if (o->partitions) must(pm_log_create(o->url, &log, (int)o->partitions, &err), &err);
    log.mode = PM_LOG_APPEND;
    must(pm_codec_open(&codec, &k->codec, &err), &err);
    must(pm_log_open(o->url, &log, &k->log, &err), &err);
}

static void finish_sink(struct sink *k)
{
    struct pm_error err;
    if (k->log) must(pm_log_flush(k->log, &err), &err);
    if (k->file && fclose(k->file) != 0) {
        perror("generate");
        exit(1);
    }
}

int main(int argc, char **argv)
{
    struct options o = {.seed = 1, .events = 1000000};
    struct sink k = {0};
    if (!parse(argc, argv, &o)) {
        fputs("usage: generate [--seed N] [--events N] [--big-job N] [--partitions N] [--brief] (--log URL | --ndjson "
              "FILE)\n",
              stderr);
        return 2;
    }
    struct synth *s = pm_calloc(1, sizeof *s);
    s->seed = o.seed;
    s->results = o.events;
    s->brief = o.brief;
    open_sink(&k, &o);
    int64_t begin = pm_time_monotonic_us();
    uint32_t jobs = o.big ? 1 : synth_jobs(s);
    if (o.big) make_big_job(s, &k, (uint32_t)o.big);
    for (uint32_t job = 0; !o.big && job < jobs; job += SYNTH_ACTIVE) {
        make_group(s, &k, job, jobs - job < SYNTH_ACTIVE ? jobs - job : SYNTH_ACTIVE);
    }
    finish_sink(&k);
    double seconds = (double)(pm_time_monotonic_us() - begin) / 1e6;
    printf("{\"seed\":%" PRIu64 ",\"events\":%" PRIu64 ",\"jobs\":%u,\"bytes\":%" PRIu64
           ",\"bytes_per_event\":%.1f,\"seconds\":%.3f,\"events_per_s\":%.0f}\n",
           s->seed, k.events, jobs, k.bytes, (double)k.bytes / (double)k.events, seconds, (double)k.events / seconds);
    pm_log_close(k.log);
    pm_codec_close(k.codec);
    pm_buf_release(&k.buf);
    pm_arena_release(&s->arena);
    free(s);
    return 0;
}
