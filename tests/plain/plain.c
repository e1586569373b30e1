/* plain.c: runs tests that were written for Criterion, each in a fork: `unit [--xml=FILE] [--timeout SECONDS] [-jN]
 * [--filter SUITE/TEST]`, as the Criterion program is called. The parent has no threads and opens nothing, so a fork is
 * as good as a fresh process. A test passes when its process ends well: under valgrind and the sanitizers a report ends
 * it badly. */
#include <fnmatch.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/wait.h>
#include <unistd.h>

#include <criterion/criterion.h>

#define WORKERS_MAX 16
enum { EXIT_FAILED = 101, EXIT_SKIPPED = 102 };

static struct plain_test *tests, *suites;
static unsigned n_passed, n_failed, n_skipped, timeout_seconds = 60;
static FILE *report;

static struct worker {
    pid_t pid; /* 0: none */
    const struct plain_test *test;
} workers[WORKERS_MAX];

void plain_register(struct plain_test *test)
{
    struct plain_test **list = test->name ? &tests : &suites;
    test->next = *list;
    *list = test;
}

static void say(const char *fmt, va_list args)
{
    vfprintf(stderr, fmt, args);
    fputc('\n', stderr);
    fflush(NULL);
}

void plain_fail(const char *file, int line, const char *condition, const char *fmt, ...)
{
    va_list args;
    fprintf(stderr, "%s:%d: %s: ", file, line, condition);
    va_start(args, fmt);
    say(fmt, args);
    va_end(args);
    _exit(EXIT_FAILED);
}

void plain_skip(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    say(fmt, args);
    va_end(args);
    _exit(EXIT_SKIPPED);
}

static const struct plain_options *suite_options(const struct plain_test *test)
{
    static const struct plain_options none;
    for (const struct plain_test *suite = suites; suite; suite = suite->next)
        if (strcmp(suite->suite, test->suite) == 0) return &suite->options;
    return &none;
}

/* exit, not _exit: the thread sanitizer gives its verdict there. */
static _Noreturn void run(const struct plain_test *test)
{
    const struct plain_options *suite = suite_options(test), *own = &test->options;
    void (*init)(void) = own->init ? own->init : suite->init, (*fini)(void) = own->fini ? own->fini : suite->fini;
    alarm(own->timeout > timeout_seconds ? (unsigned)own->timeout : timeout_seconds);
    if (init) init();
    test->run();
    if (fini) fini();
    exit(0);
}

static void judge(const struct plain_test *test, int status)
{
    const char *verdict = "";
    bool passed = test->options.signal ? WIFSIGNALED(status) && WTERMSIG(status) == test->options.signal
                                       : WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (passed) {
        n_passed++;
    } else if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SKIPPED) {
        n_skipped++;
        verdict = "<skipped/>";
    } else {
        n_failed++;
        verdict = "<failure/>";
        fprintf(stderr, "FAILED: %s/%s (%s %d)\n", test->suite, test->name,
                WIFEXITED(status) ? "exit status" : "signal",
                WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
    }
    if (report)
        fprintf(report, "<testcase classname=\"%s\" name=\"%s\">%s</testcase>\n", test->suite, test->name, verdict);
}

/* Waits for one worker to end and gives it back, free. */
static struct worker *reap(void)
{
    int status;
    pid_t pid = wait(&status);
    for (int i = 0; i < WORKERS_MAX; i++) {
        if (pid <= 0 || workers[i].pid != pid) continue;
        workers[i].pid = 0;
        judge(workers[i].test, status);
        return &workers[i];
    }
    return NULL;
}

static void start(struct worker *worker, const struct plain_test *test)
{
    fflush(NULL);
    worker->test = test;
    worker->pid = fork();
    if (worker->pid == 0) {
        report = NULL;
        run(test);
    }
    if (worker->pid < 0) perror("fork"), exit(3);
}

static void run_all(const char *filter, int at_once)
{
    int running = 0;
    for (const struct plain_test *test = tests; test; test = test->next) {
        char name[512];
        snprintf(name, sizeof name, "%s/%s", test->suite, test->name);
        if (filter && fnmatch(filter, name, 0) != 0) continue;
        struct worker *worker = running < at_once ? &workers[running++] : NULL;
        while (!worker) worker = reap();
        start(worker, test);
    }
    for (bool left = true; left;) {
        left = false;
        for (int i = 0; i < WORKERS_MAX; i++) left |= workers[i].pid != 0;
        if (left) reap();
    }
}

int main(int argc, char **argv)
{
    const char *filter = NULL;
    int at_once = 1;
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "--xml=", 6) == 0) report = fopen(argv[i] + 6, "w");
        else if (strcmp(argv[i], "--timeout") == 0 && i + 1 < argc)
            timeout_seconds = (unsigned)strtoul(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--filter") == 0 && i + 1 < argc) filter = argv[++i];
        else if (strncmp(argv[i], "-j", 2) == 0) at_once = (int)strtol(argv[i] + 2, NULL, 10);
        else return fprintf(stderr, "unit: unknown argument %s\n", argv[i]), 2;
    }
    if (at_once < 1 || at_once > WORKERS_MAX) at_once = 1;
    if (report) fputs("<testsuites><testsuite>\n", report);
    run_all(filter, at_once);
    if (report) fputs("</testsuite></testsuites>\n", report), fclose(report);
    printf("%u passed, %u failed, %u skipped\n", n_passed, n_failed, n_skipped);
    return n_failed != 0;
}
