/* filter.c: the values of --bundle and --param as the index holds them. */
#include "common/base/json.h"
#include "common/event/identity.h"
#include "query/reading.h"

#define DIGEST_DIGITS 64

int pm_filter_bundle(const char *text, struct pm_arena *arena, struct pm_slice *ret, struct pm_error *err)
{
    struct pm_slice digits = pm_digest_digits(pm_slice_cstr(text));
    if (digits.len < PM_BUNDLE_DIGITS_MIN || digits.len > DIGEST_DIGITS)
        return pm_error_set(err, PM_EUSAGE, "--bundle: \"%s\" has %zu digits; write %d to %d of them", text, digits.len,
                            PM_BUNDLE_DIGITS_MIN, DIGEST_DIGITS);
    char *lower = pm_arena_alloc(arena, digits.len);
    for (size_t i = 0; i < digits.len; i++) {
        char c = digits.ptr[i];
        if (c >= 'A' && c <= 'F') c = (char)(c - 'A' + 'a');
        if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'f'))
            return pm_error_set(err, PM_EUSAGE, "--bundle: \"%s\" is no digest: '%c' is not a hexadecimal digit", text,
                                digits.ptr[i]);
        lower[i] = c;
    }
    *ret = pm_slice(lower, digits.len);
    return PM_OK;
}

/* A number as params spell it: 0.50 is 0.5, 1e0 is 1.0. False when params could not hold it. */
static bool canonical_number(struct pm_slice number, struct pm_arena *arena, struct pm_slice *ret)
{
    static const char before[] = "{\"v\":";
    struct pm_buf object = {0}, canonical = {0};
    pm_buf_cstr(&object, before);
    pm_buf_slice_add(&object, number);
    pm_buf_byte(&object, '}');
    bool ok = pm_params_canonical(pm_buf_slice(&object), &canonical, NULL) == PM_OK;
    if (ok) *ret = pm_arena_copy(arena, pm_slice(canonical.ptr + sizeof before - 1, canonical.len - sizeof before));
    pm_buf_release(&object);
    pm_buf_release(&canonical);
    return ok;
}

static void canonical_string(struct pm_slice string, struct pm_arena *arena, struct pm_slice *ret)
{
    struct pm_buf canonical = {0};
    pm_json_put_string(&canonical, string);
    *ret = pm_arena_copy(arena, pm_buf_slice(&canonical));
    pm_buf_release(&canonical);
}

/* The value when the whole text is one JSON scalar that params can hold. */
static bool json_scalar(struct pm_slice text, struct pm_arena *arena, struct pm_slice *ret)
{
    struct pm_json in;
    struct pm_slice piece;
    bool flag;
    if (!text.len || pm_json_open(&in, text, arena, NULL) != PM_OK) return false;
    switch (pm_json_peek(&in)) {
    case PM_JSON_STRING:
        if (pm_json_read_string(&in, &piece, NULL) != PM_OK || pm_json_close(&in, NULL) != PM_OK) return false;
        canonical_string(piece, arena, ret);
        return true;
    case PM_JSON_NUMBER:
        if (pm_json_read_number(&in, &piece, &flag, NULL) != PM_OK || pm_json_close(&in, NULL) != PM_OK) return false;
        return canonical_number(piece, arena, ret);
    case PM_JSON_BOOL:
        if (pm_json_read_bool(&in, &flag, NULL) != PM_OK || pm_json_close(&in, NULL) != PM_OK) return false;
        *ret = flag ? PM_SLICE("true") : PM_SLICE("false");
        return true;
    default: return false;
    }
}

int pm_filter_param(const char *text, struct pm_arena *arena, struct pm_param_filter *ret, struct pm_error *err)
{
    const char *equals = strchr(text, '=');
    if (!equals) return pm_error_set(err, PM_EUSAGE, "--param: \"%s\" has no \"=\"; write NAME=VALUE", text);
    if (equals == text)
        return pm_error_set(err, PM_EUSAGE, "--param: \"%s\" has no name before the \"=\"; write NAME=VALUE", text);
    ret->name = pm_slice(text, (size_t)(equals - text));
    struct pm_slice value = pm_slice_cstr(equals + 1);
    if (!json_scalar(value, arena, &ret->value)) canonical_string(value, arena, &ret->value);
    return PM_OK;
}
