/* line.h: the text of one event, as `provmat emit` reads it, while it is written. A short one costs no allocation. */
#ifndef PROVMAT_PYTHON_LINE_H
#define PROVMAT_PYTHON_LINE_H

#include <stdbool.h>
#include <stddef.h>

/* Twice what an event may have: what is longer is refused anyway, so no more of it is written. */
#define LINE_BYTES_MAX ((size_t)2 << 20)

struct line {
    char *text; /* not ended by a zero */
    size_t len, size;
    const char *problem; /* why it is not whole; NULL when it is */
    char own[2048];
};

/* The struct stays where it is from here on: `text` may point into it. */
void line_init(struct line *line);
void line_release(struct line *line);

/* What cannot be added sets `problem`, and everything after it is left out. */
void line_add(struct line *line, const char *bytes, size_t len);
/* A JSON string: UTF-8 in quotes, with escapes where JSON wants them. */
void line_add_string(struct line *line, const char *bytes, size_t len);

#endif
