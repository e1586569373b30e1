/* match.c: a path back to what it reveals (template.h). A walk over the parts with backtracking: only {name} can have
 * several lengths, so it tries the longest first; a budget of steps ends a template made to be slow. */
#include "common/base/hash.h"
#include "common/base/number.h"
#include "provstore/template.h"

struct matching {
    const struct pm_template *const *templates;
    size_t n_templates;
    const struct pm_names *names;
    bool loose;
    struct pm_slice path;
    struct pm_revealed *out;
    unsigned steps;
};

static bool all_in(struct pm_slice text, const char *set)
{
    for (size_t i = 0; i < text.len; i++)
        if (!text.ptr[i] || !strchr(set, text.ptr[i])) return false;
    return true;
}

/* What the well-known names can hold; a beginning of it is enough. */
static bool looks_right(struct pm_slice name, struct pm_slice text)
{
    static const char digits[] = "0123456789", hex[] = "0123456789abcdef", any_hex[] = "0123456789abcdefABCDEF";
    if (pm_slice_is(name, "seed"))
        return (text.len <= 20 && all_in(text, digits)) || pm_slice_is(text, "True") || pm_slice_is(text, "False");
    if (pm_slice_is(name, "version")) return text.len <= 10 && all_in(text, digits);
    if (pm_slice_is(name, "param_id") || pm_slice_is(name, "sim_root") || pm_slice_is(name, "aggregation_id"))
        return text.len <= 64 && all_in(text, hex);
    if (pm_slice_is(name, "bundle_digest") || pm_slice_is(name, "model_digest"))
        return text.len <= 64 && all_in(text, any_hex);
    /* without a port the layout is that of the digest alone, which is another schema */
    if (pm_slice_is(name, "bundle_ref_tail")) return memchr(text.ptr, '/', text.len) != NULL;
    return true;
}

bool pm_revealed_allows(const struct pm_revealed *revealed, struct pm_slice value)
{
    if (revealed->whole.ptr && !pm_slice_eq(revealed->whole, value)) return false;
    if (revealed->prefix.ptr && !pm_slice_starts(value, revealed->prefix)) return false;
    if (!revealed->hash_len) return true;
    unsigned char digest[32];
    char hex[64];
    pm_blake2b(digest, sizeof digest, &value, 1);
    pm_hex_encode(digest, sizeof digest, hex);
    return memcmp(hex, revealed->hash, revealed->hash_len) == 0;
}

/* Takes a longer beginning over, if the two agree. */
static bool agree_prefix(struct pm_revealed *revealed, struct pm_slice prefix)
{
    struct pm_slice known = revealed->prefix;
    if (!known.ptr || pm_slice_starts(prefix, known)) revealed->prefix = prefix;
    else if (!pm_slice_starts(known, prefix)) return false;
    return true;
}

static bool agree_hash(struct pm_revealed *revealed, const char *digits, unsigned count)
{
    unsigned both = count < revealed->hash_len ? count : revealed->hash_len;
    if (memcmp(revealed->hash, digits, both) != 0) return false;
    if (count > revealed->hash_len) {
        memcpy(revealed->hash, digits, count);
        revealed->hash_len = count;
    }
    return true;
}

static bool match_from(struct matching *m, size_t template, size_t part, size_t at);

static bool go_on(struct matching *m, size_t template, size_t part, size_t at)
{
    return match_from(m, template, part + 1, at);
}

/* d segments of w: gathers their characters; 0 when they are not there, else the bytes taken. */
static size_t gather(struct pm_slice left, const struct pm_part *part, bool hex, char out[64])
{
    unsigned width = part->count / part->parts;
    size_t at = 0, n = 0;
    for (unsigned i = 0; i < part->parts; i++) {
        if (i && (at == left.len || left.ptr[at++] != '/')) return 0;
        if (left.len - at < width || memchr(left.ptr + at, '/', width)) return 0;
        memcpy(out + n, left.ptr + at, width);
        at += width;
        n += width;
    }
    return hex && !pm_hex_valid(pm_slice(out, n)) ? 0 : at;
}

static bool match_value(struct matching *m, size_t template, size_t number, const struct pm_part *part, size_t at)
{
    struct pm_slice left = pm_slice(m->path.ptr + at, m->path.len - at), name = m->names->items[part->variable];
    struct pm_revealed *revealed = &m->out[part->variable], before = *revealed;
    const char *slash = m->loose ? NULL : memchr(left.ptr, '/', left.len);
    size_t longest = slash ? (size_t)(slash - left.ptr) : left.len;
    for (size_t len = longest; len > 0; len--) {
        struct pm_slice value = pm_slice(left.ptr, len);
        if (looks_right(name, value) && pm_revealed_allows(revealed, value)) {
            revealed->whole = value;
            if (go_on(m, template, number, at + len)) return true;
            *revealed = before;
        }
        if (m->steps >= PM_MATCH_STEPS_MAX) return false;
        m->steps++;
    }
    return false;
}

static bool match_slice(struct matching *m, size_t template, size_t number, const struct pm_part *part, size_t at)
{
    struct pm_slice left = pm_slice(m->path.ptr + at, m->path.len - at), name = m->names->items[part->variable];
    struct pm_revealed *revealed = &m->out[part->variable], before = *revealed;
    size_t len = 0;
    for (unsigned i = 0; i < part->count; i++) { /* characters, as rendering counts them */
        if (len == left.len) return false;
        len++;
        while (len < left.len && ((unsigned char)left.ptr[len] & 0xc0) == 0x80) len++;
    }
    struct pm_slice text = pm_slice(left.ptr, len);
    if ((!m->loose && memchr(text.ptr, '/', len)) || !looks_right(name, text)) return false;
    bool agrees = (!revealed->whole.ptr || pm_slice_starts(revealed->whole, text)) && agree_prefix(revealed, text);
    if (agrees && go_on(m, template, number, at + len)) return true;
    *revealed = before;
    return false;
}

static bool match_digits(struct matching *m, size_t template, size_t number, const struct pm_part *part, size_t at)
{
    struct pm_revealed *revealed = &m->out[part->variable], before = *revealed;
    char digits[64];
    bool hashed = part->kind != PM_PART_SPLIT;
    size_t len = gather(pm_slice(m->path.ptr + at, m->path.len - at), part, hashed, digits);
    if (len == 0) return false;
    bool agrees;
    if (hashed) {
        agrees = agree_hash(revealed, digits, part->count) &&
                 (!revealed->whole.ptr || pm_revealed_allows(revealed, revealed->whole));
    } else {
        struct pm_slice text = pm_slice(digits, part->count);
        agrees = looks_right(m->names->items[part->variable], text) &&
                 (!revealed->whole.ptr || pm_slice_starts(revealed->whole, text)) && agree_prefix(revealed, text);
        if (revealed->prefix.ptr == digits) { /* not before the two have been compared: the other may stand there */
            memcpy(revealed->prefix_bytes, digits, part->count);
            revealed->prefix.ptr = revealed->prefix_bytes;
        }
    }
    if (agrees && go_on(m, template, number, at + len)) return true;
    *revealed = before;
    return false;
}

/* The rest of the path from `at` against the parts from `part` of template `template`. */
static bool match_from(struct matching *m, size_t template, size_t number, size_t at)
{
    if (m->steps++ >= PM_MATCH_STEPS_MAX) return false;
    if (number == m->templates[template]->n_parts) {
        if (template + 1 == m->n_templates) return at == m->path.len;
        return at < m->path.len && m->path.ptr[at] == '/' && match_from(m, template + 1, 0, at + 1);
    }
    const struct pm_part *part = &m->templates[template]->parts[number];
    if (part->kind == PM_PART_TEXT) {
        return pm_slice_starts(pm_slice(m->path.ptr + at, m->path.len - at), part->text) &&
               go_on(m, template, number, at + part->text.len);
    }
    if (part->kind == PM_PART_VALUE) return match_value(m, template, number, part, at);
    if (part->kind == PM_PART_SLICE) return match_slice(m, template, number, part, at);
    return match_digits(m, template, number, part, at);
}

bool pm_template_match(const struct pm_template *const *templates, size_t n_templates, const struct pm_names *names,
                       bool loose, struct pm_slice path, struct pm_revealed ret[PM_VARIABLES_MAX])
{
    struct matching m = {templates, n_templates, names, loose, path, ret, 0};
    memset(ret, 0, names->count * sizeof *ret);
    return match_from(&m, 0, 0, 0);
}
