/* fault.c: the environment is read once; a mistake in it ends the program, so that no test passes for want of its
 * fault. */
#include "common/base/fault.h"

#ifdef PM_FAULTS
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PLANS_MAX 8

struct plan {
    enum pm_fault_point point;
    unsigned n;
    enum { KILL, ERROR, FULL, ABORT } action;
};

static const char *const names[PM_FAULT_POINT_COUNT] = {
#define X(point, text) #point,
#include "common/base/fault.def"
#undef X
};
static const char *const actions[] = {"kill", "error", "full", "abort"};

static atomic_uint passes[PM_FAULT_POINT_COUNT];
static struct plan plans[PLANS_MAX];
static unsigned n_plans;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static int find(const char *const *list, int n, const char *name)
{
    for (int i = 0; i < n; i++)
        if (strcmp(list[i], name) == 0) return i;
    fprintf(stderr, "PROVMAT_FAULT: \"%s\" is unknown\n", name);
    abort();
}

static void write_counts(void)
{
    FILE *f = fopen(getenv("PROVMAT_FAULT_COUNTS"), "w");
    if (!f) return;
    for (int i = 0; i < PM_FAULT_POINT_COUNT; i++) fprintf(f, "%s %u\n", names[i], atomic_load(&passes[i]));
    fclose(f);
}

static void read_plans(void)
{
    if (getenv("PROVMAT_FAULT_COUNTS")) atexit(write_counts);
    const char *text = getenv("PROVMAT_FAULT");
    char point[64], action[16];
    for (int used; text && *text; text += used + (text[used] == ',')) {
        struct plan *plan = &plans[n_plans++];
        if (n_plans > PLANS_MAX || sscanf(text, "%63[^:]:%u:%15[^,]%n", point, &plan->n, action, &used) != 3) abort();
        plan->point = (enum pm_fault_point)find(names, PM_FAULT_POINT_COUNT, point);
        plan->action = find(actions, 4, action);
    }
}

int pm_fault_pass(enum pm_fault_point point, struct pm_error *err)
{
    pthread_once(&once, read_plans);
    unsigned n = atomic_fetch_add(&passes[point], 1) + 1;
    for (unsigned i = 0; i < n_plans; i++) {
        if (plans[i].point != point || plans[i].n != n) continue;
        switch (plans[i].action) {
        case KILL:
            kill(getpid(), SIGKILL);
            for (;;) pause();
        case ABORT: abort();
        case FULL: return pm_error_set(err, PM_EMAPFULL, "planned fault at %s: the memory map is full", names[point]);
        case ERROR: return pm_error_set(err, PM_EIO, "planned fault at %s", names[point]);
        }
    }
    return PM_OK;
}

uint64_t pm_fault_limit(const char *name, uint64_t value)
{
    size_t n = strlen(name);
    for (const char *text = getenv("PROVMAT_FAULT_LIMITS"); text && *text; text = strchr(text, ',')) {
        text += *text == ',';
        if (strncmp(text, name, n) == 0 && text[n] == '=') return strtoull(text + n + 1, NULL, 10);
    }
    return value;
}
#endif
