/* put_test.c: the calls of provmat_store.h as a worker makes them, what is written read back by the reader of stores,
 * names of what is being written, and identities. */
#include "provstore/provmat_store.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/arena.h"
#include "provstore/key.h"
#include "provstore/pending.h"
#include "provstore/result_json.h"
#include "provstore/result_write.h"
#include "provstore/stage.h"

#define REF "sha256:4f446dbc7bd09db746ea635f0acb27025ebb7dc982442691eb114588fd99a7c2"

static char dir[] = "/tmp/provmat-test-XXXXXX", root[64], url[64];

static void begin(void)
{
    cr_assert_not_null(mkdtemp(dir));
    snprintf(root, sizeof root, "%s/store", dir);
    snprintf(url, sizeof url, "local:%s/log", dir);
    cr_assert_eq(mkdir(root, 0777), 0);
    unsetenv("PROVMAT_JOB_ID");
    unsetenv("PROVMAT_OUTBOX");
}

static void end(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", dir);
    cr_assert_eq(system(command), 0);
}

TestSuite(put, .init = begin, .fini = end, .timeout = 60);

static provmat_store *opened(provmat_producer *producer)
{
    struct provmat_store_options options = {.size = sizeof options, .root = root, .producer = producer};
    struct provmat_error err;
    provmat_store *store = NULL;
    cr_assert_eq(provmat_store_open(&options, &store, &err), PROVMAT_OK, "%s", err.text);
    return store;
}

static struct provmat_result sim(uint64_t seed)
{
    return (struct provmat_result){.size = sizeof(struct provmat_result),
                                   .kind = PROVMAT_SIM,
                                   .has = PROVMAT_HAS_SEED,
                                   .seed = seed,
                                   .bundle_ref = REF,
                                   .entrypoint = "m/base",
                                   .params = "{\"b\":1.0,\"a\":1}"};
}

static int put_bytes(provmat_store *store, const struct provmat_result *result, const char *bytes,
                     struct provmat_stored **ret, struct provmat_error *err)
{
    struct provmat_computed event = {.size = sizeof event, .job_id = "job-1", .result = result};
    struct provmat_artifact artifact = {.name = "table", .bytes = bytes, .length = strlen(bytes)};
    struct provmat_put put = {.size = sizeof put, .event = &event, .artifacts = &artifact, .n_artifacts = 1};
    return provmat_store_put(store, &put, ret, err);
}

static int get_it(provmat_store *store, const struct provmat_result *result, struct provmat_stored **ret,
                  struct provmat_error *err)
{
    struct provmat_reused event = {.size = sizeof event, .job_id = "job-2", .result = result};
    struct provmat_get get = {.size = sizeof get, .event = &event};
    return provmat_store_get(store, &get, ret, err);
}

Test(put, a_worker)
{
    struct provmat_options options = {.size = sizeof options, .log = url};
    struct provmat_counters counters = {.size = sizeof counters};
    struct provmat_error err;
    struct provmat_stored *hit = NULL, *stored = NULL, *again = NULL;
    provmat_producer *p;
    cr_assert_eq(provmat_open(&options, &p, &err), PROVMAT_OK, "%s", err.text);
    provmat_store *store = opened(p);
    struct provmat_result result = sim(7);
    cr_assert_eq(get_it(store, &result, &hit, &err), PROVMAT_EMISS);
    cr_assert(strstr(err.text, "not stored"), "%s", err.text);
    cr_assert_null(hit);
    cr_assert_eq(put_bytes(store, &result, "bytes", &stored, &err), PROVMAT_OK, "%s", err.text);
    cr_assert(stored->outcome == PROVMAT_STORED && stored->event == PROVMAT_OK, "%s", stored->event_why);
    cr_assert(stored->n_files == 1 && stored->files[0].size == 5 && access(stored->files[0].file, R_OK) == 0);
    cr_assert(strlen(stored->task_id) == 64 && !stored->aggregation_id && !stored->metadata);
    cr_assert_eq(put_bytes(store, &result, "bytes", &again, &err), PROVMAT_OK, "%s", err.text);
    cr_assert_eq(again->outcome, PROVMAT_ALREADY);
    cr_assert(again->stored_at_us == stored->stored_at_us && (again->has & PROVMAT_HAS_STORED_AT));
    provmat_stored_free(again);
    again = NULL;
    cr_assert_eq(put_bytes(store, &result, "other", &again, &err), PROVMAT_ECONFLICT);
    cr_assert_null(again, "untouched on failure");
    cr_assert_eq(get_it(store, &result, &hit, &err), PROVMAT_OK, "%s", err.text);
    cr_assert_str_eq(hit->path, stored->path);
    cr_assert_str_eq(hit->files[0].file, stored->files[0].file);
    provmat_stored_free(stored);
    cr_assert(hit->n_files == 1 && hit->files[0].size == 5 && (hit->has & PROVMAT_HAS_STORED_AT));
    cr_assert_str_eq(hit->files[0].name, "table");
    cr_assert(strstr(hit->files[0].file, "/artifact_table.arrow") && strlen(hit->files[0].checksum) == 64);
    cr_assert(strstr(hit->metadata, "\"seed\": 7") && strstr(hit->result, "\"task_id\"") && strlen(hit->task_id) == 64);
    provmat_stored_free(hit);
    provmat_store_close(store);
    cr_assert_eq(provmat_flush(p, 10000, &err), PROVMAT_OK, "%s", err.text);
    provmat_counters(p, &counters);
    cr_assert(counters.acknowledged == 3 && !counters.rejected, "%llu", (unsigned long long)counters.acknowledged);
    provmat_close(p, 1000, NULL);
}

Test(put, an_event_that_is_refused_changes_nothing)
{
    struct provmat_options options = {.size = sizeof options, .log = url};
    struct provmat_stored *stored = NULL;
    struct provmat_error err;
    provmat_producer *p;
    cr_assert_eq(provmat_open(&options, &p, &err), PROVMAT_OK, "%s", err.text);
    provmat_store *store = opened(p);
    struct provmat_result result = sim(7);
    struct provmat_computed event = {.size = sizeof event, .result = &result}; /* of no job */
    struct provmat_put put = {.size = sizeof put, .event = &event};
    cr_assert_eq(provmat_store_put(store, &put, &stored, &err), PROVMAT_OK, "%s", err.text);
    cr_assert(stored->outcome == PROVMAT_STORED && stored->event == PROVMAT_EINVALID);
    cr_assert(strstr(stored->event_why, "job_id"), "%s", stored->event_why);
    provmat_stored_free(stored);
    provmat_store_close(store);
    provmat_close(p, 1000, NULL);
}

Test(put, what_is_given_is_measured)
{
    struct provmat_error err;
    struct provmat_result result = sim(7), no_size = {0};
    struct provmat_computed event = {.size = sizeof event, .result = &result};
    struct provmat_artifact artifact = {0};
    struct provmat_put put = {.size = sizeof put, .event = &event};
    provmat_store *store = opened(NULL);
    cr_assert_eq(provmat_store_put(store, NULL, NULL, &err), PROVMAT_EINVALID);
    cr_assert_eq(provmat_store_put(NULL, &put, NULL, &err), PROVMAT_EINVALID);
    cr_assert_eq(provmat_store_get(store, NULL, NULL, &err), PROVMAT_EINVALID);
    cr_assert_eq(provmat_store_get(NULL, NULL, NULL, &err), PROVMAT_EINVALID);
    put.n_artifacts = 1;
    cr_assert_eq(provmat_store_put(store, &put, NULL, &err), PROVMAT_EINVALID);
    put.artifacts = &artifact;
    cr_assert_eq(provmat_store_put(store, &put, NULL, &err), PROVMAT_EINVALID, "it has no name");
    put.n_artifacts = 0;
    put.flags = 0x40;
    cr_assert_eq(provmat_store_put(store, &put, NULL, &err), PROVMAT_EINVALID);
    put.flags = 0;
    event.result = &no_size;
    cr_assert_eq(provmat_store_put(store, &put, NULL, &err), PROVMAT_EINVALID);
    event.result = &result;
    result.kind = 3;
    cr_assert_eq(provmat_store_put(store, &put, NULL, &err), PROVMAT_EINVALID);
    result = sim(7);
    result.path = "token/v1/elsewhere";
    cr_assert_eq(provmat_store_put(store, &put, NULL, &err), PROVMAT_EINVALID);
    cr_assert(strstr(err.text, "is not that of this identity"), "%s", err.text);
    result = sim(7);
    result.schema = "bundle";
    cr_assert_eq(provmat_store_put(store, &put, NULL, &err), PROVMAT_EINVALID);
    cr_assert(strstr(err.text, "not that of the store"), "%s", err.text);
    provmat_store_close(store);
}

Test(put, options)
{
    struct provmat_store_options options = {.size = sizeof options};
    struct provmat_error err;
    provmat_store *store = NULL;
    cr_assert_eq(provmat_store_open(NULL, &store, &err), PROVMAT_ECONFIG);
    cr_assert_eq(provmat_store_open(&options, &store, &err), PROVMAT_ECONFIG);
    options.root = "/nonexistent/store";
    cr_assert_eq(provmat_store_open(&options, &store, &err), PROVMAT_ECONFIG);
    cr_assert(strstr(err.text, "/nonexistent/store"), "%s", err.text);
    options.root = root;
    options.schema = "cache";
    cr_assert_eq(provmat_store_open(&options, &store, &err), PROVMAT_ECONFIG);
    options.schema = "bundle";
    options.n_schema_files = 1;
    cr_assert_eq(provmat_store_open(&options, &store, &err), PROVMAT_ECONFIG);
    cr_assert_null(store);
    options.n_schema_files = 0;
    cr_assert_eq(provmat_store_open(&options, &store, &err), PROVMAT_OK);
    provmat_store_close(store);
    provmat_store_close(NULL);
    provmat_stored_free(NULL);
}

Test(put, a_root_stays_the_same_when_the_process_moves)
{
    struct provmat_error err;
    struct provmat_result result = sim(1);
    struct provmat_stored *hit;
    cr_assert_eq(chdir(dir), 0);
    snprintf(root, sizeof root, "store");
    provmat_store *store = opened(NULL);
    cr_assert_eq(chdir("/"), 0);
    cr_assert_eq(put_bytes(store, &result, "x", NULL, &err), PROVMAT_OK, "%s", err.text);
    cr_assert_eq(get_it(store, &result, &hit, &err), PROVMAT_OK, "%s", err.text);
    cr_assert_eq(access(hit->files[0].file, R_OK), 0);
    provmat_stored_free(hit);
    provmat_store_close(store);
}

Test(put, ids_of_aggregations)
{
    static const char *const ids[] = {"b", "a"}, *const sorted[] = {"a", "b"}, *const hole[] = {"a", NULL};
    char one[17], two[17];
    struct provmat_error err;
    cr_assert_eq(provmat_aggregation_id("t", ids, 2, one, &err), PROVMAT_OK);
    cr_assert_eq(provmat_aggregation_id("t", sorted, 2, two, &err), PROVMAT_OK);
    cr_assert(strlen(one) == 16 && !strcmp(one, two), "%s %s", one, two);
    cr_assert_eq(provmat_aggregation_id(NULL, ids, 2, one, &err), PROVMAT_EINVALID);
    cr_assert_eq(provmat_aggregation_id("t", NULL, 2, one, &err), PROVMAT_EINVALID);
    cr_assert_eq(provmat_aggregation_id("t", hole, 2, one, &err), PROVMAT_EINVALID);
}

/* ---- what is written is read back ---- */

Test(put, files_and_back)
{
    struct pm_arena arena = {0};
    struct pm_buf metadata = {0}, result = {0}, manifest = {0};
    struct pm_result_texts texts = {0};
    struct pm_stored stored = {.n_sim_returns = -1};
    struct pm_error err;
    const struct pm_slice ids[] = {PM_SLICE("one\"\\\n"), PM_SLICE("two")};
    struct pm_put_output output = {.name = PM_SLICE("n\"{[,:"), .size = 5};
    memset(output.checksum, 'a', sizeof output.checksum);
    struct pm_event ev = {.kind = PM_KIND_AGG,
                          .bundle_digest = PM_SLICE(&REF[7]),
                          .model_digest = PM_SLICE("sha256:m"),
                          .entrypoint = PM_SLICE("m/base"),
                          .params = PM_SLICE("{\"a\":\"x,{\\\"}\",\"b\":1}"),
                          .target = PM_SLICE("t/\xc3\xbc"),
                          .target_digest = PM_SLICE("d"),
                          .aggregation_id = PM_SLICE("0123"),
                          .loss = 5e-324,
                          .n_replicates = 3,
                          .diagnostics = PM_SLICE("{\"a\":[],\"b\":[1,{\"c\":null}]}"),
                          .input_task_ids = pm_array_of_texts(&arena, ids, 2),
                          .occurred_at = 1767000000123456};
    ev.bundle_digest.len = 64;
    ev.has = PM_HAS(bundle_digest) | PM_HAS(model_digest) | PM_HAS(entrypoint) | PM_HAS(params) | PM_HAS(target) |
             PM_HAS(target_digest) | PM_HAS(aggregation_id) | PM_HAS(loss) | PM_HAS(n_replicates) |
             PM_HAS(diagnostics) | PM_HAS(input_task_ids);
    pm_metadata_write(&ev, &metadata);
    pm_result_write(&ev, &output, 1, &result);
    pm_manifest_write(&ev, &manifest);
    cr_assert_eq(pm_metadata_read(pm_buf_slice(&metadata), &arena, &stored, &texts, &err), PM_OK, "%s", err.text);
    cr_assert_eq(pm_result_read(pm_buf_slice(&result), &arena, &stored, &texts, &err), PM_OK, "%s", err.text);
    cr_assert_eq(pm_manifest_read(pm_buf_slice(&manifest), &arena, &texts, &err), PM_OK, "%s", err.text);
    cr_assert(pm_slice_is(stored.bundle_ref, REF) && texts.is_agg && !texts.is_sim && stored.n_sim_returns == 2);
    cr_assert(pm_slice_is(texts.timestamp, "2025-12-29T09:20:00.123456+00:00"), "%.*s", PM_SLICE_ARG(texts.timestamp));
    cr_assert(texts.n_model_digests == 1 && pm_slice_is(texts.model_digests[0], "sha256:m"));
    cr_assert(pm_slice_eq(stored.facts.params, ev.params) && pm_slice_eq(stored.facts.diagnostics, ev.diagnostics));
    cr_assert(pm_slice_eq(stored.facts.target, ev.target) && pm_slice_eq(stored.facts.entrypoint, ev.entrypoint));
    cr_assert(stored.facts.loss == 5e-324 && stored.facts.n_replicates == 3);
    cr_assert(pm_slice_eq(stored.facts.input_task_ids.raw, ev.input_task_ids.raw));
    cr_assert(stored.n_outputs == 1 && pm_slice_eq(stored.outputs[0].name, output.name) && stored.outputs[0].size == 5);
    struct pm_error why;
    stored.facts.has |= PM_HAS(target);
    cr_assert_eq(pm_key_compare(&ev, &stored.facts, &why), PM_OK, "%s", why.text);
    stored.facts.target_digest = PM_SLICE("e");
    cr_assert_eq(pm_key_compare(&ev, &stored.facts, &why), PM_EDIFFERS);
    pm_buf_release(&metadata);
    pm_buf_release(&result);
    pm_buf_release(&manifest);
    pm_arena_release(&arena);
}

/* ---- names of what is being written ---- */

Test(put, names_of_pending_directories)
{
    char one[PM_PENDING_NAME_SIZE], two[PM_PENDING_NAME_SIZE];
    struct pm_buf text = {0};
    pm_pending_name(PM_SLICE("seed_1"), one);
    pm_pending_name(PM_SLICE("seed_1"), two);
    cr_assert(strcmp(one, two) != 0 && !strncmp(one, two, 29), "%s %s", one, two);
    cr_assert(pm_pending_is(one) && !pm_pending_is("seed_1") && !pm_pending_is(".provmat"));
    pm_pending_describe(one, &text);
    cr_assert(text.len > 10 && !memcmp(text.ptr, "being put ", 10), "%.*s", (int)text.len, text.ptr);
    pm_buf_clear(&text);
    pm_pending_describe(".provmat-put-x", &text);
    cr_assert(!memcmp(text.ptr, "a result", 8));
    pm_buf_release(&text);
}

static size_t count_entries(const char *path)
{
    size_t n = 0;
    DIR *entries = opendir(path);
    cr_assert(entries);
    while (readdir(entries)) n++;
    closedir(entries);
    return n - 2;
}

Test(put, only_what_dead_writers_left_is_removed)
{
    struct pm_stage stage;
    struct pm_error err;
    int fd = open(root, O_RDONLY | O_DIRECTORY);
    pid_t child = fork();
    if (child == 0) {
        bool written = pm_stage_open(fd, PM_SLICE("a/seed_1"), &stage, &err) == PM_OK &&
                       pm_stage_text(&stage, "x", PM_SLICE("y"), NULL, &err) == PM_OK;
        _exit(written ? 0 : 1); /* and leaves it */
    }
    int status;
    cr_assert(waitpid(child, &status, 0) == child && status == 0);
    char path[128];
    snprintf(path, sizeof path, "%s/a", root);
    cr_assert_eq(count_entries(path), 1);
    int parent = open(path, O_RDONLY | O_DIRECTORY);
    pm_pending_clean(parent, PM_SLICE("seed_2"));
    cr_assert_eq(count_entries(path), 1, "of another key");
    cr_assert_eq(pm_stage_open(fd, PM_SLICE("a/seed_1"), &stage, &err), PM_OK, "%s", err.text);
    cr_assert_eq(count_entries(path), 1, "the dead one's is gone, this one's is there");
    pm_pending_clean(parent, PM_SLICE("seed_1"));
    cr_assert_eq(count_entries(path), 1, "this one lives");
    pm_stage_discard(&stage);
    cr_assert_eq(count_entries(path), 0);
    close(parent);
    close(fd);
}

/* ---- two writers, step by step ---- */

Test(put, of_two_the_first_is_in_place)
{
    struct pm_stage one, two;
    struct pm_error err;
    bool done;
    int fd = open(root, O_RDONLY | O_DIRECTORY);
    cr_assert_eq(pm_stage_open(fd, PM_SLICE("a/seed_1"), &one, &err), PM_OK);
    cr_assert_eq(pm_stage_open(fd, PM_SLICE("a/seed_1"), &two, &err), PM_OK);
    cr_assert_eq(pm_stage_text(&one, "x", PM_SLICE("1"), NULL, &err), PM_OK);
    cr_assert_eq(pm_stage_text(&two, "x", PM_SLICE("22"), NULL, &err), PM_OK);
    cr_assert(pm_stage_publish(&one, &done, &err) == PM_OK && done);
    cr_assert(pm_stage_publish(&one, &done, &err) == PM_OK && done, "said twice by a file system: it is there");
    cr_assert(pm_stage_publish(&two, &done, &err) == PM_OK && !done);
    struct stat st;
    char path[128];
    snprintf(path, sizeof path, "%s/a/seed_1/x", root);
    cr_assert(stat(path, &st) == 0 && st.st_size == 1);
    cr_assert_eq(pm_stage_exchange(&two, &err), PM_OK, "%s", err.text);
    cr_assert(stat(path, &st) == 0 && st.st_size == 2);
    pm_stage_discard(&two);
    pm_stage_close(&one);
    cr_assert(stat(path, &st) == 0 && st.st_size == 2);
    snprintf(path, sizeof path, "%s/a", root);
    cr_assert_eq(count_entries(path), 1);
    close(fd);
}
