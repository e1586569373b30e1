/* clear_plan.c: what `provmat store clear` prints, and what it reads with --plan (clear_plan.h). */
#include "cli/clear_plan.h"

#include <errno.h>
#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/json.h"
#include "common/base/number.h"
#include "common/base/time.h"

/* ---- rows ---- */

static const struct pm_column list_of_hurt[] = {
    {.name = "job_id", .type = PM_COLUMN_TEXT},
    {.name = "role", .type = PM_COLUMN_TEXT},
    {.name = "status", .type = PM_COLUMN_TEXT},
    {0},
};
const struct pm_column pm_clear_columns[PM_CLEAR_COLUMNS] = {
    {.name = "result", .type = PM_COLUMN_TEXT},
    {.name = "action", .type = PM_COLUMN_TEXT},
    {.name = "reason", .type = PM_COLUMN_TEXT},
    {.name = "kind", .type = PM_COLUMN_TEXT},
    {.name = "layout", .type = PM_COLUMN_TEXT},
    {.name = "state", .type = PM_COLUMN_TEXT},
    {.name = "bundle_digest", .type = PM_COLUMN_TEXT},
    {.name = "files", .type = PM_COLUMN_INT},
    {.name = "bytes", .type = PM_COLUMN_INT},
    {.name = "at", .type = PM_COLUMN_TIME},
    {.name = "last_used_at", .type = PM_COLUMN_TIME},
    {.name = "jobs", .type = PM_COLUMN_INT},
    {.name = "computed_by", .type = PM_COLUMN_LIST, .fields = pm_list_of_job_at},
    {.name = "reused_by", .type = PM_COLUMN_LIST, .fields = pm_list_of_job_at},
    {.name = "hurt", .type = PM_COLUMN_LIST, .fields = list_of_hurt},
    {.name = "version", .type = PM_COLUMN_TEXT},
};

/* As it can be shown; ptr NULL: null. */
static void add_text(struct pm_rows *rows, struct pm_slice text)
{
    PM_CLEANUP(pm_buf_release) struct pm_buf out = {0};
    if (!text.ptr) {
        pm_row_null(rows);
        return;
    }
    pm_put_text(&out, text);
    pm_row_text(rows, pm_buf_slice(&out));
}

static void add_time(struct pm_rows *rows, int64_t us)
{
    if (us >= PM_TIME_MIN && us <= PM_TIME_MAX) pm_row_time(rows, us);
    else pm_row_null(rows);
}

static void add_users(struct pm_rows *rows, const struct pm_clear *plan, const struct pm_clear_item *item,
                      enum pm_role role)
{
    pm_row_list_begin(rows);
    for (size_t i = 0; i < item->n_uses; i++) {
        const struct pm_clear_use *use = &plan->uses[item->first_use + i];
        if (use->role != role) continue;
        pm_row_text(rows, plan->jobs[use->job].job_id);
        pm_row_time(rows, use->at);
    }
    pm_row_list_end(rows);
}

static void add_hurt(struct pm_rows *rows, const struct pm_clear *plan, const struct pm_clear_item *item)
{
    pm_row_list_begin(rows);
    for (size_t i = 0; i < item->n_uses; i++) {
        const struct pm_clear_use *use = &plan->uses[item->first_use + i];
        if (!use->hurt) continue;
        pm_row_text(rows, plan->jobs[use->job].job_id);
        pm_row_cstr(rows, pm_role_name(use->role));
        pm_row_cstr(rows, plan->jobs[use->job].status);
    }
    pm_row_list_end(rows);
}

static void add_uses(struct pm_rows *rows, const struct pm_clear *plan, const struct pm_clear_item *item)
{
    int64_t jobs = 0;
    for (size_t i = 0; i < item->n_uses; i++) {
        enum pm_role role = plan->uses[item->first_use + i].role;
        jobs += role == PM_ROLE_COMPUTED || role == PM_ROLE_REUSED;
    }
    pm_row_int(rows, jobs);
    add_users(rows, plan, item, PM_ROLE_COMPUTED);
    add_users(rows, plan, item, PM_ROLE_REUSED);
    add_hurt(rows, plan, item);
}

static void add_version(struct pm_rows *rows, const struct pm_clear_item *item)
{
    char text[33];
    snprintf(text, sizeof text, "%016llx%016llx", (unsigned long long)item->version.hi,
             (unsigned long long)item->version.lo);
    if (item->version.hi | item->version.lo) pm_row_cstr(rows, text);
    else pm_row_null(rows);
}

int pm_clear_row(struct pm_rows *rows, const struct pm_clear *plan, const struct pm_clear_item *item, bool known,
                 struct pm_error *err)
{
    pm_row_begin(rows);
    add_text(rows, item->path);
    pm_row_cstr(rows, pm_clear_action_name(item->action));
    add_text(rows, item->reason);
    pm_row_cstr(rows, item->kind < 0 ? NULL : pm_kind_name((enum pm_kind)item->kind));
    add_text(rows, item->layout);
    pm_row_cstr(rows, item->state < 0 ? NULL : pm_stored_state_name((enum pm_stored_state)item->state));
    add_text(rows, item->bundle_digest);
    pm_row_int(rows, (int64_t)item->files);
    pm_row_int(rows, (int64_t)item->bytes);
    add_time(rows, item->at);
    add_time(rows, item->last_used_at);
    if (known) add_uses(rows, plan, item);
    else
        for (int i = 0; i < 4; i++) pm_row_null(rows);
    add_version(rows, item);
    return pm_row_end(rows, err);
}

/* ---- numbers ---- */

enum { WAS_COMPUTED = 1, WAS_REUSED = 2, WAS_HURT = 4 };

static void note_jobs(const struct pm_clear *plan, const struct pm_clear_item *item, uint8_t *jobs)
{
    for (size_t i = 0; i < item->n_uses; i++) {
        const struct pm_clear_use *use = &plan->uses[item->first_use + i];
        if (use->role == PM_ROLE_COMPUTED) jobs[use->job] |= WAS_COMPUTED;
        if (use->role == PM_ROLE_REUSED) jobs[use->job] |= WAS_REUSED;
        if (use->hurt) jobs[use->job] |= WAS_HURT;
    }
}

void pm_clear_count(const struct pm_clear *plan, bool done, struct pm_clear_totals *ret)
{
    struct pm_clear_totals totals = {0};
    uint8_t *jobs = pm_calloc(plan->n_jobs + 1, 1);
    for (size_t i = 0; i < plan->n_items; i++) {
        const struct pm_clear_item *item = &plan->items[i];
        enum pm_clear_action action = item->action;
        totals.kept += action == PM_CLEAR_KEEP;
        totals.gone += action == PM_CLEAR_GONE;
        totals.changed += action == PM_CLEAR_CHANGED;
        totals.failed += action == PM_CLEAR_CHANGED || action == PM_CLEAR_FAILED;
        totals.finished += action == (done ? PM_CLEAR_FINISHED : PM_CLEAR_FINISH);
        if (done ? action != PM_CLEAR_DELETED && action != PM_CLEAR_FINISHED
                 : action != PM_CLEAR_DELETE && action != PM_CLEAR_FINISH)
            continue;
        totals.results++;
        totals.files += item->files;
        totals.bytes += item->bytes;
        note_jobs(plan, item, jobs);
    }
    for (size_t i = 0; i < plan->n_jobs; i++) {
        totals.computed_by += (jobs[i] & WAS_COMPUTED) != 0;
        totals.reused_by += (jobs[i] & WAS_REUSED) != 0;
        totals.hurt += (jobs[i] & WAS_HURT) != 0;
    }
    free(jobs);
    *ret = totals;
}

void pm_clear_totals_json(const struct pm_clear_totals *totals, struct pm_buf *out)
{
    const struct {
        const char *name;
        uint64_t value;
    } members[] = {{"results", totals->results},
                   {"files", totals->files},
                   {"bytes", totals->bytes},
                   {"finished", totals->finished},
                   {"kept", totals->kept},
                   {"gone", totals->gone},
                   {"changed", totals->changed},
                   {"failed", totals->failed - totals->changed},
                   {"computed_by", totals->computed_by},
                   {"reused_by", totals->reused_by},
                   {"hurt", totals->hurt}};
    pm_buf_cstr(out, "\"totals\":{");
    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        pm_buf_printf(out, "%s\"%s\":%llu", i ? "," : "", members[i].name, (unsigned long long)members[i].value);
    pm_buf_byte(out, '}');
}

static void tell_failed(const struct pm_clear *plan)
{
    for (size_t i = 0; i < plan->n_items; i++) {
        const struct pm_clear_item *item = &plan->items[i];
        PM_CLEANUP(pm_buf_release) struct pm_buf path = {0};
        if (item->action != PM_CLEAR_FAILED && item->action != PM_CLEAR_CHANGED) continue;
        pm_put_text(&path, item->path);
        pm_cli_warn("%.*s: %.*s", (int)path.len, path.ptr, PM_SLICE_ARG(item->reason));
    }
}

static void add_count(struct pm_buf *out, uint64_t count, const char *what)
{
    char text[32];
    if (count) pm_buf_printf(out, ", %s %s", pm_count_format(count, text), what);
}

void pm_clear_tell(const struct pm_cli *cli, const struct pm_clear *plan, const struct pm_clear_totals *totals,
                   bool done, bool known)
{
    PM_CLEANUP(pm_buf_release) struct pm_buf out = {0};
    char results[32], files[32], bytes[32];
    tell_failed(plan);
    pm_buf_printf(&out, "%s result%s %s (%s file%s, %s bytes)", pm_count_format(totals->results, results),
                  totals->results == 1 ? "" : "s", done ? "deleted" : "would be deleted",
                  pm_count_format(totals->files, files), totals->files == 1 ? "" : "s",
                  pm_count_format(totals->bytes, bytes));
    add_count(&out, totals->finished, "of them half-deleted before");
    add_count(&out, totals->kept, "kept");
    add_count(&out, totals->gone, "gone already");
    add_count(&out, totals->changed, "changed since the plan and left alone");
    add_count(&out, totals->failed - totals->changed, "failed");
    if (known && totals->results) {
        char computed[32], reused[32];
        pm_buf_printf(&out, "; computed by %s and reused by %s job%s", pm_count_format(totals->computed_by, computed),
                      pm_count_format(totals->reused_by, reused), totals->reused_by == 1 ? "" : "s");
        add_count(&out, totals->hurt,
                  totals->hurt == 1 ? "job that has not ended is hurt" : "jobs that have not ended are hurt");
    }
    if (!done && totals->results) pm_buf_cstr(&out, "; --force deletes them");
    pm_cli_note(cli, "%.*s", (int)out.len, out.ptr);
}

/* ---- a plan that somebody has read ---- */

struct planned { /* the members of a row that count */
    struct pm_slice result, action, version;
};

static int read_member(struct pm_json *in, struct pm_slice key, struct planned *row, struct pm_error *err)
{
    struct pm_slice *text = pm_slice_is(key, "result")    ? &row->result
                            : pm_slice_is(key, "action")  ? &row->action
                            : pm_slice_is(key, "version") ? &row->version
                                                          : NULL;
    if (text && pm_json_peek(in) == PM_JSON_STRING) return pm_json_read_string(in, text, err);
    return pm_json_read_compact(in, NULL, err);
}

static int read_row(struct pm_slice line, struct pm_arena *arena, struct planned *ret, struct pm_error *err)
{
    struct pm_json in;
    struct pm_slice key;
    bool more;
    PM_TRY(pm_json_open(&in, line, arena, err));
    PM_TRY(pm_json_enter(&in, '{', err));
    for (;;) {
        PM_TRY(pm_json_read_key(&in, &key, &more, err));
        if (!more) break;
        PM_TRY(read_member(&in, key, ret, err));
    }
    PM_TRY(pm_json_close(&in, err));
    if (!ret->result.ptr || !ret->action.ptr)
        return pm_error_set(err, PM_EUSAGE, "no row of a plan: \"result\" or \"action\" is missing");
    return PM_OK;
}

static int take_row(const struct planned *row, struct pm_arena *arena, struct pm_clear_planned *ret,
                    struct pm_error *err)
{
    uint8_t bytes[16];
    if (row->version.len != 32 || !pm_hex_decode(row->version, bytes))
        return pm_error_set(err, PM_EUSAGE,
                            "\"version\" is missing, so that nobody can tell whether the result is the same");
    *ret = (struct pm_clear_planned){.path = pm_arena_copy(arena, row->result)};
    for (int i = 0; i < 8; i++) {
        ret->version.hi = ret->version.hi << 8 | bytes[i];
        ret->version.lo = ret->version.lo << 8 | bytes[8 + i];
    }
    return PM_OK;
}

static int read_rows(FILE *in, const char *file, struct pm_arena *arena, struct pm_clear_planned **rows,
                     size_t *ret_count, struct pm_error *err)
{
    char *line = NULL;
    size_t room = 0, n_room = 0;
    struct pm_arena scratch = {0};
    int rc = PM_OK;
    unsigned long long number = 1;
    for (ssize_t len; rc == PM_OK && (len = getline(&line, &room, in)) >= 0; number++) {
        struct planned row = {{NULL, 0}, {NULL, 0}, {NULL, 0}};
        pm_arena_reset(&scratch);
        if (strspn(line, " \t\r\n") == (size_t)len) continue;
        rc = read_row(pm_slice(line, (size_t)len), &scratch, &row, err);
        if (rc == PM_OK && pm_slice_is(row.action, pm_clear_action_name(PM_CLEAR_DELETE))) {
            if (*ret_count == n_room) {
                n_room = n_room ? 2 * n_room : 256;
                *rows = pm_realloc(*rows, n_room * sizeof **rows);
            }
            rc = take_row(&row, arena, &(*rows)[*ret_count], err);
            *ret_count += rc == PM_OK;
        }
        if (rc != PM_OK) rc = pm_error_wrap(err, PM_EUSAGE, "%s:%llu", file, number);
    }
    if (rc == PM_OK && ferror(in)) rc = pm_error_set(err, PM_EUSAGE, "could not read \"%s\"", file);
    pm_arena_release(&scratch);
    free(line);
    return rc == PM_OK ? PM_OK : PM_EUSAGE;
}

int pm_clear_plan_read(const char *file, struct pm_arena *arena, struct pm_clear_planned **ret, size_t *ret_count,
                       struct pm_error *err)
{
    bool is_stdin = !strcmp(file, "-");
    FILE *in = is_stdin ? stdin : fopen(file, "re");
    if (!in) return pm_error_set(err, PM_EUSAGE, "could not open the plan \"%s\": %s", file, pm_error_system(errno));
    struct pm_clear_planned *rows = NULL;
    size_t n = 0;
    int rc = read_rows(in, is_stdin ? "stdin" : file, arena, &rows, &n, err);
    if (!is_stdin) fclose(in);
    if (rc == PM_OK) {
        *ret = rows ? rows : pm_malloc(sizeof *rows); /* a plan that names nothing is one, too */
        *ret_count = n;
    } else {
        free(rows);
    }
    return rc;
}
