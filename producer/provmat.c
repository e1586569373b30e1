/* provmat.c: the calls of provmat.h: one event after the other into the queue, flush and close, and what becomes of all
 * producers in the child of a fork. Any thread. */
#include "producer/provmat.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/number.h"
#include "common/base/time.h"
#include "common/event/identity.h"
#include "producer/producer.h"

_Static_assert(PROVMAT_ERROR_TEXT == PM_ERROR_TEXT_MAX, "texts are passed on whole");

const char *provmat_version(void) { return PROVMAT_VERSION; }

/* ---- errors ---- */

static enum provmat_code code_of(int rc)
{
    switch (rc) {
    case PM_OK: return PROVMAT_OK;
    case PM_ENOMEM: return PROVMAT_ENOMEM;
    case PM_EUSAGE: return PROVMAT_ECONFIG;
    case PM_ETIMEOUT: return PROVMAT_ETIMEOUT;
    default: return pm_error_class(rc) == PM_CLASS_POISON ? PROVMAT_EINVALID : PROVMAT_ELOG;
    }
}

static int give(struct provmat_error *err, int code, const char *text)
{
    if (err) {
        err->code = code;
        snprintf(err->text, sizeof err->text, "%s", code == PROVMAT_OK ? "" : text);
    }
    return code;
}

static int no_producer(struct provmat_error *err)
{
    return give(err, PROVMAT_EINVALID, "the producer is NULL; open one with provmat_open");
}

/* ---- all producers, and forks ---- */

static pthread_mutex_t all_lock = PTHREAD_MUTEX_INITIALIZER;
static struct provmat_producer *all;

static void init_sync(struct provmat_producer *p)
{
    pthread_mutex_init(&p->lock, NULL);
    pm_time_cond_init(&p->work);
    pm_time_cond_init(&p->progress);
}

/* A producer that counts from 1, and that no other one is. */
static void origin_begin(struct provmat_producer *p)
{
    uint64_t id;
    if (getrandom(&id, sizeof id, GRND_NONBLOCK) != sizeof id) /* early in the life of a machine */
        id = (uint64_t)pm_time_now_us() ^ (uint64_t)getpid() << 48 ^ (uint64_t)(uintptr_t)p << 16;
    p->origin = (struct pm_origin_state){.id = id};
    p->last.sequence = 0;
}

/* No call is half done when the memory is copied. */
static void before_fork(void)
{
    pthread_mutex_lock(&all_lock);
    for (struct provmat_producer *p = all; p; p = p->next) {
        pthread_mutex_lock(&p->lock);
        if (p->outbox) pm_outbox_before_fork(p->outbox);
    }
}

static void after_fork_in_parent(void)
{
    for (struct provmat_producer *p = all; p; p = p->next) {
        if (p->outbox) pm_outbox_after_fork(p->outbox, false);
        pthread_mutex_unlock(&p->lock);
    }
    pthread_mutex_unlock(&all_lock);
}

/* The thread is not here, and the log's handle is the parent's: neither may be touched, so both are forgotten. */
static void after_fork_in_child(void)
{
    pthread_mutex_init(&all_lock, NULL);
    for (struct provmat_producer *p = all; p; p = p->next) {
        init_sync(p);
        p->ship = (struct pm_ship){0};
        p->queue.head = p->queue.tail = p->queue.records = 0;
        p->flush_to = p->taken_to = 0;
        origin_begin(p);
        p->accepted = p->acknowledged = p->rejected = p->dropped = p->dropped_told = 0;
        p->problem.code = PM_OK;
        p->backoff_ms = 0;
        p->retry_at_us = p->drain_at_us = p->scan_at_us = p->sync_at_us = 0;
        p->spooling = p->others = false;
        if (p->outbox) pm_outbox_after_fork(p->outbox, true);
        p->running = p->idle = p->hurried = p->ending = p->ended = p->abandoned = false;
    }
}

static void watch_forks(void) { (void)pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child); }

static void list_add(struct provmat_producer *p)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, watch_forks);
    pthread_mutex_lock(&all_lock);
    p->next = all;
    all = p;
    pthread_mutex_unlock(&all_lock);
}

static void list_remove(struct provmat_producer *p)
{
    pthread_mutex_lock(&all_lock);
    struct provmat_producer **link = &all;
    while (*link && *link != p) link = &(*link)->next;
    if (*link) *link = p->next;
    pthread_mutex_unlock(&all_lock);
}

/* ---- opening ---- */

struct opening {
    const struct provmat_options *options;
    struct provmat_producer *p;
};

static int open_parts(void *arg, struct pm_error *err)
{
    struct opening *opening = arg;
    struct provmat_producer *p = opening->p;
    PM_TRY(pm_settings_make(opening->options, &p->settings, err));
    if (p->settings.outbox) {
        struct pm_outbox_options outbox = {.dir = p->settings.outbox,
                                           .bytes_max = p->settings.outbox_bytes,
                                           .sync = (enum pm_outbox_sync)p->settings.outbox_sync};
        int rc = pm_outbox_open(&outbox, &p->outbox, err);
        if (rc != PM_OK) return pm_error_wrap(err, rc, "option outbox, \"%s\"", p->settings.outbox);
    }
    p->batch = pm_malloc(PM_SHIP_RECORDS_MAX * sizeof *p->batch);
    origin_begin(p);
    return pm_queue_open(&p->queue, p->settings.queue_bytes, err);
}

int provmat_open(const struct provmat_options *options, provmat_producer **ret, struct provmat_error *err)
{
    struct pm_error why = {0};
    struct opening opening = {.options = options, .p = calloc(1, sizeof(struct provmat_producer))};
    if (!opening.p) return give(err, PROVMAT_ENOMEM, "out of memory");
    init_sync(opening.p);
    int rc = pm_memory_guarded(open_parts, &opening, &why);
    if (rc != PM_OK) {
        pm_producer_free(opening.p);
        return give(err, rc == PM_ENOMEM ? PROVMAT_ENOMEM : PROVMAT_ECONFIG, why.text);
    }
    list_add(opening.p);
    *ret = opening.p;
    return give(err, PROVMAT_OK, "");
}

void pm_producer_free(struct provmat_producer *p)
{
    pm_outbox_close(p->outbox);
    pm_queue_close(&p->queue);
    pm_record_release(&p->maker);
    pm_settings_release(&p->settings);
    free(p->batch);
    pthread_mutex_destroy(&p->lock);
    pthread_cond_destroy(&p->work);
    pthread_cond_destroy(&p->progress);
    free(p);
}

/* ---- events ---- */

struct call {
    struct provmat_producer *p;
    enum pm_event_type type;
    const void *given;    /* a struct of provmat.h */
    struct pm_slice line; /* or a line of JSON, when given is NULL */
};

/* Each event without a time of its own gets a later one than the last: "running" stays before "succeeded". */
static int64_t next_time(struct provmat_producer *p)
{
    int64_t now_us = pm_time_now_us();
    return p->last_us = now_us > p->last_us ? now_us : p->last_us + 1;
}

static int make_event(struct call *call, struct pm_event *ret, struct pm_error *err)
{
    struct provmat_producer *p = call->p;
    int64_t now_us = next_time(p);
    if (!call->given) return pm_event_from_json(call->line, now_us, &p->maker.arena, ret, err);
    struct pm_convert_defaults defaults = {
        .job_id = p->job[0] ? p->job : p->settings.job_id, .worker = p->settings.worker, .now_us = now_us};
    return pm_convert(call->type, call->given, &defaults, &p->maker, ret, err);
}

static int drop(struct provmat_producer *p, const struct pm_error *outbox, struct pm_error *err)
{
    p->dropped++;
    char why[PM_ERROR_TEXT_MAX] = "";
    bool of_log = p->problem.code == PM_ELOG || p->problem.code == PM_ELOGAWAY;
    if (p->outbox) snprintf(why, sizeof why, ": %.700s", outbox->text);
    else if (of_log) snprintf(why, sizeof why, ": %.700s", p->problem.text);
    pm_error_set(err, PM_ETIMEOUT, "the queue of %zu bytes is full and the event is dropped, %" PRIu64 " so far%s",
                 p->queue.size, p->dropped, why);
    if (!of_log) p->problem = *err;
    return PM_ETIMEOUT;
}

/* Where the record goes: the queue, or the outbox before or after it. */
static int put(struct provmat_producer *p, const struct pm_record *record, struct pm_error *err)
{
    struct pm_error why = {0};
    bool always = p->settings.outbox_mode == PROVMAT_OUTBOX_ALWAYS;
    if (!always && pm_queue_put(&p->queue, record)) return PM_OK;
    if (p->outbox && pm_outbox_write(p->outbox, record, 1, &why) == PM_OK) {
        if (!p->spooling) p->drain_at_us = pm_time_monotonic_us() + (int64_t)p->settings.linger_ms * 1000;
        p->spooling = true;
        return PM_OK;
    }
    if (always && pm_queue_put(&p->queue, record)) {
        p->problem = why;
        return PM_OK;
    }
    return drop(p, &why, err);
}

static void wake(struct provmat_producer *p)
{
    bool full = !p->hurried && pm_queue_used(&p->queue) >= PM_PRODUCER_BATCH_BYTES;
    if (!p->idle && !full) return;
    if (full) p->hurried = true;
    p->idle = false; /* told once */
    pthread_cond_signal(&p->work);
}

/* Who gives the events, in words. */
static void name_origin(struct provmat_producer *p, const struct pm_event *ev)
{
    char host[64] = "";
    struct pm_slice worker = ev->has & PM_HAS(worker) ? ev->worker : pm_slice("", 0);
    if (p->settings.worker) worker = pm_slice_cstr(p->settings.worker);
    size_t size = sizeof p->origin.name;
    if (worker.len > 0) {
        snprintf(p->origin.name, size, "%.*s", (int)(worker.len < size ? worker.len : size - 1), worker.ptr);
    } else {
        if (gethostname(host, sizeof host - 1) != 0) host[0] = 0;
        snprintf(p->origin.name, size, "%s:%ld", host, (long)getpid());
    }
}

/* Numbers the event: from now on it is missed if it does not arrive. */
static struct pm_slice number_event(struct provmat_producer *p, const struct pm_event *ev,
                                    char out[PM_ORIGIN_BYTES_MAX])
{
    if (p->origin.sequence++ == 0) name_origin(p, ev);
    struct pm_origin origin = {.producer = p->origin.id, .sequence = p->origin.sequence};
    if (pm_origin_wants_name(origin.sequence)) origin.name = pm_slice_cstr(p->origin.name);
    return pm_slice(out, pm_origin_encode(&origin, out));
}

static int accept_event(void *arg, struct pm_error *err)
{
    struct call *call = arg;
    struct provmat_producer *p = call->p;
    struct pm_event ev;
    struct pm_record record;
    char origin[PM_ORIGIN_BYTES_MAX];
    pm_record_begin(&p->maker);
    PM_TRY(make_event(call, &ev, err));
    PM_TRY(pm_record_make(&p->maker, &ev, &record, err));
    record.origin = number_event(p, &ev, origin);
    uint64_t at = p->queue.head;
    PM_TRY(put(p, &record, err));
    p->last.sequence = p->origin.sequence;
    p->last.at = p->queue.head > at ? at : UINT64_MAX;
    p->last.timestamp_ms = record.timestamp_ms;
    p->accepted++;
    wake(p);
    /* Without a thread the event waits; the next call tries to start one again. */
    struct pm_error why;
    if (pm_deliver_start(p, &why) != PM_OK) p->problem = why;
    return PM_OK;
}

static int say(struct call *call, struct provmat_error *err)
{
    struct provmat_producer *p = call->p;
    if (!p) return no_producer(err);
    struct pm_error why;
    pthread_mutex_lock(&p->lock);
    int rc = pm_memory_guarded(accept_event, call, &why);
    int code = rc == PM_ETIMEOUT ? PROVMAT_EDROPPED : code_of(rc);
    if (code == PROVMAT_EINVALID) p->rejected++;
    pthread_mutex_unlock(&p->lock);
    return give(err, code, rc == PM_OK ? "" : why.text);
}

static int say_struct(provmat_producer *p, enum pm_event_type type, const void *event, struct provmat_error *err)
{
    static const size_t nothing = 0; /* stands for NULL: refused for its size, and counted */
    struct call call = {.p = p, .type = type, .given = event ? event : &nothing};
    return say(&call, err);
}

#define EVENT(name, type, TYPE)                                                                            \
    int provmat_##name(provmat_producer *p, const struct provmat_##type *event, struct provmat_error *err) \
    {                                                                                                      \
        return say_struct(p, TYPE, event, err);                                                            \
    }
EVENT(computed, computed, PM_RESULT_COMPUTED)
EVENT(discovered, computed, PM_RESULT_DISCOVERED)
EVENT(reused, reused, PM_RESULT_REUSED)
EVENT(failed, failed, PM_RESULT_FAILED)
EVENT(expected, expected, PM_RESULTS_EXPECTED)
EVENT(deleted, deleted, PM_RESULT_DELETED)
EVENT(submitted, submitted, PM_JOB_SUBMITTED)
EVENT(status_changed, status_changed, PM_JOB_STATUS_CHANGED)

int provmat_event_json(provmat_producer *p, const char *line, size_t length, struct provmat_error *err)
{
    struct call call = {.p = p, .line = pm_slice(line, line ? length : 0)};
    return say(&call, err);
}

/* ---- the job ---- */

static int check_job(const char *job_id, struct provmat_error *err)
{
    char text[128];
    size_t len = job_id ? strlen(job_id) : 1;
    if (len == 0) return give(err, PROVMAT_EINVALID, "job_id is empty; NULL unsets it");
    if (len > PM_JOB_ID_BYTES_MAX) {
        snprintf(text, sizeof text, "job_id has %zu bytes, above the limit of %d", len, PM_JOB_ID_BYTES_MAX);
        return give(err, PROVMAT_EINVALID, text);
    }
    if (job_id && !pm_utf8_valid(pm_slice(job_id, len))) return give(err, PROVMAT_EINVALID, "job_id is not UTF-8");
    return PROVMAT_OK;
}

int provmat_job_set(provmat_producer *p, const char *job_id, struct provmat_error *err)
{
    if (!p) return no_producer(err);
    int code = check_job(job_id, err);
    if (code != PROVMAT_OK) return code;
    pthread_mutex_lock(&p->lock);
    snprintf(p->job, sizeof p->job, "%s", job_id ? job_id : "");
    pthread_mutex_unlock(&p->lock);
    return give(err, PROVMAT_OK, "");
}

int provmat_job_begin(provmat_producer *p, const char *job_id, struct provmat_error *err)
{
    if (p && !job_id) return give(err, PROVMAT_EINVALID, "job_id is NULL; name the job that begins");
    int code = provmat_job_set(p, job_id, err);
    if (code != PROVMAT_OK) return code;
    struct provmat_status_changed event = {.size = sizeof event, .job_id = job_id, .status = PROVMAT_RUNNING};
    return provmat_status_changed(p, &event, err);
}

int provmat_job_end(provmat_producer *p, int status, const char *error, struct provmat_error *err)
{
    if (!p) return no_producer(err);
    char job[sizeof p->job];
    if (status < PROVMAT_SUCCEEDED || status > PROVMAT_CANCELLED)
        return give(err, PROVMAT_EINVALID,
                    "a job ends with PROVMAT_SUCCEEDED, PROVMAT_PARTIAL, PROVMAT_FAILED or PROVMAT_CANCELLED");
    pthread_mutex_lock(&p->lock);
    memcpy(job, p->job, sizeof job);
    p->job[0] = 0;
    pthread_mutex_unlock(&p->lock);
    if (!job[0]) return give(err, PROVMAT_EINVALID, "no job has begun; call provmat_job_begin first");
    struct provmat_status_changed event = {.size = sizeof event, .job_id = job, .status = status, .error = error};
    return provmat_status_changed(p, &event, err);
}

/* ---- flush, close ---- */

/* With the lock. */
static bool await_delivery(struct provmat_producer *p, int64_t until_us)
{
    uint64_t to = p->queue.head;
    if (p->flush_to < to) p->flush_to = to;
    struct pm_error why;
    if (p->queue.records > 0 && pm_deliver_start(p, &why) != PM_OK) p->problem = why;
    pthread_cond_signal(&p->work);
    while (p->queue.tail < to && pm_producer_wait(p, &p->progress, until_us)) continue;
    return p->queue.tail >= to;
}

static int64_t deadline_us(int timeout_ms)
{
    return pm_time_monotonic_us() + (int64_t)(timeout_ms > 0 ? timeout_ms : 0) * 1000;
}

int provmat_flush(provmat_producer *p, int timeout_ms, struct provmat_error *err)
{
    if (!p) return no_producer(err);
    char text[PROVMAT_ERROR_TEXT] = "";
    pthread_mutex_lock(&p->lock);
    bool done = await_delivery(p, deadline_us(timeout_ms));
    if (!done)
        snprintf(text, sizeof text, "%" PRIu64 " events are not acknowledged after %d ms%s%.900s", p->queue.records,
                 timeout_ms, p->problem.code ? ": " : "", p->problem.code ? p->problem.text : "");
    pthread_mutex_unlock(&p->lock);
    return give(err, done ? PROVMAT_OK : PROVMAT_ETIMEOUT, text);
}

/* What the log did not take in time goes to the outbox. The thread may be delivering some of it at the same time:
 * twice is harmless. With the lock. */
static bool spool_rest(struct provmat_producer *p, struct pm_error *err)
{
    struct pm_record some[64];
    struct pm_queue rest = p->queue; /* the thread drops from its own */
    while (p->outbox && rest.records > 0) {
        uint64_t end;
        size_t n = pm_queue_take(&rest, some, 64, PM_SHIP_BYTES_MAX, &end);
        if (pm_outbox_write(p->outbox, some, n, err) != PM_OK) return false;
        pm_queue_drop(&rest, end, n);
    }
    return rest.records == 0;
}

/* With the lock. */
static void await_outbox(struct provmat_producer *p, int64_t until_us)
{
    p->drain_at_us = 0;
    pthread_cond_signal(&p->work);
    while (p->spooling && p->backoff_ms == 0 && p->running && pm_producer_wait(p, &p->progress, until_us)) continue;
}

/* With the lock: how many events there were, so that a lost end is missed too: with the last one, or, when that is on
 * its way already, in a record of its own. */
static void tell_end(struct provmat_producer *p)
{
    char with_last[PM_ORIGIN_BYTES_MAX], alone[PM_ORIGIN_BYTES_MAX], id[PM_ORIGIN_ID_DIGITS + 1];
    if (p->last.sequence == 0) return;
    struct pm_origin end = {.producer = p->origin.id,
                            .sequence = p->last.sequence,
                            .given = p->origin.sequence,
                            .name = pm_slice_cstr(p->origin.name)};
    struct pm_slice origin = pm_slice(with_last, pm_origin_encode(&end, with_last));
    if (p->last.at == UINT64_MAX ? pm_outbox_end(p->outbox, origin)
                                 : p->last.at >= p->taken_to && pm_queue_amend(&p->queue, p->last.at, origin))
        return;
    end.sequence = 0;
    snprintf(id, sizeof id, "%016" PRIx64, end.producer);
    struct pm_record mark = {.key = pm_slice(id, PM_ORIGIN_ID_DIGITS),
                             .timestamp_ms = p->last.timestamp_ms,
                             .origin = pm_slice(alone, pm_origin_encode(&end, alone))};
    struct pm_error why;
    uint64_t at = p->queue.head;
    p->last.marked = put(p, &mark, &why) == PM_OK && p->queue.head > at;
}

int provmat_close(provmat_producer *p, int timeout_ms, struct provmat_error *err)
{
    char text[PROVMAT_ERROR_TEXT] = "";
    if (!p) return give(err, PROVMAT_OK, "");
    int64_t until_us = deadline_us(timeout_ms);
    struct pm_error why = {0};
    list_remove(p);
    pthread_mutex_lock(&p->lock);
    tell_end(p);
    bool done = await_delivery(p, until_us);
    if (done && p->outbox) await_outbox(p, until_us);
    p->ending = true;
    pthread_cond_signal(&p->work);
    while (p->running && !p->ended && pm_producer_wait(p, &p->progress, until_us)) continue;
    if (!done) done = spool_rest(p, &why);
    if (!why.code) why = p->problem;
    if (!done)
        snprintf(text, sizeof text, "%" PRIu64 " events were lost: the log did not take them within %d ms%s%.900s",
                 p->queue.records - p->last.marked, timeout_ms, why.code ? ": " : "", why.code ? why.text : "");
    if (p->outbox) pm_outbox_seal(p->outbox); /* anybody's to deliver, even while our thread hangs */
    /* A thread that waits for a log inside a client library cannot be ended: it frees the producer when it comes out.
     */
    p->abandoned = p->running && !p->ended;
    bool abandoned = p->abandoned;
    pthread_mutex_unlock(&p->lock);
    if (!abandoned) pm_producer_free(p);
    return give(err, done ? PROVMAT_OK : PROVMAT_ETIMEOUT, text);
}

/* ---- counters ---- */

void provmat_counters(provmat_producer *p, struct provmat_counters *ret)
{
    struct provmat_counters own = {0};
    if (!ret || ret->size < sizeof ret->size) return;
    if (p) {
        pthread_mutex_lock(&p->lock);
        own = (struct provmat_counters){.accepted = p->accepted,
                                        .queued = p->queue.records,
                                        .acknowledged = p->acknowledged,
                                        .spooled = p->outbox ? pm_outbox_waiting(p->outbox) : 0,
                                        .rejected = p->rejected,
                                        .dropped = p->dropped};
        pthread_mutex_unlock(&p->lock);
    }
    own.size = ret->size;
    if (ret->size > sizeof own) memset((char *)ret + sizeof own, 0, ret->size - sizeof own);
    memcpy(ret, &own, ret->size < sizeof own ? ret->size : sizeof own);
}

int provmat_problem(provmat_producer *p, struct provmat_error *err)
{
    if (!p) return no_producer(err);
    pthread_mutex_lock(&p->lock);
    struct pm_error problem = p->problem;
    pthread_mutex_unlock(&p->lock);
    return give(err, problem.code == PM_OK ? PROVMAT_OK : PROVMAT_ELOG, problem.text);
}

/* ---- identities ---- */

struct identity_call {
    const char *params;
    struct pm_buf canonical;
};

static int canonical(void *arg, struct pm_error *err)
{
    struct identity_call *call = arg;
    if (!call->params) return pm_error_set(err, PM_EINVALID, "params is NULL");
    return pm_params_canonical(pm_slice_cstr(call->params), &call->canonical, err);
}

size_t provmat_params_canonical(const char *params, char *out, size_t size, struct provmat_error *err)
{
    struct pm_error why = {0};
    struct identity_call call = {.params = params};
    int rc = pm_memory_guarded(canonical, &call, &why);
    size_t len = rc == PM_OK ? call.canonical.len : 0;
    if (rc == PM_OK && len < size) {
        memcpy(out, call.canonical.ptr, len);
        out[len] = 0;
    }
    pm_buf_release(&call.canonical);
    give(err, code_of(rc), why.text);
    return len;
}

int provmat_param_id(const char *params, char out[65], struct provmat_error *err)
{
    struct pm_error why = {0};
    struct identity_call call = {.params = params};
    int rc = pm_memory_guarded(canonical, &call, &why);
    if (rc == PM_OK) {
        pm_param_id(pm_buf_slice(&call.canonical), out);
        out[64] = 0;
    }
    pm_buf_release(&call.canonical);
    return give(err, code_of(rc), why.text);
}

int provmat_bundle_digest(const char *bundle_ref, char out[65], struct provmat_error *err)
{
    struct pm_error why = {0};
    struct pm_slice digest;
    int rc = bundle_ref ? pm_bundle_ref_digest(pm_slice_cstr(bundle_ref), &digest, &why)
                        : pm_error_set(&why, PM_EINVALID, "bundle_ref is NULL");
    if (rc == PM_OK) {
        memcpy(out, digest.ptr, 64);
        out[64] = 0;
    }
    return give(err, code_of(rc), why.text);
}
