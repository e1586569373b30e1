/* options.h: struct provmat_options -> settings that keep what they say (options.c): defaults and the environment
 * filled in, every value checked. */
#ifndef PM_PRODUCER_OPTIONS_H
#define PM_PRODUCER_OPTIONS_H

#include "common/event/codec.h"
#include "common/log/log.h"
#include "producer/provmat.h"

struct pm_settings {
    char *log, *job_id, *worker, *outbox; /* log is there always, the others may be NULL */
    struct pm_log_property *properties;   /* librdkafka's; names and values are one allocation each */
    size_t n_properties;
    char *registry_url, *registry_topic, *ca_file; /* may be NULL */
    size_t queue_bytes;
    int linger_ms, log_timeout_ms;
    int outbox_mode, outbox_sync;
    uint64_t outbox_bytes;
    void (*diag)(void *arg, int level, const char *text);
    void *diag_arg;
};

/* PM_EUSAGE with the option's name, its value and what to do. Connects to nothing. */
int pm_settings_make(const struct provmat_options *options, struct pm_settings *ret,
                     struct pm_error *err) PM_MUST_CHECK;
void pm_settings_release(struct pm_settings *settings);

#endif
