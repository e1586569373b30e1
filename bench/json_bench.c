/* json_bench.c: what an event costs as text. Reads a JSON line (with its event_id and param_id derived), writes one,
 * checks one, canonical parameters; each beside a memcpy of the same line. All variants take turns in one process, so
 * that a busy machine slows them alike.
 *
 *   json_bench [LINES.ndjson]     without a file: 1,000 lines of about 500 bytes, every ten with the same parameters
 *
 * Prints ns an event: min, median, max of the rounds. */
#include <stdio.h>
#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/hash.h"
#include "common/base/json.h"
#include "common/base/time.h"
#include "common/event/event.h"
#include "common/event/identity.h"

#define ROUNDS 21
#define LINES 1000

static struct pm_slice *lines;
static struct pm_event *events;
static size_t n_lines;
static struct pm_arena keep, arena;
static struct pm_buf out;

/* ---- input ---- */

static uint64_t next_random(void)
{
    static uint64_t state = 1;
    return state = pm_hash64(&state, sizeof state, 42);
}

static double next_fraction(void) { return (double)(next_random() >> 11) * 0x1p-53; }

static void hex(char text[static 65])
{
    for (int i = 0; i < 64; i += 16) snprintf(text + i, 17, "%016llx", (unsigned long long)next_random());
}

static void make_lines(void)
{
    struct pm_buf line = {0};
    double beta = 0, gamma = 0;
    lines = pm_malloc(LINES * sizeof *lines);
    for (n_lines = 0; n_lines < LINES; n_lines++) {
        char a[65], b[65];
        hex(a);
        hex(b);
        if (n_lines % 10 == 0) {
            beta = next_fraction();
            gamma = next_fraction();
        }
        pm_buf_clear(&line);
        pm_buf_printf(&line,
                      "{\"type\":\"ResultComputed\",\"job_id\":\"job-7c81d4ef\",\"occurred_at\":\"2026-01-05T09:00:05.%"
                      "06uZ\",\"result\":\"token/v1/sims/"
                      "4f446dbc7bd0/fa/05/params_c3e04bb3/seed_%u\",\"kind\":\"sim\",\"entrypoint\":\"models.seir/"
                      "baseline\",\"params\":{\"beta\":%.17g,"
                      "\"gamma\":%.17g,\"days\":90},\"seed\":%u,\"outputs\":[{\"name\":\"prevalence\",\"size\":4410,"
                      "\"checksum\":\"%s\"},{\"name\":"
                      "\"summary\",\"size\":1045,\"checksum\":\"%.40s\"}],\"duration_us\":22543,\"worker\":\"w0\"}",
                      (unsigned)(next_random() % 1000000), (unsigned)n_lines, beta, gamma, (unsigned)n_lines, a, b);
        lines[n_lines] = pm_arena_copy(&keep, pm_buf_slice(&line));
    }
    pm_buf_release(&line);
}

static void read_lines(const char *path)
{
    FILE *file = fopen(path, "r");
    char *text = NULL;
    size_t size = 0, cap = 0;
    ssize_t len;
    if (!file) {
        perror(path);
        exit(2);
    }
    while ((len = getline(&text, &size, file)) > 0) {
        if (n_lines == cap) lines = pm_realloc(lines, (cap = cap ? 2 * cap : LINES) * sizeof *lines);
        lines[n_lines++] = pm_arena_copy(&keep, pm_slice(text, (size_t)len - (text[len - 1] == '\n')));
    }
    free(text);
    fclose(file);
}

/* ---- what is measured: one event ---- */

static void do_memcpy(size_t i)
{
    pm_buf_clear(&out);
    pm_buf_slice_add(&out, lines[i]);
    __asm__ volatile("" ::: "memory");
}

static void do_blake2b(size_t i)
{
    unsigned char digest[16];
    pm_blake2b(digest, sizeof digest, &lines[i], 1);
}

static void do_utf8_and_skip(size_t i)
{
    struct pm_json in;
    pm_arena_reset(&arena);
    PM_CHECK(pm_json_open(&in, lines[i], &arena, NULL) == PM_OK && pm_json_read_compact(&in, NULL, NULL) == PM_OK);
}

static void do_from_json(size_t i)
{
    struct pm_event ev;
    pm_arena_reset(&arena);
    PM_CHECK(pm_event_from_json(lines[i], 0, &arena, &ev, NULL) == PM_OK);
}

static void do_to_json(size_t i)
{
    pm_buf_clear(&out);
    pm_event_to_json(&events[i], PM_SLICE(""), &out);
}

static void do_check(size_t i) { PM_CHECK(pm_event_check(&events[i], NULL) == PM_OK); }

static void do_params_read(size_t i)
{
    if (!pm_event_has(&events[i], PM_HAS(params))) return;
    pm_buf_clear(&out);
    PM_CHECK(pm_params_canonical(events[i].params, &out, NULL) == PM_OK);
}

static const struct {
    const char *name;
    void (*run)(size_t i);
} variants[] = {
    {"memcpy of the line", do_memcpy},          {"blake2b-128 of the line", do_blake2b},
    {"check utf-8 and skip", do_utf8_and_skip}, {"pm_event_from_json", do_from_json},
    {"pm_event_to_json", do_to_json},           {"pm_event_check", do_check},
    {"pm_params_canonical", do_params_read},
};
#define VARIANTS (sizeof variants / sizeof *variants)

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        read_lines(argv[1]);
    } else {
        make_lines();
    }
    events = pm_malloc(n_lines * sizeof *events);
    size_t bytes = 0;
    for (size_t i = 0; i < n_lines; i++) {
        struct pm_error err;
        bytes += lines[i].len;
        if (pm_event_from_json(lines[i], 0, &keep, &events[i], &err) == PM_OK) continue;
        fprintf(stderr, "line %zu: %s\n", i + 1, err.text);
        return 6;
    }
    static double ns[VARIANTS][ROUNDS];
    for (size_t round = 0; round < ROUNDS; round++) {
        for (size_t v = 0; v < VARIANTS; v++) {
            int64_t begin = pm_time_monotonic_us();
            size_t times = 1 + 5000 / n_lines;
            for (size_t t = 0; t < times; t++) {
                for (size_t i = 0; i < n_lines; i++) variants[v].run(i);
            }
            ns[v][round] = (double)(pm_time_monotonic_us() - begin) * 1000 / (double)(n_lines * times);
        }
    }
    printf("%zu lines of %zu bytes; ns an event over %d rounds\n%-26s %8s %8s %8s\n", n_lines, bytes / n_lines, ROUNDS,
           "", "min", "median", "max");
    for (size_t v = 0; v < VARIANTS; v++) {
        qsort(ns[v], ROUNDS, sizeof ns[v][0], compare);
        printf("%-26s %8.0f %8.0f %8.0f\n", variants[v].name, ns[v][0], ns[v][ROUNDS / 2], ns[v][ROUNDS - 1]);
    }
    return 0;
}
