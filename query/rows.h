/* rows.h: the inside of struct pm_rows, shared by rows.c (gathers) and output.c (options, printing). Others use
 * output.h. */
#ifndef PM_QUERY_ROWS_H
#define PM_QUERY_ROWS_H

#include "query/output.h"
#include "query/sort.h"
#include "query/spill.h"

struct pm_rows {
    struct pm_rows_spec spec;
    struct pm_output_options options;
    const struct pm_format *format; /* NULL until it is known whether the output is a terminal */

    const struct pm_column *shown[PM_COLUMNS_MAX]; /* in the order asked for */
    size_t n_shown;
    size_t shown_at[PM_COLUMNS_MAX]; /* column of the spec -> place in `shown`, SIZE_MAX: not shown */
    bool kept[PM_COLUMNS_MAX];       /* shown or sorted by */
    struct pm_sort_key sort[PM_SORT_KEYS_MAX + 1];
    size_t n_sort;

    struct pm_spill packed; /* rows: two uint32_t lengths, the key, the cells */
    struct pm_spill order;  /* struct pm_sort_entry a row, where there is an order */
    uint64_t n_rows;
    uint64_t next, next_at; /* reading: number and, without an order, place of the next row */

    /* the row being built */
    size_t at; /* column that comes next; SIZE_MAX between rows */
    size_t cell_at[PM_COLUMNS_MAX];
    struct pm_buf cells, key, scratch;
    const struct pm_column *field; /* in a list: the field that comes next */
    size_t list_at;
    uint32_t n_items;
};

/* Sorts, and starts reading at the first row. */
void pm_rows_order(struct pm_rows *rows);
/* The next row's shown values, in the order of `shown`; false at the end or at --limit. They end with the rows. */
bool pm_rows_next(struct pm_rows *rows, struct pm_value *ret_values);

#endif
