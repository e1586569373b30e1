/* check_test.c: a store is checked while the index, or the store itself, changes: a finding is about what is so when it
 * is told. The change is made by the walk's own finding() about a foreign file, which comes before the comparison. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "provstore/check.h"
#include "provstore/fresh.h"
#include "tests/support/index.h"

struct world {
    struct test_index index;
    char root[TEST_DIR_SIZE], found[4096];
    void (*change)(struct world *world); /* once, in the middle of the walk */
};

static void make_file(const struct world *world, const char *path, const char *text)
{
    char full[512];
    snprintf(full, sizeof full, "%s/%s", world->root, path);
    for (char *at = full + strlen(world->root) + 1; (at = strchr(at, '/')) != NULL; *at++ = '/') {
        *at = 0;
        mkdir(full, 0755);
    }
    FILE *file = fopen(full, "w");
    cr_assert(file && fputs(text, file) >= 0 && fclose(file) == 0, "%s", full);
}

static void make_result(const struct world *world, const char *path)
{
    char file[256];
    snprintf(file, sizeof file, "%s/metadata.json", path);
    make_file(world, file, "{}");
    snprintf(file, sizeof file, "%s/result.json", path);
    make_file(world, file, "{}");
}

static void begin(struct world *world, void (*change)(struct world *world))
{
    *world = (struct world){.change = change};
    test_index_make(&world->index);
    test_dir_make(world->root);
    make_result(world, "a/seen");
    make_file(world, "a/seen/foreign", "");
}

static void commit(struct world *world, const char *line)
{
    test_index_line(&world->index, line);
    test_index_apply(&world->index);
}

static int take_finding(void *arg, const struct pm_finding *finding, struct pm_error *err)
{
    struct world *world = arg;
    size_t len = strlen(world->found);
    (void)err;
    if (strcmp(finding->code, "foreign") == 0 && world->change) world->change(world);
    if (strcmp(finding->code, "foreign") != 0 && strcmp(finding->code, "path_mismatch") != 0)
        snprintf(world->found + len, sizeof world->found - len, "%s %.*s; ", finding->code,
                 PM_SLICE_ARG(finding->path));
    return PM_OK;
}

static int take_repair(void *arg, struct pm_slice path, struct pm_slice line, struct pm_error *err)
{
    (void)arg, (void)path, (void)line, (void)err;
    return PM_OK;
}

/* Checks, and ends the world. */
static void expect(struct world *world, const char *found)
{
    struct pm_schemas schemas = {0};
    struct pm_check_counts counts;
    struct pm_error err = {0};
    pm_schemas_builtin(&schemas);
    struct pm_check_options options = {
        .walk = {.root = world->root, .schemas = &schemas, .threads = 1, .finding = take_finding},
        .index_dir = world->index.dir,
        .repair = take_repair,
        .arg = world};
    cr_assert_eq(pm_check_store(&options, &counts, &err), PM_OK, "%s", err.text);
    cr_assert_str_eq(world->found, found);
    pm_schemas_release(&schemas);
    test_index_remove(&world->index);
    test_dir_remove(world->root);
}

static void compute_seen(struct world *world) { commit(world, "computed j1 a/seen @10"); }

Test(check, what_no_event_names_is_unknown)
{
    struct world world;
    begin(&world, NULL);
    commit(&world, "computed j1 a/other @10");
    make_result(&world, "a/other");
    expect(&world, "unknown a/seen; ");
}

Test(check, what_an_event_names_meanwhile_is_not_unknown)
{
    struct world world;
    begin(&world, compute_seen);
    commit(&world, "computed j1 a/other @10");
    make_result(&world, "a/other");
    expect(&world, "");
}

Test(check, what_is_not_there_is_gone)
{
    struct world world;
    begin(&world, NULL);
    commit(&world, "computed j1 a/seen @10");
    commit(&world, "computed j1 a/gone @10");
    expect(&world, "gone a/gone; ");
}

static void delete_gone(struct world *world) { commit(world, "deleted - a/gone @20"); }

Test(check, what_is_deleted_meanwhile_is_not_gone)
{
    struct world world;
    begin(&world, delete_gone);
    commit(&world, "computed j1 a/seen @10");
    commit(&world, "computed j1 a/gone @10");
    expect(&world, "");
}

static void write_late(struct world *world)
{
    commit(world, "computed j1 a/seen/late @10"); /* the walk does not look within a result again */
    make_result(world, "a/seen/late");
}

Test(check, what_is_written_meanwhile_is_not_gone)
{
    struct world world;
    begin(&world, write_late);
    commit(&world, "computed j1 a/seen @10");
    expect(&world, "");
}

static void take_seen_away(struct world *world)
{
    char path[512];
    static const char *const files[] = {"metadata.json", "result.json", "foreign", ""};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(path, sizeof path, "%s/a/seen/%s", world->root, files[i]);
        cr_assert_eq(remove(path), 0, "%s", path);
    }
    commit(world, "deleted - a/seen @20");
}

Test(check, what_is_taken_away_meanwhile_is_nothing)
{
    struct world world;
    begin(&world, take_seen_away);
    commit(&world, "computed j1 a/seen @10");
    expect(&world, "");
}

/* ---- the snapshot itself ---- */

static uint64_t events(const struct pm_fresh *fresh)
{
    struct pm_index_info info;
    struct pm_error err = {0};
    cr_assert_eq(pm_snapshot_info(fresh->snap, &info, &err), PM_OK, "%s", err.text);
    return info.events;
}

Test(fresh, a_snapshot_that_is_used_is_taken_anew)
{
    struct world world;
    struct pm_fresh fresh;
    struct pm_error err = {0};
    begin(&world, NULL);
    commit(&world, "computed j1 a/seen @10");
    cr_assert_eq(pm_fresh_open(world.index.dir, &fresh, &err), PM_OK, "%s", err.text);
    struct pm_snapshot *first = fresh.snap;
    fresh.taken_us = INT64_MAX / 2; /* no time passes */
    for (int i = 0; i < PM_FRESH_USES; i++) cr_assert_eq(pm_fresh_tick(&fresh, &err), PM_OK);
    cr_assert_eq(fresh.snap, first, "nothing was committed: it stays");
    fresh.taken_us = INT64_MAX / 2;
    commit(&world, "computed j1 a/other @10");
    for (int i = 1; i < PM_FRESH_USES; i++) cr_assert_eq(pm_fresh_tick(&fresh, &err), PM_OK);
    cr_assert_eq(events(&fresh), 1);
    cr_assert_eq(pm_fresh_tick(&fresh, &err), PM_OK);
    cr_assert_eq(events(&fresh), 2, "the limit is reached");
    commit(&world, "computed j1 a/third @10");
    fresh.taken_us = 0; /* long ago */
    cr_assert_eq(pm_fresh_tick(&fresh, &err), PM_OK);
    cr_assert_eq(events(&fresh), 3);
    commit(&world, "computed j1 a/fourth @10");
    cr_assert_eq(pm_fresh_newest(&fresh, &err), PM_OK);
    cr_assert_eq(events(&fresh), 4);
    pm_fresh_close(&fresh);
    test_index_remove(&world.index);
    test_dir_remove(world.root);
}
