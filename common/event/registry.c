/* registry.c: the one door to libcurl and cJSON: schemas by id, ids by schema. One thread a registry.
 *
 * The difference that counts is between "the registry says no" and "no answer": only the first may send a record to the
 * quarantine. So a 404 is believed only with the registry's own error code in it; a wrong path or a proxy's page stops
 * the program instead. */
#include "common/event/registry.h"

#include <cjson/cJSON.h>
#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/fork.h"
#include "common/base/url.h"

#define ERROR_SCHEMA_NOT_FOUND 40403
#define MEDIA_TYPE "application/vnd.schemaregistry.v1+json"
#define SHOWN_TEXT_MAX 200

struct pm_registry {
    CURL *curl;
    struct curl_slist *headers;
    char *url;   /* without trailing slash */
    char *shown; /* the same, user and password masked */
    char *ca_file;
    struct pm_buf answer;
    bool too_long;
};

static void free_string(char **text) { free(*text); }

static void init_curl(void)
{
    pm_fork_hold();
    CURLcode code = curl_global_init(CURL_GLOBAL_DEFAULT);
    pm_fork_release();
    PM_CHECK(code == CURLE_OK);
}

static size_t take_answer(char *ptr, size_t size, size_t count, void *context)
{
    struct pm_registry *registry = context;
    size *= count;
    if (size > PM_REGISTRY_ANSWER_BYTES_MAX - registry->answer.len) {
        registry->too_long = true;
        return 0; /* curl ends the transfer */
    }
    pm_buf_bytes(&registry->answer, ptr, size);
    return size;
}

static int not_a_url(const char *url, const char *why, struct pm_error *err)
{
    PM_CLEANUP(free_string) char *shown = pm_url_masked(url);
    return pm_error_set(err, PM_EUSAGE, "schema.registry.url %s: \"%.200s\"", why, shown);
}

int pm_registry_open(const char *url, const char *ca_file, struct pm_registry **ret, struct pm_error *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    if (strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0)
        return not_a_url(url, "must begin with http:// or https://", err);
    if (!strstr(url, "://")[3]) return not_a_url(url, "names no host", err);
    pthread_once(&once, init_curl);
    struct pm_registry *registry = pm_calloc(1, sizeof *registry);
    registry->url = pm_strdup(url);
    for (size_t len = strlen(url); len && url[len - 1] == '/'; len--) registry->url[len - 1] = '\0';
    registry->shown = pm_url_masked(registry->url);
    registry->ca_file = ca_file ? pm_strdup(ca_file) : NULL;
    registry->headers = curl_slist_append(NULL, "Accept: " MEDIA_TYPE ", application/json");
    registry->headers = curl_slist_append(registry->headers, "Content-Type: " MEDIA_TYPE);
    registry->curl = curl_easy_init();
    if (!registry->headers || !registry->curl) pm_memory_out("a handle for the schema registry");
    *ret = registry;
    return PM_OK;
}

void pm_registry_close(struct pm_registry *registry)
{
    if (!registry) return;
    curl_easy_cleanup(registry->curl);
    curl_slist_free_all(registry->headers);
    pm_buf_release(&registry->answer);
    free(registry->url);
    free(registry->shown);
    free(registry->ca_file);
    free(registry);
}

static void free_json(cJSON **json) { cJSON_Delete(*json); }
static void free_text(char **text) { cJSON_free(*text); }

/* What the registry says went wrong: its own message, else the beginning of whatever it sent. */
static void describe(const struct pm_registry *registry, const cJSON *json, struct pm_buf *out)
{
    const cJSON *message = cJSON_GetObjectItemCaseSensitive(json, "message");
    struct pm_slice text = cJSON_IsString(message) ? pm_slice_cstr(message->valuestring)
                                                   : pm_buf_slice(&registry->answer);
    for (size_t i = 0; i < text.len && i < SHOWN_TEXT_MAX; i++) {
        uint8_t byte = (uint8_t)text.ptr[i];
        pm_buf_byte(out, byte < 0x20 || byte == 0x7f ? ' ' : byte);
    }
    if (text.len > SHOWN_TEXT_MAX) pm_buf_cstr(out, "...");
    pm_buf_byte(out, 0);
}

/* One request; the answer's bytes are in registry->answer. */
static int request(struct pm_registry *registry, const char *path, const char *body, long *ret_status,
                   struct pm_error *err)
{
    PM_CLEANUP(pm_buf_release) struct pm_buf url = {0};
    char reason[CURL_ERROR_SIZE] = "";
    CURL *curl = registry->curl;
    pm_buf_printf(&url, "%s%s", registry->url, path);
    pm_buf_clear(&registry->answer);
    registry->too_long = false;
    curl_easy_reset(curl); /* options go, the connection stays */
    curl_easy_setopt(curl, CURLOPT_URL, url.ptr);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)PM_REGISTRY_CONNECT_TIMEOUT_MS);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)PM_REGISTRY_TIMEOUT_MS);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, registry->headers);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "provmat");
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, reason);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_answer);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, registry);
    if (registry->ca_file) curl_easy_setopt(curl, CURLOPT_CAINFO, registry->ca_file);
    if (body) curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
    pm_fork_hold();
    CURLcode code = curl_easy_perform(curl);
    pm_fork_release();
    if (registry->too_long)
        return pm_error_set(err, PM_ELOG, "schema registry %s: answer to %s above %zu bytes", registry->shown, path,
                            PM_REGISTRY_ANSWER_BYTES_MAX);
    if (code == CURLE_URL_MALFORMAT || code == CURLE_SSL_CACERT_BADFILE)
        return pm_error_set(err, PM_EUSAGE, "schema registry %s: %s", registry->shown,
                            *reason ? reason : curl_easy_strerror(code));
    if (code == CURLE_PEER_FAILED_VERIFICATION) /* nothing that waiting mends */
        return pm_error_set(err, PM_ELOG,
                            "schema registry %s: %s; -X ssl.ca.location=FILE names the CA that signed its certificate",
                            registry->shown, *reason ? reason : curl_easy_strerror(code));
    if (code != CURLE_OK)
        return pm_error_set(err, PM_ELOGAWAY, "could not reach the schema registry %s: %s", registry->shown,
                            *reason ? reason : curl_easy_strerror(code));
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, ret_status);
    return PM_OK;
}

/* One request and its answer as JSON, which the caller deletes. */
static int ask(struct pm_registry *registry, const char *path, const char *body, cJSON **ret, struct pm_error *err)
{
    long status;
    PM_TRY(request(registry, path, body, &status, err));
    PM_CLEANUP(free_json) cJSON *json = cJSON_ParseWithLength(registry->answer.ptr, registry->answer.len);
    if (status == 200 && cJSON_IsObject(json)) {
        *ret = json;
        json = NULL;
        return PM_OK;
    }
    PM_CLEANUP(pm_buf_release) struct pm_buf text = {0};
    describe(registry, json, &text);
    const cJSON *code = cJSON_GetObjectItemCaseSensitive(json, "error_code");
    if (status == 404 && cJSON_IsNumber(code) && code->valueint == ERROR_SCHEMA_NOT_FOUND)
        return pm_error_set(err, PM_ENOTFOUND, "schema registry %s: %s", registry->shown, text.ptr);
    if (status >= 500 || status == 408 || status == 429)
        return pm_error_set(err, PM_ELOGAWAY, "schema registry %s answers %s with status %ld: %s", registry->shown,
                            path, status, text.ptr);
    const char *hint = status == 401 || status == 403 ? " (is user:password@ in schema.registry.url right?)"
                       : status == 409                ? " (its schema is incompatible with the subject's earlier ones)"
                       : status == 422                ? ""
                                                      : " (is schema.registry.url right?)";
    return pm_error_set(err, PM_ELOG, "schema registry %s answers %s with status %ld%s: %s", registry->shown, path,
                        status, hint, text.ptr);
}

int pm_registry_schema(struct pm_registry *registry, uint32_t id, struct pm_buf *out, struct pm_error *err)
{
    PM_CLEANUP(free_json) cJSON *json = NULL;
    char path[40];
    snprintf(path, sizeof path, "/schemas/ids/%u", id);
    PM_TRY(ask(registry, path, NULL, &json, err));
    const cJSON *schema = cJSON_GetObjectItemCaseSensitive(json, "schema");
    const cJSON *type = cJSON_GetObjectItemCaseSensitive(json, "schemaType"); /* absent means Avro */
    const cJSON *references = cJSON_GetObjectItemCaseSensitive(json, "references");
    if (cJSON_IsString(type) && strcmp(type->valuestring, "AVRO") != 0)
        return pm_error_set(err, PM_ESCHEMA, "schema registry %s: the schema is %.32s, not Avro", registry->shown,
                            type->valuestring);
    if (cJSON_GetArraySize(references) > 0)
        return pm_error_set(err, PM_ESCHEMA,
                            "schema registry %s: the schema refers to other schemas, which is not supported",
                            registry->shown);
    if (!cJSON_IsString(schema))
        return pm_error_set(err, PM_ELOG,
                            "schema registry %s answers %s without a schema (is schema.registry.url right?)",
                            registry->shown, path);
    pm_buf_cstr(out, schema->valuestring);
    return PM_OK;
}

int pm_registry_register(struct pm_registry *registry, const char *subject, struct pm_slice schema_json,
                         uint32_t *ret_id, struct pm_error *err)
{
    PM_CLEANUP(free_json) cJSON *body = cJSON_CreateObject(), *answer = NULL;
    PM_CLEANUP(pm_buf_release) struct pm_buf text = {0}, path = {0};
    pm_buf_slice_add(&text, schema_json);
    pm_buf_byte(&text, 0);
    if (!body || !cJSON_AddStringToObject(body, "schema", text.ptr)) pm_memory_out("a request to the schema registry");
    PM_CLEANUP(free_text) char *printed = cJSON_PrintUnformatted(body);
    char *escaped = curl_easy_escape(registry->curl, subject, 0);
    if (!printed || !escaped) pm_memory_out("a request to the schema registry");
    pm_buf_printf(&path, "/subjects/%s/versions", escaped);
    curl_free(escaped);
    PM_TRY(ask(registry, path.ptr, printed, &answer, err));
    const cJSON *id = cJSON_GetObjectItemCaseSensitive(answer, "id");
    if (!cJSON_IsNumber(id) || id->valuedouble < 0 || id->valuedouble > UINT32_MAX ||
        id->valuedouble != (double)(uint32_t)id->valuedouble)
        return pm_error_set(err, PM_ELOG, "schema registry %s answers %s without an id (is schema.registry.url right?)",
                            registry->shown, path.ptr);
    *ret_id = (uint32_t)id->valuedouble;
    return PM_OK;
}
