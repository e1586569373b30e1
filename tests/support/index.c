/* index.c: an index of a test's own (index.h). */
#define _GNU_SOURCE /* nftw */
#include "tests/support/index.h"

#include <criterion/criterion.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/event/identity.h"

#define LOG_URL "local:/nowhere"
#define LOG_IDENTITY "local:test"
#define MUST(call)                                                            \
    do {                                                                      \
        struct pm_error err_ = {0}, *err = &err_;                             \
        int rc_ = (call);                                                     \
        cr_assert_eq(rc_, PM_OK, "%s:%d: %s", __FILE__, __LINE__, err_.text); \
    } while (0)

/* ---- directories ---- */

void test_dir_make(char dir[TEST_DIR_SIZE])
{
    snprintf(dir, TEST_DIR_SIZE, "%s/provmat-test-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    cr_assert(mkdtemp(dir), "%s", dir);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

void test_dir_remove(const char *dir) { nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS); }

/* ---- life ---- */

static void open_writer(struct test_index *index)
{
    MUST(pm_writer_open(index->dir, LOG_URL, LOG_IDENTITY, INT64_MAX, &index->w, err));
    MUST(pm_writer_names(index->w, &index->prepare.names, err));
    index->prepare.until_us = INT64_MAX;
}

static void close_writer(struct test_index *index)
{
    pm_names_free(index->prepare.names);
    index->prepare.names = NULL;
    pm_writer_close(index->w);
    index->w = NULL;
}

void test_index_make(struct test_index *index)
{
    *index = (struct test_index){.w = NULL};
    test_dir_make(index->parent);
    snprintf(index->dir, sizeof index->dir, "%s/index", index->parent);
    open_writer(index);
}

void test_index_reopen(struct test_index *index)
{
    cr_assert_eq(index->batch.n_ops, 0);
    close_writer(index);
    open_writer(index);
}

void test_index_remove(struct test_index *index)
{
    close_writer(index);
    pm_batch_release(&index->batch);
    pm_prepare_release(&index->prepare);
    pm_arena_release(&index->arena);
    test_dir_remove(index->parent);
}

/* ---- events ---- */

void test_index_event(struct test_index *index, const struct pm_event *ev)
{
    pm_prepare_event(&index->prepare, ev, &index->batch);
}

static void put_quoted(const char *text, struct pm_buf *out)
{
    for (; *text; text++) pm_buf_byte(out, (uint8_t)(*text == '\'' ? '"' : *text));
}

static const struct {
    const char *word, *type, *more;
} words[] = {
    {"computed", "ResultComputed", "'kind':'sim'"},
    {"discovered", "ResultDiscovered", "'kind':'sim'"},
    {"reused", "ResultReused", "'kind':'sim'"},
    {"failed", "ResultFailed", "'kind':'sim','error':{'type':'E','message':'m','retryable':false}"},
    {"expected", "ResultsExpected", ""},
    {"deleted", "ResultDeleted", ""},
    {"submitted", "JobSubmitted", ""},
    {"status", "JobStatusChanged", ""},
};

static void put_paths(const char *list, bool many, struct pm_buf *out)
{
    pm_buf_printf(out, many ? ",\"results\":[\"" : ",\"result\":\"");
    for (const char *p = list; *p; p++) {
        if (*p == ',') pm_buf_cstr(out, "\",\"");
        else pm_buf_byte(out, (uint8_t)*p);
    }
    pm_buf_cstr(out, many ? "\"]" : "\"");
}

void test_line_json(const char *line, struct pm_buf *out)
{
    char word[16], job[64], path[256];
    long long at;
    unsigned id;
    int used = 0, more = 0;
    size_t i = 0;
    cr_assert_eq(sscanf(line, "%15s %63s %255s @%lld%n", word, job, path, &at, &used), 4, "%s", line);
    while (i < sizeof words / sizeof *words && strcmp(words[i].word, word) != 0) i++;
    cr_assert_lt(i, sizeof words / sizeof *words, "%s", line);
    const char *rest = line + used;
    pm_buf_printf(out, "{\"type\":\"%s\",\"occurred_at\":%lld", words[i].type, at);
    if (sscanf(rest, " #%x%n", &id, &more) == 1) {
        pm_buf_printf(out, ",\"event_id\":\"%032x\"", id);
        rest += more;
    }
    if (strcmp(job, "-") != 0) pm_buf_printf(out, ",\"job_id\":\"%s\"", job);
    if (strcmp(path, "-") != 0) put_paths(path, words[i].word[0] == 'e', out);
    while (*rest == ' ') rest++;
    if (words[i].more[0] && !strstr(rest, "'kind'")) {
        pm_buf_byte(out, ',');
        put_quoted(words[i].more, out);
    }
    if (*rest) pm_buf_byte(out, ',');
    put_quoted(rest, out);
    pm_buf_byte(out, '}');
}

void test_index_line(struct test_index *index, const char *line)
{
    PM_CLEANUP(pm_buf_release) struct pm_buf json = {0};
    struct pm_event ev;
    test_line_json(line, &json);
    pm_arena_reset(&index->arena);
    MUST(pm_event_from_json(pm_buf_slice(&json), 0, &index->arena, &ev, err));
    test_index_event(index, &ev);
}

void test_index_apply(struct test_index *index)
{
    pm_batch_seal(&index->batch);
    MUST(pm_apply(index->w, &index->batch, 0, err));
    pm_batch_clear(&index->batch);
}

void test_index_lines(struct test_index *index, bool each, const char *const *lines)
{
    for (; *lines; lines++) {
        test_index_line(index, *lines);
        if (each || !lines[1]) test_index_apply(index);
    }
}

void test_index_fail(struct test_index *index)
{
    /* An event about a result that the batch or the index has, whose record is a lone byte: refused when everything
     * before it has been applied. */
    struct pm_batch *batch = &index->batch;
    size_t n = batch->n_ops, with_path = n;
    pm_batch_seal(batch);
    for (size_t i = 0; i < n; i++)
        if (batch->ops[i].type <= PM_RESULT_DELETED) with_path = i;
    if (with_path == n) return;
    struct pm_hash128 hash = batch->ops[with_path].hash;
    struct pm_op *bad = pm_batch_op(batch);
    *bad = (struct pm_op){.hash = hash,
                          .type = PM_RESULT_COMPUTED,
                          .at = INT64_MIN,
                          .identity = 1,
                          .bytes_at = batch->bytes.len,
                          .bytes_len = 1};
    pm_buf_byte(&batch->bytes, 0);
    struct pm_error err = {0};
    cr_assert_eq(pm_apply(index->w, batch, 0, &err), PM_ECORRUPT, "%s", err.text);
    cr_assert(index->w->stale);
    batch->n_ops = n;
    batch->bytes.len--;
    MUST(pm_writer_reload(index->w, err));
}

/* ---- what readers see ---- */

struct pm_snapshot *test_index_snapshot(struct test_index *index)
{
    struct pm_snapshot *snap = NULL;
    MUST(pm_snapshot_of(index->w->kv, &snap, err));
    return snap;
}

static void digest_row(void *arg, const struct pm_verify_row *row)
{
    cr_assert(row->ok, "%s: %s", row->view, row->difference);
    pm_buf_printf(arg, "%s %llu %s\n", row->view, (unsigned long long)row->rows, row->digest);
}

static void put_counts(struct pm_snapshot *snap, bool events, struct pm_buf *out)
{
    struct pm_index_info info;
    MUST(pm_snapshot_info(snap, &info, err));
    if (events) pm_buf_printf(out, "events=%llu ", (unsigned long long)info.events);
    pm_buf_printf(out, "results=%llu jobs=%llu pairs=", (unsigned long long)info.results,
                  (unsigned long long)info.jobs);
    for (int role = 0; role < PM_ROLE_COUNT; role++)
        pm_buf_printf(out, "%s%llu", role ? "," : "", (unsigned long long)info.pairs_by_role[role]);
    pm_buf_printf(out, " unattributed=%llu conflicts=%llu", (unsigned long long)info.unattributed,
                  (unsigned long long)info.conflicts);
    if (events) pm_buf_printf(out, " quarantined=%llu", (unsigned long long)info.quarantined);
}

void test_index_digest(const char *dir, struct pm_buf *out)
{
    MUST(pm_verify(&(struct pm_consumer_options){.index_dir = dir}, false, digest_row, out, err));
    struct pm_index *index;
    struct pm_snapshot *snap;
    MUST(pm_index_open(dir, &index, err));
    MUST(pm_snapshot_open(index, &snap, err));
    put_counts(snap, false, out);
    pm_snapshot_close(snap);
    pm_index_close(index);
    pm_buf_byte(out, '\n');
}

#define PUT_TEXT(m, width)   \
    if (ev->has & PM_HAS(m)) \
    pm_buf_printf(out, #m "=%.*s ", (int)(ev->m.len < (width) ? ev->m.len : (width)), ev->m.ptr)
#define PUT_NUMBER(m, format) \
    if (ev->has & PM_HAS(m)) pm_buf_printf(out, #m "=" format " ", ev->m)

static void put_facts(const struct pm_event *ev, struct pm_buf *out)
{
    if (ev->has & PM_HAS(kind)) pm_buf_printf(out, "%s ", pm_kind_name(ev->kind));
    PUT_TEXT(schema, 99);
    PUT_NUMBER(schema_version, "%ld");
    PUT_TEXT(bundle_digest, 4);
    PUT_TEXT(model_digest, 4);
    PUT_TEXT(entrypoint, 99);
    PUT_TEXT(param_id, 4);
    PUT_TEXT(params, 999);
    PUT_NUMBER(seed, "%lu");
    PUT_TEXT(target, 99);
    PUT_TEXT(target_digest, 4);
    PUT_TEXT(aggregation_id, 99);
    PUT_NUMBER(loss, "%.17g");
    PUT_NUMBER(n_replicates, "%ld");
    if (!(ev->has & PM_HAS(outputs))) return;
    pm_buf_cstr(out, "outputs=");
    struct pm_array_iter it = pm_array_iter(ev->outputs);
    struct pm_output output;
    for (bool first = true; pm_array_next_output(&it, &output); first = false)
        pm_buf_printf(out, "%s%.*s/%ld/%.4s", first ? "" : ",", PM_SLICE_ARG(output.name), output.size,
                      output.checksum.ptr);
    pm_buf_byte(out, ' ');
}

/* One pair of a result, with its job's name, so that pairs can be ordered by what readers see. */
struct named_pair {
    char job[64];
    struct pm_pair pair;
};

static int by_job(const void *a, const void *b)
{
    return strcmp(((const struct named_pair *)a)->job, ((const struct named_pair *)b)->job);
}

static void put_pairs(struct pm_snapshot *snap, uint64_t result, struct pm_arena *arena, struct pm_buf *out)
{
    struct pm_pair *pairs;
    struct named_pair named[64];
    size_t n;
    MUST(pm_pairs_of_result(snap, result, arena, &pairs, &n, err));
    cr_assert_leq(n, 64);
    for (size_t i = 0; i < n; i++) {
        struct pm_slice job;
        MUST(pm_job_id(snap, pairs[i].job, &job, err));
        snprintf(named[i].job, sizeof named[i].job, "%.*s", PM_SLICE_ARG(job));
        named[i].pair = pairs[i];
    }
    if (n) qsort(named, n, sizeof *named, by_job);
    for (unsigned role = 0; role < PM_ROLE_COUNT; role++) {
        bool any = false;
        for (size_t i = 0; i < n; i++) {
            if (!(named[i].pair.roles >> role & 1)) continue;
            if (!any) pm_buf_printf(out, "%s ", pm_role_name((enum pm_role)role));
            pm_buf_printf(out, "%s@%ld ", named[i].job, named[i].pair.at[role]);
            any = true;
        }
    }
}

static const char *kept(struct pm_buf *buf, char *out, size_t size)
{
    while (buf->len && buf->ptr[buf->len - 1] == ' ') buf->len--;
    cr_assert_lt(buf->len, size);
    if (buf->len) memcpy(out, buf->ptr, buf->len);
    out[buf->len] = 0;
    pm_buf_release(buf);
    return out;
}

const char *test_index_result(struct test_index *index, const char *path)
{
    static char text[8192];
    struct pm_buf buf = {0}, *out = &buf;
    struct pm_arena arena = {0};
    struct pm_snapshot *snap = test_index_snapshot(index);
    uint64_t number;
    struct pm_result result;
    if (pm_result_find(snap, pm_slice_cstr(path), &number, NULL) != PM_OK) {
        pm_buf_cstr(out, "none");
    } else {
        MUST(pm_result_get(snap, number, &arena, &result, err));
        cr_assert(pm_slice_is(result.path, path), "%.*s", PM_SLICE_ARG(result.path));
        put_facts(&result.facts, out);
        pm_buf_cstr(out, "| ");
        put_pairs(snap, number, &arena, out);
        pm_buf_cstr(out, "| ");
        if (result.deleted) pm_buf_printf(out, "deleted@%ld ", result.deleted_at);
        if (result.conflicts) pm_buf_printf(out, "conflicts=%u ", result.conflicts);
        if (!result.attributed) pm_buf_cstr(out, "unattributed");
    }
    pm_snapshot_close(snap);
    pm_arena_release(&arena);
    return kept(&buf, text, sizeof text);
}

static void put_list(const char *name, const struct pm_slice *items, size_t n, size_t width, struct pm_buf *out)
{
    pm_buf_printf(out, " %s=", name);
    for (size_t i = 0; i < n; i++)
        pm_buf_printf(out, "%s%.*s", i ? "," : "", (int)(items[i].len < width ? items[i].len : width), items[i].ptr);
}

const char *test_index_job(struct test_index *index, const char *job_id)
{
    static char text[8192];
    struct pm_buf buf = {0}, *out = &buf;
    struct pm_arena arena = {0};
    struct pm_snapshot *snap = test_index_snapshot(index);
    uint32_t number;
    struct pm_job job;
    if (pm_job_find(snap, pm_slice_cstr(job_id), &number, NULL) != PM_OK) {
        pm_buf_cstr(out, "none");
    } else {
        MUST(pm_job_get(snap, number, &arena, &job, err));
        pm_buf_printf(out, "status=%s at=%ld..%ld computed=%lu reused=%lu failed=%lu expected=%lu missing=%lu",
                      job.status < 0 ? "none" : pm_status_name((enum pm_status)job.status), job.first_at, job.last_at,
                      job.computed, job.reused, job.failed, job.expected, job.missing);
        put_list("bundles", job.bundle_digests, job.n_bundle_digests, 4, out);
        put_list("targets", job.targets, job.n_targets, 99, out);
        pm_buf_byte(out, ' ');
        const struct pm_event *ev = &job.facts;
        PUT_TEXT(job_type, 99);
        PUT_TEXT(bundle_digest, 4);
        PUT_TEXT(entrypoint, 99);
        PUT_TEXT(user, 99);
        PUT_TEXT(metadata, 99);
        pm_buf_printf(out, "conflicts=%u", job.conflicts);
    }
    pm_snapshot_close(snap);
    pm_arena_release(&arena);
    return kept(&buf, text, sizeof text);
}

struct conflict_texts {
    char *rows[64];
    size_t n;
};

static int take_conflict(void *arg, const struct pm_conflict *conflict, struct pm_error *err)
{
    (void)err;
    struct conflict_texts *texts = arg;
    struct pm_buf buf = {0};
    cr_assert_lt(texts->n, 64);
    pm_buf_printf(&buf, "%.*s %.*s %s", PM_SLICE_ARG(conflict->id), PM_SLICE_ARG(conflict->what),
                  pm_conflict_class_name(conflict->class));
    for (size_t i = 0; i < conflict->n_values; i++) {
        const struct pm_conflict_value *value = &conflict->values[i];
        pm_buf_printf(&buf, " %.*s(%s %.*s @%ld)", (int)(value->value.len < 20 ? value->value.len : 20),
                      value->value.ptr, pm_event_type_name(value->type), value->has_job ? (int)value->job_id.len : 1,
                      value->has_job ? value->job_id.ptr : "-", value->at);
    }
    pm_buf_byte(&buf, 0);
    texts->rows[texts->n++] = buf.ptr;
    return PM_OK;
}

static int by_text(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

const char *test_index_conflicts(struct test_index *index)
{
    static char text[16384];
    struct pm_buf buf = {0};
    struct conflict_texts texts = {.n = 0};
    struct pm_snapshot *snap = test_index_snapshot(index);
    MUST(pm_conflicts_each(snap, take_conflict, &texts, err));
    if (texts.n) qsort(texts.rows, texts.n, sizeof *texts.rows, by_text);
    for (size_t i = 0; i < texts.n; i++) {
        pm_buf_printf(&buf, "%s%s", i ? "; " : "", texts.rows[i]);
        free(texts.rows[i]);
    }
    pm_snapshot_close(snap);
    return kept(&buf, text, sizeof text);
}

const char *test_index_counts(struct test_index *index)
{
    static char text[512];
    struct pm_buf buf = {0};
    struct pm_snapshot *snap = test_index_snapshot(index);
    put_counts(snap, true, &buf);
    pm_snapshot_close(snap);
    return kept(&buf, text, sizeof text);
}
