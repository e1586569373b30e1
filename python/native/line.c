/* line.c: a growing text with JSON's escapes. One thread a line. */
#include "python/native/line.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void line_init(struct line *line)
{
    line->text = line->own;
    line->len = 0;
    line->size = sizeof line->own;
    line->problem = NULL;
}

void line_release(struct line *line)
{
    if (line->text != line->own) free(line->text);
    line_init(line);
}

static bool make_room(struct line *line, size_t len)
{
    if (line->problem) return false;
    if (len <= line->size - line->len) return true;
    if (len > LINE_BYTES_MAX - line->len) {
        line->problem = "the event is above the limit of 1048576 bytes";
        return false;
    }
    size_t size = line->size * 2;
    while (size < line->len + len) size *= 2;
    char *text = realloc(line->text == line->own ? NULL : line->text, size);
    if (!text) {
        line->problem = "out of memory";
        return false;
    }
    if (line->text == line->own) memcpy(text, line->own, line->len);
    line->text = text;
    line->size = size;
    return true;
}

void line_add(struct line *line, const char *bytes, size_t len)
{
    if (!make_room(line, len)) return;
    memcpy(line->text + line->len, bytes, len);
    line->len += len;
}

static void add_escape(struct line *line, unsigned char c)
{
    char escape[8];
    if (c == '"' || c == '\\') line_add(line, (char[]){'\\', (char)c}, 2);
    else line_add(line, escape, (size_t)snprintf(escape, sizeof escape, "\\u%04x", c));
}

void line_add_string(struct line *line, const char *bytes, size_t len)
{
    size_t from = 0;
    line_add(line, "\"", 1);
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)bytes[i];
        if (c >= 0x20 && c != '"' && c != '\\') continue;
        line_add(line, bytes + from, i - from);
        add_escape(line, c);
        from = i + 1;
    }
    line_add(line, bytes + from, len - from);
    line_add(line, "\"", 1);
}
