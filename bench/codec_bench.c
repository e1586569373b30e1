/* codec_bench.c: what reading and writing an event's record costs, against copying the same bytes and against Avro C.
 *
 *   codec_bench [EVENTS [REPEATS]]        20,000 distinct ResultComputed of about 450 bytes, 15 repeats, interleaved
 *
 * Prints nanoseconds an event in thread CPU time as min/median/max, and the median against memcpy. */
#include <avro.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "common/base/check.h"
#include "common/base/hash.h"
#include "common/base/number.h"
#include "common/event/codec.h"
#include "common/event/frame.h"
#include "common/event/identity.h"

#define REPEATS_MAX 101

static size_t n_events = 20000;
static struct pm_buf records;   /* framed, one after the other */
static size_t *start_of;        /* n_events + 1 */
static char *copies;            /* as large as records */
static struct pm_event *events; /* decoded, for encoding */
static struct pm_codec *codec;
static struct pm_buf out;
static avro_value_t generic;
static volatile uint64_t sink;

static uint64_t random_state = 1;
static uint64_t next_random(void)
{
    random_state += 0x9e3779b97f4a7c15u;
    uint64_t z = random_state;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static struct pm_slice random_hex(struct pm_arena *arena, size_t digits)
{
    char *hex = pm_arena_alloc(arena, digits + 16);
    for (size_t i = 0; i < digits; i += 16) {
        uint64_t bits = next_random();
        pm_hex_encode(&bits, 8, hex + i);
    }
    return pm_slice(hex, digits);
}

static struct pm_slice text(struct pm_arena *arena, const char *fmt, uint64_t number)
{
    char line[200];
    int len = snprintf(line, sizeof line, fmt, number);
    return pm_arena_copy(arena, pm_slice(line, (size_t)len));
}

#define SET(member, value) (ev->member = (value), ev->has |= PM_HAS(member))

/* One simulation in ten events is an aggregation, with a loss and a target; some fields come and go, so that branches
 * are not all the same. */
static void make_event(struct pm_event *ev, struct pm_arena *arena)
{
    *ev = (struct pm_event){.type = PM_RESULT_COMPUTED};
    bool agg = next_random() % 10 == 0;
    SET(event_id, random_hex(arena, 32));
    SET(job_id, text(arena, "job-%08" PRIx64, next_random() % 1000));
    SET(occurred_at, 1767600000000000 + (int64_t)(next_random() % 1000000000000));
    SET(worker, text(arena, "w%" PRIu64, next_random() % 64));
    SET(result, text(arena, "token/v1/sims/4f446dbc7bd0/fa/05/params_c3e04bb3/seed_%" PRIu64, next_random() >> 32));
    SET(kind, agg ? PM_KIND_AGG : PM_KIND_SIM);
    SET(schema, PM_SLICE("token"));
    SET(schema_version, 1);
    SET(bundle_digest, random_hex(arena, 64));
    SET(entrypoint, PM_SLICE("models.seir/baseline"));
    SET(params, text(arena, "{\"beta\":0.%" PRIu64 "1,\"gamma\":0.4128857450094074,\"sigma\":0.416465587541461}",
                     1 + next_random() % 1000000));
    char param_id[64];
    pm_param_id(ev->params, param_id);
    SET(param_id, pm_arena_copy(arena, pm_slice(param_id, 64)));
    if (agg) {
        SET(target, PM_SLICE("targets.prevalence:prevalence_target"));
        SET(aggregation_id, random_hex(arena, 16));
        SET(loss, (double)(next_random() % 1000000) / 7);
        SET(n_replicates, 10);
    } else {
        SET(seed, next_random() >> (next_random() % 2 ? 0 : 32));
    }
    if (next_random() % 4) SET(duration_us, (int64_t)(next_random() % 100000));
    struct pm_output output = {
        .name = PM_SLICE("prevalence"), .checksum = random_hex(arena, 64), .size = (int64_t)(next_random() % 10000)};
    SET(outputs, pm_array_of_outputs(arena, &output, 1));
}

static struct pm_slice record(size_t i) { return pm_slice(records.ptr + start_of[i], start_of[i + 1] - start_of[i]); }

static struct pm_slice body(size_t i)
{
    struct pm_slice value = record(i);
    return pm_slice(value.ptr + PM_FRAME_SINGLE_OBJECT_BYTES, value.len - PM_FRAME_SINGLE_OBJECT_BYTES);
}

/* ---- what is measured: each runs over all events ---- */

static void run_memcpy(void)
{
    for (size_t i = 0; i < n_events; i++) {
        struct pm_slice from = body(i);
        memcpy(copies + start_of[i], from.ptr, from.len);
    }
}

/* The same into one small buffer that never leaves the first cache: reading alone. */
static void run_memcpy_hot(void)
{
    static char to[8192];
    for (size_t i = 0; i < n_events; i++) {
        struct pm_slice from = body(i);
        memcpy(to, from.ptr, from.len);
        __asm__ volatile("" : : "r"(to) : "memory");
    }
}

static void run_decode(void)
{
    struct pm_event ev;
    for (size_t i = 0; i < n_events; i++) {
        PM_CHECK(pm_event_decode(PM_RESULT_COMPUTED, body(i), &ev, NULL) == PM_OK);
        sink += ev.has;
    }
}

/* Frame, fingerprint, decoding and every rule of an event. */
static void run_codec_decode(void)
{
    struct pm_event ev;
    struct pm_arena arena = {0};
    for (size_t i = 0; i < n_events; i++) {
        PM_CHECK(pm_codec_decode(codec, record(i), 0, &arena, &ev, NULL) == PM_OK);
        sink += ev.has;
    }
    pm_arena_release(&arena);
}

static void run_check(void)
{
    for (size_t i = 0; i < n_events; i++) PM_CHECK(pm_event_check(&events[i], NULL) == PM_OK);
}

static void run_encode(void)
{
    for (size_t i = 0; i < n_events; i++) {
        pm_buf_clear(&out);
        pm_event_encode(&events[i], &out);
        sink += out.len;
    }
}

static void run_codec_encode(void)
{
    for (size_t i = 0; i < n_events; i++) {
        pm_buf_clear(&out);
        PM_CHECK(pm_codec_encode(codec, &events[i], &out, NULL) == PM_OK);
        sink += out.len;
    }
}

static void run_avro_c(void)
{
    for (size_t i = 0; i < n_events; i++) {
        struct pm_slice from = body(i);
        avro_reader_t reader = avro_reader_memory(from.ptr, (int64_t)from.len);
        PM_CHECK(avro_value_read(reader, &generic) == 0);
        avro_reader_free(reader);
    }
}

static struct {
    const char *name;
    void (*run)(void);
    double ns[REPEATS_MAX];
} rows[] = {
    {"memcpy, into as large an area", run_memcpy, {0}},
    {"memcpy, into one hot buffer", run_memcpy_hot, {0}},
    {"pm_event_decode", run_decode, {0}},
    {"pm_event_check", run_check, {0}},
    {"pm_codec_decode (both, framed)", run_codec_decode, {0}},
    {"pm_event_encode", run_encode, {0}},
    {"pm_codec_encode (framed)", run_codec_encode, {0}},
    {"Avro C generic read, reused value", run_avro_c, {0}},
};
#define ROWS (sizeof rows / sizeof *rows)

static double cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void prepare(struct pm_arena *arena)
{
    struct pm_codec_options options = {0};
    PM_CHECK(pm_codec_open(&options, &codec, NULL) == PM_OK);
    start_of = pm_calloc(n_events + 1, sizeof *start_of);
    events = pm_calloc(n_events, sizeof *events);
    for (size_t i = 0; i < n_events; i++) {
        struct pm_event ev;
        make_event(&ev, arena);
        PM_CHECK(pm_codec_encode(codec, &ev, &records, NULL) == PM_OK);
        start_of[i + 1] = records.len;
    }
    for (size_t i = 0; i < n_events; i++)
        PM_CHECK(pm_event_decode(PM_RESULT_COMPUTED, body(i), &events[i], NULL) == PM_OK);
    copies = pm_malloc(records.len);
    avro_schema_t schema;
    struct pm_slice json = pm_schema_json(PM_RESULT_COMPUTED);
    PM_CHECK(avro_schema_from_json_length(json.ptr, json.len, &schema) == 0);
    avro_value_iface_t *iface = avro_generic_class_from_schema(schema);
    PM_CHECK(avro_generic_value_new(iface, &generic) == 0);
}

int main(int argc, char **argv)
{
    size_t repeats = argc > 2 ? strtoul(argv[2], NULL, 10) : 15;
    if (argc > 1) n_events = strtoul(argv[1], NULL, 10);
    if (n_events == 0 || repeats == 0 || repeats > REPEATS_MAX) {
        fprintf(stderr, "usage: codec_bench [EVENTS [REPEATS, at most %d]]\n", REPEATS_MAX);
        return 2;
    }
    struct pm_arena arena = {0};
    prepare(&arena);
    for (size_t i = 0; i < ROWS; i++) rows[i].run(); /* warm */
    for (size_t repeat = 0; repeat < repeats; repeat++) {
        for (size_t i = 0; i < ROWS; i++) {
            double start = cpu_ns();
            rows[i].run();
            rows[i].ns[repeat] = (cpu_ns() - start) / (double)n_events;
        }
    }
    printf("%zu events, %.1f bytes a record, %zu repeats; ns an event\n", n_events,
           (double)records.len / (double)n_events - PM_FRAME_SINGLE_OBJECT_BYTES, repeats);
    printf("%-36s %8s %8s %8s %10s\n", "", "min", "median", "max", "to memcpy");
    double base = 0;
    for (size_t i = 0; i < ROWS; i++) {
        qsort(rows[i].ns, repeats, sizeof *rows[i].ns, by_value);
        double median = rows[i].ns[repeats / 2];
        if (i == 0) base = median;
        printf("%-36s %8.1f %8.1f %8.1f %9.2fx\n", rows[i].name, rows[i].ns[0], median, rows[i].ns[repeats - 1],
               median / base);
    }
    return 0;
}
