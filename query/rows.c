/* rows.c: rows as they are gathered: every cell that is asked for, packed one behind the other, with the key that the
 * row is sorted by in front. Rows go to a pm_spill, so a million of them cost what their bytes cost. pm_rows_print
 * unpacks them for a format. One thread. */
#include "query/rows.h"

#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/number.h"

const struct pm_column pm_list_of_text[] = {{.name = "", .type = PM_COLUMN_TEXT}, {0}};
const struct pm_column pm_list_of_job_at[] = {
    {.name = "job_id", .type = PM_COLUMN_TEXT}, {.name = "at", .type = PM_COLUMN_TIME}, {0}};
const struct pm_column pm_list_of_outputs[] = {{.name = "name", .type = PM_COLUMN_TEXT},
                                               {.name = "size", .type = PM_COLUMN_INT},
                                               {.name = "checksum", .type = PM_COLUMN_TEXT},
                                               {0}};

/* A packed value: one byte (0 null, 1 present), then for TEXT and JSON a uint32_t length and the bytes, for BOOL one
 * byte, for a LIST a uint32_t length, a uint32_t count and the packed items, for the rest eight bytes. Native byte
 * order: it never leaves the process. */

static void put_u32(struct pm_buf *buf, size_t value)
{
    PM_CHECK(value <= UINT32_MAX);
    uint32_t n = (uint32_t)value;
    pm_buf_bytes(buf, &n, sizeof n);
}

/* Reads one packed value from the front of *in and moves *in behind it. */
static void unpack(const struct pm_column *column, struct pm_slice *in, struct pm_value *ret)
{
    const char *ptr = in->ptr;
    *ret = (struct pm_value){.column = column, .null = *ptr++ == 0};
    if (!ret->null) {
        uint32_t len;
        switch (column->type) {
        case PM_COLUMN_TEXT:
        case PM_COLUMN_JSON:
            memcpy(&len, ptr, sizeof len);
            ret->text = pm_slice(ptr + sizeof len, len);
            ptr += sizeof len + len;
            break;
        case PM_COLUMN_LIST:
            memcpy(&len, ptr, sizeof len);
            memcpy(&ret->count, ptr + sizeof len, sizeof ret->count);
            ret->text = pm_slice(ptr + sizeof len + sizeof ret->count, len);
            ptr += sizeof len + sizeof ret->count + len;
            break;
        case PM_COLUMN_BOOL: ret->flag = *ptr++ != 0; break;
        default:
            memcpy(&ret->u64, ptr, sizeof ret->u64); /* u64, i64 and real are the same eight bytes */
            ptr += sizeof ret->u64;
        }
    }
    PM_CHECK((size_t)(ptr - in->ptr) <= in->len);
    *in = pm_slice(ptr, in->len - (size_t)(ptr - in->ptr));
}

struct pm_list_iter pm_list_iter(const struct pm_value *list)
{
    PM_CHECK(list->column->type == PM_COLUMN_LIST);
    return (struct pm_list_iter){.left = list->null ? (struct pm_slice){0} : list->text,
                                 .fields = list->column->fields};
}

bool pm_list_next(struct pm_list_iter *it, struct pm_value ret[PM_LIST_FIELDS_MAX], size_t *ret_count)
{
    if (!it->left.len) return false;
    size_t n = 0;
    for (const struct pm_column *field = it->fields; field->name; field++) unpack(field, &it->left, &ret[n++]);
    *ret_count = n;
    return true;
}

/* ---- building ---- */
void pm_row_begin(struct pm_rows *rows)
{
    PM_CHECK(rows->at == SIZE_MAX);
    rows->at = 0;
    pm_buf_clear(&rows->cells);
}

bool pm_row_wants(const struct pm_rows *rows)
{
    PM_CHECK(rows->at < rows->spec.n_columns);
    return rows->kept[rows->at];
}

/* The place of the next value: a field of the list that is open, else the next column. False when nobody asked for it.
 */
static bool next_cell(struct pm_rows *rows, enum pm_column_type type, bool null)
{
    if (rows->field) { /* in a list */
        if (!rows->field->name) rows->field = rows->spec.columns[rows->at].fields;
        if (rows->field == rows->spec.columns[rows->at].fields) rows->n_items++;
        PM_CHECK(null || rows->field->type == type);
        rows->field++;
        if (!rows->kept[rows->at]) return false;
    } else {
        PM_CHECK(rows->at < rows->spec.n_columns);
        PM_CHECK(null || rows->spec.columns[rows->at].type == type);
        size_t at = type == PM_COLUMN_LIST && !null ? rows->at : rows->at++; /* a list stays open */
        if (!rows->kept[at]) return false;
        rows->cell_at[at] = rows->cells.len;
    }
    pm_buf_byte(&rows->cells, !null);
    return true;
}

void pm_row_null(struct pm_rows *rows) { next_cell(rows, PM_COLUMN_TEXT, true); }

static void put_text(struct pm_rows *rows, enum pm_column_type type, struct pm_slice text)
{
    if (!next_cell(rows, type, false)) return;
    put_u32(&rows->cells, text.len);
    pm_buf_slice_add(&rows->cells, text);
}

static void put_eight(struct pm_rows *rows, enum pm_column_type type, const void *bytes)
{
    if (next_cell(rows, type, false)) pm_buf_bytes(&rows->cells, bytes, 8);
}

void pm_row_text(struct pm_rows *rows, struct pm_slice text) { put_text(rows, PM_COLUMN_TEXT, text); }
void pm_row_json(struct pm_rows *rows, struct pm_slice json) { put_text(rows, PM_COLUMN_JSON, json); }
void pm_row_u64(struct pm_rows *rows, uint64_t value) { put_eight(rows, PM_COLUMN_U64, &value); }
void pm_row_int(struct pm_rows *rows, int64_t value) { put_eight(rows, PM_COLUMN_INT, &value); }
void pm_row_double(struct pm_rows *rows, double value) { put_eight(rows, PM_COLUMN_DOUBLE, &value); }
void pm_row_time(struct pm_rows *rows, int64_t us) { put_eight(rows, PM_COLUMN_TIME, &us); }

void pm_row_cstr(struct pm_rows *rows, const char *text)
{
    if (text) pm_row_text(rows, pm_slice_cstr(text));
    else pm_row_null(rows);
}

void pm_row_bool(struct pm_rows *rows, bool value)
{
    if (next_cell(rows, PM_COLUMN_BOOL, false)) pm_buf_byte(&rows->cells, value);
}

void pm_row_list_begin(struct pm_rows *rows)
{
    PM_CHECK(!rows->field);
    if (next_cell(rows, PM_COLUMN_LIST, false)) {
        rows->list_at = rows->cells.len;
        put_u32(&rows->cells, 0); /* length and count, set at the end */
        put_u32(&rows->cells, 0);
    }
    rows->field = rows->spec.columns[rows->at].fields;
    rows->n_items = 0;
}

void pm_row_list_end(struct pm_rows *rows)
{
    PM_CHECK(rows->field);
    PM_CHECK(!rows->field->name || rows->n_items == 0); /* no item is half given */
    if (rows->kept[rows->at]) {
        uint32_t sizes[2] = {(uint32_t)(rows->cells.len - rows->list_at - 8), rows->n_items};
        PM_CHECK(rows->cells.len - rows->list_at <= UINT32_MAX);
        memcpy(rows->cells.ptr + rows->list_at, sizes, sizeof sizes);
    }
    rows->field = NULL;
    rows->at++;
}

/* ---- the key a row is sorted by: bytes whose memcmp order is the order asked for; no key begins another ---- */
static void key_bytes(struct pm_buf *key, const void *bytes, size_t len, bool desc)
{
    const unsigned char *ptr = bytes;
    if (!desc) {
        pm_buf_bytes(key, ptr, len);
        return;
    }
    for (size_t i = 0; i < len; i++) pm_buf_byte(key, (uint8_t)~ptr[i]);
}

static void key_u64(struct pm_buf *key, uint64_t value, bool desc)
{
    unsigned char bytes[8];
    for (int i = 0; i < 8; i++) bytes[i] = (unsigned char)(value >> (56 - 8 * i));
    key_bytes(key, bytes, sizeof bytes, desc);
}

/* 00 -> 00 FF, closed by 00 01: what is shorter comes first, and no text begins another. */
static void key_text(struct pm_buf *key, struct pm_slice text, bool desc)
{
    const char *ptr = text.ptr, *end = text.ptr + text.len;
    while (ptr < end) {
        const char *zero = memchr(ptr, 0, (size_t)(end - ptr));
        size_t n = zero ? (size_t)(zero - ptr) : (size_t)(end - ptr);
        key_bytes(key, ptr, n, desc);
        ptr += n;
        if (zero) {
            key_bytes(key, "\0\xff", 2, desc);
            ptr++;
        }
    }
    key_bytes(key, "\0\1", 2, desc);
}

static void key_value(struct pm_buf *key, struct pm_buf *scratch, const struct pm_value *value, bool desc)
{
    pm_buf_byte(key, value->null); /* null last, also when the order is turned round */
    if (value->null) return;
    uint64_t bits = value->u64;
    const uint64_t top = (uint64_t)1 << 63;
    switch (value->column->type) {
    case PM_COLUMN_TEXT: key_text(key, value->text, desc); break;
    case PM_COLUMN_U64: key_u64(key, bits, desc); break;
    case PM_COLUMN_INT:
    case PM_COLUMN_TIME: key_u64(key, bits ^ top, desc); break;
    case PM_COLUMN_DOUBLE:
        if (value->real == 0) bits = 0; /* -0.0 and 0.0 are one number */
        key_u64(key, bits & top ? ~bits : bits | top, desc);
        break;
    case PM_COLUMN_BOOL: key_u64(key, value->flag, desc); break;
    case PM_COLUMN_JSON:
    case PM_COLUMN_LIST:
        pm_buf_clear(scratch);
        pm_value_json(scratch, value);
        key_text(key, pm_buf_slice(scratch), desc);
        break;
    }
}

static void make_key(struct pm_rows *rows)
{
    pm_buf_clear(&rows->key);
    for (size_t i = 0; i < rows->n_sort; i++) {
        size_t column = rows->sort[i].column, at = rows->cell_at[column];
        struct pm_slice cell = pm_slice(rows->cells.ptr + at, rows->cells.len - at);
        struct pm_value value;
        unpack(&rows->spec.columns[column], &cell, &value);
        key_value(&rows->key, &rows->scratch, &value, rows->sort[i].desc);
    }
}

int pm_row_end(struct pm_rows *rows, struct pm_error *err)
{
    PM_CHECK(rows->at == rows->spec.n_columns);
    rows->at = SIZE_MAX;
    if (pm_rows_full(rows)) return PM_OK;
    make_key(rows);
    PM_TRY(pm_spill_reserve(&rows->packed, 2 * sizeof(uint32_t) + rows->key.len + rows->cells.len, err));
    if (rows->n_sort) {
        PM_TRY(pm_spill_reserve(&rows->order, sizeof(struct pm_sort_entry), err));
        struct pm_sort_entry entry = {.where = rows->packed.len};
        memcpy(rows->order.ptr + rows->order.len, &entry, sizeof entry);
        rows->order.len += sizeof entry;
    }
    PM_CHECK(rows->key.len <= UINT32_MAX && rows->cells.len <= UINT32_MAX);
    uint32_t sizes[2] = {(uint32_t)rows->key.len, (uint32_t)rows->cells.len};
    char *ptr = rows->packed.ptr + rows->packed.len;
    memcpy(ptr, sizes, sizeof sizes);
    if (sizes[0]) memcpy(ptr + sizeof sizes, rows->key.ptr, sizes[0]);
    if (sizes[1]) memcpy(ptr + sizeof sizes + sizes[0], rows->cells.ptr, sizes[1]);
    rows->packed.len += sizeof sizes + sizes[0] + sizes[1];
    rows->n_rows++;
    return PM_OK;
}

uint64_t pm_rows_count(const struct pm_rows *rows) { return rows->n_rows; }

bool pm_rows_full(const struct pm_rows *rows)
{
    return !rows->n_sort && rows->options.has_limit && rows->n_rows >= rows->options.limit;
}

/* ---- reading back ---- */
static struct pm_slice key_of(const void *arg, uint64_t where)
{
    const struct pm_rows *rows = arg;
    uint32_t len;
    memcpy(&len, rows->packed.ptr + where, sizeof len);
    return pm_slice(rows->packed.ptr + where + 2 * sizeof len, len);
}

void pm_rows_order(struct pm_rows *rows)
{
    if (rows->n_sort) pm_sort_keys((struct pm_sort_entry *)(void *)rows->order.ptr, rows->n_rows, key_of, rows);
    rows->next = 0;
    rows->next_at = 0;
}

bool pm_rows_next(struct pm_rows *rows, struct pm_value *ret_values)
{
    if (rows->next >= rows->n_rows || (rows->options.has_limit && rows->next >= rows->options.limit)) return false;
    uint64_t where = rows->n_sort ? ((struct pm_sort_entry *)(void *)rows->order.ptr)[rows->next].where : rows->next_at;
    uint32_t sizes[2];
    memcpy(sizes, rows->packed.ptr + where, sizeof sizes);
    struct pm_slice cells = pm_slice(rows->packed.ptr + where + sizeof sizes + sizes[0], sizes[1]);
    for (size_t i = 0; i < rows->spec.n_columns; i++) {
        struct pm_value value;
        if (!rows->kept[i]) continue;
        unpack(&rows->spec.columns[i], &cells, &value);
        if (rows->shown_at[i] != SIZE_MAX) ret_values[rows->shown_at[i]] = value;
    }
    rows->next_at = where + sizeof sizes + sizes[0] + sizes[1];
    rows->next++;
    return true;
}

void pm_rows_free(struct pm_rows *rows)
{
    if (!rows) return;
    pm_spill_release(&rows->packed);
    pm_spill_release(&rows->order);
    pm_buf_release(&rows->cells);
    pm_buf_release(&rows->key);
    pm_buf_release(&rows->scratch);
    free(rows);
}

void pm_rows_cleanup(struct pm_rows **rows) { pm_rows_free(*rows); }
