/* log_kafka_resolve.h: how librdkafka looks up a host. Any thread, librdkafka's own among them. */
#ifndef PM_LOG_LOG_KAFKA_RESOLVE_H
#define PM_LOG_LOG_KAFKA_RESOLVE_H

#include <netdb.h>

/* getaddrinfo, and freeaddrinfo when node and service are NULL, held against forks: glibc's resolver has locks for the
 * whole process. `opaque` is not touched. */
int pm_kafka_resolve(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **ret,
                     void *opaque);

#endif
