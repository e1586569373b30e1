/* layout.h: the tables of the index by name, key and value (docs/formats/index.md has them byte by byte). Shared by the
 * readers (index.c) and the writer (consumer/). Numbers in keys are big-endian, in values little-endian (the machine's
 * own; an index is not carried between byte orders). */
#ifndef PM_STORE_LAYOUT_H
#define PM_STORE_LAYOUT_H

#include "common/store/index.h"
#include "common/store/kv.h"
#include "common/store/record.h"
#include "common/store/runs.h"

/* X(member, database name, flags); what has no checksum of its own is checked by kv */
#define PM_TABLES(X)                                                                                                  \
    X(meta, "meta", PM_KV_DB_CHECKED)             /* name -> value */                                                 \
    X(offsets, "offsets", PM_KV_DB_CHECKED)       /* partition (4) -> struct pm_offset_row */                         \
    X(names, "names", PM_KV_DB_CHECKED)           /* kind (1), text -> number (4); a long text by its hash */         \
    X(name_texts, "name_texts", PM_KV_DB_CHECKED) /* kind (1), number (4) -> text */                                  \
    X(records, "records", PM_KV_DB_INTEGER_KEY)   /* last record's number -> block of records (record_block.h) */     \
    X(job_results, "job_results", PM_KV_DB_INTEGER_KEY)      /* job << 32 | chunk -> chunk of pairs (posting.h) */    \
    X(jobs, "jobs", PM_KV_DB_INTEGER_KEY | PM_KV_DB_CHECKED) /* job -> struct pm_job_row */                           \
    X(job_values, "job_values", PM_KV_DB_CHECKED)            /* job (4), name kind (1), number (4) -> nothing */      \
    X(job_submissions, "job_submissions",                                                                             \
      PM_KV_DB_CHECKED)                           /* job (4), at (8), event_id (16), hash (8) -> Avro JobSubmitted */ \
    X(side_facts, "side_facts", PM_KV_DB_CHECKED) /* result (5), field (1), hash of value (8) -> stamp, value */      \
    X(quarantine, "quarantine", PM_KV_DB_CHECKED) /* partition (4), offset (8) -> reason and bytes */                 \
    X(gaps, "gaps", PM_KV_DB_CHECKED)             /* partition (4), from (8) -> struct pm_gap_row */                  \
    X(producers, "producers", PM_KV_DB_CHECKED)   /* producer (8) -> struct pm_producer_row, name (arrivals.h) */     \
    X(arrivals, "arrivals", PM_KV_DB_CHECKED)     /* producer (8), piece (4) -> numbers that arrived */

struct pm_tables {
#define X(member, name, flags) pm_kv_db member;
    PM_TABLES(X)
#undef X
};
int pm_tables_open(struct pm_tables *tables, struct pm_kv_txn *txn, bool create, struct pm_error *err) PM_MUST_CHECK;
/* Reads every value of every table that has its checksum from kv, and every record. */
int pm_tables_check(const struct pm_tables *tables, struct pm_kv_txn *txn, struct pm_error *err) PM_MUST_CHECK;

/* ---- meta ---- */
#define PM_META_FORMAT "format" /* uint32_t */
#define PM_META_STATE "state"   /* struct pm_meta_state */
#define PM_META_LOG_URL "log_url"
#define PM_META_LOG_IDENTITY "log_identity"

struct pm_meta_state { /* counters that commit with each batch */
    uint64_t events;
    uint64_t next_record; /* record numbers and result numbers come from one sequence */
    uint64_t results, attributed;
    uint64_t pairs_by_role[PM_ROLE_COUNT];
    uint64_t conflicts, quarantined;
    uint64_t producers, producers_with_gaps, missing_events;
    uint32_t next_name[PM_NAME_KIND_COUNT]; /* [PM_NAME_JOB] is the number of jobs */
    int64_t until_us;
};
int pm_meta_state_get(struct pm_kv_txn *txn, const struct pm_tables *tables, struct pm_meta_state *ret,
                      struct pm_error *err) PM_MUST_CHECK;
int pm_meta_state_put(struct pm_kv_txn *txn, const struct pm_tables *tables, const struct pm_meta_state *state,
                      struct pm_error *err) PM_MUST_CHECK;
/* Checks that the environment is an index of a format this program knows. PM_EINDEX. */
int pm_meta_check_format(struct pm_kv_txn *txn, const struct pm_tables *tables, const char *dir,
                         struct pm_error *err) PM_MUST_CHECK;

/* Refuses an environment that holds the embedded log: to write an index there, or to swap one in, would cost the log.
 * PM_EINDEX. */
int pm_meta_check_no_log(struct pm_kv_txn *txn, const char *dir, struct pm_error *err) PM_MUST_CHECK;

struct pm_offset_row {
    int64_t first, next;
    int64_t anchor_offset, anchor_timestamp_ms; /* the last record applied; -1: none */
    uint32_t anchor_crc;                        /* CRC-32C of its value */
    uint32_t unused;
};

/* ---- names ---- */
#define PM_NAME_KEY_TEXT_MAX 400 /* a longer one is found by its hash */
struct pm_slice pm_name_key(enum pm_name_kind kind, struct pm_slice text, uint8_t key[1 + PM_NAME_KEY_TEXT_MAX]);
struct pm_slice pm_name_text_key(enum pm_name_kind kind, uint32_t number, uint8_t key[5]);

/* ---- jobs ---- */
struct pm_status_mark { /* a JobStatusChanged; at and event_id decide which counts */
    int64_t at;
    uint8_t event_id[PM_EVENT_ID_BYTES];
    int8_t status; /* -1: none */
    uint8_t unused[7];
};
struct pm_job_row {
    int64_t first_at, last_at;
    uint64_t shown[PM_ROLE_COUNT];  /* pairs by shown role */
    uint64_t expected, missing;     /* pairs ever expected; of them shown as expected or failed */
    struct pm_status_mark terminal; /* the earliest */
    struct pm_status_mark other;    /* the latest */
    uint32_t submissions, conflicts;
};

/* ---- side facts ---- */
enum {                                /* beside enum pm_field: marks of a result, with no value */
       PM_SIDE_LATEST_PRODUCED = 240, /* the latest Computed or Discovered, when that is not the primary event */
       PM_SIDE_LATEST_DELETED = 241,
};
#define PM_STAMP_BYTES (1 + 8 + PM_EVENT_ID_BYTES + 4)
void pm_stamp_put(const struct pm_stamp *stamp, uint8_t out[PM_STAMP_BYTES]);
void pm_stamp_get(const uint8_t in[PM_STAMP_BYTES], struct pm_stamp *ret);
#define PM_SIDE_KEY_BYTES (5 + 1 + 8)
struct pm_slice pm_side_key(uint64_t result, unsigned field, uint64_t value_hash, uint8_t key[PM_SIDE_KEY_BYTES]);

/* ---- gaps ---- */
struct pm_gap_row {
    int64_t to;
    uint8_t kind, accepted; /* enum pm_gap_kind; 0 or 1 */
    uint8_t unused[6];
};
struct pm_slice pm_gap_key(int32_t partition, int64_t from, uint8_t key[12]);
int pm_gap_get(struct pm_slice key, struct pm_slice value, struct pm_gap *ret, struct pm_error *err) PM_MUST_CHECK;

/* ---- quarantine ---- */
struct pm_slice pm_quarantine_key(int32_t partition, int64_t offset, uint8_t key[12]);
/* Value: code (1), timestamp (8), reason, key, null flag and value; both ways. */
void pm_quarantine_put(int code, int64_t timestamp_ms, struct pm_slice reason, struct pm_slice key,
                       struct pm_slice value, struct pm_buf *out);
int pm_quarantine_get(struct pm_slice key, struct pm_slice value, struct pm_quarantined *ret,
                      struct pm_error *err) PM_MUST_CHECK;

#endif
