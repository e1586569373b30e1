/* pages.c: see pages.h. A tree is walked from its root down, one buffer a level, so that keys of a page can be compared
 * with the separators above it; databases that the main one names are gathered first and walked after it. */
#include "common/store/pages.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/slice.h"

/* ---- the form of the file; numbers are the machine's own ---- */

#define MAGIC 0xBEEFC0DEu
#define VERSION 1
#define NO_ROOT UINT64_MAX
#define DEPTH_MAX 32
#define PAGE_BYTES_MIN 512
#define PAGE_BYTES_MAX 32768
#define MAP_BYTES_MAX ((uint64_t)1 << 47)
#define FIRST_PAGE 2      /* the two before it are the meta pages */
#define UNWRITTEN_MAX 256 /* pages at the end that a transaction took and gave back: they are never written */
#define TRIES 5           /* at meta pages that a writer may be writing */
#define PAUSE_NS 2000000

enum { F_BRANCH = 1, F_LEAF = 2, F_OVERFLOW = 4, F_META = 8 }; /* of a page */
enum { N_LONG = 1, N_DATABASE = 2 };                           /* of an entry in a leaf */
enum { D_INTEGER_KEY = 8 };                                    /* of a database */

struct page_head { /* of every page; of a long value's following pages there is none */
    uint64_t number;
    uint16_t unused, flags;
    uint16_t lower, upper; /* ends of the table of entries and of what is free; of a long value: its pages, u32 */
};
#define HEAD_BYTES 16
#define ENTRY_BYTES 8 /* before its key */

struct database {
    uint32_t page_bytes; /* in the first of a meta page; else unused */
    uint16_t flags, depth;
    uint64_t branches, leaves, overflows, entries, root;
};
#define DATABASE_BYTES 48

struct meta {
    uint32_t magic, version;
    uint64_t address, map_bytes;
    struct database free, main;
    uint64_t last_page, txn;
};
_Static_assert(sizeof(struct page_head) == HEAD_BYTES && sizeof(struct database) == DATABASE_BYTES &&
                   sizeof(struct meta) == 24 + 2 * DATABASE_BYTES + 16,
               "these are read as they stand in the file");

struct entry {
    struct pm_slice key;
    const uint8_t *body; /* of a leaf */
    uint64_t size;       /* of its value */
    unsigned flags;
    uint64_t child; /* of a branch */
};

struct named {
    struct database db;
    char name[PM_PAGES_KEY_MAX + 1];
};

struct walk {
    const char *file;
    int fd;
    struct meta meta;
    size_t page_bytes;
    uint64_t file_pages;
    struct pm_pages_look look;
    uint8_t *seen; /* a bit a page */
    uint64_t n_seen;
    uint8_t *levels[DEPTH_MAX];
    struct named *named;
    size_t n_named, named_room;
    struct pm_error *err;
};

enum tree_kind { TREE_FREE, TREE_MAIN, TREE_NAMED };
struct tree {
    struct walk *w;
    enum tree_kind kind;
    const char *name;
    const struct database *db;
    uint64_t branches, leaves, overflows, entries;
};

static int damaged(struct walk *w, uint64_t page, const char *fmt, ...) PM_PRINTF(3, 4);
static int damaged(struct walk *w, uint64_t page, const char *fmt, ...)
{
    char what[256];
    va_list args;
    va_start(args, fmt);
    vsnprintf(what, sizeof what, fmt, args);
    va_end(args);
    return pm_error_set(w->err, PM_ECORRUPT, "%s: the file is damaged: page %llu: %s", w->file,
                        (unsigned long long)page, what);
}

/* ---- reading ---- */

static int read_at(struct walk *w, void *out, size_t size, uint64_t at)
{
    size_t done = 0;
    while (done < size) {
        ssize_t n = pread(w->fd, (char *)out + done, size - done, (off_t)(at + done));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return pm_error_set(w->err, PM_EIO, "%s: could not read: %s", w->file, pm_error_system(errno));
        if (n == 0)
            return pm_error_set(w->err, PM_ECORRUPT, "%s: the file was cut: it ends at byte %llu", w->file,
                                (unsigned long long)(at + done));
        done += (size_t)n;
    }
    return PM_OK;
}

static void walk_close(struct walk *w)
{
    for (size_t i = 0; i < DEPTH_MAX; i++) free(w->levels[i]);
    free(w->named);
    free(w->seen);
    if (w->fd >= 0) close(w->fd);
}

static int walk_open(struct walk *w, const char *file, struct pm_error *err)
{
    struct stat st;
    *w = (struct walk){.file = file, .fd = open(file, O_RDONLY | O_CLOEXEC), .err = err};
    if (w->fd < 0 || fstat(w->fd, &st) != 0)
        return pm_error_set(err, PM_EIO, "%s: could not open: %s", file, pm_error_system(errno));
    return PM_OK;
}

/* ---- meta pages ---- */

static const char *database_wrong(const struct database *db, uint64_t last_page)
{
    bool empty = db->root == NO_ROOT;
    if (!empty && (db->root < FIRST_PAGE || db->root > last_page)) return "a root is not in the file";
    if (empty != (db->depth == 0) || db->depth > DEPTH_MAX) return "a depth cannot be";
    if (empty && (db->entries || db->branches || db->leaves || db->overflows)) return "an empty tree is not empty";
    return NULL;
}

static const char *meta_wrong(const struct page_head *head, const struct meta *m, uint64_t number)
{
    size_t size = m->free.page_bytes;
    if (head->number != number || head->flags != F_META) return "it is no meta page";
    if (m->magic != MAGIC || m->version != VERSION) return "it is not of this format";
    if (size < PAGE_BYTES_MIN || size > PAGE_BYTES_MAX || (size & (size - 1))) return "the size of a page cannot be";
    if (m->free.flags != D_INTEGER_KEY || m->main.flags || m->address) return "flags that are never set";
    if (m->last_page < FIRST_PAGE - 1 || m->map_bytes > MAP_BYTES_MAX || m->map_bytes / size <= m->last_page)
        return "the number of pages cannot be";
    const char *wrong = database_wrong(&m->free, m->last_page);
    return wrong ? wrong : database_wrong(&m->main, m->last_page);
}

static int read_meta(struct walk *w, uint64_t number, uint64_t at, struct meta *ret)
{
    uint8_t bytes[HEAD_BYTES + sizeof *ret];
    struct page_head head;
    struct meta m;
    PM_TRY(read_at(w, bytes, sizeof bytes, at));
    memcpy(&head, bytes, sizeof head);
    memcpy(&m, bytes + HEAD_BYTES, sizeof m);
    const char *wrong = meta_wrong(&head, &m, number);
    if (wrong) return damaged(w, number, "%s", wrong);
    *ret = m;
    return PM_OK;
}

/* ---- one page ---- */

static struct page_head head_of(const uint8_t *page)
{
    struct page_head head;
    memcpy(&head, page, sizeof head);
    return head;
}

static size_t even(uint64_t n) { return (size_t)((n + 1) & ~(uint64_t)1); }
static size_t entries_of(const uint8_t *page) { return (head_of(page).lower - (size_t)HEAD_BYTES) / 2; }

/* NULL when the entry does not lie in its page; else its bytes in the page are *ret_bytes. */
static bool entry_at(const uint8_t *page, size_t page_bytes, size_t i, struct entry *ret, size_t *ret_bytes)
{
    struct page_head head = head_of(page);
    uint16_t at, words[4]; /* low and high half of a size or page number, flags, length of the key */
    memcpy(&at, page + HEAD_BYTES + 2 * i, 2);
    if (at < head.upper || at % 2 || (size_t)at + ENTRY_BYTES > page_bytes) return false;
    memcpy(words, page + at, sizeof words);
    uint64_t low = words[0] | (uint64_t)words[1] << 16, bytes = ENTRY_BYTES + (uint64_t)words[3];
    bool branch = head.flags == F_BRANCH;
    *ret = (struct entry){.key = pm_slice((const char *)page + at + ENTRY_BYTES, words[3]),
                          .body = page + at + ENTRY_BYTES + words[3],
                          .size = branch ? 0 : low,
                          .flags = branch ? 0 : words[2],
                          .child = branch ? low | (uint64_t)words[2] << 32 : 0};
    if (!branch) bytes += ret->flags & N_LONG ? 8 : low;
    *ret_bytes = even(bytes);
    return at + *ret_bytes <= page_bytes;
}

/* The head and the place of every entry; entries fill a page from its end without a hole. */
static const char *page_wrong(const uint8_t *page, size_t page_bytes, uint64_t number, unsigned flags)
{
    struct page_head head = head_of(page);
    if (head.number != number) return "it says that it is another one";
    if (head.flags != flags) return flags == F_LEAF ? "it is no leaf" : "it is no branch";
    if (head.lower < HEAD_BYTES || head.lower % 2 || head.lower > head.upper || head.upper > page_bytes)
        return "its bounds cannot be";
    size_t n = entries_of(page), used = 0, bytes;
    if (n < (flags == F_BRANCH ? 2 : 1)) return "it has too few entries";
    for (size_t i = 0; i < n; i++) {
        struct entry e;
        if (!entry_at(page, page_bytes, i, &e, &bytes)) return "an entry does not lie in it";
        used += bytes;
    }
    return used == page_bytes - head.upper ? NULL : "its entries do not fill it";
}

/* ---- both meta pages ---- */

static int begin_pages(struct walk *w, const struct meta *meta)
{
    struct stat st;
    w->meta = *meta;
    w->page_bytes = meta->free.page_bytes;
    if (fstat(w->fd, &st) != 0)
        return pm_error_set(w->err, PM_EIO, "%s: could not read: %s", w->file, pm_error_system(errno));
    w->file_pages = (uint64_t)st.st_size / w->page_bytes;
    if (meta->last_page < w->file_pages + UNWRITTEN_MAX) return PM_OK;
    return pm_error_set(w->err, PM_ECORRUPT, "%s: the file was cut: it has %llu bytes of %llu", w->file,
                        (unsigned long long)st.st_size,
                        (unsigned long long)(meta->last_page + 1) * (unsigned long long)w->page_bytes);
}

/* The free list tells which transaction wrote it: that of a meta page cannot be before. */
static int check_last_freed(struct walk *w)
{
    uint8_t *page = pm_malloc(w->page_bytes);
    uint64_t number = w->meta.free.root, freed = 0;
    int rc = PM_OK;
    for (unsigned level = 0; level < w->meta.free.depth && rc == PM_OK; level++) {
        bool leaf = level + 1 == w->meta.free.depth;
        struct entry e;
        size_t bytes;
        if (number < FIRST_PAGE || number >= w->file_pages) rc = damaged(w, number, "the free list is not in the file");
        else rc = read_at(w, page, w->page_bytes, number * w->page_bytes);
        if (rc != PM_OK) break;
        const char *wrong = page_wrong(page, w->page_bytes, number, leaf ? F_LEAF : F_BRANCH);
        if (!wrong) (void)entry_at(page, w->page_bytes, entries_of(page) - 1, &e, &bytes);
        if (!wrong && leaf && e.key.len != 8) wrong = "a key's length cannot be";
        if (wrong) rc = damaged(w, number, "%s (free list)", wrong);
        else if (leaf) memcpy(&freed, e.key.ptr, 8);
        else number = e.child;
    }
    free(page);
    if (rc == PM_OK && freed > w->meta.txn)
        rc = damaged(w, w->meta.txn & 1, "it is of transaction %llu, but pages were freed by transaction %llu",
                     (unsigned long long)w->meta.txn, (unsigned long long)freed);
    return rc;
}

/* Both, as one commit left them: transaction N writes meta page N & 1, so the other one is of N - 1. */
static int try_metas(struct walk *w, struct meta ret[2])
{
    PM_TRY(read_meta(w, 0, 0, &ret[0]));
    PM_TRY(read_meta(w, 1, ret[0].free.page_bytes, &ret[1]));
    const struct meta *a = &ret[0], *b = &ret[1];
    bool made = a->txn == 0 && b->txn == 0;
    if (a->free.page_bytes != b->free.page_bytes) return damaged(w, 1, "the meta pages differ in the size of a page");
    if (!made && (a->txn & 1 || !(b->txn & 1) || (a->txn + 1 != b->txn && b->txn + 1 != a->txn)))
        return damaged(w, 0, "the meta pages are of transactions %llu and %llu, which do not follow each other",
                       (unsigned long long)a->txn, (unsigned long long)b->txn);
    for (unsigned i = 0; i < 2; i++) {
        PM_TRY(begin_pages(w, &ret[i]));
        PM_TRY(check_last_freed(w));
    }
    return PM_OK;
}

/* A writer may be at work: what is damaged stays so. */
static int read_metas(struct walk *w, struct meta ret[2])
{
    int rc = try_metas(w, ret);
    for (int i = 1; i < TRIES && rc == PM_ECORRUPT; i++) {
        nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL);
        rc = try_metas(w, ret);
    }
    return rc;
}

int pm_pages_check_metas(const char *file, uint64_t *ret_txn, struct pm_error *err)
{
    struct walk w;
    struct meta metas[2];
    struct stat st;
    int rc = walk_open(&w, file, err);
    if (rc == PM_OK && fstat(w.fd, &st) == 0 && st.st_size >= 2 * PAGE_BYTES_MIN) {
        rc = read_metas(&w, metas);
        if (rc == PM_OK && ret_txn) *ret_txn = metas[0].txn > metas[1].txn ? metas[0].txn : metas[1].txn;
    } else if (rc == PM_OK && ret_txn) *ret_txn = 0;
    walk_close(&w);
    return rc;
}

static void tell(const struct tree *t, enum pm_pages_kind kind, uint64_t page)
{
    if (t->w->look.each) t->w->look.each(t->w->look.arg, t->name, kind, page);
}

/* A page is used once. Only free ones may lie behind the end of the file: what a transaction took and gave back was
 * never written. */
static int take_page(struct walk *w, uint64_t page, bool free_page, uint64_t from)
{
    if (page < FIRST_PAGE || page > w->meta.last_page || (!free_page && page >= w->file_pages))
        return damaged(w, from, "it names page %llu, which is not in the file", (unsigned long long)page);
    if (w->seen[page / 8] >> page % 8 & 1)
        return damaged(w, from, "it names page %llu, which has another use", (unsigned long long)page);
    w->seen[page / 8] |= (uint8_t)(1 << page % 8);
    w->n_seen++;
    return PM_OK;
}

/* ---- keys ---- */

static int compare(bool integer, struct pm_slice a, struct pm_slice b)
{
    if (!integer) {
        int order = memcmp(a.ptr, b.ptr, a.len < b.len ? a.len : b.len);
        return order ? order : (a.len > b.len) - (a.len < b.len);
    }
    uint64_t x, y;
    memcpy(&x, a.ptr, 8);
    memcpy(&y, b.ptr, 8);
    return (x > y) - (x < y);
}

/* Rising, from `low` on (NULL ptr: no bound) and below `high`. The first entry of a branch has no key: it is whatever
 * is below the second. */
static const char *keys_wrong(const struct tree *t, const uint8_t *page, struct pm_slice low, struct pm_slice high)
{
    bool integer = t->db->flags == D_INTEGER_KEY, branch = head_of(page).flags == F_BRANCH;
    struct pm_slice before = low;
    bool may_equal = !branch;
    for (size_t i = branch, n = entries_of(page); i < n; i++) {
        struct entry e;
        size_t bytes;
        (void)entry_at(page, t->w->page_bytes, i, &e, &bytes); /* page_wrong has looked at it */
        if (integer ? e.key.len != 8 : e.key.len == 0 || e.key.len > PM_PAGES_KEY_MAX)
            return "a key's length cannot be";
        int order = before.ptr ? compare(integer, e.key, before) : 1;
        if (order < 0 || (order == 0 && !may_equal)) return "its keys are out of order";
        if (high.ptr && compare(integer, e.key, high) >= 0) return "a key belongs to another page";
        before = e.key;
        may_equal = false;
    }
    return NULL;
}

/* ---- what stands in leaves ---- */

/* A value that does not fit a leaf stands on pages of its own, the first of which begins with a head. */
static int walk_long(struct tree *t, uint64_t leaf, const struct entry *e, uint64_t *ret_at)
{
    struct walk *w = t->w;
    uint64_t first;
    uint32_t pages;
    struct page_head head;
    memcpy(&first, e->body, 8);
    PM_TRY(take_page(w, first, false, leaf));
    PM_TRY(read_at(w, &head, sizeof head, first * w->page_bytes));
    memcpy(&pages, &head.lower, 4);
    if (head.number != first || head.flags != F_OVERFLOW) return damaged(w, first, "it is no page of a long value");
    if (pages < (HEAD_BYTES - 1 + e->size) / w->page_bytes + 1 || pages > w->meta.last_page)
        return damaged(w, first, "a value of %llu bytes on %u pages", (unsigned long long)e->size, pages);
    for (uint64_t i = 1; i < pages; i++) PM_TRY(take_page(w, first + i, false, first));
    t->overflows += pages;
    *ret_at = first * w->page_bytes + HEAD_BYTES;
    tell(t, PM_PAGE_OVERFLOW, first);
    return PM_OK;
}

/* A row of the free list: a transaction, and how many pages it freed and which, the highest first. */
static int walk_free(struct tree *t, uint64_t leaf, const struct entry *e, uint64_t long_at)
{
    struct walk *w = t->w;
    uint64_t n, before = UINT64_MAX, freed_by;
    memcpy(&freed_by, e->key.ptr, 8);
    if (freed_by > w->meta.txn)
        return damaged(w, leaf, "pages were freed by transaction %llu, but the last one is %llu",
                       (unsigned long long)freed_by, (unsigned long long)w->meta.txn);
    if (e->size < 8 || e->size % 8 || e->size / 8 - 1 > w->meta.last_page)
        return damaged(w, leaf, "a list of free pages has %llu bytes", (unsigned long long)e->size);
    uint64_t *list = pm_malloc((size_t)e->size);
    int rc = PM_OK;
    if (e->flags & N_LONG) rc = read_at(w, list, (size_t)e->size, long_at);
    else memcpy(list, e->body, (size_t)e->size);
    n = rc == PM_OK ? list[0] : 0;
    if (n > e->size / 8 - 1) rc = damaged(w, leaf, "a list of free pages is cut");
    for (uint64_t i = 1; i <= n && rc == PM_OK; i++) {
        if (list[i] >= before) rc = damaged(w, leaf, "a list of free pages is out of order");
        else rc = take_page(w, list[i], true, leaf);
        if (rc == PM_OK) tell(t, PM_PAGE_FREE, list[i]);
        before = list[i];
    }
    free(list);
    return rc;
}

static int gather_database(struct tree *t, uint64_t leaf, const struct entry *e)
{
    struct walk *w = t->w;
    if (w->n_named == w->named_room) {
        w->named_room = w->named_room ? 2 * w->named_room : 32;
        w->named = pm_realloc(w->named, w->named_room * sizeof *w->named);
    }
    struct named *named = &w->named[w->n_named++];
    memcpy(&named->db, e->body, sizeof named->db);
    memcpy(named->name, e->key.ptr, e->key.len);
    named->name[e->key.len] = 0;
    const char *wrong = database_wrong(&named->db, w->meta.last_page);
    if (wrong) return damaged(w, leaf, "database \"%s\": %s", named->name, wrong);
    if (named->db.flags & ~D_INTEGER_KEY)
        return damaged(w, leaf, "database \"%s\" has flags that are never set", named->name);
    return PM_OK;
}

static int walk_leaf(struct tree *t, const uint8_t *page, uint64_t number)
{
    struct walk *w = t->w;
    size_t n = entries_of(page), fits_max = (((w->page_bytes - HEAD_BYTES) / 2) & ~(size_t)1) - 2, bytes;
    t->entries += n;
    for (size_t i = 0; i < n; i++) {
        struct entry e;
        uint64_t long_at = 0;
        (void)entry_at(page, w->page_bytes, i, &e, &bytes);
        bool database = t->kind == TREE_MAIN, is_long = ENTRY_BYTES + e.key.len + e.size > fits_max;
        if (e.flags != (database ? N_DATABASE : is_long ? N_LONG : 0) || (database && e.size != DATABASE_BYTES))
            return damaged(w, number, "entry %zu is not of a kind that stands here", i);
        if (is_long && !database) PM_TRY(walk_long(t, number, &e, &long_at));
        if (database) PM_TRY(gather_database(t, number, &e));
        else if (t->kind == TREE_FREE) PM_TRY(walk_free(t, number, &e, long_at));
    }
    return PM_OK;
}

/* ---- trees ---- */

static int walk_page(struct tree *t, uint64_t number, uint64_t from, unsigned level, struct pm_slice low,
                     struct pm_slice high);

static bool only_edges(const struct tree *t) { return t->kind == TREE_NAMED && t->w->look.edges; }
static bool only_last_leaf(const struct tree *t)
{
    return t->kind == TREE_NAMED && t->w->look.append && strcmp(t->w->look.append, t->name) == 0;
}

static int walk_children(struct tree *t, const uint8_t *page, uint64_t number, unsigned level, struct pm_slice low,
                         struct pm_slice high)
{
    struct walk *w = t->w;
    size_t n = entries_of(page), bytes;
    bool leaves = level + 2 == t->db->depth;
    for (size_t i = only_edges(t) ? n - 1 : 0; i < n; i++) {
        struct entry e, next = {.key = high};
        (void)entry_at(page, w->page_bytes, i, &e, &bytes);
        if (i + 1 < n) (void)entry_at(page, w->page_bytes, i + 1, &next, &bytes);
        if (leaves && only_last_leaf(t) && (high.ptr || i + 1 < n)) {
            PM_TRY(take_page(w, e.child, false, number));
            t->leaves++;
        } else PM_TRY(walk_page(t, e.child, number, level + 1, i ? e.key : low, next.key));
    }
    return PM_OK;
}

static int walk_page(struct tree *t, uint64_t number, uint64_t from, unsigned level, struct pm_slice low,
                     struct pm_slice high)
{
    struct walk *w = t->w;
    PM_TRY(take_page(w, number, false, from));
    if (!w->levels[level]) w->levels[level] = pm_malloc(w->page_bytes);
    uint8_t *page = w->levels[level];
    PM_TRY(read_at(w, page, w->page_bytes, number * w->page_bytes));
    bool leaf = level + 1 == t->db->depth;
    const char *wrong = page_wrong(page, w->page_bytes, number, leaf ? F_LEAF : F_BRANCH);
    if (!wrong) wrong = keys_wrong(t, page, low, high);
    if (wrong) return damaged(w, number, "%s (database \"%s\")", wrong, t->name);
    if (leaf) t->leaves++;
    else t->branches++;
    tell(t, leaf ? PM_PAGE_LEAF : PM_PAGE_BRANCH, number);
    return leaf ? walk_leaf(t, page, number) : walk_children(t, page, number, level, low, high);
}

static int walk_tree(struct walk *w, enum tree_kind kind, const char *name, const struct database *db)
{
    struct tree t = {.w = w, .kind = kind, .name = name, .db = db};
    if (db->root != NO_ROOT) PM_TRY(walk_page(&t, db->root, 0, 0, pm_slice(NULL, 0), pm_slice(NULL, 0)));
    if (only_edges(&t) || (only_last_leaf(&t) && t.branches == db->branches && t.leaves == db->leaves)) return PM_OK;
    if (t.entries == db->entries && t.branches == db->branches && t.leaves == db->leaves &&
        t.overflows == db->overflows)
        return PM_OK;
    return damaged(w, db->root == NO_ROOT ? 0 : db->root,
                   "database \"%s\" has %llu entries on %llu + %llu + %llu pages, not %llu on %llu + %llu + %llu", name,
                   (unsigned long long)t.entries, (unsigned long long)t.branches, (unsigned long long)t.leaves,
                   (unsigned long long)t.overflows, (unsigned long long)db->entries, (unsigned long long)db->branches,
                   (unsigned long long)db->leaves, (unsigned long long)db->overflows);
}

/* ---- the whole ---- */

static int check_pages(struct walk *w)
{
    struct tree metas = {.w = w, .name = ""};
    w->seen = pm_calloc(1, (size_t)(w->meta.last_page / 8) + 1);
    w->n_seen = FIRST_PAGE;
    for (uint64_t i = 0; i < FIRST_PAGE; i++) tell(&metas, PM_PAGE_META, i);
    PM_TRY(walk_tree(w, TREE_FREE, "", &w->meta.free));
    PM_TRY(walk_tree(w, TREE_MAIN, "", &w->meta.main));
    for (size_t i = 0; i < w->n_named; i++) PM_TRY(walk_tree(w, TREE_NAMED, w->named[i].name, &w->named[i].db));
    if (w->look.edges || w->look.append || w->n_seen == w->meta.last_page + 1) return PM_OK;
    return damaged(w, w->meta.txn & 1, "%llu pages are in use or free, of %llu", (unsigned long long)w->n_seen,
                   (unsigned long long)w->meta.last_page + 1);
}

int pm_pages_check(const char *file, uint64_t txn, const struct pm_pages_look *look, struct pm_error *err)
{
    struct walk w;
    struct meta metas[2];
    int rc = walk_open(&w, file, err);
    if (look) w.look = *look;
    if (rc == PM_OK) rc = read_metas(&w, metas);
    /* Not simply the later one: it stands in the file while its writer still waits for the disk, and until that is done
     * a reader begins with the one before. */
    const struct meta *meta = rc == PM_OK && metas[1].txn == txn ? &metas[1] : &metas[0];
    if (rc == PM_OK && meta->txn != txn) rc = PM_ENOTFOUND;
    if (rc == PM_OK) rc = begin_pages(&w, meta);
    if (rc == PM_OK) rc = check_pages(&w);
    walk_close(&w);
    return rc;
}
