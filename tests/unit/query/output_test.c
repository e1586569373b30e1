/* output_test.c: every format byte by byte, the orders, the flags that are refused. */
#include "query/output.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static const struct pm_column columns[] = {
    {.name = "name", .type = PM_COLUMN_TEXT},
    {.name = "seed", .type = PM_COLUMN_U64},
    {.name = "n", .type = PM_COLUMN_INT},
    {.name = "loss", .type = PM_COLUMN_DOUBLE},
    {.name = "at", .type = PM_COLUMN_TIME},
    {.name = "ok", .type = PM_COLUMN_BOOL},
    {.name = "params", .type = PM_COLUMN_JSON},
    {.name = "tags", .type = PM_COLUMN_LIST, .fields = pm_list_of_text},
    {.name = "jobs", .type = PM_COLUMN_LIST, .fields = pm_list_of_job_at},
    {.name = "rank", .type = PM_COLUMN_INT, .hidden = true},
};
#define N_COLUMNS (sizeof columns / sizeof *columns)
static const struct pm_rows_spec by_name = {
    .columns = columns, .n_columns = N_COLUMNS, .sort = {{0, false}}, .n_sort = 1};

struct row {
    const char *name;
    bool has_loss;
    uint64_t seed;
    double loss;
    int n, rank;
};

static void add(struct pm_rows *rows, const struct row *row)
{
    struct pm_error err;
    pm_row_begin(rows);
    pm_row_cstr(rows, row->name);
    pm_row_u64(rows, row->seed);
    pm_row_int(rows, row->n);
    if (row->has_loss) pm_row_double(rows, row->loss);
    else pm_row_null(rows);
    pm_row_time(rows, 1767603600000000 + row->n);
    pm_row_bool(rows, row->n % 2 == 1);
    pm_row_json(rows, PM_SLICE("{\"b\":1.0}"));
    pm_row_list_begin(rows);
    pm_row_cstr(rows, "x\ty");
    pm_row_cstr(rows, "z\"");
    pm_row_list_end(rows);
    pm_row_list_begin(rows);
    for (int i = 0; i < row->n; i++) {
        if (i == 1) pm_row_null(rows);
        else pm_row_cstr(rows, "j");
        pm_row_time(rows, i);
    }
    pm_row_list_end(rows);
    pm_row_int(rows, row->rank);
    cr_assert_eq(pm_row_end(rows, &err), PM_OK, "%s", err.text);
}

static struct pm_rows *gather(const struct pm_rows_spec *spec, struct pm_output_options options, const struct row *data,
                              size_t n)
{
    struct pm_rows *rows;
    struct pm_error err;
    cr_assert_eq(pm_rows_new(spec, &options, &rows, &err), PM_OK, "%s", err.text);
    for (size_t i = 0; i < n; i++) add(rows, &data[i]);
    return rows;
}

/* What is printed, as a text to free. */
static char *printed(const struct pm_rows_spec *spec, struct pm_output_options options, const char *wrap,
                     const struct row *data, size_t n)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    struct pm_error err;
    struct pm_rows *rows = gather(spec, options, data, n);
    cr_assert_eq(pm_rows_print(rows, out, wrap, &err), PM_OK, "%s", err.text);
    pm_rows_free(rows);
    fclose(out);
    return text;
}

static void expect(const struct pm_rows_spec *spec, struct pm_output_options options, const char *wrap,
                   const struct row *data, size_t n, const char *want)
{
    char *text = printed(spec, options, wrap, data, n);
    cr_assert_str_eq(text, want);
    free(text);
}

static const struct row two[] = {
    {.name = "b,\"é\"\n", .seed = 9007199254740993u, .n = 0},
    {.name = "a", .has_loss = true, .seed = 9007199254740992u, .loss = 1e-5, .n = 2},
};

Test(output, ndjson)
{
    expect(&by_name, (struct pm_output_options){.format = "ndjson"}, NULL, two, 2,
           "{\"name\":\"a\",\"seed\":9007199254740992,\"n\":2,\"loss\":1e-05,\"at\":\"2026-01-05T09:00:00.000002Z\","
           "\"ok\":false,\"params\":{\"b\":1.0},"
           "\"tags\":[\"x\\ty\",\"z\\\"\"],\"jobs\":[{\"job_id\":\"j\",\"at\":\"1970-01-01T00:00:00.000000Z\"},"
           "{\"job_id\":null,\"at\":\"1970-01-01T00:00:00.000001Z\"}]}\n"
           "{\"name\":\"b,\\\"é\\\"\\n\",\"seed\":\"9007199254740993\",\"n\":0,\"loss\":null,\"at\":\"2026-01-05T09:00:"
           "00.000000Z\",\"ok\":false,"
           "\"params\":{\"b\":1.0},\"tags\":[\"x\\ty\",\"z\\\"\"],\"jobs\":[]}\n");
}

Test(output, json_is_an_array_a_wrapped_document_or_one_object)
{
    struct pm_rows_spec one = by_name;
    one.one = true;
    struct pm_output_options options = {.format = "json", .columns = "name,n"};
    const char *wrap = "\"index\":{}";
    expect(&by_name, options, NULL, two, 2, "[\n{\"name\":\"a\",\"n\":2},\n{\"name\":\"b,\\\"é\\\"\\n\",\"n\":0}\n]\n");
    expect(&by_name, options, wrap, two, 2,
           "{\"rows\":[\n{\"name\":\"a\",\"n\":2},\n{\"name\":\"b,\\\"é\\\"\\n\",\"n\":0}\n],\"index\":{}}\n");
    expect(&by_name, options, NULL, two, 0, "[]\n");
    expect(&by_name, options, wrap, two, 0, "{\"rows\":[],\"index\":{}}\n");
    expect(&one, options, NULL, two + 1, 1, "{\"name\":\"a\",\"n\":2}\n");
    expect(&one, options, wrap, two + 1, 1, "{\"rows\":[\n{\"name\":\"a\",\"n\":2}\n],\"index\":{}}\n");
}

Test(output, csv_is_rfc_4180)
{
    expect(&by_name, (struct pm_output_options){.format = "csv", .columns = "name,seed,loss,params,tags"}, NULL, two, 2,
           "name,seed,loss,params,tags\r\n"
           "a,9007199254740992,1e-05,\"{\"\"b\"\":1.0}\",\"[\"\"x\\ty\"\",\"\"z\\\"\"\"\"]\"\r\n"
           "\"b,\"\"é\"\"\n\",9007199254740993,,\"{\"\"b\"\":1.0}\",\"[\"\"x\\ty\"\",\"\"z\\\"\"\"\"]\"\r\n");
    expect(&by_name, (struct pm_output_options){.format = "csv", .columns = "loss"}, NULL, two, 2,
           "loss\r\n1e-05\r\n\"\"\r\n");
    expect(&by_name, (struct pm_output_options){.format = "csv", .columns = "loss,n"}, NULL, two, 0, "loss,n\r\n");
}

Test(output, csv_tells_an_empty_text_from_an_absent_one)
{
    const struct row rows[] = {{.name = ""}, {.name = NULL, .n = 1}};
    expect(&by_name, (struct pm_output_options){.format = "csv", .columns = "name,n"}, NULL, rows, 2,
           "name,n\r\n\"\",0\r\n,1\r\n");
}

Test(output, tsv_keeps_a_row_on_its_line)
{
    const struct row rows[] = {{.name = "a\tb\nc\\d\re"}};
    expect(&by_name, (struct pm_output_options){.format = "tsv", .columns = "n,name,loss,tags"}, NULL, rows, 1,
           "n\tname\tloss\ttags\n0\ta\\tb\\nc\\\\d\\re\t\t[\"x\\\\ty\",\"z\\\\\"\"]\n");
}

Test(output, table_in_a_pipe_cuts_nothing)
{
    char path[301], want[2000];
    memset(path, 'p', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    const struct row rows[] = {{.name = path, .n = 1}, {.name = "b", .n = 1000, .has_loss = true, .loss = 0.5}};
    snprintf(want, sizeof want, "%-300s     n  loss\n%-300s  1000   0.5\n%s     1  \n", "name", "b", path);
    expect(&by_name, (struct pm_output_options){.format = "table", .columns = "name,n,loss"}, NULL, rows, 2, want);
}

Test(output, table_of_one_object_has_a_line_a_member)
{
    struct pm_rows_spec one = by_name;
    one.one = true;
    expect(&one, (struct pm_output_options){.format = "table", .columns = "name,loss,jobs,seed"}, NULL, two + 1, 1,
           "name  a\n"
           "loss  1e-05\n"
           "jobs  j 1970-01-01T00:00:00.000000Z\n"
           "      1970-01-01T00:00:00.000001Z\n"
           "seed  9007199254740992\n");
}

Test(output, bytes_that_are_not_utf8_still_make_json)
{
    const struct row rows[] = {{.name = "a\xc3"}, {.name = "b\xff\xe6\x97\xa5"}};
    expect(&by_name, (struct pm_output_options){.format = "ndjson", .columns = "name"}, NULL, rows, 2,
           "{\"name\":\"a\xef\xbf\xbd\"}\n{\"name\":\"b\xef\xbf\xbd\xe6\x97\xa5\"}\n");
}

/* ---- orders ---- */
static const struct row five[] = {
    {.name = "e", .has_loss = true, .loss = -0.5, .seed = UINT64_MAX, .n = 10, .rank = 1},
    {.name = "d", .has_loss = false, .seed = 3, .n = -9, .rank = 5},
    {.name = "ab", .has_loss = true, .loss = 2.5, .seed = 20, .n = 9, .rank = 4},
    {.name = "a", .has_loss = true, .loss = -3, .seed = 100, .n = 9, .rank = 3},
    {.name = "c", .has_loss = true, .loss = 0, .seed = 0, .n = -10, .rank = 2},
};

/* `want`: the names, each with a blank behind it. */
static void expect_order(const char *sort, const char *want)
{
    struct pm_output_options options = {.format = "tsv", .columns = "name", .sort = sort};
    char *text = printed(&by_name, options, NULL, five, 5), *names = strchr(text, '\n') + 1;
    for (char *at = names; (at = strchr(at, '\n'));) *at = ' ';
    cr_assert_str_eq(names, want, "--sort %s: %s", sort ? sort : "(none given)", names);
    free(text);
}

Test(output, sorts_by_type_with_absent_values_last)
{
    expect_order(NULL, "a ab c d e ");
    expect_order("name", "a ab c d e ");
    expect_order("name:asc", "a ab c d e ");
    expect_order("name:desc", "e d c ab a ");
    expect_order("loss", "a e c ab d ");
    expect_order("loss:desc", "ab c e a d ");
    expect_order("seed", "c d ab a e ");
    expect_order("seed:desc", "e a ab d c ");
    expect_order("n", "c d a ab e ");
    expect_order("n:desc", "e a ab d c ");
    expect_order("at", "c d a ab e ");
    expect_order("none", "e d ab a c ");
}

Test(output, sorts_by_a_hidden_column_without_showing_it)
{
    struct pm_rows_spec spec = by_name;
    spec.sort[0] = (struct pm_sort_key){N_COLUMNS - 1, true};
    expect(&spec, (struct pm_output_options){.format = "ndjson", .columns = "name", .has_limit = true, .limit = 2},
           NULL, five, 5, "{\"name\":\"d\"}\n{\"name\":\"ab\"}\n");
}

Test(output, texts_with_zero_bytes_keep_their_order)
{
    static const struct pm_column text[] = {{.name = "t", .type = PM_COLUMN_TEXT}};
    struct pm_rows_spec spec = {.columns = text, .n_columns = 1, .sort = {{0, false}}, .n_sort = 1};
    struct pm_output_options options = {.format = "ndjson"};
    struct pm_slice texts[] = {PM_SLICE("a\0b"), PM_SLICE("a\1"), PM_SLICE("a"), PM_SLICE("a\0"), PM_SLICE("")};
    struct pm_rows *rows;
    struct pm_error err;
    cr_assert_eq(pm_rows_new(&spec, &options, &rows, &err), PM_OK);
    for (size_t i = 0; i < 5; i++) {
        pm_row_begin(rows);
        pm_row_text(rows, texts[i]);
        cr_assert_eq(pm_row_end(rows, &err), PM_OK);
    }
    char *out_text = NULL;
    size_t size;
    FILE *out = open_memstream(&out_text, &size);
    cr_assert_eq(pm_rows_print(rows, out, NULL, &err), PM_OK);
    fclose(out);
    cr_assert_str_eq(
        out_text, "{\"t\":\"\"}\n{\"t\":\"a\"}\n{\"t\":\"a\\u0000\"}\n{\"t\":\"a\\u0000b\"}\n{\"t\":\"a\\u0001\"}\n");
    free(out_text);
    pm_rows_free(rows);
}

Test(output, limit)
{
    struct pm_output_options options = {.format = "ndjson", .columns = "name", .has_limit = true, .limit = 1};
    expect(&by_name, options, NULL, five, 5, "{\"name\":\"a\"}\n");
    options.sort = "none";
    expect(&by_name, options, NULL, five, 5, "{\"name\":\"e\"}\n");
    options.limit = 0;
    expect(&by_name, options, NULL, five, 5, "");
}

Test(output, a_scan_may_stop_when_no_row_can_be_printed_any_more)
{
    struct pm_output_options options = {.sort = "none", .has_limit = true, .limit = 2};
    struct pm_rows *rows = gather(&by_name, options, five, 1);
    cr_assert_not(pm_rows_full(rows));
    add(rows, &five[1]);
    cr_assert(pm_rows_full(rows));
    pm_rows_free(rows);
    options.sort = NULL;
    rows = gather(&by_name, options, five, 5);
    cr_assert_not(pm_rows_full(rows), "a later row may come first");
    cr_assert_eq(pm_rows_count(rows), 5);
    pm_rows_free(rows);
}

Test(output, columns_in_the_order_asked_for)
{
    expect(&by_name,
           (struct pm_output_options){
               .format = "ndjson", .columns = "n, name", .sort = "seed:desc", .has_limit = true, .limit = 1},
           NULL, five, 5, "{\"n\":10,\"name\":\"e\"}\n");
}

Test(output, what_nobody_asks_for_need_not_be_found)
{
    struct pm_rows *rows;
    struct pm_error err;
    struct pm_output_options options = {.columns = "n", .sort = "seed"};
    cr_assert_eq(pm_rows_new(&by_name, &options, &rows, &err), PM_OK);
    pm_row_begin(rows);
    cr_assert(pm_row_wants(rows), "name breaks ties");
    pm_row_cstr(rows, "a");
    cr_assert(pm_row_wants(rows), "seed is sorted by");
    pm_row_u64(rows, 1);
    cr_assert(pm_row_wants(rows), "n is shown");
    pm_row_int(rows, 1);
    cr_assert_not(pm_row_wants(rows), "loss is not");
    pm_rows_free(rows);
}

/* ---- refusals ---- */
static void refused(struct pm_output_options options, const char *want)
{
    struct pm_rows *rows = NULL;
    struct pm_error err = {0};
    cr_assert_eq(pm_rows_new(&by_name, &options, &rows, &err), PM_EUSAGE);
    cr_assert_str_eq(err.text, want);
    cr_assert_null(rows);
}

Test(output, refuses_by_name)
{
    const char *all = "name, seed, n, loss, at, ok, params, tags, jobs";
    char text[300];
    refused((struct pm_output_options){.format = "jsn"},
            "unknown format \"jsn\"; did you mean \"json\"? formats: table, json, ndjson, csv, tsv");
    snprintf(text, sizeof text, "--columns: unknown column \"los\"; did you mean \"loss\"? columns: %s", all);
    refused((struct pm_output_options){.columns = "name,los"}, text);
    snprintf(text, sizeof text, "--columns: unknown column \"quite_different\"; columns: %s", all);
    refused((struct pm_output_options){.columns = "quite_different"}, text);
    snprintf(text, sizeof text, "--columns: unknown column \"rank\"; columns: %s", all);
    refused((struct pm_output_options){.columns = "rank"}, text);
    snprintf(text, sizeof text, "--sort: unknown column \"sed\"; did you mean \"seed\"? columns: %s", all);
    refused((struct pm_output_options){.sort = "sed:desc"}, text);
    refused((struct pm_output_options){.sort = "seed:down"},
            "--sort: \"seed:down\" is not an order; write KEY, KEY:desc or none");
    refused((struct pm_output_options){.columns = "n,name,n"}, "--columns: \"n\" is named twice");
}

Test(output, a_full_device_is_told)
{
    FILE *full = fopen("/dev/full", "w");
    cr_assert_not_null(full);
    struct pm_error err = {0};
    struct pm_rows *rows = gather(&by_name, (struct pm_output_options){.format = "ndjson"}, two, 2);
    cr_assert_eq(pm_rows_print(rows, full, NULL, &err), PM_EIO);
    cr_assert_str_eq(err.text, "could not write the output: No space left on device");
    pm_rows_free(rows);
    fclose(full);
}

Test(output, a_million_rows_spill_and_come_back_in_order)
{
    static const struct pm_column wide[] = {{.name = "text", .type = PM_COLUMN_TEXT},
                                            {.name = "i", .type = PM_COLUMN_INT}};
    struct pm_rows_spec spec = {.columns = wide, .n_columns = 2, .sort = {{1, false}}, .n_sort = 1};
    struct pm_output_options options = {.format = "tsv"};
    struct pm_rows *rows;
    struct pm_error err;
    char text[200];
    const int n = 400000; /* more than 64 MiB */
    memset(text, 'x', sizeof text);
    cr_assert_eq(pm_rows_new(&spec, &options, &rows, &err), PM_OK);
    for (int i = 0; i < n; i++) {
        pm_row_begin(rows);
        pm_row_text(rows, pm_slice(text, sizeof text));
        pm_row_int(rows, (int64_t)((uint32_t)i * 2654435761u % (uint32_t)n)); /* a scramble; with repeats */
        cr_assert_eq(pm_row_end(rows, &err), PM_OK, "%s", err.text);
    }
    FILE *out = tmpfile();
    cr_assert_eq(pm_rows_print(rows, out, NULL, &err), PM_OK);
    pm_rows_free(rows);
    rewind(out);
    char line[400];
    long last = -1, count = 0;
    cr_assert(fgets(line, sizeof line, out));
    while (fgets(line, sizeof line, out)) {
        cr_assert(line[0] == 'x' && line[199] == 'x' && line[200] == '\t');
        long i = strtol(line + 201, NULL, 10);
        cr_assert(i >= last);
        last = i;
        count++;
    }
    cr_assert_eq(count, n);
    fclose(out);
}
