/* emit.c: the ring of blocks between the reader and the workers (emit.h).
 *
 * Blocks are numbered as they are read; block n lives in ring[n % RING].
 *
 *   appended <= taken <= filled, filled - appended <= RING
 *
 *   filled    by the reader (the calling thread): reads, cuts at the last newline, hands over
 *   taken     by workers, in order; a block is `done` when its records are made
 *   appended  by the reader again, in order: refusals told, records to the log
 *
 * As long as the input is smaller than a block there are no workers and the reader does the work itself: a person who
 * pipes one line must not pay for threads, and a slow stream is passed on line by line. */
#define _GNU_SOURCE /* memrchr */
#include "producer/emit.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/time.h"
#include "producer/emit_block.h"

#define RING (2 * PM_EMIT_THREADS_MAX)

struct worker {
    struct pm_emit *emit;
    struct pm_codec *codec;
    struct pm_arena arena;
    pthread_t thread;
};

struct pm_emit {
    struct pm_emit_options options;
    struct pm_emit_counts counts;
    struct pm_emit_block ring[RING];
    uint64_t filled, appended; /* the reader's */
    uint64_t bytes_read;
    int64_t next_default_at_us;
    bool unflushed;    /* records were appended since the last flush */
    struct worker own; /* the reader's own codec and arena */

    struct worker workers[PM_EMIT_THREADS_MAX];
    unsigned n_workers;
    pthread_mutex_t mutex; /* guards what follows, and `done` of the blocks */
    pthread_cond_t work, done;
    uint64_t submitted, taken;
    bool ending;
};

/* Are records made, or only checks? */
static bool keeps(const struct pm_emit *emit) { return emit->options.log || emit->options.outbox; }

/* ---- workers ---- */

static void *worker_main(void *arg)
{
    struct worker *worker = arg;
    struct pm_emit *emit = worker->emit;
    pthread_mutex_lock(&emit->mutex);
    while (true) {
        while (emit->taken == emit->submitted && !emit->ending) pthread_cond_wait(&emit->work, &emit->mutex);
        if (emit->ending) break;
        struct pm_emit_block *block = &emit->ring[emit->taken++ % RING];
        pthread_mutex_unlock(&emit->mutex);
        pm_emit_block_work(block, worker->codec, &worker->arena);
        pthread_mutex_lock(&emit->mutex);
        block->done = true;
        pthread_cond_signal(&emit->done);
    }
    pthread_mutex_unlock(&emit->mutex);
    return NULL;
}

static unsigned threads_wanted(const struct pm_emit *emit)
{
    long n = emit->options.threads ? (long)emit->options.threads : sysconf(_SC_NPROCESSORS_ONLN);
    return n < 1 ? 1 : n > PM_EMIT_THREADS_MAX ? PM_EMIT_THREADS_MAX : (unsigned)n;
}

/* No thread to be had is no error: the reader works alone then. */
static int start_workers(struct pm_emit *emit, struct pm_error *err)
{
    unsigned wanted = threads_wanted(emit);
    while (emit->n_workers < wanted) {
        struct worker *worker = &emit->workers[emit->n_workers];
        worker->emit = emit;
        if (keeps(emit)) PM_TRY(pm_codec_open(&emit->options.codec, &worker->codec, err));
        if (pthread_create(&worker->thread, NULL, worker_main, worker) != 0) {
            pm_codec_close(worker->codec);
            worker->codec = NULL;
            return PM_OK;
        }
        emit->n_workers++;
    }
    return PM_OK;
}

static void submit(struct pm_emit *emit)
{
    struct pm_emit_block *block = &emit->ring[emit->filled++ % RING];
    if (emit->n_workers == 0) {
        pm_emit_block_work(block, emit->own.codec, &emit->own.arena);
        block->done = true;
    }
    pthread_mutex_lock(&emit->mutex);
    emit->submitted = emit->filled;
    if (emit->n_workers == 0) emit->taken = emit->filled;
    pthread_cond_signal(&emit->work);
    pthread_mutex_unlock(&emit->mutex);
}

/* ---- appending ---- */

static void reject(struct pm_emit *emit, const struct pm_emit_block *block, uint64_t line, const char *reason)
{
    emit->counts.rejected++;
    if (emit->options.reject) emit->options.reject(emit->options.arg, block->file, line, reason);
}

static int hand_over(struct pm_emit *emit, const struct pm_record *record, struct pm_error *err)
{
    if (emit->options.outbox) return pm_outbox_write(emit->options.outbox, record, 1, err);
    return pm_log_append(emit->options.log, record->key, record->value, record->timestamp_ms, err);
}

/* The log may refuse a single record too (a broker's own limit of size): that line is rejected, the rest goes on. */
static int append_record(struct pm_emit *emit, const struct pm_emit_block *block, const struct pm_emit_record *record,
                         struct pm_error *err)
{
    if (keeps(emit)) {
        const char *at = block->bytes.ptr + record->at;
        struct pm_record whole = {.key = pm_slice(at, record->key_len),
                                  .value = pm_slice(at + record->key_len, record->value_len),
                                  .timestamp_ms = record->timestamp_ms};
        struct pm_error own = {0};
        int rc = hand_over(emit, &whole, &own);
        if (emit->options.log && pm_error_class(rc) == PM_CLASS_POISON) {
            reject(emit, block, record->line, own.text);
            return PM_OK;
        }
        if (rc != PM_OK) return pm_error_set(err, (enum pm_code)rc, "%s", own.text);
        emit->unflushed = true;
    }
    emit->counts.taken++;
    return PM_OK;
}

static int append_block(struct pm_emit *emit, struct pm_emit_block *block, struct pm_error *err)
{
    size_t told = 0;
    for (size_t i = 0; i <= block->n_records; i++) {
        for (; told < block->n_refusals && block->refusals[told].n_records_before == i; told++)
            reject(emit, block, block->refusals[told].line, block->reasons.ptr + block->refusals[told].at);
        if (i < block->n_records) PM_TRY(append_record(emit, block, &block->records[i], err));
    }
    emit->counts.lines += block->n_lines;
    emit->counts.bytes += block->used;
    if (block->fatal.code != PM_OK) return pm_error_set(err, block->fatal.code, "%s", block->fatal.text);
    if (emit->options.progress) emit->options.progress(emit->options.arg, &emit->counts);
    return PM_OK;
}

/* Appends every block that is done, in order; with `wait`, waits for the oldest first. */
static int append_done(struct pm_emit *emit, bool wait, struct pm_error *err)
{
    while (emit->appended < emit->filled) {
        struct pm_emit_block *block = &emit->ring[emit->appended % RING];
        pthread_mutex_lock(&emit->mutex);
        while (wait && !block->done) pthread_cond_wait(&emit->done, &emit->mutex);
        bool done = block->done;
        pthread_mutex_unlock(&emit->mutex);
        if (!done) return PM_OK;
        PM_TRY(append_block(emit, block, err));
        emit->appended++;
        wait = false;
    }
    return PM_OK;
}

static int append_all(struct pm_emit *emit, struct pm_error *err)
{
    while (emit->appended < emit->filled) PM_TRY(append_done(emit, true, err));
    return PM_OK;
}

static int flush(struct pm_emit *emit, struct pm_error *err)
{
    if (!emit->unflushed) return PM_OK;
    if (emit->options.log) PM_TRY(pm_log_flush(emit->options.log, err));
    else PM_TRY(pm_outbox_sync(emit->options.outbox, err));
    emit->unflushed = false;
    /* A stream that pauses leaves its segment to whoever delivers. */
    if (emit->options.outbox) pm_outbox_seal(emit->options.outbox);
    return PM_OK;
}

/* ---- reading ---- */

struct source {
    int fd;
    const char *file;
    uint64_t next_line;
    bool at_start, ended;
    bool skipping;      /* inside a line that is too long: nothing is kept until its newline */
    struct pm_buf rest; /* the beginning of a line whose end has not been read */
};

static bool stopped(const struct pm_emit *emit) { return emit->options.stop && *emit->options.stop; }

/* Before a read that would block: pass on what there is, and make it durable when nothing comes for a while. */
static int wait_for_input(struct pm_emit *emit, const struct source *source, struct pm_error *err)
{
    struct pollfd in = {.fd = source->fd, .events = POLLIN};
    if (poll(&in, 1, 0) != 0) return PM_OK;
    PM_TRY(append_all(emit, err));
    if (poll(&in, 1, PM_EMIT_IDLE_MS) != 0) return PM_OK;
    PM_TRY(flush(emit, err));
    poll(&in, 1, -1);
    return PM_OK;
}

static int read_some(struct pm_emit *emit, struct source *source, char *into, size_t cap, size_t *ret_len,
                     struct pm_error *err)
{
    while (!stopped(emit)) {
        PM_TRY(wait_for_input(emit, source, err));
        if (stopped(emit)) break;
        ssize_t n = read(source->fd, into, cap);
        if (n >= 0) {
            source->ended = n == 0;
            *ret_len = (size_t)n;
            return PM_OK;
        }
        if (errno != EINTR && errno != EAGAIN)
            return pm_error_set(err, PM_EIO, "could not read \"%s\": %s", source->file, strerror(errno));
    }
    source->ended = true;
    *ret_len = 0;
    return PM_OK;
}

static uint64_t count_lines(const char *at, size_t len)
{
    uint64_t n = len > 0 && at[len - 1] != '\n';
    for (const char *end = at + len; (at = memchr(at, '\n', (size_t)(end - at))); at++) n++;
    return n;
}

/* Takes `n` bytes off the beginning. */
static size_t drop_front(char *at, size_t len, size_t n)
{
    memmove(at, at + n, len - n);
    return len - n;
}

/* One or more reads into the block behind the rest of the last one: more as long as they come at once and are small, as
 * from a pipe. */
static int read_block(struct pm_emit *emit, struct source *source, struct pm_emit_block *block, size_t *ret_len,
                      struct pm_error *err)
{
    size_t rest = source->rest.len, len = rest, n = 0;
    if (rest) memcpy(block->input, source->rest.ptr, rest);
    struct pollfd in = {.fd = source->fd, .events = POLLIN};
    do {
        PM_TRY(read_some(emit, source, block->input + len, rest + PM_EMIT_READ_BYTES - len, &n, err));
        len += n;
    } while (!source->ended && len - rest < PM_EMIT_READ_BYTES / 2 && poll(&in, 1, 0) > 0);
    *ret_len = len;
    return PM_OK;
}

/* How many of the bytes are whole lines. A line that is too long is cut there and counts as one: its length alone makes
 * the worker refuse it. */
static size_t whole_lines(struct source *source, const char *at, size_t len)
{
    if (source->ended) return len;
    const char *newline = memrchr(at, '\n', len);
    size_t used = newline ? (size_t)(newline + 1 - at) : 0;
    if (len - used <= PM_EVENT_BYTES_MAX + 1) return used;
    source->skipping = true;
    return len;
}

/* Fills the block with whole lines; it may stay empty when no line has come to its end. */
static int fill(struct pm_emit *emit, struct source *source, struct pm_emit_block *block, struct pm_error *err)
{
    size_t len = 0;
    if (!block->input) block->input = pm_malloc(PM_EMIT_BLOCK_BYTES);
    pm_emit_block_clear(block);
    PM_TRY(read_block(emit, source, block, &len, err));
    pm_buf_clear(&source->rest);
    if (source->skipping) {
        const char *newline = memchr(block->input, '\n', len);
        source->skipping = !newline;
        len = newline ? drop_front(block->input, len, (size_t)(newline + 1 - block->input)) : 0;
    }
    bool maybe_mark = source->at_start && len > 0 && memcmp(block->input, "\xEF\xBB\xBF", len < 3 ? len : 3) == 0;
    if (maybe_mark && len < 3 && !source->ended) {
        pm_buf_bytes(&source->rest, block->input, len);
        return PM_OK;
    }
    if (len > 0) source->at_start = false;
    if (maybe_mark && len >= 3) len = drop_front(block->input, len, 3);

    block->used = whole_lines(source, block->input, len);
    pm_buf_bytes(&source->rest, block->input + block->used, len - block->used);
    block->file = source->file;
    block->first_line = source->next_line;
    block->n_lines = count_lines(block->input, block->used);
    source->next_line += block->n_lines;
    return PM_OK;
}

/* The time of lines that bring none: now, and never before a line that was read earlier. */
static void give_times(struct pm_emit *emit, struct pm_emit_block *block)
{
    int64_t now_us = pm_time_now_us();
    if (emit->next_default_at_us < now_us) emit->next_default_at_us = now_us;
    block->default_at_us = emit->next_default_at_us;
    emit->next_default_at_us += (int64_t)block->n_lines;
}

static int read_all(struct pm_emit *emit, struct source *source, struct pm_error *err)
{
    while (!source->ended) {
        while (emit->filled - emit->appended >= RING) PM_TRY(append_done(emit, true, err));
        struct pm_emit_block *block = &emit->ring[emit->filled % RING];
        PM_TRY(fill(emit, source, block, err));
        if (block->used == 0) continue;
        give_times(emit, block);
        emit->bytes_read += block->used;
        if (emit->n_workers == 0 && emit->bytes_read > PM_EMIT_READ_BYTES / 2) PM_TRY(start_workers(emit, err));
        submit(emit);
        PM_TRY(append_done(emit, false, err));
    }
    return PM_OK;
}

int pm_emit_read(struct pm_emit *emit, int fd, const char *file, struct pm_error *err)
{
    struct source source = {.fd = fd, .file = file, .next_line = 1, .at_start = true};
    int rc = read_all(emit, &source, err);
    pm_buf_release(&source.rest);
    return rc;
}

int pm_emit_finish(struct pm_emit *emit, struct pm_error *err)
{
    PM_TRY(append_all(emit, err));
    return flush(emit, err);
}

/* ---- life ---- */

int pm_emit_open(const struct pm_emit_options *options, struct pm_emit **ret, struct pm_error *err)
{
    struct pm_codec *codec = NULL;
    if (options->log || options->outbox) PM_TRY(pm_codec_open(&options->codec, &codec, err));
    struct pm_emit *emit = pm_calloc(1, sizeof *emit);
    emit->options = *options;
    emit->own.codec = codec;
    pthread_mutex_init(&emit->mutex, NULL);
    pthread_cond_init(&emit->work, NULL);
    pthread_cond_init(&emit->done, NULL);
    *ret = emit;
    return PM_OK;
}

struct pm_emit_counts pm_emit_counts(const struct pm_emit *emit) { return emit->counts; }

void pm_emit_close(struct pm_emit *emit)
{
    if (!emit) return;
    pthread_mutex_lock(&emit->mutex);
    emit->ending = true;
    pthread_cond_broadcast(&emit->work);
    pthread_mutex_unlock(&emit->mutex);
    for (unsigned i = 0; i < emit->n_workers; i++) {
        pthread_join(emit->workers[i].thread, NULL);
        pm_codec_close(emit->workers[i].codec);
        pm_arena_release(&emit->workers[i].arena);
    }
    for (size_t i = 0; i < RING; i++) pm_emit_block_release(&emit->ring[i]);
    pm_codec_close(emit->own.codec);
    pm_arena_release(&emit->own.arena);
    pthread_mutex_destroy(&emit->mutex);
    pthread_cond_destroy(&emit->work);
    pthread_cond_destroy(&emit->done);
    free(emit);
}
