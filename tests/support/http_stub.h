/* http_stub.h: a web server of a few lines for tests: one thread, one answer for each path, on a free port of
 * 127.0.0.1. */
#ifndef PM_TEST_HTTP_STUB_H
#define PM_TEST_HTTP_STUB_H

struct http_answer {
    const char *request; /* "GET /schemas/ids/7", the beginning of the request line */
    int status;
    const char *body; /* NULL: the connection is closed without an answer */
};

struct http_stub;

/* `answers` ends with one whose request is NULL, and must outlive the stub; what none matches is 404 without body. */
struct http_stub *http_stub_start(const struct http_answer *answers);
int http_stub_port(const struct http_stub *stub);
int http_stub_requests(struct http_stub *stub);     /* so far */
const char *http_stub_last(struct http_stub *stub); /* the last request as it came, head and body */
void http_stub_stop(struct http_stub *stub);

#endif
