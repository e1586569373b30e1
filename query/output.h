/* output.h: rows for people and programs: what a row is made of, how rows are gathered and put in order, and the
 * formats they leave in.
 *
 *   spec (columns, default order) + options (--format --columns --sort --limit)
 *        -> pm_rows_new -> pm_row_begin, one pm_row_* call a column, pm_row_end ... -> pm_rows_print
 *
 * Rows are gathered first and written afterwards, so that a slow reader of the output never holds a snapshot open (I8):
 * close the snapshot before pm_rows_print. Up to 64 MiB stay in memory, what is beyond goes to an unlinked temporary
 * file. A rows object belongs to one thread. */
#ifndef PM_QUERY_OUTPUT_H
#define PM_QUERY_OUTPUT_H

#include <stdio.h>

#include "common/base/buf.h"
#include "common/base/error.h"
#include "common/base/slice.h"

#define PM_COLUMNS_MAX 48     /* columns of one table */
#define PM_LIST_FIELDS_MAX 16 /* members of one item of a list */
#define PM_SORT_KEYS_MAX 4

enum pm_column_type {
    PM_COLUMN_TEXT,
    PM_COLUMN_U64,    /* a seed: in JSON a string of digits above 2^53, else a number */
    PM_COLUMN_INT,    /* int64 */
    PM_COLUMN_DOUBLE, /* finite; shortest text that reads back */
    PM_COLUMN_TIME,   /* microseconds since 1970; RFC 3339 UTC with six digits */
    PM_COLUMN_BOOL,
    PM_COLUMN_JSON, /* JSON text, printed as it is */
    PM_COLUMN_LIST, /* of bare values or of objects, as `fields` says */
};

struct pm_column {
    const char *name;
    enum pm_column_type type;
    /* LIST: the members of an item, ended by a NULL name; no lists among them. One field named "" makes a list of bare
     * values. */
    const struct pm_column *fields;
    bool hidden; /* only an order to sort by: never printed, no name for --columns or --sort */
};

/* Fields of common lists. */
extern const struct pm_column pm_list_of_text[];    /* ["a","b"] */
extern const struct pm_column pm_list_of_job_at[];  /* [{"job_id":...,"at":...}] */
extern const struct pm_column pm_list_of_outputs[]; /* [{"name":...,"size":...,"checksum":...}] */

struct pm_sort_key {
    size_t column;
    bool desc; /* absent values come last either way */
};

struct pm_rows_spec {
    const struct pm_column *columns; /* must outlive the rows */
    size_t n_columns;
    /* The order without --sort, and what breaks ties of --sort; none: as added. */
    struct pm_sort_key sort[PM_SORT_KEYS_MAX];
    size_t n_sort;
    /* One object (`stats`, `query job`): the table has a line a member, JSON is the bare object unless it is wrapped. */
    bool one;
};

/* The flags of the same names; a zeroed struct is none given. Texts must outlive the rows. */
struct pm_output_options {
    const char *format;  /* NULL: table on a terminal, else ndjson */
    const char *columns; /* "a,b" */
    const char *sort;    /* "KEY", "KEY:asc", "KEY:desc", "none" */
    bool has_limit;
    uint64_t limit;
};

struct pm_rows;

/* PM_EUSAGE: an unknown format, column or key (the text names the nearest and lists what there is), a column named
 * twice. */
int pm_rows_new(const struct pm_rows_spec *spec, const struct pm_output_options *options, struct pm_rows **ret,
                struct pm_error *err) PM_MUST_CHECK;
void pm_rows_free(struct pm_rows *rows);
void pm_rows_cleanup(struct pm_rows **rows); /* for PM_CLEANUP */

/* One row: begin, then one call for every column of the spec in its order, of the column's type or pm_row_null, then
 * end. What is given is copied. A column that is not asked for is dropped at once; pm_row_wants says whether the next
 * one is, for values that cost something to find. */
void pm_row_begin(struct pm_rows *rows);
bool pm_row_wants(const struct pm_rows *rows);
void pm_row_null(struct pm_rows *rows);
void pm_row_text(struct pm_rows *rows, struct pm_slice text);
void pm_row_cstr(struct pm_rows *rows, const char *text); /* NULL is null */
void pm_row_u64(struct pm_rows *rows, uint64_t value);
void pm_row_int(struct pm_rows *rows, int64_t value);
void pm_row_double(struct pm_rows *rows, double value);
void pm_row_time(struct pm_rows *rows, int64_t us);
void pm_row_bool(struct pm_rows *rows, bool value);
void pm_row_json(struct pm_rows *rows, struct pm_slice json);
/* A list: begin, then for each item one call a field in order, then end. */
void pm_row_list_begin(struct pm_rows *rows);
void pm_row_list_end(struct pm_rows *rows);
/* PM_EIO when the temporary file cannot be written. */
int pm_row_end(struct pm_rows *rows, struct pm_error *err) PM_MUST_CHECK;

uint64_t pm_rows_count(const struct pm_rows *rows);
/* No further row can be printed (--sort none with --limit reached): a scan may stop here. */
bool pm_rows_full(const struct pm_rows *rows);
/* The format that pm_rows_print will use for `out` is the JSON document, which wraps what needs wrapping. */
bool pm_rows_is_json(const struct pm_rows *rows);

/* Sorts and writes every row to `out` and flushes it. `wrap` NULL: JSON is an array of objects (or the one object);
 * else JSON text of further members, `"index":{...}`, and the document is {"rows":[...],WRAP}. PM_EIO when `out` cannot
 * be written, errno as it was: EPIPE is a reader that is gone. Call once. */
int pm_rows_print(struct pm_rows *rows, FILE *out, const char *wrap, struct pm_error *err) PM_MUST_CHECK;

/* ---- the formats: one file each, one row each in pm_formats ---- */
struct pm_value {
    const struct pm_column *column;
    bool null;
    uint32_t count; /* LIST: items */
    union {
        struct pm_slice text; /* TEXT, JSON; LIST: the items, for pm_list_iter */
        uint64_t u64;
        int64_t i64; /* INT, TIME */
        double real;
        bool flag;
    };
};

struct pm_list_iter {
    struct pm_slice left;
    const struct pm_column *fields;
};
struct pm_list_iter pm_list_iter(const struct pm_value *list);
/* The fields of the next item; false at the end. */
bool pm_list_next(struct pm_list_iter *it, struct pm_value ret[PM_LIST_FIELDS_MAX], size_t *ret_count);

struct pm_printing {                  /* one printing */
    const struct pm_column **columns; /* those asked for, in the order asked for */
    size_t n_columns;
    FILE *out;
    bool terminal;     /* `out` is one */
    size_t width;      /* of the terminal, in columns */
    bool one;          /* as in the spec */
    const char *wrap;  /* as given to pm_rows_print */
    uint64_t n_before; /* rows written before this one */
    struct pm_buf buf; /* what a format appends is written to `out` now and then */
    struct pm_buf scratch;
    void *state; /* the format's own, between begin and end */
};

struct pm_format {
    const char *name, *help;
    int (*begin)(struct pm_printing *output, struct pm_error *err);
    /* One value a column of output->columns. */
    int (*row)(struct pm_printing *output, const struct pm_value *values, struct pm_error *err);
    int (*end)(struct pm_printing *output, struct pm_error *err); /* only after everything went well */
    void (*release)(struct pm_printing *output);                  /* frees `state`, always; may be NULL */
};
extern const struct pm_format *const pm_formats[]; /* ended by NULL */
extern const struct pm_format pm_format_table, pm_format_json, pm_format_ndjson, pm_format_csv, pm_format_tsv;

/* Appends a value as JSON, and as plain text (null: nothing; lists: their JSON). */
void pm_value_json(struct pm_buf *out, const struct pm_value *value);
void pm_value_text(struct pm_buf *out, const struct pm_value *value);

#endif
