/* adopt.c: from stored results to events (adopt.h). Results come from several threads, one at a time (store.h), so the
 * log and what is known are used by one at a time too. */
#include "provstore/adopt.h"

#include "common/event/identity.h"

const char *pm_adoption_name(enum pm_adoption adoption)
{
    static const char *const names[] = {"adopted", "known", "deleted", "failed", "refused"};
    return names[adoption];
}

int pm_stored_event(const struct pm_stored *stored, struct pm_buf *scratch, char room[32], struct pm_event *ret,
                    struct pm_error *err)
{
    struct pm_event ev = stored->facts;
    if (!(ev.has & PM_HAS(kind)))
        return pm_error_set(err, PM_EINVALID, "the files do not tell a simulation from an aggregation");
    memset(room, '0', 32);
    ev.event_id = pm_slice(room, 32);
    ev.has |= PM_HAS(event_id);
    PM_TRY(pm_event_check(&ev, err));
    pm_event_derive_id(&ev, true, scratch, room);
    *ret = ev;
    return PM_OK;
}

struct adopting {
    const struct pm_adopt_options *options;
    struct pm_known *known;
    struct pm_codec *codec;
    struct pm_log *log; /* NULL: dry run */
    struct pm_buf scratch, record;
    uint64_t *counts;
};

static int append(struct adopting *run, const struct pm_event *ev, struct pm_error *err)
{
    if (!run->log) return PM_OK;
    pm_buf_clear(&run->record);
    PM_TRY(pm_codec_encode(run->codec, ev, &run->record, err));
    return pm_log_append(run->log, pm_event_key(ev), pm_buf_slice(&run->record), pm_event_timestamp_ms(ev), err);
}

/* What becomes of a result; *ret_ev is filled when it is adopted. */
static int decide(struct adopting *run, const struct pm_stored *stored, char room[32], struct pm_event *ret_ev,
                  enum pm_adoption *ret, struct pm_error *reason, struct pm_error *err)
{
    enum pm_known_state state;
    int64_t deleted_at;
    *ret = PM_ADOPT_REFUSED;
    if (stored->state == PM_STORED_FAILED) *ret = PM_ADOPT_FAILED;
    if (stored->state != PM_STORED_WHOLE) {
        pm_error_set(reason, PM_EINVALID, "%.*s", PM_SLICE_ARG(stored->reason));
        return PM_OK;
    }
    int rc = pm_stored_event(stored, &run->scratch, room, ret_ev, reason);
    if (rc != PM_OK) return PM_OK;
    PM_TRY(pm_known_find(run->known, stored->path, &state, &deleted_at, err));
    *ret = state == PM_KNOWN                                                ? PM_ADOPT_KNOWN
           : state == PM_KNOWN_DELETED && ret_ev->occurred_at <= deleted_at ? PM_ADOPT_DELETED
                                                                            : PM_ADOPTED;
    return PM_OK;
}

static int adopt_one(void *arg, const struct pm_stored *stored, struct pm_error *err)
{
    struct adopting *run = arg;
    struct pm_error reason = {0};
    struct pm_event ev;
    enum pm_adoption adoption;
    char room[32];
    PM_TRY(decide(run, stored, room, &ev, &adoption, &reason, err));
    if (adoption == PM_ADOPTED) PM_TRY(append(run, &ev, err));
    run->counts[adoption]++;
    if (!run->options->each) return PM_OK;
    return run->options->each(run->options->arg, stored, adoption, adoption == PM_ADOPT_REFUSED ? reason.text : "",
                              err);
}

static int adopt_all(struct adopting *run, struct pm_error *err)
{
    const struct pm_adopt_options *options = run->options;
    struct pm_store_walk walk = options->walk;
    struct pm_log_options log = options->known.log;
    PM_TRY(pm_known_open(&options->known, &run->known, err));
    PM_TRY(pm_codec_open(&options->known.codec, &run->codec, err));
    log.mode = PM_LOG_APPEND;
    if (!options->dry_run) PM_TRY(pm_log_open(options->known.log_url, &log, &run->log, err));
    walk.result = adopt_one;
    walk.arg = run;
    int rc = pm_store_walk(&walk, NULL, err);
    if (!run->log) return rc;
    int flushed = pm_log_flush(run->log, rc == PM_OK ? err : NULL);
    if (rc != PM_OK || flushed != PM_OK) run->counts[PM_ADOPTED] = pm_log_acknowledged(run->log);
    return rc == PM_OK ? flushed : rc;
}

int pm_adopt(const struct pm_adopt_options *options, uint64_t ret_counts[PM_ADOPTION_COUNT], struct pm_error *err)
{
    struct adopting run = {.options = options, .counts = ret_counts};
    memset(ret_counts, 0, PM_ADOPTION_COUNT * sizeof *ret_counts);
    int rc = adopt_all(&run, err);
    pm_log_close(run.log);
    pm_codec_close(run.codec);
    pm_known_close(run.known);
    pm_buf_release(&run.scratch);
    pm_buf_release(&run.record);
    return rc;
}
