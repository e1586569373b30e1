/* walk_test.c: every result of a store is met once, whatever the number of threads and however many entries a directory
 * has; a walk that is stopped leaves nothing open. */
#define _GNU_SOURCE /* struct dirent64 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "provstore/listing.h"
#include "provstore/store.h"
#include "tests/support/index.h"

#define AREAS 3
#define RESULTS 700 /* of an area, in one directory: more than a piece of a listing holds */

struct seen {
    unsigned times[AREAS][RESULTS], results, stop_after;
    volatile sig_atomic_t stop;
};

static void make_file(const char *directory, const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    int fd = open(path, O_WRONLY | O_CREAT, 0644);
    cr_assert(fd >= 0 && write(fd, "{}", 2) == 2 && close(fd) == 0, "%s", path);
}

static void make_directory(char out[256], const char *root, const char *path)
{
    snprintf(out, 256, "%s/%s", root, path);
    cr_assert_eq(mkdir(out, 0755), 0, "%s", out);
}

static void make_store(char root[TEST_DIR_SIZE])
{
    char path[256], name[64];
    test_dir_make(root);
    for (int area = 0; area < AREAS; area++) {
        snprintf(name, sizeof name, "area%d", area);
        make_directory(path, root, name);
        for (int i = 0; i < RESULTS; i++) {
            snprintf(name, sizeof name, "area%d/a_result_with_a_longer_name_%d", area, i);
            make_directory(path, root, name);
            make_file(path, "metadata.json");
            make_file(path, "result.json");
        }
    }
}

static int take_result(void *arg, const struct pm_stored *stored, struct pm_error *err)
{
    struct seen *seen = arg;
    unsigned area, number;
    char path[256];
    (void)err;
    snprintf(path, sizeof path, "%.*s", PM_SLICE_ARG(stored->path));
    cr_assert_eq(sscanf(path, "area%u/a_result_with_a_longer_name_%u", &area, &number), 2, "%s", path);
    cr_assert(area < AREAS && number < RESULTS, "%s", path);
    seen->times[area][number]++;
    if (++seen->results == seen->stop_after) __atomic_store_n(&seen->stop, 1, __ATOMIC_RELAXED);
    return PM_OK;
}

static void walk(const char *root, unsigned threads, struct seen *seen)
{
    struct pm_schemas schemas = {0};
    struct pm_store_counts counts;
    struct pm_error err = {0};
    pm_schemas_builtin(&schemas);
    struct pm_store_walk options = {
        .root = root, .schemas = &schemas, .threads = threads, .stop = &seen->stop, .result = take_result, .arg = seen};
    cr_assert_eq(pm_store_walk(&options, &counts, &err), PM_OK, "%s", err.text);
    cr_assert_eq(counts.results, seen->results);
    pm_schemas_release(&schemas);
}

Test(walk, meets_every_result_once)
{
    static const unsigned threads[] = {1, 2, 3, PM_STORE_THREADS_MAX, PM_STORE_THREADS_MAX + 1};
    char root[TEST_DIR_SIZE];
    make_store(root);
    for (size_t t = 0; t < sizeof threads / sizeof *threads; t++) {
        struct seen seen = {.stop = 0};
        walk(root, threads[t], &seen);
        for (int area = 0; area < AREAS; area++) {
            for (int i = 0; i < RESULTS; i++)
                cr_assert_eq(seen.times[area][i], 1, "%u threads, area%d, %d", threads[t], area, i);
        }
    }
    test_dir_remove(root);
}

static int lowest_free_descriptor(void)
{
    int fd = open("/dev/null", O_RDONLY);
    close(fd);
    return fd;
}

Test(walk, stops_and_leaves_nothing_open)
{
    char root[TEST_DIR_SIZE];
    make_store(root);
    int before = lowest_free_descriptor();
    for (unsigned threads = 1; threads <= 4; threads++) {
        struct seen seen = {.stop_after = 10};
        walk(root, threads, &seen);
        cr_assert(seen.results >= 10 && seen.results < 10 + threads, "%u", seen.results);
        cr_assert_eq(lowest_free_descriptor(), before);
    }
    test_dir_remove(root);
}

Test(listing, gives_every_entry_of_a_large_directory)
{
    char root[TEST_DIR_SIZE], path[256];
    struct pm_listing listing = {0};
    make_store(root);
    snprintf(path, sizeof path, "%s/area0", root);
    int fd = open(path, O_RDONLY | O_DIRECTORY), n = 0;
    pm_listing_open(&listing, fd);
    cr_assert(!listing.whole, "the test needs a directory of more than one piece");
    cr_assert(pm_listing_has_either(&listing, "absent", "a_result_with_a_longer_name_699"));
    cr_assert(!pm_listing_has_either(&listing, "absent", "a_result_with_a_longer_name_700"));
    cr_assert_not_null(pm_listing_ahead(&listing, DT_DIR));
    cr_assert_null(pm_listing_ahead(&listing, DT_REG));
    for (const struct dirent64 *entry; (entry = pm_listing_next(&listing)) != NULL; n++)
        cr_assert(strncmp(entry->d_name, "a_result", 8) == 0 && entry->d_type == DT_DIR, "%s", entry->d_name);
    cr_assert_eq(n, RESULTS);
    cr_assert_eq(listing.error, 0);
    close(fd);
    pm_listing_release(&listing);
    test_dir_remove(root);
}
