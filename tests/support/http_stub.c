/* http_stub.c: accept, read one request, answer, close. */
#include "tests/support/http_stub.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/check.h"

struct http_stub {
    const struct http_answer *answers;
    int listener, port;
    pthread_t thread;
    pthread_mutex_t lock; /* of what follows */
    int requests;
    char last[65536];
};

static void read_request(int fd, char *to, size_t size)
{
    size_t len = 0, need = 0;
    to[0] = '\0';
    while (len + 1 < size) {
        ssize_t n = read(fd, to + len, size - 1 - len);
        if (n <= 0) return;
        len += (size_t)n;
        to[len] = '\0';
        const char *end = strstr(to, "\r\n\r\n"), *length = strstr(to, "Content-Length: ");
        if (!end) continue;
        need = (size_t)(end + 4 - to) + (length && length < end ? strtoul(length + 16, NULL, 10) : 0);
        if (len >= need) return;
    }
}

static void answer(struct http_stub *stub, int fd)
{
    char request[65536], head[200];
    read_request(fd, request, sizeof request);
    pthread_mutex_lock(&stub->lock);
    stub->requests++;
    memcpy(stub->last, request, sizeof request);
    pthread_mutex_unlock(&stub->lock);
    const struct http_answer *a = stub->answers;
    while (a->request && strncmp(request, a->request, strlen(a->request)) != 0) a++;
    if (a->request && !a->body) return;
    const char *body = a->request ? a->body : "";
    int len = snprintf(head, sizeof head, "HTTP/1.1 %d Stub\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n",
                       a->request ? a->status : 404, strlen(body));
    if (write(fd, head, (size_t)len) != len || write(fd, body, strlen(body)) < 0) return; /* the client may have gone */
}

static void *serve(void *context)
{
    struct http_stub *stub = context;
    for (;;) {
        int fd = accept(stub->listener, NULL, NULL);
        if (fd < 0) return NULL; /* http_stub_stop */
        answer(stub, fd);
        close(fd);
    }
}

struct http_stub *http_stub_start(const struct http_answer *answers)
{
    struct http_stub *stub = pm_calloc(1, sizeof *stub);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    stub->answers = answers;
    stub->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    PM_CHECK(stub->listener >= 0 && bind(stub->listener, (struct sockaddr *)&address, size) == 0 &&
             listen(stub->listener, 8) == 0);
    PM_CHECK(getsockname(stub->listener, (struct sockaddr *)&address, &size) == 0);
    stub->port = ntohs(address.sin_port);
    pthread_mutex_init(&stub->lock, NULL);
    PM_CHECK(pthread_create(&stub->thread, NULL, serve, stub) == 0);
    return stub;
}

int http_stub_port(const struct http_stub *stub) { return stub->port; }

int http_stub_requests(struct http_stub *stub)
{
    pthread_mutex_lock(&stub->lock);
    int requests = stub->requests;
    pthread_mutex_unlock(&stub->lock);
    return requests;
}

const char *http_stub_last(struct http_stub *stub) { return stub->last; }

void http_stub_stop(struct http_stub *stub)
{
    shutdown(stub->listener, SHUT_RDWR);
    pthread_join(stub->thread, NULL);
    close(stub->listener);
    pthread_mutex_destroy(&stub->lock);
    free(stub);
}
