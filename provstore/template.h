/* template.h: the language of path templates: compiled once, rendered many times, matched backwards.
 *
 *   {name}             the value
 *   {name[:n]}         its first n characters
 *   {hash(name)}       BLAKE2b-256 of the value, 64 hexadecimal digits; {hash(name)[:n]}: the first n of them
 *   {shard(name,d,w)}  the first d*w digits of that hash as d segments of w: "e7/8d"
 *   {split(name,d,w)}  the same of the value itself, which is what older documents draw for shard
 *
 * A name is [a-z_]+; nothing may stand between the characters of an expression. A template that could not be rendered
 * into one path, or that would say something else than it looks like, is refused when it is compiled, with the byte
 * offset: braces that do not pair, `{}`, a slice of nothing, more than the 64 digits that a hash has, a shard without
 * parts. Values are put in once: braces in them mean nothing.
 *
 * A template borrows the text it was compiled from. Rendering and matching change nothing in it: any thread. */
#ifndef PM_PROVSTORE_TEMPLATE_H
#define PM_PROVSTORE_TEMPLATE_H

#include "common/base/buf.h"

#define PM_TEMPLATE_BYTES_MAX 1024
#define PM_TEMPLATE_PARTS_MAX 48
#define PM_VARIABLES_MAX 24 /* of one schema */
#define PM_MATCH_STEPS_MAX 100000

enum pm_part_kind {
    PM_PART_TEXT,  /* stands for itself */
    PM_PART_VALUE, /* {name} */
    PM_PART_SLICE, /* {name[:n]} */
    PM_PART_HASH,  /* {hash(name)}, {hash(name)[:n]} */
    PM_PART_SHARD, /* {shard(name,d,w)} */
    PM_PART_SPLIT, /* {split(name,d,w)} */
};

struct pm_part {
    enum pm_part_kind kind;
    struct pm_slice text;  /* as it stands in the template */
    unsigned variable;     /* place in the names; not for TEXT */
    unsigned count, parts; /* characters or digits in all; SHARD, SPLIT: in so many segments, else 1 */
};

struct pm_template {
    struct pm_slice text;
    struct pm_part parts[PM_TEMPLATE_PARTS_MAX];
    size_t n_parts;
};

/* The variables of a schema's templates, in the order they were first named. */
struct pm_names {
    struct pm_slice items[PM_VARIABLES_MAX];
    size_t count;
};
/* The place of a name, PM_VARIABLES_MAX when it is not there. */
unsigned pm_names_find(const struct pm_names *names, struct pm_slice name);

/* PM_EUSAGE: `byte offset N: what is wrong`. Adds the template's variables to `names`. */
int pm_template_compile(struct pm_slice text, struct pm_names *names, struct pm_template *ret,
                        struct pm_error *err) PM_MUST_CHECK;

/* Values by the place of their name; a slice without a pointer is a variable without a value. What was hashed is kept,
 * so that the replicates of one parameter set hash it once. */
struct pm_values {
    struct pm_slice items[PM_VARIABLES_MAX];
    bool hashed[PM_VARIABLES_MAX];
    char hash[PM_VARIABLES_MAX][64];
};
/* The value must outlive its use. Setting the value that is already there keeps its hash. */
void pm_values_set(struct pm_values *values, unsigned variable, struct pm_slice value);

/* Appends. `loose`: values may hold '/' (layouts that old code wrote by mistake). PM_EINVALID: a variable has no value,
 * a value holds '/' or NUL, a slice is longer than the value; `out` is as it was then. */
int pm_template_render(const struct pm_template *template, const struct pm_names *names, struct pm_values *values,
                       bool loose, struct pm_buf *out, struct pm_error *err) PM_MUST_CHECK;

/* What a path tells about one variable. */
struct pm_revealed {
    struct pm_slice whole;  /* the value itself */
    struct pm_slice prefix; /* its first characters; without the '/' that split puts in */
    char hash[64];          /* the first digits of its hash */
    unsigned hash_len;
    char prefix_bytes[64]; /* where a split prefix is put together */
};

/* Could `path` have been rendered from these templates, one after the other with a '/' between? Fills `ret` (one item a
 * variable). Values that do not agree with each other do not match: a hash is computed again where the value is there.
 * Well-known names must look like what they are: digits for seed and version, hexadecimal for ids and digests. Slices
 * borrow from `path` or from `ret`. */
bool pm_template_match(const struct pm_template *const *templates, size_t n_templates, const struct pm_names *names,
                       bool loose, struct pm_slice path, struct pm_revealed ret[PM_VARIABLES_MAX]);
/* Does a value agree with what the path reveals? */
bool pm_revealed_allows(const struct pm_revealed *revealed, struct pm_slice value);

#endif
