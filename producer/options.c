/* options.c: options -> settings. Every refusal reads: option NAME, "VALUE": what is wrong, what to do. */
#include "producer/options.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/given.h"
#include "common/event/event.h"
#include "producer/queue.h"

#define LOG_DEFAULT "local:./provmat-data/log"
#define QUEUE_BYTES_DEFAULT ((size_t)24 << 20)
#define LINGER_MS_DEFAULT 50
#define LINGER_MS_MAX 60000
#define LOG_TIMEOUT_MS_DEFAULT 10000
#define LOG_TIMEOUT_MS_MIN 100
#define LOG_TIMEOUT_MS_MAX 300000
#define OUTBOX_BYTES_DEFAULT ((uint64_t)1 << 30)
#define OUTBOX_BYTES_MIN ((uint64_t)1 << 20)
#define PROPERTIES_MAX 1000

static int refuse(const char *option, const char *value, const char *why, struct pm_error *err)
{
    return pm_error_set(err, PM_EUSAGE, "option %s, \"%s\": %s", option, value, why);
}

static int refuse_number(const char *option, uint64_t value, uint64_t least, uint64_t most, struct pm_error *err)
{
    return pm_error_set(err, PM_EUSAGE,
                        "option %s, %" PRIu64 ": it is %" PRIu64 " to %" PRIu64 ", or 0 for the default", option, value,
                        least, most);
}

/* Given, or of the environment, or the default; an empty text is none. `ret_option` is what a message calls it. */
static char *text_of(const char *given, const char *option, const char *variable, const char *fallback,
                     const char **ret_option)
{
    const char *text = given && *given ? given : NULL;
    *ret_option = option;
    if (!text && variable) {
        text = getenv(variable);
        if (text && *text) *ret_option = variable;
        else text = NULL;
    }
    if (!text) text = fallback;
    return text ? pm_strdup(text) : NULL;
}

/* ---- properties ---- */

static char **own_property(struct pm_settings *settings, const char *name)
{
    if (!strcmp(name, "schema.registry.url")) return &settings->registry_url;
    return NULL;
}

static int add_property(struct pm_settings *settings, const char *given, struct pm_error *err)
{
    const char *equals = given ? strchr(given, '=') : NULL;
    if (!equals || equals == given)
        return refuse("properties", given ? given : "NULL", "it is written NAME=VALUE, as in \"security.protocol=ssl\"",
                      err);
    char *name = pm_strdup(given);
    name[equals - given] = 0;
    const char *value = name + (equals - given) + 1;
    char **own = own_property(settings, name);
    if (own) {
        free(*own);
        *own = pm_strdup(value);
        free(name);
        return PM_OK;
    }
    if (!strncmp(name, "provmat.", 8) || !strncmp(name, "schema.registry.", 16)) {
        free(name);
        return refuse("properties", given, "the library knows no such setting; leave it out", err);
    }
    if (!strcmp(name, "ssl.ca.location")) { /* librdkafka's, and the registry's */
        free(settings->ca_file);
        settings->ca_file = pm_strdup(value);
    }
    settings->properties[settings->n_properties++] = (struct pm_log_property){.name = name, .value = value};
    return PM_OK;
}

static int take_properties(struct pm_settings *settings, const struct provmat_options *options, struct pm_error *err)
{
    if (options->n_properties > PROPERTIES_MAX)
        return refuse_number("n_properties", options->n_properties, 1, PROPERTIES_MAX, err);
    if (options->n_properties && !options->properties)
        return refuse("properties", "NULL", "n_properties is not 0; set both or none", err);
    settings->properties = pm_calloc(options->n_properties + 1, sizeof *settings->properties);
    for (size_t i = 0; i < options->n_properties; i++) PM_TRY(add_property(settings, options->properties[i], err));
    int rc = pm_log_client_check(settings->properties, settings->n_properties, err);
    return pm_error_wrap(err, rc, "option properties");
}

/* ---- numbers ---- */

static int take_number(const char *option, int given, int fallback, int least, int most, int *ret, struct pm_error *err)
{
    if (given != 0 && (given < least || given > most))
        return pm_error_set(err, PM_EUSAGE, "option %s, %d: it is %d to %d, or 0 for the default of %d", option, given,
                            least, most, fallback);
    *ret = given ? given : fallback;
    return PM_OK;
}

static int take_numbers(struct pm_settings *settings, const struct provmat_options *o, struct pm_error *err)
{
    if (o->queue_bytes && (o->queue_bytes < PM_QUEUE_BYTES_MIN || o->queue_bytes > PM_QUEUE_BYTES_MAX))
        return refuse_number("queue_bytes", o->queue_bytes, PM_QUEUE_BYTES_MIN, PM_QUEUE_BYTES_MAX, err);
    settings->queue_bytes = (o->queue_bytes ? o->queue_bytes : QUEUE_BYTES_DEFAULT) & ~(size_t)4095;
    PM_TRY(take_number("linger_ms", o->linger_ms, LINGER_MS_DEFAULT, 1, LINGER_MS_MAX, &settings->linger_ms, err));
    PM_TRY(take_number("log_timeout_ms", o->log_timeout_ms, LOG_TIMEOUT_MS_DEFAULT, LOG_TIMEOUT_MS_MIN,
                       LOG_TIMEOUT_MS_MAX, &settings->log_timeout_ms, err));
    if (o->outbox_mode < PROVMAT_OUTBOX_AUTO || o->outbox_mode > PROVMAT_OUTBOX_ALWAYS)
        return pm_error_set(err, PM_EUSAGE,
                            "option outbox_mode, %d: it is PROVMAT_OUTBOX_AUTO (0) or PROVMAT_OUTBOX_ALWAYS (1)",
                            o->outbox_mode);
    if (o->outbox_sync < PROVMAT_SYNC_NONE || o->outbox_sync > PROVMAT_SYNC_EACH)
        return pm_error_set(err, PM_EUSAGE,
                            "option outbox_sync, %d: it is PROVMAT_SYNC_NONE (0), _INTERVAL (1) or _EACH (2)",
                            o->outbox_sync);
    settings->outbox_mode = o->outbox_mode;
    settings->outbox_sync = o->outbox_sync;
    if (o->outbox_bytes && o->outbox_bytes < OUTBOX_BYTES_MIN)
        return refuse_number("outbox_bytes", o->outbox_bytes, OUTBOX_BYTES_MIN, UINT64_MAX, err);
    settings->outbox_bytes = o->outbox_bytes ? o->outbox_bytes : OUTBOX_BYTES_DEFAULT;
    return PM_OK;
}

/* ---- all of it ---- */

static int take_texts(struct pm_settings *settings, const struct provmat_options *o, struct pm_error *err)
{
    const char *option;
    settings->log = text_of(o->log, "log", "PROVMAT_LOG", LOG_DEFAULT, &option);
    int rc = pm_log_check(settings->log, err);
    if (rc != PM_OK) return pm_error_wrap(err, rc, "option %s, \"%s\"", option, settings->log);
    const char *slash = !strncmp(settings->log, "kafka://", 8) ? strchr(settings->log + 8, '/') : NULL;
    if (slash) settings->registry_topic = pm_strdup(slash + 1);
    settings->job_id = text_of(o->job_id, "job_id", "PROVMAT_JOB_ID", NULL, &option);
    if (settings->job_id && strlen(settings->job_id) > PM_JOB_ID_BYTES_MAX)
        return refuse(option, settings->job_id, "a job's id has at most 256 bytes; use a shorter one", err);
    settings->worker = text_of(o->worker, "worker", "PROVMAT_WORKER", NULL, &option);
    settings->outbox = text_of(o->outbox, "outbox", "PROVMAT_OUTBOX", NULL, &option);
    if (o->outbox_mode == PROVMAT_OUTBOX_ALWAYS && !settings->outbox)
        return refuse("outbox", "", "outbox_mode is PROVMAT_OUTBOX_ALWAYS; name a directory", err);
    return PM_OK;
}

static int make(struct pm_settings *settings, const struct provmat_options *options, struct pm_error *err)
{
    struct provmat_options o = {.size = sizeof o};
    if (options && pm_given_take(&o, sizeof o, options, "provmat_options", err) != PM_OK)
        return pm_error_wrap(err, PM_EUSAGE, "option size");
    settings->diag = o.diag;
    settings->diag_arg = o.diag_arg;
    PM_TRY(take_numbers(settings, &o, err));
    PM_TRY(take_texts(settings, &o, err));
    return take_properties(settings, &o, err);
}

int pm_settings_make(const struct provmat_options *options, struct pm_settings *ret, struct pm_error *err)
{
    struct pm_settings settings = {0};
    int rc = make(&settings, options, err);
    if (rc == PM_OK) *ret = settings;
    else pm_settings_release(&settings);
    return rc;
}

void pm_settings_release(struct pm_settings *settings)
{
    free(settings->log);
    free(settings->job_id);
    free(settings->worker);
    free(settings->outbox);
    for (size_t i = 0; i < settings->n_properties; i++) free((void *)(uintptr_t)settings->properties[i].name);
    free(settings->properties);
    free(settings->registry_url);
    free(settings->registry_topic);
    free(settings->ca_file);
    *settings = (struct pm_settings){0};
}
