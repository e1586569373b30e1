/* json.h: a strict JSON reader that keeps every number's text, and the pieces of a writer.
 *
 * The reader is a cursor over text that somebody else owns; nothing is built. The caller says what it expects next;
 * each function reads one piece and moves on. Strict is RFC 8259 without its leeway: UTF-8 only, no byte order mark, no
 * lone surrogates, no duplicate keys (pm_json_read_compact checks; a caller that reads an object itself uses
 * pm_json_keys or its own bits), nothing after the value, at most PM_JSON_DEPTH_MAX levels. Errors are PM_EFORMAT and
 * name the byte offset in the text (counted from 0), what was expected and what is there; a duplicate key is
 * PM_EINVALID. After an error the cursor is where the trouble is. One thread a cursor.
 *
 *   struct pm_json in;
 *   PM_TRY(pm_json_open(&in, text, arena, err));
 *   PM_TRY(pm_json_enter(&in, '{', err));
 *   for (;;) {
 *       PM_TRY(pm_json_read_key(&in, &key, &more, err));
 *       if (!more) break;
 *       ...read or skip one value...
 *   }
 *   PM_TRY(pm_json_close(&in, err));
 */
#ifndef PM_BASE_JSON_H
#define PM_BASE_JSON_H

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/error.h"
#include "common/base/slice.h"

#define PM_JSON_DEPTH_MAX 64

struct pm_json {
    const char *start, *at, *end;
    struct pm_arena *arena; /* strings with escapes go here, and large key sets */
    unsigned depth;
    bool fresh; /* inside an object or array whose first item has not been read */
};

enum pm_json_kind {               /* what the next value is, by its first character */
                    PM_JSON_NONE, /* not a value; also NaN and Infinity, which are not JSON */
                    PM_JSON_OBJECT,
                    PM_JSON_ARRAY,
                    PM_JSON_STRING,
                    PM_JSON_NUMBER,
                    PM_JSON_BOOL,
                    PM_JSON_NULL,
};

/* Begins at the start of `text`, after checking that all of it is UTF-8. Slices from the reader end with `text` or with
 * `arena`. */
int pm_json_open(struct pm_json *in, struct pm_slice text, struct pm_arena *arena, struct pm_error *err) PM_MUST_CHECK;
/* The same over text that is known to be UTF-8. */
void pm_json_open_checked(struct pm_json *in, struct pm_slice text, struct pm_arena *arena);
/* Only blanks are left, else PM_EFORMAT. */
int pm_json_close(struct pm_json *in, struct pm_error *err) PM_MUST_CHECK;

enum pm_json_kind pm_json_peek(struct pm_json *in);
const char *pm_json_kind_name(enum pm_json_kind kind); /* "an object" */

int pm_json_enter(struct pm_json *in, char bracket, struct pm_error *err) PM_MUST_CHECK; /* '{' or '[' */
/* The next key of the object, with its colon; *ret_more is false (and the object left) at its end. */
int pm_json_read_key(struct pm_json *in, struct pm_slice *ret_key, bool *ret_more, struct pm_error *err) PM_MUST_CHECK;
/* Moves to the next item of the array; *ret_more is false (and the array left) at its end. */
int pm_json_read_item(struct pm_json *in, bool *ret_more, struct pm_error *err) PM_MUST_CHECK;

int pm_json_read_string(struct pm_json *in, struct pm_slice *ret,
                        struct pm_error *err) PM_MUST_CHECK; /* without quotes and escapes */
/* The number's own text; is it written without point and exponent? */
int pm_json_read_number(struct pm_json *in, struct pm_slice *ret, bool *ret_integer,
                        struct pm_error *err) PM_MUST_CHECK;
int pm_json_read_bool(struct pm_json *in, bool *ret, struct pm_error *err) PM_MUST_CHECK;
int pm_json_read_null(struct pm_json *in, struct pm_error *err) PM_MUST_CHECK;
/* Any value, checked wholly (duplicate keys too), appended to `out` without blanks outside strings; keys' order
 * and numbers' text stay, strings get the fewest escapes. `out` NULL: only checked. On an error `out` may hold a
 * part. */
int pm_json_read_compact(struct pm_json *in, struct pm_buf *out, struct pm_error *err) PM_MUST_CHECK;
/* Sets *err to `... at byte offset N: expected EXPECTED, found ...` for the place of the cursor. */
int pm_json_expected(const struct pm_json *in, const char *expected, struct pm_error *err);

/* ---- has this key been seen in this object ---- */
#define PM_JSON_KEYS_FEW 16
struct pm_json_keys {                      /* zeroed: empty */
    struct pm_slice few[PM_JSON_KEYS_FEW]; /* the first ones; then a hash table */
    struct pm_slice *table;
    size_t count, table_size;
};
/* Adds `key`, which must outlive the set; false when it is there already. The table lives in `arena`. */
bool pm_json_keys_add(struct pm_json_keys *keys, struct pm_slice key, struct pm_arena *arena);

/* ---- writing ---- */
/* Bytes from `text` up to the first that a JSON string must escape: '"', '\\' or below 0x20. */
size_t pm_json_plain_length(const char *text, size_t len);
/* A JSON string: escapes only what must be ('"', '\\', \b \f \n \r \t, else \u00xx in lower case), the rest as it is.
 */
void pm_json_put_string(struct pm_buf *out, struct pm_slice text);
void pm_json_put_double(struct pm_buf *out, double value); /* shortest, "1.0" for integral values; must be finite */
void pm_json_put_u64(struct pm_buf *out, uint64_t value);
void pm_json_put_i64(struct pm_buf *out, int64_t value);
void pm_json_put_time(struct pm_buf *out, int64_t us); /* RFC 3339 in quotes */
/* An unsigned 64-bit number; above 2^53 as a string of digits, because many readers keep doubles only. */
void pm_json_put_seed(struct pm_buf *out, uint64_t seed);

#endif
