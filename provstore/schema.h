/* schema.h: a schema names the templates of a store's paths: ROOT/TEMPLATE for simulations, aggregations and jobs. The
 * built-in ones (schema_builtin.c) are every layout that real stores have, and those that only documents draw; others
 * come from a file.
 *
 *   facts (name=value) --pm_schema_values--> values --pm_schema_render--> path
 *   path --pm_schema_match--> what it reveals about each variable
 *
 * Variables that nobody gave are derived where they follow from others:
 *   bundle_digest    from bundle_ref: what follows the last '@' and then the first ':'
 *   bundle_ref_hash  BLAKE2b-256 of bundle_ref, hexadecimal
 *   bundle_ref_tail  what follows the first ':' of bundle_ref (a port's number, where the repository names one)
 *   param_id         from params (JSON)
 *   target           with '/' as '_'; target_double: with ':' as "__"
 * "sha256:" is taken off bundle_digest and model_digest; schema_name and version are the schema's own unless given.
 * Any thread. */
#ifndef PM_PROVSTORE_SCHEMA_H
#define PM_PROVSTORE_SCHEMA_H

#include "common/base/arena.h"
#include "provstore/template.h"

#define PM_SCHEMA_FILE_BYTES_MAX (1024 * 1024)
#define PM_SCHEMAS_MAX 256
#define PM_SCHEMA_NAME_BYTES_MAX 64
#define PM_PATH_FACTS_MAX 32

enum pm_path_kind { PM_PATH_SIM, PM_PATH_AGG, PM_PATH_JOB, PM_PATH_KIND_COUNT };
const char *pm_path_kind_name(enum pm_path_kind kind); /* "sim" */
bool pm_path_kind_parse(struct pm_slice text, enum pm_path_kind *ret);

struct pm_schema {
    struct pm_slice id;   /* how it is chosen: unique among the schemas known */
    struct pm_slice name; /* {schema_name}: several layouts were written under one name */
    int64_t version;      /* {version} */
    struct pm_slice note;
    bool read_only; /* recognised, not to be written by anybody any more */
    bool loose;     /* a value may span segments */
    struct pm_names names;
    struct pm_template root, paths[PM_PATH_KIND_COUNT]; /* n_parts 0: the schema has none of the kind */
};

struct pm_schemas {
    const struct pm_schema *items[PM_SCHEMAS_MAX];
    size_t count;
    struct pm_arena arena;
};

/* The built-in ones. */
void pm_schemas_builtin(struct pm_schemas *ret);
/* Adds those of a file: a JSON object a schema, one after the other,
 * {"name":"mine","version":1,"root":"...","sim":"...","agg":"...","job":"...","id":"...","note":"..."}; root, job,
 * version and id have defaults ("{schema_name}/v{version}", "jobs/{job_type}/{job_id}", 1, the name). PM_EUSAGE with
 * file, field and byte offset; nothing is added then. */
int pm_schemas_read(struct pm_schemas *schemas, const char *file, struct pm_error *err) PM_MUST_CHECK;
/* The same of a text, which `file` is the name of in messages. */
int pm_schemas_read_text(struct pm_schemas *schemas, struct pm_slice text, const char *file,
                         struct pm_error *err) PM_MUST_CHECK;
/* One schema of one template of `kind`, by the name "template": its path is the template alone, without a root. */
int pm_schemas_add_template(struct pm_schemas *schemas, struct pm_slice text, enum pm_path_kind kind,
                            struct pm_error *err) PM_MUST_CHECK;
void pm_schemas_release(struct pm_schemas *schemas);
/* NULL: none has this id; then *ret_near (may be NULL) is the nearest one, or NULL. */
const struct pm_schema *pm_schemas_find(const struct pm_schemas *schemas, struct pm_slice id, const char **ret_near);

struct pm_path_fact {
    struct pm_slice name, value;
};
struct pm_path_facts {
    struct pm_path_fact items[PM_PATH_FACTS_MAX];
    size_t count;
};
/* Replaces one of the same name; PM_ELIMIT when there are too many. */
int pm_path_facts_set(struct pm_path_facts *facts, struct pm_slice name, struct pm_slice value,
                      struct pm_error *err) PM_MUST_CHECK;
bool pm_path_facts_get(const struct pm_path_facts *facts, struct pm_slice name, struct pm_slice *ret);

/* The values of a schema's variables; derived ones live in `arena`. Those that are neither given nor derived have none.
 * `values` may be used again for the next facts: what stayed the same is not hashed again. */
int pm_schema_values(const struct pm_schema *schema, const struct pm_path_facts *facts, struct pm_arena *arena,
                     struct pm_values *values, struct pm_error *err) PM_MUST_CHECK;
/* Appends the path. PM_EINVALID: see pm_template_render; the schema has no such template; the path as a whole breaks
 * the rule of paths (an empty segment, "." or "..", above 1,024 bytes). */
int pm_schema_render(const struct pm_schema *schema, enum pm_path_kind kind, struct pm_values *values,
                     struct pm_buf *out, struct pm_error *err) PM_MUST_CHECK;
/* Both at once, for one path. */
int pm_schema_path(const struct pm_schema *schema, enum pm_path_kind kind, const struct pm_path_facts *facts,
                   struct pm_buf *out, struct pm_error *err) PM_MUST_CHECK;

/* Could `path` be one of this schema? The first kind that fits. `facts` (NULL: none) must agree with what it reveals.
 */
bool pm_schema_match(const struct pm_schema *schema, struct pm_slice path, const struct pm_path_facts *facts,
                     enum pm_path_kind *ret_kind, struct pm_revealed ret[PM_VARIABLES_MAX]);

/* What a template keeps of a variable, in bits; hexadecimal values are assumed, as ids and digests have. */
struct pm_budget {
    struct pm_slice variable;
    bool whole;            /* nothing is lost */
    unsigned value_digits; /* longest beginning of the value */
    unsigned hash_digits;  /* longest beginning of its hash */
    unsigned bits;         /* 4 for each of both, at most 256; 0 when whole */
};
size_t pm_schema_budget(const struct pm_schema *schema, enum pm_path_kind kind, struct pm_budget ret[PM_VARIABLES_MAX]);
/* Expected number of pairs that fall together among n values, and the chance that there is one. */
void pm_collisions(uint64_t n, unsigned bits, double *ret_pairs, double *ret_chance);

/* The two rules for the digest in a bundle reference: what follows the last '@' and then the first ':', and what
 * follows the first ':' of the whole (all of it when there is none). Any text. */
struct pm_slice pm_bundle_digest_part(struct pm_slice ref);
struct pm_slice pm_bundle_after_colon(struct pm_slice ref);

#endif
