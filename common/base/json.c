/* json.c: the strict reader and the writer's pieces (json.h). Stands under everything that reads or writes a line. One
 * thread a cursor. */
#include "common/base/json.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "common/base/check.h"
#include "common/base/hash.h"
#include "common/base/number.h"
#include "common/base/time.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the first byte of a word is its lowest");

/* ---- strings: looking at sixteen or eight bytes at once ---- */

#define EACH_BYTE(b) (0x0101010101010101u * (b))

/* The high bit of the lowest zero byte is set, and none below it; higher bits may be wrong (a borrow), which does not
 * matter. */
static inline uint64_t zero_bytes(uint64_t word) { return (word - EACH_BYTE(1)) & ~word & EACH_BYTE(0x80); }

/* The same for bytes that end or interrupt a string: '"', '\\', below 0x20. */
static inline uint64_t special_bytes(uint64_t word)
{
    uint64_t control = (word - EACH_BYTE(0x20)) & ~word & EACH_BYTE(0x80);
    return zero_bytes(word ^ EACH_BYTE('"')) | zero_bytes(word ^ EACH_BYTE('\\')) | control;
}

static inline const char *skip_plain(const char *p, const char *end)
{
#ifdef __SSE2__
    const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\'), control = _mm_set1_epi8(0x1f);
    while (end - p >= 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)p);
        __m128i special = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(bytes, quote), _mm_cmpeq_epi8(bytes, backslash)),
                                       _mm_cmpeq_epi8(_mm_min_epu8(bytes, control), bytes));
        int mask = _mm_movemask_epi8(special);
        if (mask) return p + __builtin_ctz((unsigned)mask);
        p += 16;
    }
#endif
    while (end - p >= 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        uint64_t special = special_bytes(word);
        if (special) return p + (__builtin_ctzll(special) >> 3);
        p += 8;
    }
    while (p < end && *p != '"' && *p != '\\' && (unsigned char)*p >= 0x20) p++;
    return p;
}

size_t pm_json_plain_length(const char *text, size_t len)
{
    return len ? (size_t)(skip_plain(text, text + len) - text) : 0;
}

/* ---- errors ---- */

static int fail_at(const struct pm_json *in, const char *at, const char *what, struct pm_error *err)
{
    return pm_error_set(err, PM_EFORMAT, "not JSON at byte offset %zu: %s", (size_t)(at - in->start), what);
}

int pm_json_expected(const struct pm_json *in, const char *expected, struct pm_error *err)
{
    size_t offset = (size_t)(in->at - in->start), left = (size_t)(in->end - in->at);
    if (left == 0)
        return pm_error_set(err, PM_EFORMAT, "not JSON at byte offset %zu: expected %s, found the end", offset,
                            expected);
    if ((unsigned char)*in->at < 0x20 || *in->at == 0x7f) {
        return pm_error_set(err, PM_EFORMAT, "not JSON at byte offset %zu: expected %s, found byte 0x%02x", offset,
                            expected, (unsigned char)*in->at);
    }
    size_t shown = 0; /* up to 12 bytes of printable text, whole characters */
    while (shown < left && shown < 12 && (unsigned char)in->at[shown] >= 0x20 && in->at[shown] != 0x7f) shown++;
    while (shown > 1 && shown < left && (in->at[shown] & 0xc0) == 0x80) shown--;
    return pm_error_set(err, PM_EFORMAT, "not JSON at byte offset %zu: expected %s, found '%.*s'", offset, expected,
                        (int)shown, in->at);
}

/* ---- opening, closing, looking ahead ---- */

void pm_json_open_checked(struct pm_json *in, struct pm_slice text, struct pm_arena *arena)
{
    *in = (struct pm_json){.start = text.ptr, .at = text.ptr, .end = text.ptr + text.len, .arena = arena};
}

int pm_json_open(struct pm_json *in, struct pm_slice text, struct pm_arena *arena, struct pm_error *err)
{
    if (!pm_utf8_valid(text)) {
        size_t offset = pm_utf8_valid_prefix(text);
        return pm_error_set(err, PM_EFORMAT, "not UTF-8 at byte offset %zu (0x%02x)", offset,
                            (unsigned char)text.ptr[offset]);
    }
    pm_json_open_checked(in, text, arena);
    return PM_OK;
}

static inline void skip_blanks(struct pm_json *in)
{
    if (in->at < in->end && (unsigned char)*in->at > ' ') return;
    while (in->at < in->end && (*in->at == ' ' || *in->at == '\t' || *in->at == '\n' || *in->at == '\r')) in->at++;
}

int pm_json_close(struct pm_json *in, struct pm_error *err)
{
    skip_blanks(in);
    return in->at == in->end ? PM_OK : pm_json_expected(in, "the end", err);
}

enum pm_json_kind pm_json_peek(struct pm_json *in)
{
    skip_blanks(in);
    if (in->at == in->end) return PM_JSON_NONE;
    switch (*in->at) {
    case '{': return PM_JSON_OBJECT;
    case '[': return PM_JSON_ARRAY;
    case '"': return PM_JSON_STRING;
    case 't':
    case 'f': return PM_JSON_BOOL;
    case 'n': return in->end - in->at >= 4 && memcmp(in->at, "null", 4) == 0 ? PM_JSON_NULL : PM_JSON_NONE;
    case '-': return in->end - in->at >= 2 && (unsigned char)(in->at[1] - '0') <= 9 ? PM_JSON_NUMBER : PM_JSON_NONE;
    default: return (unsigned char)(*in->at - '0') <= 9 ? PM_JSON_NUMBER : PM_JSON_NONE;
    }
}

const char *pm_json_kind_name(enum pm_json_kind kind)
{
    static const char *const names[] = {"not a value", "an object",     "an array", "a string",
                                        "a number",    "true or false", "null"};
    return names[kind];
}

/* ---- objects and arrays ---- */

int pm_json_enter(struct pm_json *in, char bracket, struct pm_error *err)
{
    skip_blanks(in);
    if (in->at == in->end || *in->at != bracket)
        return pm_json_expected(in, bracket == '{' ? "an object" : "an array", err);
    if (in->depth == PM_JSON_DEPTH_MAX) {
        return pm_error_set(err, PM_ELIMIT, "JSON nested deeper than the limit of %d levels at byte offset %zu",
                            PM_JSON_DEPTH_MAX, (size_t)(in->at - in->start));
    }
    in->at++;
    in->depth++;
    in->fresh = true;
    return PM_OK;
}

/* Past the comma before the next item, or past the closing bracket. */
static int next_item(struct pm_json *in, char closing, bool *ret_more, struct pm_error *err)
{
    skip_blanks(in);
    bool fresh = in->fresh;
    in->fresh = false;
    if (in->at < in->end && *in->at == closing) {
        in->at++;
        in->depth--;
        *ret_more = false;
        return PM_OK;
    }
    if (!fresh) {
        if (in->at == in->end || *in->at != ',')
            return pm_json_expected(in, closing == '}' ? "',' or '}'" : "',' or ']'", err);
        in->at++;
        skip_blanks(in);
    }
    *ret_more = true;
    return PM_OK;
}

int pm_json_read_item(struct pm_json *in, bool *ret_more, struct pm_error *err)
{
    return next_item(in, ']', ret_more, err);
}

int pm_json_read_key(struct pm_json *in, struct pm_slice *ret_key, bool *ret_more, struct pm_error *err)
{
    bool more;
    PM_TRY(next_item(in, '}', &more, err));
    if (more) {
        if (in->at == in->end || *in->at != '"') return pm_json_expected(in, "a key in double quotes", err);
        PM_TRY(pm_json_read_string(in, ret_key, err));
        skip_blanks(in);
        if (in->at == in->end || *in->at != ':') return pm_json_expected(in, "':' after the key", err);
        in->at++;
    }
    *ret_more = more;
    return PM_OK;
}

/* ---- strings ---- */

static int hex4(const char *p, const char *end)
{
    if (end - p < 4) return -1;
    int value = 0;
    for (int i = 0; i < 4; i++) {
        char c = p[i];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0) return -1;
        value = value << 4 | digit;
    }
    return value;
}

static char *put_utf8(char *to, uint32_t point)
{
    if (point < 0x80) {
        *to++ = (char)point;
    } else if (point < 0x800) {
        *to++ = (char)(0xc0 | point >> 6);
        *to++ = (char)(0x80 | (point & 0x3f));
    } else if (point < 0x10000) {
        *to++ = (char)(0xe0 | point >> 12);
        *to++ = (char)(0x80 | (point >> 6 & 0x3f));
        *to++ = (char)(0x80 | (point & 0x3f));
    } else {
        *to++ = (char)(0xf0 | point >> 18);
        *to++ = (char)(0x80 | (point >> 12 & 0x3f));
        *to++ = (char)(0x80 | (point >> 6 & 0x3f));
        *to++ = (char)(0x80 | (point & 0x3f));
    }
    return to;
}

/* One escape at p (the backslash): its bytes to *to, and where it ends. At most as many bytes as the escape itself has.
 */
static int unescape(const struct pm_json *in, const char *p, char **to, const char **ret_end, struct pm_error *err)
{
    static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    if (p + 1 == in->end) return fail_at(in, p, "the string does not end", err);
    const char *letter = p[1] ? strchr(letters, p[1]) : NULL;
    if (letter) {
        *(*to)++ = meanings[letter - letters];
        *ret_end = p + 2;
        return PM_OK;
    }
    if (p[1] != 'u') return fail_at(in, p, "unknown escape in a string", err);
    int unit = hex4(p + 2, in->end);
    if (unit < 0) return fail_at(in, p, "\\u needs four hexadecimal digits", err);
    uint32_t point = (uint32_t)unit;
    p += 6;
    if (unit >= 0xd800 && unit <= 0xdfff) {
        int low = unit <= 0xdbff && in->end - p >= 6 && p[0] == '\\' && p[1] == 'u' ? hex4(p + 2, in->end) : -1;
        if (low < 0xdc00 || low > 0xdfff)
            return fail_at(in, p - 6, "lone surrogate escape: it stands for no character", err);
        point = 0x10000 + ((uint32_t)(unit - 0xd800) << 10) + (uint32_t)(low - 0xdc00);
        p += 6;
    }
    *to = put_utf8(*to, point);
    *ret_end = p;
    return PM_OK;
}

/* The rest of a string that has an escape at p. */
static int read_escaped(struct pm_json *in, const char *begin, const char *p, struct pm_slice *ret,
                        struct pm_error *err)
{
    const char *close = p; /* the closing quote: how much room the text needs at most */
    while (close < in->end && *close != '"') close += *close == '\\' ? 2 : 1;
    if (close >= in->end) return fail_at(in, begin - 1, "the string does not end", err);
    char *text = pm_arena_alloc(in->arena, (size_t)(close - begin)), *to = text;
    const char *run = begin;
    for (;;) {
        memcpy(to, run, (size_t)(p - run));
        to += p - run;
        if (p == close) break;
        if (*p != '\\') return fail_at(in, p, "control character in a string, escape it", err);
        PM_TRY(unescape(in, p, &to, &run, err));
        p = skip_plain(run, close);
    }
    in->at = close + 1;
    *ret = pm_slice(text, (size_t)(to - text));
    return PM_OK;
}

int pm_json_read_string(struct pm_json *in, struct pm_slice *ret, struct pm_error *err)
{
    skip_blanks(in);
    if (in->at == in->end || *in->at != '"') return pm_json_expected(in, "a string", err);
    const char *begin = in->at + 1, *p = skip_plain(begin, in->end);
    if (p == in->end) return fail_at(in, in->at, "the string does not end", err);
    if (*p == '"') {
        in->at = p + 1;
        *ret = pm_slice(begin, (size_t)(p - begin));
        return PM_OK;
    }
    if (*p != '\\') return fail_at(in, p, "control character in a string, escape it", err);
    return read_escaped(in, begin, p, ret, err);
}

/* ---- the other values ---- */

/* Would a further letter or digit run into what was just read? "01", "1.", "nullx" are no values. */
static bool runs_on(const struct pm_json *in, const char *p)
{
    if (p == in->end) return false;
    char c = *p;
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' || c == '+' ||
           c == '-' || c == '_';
}

int pm_json_read_number(struct pm_json *in, struct pm_slice *ret, bool *ret_integer, struct pm_error *err)
{
    skip_blanks(in);
    bool integer;
    size_t len = in->at < in->end ? pm_number_length(pm_slice(in->at, (size_t)(in->end - in->at)), &integer) : 0;
    if (len == 0 || runs_on(in, in->at + len)) return pm_json_expected(in, "a number", err);
    *ret = pm_slice(in->at, len);
    *ret_integer = integer;
    in->at += len;
    return PM_OK;
}

static bool take_word(struct pm_json *in, struct pm_slice word)
{
    if (!pm_slice_starts(pm_slice(in->at, (size_t)(in->end - in->at)), word) || runs_on(in, in->at + word.len))
        return false;
    in->at += word.len;
    return true;
}

int pm_json_read_bool(struct pm_json *in, bool *ret, struct pm_error *err)
{
    skip_blanks(in);
    bool value = take_word(in, PM_SLICE("true"));
    if (!value && !take_word(in, PM_SLICE("false"))) return pm_json_expected(in, "true or false", err);
    *ret = value;
    return PM_OK;
}

int pm_json_read_null(struct pm_json *in, struct pm_error *err)
{
    skip_blanks(in);
    return take_word(in, PM_SLICE("null")) ? PM_OK : pm_json_expected(in, "null", err);
}

/* ---- whole values ---- */

static int duplicate_key(struct pm_slice key, struct pm_error *err)
{
    return pm_error_set(err, PM_EINVALID, "duplicate key \"%.*s\"", (int)(key.len > 200 ? 200 : key.len), key.ptr);
}

/* Writes a string that was read from `written` (quotes and escapes included). */
static void put_again(struct pm_buf *out, struct pm_slice text, struct pm_slice written)
{
    if (text.len + 2 == written.len) pm_buf_slice_add(out, written); /* had no escapes */
    else pm_json_put_string(out, text);
}

static int compact_object(struct pm_json *in, struct pm_buf *out, struct pm_error *err)
{
    struct pm_json_keys keys;
    keys.count = 0;
    keys.table = NULL;
    PM_TRY(pm_json_enter(in, '{', err));
    if (out) pm_buf_byte(out, '{');
    for (;;) {
        struct pm_slice key;
        bool more, first = in->fresh;
        PM_TRY(next_item(in, '}', &more, err));
        if (!more) break;
        if (in->at == in->end || *in->at != '"') return pm_json_expected(in, "a key in double quotes", err);
        const char *begin = in->at;
        PM_TRY(pm_json_read_string(in, &key, err));
        if (!pm_json_keys_add(&keys, key, in->arena)) return duplicate_key(key, err);
        if (out) {
            if (!first) pm_buf_byte(out, ',');
            put_again(out, key, pm_slice(begin, (size_t)(in->at - begin)));
            pm_buf_byte(out, ':');
        }
        skip_blanks(in);
        if (in->at == in->end || *in->at != ':') return pm_json_expected(in, "':' after the key", err);
        in->at++;
        PM_TRY(pm_json_read_compact(in, out, err));
    }
    if (out) pm_buf_byte(out, '}');
    return PM_OK;
}

static int compact_array(struct pm_json *in, struct pm_buf *out, struct pm_error *err)
{
    PM_TRY(pm_json_enter(in, '[', err));
    if (out) pm_buf_byte(out, '[');
    for (;;) {
        bool more, first = in->fresh;
        PM_TRY(pm_json_read_item(in, &more, err));
        if (!more) break;
        if (out && !first) pm_buf_byte(out, ',');
        PM_TRY(pm_json_read_compact(in, out, err));
    }
    if (out) pm_buf_byte(out, ']');
    return PM_OK;
}

int pm_json_read_compact(struct pm_json *in, struct pm_buf *out,
                         struct pm_error *err) /* recursive: PM_JSON_DEPTH_MAX is its limit */
{
    enum pm_json_kind kind = pm_json_peek(in);
    const char *begin = in->at;
    struct pm_slice text;
    bool ignored;
    switch (kind) {
    case PM_JSON_OBJECT: return compact_object(in, out, err);
    case PM_JSON_ARRAY: return compact_array(in, out, err);
    case PM_JSON_STRING:
        PM_TRY(pm_json_read_string(in, &text, err));
        if (out) put_again(out, text, pm_slice(begin, (size_t)(in->at - begin)));
        return PM_OK;
    case PM_JSON_NUMBER: PM_TRY(pm_json_read_number(in, &text, &ignored, err)); break;
    case PM_JSON_BOOL: PM_TRY(pm_json_read_bool(in, &ignored, err)); break;
    case PM_JSON_NULL: PM_TRY(pm_json_read_null(in, err)); break;
    case PM_JSON_NONE: return pm_json_expected(in, "a value", err);
    }
    if (out) pm_buf_bytes(out, begin, (size_t)(in->at - begin));
    return PM_OK;
}

/* ---- key sets ---- */

/* Linear probing; a free slot has no pointer (an empty key points at something). */
static bool table_add(struct pm_slice *table, size_t size, struct pm_slice key)
{
    for (size_t at = pm_hash64(key.ptr, key.len, 0) & (size - 1);; at = (at + 1) & (size - 1)) {
        if (!table[at].ptr) {
            table[at] = key;
            return true;
        }
        if (pm_slice_eq(table[at], key)) return false;
    }
}

static void table_grow(struct pm_json_keys *keys, struct pm_arena *arena)
{
    size_t size = keys->table ? keys->table_size * 2 : PM_JSON_KEYS_FEW * 4;
    struct pm_slice *table = pm_arena_alloc(arena, size * sizeof *table);
    memset(table, 0, size * sizeof *table);
    const struct pm_slice *old = keys->table ? keys->table : keys->few;
    size_t old_size = keys->table ? keys->table_size : PM_JSON_KEYS_FEW;
    for (size_t i = 0; i < old_size; i++) {
        if (old[i].ptr) table_add(table, size, old[i]);
    }
    keys->table = table;
    keys->table_size = size;
}

bool pm_json_keys_add(struct pm_json_keys *keys, struct pm_slice key, struct pm_arena *arena)
{
    if (!key.ptr) key = PM_SLICE("");
    if (!keys->table && keys->count < PM_JSON_KEYS_FEW) {
        for (size_t i = 0; i < keys->count; i++) {
            if (pm_slice_eq(keys->few[i], key)) return false;
        }
        keys->few[keys->count++] = key;
        return true;
    }
    if (!keys->table || keys->count * 2 >= keys->table_size) table_grow(keys, arena);
    if (!table_add(keys->table, keys->table_size, key)) return false;
    keys->count++;
    return true;
}

/* ---- writing ---- */

static void put_escape(struct pm_buf *out, unsigned char c)
{
    static const char letters[] = "\b\f\n\r\t\"\\", names[] = "bfnrt\"\\";
    const char *letter = c ? strchr(letters, c) : NULL;
    if (letter) {
        char escape[2] = {'\\', names[letter - letters]};
        pm_buf_bytes(out, escape, 2);
        return;
    }
    char escape[6] = {'\\', 'u', '0', '0', "0123456789abcdef"[c >> 4], "0123456789abcdef"[c & 15]};
    pm_buf_bytes(out, escape, 6);
}

void pm_json_put_string(struct pm_buf *out, struct pm_slice text)
{
    if (out->cap - out->len < text.len + 2) pm_buf_reserve(out, text.len + 2);
    pm_buf_byte(out, '"');
    const char *p = text.len ? text.ptr : "", *end = p + text.len; /* a text of no bytes may be none */
    while (p < end) {
        const char *special = skip_plain(p, end);
        pm_buf_bytes(out, p, (size_t)(special - p));
        if (special == end) break;
        put_escape(out, (unsigned char)*special);
        p = special + 1;
    }
    pm_buf_byte(out, '"');
}

void pm_json_put_double(struct pm_buf *out, double value)
{
    char text[PM_DOUBLE_TEXT_SIZE];
    pm_buf_bytes(out, text, pm_double_format(value, text));
}

void pm_json_put_u64(struct pm_buf *out, uint64_t value)
{
    char text[PM_INTEGER_TEXT_SIZE];
    pm_buf_bytes(out, text, pm_u64_format(value, text));
}

void pm_json_put_i64(struct pm_buf *out, int64_t value)
{
    char text[PM_INTEGER_TEXT_SIZE];
    pm_buf_bytes(out, text, pm_i64_format(value, text));
}

void pm_json_put_time(struct pm_buf *out, int64_t us)
{
    char text[PM_TIME_TEXT_SIZE];
    size_t len = pm_time_format(us, text);
    pm_buf_byte(out, '"');
    pm_buf_bytes(out, text, len);
    pm_buf_byte(out, '"');
}

void pm_json_put_seed(struct pm_buf *out, uint64_t seed)
{
    bool quoted = seed > (uint64_t)1 << 53;
    if (quoted) pm_buf_byte(out, '"');
    pm_json_put_u64(out, seed);
    if (quoted) pm_buf_byte(out, '"');
}
