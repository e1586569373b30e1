/* below_test.c: which paths lead to a directory below another, which lead nowhere, and what is made on the way. */
#include "provstore/below.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/index.h"

static char root[TEST_DIR_SIZE];
static int fd;

/* a/b, a/file, a/link -> b, up -> .. */
static void begin(void)
{
    test_dir_make(root);
    fd = open(root, O_RDONLY | O_DIRECTORY);
    cr_assert(fd >= 0);
    cr_assert_eq(mkdirat(fd, "a", 0777), 0);
    cr_assert_eq(mkdirat(fd, "a/b", 0777), 0);
    cr_assert_eq(mknodat(fd, "a/file", S_IFREG | 0666, 0), 0);
    cr_assert_eq(symlinkat("b", fd, "a/link"), 0);
    cr_assert_eq(symlinkat("..", fd, "up"), 0);
}

static void end(void)
{
    close(fd);
    test_dir_remove(root);
}

TestSuite(below, .init = begin, .fini = end);

static void leads_to(int opened, const char *path)
{
    struct stat mine, there;
    cr_assert(opened >= 0, "%s: %d", path, errno);
    cr_assert_eq(fcntl(opened, F_GETFD), FD_CLOEXEC);
    cr_assert_eq(fstat(opened, &mine), 0);
    cr_assert_eq(fstatat(fd, path, &there, 0), 0);
    cr_assert_eq(mine.st_ino, there.st_ino, "%s", path);
    cr_assert_eq(close(opened), 0);
}

static void leads_nowhere(struct pm_slice path, int number)
{
    errno = 0;
    cr_assert_eq(pm_below_open(fd, path), -1, "%.*s", PM_SLICE_ARG(path));
    cr_assert_eq(errno, number, "%.*s: %d", PM_SLICE_ARG(path), errno);
}

static void has(const char *path, bool expected)
{
    cr_assert_eq(faccessat(fd, path, F_OK, 0) == 0, expected, "%s", path);
}

Test(below, paths_that_lead_to_a_directory)
{
    leads_to(pm_below_open(fd, PM_SLICE("")), ".");
    leads_to(pm_below_open(fd, (struct pm_slice){NULL, 0}), ".");
    leads_to(pm_below_open(fd, PM_SLICE("a")), "a");
    leads_to(pm_below_open(fd, PM_SLICE("a/b")), "a/b");
    leads_to(pm_below_open(fd, PM_SLICE("a/b/")), "a/b");
    leads_to(pm_below_open(fd, pm_slice("a/b", 1)), "a");
}

Test(below, paths_that_lead_nowhere)
{
    static const struct pm_slice none[] = {PM_SLICE("none"), PM_SLICE("/"),     PM_SLICE("/a"),   PM_SLICE("a//b"),
                                           PM_SLICE("a//"),  PM_SLICE("."),     PM_SLICE(".."),   PM_SLICE("a/."),
                                           PM_SLICE("a/.."), PM_SLICE("a/./b"), PM_SLICE("a\0b"), PM_SLICE("a/none/b")};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) leads_nowhere(none[i], ENOENT);
    leads_nowhere(PM_SLICE("a/file"), ENOTDIR);
    leads_nowhere(PM_SLICE("a/file/b"), ENOTDIR);
}

Test(below, no_link_is_followed)
{
    leads_nowhere(PM_SLICE("a/link"), ENOTDIR);
    leads_nowhere(PM_SLICE("up"), ENOTDIR);
    leads_nowhere(PM_SLICE("up/a/b"), ENOTDIR);
    cr_assert_eq(pm_below_make(fd, PM_SLICE("up/c")), -1);
    cr_assert_eq(errno, ENOTDIR);
    has("c", false);
    has("up/c", false);
}

Test(below, names)
{
    char name[PM_NAME_BYTES_MAX + 1] = "as it was", text[2 + PM_NAME_BYTES_MAX + 1];
    memset(text, 'n', sizeof text);
    memcpy(text, "a/", 2);
    cr_assert_eq(pm_below_name(pm_slice(text, sizeof text), name), -1);
    cr_assert_eq(errno, ENAMETOOLONG);
    leads_nowhere(pm_slice(text, sizeof text), ENAMETOOLONG);
    static const struct pm_slice none[] = {PM_SLICE(""), PM_SLICE("a/"), PM_SLICE("a/."), PM_SLICE("a/.."),
                                           PM_SLICE("a\0b")};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        cr_assert_eq(pm_below_name(none[i], name), -1);
        cr_assert_eq(errno, ENOENT);
    }
    cr_assert_str_eq(name, "as it was");
    cr_assert_eq(pm_below_name(pm_slice(text, sizeof text - 1), name), 0);
    cr_assert_eq(strlen(name), (size_t)PM_NAME_BYTES_MAX);
    cr_assert_eq(pm_below_name(PM_SLICE("...x"), name), 0);
    cr_assert_str_eq(name, "...x");
}

Test(below, last_and_above)
{
    static const struct {
        const char *path, *above, *last;
    } cases[] = {{"a/b/c", "a/b", "c"}, {"a", "", "a"}, {"", "", ""}, {"a/", "a", ""}, {"/a", "", "a"}, {"/", "", ""}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pm_slice path = pm_slice_cstr(cases[i].path);
        cr_assert(pm_slice_is(pm_below_above(path), cases[i].above), "%s", cases[i].path);
        cr_assert(pm_slice_is(pm_below_last(path), cases[i].last), "%s", cases[i].path);
    }
}

Test(below, parents)
{
    char name[PM_NAME_BYTES_MAX + 1];
    leads_to(pm_below_parent(fd, PM_SLICE("a/none"), name), "a");
    cr_assert_str_eq(name, "none");
    leads_to(pm_below_parent(fd, PM_SLICE("a/link"), name), "a");
    leads_to(pm_below_parent(fd, PM_SLICE("a"), name), ".");
    cr_assert_str_eq(name, "a");
    static const struct pm_slice none[] = {PM_SLICE(""), PM_SLICE("a/"), PM_SLICE("/a"), PM_SLICE("a/.."),
                                           PM_SLICE("a//b")};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        cr_assert_eq(pm_below_parent(fd, none[i], name), -1, "%.*s", PM_SLICE_ARG(none[i]));
        cr_assert_eq(errno, ENOENT);
    }
    cr_assert_eq(pm_below_parent(fd, PM_SLICE("a/link/x"), name), -1);
    cr_assert_eq(errno, ENOTDIR);
    cr_assert_str_eq(name, "a");
}

Test(below, what_is_missing_is_made)
{
    leads_to(pm_below_make(fd, PM_SLICE("a/c/d/")), "a/c/d");
    leads_to(pm_below_make(fd, PM_SLICE("a/c/d")), "a/c/d");
    leads_to(pm_below_make(fd, PM_SLICE("")), ".");
    cr_assert_eq(pm_below_make(fd, PM_SLICE("a/e/../f")), -1);
    cr_assert_eq(errno, ENOENT);
    has("a/f", false);
    cr_assert_eq(pm_below_make(fd, PM_SLICE("a/file/g")), -1);
    cr_assert_eq(errno, ENOTDIR);
    cr_assert_eq(pm_below_sync(fd, PM_SLICE("a/c/d")), 0);
    cr_assert_eq(pm_below_sync(fd, PM_SLICE("a/none")), -1);
    cr_assert_eq(errno, ENOENT);
    has("a/none", false);
}

static unsigned count(struct pm_slice path)
{
    unsigned n = 0;
    DIR *dir = pm_below_list(fd, path);
    cr_assert_not_null(dir);
    for (struct dirent *entry; (entry = pm_below_next(dir)) != NULL; n++) cr_assert(!pm_below_is_dots(entry->d_name));
    cr_assert_eq(errno, 0);
    closedir(dir);
    return n;
}

Test(below, entries)
{
    cr_assert_eq(count(PM_SLICE("")), 2);
    cr_assert_eq(count(PM_SLICE("")), 2, "the place in a directory is that of one list");
    cr_assert_eq(count(PM_SLICE("a")), 3);
    cr_assert_eq(count(PM_SLICE("a/b")), 0);
    cr_assert_null(pm_below_list(fd, PM_SLICE("a/link")));
    cr_assert_eq(errno, ENOTDIR);
    cr_assert(pm_below_is_dots(".") && pm_below_is_dots(".."));
    cr_assert(!pm_below_is_dots("...") && !pm_below_is_dots(".a") && !pm_below_is_dots(""));
}
