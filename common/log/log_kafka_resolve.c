/* log_kafka_resolve.c: the one function of ours that runs on librdkafka's threads; it knows of no handle. */
#include "common/log/log_kafka_resolve.h"

#include "common/base/fork.h"

int pm_kafka_resolve(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **ret,
                     void *opaque)
{
    (void)opaque;
    if (!node && !service) {
        freeaddrinfo(*ret);
        return 0;
    }
    pm_fork_hold();
    int rc = getaddrinfo(node, service, hints, ret);
    pm_fork_release();
    return rc;
}
