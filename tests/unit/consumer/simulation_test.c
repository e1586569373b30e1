/* simulation_test.c: random worlds through the whole consumer on a scripted log. A seed gives a set of events, how they
 * lie in the log (shuffled, doubled, with gaps, re-deliveries and poison, over some partitions), and what happens while
 * they are read: errors, faults, late commits, a disk that is full at a commit, restarts. Whatever happens:
 *
 *   - after each run the index holds exactly the events below its offsets (I1), and verify finds nothing;
 *   - at the end it answers as an index of the same events, each once, in order, in one batch (I2);
 *   - a rebuilt index, and a replay beside it, are the same (I3).
 *
 * PROVMAT_SEED=N runs one seed, PROVMAT_SEEDS=N so many. */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/log/log_memory.h"
#include "tests/support/events.h"
#include "tests/support/index.h"
#include "tests/support/worlds.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SEEDS_DEFAULT 60
#else
#define SEEDS_DEFAULT 300
#endif
#define SEED_SECONDS 120 /* one that does not end is named too */
#define PARTITIONS_MAX 4
#define PAGE 4096

/* Seeds that have found something once. They run always. */
static const uint64_t corpus[] = {
    4,  /* a batch with nothing but re-deliveries took a partition's offset back */
    23, /* so did a re-delivery at the end of a poll */
};

/* ---- one simulation ---- */

struct record {  /* as it was appended; a re-delivery repeats one and is not listed again */
    size_t line; /* of the world; SIZE_MAX: poison */
    int64_t offset;
    struct pm_buf value;
};

struct place {
    struct record *records;
    size_t n;
    int64_t next;
    size_t entries, shown; /* appended, with re-deliveries; seen by readers */
    size_t *fresh;         /* of each entry: whether it is no re-delivery */
};

struct sim {
    uint64_t seed, random;
    struct test_world world;
    char parent[TEST_DIR_SIZE], dir[TEST_DIR_SIZE + 8], url[32];
    int32_t n_partitions;
    struct place places[PARTITIONS_MAX];
    size_t *order, n_order, at; /* lines in the order in which they are appended */
    size_t room;                /* for entries, a partition */
    uint64_t poison;
    struct pm_codec *codec;
    volatile sig_atomic_t stop;
    bool stop_on_warning;
};

enum trouble { /* what a run meets */
               NONE,
               POLL_FAILS,
               OFFSETS_FAIL,
               SEEK_FAILS,
               PARTITION_FAULT,
               STOPPED,
               DISK_FULL,
               REBUILD_FAILS,
               TROUBLES
};
static unsigned met[TROUBLES]; /* runs that ended early by it, over all seeds */

static uint64_t below(struct sim *s, uint64_t n) { return test_random(&s->random) % n; }
static const char *memory_name(const struct sim *s) { return s->url + strlen("memory:"); }

/* ---- what lies in the log ---- */

/* Lines, some of them twice, shuffled. */
static void make_order(struct sim *s)
{
    size_t n = s->world.n;
    s->order = pm_calloc(2 * n, sizeof *s->order);
    for (size_t i = 0; i < n; i++) {
        s->order[s->n_order++] = i;
        if (below(s, 4) == 0) s->order[s->n_order++] = i;
    }
    for (size_t i = s->n_order; i > 1; i--) {
        size_t j = below(s, i), kept = s->order[i - 1];
        s->order[i - 1] = s->order[j];
        s->order[j] = kept;
    }
    s->room = 4 * s->n_order + 16;
    for (int32_t p = 0; p < s->n_partitions; p++) {
        s->places[p].records = pm_calloc(s->room, sizeof *s->places[p].records);
        s->places[p].fresh = pm_calloc(s->room, sizeof *s->places[p].fresh);
    }
}

/* As JSON, or framed Avro. */
static void put_value(struct sim *s, size_t line, struct pm_buf *out)
{
    PM_CLEANUP(pm_arena_release) struct pm_arena arena = {0};
    struct pm_error err = {0};
    struct pm_event ev;
    struct pm_slice text = pm_slice_cstr(s->world.lines[line]);
    if (below(s, 4) == 0) {
        pm_buf_slice_add(out, text);
        return;
    }
    cr_assert_eq(pm_event_from_json(text, 0, &arena, &ev, &err), PM_OK, "%s: %s", s->world.lines[line], err.text);
    cr_assert_eq(pm_codec_encode(s->codec, &ev, out, &err), PM_OK, "%s", err.text);
}

/* Three producers number the lines; some numbers are never given, some records have no origin, some say an end. */
static bool origin_of(const struct sim *s, size_t line, struct pm_origin *ret)
{
    static const char *const names[] = {"w1", "a worker", "host:12"};
    if (line == SIZE_MAX || line % 11 == 4) return false;
    uint64_t sequence = line % 3 == 2 ? line * 1000 + 1 : line / 3 + 1 + line / 40;
    *ret = (struct pm_origin){.producer = s->seed * 8 + line % 3, .sequence = sequence};
    if (line % 17 == 3) ret->given = sequence + line % 5;
    if (pm_origin_wants_name(sequence)) ret->name = pm_slice_cstr(names[(line + sequence) % 3]);
    return true;
}

static void append(struct sim *s, int32_t partition, const struct record *record, bool fresh)
{
    struct place *place = &s->places[partition];
    char text[PM_ORIGIN_BYTES_MAX];
    struct pm_origin origin;
    size_t len = origin_of(s, record->line, &origin) ? pm_origin_encode(&origin, text) : 0;
    pm_log_memory_append(memory_name(s), partition, record->offset, 7, pm_slice("k", 1), pm_buf_slice(&record->value),
                         pm_slice(text, len));
    place->fresh[place->entries++] = fresh;
    if (record->offset >= place->next) place->next = record->offset + 1;
}

static void append_line(struct sim *s, size_t line)
{
    int32_t partition = (int32_t)below(s, (uint64_t)s->n_partitions);
    struct place *place = &s->places[partition];
    struct record *record = &place->records[place->n++];
    *record = (struct record){.line = line, .offset = place->next};
    if (below(s, 12) == 0) record->offset += 1 + (int64_t)below(s, 3); /* a gap that nobody receives */
    if (line == SIZE_MAX) pm_buf_cstr(&record->value, below(s, 2) ? "{\"type\":\"Nonsense\"}" : "\xc3\x01garbage");
    else put_value(s, line, &record->value);
    append(s, partition, record, true);
    if (below(s, 12) == 0) append(s, partition, &place->records[below(s, place->n)], false);
    if (below(s, 24) == 0) pm_log_memory_set_next(memory_name(s), partition, ++place->next); /* a marker */
}

/* The next portion of the world; the last one is all that is left. */
static void append_portion(struct sim *s, bool last)
{
    size_t n = last ? s->n_order - s->at : below(s, s->n_order - s->at + 1);
    for (; n > 0; n--) {
        append_line(s, s->order[s->at++]);
        if (below(s, 32) == 0) {
            append_line(s, SIZE_MAX);
            s->poison++;
        }
    }
    for (int32_t p = 0; p < s->n_partitions; p++) { /* a commit that is late hides the end; nothing seen is hidden */
        struct place *place = &s->places[p];
        place->shown += last || below(s, 2) ? place->entries - place->shown
                                            : below(s, place->entries - place->shown + 1);
        while (place->shown < place->entries && !place->fresh[place->shown]) place->shown++;
        pm_log_memory_show(memory_name(s), p, place->shown == place->entries ? SIZE_MAX : place->shown);
    }
}

/* ---- what the index must say ---- */

/* The digest of an index of the lines that `wanted` marks (NULL: all), each applied once, in order, in one batch. */
static void expected_digest(const struct sim *s, const bool *wanted, struct pm_buf *out)
{
    struct test_index index;
    test_index_make(&index);
    for (size_t i = 0; i < s->world.n; i++) {
        struct pm_event ev;
        struct pm_error err = {0};
        if (wanted && !wanted[i]) continue;
        pm_arena_reset(&index.arena);
        cr_assert_eq(pm_event_from_json(pm_slice_cstr(s->world.lines[i]), 0, &index.arena, &ev, &err), PM_OK);
        test_index_event(&index, &ev);
        struct pm_origin origin;
        if (origin_of(s, i, &origin)) pm_batch_arrival(&index.batch, &origin, 7);
    }
    test_index_apply(&index);
    test_index_digest(index.dir, out);
    test_index_remove(&index);
}

static void same_digest(const struct sim *s, const char *where, struct pm_buf *got, struct pm_buf *want)
{
    pm_buf_byte(got, 0);
    pm_buf_byte(want, 0);
    cr_assert_str_eq(got->ptr, want->ptr, "seed %llu, %s:\n%sand not\n%s", (unsigned long long)s->seed, where, got->ptr,
                     want->ptr);
    pm_buf_release(got);
    pm_buf_release(want);
}

/* Calls `look` with the index's offsets; false when there is no index yet. */
static bool with_applied(const struct sim *s, void (*look)(const struct sim *s, const struct pm_applied *applied,
                                                           size_t n, const struct pm_index_info *info))
{
    PM_CLEANUP(pm_arena_release) struct pm_arena arena = {0};
    struct pm_error err = {0};
    struct pm_index *index;
    struct pm_snapshot *snap;
    struct pm_applied *applied;
    struct pm_index_info info;
    size_t n;
    int rc = pm_index_open(s->dir, &index, &err);
    if (rc == PM_EINDEX) return false;
    cr_assert_eq(rc, PM_OK, "%s", err.text);
    cr_assert_eq(pm_snapshot_open(index, &snap, &err), PM_OK, "%s", err.text);
    cr_assert_eq(pm_snapshot_applied(snap, &arena, &applied, &n, &err), PM_OK, "%s", err.text);
    cr_assert_eq(pm_snapshot_info(snap, &info, &err), PM_OK, "%s", err.text);
    pm_snapshot_close(snap);
    pm_index_close(index);
    look(s, applied, n, &info);
    return true;
}

/* Exactly what lies below the offsets has been applied. */
static void hold_prefix(const struct sim *s, const struct pm_applied *applied, size_t n,
                        const struct pm_index_info *info)
{
    struct pm_buf got = {0}, want = {0};
    bool *wanted = pm_calloc(s->world.n, sizeof *wanted);
    uint64_t poison = 0;
    for (size_t i = 0; i < n; i++) {
        const struct place *place = &s->places[applied[i].partition];
        for (size_t j = 0; j < place->n && place->records[j].offset < applied[i].next; j++) {
            if (place->records[j].line == SIZE_MAX) poison++;
            else wanted[place->records[j].line] = true;
        }
    }
    cr_assert_eq(info->quarantined, poison, "seed %llu", (unsigned long long)s->seed);
    expected_digest(s, wanted, &want);
    test_index_digest(s->dir, &got);
    same_digest(s, "between two runs", &got, &want);
    free(wanted);
}

static void hold_ends(const struct sim *s, const struct pm_applied *applied, size_t n, const struct pm_index_info *info)
{
    cr_assert_eq(n, (size_t)s->n_partitions);
    for (size_t i = 0; i < n; i++) {
        cr_assert_eq(applied[i].first, 0);
        cr_assert_eq(applied[i].next, s->places[applied[i].partition].next,
                     "seed %llu: partition %d is at %lld of %lld", (unsigned long long)s->seed, applied[i].partition,
                     (long long)applied[i].next, (long long)s->places[applied[i].partition].next);
    }
    cr_assert_eq(info->quarantined, s->poison, "seed %llu", (unsigned long long)s->seed);
}

/* ---- runs ---- */

static void on_warning(void *arg, const char *text)
{
    struct sim *s = arg;
    (void)text;
    if (s->stop_on_warning) s->stop = 1;
}

static struct pm_consumer_options options_of(struct sim *s)
{
    static const size_t sizes[] = {1, 3, 10, 40, 0};
    size_t size = sizes[below(s, 5)];
    return (struct pm_consumer_options){.index_dir = s->dir,
                                        .log_url = s->url,
                                        .batch_events_max = size && s->world.n > 200 ? size + 60 : size,
                                        .stop = &s->stop,
                                        .warn = on_warning,
                                        .arg = s};
}

static void disarm(struct sim *s)
{
    for (int call = 0; call < PM_LOG_MEMORY_CALLS; call++)
        pm_log_memory_fail(memory_name(s), (enum pm_log_memory_call)call, -1, PM_ELOG, "");
    for (int32_t p = 0; p < s->n_partitions; p++) pm_log_memory_fault(memory_name(s), p, -1, PM_ELOG, "");
    s->stop = 0;
    s->stop_on_warning = false;
}

static void arm(struct sim *s, enum trouble trouble)
{
    static const enum pm_code codes[] = {PM_ELOG, PM_ELOGAWAY, PM_ETIMEOUT};
    enum pm_code code = codes[below(s, 3)];
    int after = (int)below(s, 2 + below(s, 20));
    int32_t partition = (int32_t)below(s, (uint64_t)s->n_partitions);
    int64_t offset = (int64_t)below(s, (uint64_t)s->places[partition].next + 1);
    switch (trouble) {
    case REBUILD_FAILS:
    case POLL_FAILS: pm_log_memory_fail(memory_name(s), PM_LOG_MEMORY_POLL, after, code, "poll"); break;
    case OFFSETS_FAIL: pm_log_memory_fail(memory_name(s), PM_LOG_MEMORY_OFFSETS, after % 4, code, "offsets"); break;
    case SEEK_FAILS: pm_log_memory_fail(memory_name(s), PM_LOG_MEMORY_SEEK, after % 4, code, "seek"); break;
    case STOPPED: s->stop_on_warning = true; /* fall through */
    case PARTITION_FAULT: pm_log_memory_fault(memory_name(s), partition, offset, code, "fault"); break;
    case NONE:
    case DISK_FULL:
    case TROUBLES: break;
    }
}

/* The file may grow by some pages only, so that a commit fails like one on a full disk: the transaction is aborted, the
 * run ends. */
static int run_on_full_disk(struct sim *s, const struct pm_consumer_options *options)
{
    char path[TEST_DIR_SIZE + 32];
    struct stat st = {.st_size = 0};
    struct rlimit before, limit;
    struct pm_consumer_result result;
    snprintf(path, sizeof path, "%s/data.mdb", s->dir);
    stat(path, &st);
    signal(SIGXFSZ, SIG_IGN);
    cr_assert_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
    limit = before;
    limit.rlim_cur = (rlim_t)st.st_size + below(s, 24) * PAGE;
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    int rc = pm_materialize(options, true, &result, NULL);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &before), 0);
    return rc;
}

static void run(struct sim *s, enum trouble trouble)
{
    struct pm_consumer_options options = options_of(s);
    struct pm_consumer_result result;
    struct pm_error err = {0};
    int rc;
    pm_log_memory_set_order(memory_name(s), (enum pm_log_memory_order)below(s, 4), test_random(&s->random));
    disarm(s);
    arm(s, trouble);
    if (trouble == DISK_FULL) rc = run_on_full_disk(s, &options);
    else if (trouble == REBUILD_FAILS) rc = pm_rebuild(&options, NULL, INT64_MAX, &result, &err);
    else rc = pm_materialize(&options, true, &result, &err);
    disarm(s);
    met[trouble] += rc != PM_OK;
    if (trouble == NONE) cr_assert_eq(rc, PM_OK, "seed %llu: %s", (unsigned long long)s->seed, err.text);
}

/* What a materializer that follows does when nothing comes. */
static void merge_idle(struct sim *s)
{
    struct pm_writer *writer;
    struct pm_log *log;
    struct pm_error err = {0};
    bool done;
    cr_assert_eq(pm_log_open(s->url, &(struct pm_log_options){.mode = PM_LOG_READ}, &log, &err), PM_OK);
    cr_assert_eq(pm_writer_open(s->dir, pm_log_url(log), pm_log_identity(log), INT64_MAX, &writer, &err), PM_OK, "%s",
                 err.text);
    cr_assert_eq(pm_apply_idle(writer, &done, &err), PM_OK, "%s", err.text);
    pm_writer_close(writer);
    pm_log_close(log);
}

static void ignore_row(void *arg, const struct pm_verify_row *row) { (void)arg, (void)row; }

static void hold_the_end(struct sim *s)
{
    struct pm_buf got = {0}, want = {0};
    struct pm_error err = {0};
    struct pm_consumer_result result;
    cr_assert(with_applied(s, hold_ends));
    test_index_digest(s->dir, &got);
    expected_digest(s, NULL, &want);
    same_digest(s, "at the end", &got, &want);
    struct pm_consumer_options options = options_of(s);
    if (below(s, 4) == 0)
        cr_assert_eq(pm_verify(&options, true, ignore_row, s, &err), PM_OK, "seed %llu: %s",
                     (unsigned long long)s->seed, err.text);
    if (below(s, 8) != 0) return;
    cr_assert_eq(pm_rebuild(&options, NULL, INT64_MAX, &result, &err), PM_OK, "%s", err.text);
    test_index_digest(s->dir, &got);
    expected_digest(s, NULL, &want);
    same_digest(s, "rebuilt", &got, &want);
}

static void simulate(uint64_t seed)
{
    struct sim s = {.seed = seed, .random = ~seed};
    struct pm_error err = {0};
    test_world_make(seed, &s.world);
    test_dir_make(s.parent);
    snprintf(s.dir, sizeof s.dir, "%s/index", s.parent);
    snprintf(s.url, sizeof s.url, "memory:simulation");
    s.n_partitions = 1 + (int32_t)below(&s, PARTITIONS_MAX);
    pm_log_memory_make(memory_name(&s), s.n_partitions);
    cr_assert_eq(pm_codec_open(&(struct pm_codec_options){.schema_dir = NULL}, &s.codec, &err), PM_OK, "%s", err.text);
    make_order(&s);

    for (uint64_t runs = below(&s, 6); runs > 0; runs--) {
        append_portion(&s, false);
        run(&s, (enum trouble)below(&s, TROUBLES));
        if (below(&s, 3) == 0) with_applied(&s, hold_prefix);
        if (below(&s, 8) == 0) merge_idle(&s);
    }
    append_portion(&s, true);
    run(&s, NONE);
    hold_the_end(&s);

    pm_codec_close(s.codec);
    pm_log_memory_forget(memory_name(&s));
    test_dir_remove(s.parent);
    test_world_free(&s.world);
    for (int32_t p = 0; p < s.n_partitions; p++) {
        for (size_t i = 0; i < s.places[p].n; i++) pm_buf_release(&s.places[p].records[i].value);
        free(s.places[p].records);
        free(s.places[p].fresh);
    }
    free(s.order);
}

/* ---- which seeds ---- */

static volatile uint64_t current;
static volatile sig_atomic_t in_seed;

static void name_seed(int signal_number)
{
    char text[96];
    int n = snprintf(text, sizeof text, "simulation: PROVMAT_SEED=%llu runs the one that failed\n",
                     (unsigned long long)current);
    if (write(STDERR_FILENO, text, (size_t)n) != n || signal_number) _exit(1);
}

static void begin(void)
{
    struct sigaction action = {.sa_handler = name_seed, .sa_flags = (int)SA_RESETHAND};
    sigaction(SIGALRM, &action, NULL); /* does not end */
    sigaction(SIGABRT, &action, NULL); /* a check of the program's own */
}

static void end(void)
{
    if (in_seed) name_seed(0);
}

static void one(uint64_t seed)
{
    current = seed;
    in_seed = 1;
    alarm(SEED_SECONDS);
    simulate(seed);
    alarm(0);
    in_seed = 0;
}

static uint64_t number(const char *text) { return strtoull(text, NULL, 10); }

/* Every `step`-th seed from `first`. Both variables have the meaning that they have for the program's random worlds. */
static void some_seeds(uint64_t first, uint64_t step)
{
    const char *single = getenv("PROVMAT_SEED"), *count = getenv("PROVMAT_SEEDS");
    if (count && count[0] == '=') single = count + 1;
    if (single && single[0]) {
        if (number(single) % step == first) one(number(single));
        return;
    }
    for (uint64_t seed = first; seed < (count && count[0] ? number(count) : SEEDS_DEFAULT); seed += step) one(seed);
    for (int trouble = POLL_FAILS; trouble < TROUBLES && (!count || !count[0]); trouble++)
        cr_assert(trouble == STOPPED || met[trouble] > 0, "no run met trouble %d: the script does nothing", trouble);
}

/* Two tests, so that two processors have something to do. */
TestSuite(simulation, .init = begin, .fini = end, .timeout = 7200);

Test(simulation, even_seeds) { some_seeds(0, 2); }
Test(simulation, odd_seeds) { some_seeds(1, 2); }

Test(simulation, seeds_that_found_something)
{
    for (size_t i = 0; i < sizeof corpus / sizeof *corpus; i++) one(corpus[i]);
}
