/* progress.c: what people read on stderr: diagnostics, and on a terminal one line of progress that is written over
 * itself. */
#define _GNU_SOURCE /* vasprintf */
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/command.h"
#include "common/base/check.h"
#include "common/base/visible.h"
#include "consumer/consumer.h"

/* Warnings may come from the thread that reads the log while another one shows progress: stderr's own lock keeps a line
 * whole. */
static bool line_shown; /* under that lock */

static void clear(void)
{
    if (!line_shown) return;
    fputs("\r\033[K", stderr);
    fflush(stderr);
    line_shown = false;
}

void pm_progress_clear(void)
{
    flockfile(stderr);
    clear();
    funlockfile(stderr);
}

static void write_line(const char *line, size_t len)
{
    flockfile(stderr);
    clear();
    fwrite(line, 1, len, stderr);
    funlockfile(stderr);
}

/* That memory is out must be said without any. What could be a control character is not shown. */
static void say_in_little_room(const char *before, const char *fmt, va_list args)
{
    char line[PM_ERROR_TEXT_MAX + 32];
    size_t n = (size_t)snprintf(line, sizeof line, "%s", before);
    vsnprintf(line + n, sizeof line - n, fmt, args);
    for (n = 0; line[n]; n++)
        if (line[n] != '\n' && line[n] != '\t' && (line[n] < ' ' || line[n] > '~')) line[n] = '?';
    line[n++] = '\n'; /* in place of the zero */
    write_line(line, n);
}

static void say(const char *before, const char *fmt, va_list args)
{
    PM_CLEANUP(pm_buf_release) struct pm_buf line = {0};
    char *text = NULL;
    va_list again;
    va_copy(again, args);
    int n = vasprintf(&text, fmt, args);
    if (n < 0) say_in_little_room(before, fmt, again);
    va_end(again);
    if (n < 0) return;
    pm_buf_cstr(&line, before);
    pm_visible_add(&line, pm_slice_cstr(text), "\n\t"); /* what is quoted comes from anyone who can write to the log */
    pm_buf_byte(&line, '\n');
    free(text);
    write_line(line.ptr, line.len);
}

void pm_cli_line(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    say("", fmt, args);
    va_end(args);
}

void pm_cli_warn(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    say("provmat: ", fmt, args);
    va_end(args);
}

void pm_cli_note(const struct pm_cli *cli, const char *fmt, ...)
{
    if (cli->quiet) return;
    va_list args;
    va_start(args, fmt);
    say("provmat: ", fmt, args);
    va_end(args);
}

const char *pm_count_format(uint64_t count, char out[32])
{
    char digits[24];
    int n = snprintf(digits, sizeof digits, "%llu", (unsigned long long)count), at = 0;
    for (int i = 0; i < n; i++) {
        if (i > 0 && (n - i) % 3 == 0) out[at++] = ',';
        out[at++] = digits[i];
    }
    out[at] = 0;
    return out;
}

/* "1:02:03", "4:05" */
static void format_seconds(double seconds, char out[32])
{
    unsigned long long s = seconds < 1e9 ? (unsigned long long)(seconds + 0.5) : 1000000000ULL;
    if (s >= 3600) snprintf(out, 32, "%llu:%02llu:%02llu", s / 3600, s / 60 % 60, s % 60);
    else snprintf(out, 32, "%llu:%02llu", s / 60, s % 60);
}

static size_t terminal_width(void)
{
    struct winsize size;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20 ? size.ws_col : 80;
}

void pm_progress_show(const struct pm_cli *cli, const struct pm_progress *progress)
{
    if (!cli->progress) return;
    if (progress->finished) {
        pm_progress_clear();
        return;
    }
    char done[32], total[32], rate[32], left[32], line[256];
    int n = snprintf(line, sizeof line, "%s: %s", progress->phase, pm_count_format(progress->done, done));
    if (progress->total > 0)
        n += snprintf(line + n, sizeof line - (size_t)n, " of %s events (%.0f%%)",
                      pm_count_format(progress->total, total),
                      100.0 * (double)progress->done / (double)progress->total);
    else n += snprintf(line + n, sizeof line - (size_t)n, " events");
    n += snprintf(line + n, sizeof line - (size_t)n, ", %s/s",
                  pm_count_format((uint64_t)(progress->events_per_s + 0.5), rate));
    if (progress->seconds_left >= 0) {
        format_seconds(progress->seconds_left, left);
        n += snprintf(line + n, sizeof line - (size_t)n, ", %s to go", left);
    }
    size_t width = terminal_width(); /* a line that wraps could not be written over */
    flockfile(stderr);
    fprintf(stderr, "\r%.*s\033[K", (int)((size_t)n < width ? (size_t)n : width - 1), line);
    fflush(stderr);
    line_shown = true;
    funlockfile(stderr);
}
