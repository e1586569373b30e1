/* results.c: the view of results: path, facts, deletion. */
#include "common/base/check.h"
#include "consumer/views/views.h"

struct walk {
    struct pm_dump *dump;
    pm_view_each each;
    void *arg;
    struct pm_arena arena;
    struct pm_buf text;
};

/* One row a result: its facts as the line of an event, and what is beside them. */
static int take_result(void *arg, const struct pm_result *brief, struct pm_error *err)
{
    struct walk *walk = arg;
    struct pm_result result;
    pm_arena_reset(&walk->arena);
    PM_TRY(pm_result_get(walk->dump->snap, brief->number, &walk->arena, &result, err));
    struct pm_buf *text = &walk->text;
    pm_buf_clear(text);
    struct pm_event facts = result.facts;
    facts.type = PM_RESULT_COMPUTED;
    facts.result = result.path;
    /* what an event must have and a result has not */
    facts.job_id = facts.event_id = pm_slice("", 0);
    facts.occurred_at = 0;
    if (!(facts.has & PM_HAS(kind))) facts.kind = PM_KIND_SIM;
    pm_buf_printf(text, "%llx|", (unsigned long long)facts.has);
    facts.has |= PM_HAS(result) | PM_HAS(kind) | PM_HAS(job_id) | PM_HAS(event_id) | PM_HAS(occurred_at);
    pm_event_to_json(&facts, pm_slice("", 0), text);
    pm_buf_printf(text, "|%d|%d|%lld|%u", result.attributed, result.deleted,
                  result.deleted ? (long long)result.deleted_at : 0, result.conflicts);
    struct pm_view_row row = {.content = pm_view_hash(pm_buf_slice(text)), .result = (int64_t)result.number, .job = -1};
    return walk->each(walk->arg, &row, err);
}

int pm_view_results(struct pm_dump *dump, pm_view_each each, void *arg, struct pm_error *err)
{
    struct walk walk = {.dump = dump, .each = each, .arg = arg};
    int rc = pm_results_each(dump->snap, take_result, &walk, err);
    pm_arena_release(&walk.arena);
    pm_buf_release(&walk.text);
    return rc;
}
