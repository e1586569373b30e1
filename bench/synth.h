/* synth.h: the events of the benchmark, made from a seed. Everything about a result follows from its place (job,
 * ordinal among what the job computes) by a hash, so an event that reuses a result of long ago is made without having
 * kept it, and lookups can name any result again. Shapes follow examples/week.
 *
 *   jobs         1,000 results each, 64 jobs at once, their events in turn; 600 computed, 400 reused of a uniformly
 * random earlier result computed     eleven at a time: ten simulations (seeds) of one parameter set, then their
 * aggregation around them  JobSubmitted, JobStatusChanged running before, JobStatusChanged succeeded after
 *
 * One thread; slices of an event end at the next one. */
#ifndef PM_BENCH_SYNTH_H
#define PM_BENCH_SYNTH_H

#include <stdio.h>

#include "common/base/number.h"
#include "common/event/event.h"
#include "common/event/identity.h"

#define SYNTH_JOB_RESULTS 1000
#define SYNTH_JOB_REUSED 400
#define SYNTH_JOB_COMPUTED (SYNTH_JOB_RESULTS - SYNTH_JOB_REUSED)
#define SYNTH_ACTIVE 64
#define SYNTH_GROUP_COMPUTED ((uint64_t)SYNTH_ACTIVE * SYNTH_JOB_COMPUTED)
#define SYNTH_SET 11 /* ten simulations and their aggregation */
#define SYNTH_BUNDLES 20
#define SYNTH_AT 1767600000000000 /* 2026-01-05T08:00:00Z */
#define SYNTH_STEP_US 1000
#define SYNTH_BIG_JOB UINT32_MAX /* the number of the one big job */

struct synth_place { /* of a result: the k-th that a job computes */
    uint32_t job, k;
};

struct synth {
    uint64_t seed;
    uint64_t results; /* events on results to make, without the big job */
    bool brief;    /* lines of about 500 bytes: without what the program derives, one output, fewer optional fields */
    uint64_t made; /* events of all types so far */
    struct pm_arena arena; /* of one event */
    struct synth_params {  /* of the set that each of the active jobs computes now: nine of ten events on it need no new
                              hash */
        uint64_t set;
        size_t len;
        char text[128], id[64];
    } params[SYNTH_ACTIVE + 1];
    char text[4096];
    size_t text_len;
};

static inline uint64_t synth_mix(uint64_t z)
{
    z += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static inline uint64_t synth_hash(const struct synth *s, uint64_t what, uint64_t a, uint64_t b)
{
    return synth_mix(synth_mix(synth_mix(s->seed ^ what << 56) ^ a) ^ b);
}
static inline uint64_t synth_below(uint64_t random, uint64_t n)
{
    return (uint64_t)((unsigned __int128)random * n >> 64);
}

/* ---- text ---- */

static inline struct pm_slice synth_text_end(struct synth *s, size_t from)
{
    return pm_slice(s->text + from, s->text_len - from);
}
static inline void synth_put(struct synth *s, const char *ptr, size_t len)
{
    memcpy(s->text + s->text_len, ptr, len);
    s->text_len += len;
}
#define synth_lit(s, literal) synth_put((s), "" literal, sizeof(literal) - 1)
static inline void synth_u64(struct synth *s, uint64_t value)
{
    s->text_len += pm_u64_format(value, s->text + s->text_len);
}
static inline void synth_double(struct synth *s, uint64_t random)
{
    s->text_len += pm_double_format((double)((random >> 11) + 1) * 0x1p-53, s->text + s->text_len);
}
static inline void synth_hex(struct synth *s, uint64_t random, size_t digits)
{
    for (; digits; digits -= digits < 16 ? digits : 16) {
        char hex[16];
        random = synth_mix(random);
        pm_hex_encode(&random, 8, hex);
        synth_put(s, hex, digits < 16 ? digits : 16);
    }
}
static inline struct pm_slice synth_hex_slice(struct synth *s, const char *prefix, uint64_t random, size_t digits)
{
    size_t from = s->text_len;
    synth_put(s, prefix, strlen(prefix));
    synth_hex(s, random, digits);
    return synth_text_end(s, from);
}

/* ---- a result ---- */

#define SYNTH_HAS(ev, member, value) ((ev)->member = (value), (ev)->has |= PM_HAS(member))

static const char *const synth_targets[] = {"targets.prevalence:prevalence_target",
                                            "targets.outbreak:outbreak_size_target",
                                            "targets.deaths:weekly_deaths_target", "targets.icu:occupancy_target"};
static const char *const synth_entrypoints[] = {"models.seir/baseline", "models.seir/lockdown",
                                                "models.seirs/baseline"};

static inline struct pm_slice synth_job_id(struct synth *s, uint32_t job)
{
    if (job == SYNTH_BIG_JOB) return PM_SLICE("job-big");
    size_t from = s->text_len;
    synth_lit(s, "job-");
    uint32_t number = (uint32_t)(job * 0x9e3779b1u + (uint32_t)s->seed); /* odd factor: no two alike */
    char hex[8];
    pm_hex_encode(&number, 4, hex);
    synth_put(s, hex, 8);
    return synth_text_end(s, from);
}

static inline uint32_t synth_bundle(const struct synth *s, uint32_t job)
{
    return (uint32_t)synth_below(synth_hash(s, 1, job, 0), SYNTH_BUNDLES);
}

static inline void synth_study(struct synth *s, struct pm_event *ev, uint32_t job) /* what all results of a job share */
{
    uint32_t bundle = synth_bundle(s, job);
    SYNTH_HAS(ev, bundle_digest, synth_hex_slice(s, "", synth_hash(s, 2, bundle, 0), 64));
    if (!s->brief) SYNTH_HAS(ev, entrypoint, pm_slice_cstr(synth_entrypoints[bundle % 3]));
}

static inline void synth_path(struct synth *s, struct pm_event *ev, struct synth_place place)
{
    uint64_t set = synth_hash(s, 4, place.job, place.k / SYNTH_SET);
    size_t from = s->text_len;
    if (ev->kind == PM_KIND_SIM) {
        synth_lit(s, "token/v1/sims/");
        synth_put(s, ev->bundle_digest.ptr, 12);
        synth_lit(s, "/");
        synth_hex(s, set, 2);
        synth_lit(s, "/");
        synth_hex(s, set + 1, 2);
        synth_lit(s, "/params_");
        synth_put(s, ev->param_id.ptr, 8);
        synth_lit(s, "/seed_");
        synth_u64(s, ev->seed);
    } else {
        synth_lit(s, "token/v1/aggs/");
        synth_put(s, ev->bundle_digest.ptr, 12);
        synth_lit(s, "/target_");
        synth_put(s, ev->target.ptr, ev->target.len);
        synth_lit(s, "/agg_");
        synth_put(s, ev->aggregation_id.ptr, 16);
    }
    SYNTH_HAS(ev, result, synth_text_end(s, from));
}

/* `slot`: of the computing jobs one each; reuses, which jump from set to set, have their own. */
static inline const struct synth_params *synth_params(struct synth *s, uint64_t set, uint32_t slot)
{
    struct synth_params *p = &s->params[slot];
    if (p->set == set && p->len) return p;
    size_t from = s->text_len;
    synth_lit(s, "{\"beta\":");
    synth_double(s, set);
    synth_lit(s, ",\"gamma\":");
    synth_double(s, synth_mix(set));
    synth_lit(s, ",\"sigma\":");
    synth_double(s, synth_mix(set + 1));
    synth_lit(s, "}");
    p->set = set;
    p->len = s->text_len - from;
    memcpy(p->text, s->text + from, p->len);
    pm_param_id(pm_slice(p->text, p->len), p->id);
    s->text_len = from;
    return p;
}

/* The identity of a result and what was seen of it: the same for the event that computes it and for those that reuse
 * it. */
static inline void synth_result(struct synth *s, struct pm_event *ev, struct synth_place place)
{
    uint64_t set = synth_hash(s, 4, place.job, place.k / SYNTH_SET), own = synth_hash(s, 5, place.job, place.k);
    bool agg = place.k % SYNTH_SET == SYNTH_SET - 1;
    synth_study(s, ev, place.job);
    SYNTH_HAS(ev, kind, agg ? PM_KIND_AGG : PM_KIND_SIM);
    if (!s->brief) SYNTH_HAS(ev, schema, PM_SLICE("token"));
    if (!s->brief) SYNTH_HAS(ev, schema_version, 1);
    if (!s->brief)
        SYNTH_HAS(ev, model_digest, synth_hex_slice(s, "sha256:", synth_hash(s, 3, synth_bundle(s, place.job), 0), 64));
    const struct synth_params *params = synth_params(
        s, set, ev->type == PM_RESULT_COMPUTED ? place.job % SYNTH_ACTIVE : SYNTH_ACTIVE);
    SYNTH_HAS(ev, params, pm_slice(params->text, params->len));
    SYNTH_HAS(ev, param_id, pm_slice(params->id, 64));
    if (agg) {
        SYNTH_HAS(ev, target, pm_slice_cstr(synth_targets[set % 4]));
        SYNTH_HAS(ev, aggregation_id, synth_hex_slice(s, "", own, 16));
        SYNTH_HAS(ev, loss, (double)(own >> 40) / 7);
        SYNTH_HAS(ev, n_replicates, SYNTH_SET - 1);
    } else {
        SYNTH_HAS(ev, seed, (set >> 33) + place.k % SYNTH_SET);
        struct pm_output outputs[2] = {{.name = PM_SLICE("prevalence"),
                                        .size = 4000 + (int64_t)(own % 1000),
                                        .checksum = synth_hex_slice(s, "", own, 64)}};
        if (!s->brief)
            outputs[1] = (struct pm_output){
                .name = PM_SLICE("summary"), .size = 1045, .checksum = synth_hex_slice(s, "", own + 1, 64)};
        SYNTH_HAS(ev, outputs, pm_array_of_outputs(&s->arena, outputs, s->brief ? 1 : 2));
    }
    synth_path(s, ev, place);
    if (s->brief) ev->has &= ~PM_HAS(param_id); /* emit derives it */
}

static inline void synth_begin(struct synth *s, struct pm_event *ev, enum pm_event_type type, uint32_t job)
{
    s->text_len = 0;
    pm_arena_reset(&s->arena);
    *ev = (struct pm_event){.type = type};
    SYNTH_HAS(ev, job_id, synth_job_id(s, job));
    SYNTH_HAS(ev, occurred_at, SYNTH_AT + (int64_t)s->made * SYNTH_STEP_US);
    SYNTH_HAS(ev, event_id, synth_hex_slice(s, "", synth_hash(s, 6, s->made, job), 32));
    s->made++;
}

static inline void synth_computed(struct synth *s, struct pm_event *ev, struct synth_place place)
{
    synth_begin(s, ev, PM_RESULT_COMPUTED, place.job);
    synth_result(s, ev, place);
    if (!s->brief) SYNTH_HAS(ev, duration_us, 20000 + (int64_t)(s->made % 5000));
    SYNTH_HAS(ev, worker, pm_slice_cstr(s->made & 1 ? "w0" : "w1"));
}

static inline void synth_reused(struct synth *s, struct pm_event *ev, uint32_t job, struct synth_place place)
{
    synth_begin(s, ev, PM_RESULT_REUSED, job);
    synth_result(s, ev, place);
    SYNTH_HAS(ev, source, PM_SOURCE_LOCAL);
    if (!s->brief) SYNTH_HAS(ev, stored_at, SYNTH_AT + (int64_t)place.job * SYNTH_STEP_US);
    SYNTH_HAS(ev, worker, pm_slice_cstr(s->made & 1 ? "w0" : "w1"));
}

/* ---- jobs ---- */

static inline void synth_submitted(struct synth *s, struct pm_event *ev, uint32_t job)
{
    synth_begin(s, ev, PM_JOB_SUBMITTED, job);
    synth_study(s, ev, job);
    SYNTH_HAS(ev, job_type, PM_SLICE("simulation"));
    struct pm_slice targets[2] = {pm_slice_cstr(synth_targets[job % 4]), pm_slice_cstr(synth_targets[(job + 1) % 4])};
    SYNTH_HAS(ev, targets, pm_array_of_texts(&s->arena, targets, 2));
    SYNTH_HAS(ev, definition_hash, synth_hex_slice(s, "", synth_hash(s, 7, job, 0), 64));
    SYNTH_HAS(ev, user, PM_SLICE("analyst-1"));
    SYNTH_HAS(ev, job_inputs, PM_SLICE("{\"parameter_sets\":100,\"tasks\":1000}"));
}

static inline void synth_status(struct synth *s, struct pm_event *ev, uint32_t job, enum pm_status status)
{
    synth_begin(s, ev, PM_JOB_STATUS_CHANGED, job);
    SYNTH_HAS(ev, status, status);
}

static inline uint32_t synth_jobs(const struct synth *s)
{
    return (uint32_t)((s->results + SYNTH_JOB_RESULTS - 1) / SYNTH_JOB_RESULTS);
}

/* The u-th result that the whole stream computes, when all of it is done. */
static inline struct synth_place synth_place_of(uint64_t u)
{
    return (struct synth_place){(uint32_t)(u / SYNTH_JOB_COMPUTED), (uint32_t)(u % SYNTH_JOB_COMPUTED)};
}
static inline uint64_t synth_computed_count(const struct synth *s)
{
    return s->results / SYNTH_JOB_RESULTS * SYNTH_JOB_COMPUTED;
}

/* Is the p-th result event of a job a reuse? 400 of 1,000, never the first, in another order in each job. */
static inline bool synth_is_reuse(const struct synth *s, uint32_t job, uint32_t p)
{
    static const uint32_t factors[8] = {373, 397, 421, 443, 467, 491, 617, 641}; /* coprime with 1,000 */
    uint64_t h = synth_hash(s, 8, job, 0);
    return (p * factors[h % 8] + SYNTH_JOB_REUSED + synth_below(h, SYNTH_JOB_COMPUTED)) % SYNTH_JOB_RESULTS <
           SYNTH_JOB_REUSED;
}

#endif
