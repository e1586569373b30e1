/* json_test.c: what the strict reader takes and refuses, with the place and the reason; what the writer escapes. */
#include "common/base/json.h"

#include <criterion/criterion.h>
#include <stdio.h>

static struct pm_arena arena;
static struct pm_buf out;
static struct pm_error err;

/* Reads all of a text as one value; its compact form in `out`. */
static int compact(struct pm_slice text)
{
    struct pm_json in;
    pm_arena_reset(&arena);
    pm_buf_clear(&out);
    PM_TRY(pm_json_open(&in, text, &arena, &err));
    PM_TRY(pm_json_read_compact(&in, &out, &err));
    return pm_json_close(&in, &err);
}

/* The bytes in memory that ends with them, so that a sanitizer sees any look beyond. */
static struct pm_slice exact(const char *text)
{
    size_t len = strlen(text);
    char *copy = malloc(len ? len : 1);
    memcpy(copy, text, len);
    return pm_slice(copy, len);
}

static const struct {
    const char *text, *compact; /* NULL: the same */
} taken[] = {
    {"{}", NULL},
    {"[]", NULL},
    {"null", NULL},
    {"\"\"", NULL},
    {"-0", NULL},
    {"1e999", NULL},
    {"123456789012345678901234567890.10", NULL},
    {" \t\r\n[ 1 , 2 ] \n", "[1,2]"},
    {"{ \"b\" : { \"x\" : [ true , false , null ] } , \"a\" : \" sp ace \" }",
     "{\"b\":{\"x\":[true,false,null]},\"a\":\" sp ace \"}"},
    {"\"\\u00e9\\/\\ud83e\\udda0\\n\"", "\"é/🦠\\n\""},
    {"\"a string of more than sixteen bytes, with \\\" and \\\\ in it, and then some more text\"", NULL},
    {"\"\x7f\"", NULL},
    {"{\"\":1,\" \":2}", NULL},
};

Test(json, takes_values_and_keeps_their_text)
{
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++) {
        struct pm_slice text = exact(taken[i].text);
        cr_assert_eq(compact(text), PM_OK, "%s: %s", taken[i].text, err.text);
        cr_assert(pm_slice_is(pm_buf_slice(&out), taken[i].compact ? taken[i].compact : taken[i].text),
                  "%s became %.*s", taken[i].text, (int)out.len, out.ptr);
        free((void *)text.ptr);
    }
}

static const struct {
    const char *text;
    int code;
    const char *says;
} refused[] = {
    {"", PM_EFORMAT, "at byte offset 0: expected a value, found the end"},
    {"   ", PM_EFORMAT, "at byte offset 3: expected a value, found the end"},
    {"{", PM_EFORMAT, "at byte offset 1: expected a key in double quotes, found the end"},
    {"[1", PM_EFORMAT, "at byte offset 2: expected ',' or ']', found the end"},
    {"[1,]", PM_EFORMAT, "at byte offset 3: expected a value, found ']'"},
    {"[,1]", PM_EFORMAT, "at byte offset 1: expected a value, found ',1]'"},
    {"{\"a\":1,}", PM_EFORMAT, "at byte offset 7: expected a key in double quotes, found '}'"},
    {"{a:1}", PM_EFORMAT, "at byte offset 1: expected a key in double quotes, found 'a:1}'"},
    {"{\"a\" 1}", PM_EFORMAT, "at byte offset 5: expected ':' after the key, found '1}'"},
    {"{\"a\":1 \"b\":2}", PM_EFORMAT, "at byte offset 7: expected ',' or '}', found '\"b\":2}'"},
    {"[1}", PM_EFORMAT, "at byte offset 2: expected ',' or ']', found '}'"},
    {"{} x", PM_EFORMAT, "at byte offset 3: expected the end, found 'x'"},
    {"{}{}", PM_EFORMAT, "at byte offset 2: expected the end"},
    {"01", PM_EFORMAT, "expected a number, found '01'"},
    {"1.", PM_EFORMAT, "expected a number"},
    {"1.e5", PM_EFORMAT, "expected a number"},
    {"1e", PM_EFORMAT, "expected a number"},
    {"+1", PM_EFORMAT, "expected a value"},
    {".5", PM_EFORMAT, "expected a value"},
    {"-", PM_EFORMAT, "expected a value"},
    {"NaN", PM_EFORMAT, "expected a value, found 'NaN'"},
    {"-Infinity", PM_EFORMAT, "expected a value, found '-Infinity'"},
    {"nul", PM_EFORMAT, "expected a value"},
    {"nullx", PM_EFORMAT, "expected null"},
    {"True", PM_EFORMAT, "expected a value"},
    {"truely", PM_EFORMAT, "expected true or false"},
    {"'a'", PM_EFORMAT, "expected a value"},
    {"\"abc", PM_EFORMAT, "at byte offset 0: the string does not end"},
    {"\"abc\\", PM_EFORMAT, "the string does not end"},
    {"\"abc\\\"", PM_EFORMAT, "the string does not end"},
    {"\"a\nb\"", PM_EFORMAT, "at byte offset 2: control character"},
    {"\"\\n\nb\"", PM_EFORMAT, "at byte offset 3: control character"},
    {"\"\\x41\"", PM_EFORMAT, "at byte offset 1: unknown escape"},
    {"\"\\u12\"", PM_EFORMAT, "four hexadecimal digits"},
    {"\"\\u12g4\"", PM_EFORMAT, "four hexadecimal digits"},
    {"\"a\\ud800\"", PM_EFORMAT, "at byte offset 2: lone surrogate"},
    {"\"\\ud800\\u0041\"", PM_EFORMAT, "lone surrogate"},
    {"\"\\udc00\\ud800\"", PM_EFORMAT, "lone surrogate"},
    {"\"\\ud800\\ud800\"", PM_EFORMAT, "lone surrogate"},
    {"\"ab\xff\"", PM_EFORMAT, "not UTF-8 at byte offset 3 (0xff)"},
    {"\"\xed\xa0\x80\"", PM_EFORMAT, "not UTF-8 at byte offset 1 (0xed)"},
    {"\xef\xbb\xbf{}", PM_EFORMAT, "at byte offset 0: expected a value"},
    {"{\"a\":1,\"a\":2}", PM_EINVALID, "duplicate key \"a\""},
    {"{\"a\":1,\"\\u0061\":2}", PM_EINVALID, "duplicate key \"a\""},
    {"{\"x\":[{\"b\":1,\"b\":1}]}", PM_EINVALID, "duplicate key \"b\""},
    {"{\"\":1,\"\":2}", PM_EINVALID, "duplicate key \"\""},
};

Test(json, refuses_with_place_and_reason)
{
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        struct pm_slice text = exact(refused[i].text);
        err.text[0] = '\0';
        cr_assert_eq(compact(text), refused[i].code, "%s: %s", refused[i].text, err.text);
        cr_assert(strstr(err.text, refused[i].says), "%s: %s", refused[i].text, err.text);
        free((void *)text.ptr);
    }
}

Test(json, the_depth_has_a_limit)
{
    char text[2 * PM_JSON_DEPTH_MAX + 2];
    for (size_t depth = PM_JSON_DEPTH_MAX; depth <= PM_JSON_DEPTH_MAX + 1; depth++) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        cr_assert_eq(compact(pm_slice(text, 2 * depth)), depth > PM_JSON_DEPTH_MAX ? PM_ELIMIT : PM_OK);
    }
    cr_assert(strstr(err.text, "limit of 64 levels"), "%s", err.text);
}

Test(json, strings_come_without_their_escapes)
{
    struct pm_json in;
    struct pm_slice text;
    struct pm_slice line = PM_SLICE("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0000\\u00E9\\u20ac\\ud83e\\udda0 and more\"");
    cr_assert_eq(pm_json_open(&in, line, &arena, &err), PM_OK);
    cr_assert_eq(pm_json_read_string(&in, &text, &err), PM_OK, "%s", err.text);
    struct pm_slice expected = PM_SLICE("\"\\/\b\f\n\r\t\0\xc3\xa9\xe2\x82\xac\xf0\x9f\xa6\xa0 and more");
    cr_assert(pm_slice_eq(text, expected));
    cr_assert_eq(pm_json_close(&in, &err), PM_OK);
}

Test(json, a_string_without_escapes_is_borrowed)
{
    struct pm_json in;
    struct pm_slice text, line = PM_SLICE(" \"abc\"");
    pm_json_open_checked(&in, line, NULL);
    cr_assert_eq(pm_json_read_string(&in, &text, &err), PM_OK);
    cr_assert_eq(text.ptr, line.ptr + 2);
    cr_assert_eq(text.len, 3);
}

Test(json, the_cursor_walks_an_object)
{
    struct pm_json in;
    struct pm_slice key, number;
    bool more, integer, flag;
    pm_json_open_checked(&in, PM_SLICE("{\"a\":[1.50,-2],\"b\":true,\"c\":null}"), &arena);
    cr_assert_eq(pm_json_peek(&in), PM_JSON_OBJECT);
    cr_assert_eq(pm_json_enter(&in, '{', &err), PM_OK);
    cr_assert(pm_json_read_key(&in, &key, &more, &err) == PM_OK && more && pm_slice_is(key, "a"));
    cr_assert_eq(pm_json_enter(&in, '[', &err), PM_OK);
    cr_assert(pm_json_read_item(&in, &more, &err) == PM_OK && more);
    cr_assert(pm_json_read_number(&in, &number, &integer, &err) == PM_OK && !integer && pm_slice_is(number, "1.50"));
    cr_assert(pm_json_read_item(&in, &more, &err) == PM_OK && more);
    cr_assert(pm_json_read_number(&in, &number, &integer, &err) == PM_OK && integer && pm_slice_is(number, "-2"));
    cr_assert(pm_json_read_item(&in, &more, &err) == PM_OK && !more);
    cr_assert(pm_json_read_key(&in, &key, &more, &err) == PM_OK && more && pm_slice_is(key, "b"));
    cr_assert(pm_json_read_bool(&in, &flag, &err) == PM_OK && flag);
    cr_assert(pm_json_read_key(&in, &key, &more, &err) == PM_OK && more && pm_slice_is(key, "c"));
    cr_assert_eq(pm_json_peek(&in), PM_JSON_NULL);
    cr_assert_eq(pm_json_read_null(&in, &err), PM_OK);
    cr_assert(pm_json_read_key(&in, &key, &more, &err) == PM_OK && !more);
    cr_assert_eq(pm_json_close(&in, &err), PM_OK);
}

Test(json, key_sets_of_any_size_find_what_is_there)
{
    enum { KEYS = 5000 };
    static char names[KEYS][16];
    struct pm_json_keys keys = {.count = 0};
    for (int i = 0; i < KEYS; i++) {
        snprintf(names[i], sizeof names[i], "k%d", i);
        cr_assert(pm_json_keys_add(&keys, pm_slice_cstr(names[i]), &arena), "%s", names[i]);
        if (i % 97 == 0)
            cr_assert_not(pm_json_keys_add(&keys, pm_slice_cstr(names[i / 2]), &arena), "%s", names[i / 2]);
    }
    for (int i = 0; i < KEYS; i++)
        cr_assert_not(pm_json_keys_add(&keys, pm_slice_cstr(names[i]), &arena), "%s", names[i]);
    cr_assert(pm_json_keys_add(&keys, pm_slice(NULL, 0), &arena));
    cr_assert_not(pm_json_keys_add(&keys, pm_slice(NULL, 0), &arena));
}

Test(json, the_plain_length_ends_at_what_must_be_escaped_wherever_it_is)
{
    for (int c = 0; c < 256; c++) {
        bool special = c < 0x20 || c == '"' || c == '\\';
        for (size_t at = 0; at < 40; at++) {
            char text[40];
            memset(text, 'x', sizeof text);
            text[at] = (char)c;
            cr_assert_eq(pm_json_plain_length(text, sizeof text), special ? at : sizeof text, "byte 0x%02x at %zu",
                         (unsigned)c, at);
        }
    }
    cr_assert_eq(pm_json_plain_length(NULL, 0), 0);
}

Test(json, strings_are_written_with_as_few_escapes_as_can_be)
{
    pm_buf_clear(&out);
    pm_json_put_string(&out, PM_SLICE("\xc3\xbc\x01\"\\/\x7f\b\f\n\r\t\x1f\0 and a tail"));
    cr_assert(
        pm_slice_is(pm_buf_slice(&out), "\"\xc3\xbc\\u0001\\\"\\\\/\x7f\\b\\f\\n\\r\\t\\u001f\\u0000 and a tail\""),
        "%.*s", (int)out.len, out.ptr);
}

Test(json, numbers_and_times_are_written)
{
    pm_buf_clear(&out);
    pm_json_put_double(&out, 2);
    pm_buf_byte(&out, ' ');
    pm_json_put_i64(&out, -5);
    pm_buf_byte(&out, ' ');
    pm_json_put_seed(&out, 9007199254740992u);
    pm_buf_byte(&out, ' ');
    pm_json_put_seed(&out, 9007199254740993u);
    pm_buf_byte(&out, ' ');
    pm_json_put_time(&out, 0);
    cr_assert(pm_slice_is(pm_buf_slice(&out),
                          "2.0 -5 9007199254740992 \"9007199254740993\" \"1970-01-01T00:00:00.000000Z\""));
}
