/* cmd_quarantine.c: `provmat quarantine list|show|retry`: the records that could not be applied. */
#include "cli/consume.h"
#include "common/base/number.h"
#include "query/output.h"

/* `list` prints the first LIST_COLUMNS of them, `show` all. */
#define LIST_COLUMNS 6
static const struct pm_column columns[] = {
    {.name = "partition", .type = PM_COLUMN_INT}, {.name = "offset", .type = PM_COLUMN_INT},
    {.name = "at", .type = PM_COLUMN_TIME},       {.name = "class", .type = PM_COLUMN_TEXT},
    {.name = "reason", .type = PM_COLUMN_TEXT},   {.name = "bytes", .type = PM_COLUMN_INT},
    {.name = "key", .type = PM_COLUMN_TEXT},      {.name = "text", .type = PM_COLUMN_TEXT},
    {.name = "hex", .type = PM_COLUMN_TEXT},      {.name = "base64", .type = PM_COLUMN_TEXT},
};
#define ALL_COLUMNS (sizeof columns / sizeof *columns)

struct reading {
    struct pm_rows *rows;
    bool show; /* only the record at the place, with its bytes */
    int32_t partition;
    int64_t offset;
    bool found;
};

/* ---- bytes as text ---- */

static bool printable(struct pm_slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] < ' ' && text.ptr[i] != '\t' && text.ptr[i] != '\n' && text.ptr[i] != '\r')
            return false;
    return pm_utf8_valid(text);
}

static void add_printable(struct pm_rows *rows, struct pm_slice text)
{
    if (text.ptr && printable(text)) pm_row_text(rows, text);
    else pm_row_null(rows);
}

static void add_hex(struct pm_rows *rows, struct pm_slice bytes)
{
    struct pm_buf hex = {0};
    pm_buf_reserve(&hex, 2 * bytes.len);
    if (bytes.len) pm_hex_encode(bytes.ptr, bytes.len, hex.ptr);
    pm_row_text(rows, pm_slice(hex.ptr, 2 * bytes.len));
    pm_buf_release(&hex);
}

static void add_base64(struct pm_rows *rows, struct pm_slice bytes)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    struct pm_buf text = {0};
    for (size_t i = 0; i < bytes.len; i += 3) {
        const unsigned char *p = (const unsigned char *)bytes.ptr + i;
        size_t left = bytes.len - i;
        uint32_t group = (uint32_t)p[0] << 16 | (left > 1 ? (uint32_t)p[1] << 8 : 0) | (left > 2 ? p[2] : 0);
        char four[4] = {digits[group >> 18], digits[group >> 12 & 63], left > 1 ? digits[group >> 6 & 63] : '=',
                        left > 2 ? digits[group & 63] : '='};
        pm_buf_bytes(&text, four, sizeof four);
    }
    pm_row_text(rows, pm_buf_slice(&text));
    pm_buf_release(&text);
}

/* ---- list, show ---- */

static int add_row(void *arg, const struct pm_quarantined *row, struct pm_error *err)
{
    struct reading *reading = arg;
    if (reading->show && (row->partition != reading->partition || row->offset != reading->offset)) return PM_OK;
    reading->found = true;
    pm_row_begin(reading->rows);
    pm_row_int(reading->rows, row->partition);
    pm_row_int(reading->rows, row->offset);
    if (row->at_us >= 0) pm_row_time(reading->rows, row->at_us);
    else pm_row_null(reading->rows);
    pm_row_cstr(reading->rows, row->class);
    pm_row_text(reading->rows, row->reason);
    if (row->value.ptr) pm_row_int(reading->rows, (int64_t)row->value.len);
    else pm_row_null(reading->rows);
    if (reading->show) {
        add_printable(reading->rows, row->key);
        add_printable(reading->rows, row->value);
        add_hex(reading->rows, row->value);
        add_base64(reading->rows, row->value);
    }
    return pm_row_end(reading->rows, err);
}

static int read_quarantine(const struct pm_cli *cli, struct reading *reading, struct pm_error *err)
{
    struct pm_index *index = NULL;
    struct pm_snapshot *snap = NULL;
    PM_TRY(pm_index_open(cli->index_dir, &index, err));
    int rc = pm_snapshot_open(index, &snap, err);
    if (rc == PM_OK) rc = pm_quarantine_each(snap, add_row, reading, err);
    pm_snapshot_close(snap); /* before anything is written (I8) */
    pm_index_close(index);
    return rc;
}

int pm_cmd_quarantine_list(struct pm_cli *cli, struct pm_error *err)
{
    struct pm_rows_spec spec = {
        .columns = columns, .n_columns = LIST_COLUMNS, .sort = {{0, false}, {1, false}}, .n_sort = 2};
    struct pm_output_options options = pm_cli_output_options(cli);
    struct reading reading = {0};
    PM_TRY(pm_rows_new(&spec, &options, &reading.rows, err));
    int rc = read_quarantine(cli, &reading, err);
    if (rc == PM_OK) rc = pm_rows_print(reading.rows, stdout, NULL, err);
    pm_rows_free(reading.rows);
    if (rc != PM_OK || reading.found) return rc;
    pm_cli_note(cli, "the quarantine is empty");
    return pm_error_set(err, PM_ENOTFOUND, "%s", "");
}

int pm_cmd_quarantine_show(struct pm_cli *cli, struct pm_error *err)
{
    struct pm_rows_spec spec = {.columns = columns, .n_columns = ALL_COLUMNS, .one = true};
    struct pm_output_options options = pm_cli_output_options(cli);
    struct reading reading = {.show = true};
    const char *place = cli->operands[0], *colon = strchr(place, ':');
    uint64_t partition, offset;
    if (!colon || !pm_u64_parse(pm_slice(place, (size_t)(colon - place)), &partition) ||
        !pm_u64_parse(pm_slice_cstr(colon + 1), &offset) || partition > INT32_MAX || offset > INT64_MAX)
        return pm_error_set(err, PM_EUSAGE,
                            "\"%s\" is not PARTITION:OFFSET, such as 0:41; `provmat quarantine list` shows the places",
                            place);
    reading.partition = (int32_t)partition;
    reading.offset = (int64_t)offset;
    PM_TRY(pm_rows_new(&spec, &options, &reading.rows, err));
    int rc = read_quarantine(cli, &reading, err);
    if (rc == PM_OK && !reading.found)
        rc = pm_error_set(err, PM_ENOTFOUND,
                          "no record of %s is in the quarantine; `provmat quarantine list` shows those that are",
                          place);
    if (rc == PM_OK) rc = pm_rows_print(reading.rows, stdout, NULL, err);
    pm_rows_free(reading.rows);
    return rc;
}

/* ---- retry ---- */

int pm_cmd_quarantine_retry(struct pm_cli *cli, struct pm_error *err)
{
    struct pm_consumer_options options = pm_consume_options(cli, true);
    uint64_t applied = 0, left = 0;
    char applied_text[32], left_text[32];
    PM_TRY(pm_consume_end(pm_quarantine_retry(&options, &applied, &left, err), err));
    pm_cli_note(cli, "%s applied, %s left in the quarantine", pm_count_format(applied, applied_text),
                pm_count_format(left, left_text));
    return left ? pm_error_set(err, PM_EFORMAT, "%s", "") : PM_OK;
}
