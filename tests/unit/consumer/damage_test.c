/* damage_test.c: single flipped bits in data.mdb of an index and of a local log, in each kind of page of each table.
 * Whatever the bit: no signal ever ends a program, and either the check finds the damage or the answers are those of
 * the sound file. What meets a damaged page says so and ends with 3.
 *
 * The programs are children of the test, with the signal handlers that the program has. PROVMAT_SEED=N draws other
 * bits, PROVMAT_FLIPS=N so many for each of the two files. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/signals.h"
#include "common/base/check.h"
#include "common/log/log.h"
#include "common/store/snapshot.h"
#include "consumer/consumer.h"
#include "consumer/views/views.h"
#include "tests/support/events.h"
#include "tests/support/index.h"
#include "tests/support/worlds.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define FLIPS_DEFAULT 40
#else
#define FLIPS_DEFAULT 150
#endif
#define CHILD_SECONDS 20
#define DAMAGED 3
#define PAGE 4096
#define META_BYTES 160
#define ROUNDS 12
#define LONG_BYTES 9000

struct file {
    char dir[TEST_DIR_SIZE + 16], path[TEST_DIR_SIZE + 32];
    struct place { /* a page of interest */
        uint64_t page;
        unsigned stratum;
    } * places;
    size_t n_places, n_strata;
    char strata[64][32]; /* "KIND TABLE" */
    char *sound;         /* its bytes */
    size_t size;
};

static char parent[TEST_DIR_SIZE], url[TEST_DIR_SIZE + 32];
static struct file index_file, log_file;
static struct pm_error err;
#define OK(call) cr_assert_eq((call), PM_OK, "%s", err.text)

/* ---- a log and an index with something in every table ---- */

static void append(struct pm_log *log, const char *key, const char *value, size_t len)
{
    static uint64_t sequence; /* with gaps, over many pieces of the index's arrivals */
    char text[PM_ORIGIN_BYTES_MAX];
    struct pm_origin origin = {.producer = sequence % 50, .sequence = 1 + sequence * 37, .name = PM_SLICE("worker")};
    struct pm_slice from = pm_slice(text, pm_origin_encode(&origin, text));
    sequence++;
    OK(pm_log_append_from(log, pm_slice_cstr(key), pm_slice(value, len), 1, from, &err));
}

static void append_world(struct pm_log *log, uint64_t seed)
{
    struct test_world world;
    char key[32];
    test_world_make(seed, &world);
    for (size_t i = 0; i < world.n; i++) {
        snprintf(key, sizeof key, "%llu-%zu", (unsigned long long)seed, i % 7);
        append(log, key, world.lines[i], strlen(world.lines[i]));
    }
    test_world_free(&world);
}

/* Values that need pages of their own: a record of the log, a job's submission, a row of the quarantine. */
static void append_long(struct pm_log *log, unsigned round)
{
    char *line = pm_malloc(LONG_BYTES + 256);
    int n = snprintf(line, 256,
                     "{\"type\":\"JobSubmitted\",\"job_id\":\"job-long-%u\",\"occurred_at\":%u,\"user\":\"u%u\","
                     "\"metadata\":{\"x\":\"",
                     round % 3, round + 1, round);
    memset(line + n, 'a' + (int)(round % 26), LONG_BYTES);
    memcpy(line + n + LONG_BYTES, "\"}}", sizeof "\"}}");
    append(log, "long", line, strlen(line));
    append(log, "long", line, (size_t)n + 5000); /* cut: to the quarantine */
    append(log, "bad", "no event", 8);
    free(line);
}

static void materialize(void)
{
    struct pm_consumer_options options = {.index_dir = index_file.dir, .log_url = url, .batch_events_max = 64};
    struct pm_consumer_result result;
    OK(pm_materialize(&options, true, &result, &err));
}

static void make_files(void)
{
    struct pm_log *log;
    test_dir_make(parent);
    snprintf(index_file.dir, sizeof index_file.dir, "%s/index", parent);
    snprintf(index_file.path, sizeof index_file.path, "%s/data.mdb", index_file.dir);
    snprintf(log_file.dir, sizeof log_file.dir, "%s/log", parent);
    snprintf(log_file.path, sizeof log_file.path, "%s/data.mdb", log_file.dir);
    snprintf(url, sizeof url, "local:%s", log_file.dir);
    OK(pm_log_create(url, &(struct pm_log_options){.mode = PM_LOG_ADMIN}, 3, &err));
    for (unsigned round = 0; round < ROUNDS; round++) {
        OK(pm_log_open(url, &(struct pm_log_options){.mode = PM_LOG_APPEND}, &log, &err));
        append_world(log, round < 2 ? 15 + 16 * round : round);
        append_long(log, round);
        OK(pm_log_flush(log, &err));
        pm_log_close(log);
        materialize();
    }
}

/* ---- where the bits are ---- */

static void note_page(void *arg, const char *table, enum pm_pages_kind kind, uint64_t page)
{
    static const char *const kinds[] = {"meta", "branch", "leaf", "long", "free"};
    struct file *file = arg;
    char name[32];
    unsigned s = 0;
    if (kind == PM_PAGE_FREE) return; /* nobody reads it */
    snprintf(name, sizeof name, "%s %s", kinds[kind], table);
    while (s < file->n_strata && strcmp(file->strata[s], name) != 0) s++;
    if (s == file->n_strata) {
        cr_assert_lt(file->n_strata, sizeof file->strata / sizeof *file->strata);
        snprintf(file->strata[file->n_strata++], sizeof *file->strata, "%s", name);
    }
    file->places = pm_realloc(file->places, (file->n_places + 1) * sizeof *file->places);
    file->places[file->n_places++] = (struct place){page, s};
}

static void find_places(struct file *file)
{
    struct pm_kv *kv;
    OK(pm_kv_open(file->dir, PM_KV_READ_ONLY, &kv, &err));
    OK(pm_kv_check_pages(kv, &(struct pm_pages_look){.each = note_page, .arg = file}, &err));
    pm_kv_close(kv);
}

static void keep_sound(struct file *file)
{
    struct stat st;
    int fd = open(file->path, O_RDONLY);
    cr_assert(fd >= 0 && fstat(fd, &st) == 0);
    file->size = (size_t)st.st_size;
    file->sound = pm_malloc(file->size);
    cr_assert_eq(read(fd, file->sound, file->size), st.st_size);
    close(fd);
}

static void make_sound(const struct file *file)
{
    int fd = open(file->path, O_WRONLY | O_TRUNC);
    cr_assert(fd >= 0 && write(fd, file->sound, file->size) == (ssize_t)file->size);
    close(fd);
}

/* Each stratum in turn; of a page its head, its table of entries, or anything. */
static void draw(const struct file *file, uint64_t i, uint64_t *random, uint64_t *ret_byte, unsigned *ret_bit)
{
    static const unsigned widths[] = {16, 200, PAGE, PAGE};
    const struct place *place;
    do place = &file->places[test_random(random) % file->n_places];
    while (place->stratum != i % file->n_strata);
    unsigned width = place->page < 2 ? META_BYTES : widths[test_random(random) % 4];
    *ret_byte = place->page * PAGE + test_random(random) % width;
    *ret_bit = (unsigned)(test_random(random) % 8);
}

static void flip(const struct file *file, uint64_t byte, unsigned bit)
{
    uint8_t c;
    int fd = open(file->path, O_RDWR);
    cr_assert(fd >= 0 && pread(fd, &c, 1, (off_t)byte) == 1);
    c ^= (uint8_t)(1 << bit);
    cr_assert_eq(pwrite(fd, &c, 1, (off_t)byte), 1);
    close(fd);
}

/* ---- what a program would answer; each of these runs in a child ---- */

struct answer {
    uint64_t digest, rows;
};

static void add(struct answer *a, const void *bytes, size_t n) { a->digest = pm_hash64(bytes, n, a->digest + 1); }
static void add_text(struct answer *a, struct pm_slice s) { add(a, s.ptr, s.ptr ? s.len : 0); }

static int add_view_row(void *arg, const struct pm_view_row *row, struct pm_error *e)
{
    (void)e;
    struct answer *a = arg;
    a->digest += row->content.hi ^ (row->content.lo * 31); /* in any order */
    a->rows++;
    return PM_OK;
}

static int add_quarantined(void *arg, const struct pm_quarantined *row, struct pm_error *e)
{
    (void)e;
    add(arg, &row->offset, 8);
    add(arg, &row->at_us, 8);
    add_text(arg, row->reason);
    add_text(arg, row->key);
    add_text(arg, row->value);
    return PM_OK;
}

struct paths {
    struct pm_arena *arena;
    struct pm_slice *paths;
    size_t n;
};

static int keep_path(void *arg, const struct pm_result *result, struct pm_error *e)
{
    (void)e;
    struct paths *p = arg;
    struct pm_slice *grown = pm_arena_alloc(p->arena, (p->n + 1) * sizeof *grown);
    if (p->n) memcpy(grown, p->paths, p->n * sizeof *grown);
    p->paths = grown;
    p->paths[p->n++] = pm_arena_copy(p->arena, result->path);
    return PM_OK;
}

/* Every result by its path, as a query would. */
static int add_results(struct pm_snapshot *snap, struct pm_arena *arena, struct answer *a)
{
    struct paths p = {.arena = arena};
    PM_TRY(pm_results_each(snap, keep_path, &p, &err));
    for (size_t i = 0; i < p.n; i++) {
        uint64_t number;
        struct pm_result result;
        struct pm_pair *pairs;
        size_t n;
        PM_TRY(pm_result_find(snap, p.paths[i], &number, &err));
        PM_TRY(pm_result_get(snap, number, arena, &result, &err));
        PM_TRY(pm_pairs_of_result(snap, number, arena, &pairs, &n, &err));
        add_text(a, result.path);
        add(a, &result.facts.has, sizeof result.facts.has);
        add(a, &result.conflicts, sizeof result.conflicts);
        add(a, &n, sizeof n);
    }
    return PM_OK;
}

static int add_jobs(struct pm_snapshot *snap, struct pm_arena *arena, struct answer *a)
{
    for (uint32_t i = 0; i < pm_job_count(snap); i++) {
        struct pm_slice id;
        uint32_t number;
        struct pm_job job;
        PM_TRY(pm_job_id(snap, i, &id, &err));
        PM_TRY(pm_job_find(snap, id, &number, &err));
        PM_TRY(pm_job_get(snap, number, arena, &job, &err));
        add_text(a, job.job_id);
        add(a, &job.computed, 5 * sizeof job.computed);
        for (size_t k = 0; k < job.n_targets; k++) add_text(a, job.targets[k]);
    }
    return PM_OK;
}

static int add_whole(struct pm_snapshot *snap, struct pm_arena *arena, struct answer *a)
{
    struct pm_index_info info;
    struct pm_applied *applied;
    struct pm_gap *gaps;
    size_t n;
    PM_TRY(pm_snapshot_info(snap, &info, &err));
    add(a, &info.events, sizeof info - offsetof(struct pm_index_info, events));
    add_text(a, pm_slice_cstr(info.log_url));
    PM_TRY(pm_snapshot_applied(snap, arena, &applied, &n, &err));
    for (size_t i = 0; i < n; i++) add(a, &applied[i].next, 8);
    PM_TRY(pm_snapshot_gaps(snap, arena, &gaps, &n, &err));
    add(a, &n, sizeof n);
    return pm_quarantine_each(snap, add_quarantined, a, &err);
}

static int ask(struct pm_snapshot *snap, struct pm_arena *arena, struct answer *a)
{
    struct pm_dump dump;
    PM_TRY(add_whole(snap, arena, a));
    PM_TRY(add_jobs(snap, arena, a));
    PM_TRY(add_results(snap, arena, a));
    PM_TRY(pm_dump_open(snap, &dump, &err));
    int rc = PM_OK;
    for (size_t i = 0; i < PM_VIEW_COUNT && rc == PM_OK; i++) rc = pm_views[i].dump(&dump, add_view_row, a, &err);
    pm_dump_release(&dump);
    return rc;
}

static int answer_index(struct answer *ret)
{
    struct pm_index *index;
    struct pm_snapshot *snap = NULL;
    struct pm_arena arena = {0};
    PM_TRY(pm_index_open(index_file.dir, &index, &err));
    int rc = pm_snapshot_open(index, &snap, &err);
    if (rc == PM_OK) rc = ask(snap, &arena, ret);
    pm_snapshot_close(snap);
    pm_arena_release(&arena);
    pm_index_close(index);
    return rc;
}

static void drop_row(void *arg, const struct pm_verify_row *row)
{
    (void)arg;
    (void)row;
}

static int check_index(struct answer *ret)
{
    (void)ret;
    struct pm_consumer_options options = {.index_dir = index_file.dir};
    return pm_verify(&options, false, drop_row, NULL, &err);
}

/* The whole log as replay reads it. */
static int answer_log(struct answer *ret)
{
    struct pm_log *log;
    int32_t n;
    PM_TRY(pm_log_open(url, &(struct pm_log_options){.mode = PM_LOG_READ}, &log, &err));
    PM_TRY(pm_log_partitions(log, &n, &err));
    uint64_t sums[PM_LOG_PARTITIONS_MAX] = {0};
    for (int32_t i = 0; i < n; i++) {
        int64_t first, next;
        PM_TRY(pm_log_offsets(log, i, &first, &next, &err));
        PM_TRY(pm_log_seek(log, i, first, &err));
    }
    for (bool some = true; some;) {
        struct pm_log_batch batch;
        PM_TRY(pm_log_poll(log, 10000, 1 << 20, 0, &batch, &err));
        some = batch.n_records;
        for (size_t i = 0; i < batch.n_records; i++) {
            const struct pm_log_record *r = &batch.records[i];
            uint64_t *sum = &sums[r->partition];
            *sum = pm_hash64(&r->offset, 8, *sum);
            *sum = pm_hash64(&r->timestamp_ms, 8, *sum);
            *sum = pm_hash64(r->key.ptr, r->key.len, *sum);
            *sum = pm_hash64(r->value.ptr, r->value.len, *sum);
        }
        if (batch.n_faults) return pm_error_set(&err, batch.faults[0].error.code, "%s", batch.faults[0].error.text);
        pm_log_batch_release(&batch);
    }
    add(ret, &n, sizeof n);
    add(ret, sums, (size_t)n * sizeof *sums);
    pm_log_close(log);
    return PM_OK;
}

static int check_log(struct answer *ret)
{
    (void)ret;
    struct pm_log *log;
    PM_TRY(pm_log_open(url, &(struct pm_log_options){.mode = PM_LOG_READ}, &log, &err));
    int rc = pm_log_check_storage(log, &err);
    pm_log_close(log);
    return rc;
}

/* Those that write: what they do to a damaged file must be nothing, or sound. */
static int append_one(struct answer *ret)
{
    (void)ret;
    struct pm_log *log;
    PM_TRY(pm_log_open(url, &(struct pm_log_options){.mode = PM_LOG_APPEND}, &log, &err));
    int rc = pm_log_append(log, PM_SLICE("key"), PM_SLICE("value"), 1, &err);
    if (rc == PM_OK) rc = pm_log_flush(log, &err);
    pm_log_close(log);
    return rc;
}

static int rewrite_index(struct answer *ret)
{
    (void)ret;
    struct pm_writer *w;
    PM_TRY(pm_writer_open(index_file.dir, NULL, NULL, INT64_MAX, &w, &err));
    pm_writer_close(w);
    return PM_OK;
}

/* ---- children ---- */

/* The exit status: 0 and an answer, DAMAGED, or 100 and an error's code; -1 after a signal. */
static int in_child(int (*run)(struct answer *ret), struct answer *ret, int *ret_signal)
{
    int ends[2], status;
    cr_assert_eq(pipe(ends), 0);
    fflush(NULL);
    pid_t pid = fork();
    cr_assert_geq(pid, 0);
    if (pid == 0) {
        struct answer answer = {0};
        int nowhere = open("/dev/null", O_WRONLY);
        dup2(nowhere, STDERR_FILENO);
        alarm(CHILD_SECONDS);
        pm_signals_catch_damage();
        int rc = run(&answer);
        if (rc == PM_OK && write(ends[1], &answer, sizeof answer) != sizeof answer) _exit(9);
        _exit(rc == PM_OK ? 0 : rc == PM_ECORRUPT || rc == PM_EDIFFERS ? DAMAGED : 100 + rc);
    }
    close(ends[1]);
    *ret = (struct answer){0};
    ssize_t n = read(ends[0], ret, sizeof *ret);
    (void)n;
    close(ends[0]);
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    *ret_signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* What a child reads past its map on purpose, valgrind would report. */
static bool under_valgrind(void)
{
    const char *preloaded = getenv("LD_PRELOAD");
    return preloaded && strstr(preloaded, "vgpreload");
}

/* An error that is told: of damage, or of what damage makes of a file ("a newer format", "no log"). */
static bool is_told(int status) { return status == DAMAGED || (status > 100 && status < 100 + PM_CODE_COUNT); }

static uint64_t setting(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text && text[0] ? strtoull(text, NULL, 10) : otherwise;
}

struct programs { /* that meet the file */
    int (*answer)(struct answer *ret), (*check)(struct answer *ret), (*write)(struct answer *ret);
};

struct tally {
    uint64_t found, told, same;
};

static void one_bit(const struct programs *p, const struct answer *want, const char *where, struct tally *tally)
{
    struct answer none, got;
    int number, checked = in_child(p->check, &none, &number);
    cr_assert(checked == 0 || is_told(checked), "%s: the check ended with %d, signal %d", where, checked, number);
    int asked = in_child(p->answer, &got, &number);
    cr_assert(asked == 0 || is_told(asked), "%s: the answer ended with %d, signal %d", where, asked, number);
    bool same = asked == 0 && got.digest == want->digest && got.rows == want->rows;
    cr_assert(checked != 0 || same, "%s: not found, and the answer is another one (status %d)", where, asked);
    tally->found += checked != 0;
    tally->told += asked != 0;
    tally->same += same;
    if (checked == 0) return;
    int written = in_child(p->write, &none, &number);
    cr_assert(written == 0 || is_told(written), "%s: writing ended with %d, signal %d", where, written, number);
}

static void flip_bits(struct file *file, const struct programs *p)
{
    uint64_t seed = setting("PROVMAT_SEED", 1), random = seed, flips = setting("PROVMAT_FLIPS", FLIPS_DEFAULT), byte;
    struct tally tally = {0};
    struct answer want, none;
    unsigned bit;
    int number;
    if (under_valgrind()) cr_skip_test("damaged pages lead out of the map: that is what is tested");
    make_files();
    find_places(file);
    keep_sound(file);
    cr_assert_eq(in_child(p->answer, &want, &number), 0, "the sound file gives no answer");
    cr_assert_eq(in_child(p->check, &none, &number), 0, "damage is found in a sound file");
    for (uint64_t i = 0; i < flips; i++) {
        char where[160];
        draw(file, i, &random, &byte, &bit);
        snprintf(where, sizeof where, "seed %llu, flip %llu: %s, byte %llu of page %llu, bit %u",
                 (unsigned long long)seed, (unsigned long long)i, file->strata[i % file->n_strata],
                 (unsigned long long)byte % PAGE, (unsigned long long)byte / PAGE, bit);
        flip(file, byte, bit);
        one_bit(p, &want, where, &tally);
        make_sound(file);
    }
    /* The others hit bytes that nobody reads. */
    cr_assert(tally.found > flips / 3 && tally.told > flips / 5 && tally.same > flips / 10,
              "of %llu flips %llu were found by the check, %llu told by questions, %llu without effect",
              (unsigned long long)flips, (unsigned long long)tally.found, (unsigned long long)tally.told,
              (unsigned long long)tally.same);
    if (getenv("PROVMAT_FLIPS"))
        fprintf(stderr, "damage: %llu flips, %llu found by the check, %llu told by questions, %llu without effect\n",
                (unsigned long long)flips, (unsigned long long)tally.found, (unsigned long long)tally.told,
                (unsigned long long)tally.same);
    free(file->places);
    free(file->sound);
    test_dir_remove(parent);
}

TestSuite(damage, .timeout = 7200);

Test(damage, bits_of_an_index) { flip_bits(&index_file, &(struct programs){answer_index, check_index, rewrite_index}); }
Test(damage, bits_of_a_local_log) { flip_bits(&log_file, &(struct programs){answer_log, check_log, append_one}); }
