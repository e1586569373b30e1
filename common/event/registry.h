/* registry.h: a schema registry with Confluent's REST interface (also Apicurio's, at .../apis/ccompat/v7). One HTTP
 * request a call, nothing is kept: codec.c remembers what it learned. A registry belongs to one thread. The user and password in
 * the URL never appear in a message. */
#ifndef PM_EVENT_REGISTRY_H
#define PM_EVENT_REGISTRY_H

#include "common/event/event.h"

#define PM_REGISTRY_ANSWER_BYTES_MAX ((size_t)1024 * 1024)
#define PM_REGISTRY_CONNECT_TIMEOUT_MS 5000
#define PM_REGISTRY_TIMEOUT_MS 15000

struct pm_registry;

/* `url`: http or https, user:password@ allowed; `ca_file` NULL means the system's. No connection is made yet. PM_EUSAGE
 * when it is no such URL. */
int pm_registry_open(const char *url, const char *ca_file, struct pm_registry **ret,
                     struct pm_error *err) PM_MUST_CHECK;
void pm_registry_close(struct pm_registry *registry);

/* Appends the schema's JSON text. PM_ENOTFOUND when the registry has no such id (whether that is the record's fault is
 * the caller's to say), PM_ESCHEMA when it is not Avro or needs other schemas. Both calls: PM_ELOGAWAY when it cannot
 * be reached, is too slow or answers 5xx, 408 or 429; PM_ELOG when it refuses or does not answer as a registry does. */
int pm_registry_schema(struct pm_registry *registry, uint32_t id, struct pm_buf *out,
                       struct pm_error *err) PM_MUST_CHECK;
/* Registers the schema (again: the same id) under the subject. */
int pm_registry_register(struct pm_registry *registry, const char *subject, struct pm_slice schema_json,
                         uint32_t *ret_id, struct pm_error *err) PM_MUST_CHECK;

#endif
