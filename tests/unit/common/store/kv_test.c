/* kv_test.c: the door to LMDB keeps what its header says. */
#include "common/store/kv.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/store/pages.h"
#include "tests/support/index.h"

#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
#define SANITIZED true
#else
#define SANITIZED false
#endif

static char dir[TEST_DIR_SIZE];
static struct pm_error err;

static void setup(void) { test_dir_make(dir); }
static void teardown(void) { test_dir_remove(dir); }
TestSuite(kv, .init = setup, .fini = teardown);

#define OK(call) cr_assert_eq((call), PM_OK, "%s", err.text)
#define TEXT(s) pm_slice_cstr(s)

static struct pm_kv *open_kv(void)
{
    struct pm_kv *kv = NULL;
    OK(pm_kv_open(dir, PM_KV_CREATE, &kv, &err));
    return kv;
}

static struct pm_kv_txn *begin(struct pm_kv *kv, bool write)
{
    struct pm_kv_txn *txn = NULL;
    OK(write ? pm_kv_begin_write(kv, 0, &txn, &err) : pm_kv_begin_read(kv, &txn, &err));
    return txn;
}

static pm_kv_db open_db(struct pm_kv_txn *txn, const char *name, int flags)
{
    pm_kv_db db = 0;
    OK(pm_kv_db_open(txn, name, flags, &db, &err));
    return db;
}

/* Commits `key` = `value` in database "t". */
static void put_one(struct pm_kv *kv, const char *key, const char *value)
{
    struct pm_kv_txn *txn = begin(kv, true);
    pm_kv_db db = open_db(txn, "t", PM_KV_DB_CREATE);
    OK(pm_kv_put(txn, db, TEXT(key), TEXT(value), &err));
    OK(pm_kv_commit(txn, &err));
}

/* The value of `key` in "t" as a new reader sees it, or "none". */
static const char *get_one(struct pm_kv *kv, const char *key)
{
    static char text[64];
    struct pm_kv_txn *txn = begin(kv, false);
    pm_kv_db db;
    struct pm_slice value = TEXT("none");
    if (pm_kv_db_open(txn, "t", 0, &db, NULL) == PM_OK) {
        int rc = pm_kv_get(txn, db, TEXT(key), &value, &err);
        cr_assert(rc == PM_OK || rc == PM_ENOTFOUND, "%s", err.text);
    }
    snprintf(text, sizeof text, "%.*s", PM_SLICE_ARG(value));
    pm_kv_abort(txn);
    return text;
}

/* ---- environments ---- */

Test(kv, a_directory_opened_twice_is_one_environment)
{
    char same[TEST_DIR_SIZE + 4];
    snprintf(same, sizeof same, "%s/.", dir);
    struct pm_kv *a = open_kv(), *b = NULL, *c = NULL;
    OK(pm_kv_open(same, 0, &b, &err));
    OK(pm_kv_open(dir, PM_KV_READ_ONLY, &c, &err));
    cr_assert_eq(a, b);
    cr_assert_eq(a, c);
    pm_kv_close(a);
    put_one(b, "k", "v");
    pm_kv_close(b);
    cr_assert_str_eq(get_one(c, "k"), "v");
    pm_kv_close(c);
    struct pm_kv *again = open_kv();
    cr_assert_str_eq(get_one(again, "k"), "v");
    pm_kv_close(again);
    pm_kv_close(NULL);
}

Test(kv, what_is_missing_is_not_made_without_create)
{
    char missing[TEST_DIR_SIZE + 16], parentless[TEST_DIR_SIZE + 16];
    struct pm_kv *kv = NULL;
    struct stat st;
    snprintf(missing, sizeof missing, "%s/missing", dir);
    snprintf(parentless, sizeof parentless, "%s/missing/deeper", dir);
    cr_assert_eq(pm_kv_open(missing, 0, &kv, &err), PM_ENOTFOUND);
    cr_assert(strstr(err.text, missing) && strstr(err.text, "no such directory"), "%s", err.text);
    cr_assert_eq(pm_kv_open(missing, PM_KV_READ_ONLY, &kv, &err), PM_ENOTFOUND);
    cr_assert_neq(stat(missing, &st), 0, "nothing was made");
    cr_assert_eq(pm_kv_open(dir, PM_KV_READ_ONLY, &kv, &err), PM_ENOTFOUND);
    cr_assert(strstr(err.text, "data.mdb"), "%s", err.text);
    cr_assert_eq(pm_kv_open(parentless, PM_KV_CREATE, &kv, &err), PM_EIO);
    cr_assert_null(kv, "outputs are untouched on failure");
    OK(pm_kv_open(missing, PM_KV_CREATE, &kv, &err));
    cr_assert_eq(stat(missing, &st), 0);
    cr_assert_eq(st.st_mode & 0777, 0700);
    pm_kv_close(kv);
}

Test(kv, a_file_is_no_environment)
{
    char path[TEST_DIR_SIZE + 16];
    struct pm_kv *kv = NULL;
    snprintf(path, sizeof path, "%s/data.mdb", dir);
    FILE *file = fopen(path, "w");
    for (int i = 0; i < 20000; i++) fputc('x', file);
    fclose(file);
    cr_assert_eq(pm_kv_open(path, 0, &kv, &err), PM_EIO);
    cr_assert(strstr(err.text, "not a directory"), "%s", err.text);
    cr_assert_eq(pm_kv_open(dir, 0, &kv, &err), PM_ECORRUPT, "%s", err.text);
    cr_assert_null(kv);
}

Test(kv, open_for_reading_stays_so)
{
    struct pm_kv *kv = open_kv(), *other = NULL;
    put_one(kv, "k", "v");
    pm_kv_close(kv);
    OK(pm_kv_open(dir, PM_KV_READ_ONLY, &kv, &err));
    cr_assert_str_eq(get_one(kv, "k"), "v");
    cr_assert_eq(pm_kv_open(dir, PM_KV_CREATE, &other, &err), PM_EIO);
    cr_assert(strstr(err.text, "reading only"), "%s", err.text);
    cr_assert_null(other);
    pm_kv_close(kv);
}

Test(kv, writing_to_what_is_open_for_reading_is_a_bug_of_the_caller, .signal = SIGABRT)
{
    struct pm_kv *kv = open_kv();
    pm_kv_close(kv);
    OK(pm_kv_open(dir, PM_KV_READ_ONLY, &kv, &err));
    struct pm_kv_txn *txn;
    teardown(); /* which the signal leaves out */
    (void)!pm_kv_begin_write(kv, 0, &txn, &err);
}

Test(kv, closing_under_a_transaction_is_a_bug_of_the_caller, .signal = SIGABRT)
{
    struct pm_kv *kv = open_kv();
    (void)begin(kv, false);
    teardown(); /* which the signal leaves out */
    pm_kv_close(kv);
}

/* ---- transactions ---- */

/* A commit stands in the file before it counts: until its writer has heard of the disk, a reader begins with the one
 * before, whose pages are all there still. */
Test(kv, pages_of_the_last_two_commits_can_be_checked)
{
    char file[TEST_DIR_SIZE + 16];
    uint64_t last;
    struct pm_kv *kv = open_kv();
    for (int i = 0; i < 5; i++) put_one(kv, i % 2 ? "a" : "b", "some value");
    snprintf(file, sizeof file, "%s/data.mdb", dir);
    cr_assert_eq(pm_pages_check_metas(file, &last, &err), PM_OK, "%s", err.text);
    cr_assert_gt(last, 2);
    cr_assert_eq(pm_pages_check(file, last, NULL, &err), PM_OK, "%s", err.text);
    cr_assert_eq(pm_pages_check(file, last - 1, NULL, &err), PM_OK, "%s", err.text);
    cr_assert_eq(pm_pages_check(file, last - 2, NULL, &err), PM_ENOTFOUND);
    cr_assert_eq(pm_pages_check(file, last + 1, NULL, &err), PM_ENOTFOUND);
    pm_kv_close(kv);
}

Test(kv, an_abort_leaves_nothing)
{
    struct pm_kv *kv = open_kv();
    struct pm_kv_txn *txn = begin(kv, true);
    pm_kv_db db = open_db(txn, "t", PM_KV_DB_CREATE);
    OK(pm_kv_put(txn, db, TEXT("k"), TEXT("v"), &err));
    pm_kv_abort(txn);
    txn = begin(kv, false);
    cr_assert_eq(pm_kv_db_open(txn, "t", 0, &db, &err), PM_ENOTFOUND, "the database is not there either");
    cr_assert(strstr(err.text, "\"t\""), "%s", err.text);
    pm_kv_abort(txn);
    put_one(kv, "k", "1");
    txn = begin(kv, true);
    db = open_db(txn, "t", 0);
    OK(pm_kv_put(txn, db, TEXT("k"), TEXT("2"), &err));
    OK(pm_kv_put(txn, db, TEXT("l"), TEXT("2"), &err));
    pm_kv_abort(txn);
    cr_assert_str_eq(get_one(kv, "k"), "1");
    cr_assert_str_eq(get_one(kv, "l"), "none");
    pm_kv_abort(NULL);
    pm_kv_close(kv);
}

Test(kv, a_reader_sees_what_was_committed_when_it_began)
{
    struct pm_kv *kv = open_kv();
    put_one(kv, "k", "1");
    struct pm_kv_txn *reader = begin(kv, false), *writer = begin(kv, true);
    pm_kv_db db = open_db(reader, "t", 0);
    struct pm_slice value;
    OK(pm_kv_put(writer, db, TEXT("k"), TEXT("2"), &err));
    cr_assert_str_eq(get_one(kv, "k"), "1", "not committed yet");
    OK(pm_kv_commit(writer, &err));
    cr_assert_str_eq(get_one(kv, "k"), "2");
    OK(pm_kv_get(reader, db, TEXT("k"), &value, &err));
    cr_assert(pm_slice_is(value, "1"), "the old reader stands where it began");
    pm_kv_abort(reader);
    pm_kv_close(kv);
}

static void *read_and_wait(void *arg)
{
    struct pm_kv_txn **txns = arg;
    for (int i = 0; i < 2; i++) OK(pm_kv_begin_read((struct pm_kv *)txns[2], &txns[i], &err));
    return NULL;
}

Test(kv, one_thread_may_hold_several_readers_that_another_ends)
{
    struct pm_kv *kv = open_kv();
    put_one(kv, "k", "1");
    struct pm_kv_txn *txns[3] = {NULL, NULL, (struct pm_kv_txn *)kv};
    pthread_t thread;
    pthread_create(&thread, NULL, read_and_wait, txns);
    pthread_join(thread, NULL);
    pm_kv_abort(txns[0]);
    pm_kv_abort(txns[1]);
    pm_kv_close(kv);
}

/* ---- the map ---- */

static int fill(struct pm_kv_txn *txn, pm_kv_db db, const char *block, size_t size, int n)
{
    for (uint64_t i = 0; i < (uint64_t)n; i++) PM_TRY(pm_kv_put(txn, db, pm_kv_u64(&i), pm_slice(block, size), &err));
    return PM_OK;
}

/* With little address space the first map is small, so that it can be filled; then a larger headroom must make it grow.
 */
Test(kv, the_map_grows_by_the_headroom)
{
    if (SANITIZED) cr_skip_test("the address space cannot be limited under a sanitizer");
    const size_t size = (size_t)4 << 20;
    struct rlimit limit = {(rlim_t)800 << 20, RLIM_INFINITY}, wide = {RLIM_INFINITY, RLIM_INFINITY};
    char *block = calloc(1, size);
    cr_assert_eq(setrlimit(RLIMIT_AS, &limit), 0);
    struct pm_kv *kv = open_kv();
    cr_assert_eq(setrlimit(RLIMIT_AS, &wide), 0);
    struct pm_kv_txn *txn = NULL;
    OK(pm_kv_begin_write(kv, 1, &txn, &err));
    pm_kv_db db = open_db(txn, "big", PM_KV_DB_CREATE | PM_KV_DB_INTEGER_KEY);
    cr_assert_eq(fill(txn, db, block, size, 70), PM_EMAPFULL, "%s", err.text);
    cr_assert_eq(pm_error_class(PM_EMAPFULL), PM_CLASS_RETRY);
    cr_assert(strstr(err.text, "map is full"), "%s", err.text);
    pm_kv_abort(txn);

    OK(pm_kv_begin_write(kv, (uint64_t)600 << 20, &txn, &err));
    db = open_db(txn, "big", PM_KV_DB_CREATE | PM_KV_DB_INTEGER_KEY);
    OK(fill(txn, db, block, size, 70));
    pm_kv_abort(txn);
    put_one(kv, "k", "v");
    cr_assert_str_eq(get_one(kv, "k"), "v");
    pm_kv_close(kv);
    free(block);
}

Test(kv, the_map_is_left_alone_under_a_reader)
{
    struct pm_kv *kv = open_kv();
    put_one(kv, "k", "v");
    struct pm_kv_txn *reader = begin(kv, false), *writer = NULL;
    pm_kv_db db = open_db(reader, "t", 0);
    struct pm_slice before, after;
    OK(pm_kv_get(reader, db, TEXT("k"), &before, &err));
    OK(pm_kv_begin_write(kv, (uint64_t)300 << 30, &writer, &err));
    pm_kv_abort(writer);
    OK(pm_kv_get(reader, db, TEXT("k"), &after, &err));
    cr_assert_eq(before.ptr, after.ptr, "the map did not move");
    pm_kv_abort(reader);
    pm_kv_close(kv);
}

/* ---- keys and values ---- */

Test(kv, keys_up_to_the_limit)
{
    struct pm_kv *kv = open_kv();
    struct pm_kv_txn *txn = begin(kv, true);
    pm_kv_db db = open_db(txn, "t", PM_KV_DB_CREATE);
    char key[PM_KV_KEY_MAX];
    struct pm_slice value = TEXT("untouched");
    memset(key, 'k', sizeof key);
    OK(pm_kv_put(txn, db, pm_slice(key, sizeof key), TEXT("v"), &err));
    cr_assert_eq(pm_kv_get(txn, db, pm_slice(key, sizeof key - 1), &value, &err), PM_ENOTFOUND);
    cr_assert(pm_slice_is(value, "untouched"));
    OK(pm_kv_get(txn, db, pm_slice(key, sizeof key), &value, &err));
    cr_assert(pm_slice_is(value, "v"));
    OK(pm_kv_del(txn, db, pm_slice(key, sizeof key), &err));
    OK(pm_kv_del(txn, db, pm_slice(key, sizeof key), &err));
    cr_assert_eq(pm_kv_get(txn, db, pm_slice(key, sizeof key), &value, &err), PM_ENOTFOUND);
    OK(pm_kv_commit(txn, &err));
    pm_kv_close(kv);
}

static void put_key_of(size_t len)
{
    struct pm_kv *kv = open_kv();
    struct pm_kv_txn *txn = begin(kv, true);
    pm_kv_db db = open_db(txn, "t", PM_KV_DB_CREATE);
    char key[PM_KV_KEY_MAX + 1] = {0};
    teardown(); /* which the signal leaves out */
    (void)!pm_kv_put(txn, db, pm_slice(key, len), TEXT("v"), &err);
}
Test(kv, a_key_above_the_limit_is_a_bug_of_the_caller, .signal = SIGABRT) { put_key_of(PM_KV_KEY_MAX + 1); }
Test(kv, an_empty_key_is_a_bug_of_the_caller, .signal = SIGABRT) { put_key_of(0); }

Test(kv, integer_keys_are_in_number_order_and_append_only_grows)
{
    struct pm_kv *kv = open_kv();
    struct pm_kv_txn *txn = begin(kv, true);
    pm_kv_db db = open_db(txn, "n", PM_KV_DB_CREATE | PM_KV_DB_INTEGER_KEY);
    static const uint64_t keys[] = {1, 255, 256, 65536, (uint64_t)1 << 40, UINT64_MAX};
    for (size_t i = 0; i < 6; i++) OK(pm_kv_append(txn, db, pm_kv_u64(&keys[i]), TEXT("v"), &err));
    cr_assert_eq(pm_kv_append(txn, db, pm_kv_u64(&keys[2]), TEXT("v"), &err), PM_ECORRUPT);
    cr_assert(strstr(err.text, "not above the last"), "%s", err.text);
    struct pm_kv_cursor *cursor = NULL;
    OK(pm_kv_cursor_open(txn, db, &cursor, &err));
    struct pm_slice key, value;
    int rc = pm_kv_seek(cursor, pm_slice(NULL, 0), &key, &value, &err);
    for (size_t i = 0; i < 6; i++, rc = pm_kv_next(cursor, &key, &value, &err)) {
        uint64_t number;
        OK(rc);
        memcpy(&number, key.ptr, 8);
        cr_assert_eq(number, keys[i]);
    }
    cr_assert_eq(rc, PM_ENOTFOUND);
    OK(pm_kv_last(cursor, &key, NULL, &err));
    cr_assert_eq(memcmp(key.ptr, &keys[5], 8), 0);
    pm_kv_cursor_close(cursor);
    uint64_t entries, bytes;
    OK(pm_kv_db_stat(txn, db, &entries, &bytes, &err));
    cr_assert_eq(entries, 6);
    cr_assert_gt(bytes, 0);
    OK(pm_kv_commit(txn, &err));
    pm_kv_close(kv);
}

/* ---- cursors ---- */

static const char *walk(struct pm_kv_txn *txn, pm_kv_db db)
{
    static char text[256];
    struct pm_kv_cursor *cursor;
    struct pm_slice key;
    text[0] = 0;
    OK(pm_kv_cursor_open(txn, db, &cursor, &err));
    for (int rc = pm_kv_seek(cursor, pm_slice(NULL, 0), &key, NULL, &err); rc == PM_OK;
         rc = pm_kv_next(cursor, &key, NULL, &err))
        snprintf(text + strlen(text), sizeof text - strlen(text), "%.*s ", PM_SLICE_ARG(key));
    pm_kv_cursor_close(cursor);
    return text;
}

Test(kv, a_cursor_seeks_and_deletes_where_it_stands)
{
    struct pm_kv *kv = open_kv();
    struct pm_kv_txn *txn = begin(kv, true);
    pm_kv_db db = open_db(txn, "t", PM_KV_DB_CREATE);
    static const char *const keys[] = {"a", "b", "c", "d", "e"};
    for (size_t i = 0; i < 5; i++) OK(pm_kv_put(txn, db, TEXT(keys[i]), TEXT(keys[i]), &err));
    struct pm_kv_cursor *cursor = NULL;
    struct pm_slice key, value;
    OK(pm_kv_cursor_open(txn, db, &cursor, &err));
    OK(pm_kv_seek(cursor, TEXT("bb"), &key, &value, &err));
    cr_assert(pm_slice_is(key, "c") && pm_slice_is(value, "c"));
    OK(pm_kv_cursor_del(cursor, &err));
    OK(pm_kv_next(cursor, &key, &value, &err));
    cr_assert(pm_slice_is(key, "d"), "the one after it, not the one after that");
    OK(pm_kv_cursor_del(cursor, &err));
    OK(pm_kv_next(cursor, &key, &value, &err));
    OK(pm_kv_cursor_del(cursor, &err));
    cr_assert_eq(pm_kv_next(cursor, &key, &value, &err), PM_ENOTFOUND);
    cr_assert_eq(pm_kv_seek(cursor, TEXT("f"), &key, &value, &err), PM_ENOTFOUND);
    pm_kv_cursor_close(cursor);
    pm_kv_cursor_close(NULL);
    cr_assert_str_eq(walk(txn, db), "a b ");
    OK(pm_kv_commit(txn, &err));
    pm_kv_close(kv);
}

Test(kv, a_cursor_deletes_whole_pages)
{
    struct pm_kv *kv = open_kv();
    struct pm_kv_txn *txn = begin(kv, true);
    pm_kv_db db = open_db(txn, "n", PM_KV_DB_CREATE | PM_KV_DB_INTEGER_KEY);
    char value[700] = {0};
    for (uint64_t i = 0; i < 1000; i++) OK(pm_kv_put(txn, db, pm_kv_u64(&i), pm_slice(value, i % sizeof value), &err));
    struct pm_kv_cursor *cursor = NULL;
    OK(pm_kv_cursor_open(txn, db, &cursor, &err));
    struct pm_slice key;
    uint64_t seen = 0, kept = 0;
    for (int rc = pm_kv_seek(cursor, pm_slice(NULL, 0), &key, NULL, &err); rc == PM_OK;
         rc = pm_kv_next(cursor, &key, NULL, &err)) {
        uint64_t number;
        memcpy(&number, key.ptr, 8);
        cr_assert_eq(number, seen++, "each one once");
        if (number % 10) OK(pm_kv_cursor_del(cursor, &err));
    }
    cr_assert_eq(seen, 1000);
    for (int rc = pm_kv_seek(cursor, pm_slice(NULL, 0), &key, NULL, &err); rc == PM_OK;
         rc = pm_kv_next(cursor, &key, NULL, &err))
        kept++;
    cr_assert_eq(kept, 100);
    pm_kv_cursor_close(cursor);
    OK(pm_kv_commit(txn, &err));
    pm_kv_close(kv);
}

/* ---- copies ---- */

static int copy_to(struct pm_kv *kv, const char *copy, int flags)
{
    char file[TEST_DIR_SIZE + 32];
    snprintf(file, sizeof file, "%s/data.mdb", copy);
    int fd = open(file, flags | O_CLOEXEC, 0600);
    cr_assert_geq(fd, 0);
    int rc = pm_kv_copy(kv, fd, &err);
    close(fd);
    return rc;
}

Test(kv, a_copy_stands_on_its_own)
{
    char copy[TEST_DIR_SIZE + 16];
    snprintf(copy, sizeof copy, "%s/copy", dir);
    struct pm_kv *kv = open_kv(), *other = NULL;
    put_one(kv, "k", "1");
    cr_assert_eq(mkdir(copy, 0700), 0);
    struct pm_kv_txn *reader = begin(kv, false);
    OK(copy_to(kv, copy, O_CREAT | O_WRONLY));
    pm_kv_abort(reader);
    put_one(kv, "k", "2");
    cr_assert_eq(copy_to(kv, copy, O_RDONLY), PM_EIO, "where nothing can be written");
    OK(pm_kv_open(copy, PM_KV_READ_ONLY, &other, &err));
    cr_assert_neq(kv, other);
    cr_assert_str_eq(get_one(other, "k"), "1");
    cr_assert_str_eq(get_one(kv, "k"), "2");
    cr_assert_geq(pm_kv_file_bytes(other), 2 * 4096);
    cr_assert_str_eq(pm_kv_dir(other), copy);
    pm_kv_close(other);
    pm_kv_close(kv);
}
