/* pending.c: directories of results that are being written (pending.h). */
#define _GNU_SOURCE /* strchrnul */
#include "provstore/pending.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/hash.h"
#include "common/base/number.h"
#include "common/base/time.h"
#include "provstore/below.h"

#define PREFIX ".provmat-put-"
#define KEY_DIGITS 16
#define MACHINE_DIGITS 8

struct pending {
    char key[KEY_DIGITS], machine[MACHINE_DIGITS];
    uint64_t pid;
};

static void hash_hex(const struct pm_slice *parts, size_t n, char *out, size_t digits)
{
    unsigned char digest[16];
    pm_blake2b(digest, sizeof digest, parts, n);
    pm_hex_encode(digest, digits / 2, out);
}

/* Process ids mean something within one boot and one space of ids only; where these are not known (no /proc) all
 * writers are of another machine. */
static bool hash_machine(char out[MACHINE_DIGITS])
{
    char host[256] = "", boot[64] = "", space[64] = "";
    (void)gethostname(host, sizeof host - 1);
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t boot_len = fd < 0 ? 0 : read(fd, boot, sizeof boot);
    if (fd >= 0) close(fd);
    ssize_t space_len = readlink("/proc/self/ns/pid", space, sizeof space);
    const struct pm_slice parts[] = {pm_slice_cstr(host), PM_SLICE("\n"),
                                     pm_slice(boot, boot_len > 0 ? (size_t)boot_len : 0), PM_SLICE("\n"),
                                     pm_slice(space, space_len > 0 ? (size_t)space_len : 0)};
    hash_hex(parts, sizeof parts / sizeof *parts, out, MACHINE_DIGITS);
    return boot_len > 0 && space_len > 0;
}

static uint64_t random_number(void)
{
    static unsigned counter;
    uint64_t number;
    if (getrandom(&number, sizeof number, GRND_NONBLOCK) == (ssize_t)sizeof number) return number;
    const uint64_t sources[] = {(uint64_t)pm_time_now_us(), (uint64_t)pm_time_monotonic_us(),
                                __atomic_add_fetch(&counter, 1, __ATOMIC_RELAXED)};
    return pm_hash64(sources, sizeof sources, (uint64_t)getpid());
}

void pm_pending_name(struct pm_slice place, char out[PM_PENDING_NAME_SIZE])
{
    char key[KEY_DIGITS], machine[MACHINE_DIGITS];
    hash_hex(&place, 1, key, KEY_DIGITS);
    (void)hash_machine(machine);
    snprintf(out, PM_PENDING_NAME_SIZE, PREFIX "%.*s-%.*s-%lld-%016llx", KEY_DIGITS, key, MACHINE_DIGITS, machine,
             (long long)getpid(), (unsigned long long)random_number());
}

/* Takes `len` digits and the '-' behind them. */
static bool take_hex(const char **at, size_t len, char *out)
{
    struct pm_slice digits = pm_slice(*at, strnlen(*at, len));
    if (digits.len != len || !pm_hex_valid(digits) || (*at)[len] != '-') return false;
    memcpy(out, *at, len);
    *at += len + 1;
    return true;
}

static bool parse(const char *name, struct pending *ret)
{
    const char *at = name + strlen(PREFIX);
    if (strncmp(name, PREFIX, strlen(PREFIX)) != 0) return false;
    if (!take_hex(&at, KEY_DIGITS, ret->key) || !take_hex(&at, MACHINE_DIGITS, ret->machine)) return false;
    const char *end = strchrnul(at, '-');
    return pm_u64_parse(pm_slice(at, (size_t)(end - at)), &ret->pid) && ret->pid > 0 && ret->pid <= INT32_MAX;
}

bool pm_pending_is(const char *name) { return strncmp(name, PREFIX, strlen(PREFIX)) == 0; }

enum writer { WRITER_LIVES, WRITER_GONE, WRITER_ELSEWHERE };

static enum writer writer_of(const struct pending *pending)
{
    char machine[MACHINE_DIGITS];
    if (!hash_machine(machine) || memcmp(machine, pending->machine, sizeof machine) != 0) return WRITER_ELSEWHERE;
    return kill((pid_t)pending->pid, 0) != 0 && errno == ESRCH ? WRITER_GONE : WRITER_LIVES;
}

bool pm_pending_is_left(const char *name)
{
    struct pending pending;
    return pm_pending_is(name) && parse(name, &pending) && writer_of(&pending) == WRITER_GONE;
}

void pm_pending_describe(const char *name, struct pm_buf *out)
{
    struct pending pending;
    if (!parse(name, &pending)) {
        pm_buf_cstr(out, "a result that was being put, under a name that does not say by whom");
        return;
    }
    switch (writer_of(&pending)) {
    case WRITER_LIVES: pm_buf_printf(out, "being put by process %llu", (unsigned long long)pending.pid); break;
    case WRITER_GONE:
        pm_buf_printf(out, "process %llu ended before its put did; the next put of this result removes it",
                      (unsigned long long)pending.pid);
        break;
    case WRITER_ELSEWHERE:
        pm_buf_printf(out, "being put by process %llu of another machine, unless that has ended",
                      (unsigned long long)pending.pid);
        break;
    }
}

/* ---- removing ---- */

int pm_pending_remove(int parent, const char *name)
{
    DIR *entries = pm_below_list(parent, pm_slice_cstr(name));
    if (!entries) return -1;
    for (struct dirent *entry; (entry = pm_below_next(entries)) != NULL;)
        (void)unlinkat(dirfd(entries), entry->d_name, 0); /* what is left is told by rmdir */
    closedir(entries);
    return unlinkat(parent, name, AT_REMOVEDIR);
}

/* The last change of the directory or of a file in it. */
static int64_t last_change_us(int parent, const char *name)
{
    struct stat st;
    int64_t last = INT64_MIN;
    DIR *entries = pm_below_list(parent, pm_slice_cstr(name));
    if (!entries) return INT64_MAX;
    for (struct dirent *entry; (entry = readdir(entries)) != NULL;) {
        if (!strcmp(entry->d_name, "..") || fstatat(dirfd(entries), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
            continue;
        int64_t changed = (int64_t)st.st_mtim.tv_sec * 1000000 + st.st_mtim.tv_nsec / 1000;
        if (changed > last) last = changed;
    }
    closedir(entries);
    return last;
}

static bool is_abandoned(int parent, const char *name, const struct pending *pending)
{
    if (writer_of(pending) == WRITER_GONE) return true;
    int64_t last = last_change_us(parent, name);
    return last != INT64_MAX && last < pm_time_now_us() - PM_PENDING_AGE_US;
}

void pm_pending_clean(int parent, struct pm_slice place)
{
    char key[KEY_DIGITS], own[PM_PENDING_NAME_SIZE];
    struct pending pending;
    hash_hex(&place, 1, key, KEY_DIGITS);
    DIR *entries = pm_below_list(parent, PM_SLICE(""));
    if (!entries) return;
    for (struct dirent *entry; (entry = pm_below_next(entries)) != NULL;) {
        if (!pm_pending_is(entry->d_name) || !parse(entry->d_name, &pending)) continue;
        if (memcmp(pending.key, key, sizeof key) != 0 || !is_abandoned(parent, entry->d_name, &pending)) continue;
        pm_pending_name(place, own); /* taken over by a rename: see pending.h */
        if (renameat(parent, entry->d_name, parent, own) == 0) (void)pm_pending_remove(parent, own);
    }
    closedir(entries);
}
