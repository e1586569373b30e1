/* criterion.h: as much of Criterion's interface as the unit tests use, for the lanes that Criterion itself cannot run
 * in: its workers share memory at a fixed address, which the thread sanitizer keeps for itself, and start the program
 * anew for every test, which takes valgrind seconds each. Here every test is a fork of a process without threads
 * (plain.c). */
#ifndef PM_TEST_PLAIN_CRITERION_H
#define PM_TEST_PLAIN_CRITERION_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct plain_options {
    void (*init)(void), (*fini)(void);
    int signal;     /* the test is to end by it */
    double timeout; /* seconds */
};

struct plain_test {
    struct plain_test *next;
    const char *suite, *name; /* name NULL: the options of the suite */
    void (*run)(void);
    struct plain_options options;
};

void plain_register(struct plain_test *test);
_Noreturn void plain_fail(const char *file, int line, const char *condition, const char *fmt, ...);
_Noreturn void plain_skip(const char *fmt, ...);

#define Test(suite_, name_, ...)                                                                     \
    static void suite_##_##name_##_test(void);                                                       \
    static struct plain_test suite_##_##name_##_entry = {                                            \
        .suite = #suite_, .name = #name_, .run = suite_##_##name_##_test, .options = {__VA_ARGS__}}; \
    __attribute__((constructor)) static void suite_##_##name_##_register(void)                       \
    {                                                                                                \
        plain_register(&suite_##_##name_##_entry);                                                   \
    }                                                                                                \
    static void suite_##_##name_##_test(void)

#define TestSuite(suite_, ...)                                                                                        \
    static struct plain_test suite_##_suite_entry = {.suite = #suite_, .options = {__VA_ARGS__}};                     \
    __attribute__((constructor)) static void suite_##_suite_register(void) { plain_register(&suite_##_suite_entry); } \
    struct plain_test

#define PLAIN_CHECK(condition, text, ...) ((condition) ? (void)0 : plain_fail(__FILE__, __LINE__, text, "" __VA_ARGS__))

#define cr_assert(condition, ...) PLAIN_CHECK(condition, #condition, __VA_ARGS__)
#define cr_assert_not(condition, ...) PLAIN_CHECK(!(condition), "!(" #condition ")", __VA_ARGS__)
#define cr_assert_null(a, ...) PLAIN_CHECK((a) == NULL, #a " == NULL", __VA_ARGS__)
#define cr_assert_not_null(a, ...) PLAIN_CHECK((a) != NULL, #a " != NULL", __VA_ARGS__)
#define cr_assert_eq(a, b, ...) PLAIN_CHECK((a) == (b), #a " == " #b, __VA_ARGS__)
#define cr_assert_neq(a, b, ...) PLAIN_CHECK((a) != (b), #a " != " #b, __VA_ARGS__)
#define cr_assert_lt(a, b, ...) PLAIN_CHECK((a) < (b), #a " < " #b, __VA_ARGS__)
#define cr_assert_leq(a, b, ...) PLAIN_CHECK((a) <= (b), #a " <= " #b, __VA_ARGS__)
#define cr_assert_gt(a, b, ...) PLAIN_CHECK((a) > (b), #a " > " #b, __VA_ARGS__)
#define cr_assert_geq(a, b, ...) PLAIN_CHECK((a) >= (b), #a " >= " #b, __VA_ARGS__)
#define cr_assert_float_eq(a, b, epsilon, ...) \
    PLAIN_CHECK((a) - (b) <= (epsilon) && (b) - (a) <= (epsilon), #a " == " #b, __VA_ARGS__)
#define cr_assert_arr_eq(a, b, bytes, ...) PLAIN_CHECK(memcmp(a, b, bytes) == 0, #a " is the bytes of " #b, __VA_ARGS__)
#define cr_assert_str_eq(a, b, ...) PLAIN_CHECK(strcmp(a, b) == 0, #a " is " #b, __VA_ARGS__)
#define cr_assert_str_neq(a, b, ...) PLAIN_CHECK(strcmp(a, b) != 0, #a " is not " #b, __VA_ARGS__)
#define cr_skip_test(...) plain_skip("" __VA_ARGS__)

#endif
