/* bare_kafka.h: what the two limits of Kafka have in common: a clock, an end with a reason, settings from the command
 * line. */
#ifndef PROVMAT_BENCH_BARE_KAFKA_H
#define PROVMAT_BENCH_BARE_KAFKA_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* program_invocation_short_name */
#endif

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wignored-qualifiers" /* of newer releases */
#include <librdkafka/rdkafka.h>
#pragma GCC diagnostic pop
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static inline double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static inline void fail(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, why);
    exit(1);
}

static inline void set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
    char why[512];
    if (rd_kafka_conf_set(conf, name, value, why, sizeof why) != RD_KAFKA_CONF_OK) fail(name, why);
}

/* Takes every "-X name=value"; returns the place of the first argument behind them. */
static inline int set_given(rd_kafka_conf_t *conf, int argc, char **argv)
{
    int at = 1;
    for (; at + 1 < argc && strcmp(argv[at], "-X") == 0; at += 2) {
        char *equals = strchr(argv[at + 1], '=');
        if (!equals) fail(argv[at + 1], "not NAME=VALUE");
        *equals = 0;
        set(conf, argv[at + 1], equals + 1);
    }
    return at;
}

#endif
