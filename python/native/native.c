/* native.c: the class _native.Producer and the identities: Python's values become one line as `provmat emit` reads it,
 * and the line goes to libprovmat. So every field and every rule is the library's, and none is written down here.
 *
 * Threads: everything here runs under the interpreter's lock, except where it is let go around calls of the library
 * that may wait: opening, flush, close, and events that may go to the disk (outbox_mode always, outbox_sync each). */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <time.h>

#include "producer/provmat.h"
#include "python/native/docs.h"
#include "python/native/line.h"
#include "python/native/news.h"
#include "python/native/store.h"

#define DEPTH_MAX 64
#define SLICE_MS 100 /* between two looks for signals while a flush waits */

struct producer {
    PyObject ob_base;
    provmat_producer *handle; /* NULL: not open, or closed */
    struct news *news;
    PyObject *find_job;           /* () -> str | None */
    PyObject *plain;              /* (value) -> a value that JSON knows */
    PyObject *job_id;             /* str or NULL: of events without another one */
    PyObject *worker;             /* the same */
    struct provmat_counters last; /* when it was closed */
    int64_t last_us;              /* the time of the last event that named none */
    unsigned long long refused;   /* events that did not become a line */
    int exit_ms;                  /* how long the end of a producer that nobody closed may take */
    int users;                    /* threads inside the library without the interpreter's lock */
    bool may_wait;                /* an event may go to the disk inside its call */
    bool begun;                   /* _begin was called in this process */
};

/* ---- values as JSON ---- */

static int add_value(struct line *line, PyObject *value, PyObject *plain, int depth);

static int add_text(struct line *line, PyObject *text)
{
    Py_ssize_t len;
    const char *bytes = PyUnicode_AsUTF8AndSize(text, &len);
    if (!bytes) return -1;
    line_add_string(line, bytes, (size_t)len);
    return 0;
}

static int add_integer(struct line *line, PyObject *value)
{
    char digits[24];
    int overflow;
    long long number = PyLong_AsLongLongAndOverflow(value, &overflow);
    if (number == -1 && PyErr_Occurred()) return -1;
    if (!overflow) {
        line_add(line, digits, (size_t)snprintf(digits, sizeof digits, "%lld", number));
        return 0;
    }
    PyObject *text = PyNumber_ToBase(value, 10);
    Py_ssize_t len;
    const char *bytes = text ? PyUnicode_AsUTF8AndSize(text, &len) : NULL;
    if (bytes) line_add(line, bytes, (size_t)len);
    Py_XDECREF(text);
    return bytes ? 0 : -1;
}

/* As repr() prints it: the shortest text that reads back to the same double, with .0 when it is whole. */
static int add_float(struct line *line, PyObject *value)
{
    double number = PyFloat_AsDouble(value);
    if (number - number != 0) {
        PyErr_Format(PyExc_ValueError, "%s is not a finite number", number != number ? "NaN" : "infinity");
        return -1;
    }
    char *text = PyOS_double_to_string(number, 'r', 0, Py_DTSF_ADD_DOT_0, NULL);
    if (!text) return -1;
    line_add(line, text, strlen(text));
    PyMem_Free(text);
    return 0;
}

static int add_array(struct line *line, PyObject *value, PyObject *plain, int depth)
{
    bool list = PyList_Check(value);
    line_add(line, "[", 1);
    /* The size is asked for each time: code of a value may change the list. */
    for (Py_ssize_t i = 0; i < (list ? PyList_Size(value) : PyTuple_Size(value)); i++) {
        PyObject *item = list ? PyList_GetItem(value, i) : PyTuple_GetItem(value, i);
        if (!item) return -1;
        if (i > 0) line_add(line, ",", 1);
        Py_INCREF(item);
        int rc = add_value(line, item, plain, depth + 1);
        Py_DECREF(item);
        if (rc != 0) return -1;
    }
    line_add(line, "]", 1);
    return 0;
}

static int add_object(struct line *line, PyObject *value, PyObject *plain, int depth)
{
    PyObject *items = PyDict_Items(value); /* code of a value may change the dictionary */
    if (!items) return -1;
    int rc = 0;
    line_add(line, "{", 1);
    for (Py_ssize_t i = 0; rc == 0 && i < PyList_Size(items); i++) {
        PyObject *item = PyList_GetItem(items, i);
        PyObject *key = PyTuple_GetItem(item, 0);
        if (i > 0) line_add(line, ",", 1);
        if (PyUnicode_Check(key)) {
            rc = add_text(line, key);
        } else {
            PyErr_Format(PyExc_TypeError, "the name %R is not a string", key);
            rc = -1;
        }
        line_add(line, ":", 1);
        if (rc == 0) rc = add_value(line, PyTuple_GetItem(item, 1), plain, depth + 1);
    }
    line_add(line, "}", 1);
    Py_DECREF(items);
    return rc;
}

static int add_foreign(struct line *line, PyObject *value, PyObject *plain, int depth)
{
    if (!plain) {
        PyErr_Format(PyExc_TypeError, "%R is no bool, int, float or str", value);
        return -1;
    }
    PyObject *known = PyObject_CallFunctionObjArgs(plain, value, NULL);
    if (!known) return -1;
    int rc = add_value(line, known, plain, depth + 1);
    Py_DECREF(known);
    return rc;
}

/* `plain` NULL: only what JSON knows, for what is hashed. */
static int add_value(struct line *line, PyObject *value, PyObject *plain, int depth)
{
    if (depth > DEPTH_MAX) {
        PyErr_Format(PyExc_ValueError, "a value is nested more than %d times", DEPTH_MAX);
        return -1;
    }
    if (PyUnicode_Check(value)) return add_text(line, value);
    if (value == Py_True || value == Py_False) {
        line_add(line, value == Py_True ? "true" : "false", value == Py_True ? 4 : 5);
        return 0;
    }
    if (PyLong_Check(value)) return add_integer(line, value);
    if (PyFloat_Check(value)) return add_float(line, value);
    if (PyDict_Check(value)) return add_object(line, value, plain, depth);
    if (PyList_Check(value) || PyTuple_Check(value)) return add_array(line, value, plain, depth);
    if (value == Py_None) {
        line_add(line, "null", 4);
        return 0;
    }
    return add_foreign(line, value, plain, depth);
}

/* ---- parameters ---- */

/* A mapping of parameters: nothing is guessed about its values, because their text is hashed. */
static int add_params(struct line *line, PyObject *params)
{
    if (PyDict_Check(params)) return add_object(line, params, NULL, 0);
    if (!PyObject_HasAttrString(params, "keys")) {
        PyErr_SetString(PyExc_TypeError, "params are no mapping of names to values");
        return -1;
    }
    PyObject *copy = PyDict_New();
    int rc = copy ? PyDict_Update(copy, params) : -1;
    if (rc == 0) rc = add_object(line, copy, NULL, 0);
    Py_XDECREF(copy);
    return rc;
}

/* The parameters' JSON as a C text. */
static int params_text(struct line *line, PyObject *params)
{
    if (add_params(line, params) != 0) return -1;
    line_add(line, "", 1);
    if (!line->problem) return 0;
    PyErr_SetString(PyExc_ValueError, line->problem);
    return -1;
}

static PyObject *raise_library(const struct provmat_error *err)
{
    if (err->code == PROVMAT_ENOMEM) return PyErr_NoMemory();
    PyErr_SetString(PyExc_ValueError, err->text);
    return NULL;
}

static PyObject *canonical_json(PyObject *self, PyObject *params)
{
    (void)self;
    struct line line;
    struct provmat_error err = {0};
    PyObject *ret = NULL;
    line_init(&line);
    if (params_text(&line, params) == 0) {
        size_t len = provmat_params_canonical(line.text, NULL, 0, &err);
        char *text = len > 0 ? PyMem_Malloc(len + 1) : NULL;
        if (text && provmat_params_canonical(line.text, text, len + 1, &err) == len)
            ret = PyUnicode_FromStringAndSize(text, (Py_ssize_t)len);
        else if (len > 0) PyErr_NoMemory();
        else raise_library(&err);
        PyMem_Free(text);
    }
    line_release(&line);
    return ret;
}

static PyObject *param_id(PyObject *self, PyObject *params)
{
    (void)self;
    struct line line;
    struct provmat_error err = {0};
    char id[65];
    PyObject *ret = NULL;
    line_init(&line);
    if (params_text(&line, params) == 0) {
        if (provmat_param_id(line.text, id, &err) == PROVMAT_OK) ret = PyUnicode_FromStringAndSize(id, 64);
        else raise_library(&err);
    }
    line_release(&line);
    return ret;
}

static PyObject *bundle_digest(PyObject *self, PyObject *reference)
{
    (void)self;
    struct provmat_error err = {0};
    char digest[65];
    PyObject *bytes = PyUnicode_Check(reference) ? PyUnicode_AsUTF8String(reference) : NULL;
    char *text;
    if (!bytes && !PyErr_Occurred()) PyErr_SetString(PyExc_TypeError, "a reference to a bundle is a str");
    if (!bytes) return NULL;
    PyObject *ret = NULL;
    /* Refuses a zero inside. */
    if (PyBytes_AsStringAndSize(bytes, &text, NULL) == 0) {
        if (provmat_bundle_digest(text, digest, &err) == PROVMAT_OK) ret = PyUnicode_FromStringAndSize(digest, 64);
        else raise_library(&err);
    }
    Py_DECREF(bytes);
    return ret;
}

/* ---- opening ---- */

/* The items of a list of str as C texts that live as long as the list; NULL with an exception. */
static const char **texts_of(PyObject *list)
{
    Py_ssize_t n = PyList_Size(list);
    const char **texts = n < 0 ? NULL : PyMem_Calloc((size_t)n + 1, sizeof *texts);
    for (Py_ssize_t i = 0; texts && i < n; i++) {
        texts[i] = PyUnicode_AsUTF8AndSize(PyList_GetItem(list, i), NULL);
        if (texts[i]) continue;
        PyMem_Free(texts);
        return NULL;
    }
    if (!texts && !PyErr_Occurred()) PyErr_NoMemory();
    return texts;
}

static int open_library(struct producer *self, struct provmat_options *options, PyObject *properties)
{
    struct provmat_error err = {0};
    const char **texts = texts_of(properties);
    if (!texts) return -1;
    options->properties = texts;
    options->n_properties = (size_t)PyList_Size(properties);
    self->news = calloc(1, sizeof *self->news);
    options->diag = self->news ? news_put : NULL;
    options->diag_arg = self->news;
    provmat_producer *handle = NULL;
    int code;
    Py_BEGIN_ALLOW_THREADS code = provmat_open(options, &handle, &err);
    Py_END_ALLOW_THREADS PyMem_Free(texts);
    if (code == PROVMAT_OK) {
        self->handle = handle;
        self->may_wait = options->outbox_mode == PROVMAT_OUTBOX_ALWAYS || options->outbox_sync == PROVMAT_SYNC_EACH;
        return 0;
    }
    free(self->news);
    self->news = NULL;
    raise_library(&err);
    return -1;
}

static PyObject *keep(PyObject *value)
{
    if (value == Py_None) return NULL;
    Py_INCREF(value);
    return value;
}

/* Everything is given by provmat.Producer, which has checked it: this is no interface for others. */
static int producer_init(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"find_job", "plain",       "job_id",      "worker",       "properties",
                            "exit_ms",  "log",         "queue_bytes", "linger_ms",    "log_timeout_ms",
                            "outbox",   "outbox_mode", "outbox_sync", "outbox_bytes", NULL};
    struct producer *self = (struct producer *)object;
    struct provmat_options o = {.size = sizeof o};
    PyObject *find_job, *plain, *job_id, *worker, *properties;
    unsigned long long queue_bytes, outbox_bytes;
    if (self->handle || self->find_job) {
        PyErr_SetString(PyExc_RuntimeError, "a producer is opened once");
        return -1;
    }
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OOOOO!izKiiziiK", names, &find_job, &plain, &job_id, &worker,
                                     &PyList_Type, &properties, &self->exit_ms, &o.log, &queue_bytes, &o.linger_ms,
                                     &o.log_timeout_ms, &o.outbox, &o.outbox_mode, &o.outbox_sync, &outbox_bytes))
        return -1;
    if (job_id != Py_None && !(o.job_id = PyUnicode_AsUTF8AndSize(job_id, NULL))) return -1;
    if (worker != Py_None && !(o.worker = PyUnicode_AsUTF8AndSize(worker, NULL))) return -1;
    o.queue_bytes = (size_t)queue_bytes;
    o.outbox_bytes = outbox_bytes;
    if (open_library(self, &o, properties) != 0) return -1;
    self->last.size = sizeof self->last;
    self->find_job = keep(find_job);
    self->plain = keep(plain);
    self->job_id = keep(job_id);
    self->worker = keep(worker);
    return 0;
}

/* ---- the line of one event ---- */

static int add_member(struct line *line, PyObject *name, PyObject *value, PyObject *plain)
{
    Py_ssize_t len;
    const char *text = PyUnicode_AsUTF8AndSize(name, &len);
    if (!text) return -1;
    line_add(line, ",", 1);
    line_add_string(line, text, (size_t)len);
    line_add(line, ":", 1);
    bool params = len == 6 && !memcmp(text, "params", 6);
    return params ? add_params(line, value) : add_value(line, value, plain, 0);
}

/* A field that the caller need not name. */
static int add_unnamed(struct line *line, const char *name, PyObject *value, PyObject *plain)
{
    line_add(line, ",", 1);
    line_add_string(line, name, strlen(name));
    line_add(line, ":", 1);
    return add_value(line, value, plain, 0);
}

static int add_job(struct producer *self, struct line *line)
{
    PyObject *found = self->find_job ? PyObject_CallFunctionObjArgs(self->find_job, NULL) : NULL;
    if (!found && PyErr_Occurred()) return -1;
    int rc = 0;
    if (found && found != Py_None) rc = add_unnamed(line, "job_id", found, NULL);
    else if (self->job_id) rc = add_unnamed(line, "job_id", self->job_id, NULL);
    Py_XDECREF(found);
    return rc;
}

/* One kind of event: what it is called, which field its one positional argument is, whether it is of a job. */
struct kind {
    const char *type, *first;
    bool of_job;
};

struct arguments {
    PyObject *const *values;
    Py_ssize_t n_positional;
    PyObject *names; /* of the values after the positional ones; NULL when there are none */
};

/* Now, and later than the event before, so that "running" stays before "succeeded". Without a time the same event said
 * twice would be one: its id is made from what it says. */
static void add_time(struct producer *self, struct line *line)
{
    char text[64];
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    int64_t now_us = (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
    self->last_us = now_us > self->last_us ? now_us : self->last_us + 1;
    line_add(line, text, (size_t)snprintf(text, sizeof text, ",\"occurred_at\":%lld", (long long)self->last_us));
}

static int add_arguments(struct producer *self, const struct kind *kind, const struct arguments *given,
                         struct line *line)
{
    bool job = !kind->of_job, worker = false, time = false;
    Py_ssize_t n_names = given->names ? PyTuple_Size(given->names) : 0;
    if (given->n_positional > 1) {
        PyErr_Format(PyExc_TypeError, "only %s may be given without its name", kind->first);
        return -1;
    }
    if (given->n_positional == 1) {
        if (add_unnamed(line, kind->first, given->values[0], self->plain) != 0) return -1;
        if (!strcmp(kind->first, "job_id")) job = true;
    }
    for (Py_ssize_t i = 0; i < n_names; i++) {
        PyObject *name = PyTuple_GetItem(given->names, i), *value = given->values[given->n_positional + i];
        if (value == Py_None) continue;
        if (PyUnicode_CompareWithASCIIString(name, "job_id") == 0) job = true;
        else if (PyUnicode_CompareWithASCIIString(name, "worker") == 0) worker = true;
        else if (PyUnicode_CompareWithASCIIString(name, "occurred_at") == 0) time = true;
        if (add_member(line, name, value, self->plain) != 0) return -1;
    }
    if (!time) add_time(self, line);
    if (!job && add_job(self, line) != 0) return -1;
    if (!worker && self->worker && add_unnamed(line, "worker", self->worker, NULL) != 0) return -1;
    line_add(line, "}", 1);
    return 0;
}

static int add_event(struct producer *self, const struct kind *kind, const struct arguments *given, struct line *line)
{
    line_add(line, "{\"type\":", 8);
    line_add_string(line, kind->type, strlen(kind->type));
    return add_arguments(self, kind, given, line);
}

/* ---- saying it ---- */

/* The text of the exception that is set, which ends here. An end that the program wants (KeyboardInterrupt) is not
 * ours to end: false. */
static bool take_exception(char *ret, size_t size)
{
    PyObject *type, *value, *trace;
    if (!PyErr_ExceptionMatches(PyExc_Exception)) return false;
    PyErr_Fetch(&type, &value, &trace);
    PyObject *text = value ? PyObject_Str(value) : NULL;
    const char *bytes = text ? PyUnicode_AsUTF8AndSize(text, NULL) : NULL;
    snprintf(ret, size, "%s", bytes ? bytes : "a value could not be read");
    PyErr_Clear();
    Py_XDECREF(text);
    Py_XDECREF(type);
    Py_XDECREF(value);
    Py_XDECREF(trace);
    return true;
}

/* Calls a method of provmat.Producer; what goes wrong in it must not reach the simulation. */
static int tell(struct producer *self, PyObject *done)
{
    (void)self;
    if (done) Py_DECREF(done);
    else if (PyErr_ExceptionMatches(PyExc_Exception)) PyErr_Clear();
    else return -1;
    return 0;
}

static int give_line(struct producer *self, const struct line *line, struct provmat_error *err)
{
    if (!self->may_wait) return provmat_event_json(self->handle, line->text, line->len, err);
    int code;
    provmat_producer *handle = self->handle;
    self->users++;
    Py_BEGIN_ALLOW_THREADS code = provmat_event_json(handle, line->text, line->len, err);
    Py_END_ALLOW_THREADS self->users--;
    return code;
}

static int try_event(struct producer *self, const struct kind *kind, const struct arguments *given,
                     struct provmat_error *err)
{
    struct line line;
    line_init(&line);
    err->code = PROVMAT_EINVALID;
    if (add_event(self, kind, given, &line) != 0) {
        if (!take_exception(err->text, sizeof err->text)) err->code = -1;
        else self->refused++;
    } else if (line.problem) {
        snprintf(err->text, sizeof err->text, "%s", line.problem);
        self->refused++;
    } else if (!self->handle) {
        snprintf(err->text, sizeof err->text, "the producer is closed");
        self->refused++;
    } else {
        err->code = give_line(self, &line, err);
    }
    line_release(&line);
    return err->code;
}

static PyObject *say(PyObject *object, const struct kind *kind, PyObject *const *values, Py_ssize_t n, PyObject *names)
{
    struct producer *self = (struct producer *)object;
    struct arguments given = {.values = values, .n_positional = n, .names = names};
    struct provmat_error err;
    if (!self->begun) {
        self->begun = true;
        if (tell(self, PyObject_CallMethod(object, "_begin", NULL)) != 0) return NULL;
    }
    int code = try_event(self, kind, &given, &err);
    if (code == -1) return NULL;
    if (code != PROVMAT_OK &&
        tell(self, PyObject_CallMethod(object, "_refused", "iss", code, kind->type, err.text)) != 0)
        return NULL;
    if (self->news && news_waiting(self->news) && tell(self, PyObject_CallMethod(object, "_log_news", NULL)) != 0)
        return NULL;
    return PyBool_FromLong(code == PROVMAT_OK);
}

#define EVENT(name, type, first, of_job)                                                                     \
    static PyObject *producer_##name(PyObject *self, PyObject *const *values, Py_ssize_t n, PyObject *names) \
    {                                                                                                        \
        static const struct kind kind = {type, first, of_job};                                               \
        return say(self, &kind, values, n, names);                                                           \
    }
EVENT(computed, "ResultComputed", "result", true)
EVENT(discovered, "ResultDiscovered", "result", false)
EVENT(reused, "ResultReused", "result", true)
EVENT(failed, "ResultFailed", "result", true)
EVENT(expected, "ResultsExpected", "results", true)
EVENT(deleted, "ResultDeleted", "result", false)
EVENT(submitted, "JobSubmitted", "job_id", true)
EVENT(status, "JobStatusChanged", "status", true)

/* ---- flush, close ---- */

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Waits in slices, so that Ctrl-C ends it and a close from another thread does. -1: an exception is set. */
static int flush_until(struct producer *self, int64_t until_ms, struct provmat_error *err)
{
    int code = PROVMAT_OK;
    while (self->handle) {
        provmat_producer *handle = self->handle;
        int64_t left = until_ms - now_ms();
        self->users++;
        Py_BEGIN_ALLOW_THREADS code = provmat_flush(handle, left < 0 ? 0 : left > SLICE_MS ? SLICE_MS : (int)left, err);
        Py_END_ALLOW_THREADS self->users--;
        if (PyErr_CheckSignals() != 0) return -1;
        if (code != PROVMAT_ETIMEOUT || left <= SLICE_MS) return code;
    }
    return code;
}

/* The library was asked in slices; the text names the time of the last, as "WORD NUMBER ms". */
static void tell_whole_time(struct provmat_error *err, const char *word, long timeout_ms)
{
    char text[sizeof err->text];
    const char *from = strstr(err->text, word);
    if (!from) return;
    from += strlen(word);
    const char *rest = from + strspn(from, "0123456789");
    if (rest == from || strncmp(rest, " ms", 3) != 0) return;
    snprintf(text, sizeof text, "%.*s%ld%s", (int)(from - err->text), err->text, timeout_ms, rest);
    memcpy(err->text, text, sizeof text);
}

static PyObject *producer_flush(PyObject *object, PyObject *argument)
{
    struct producer *self = (struct producer *)object;
    struct provmat_error err = {0};
    long timeout_ms = PyLong_AsLong(argument);
    if (timeout_ms == -1 && PyErr_Occurred()) return NULL;
    int code = flush_until(self, now_ms() + timeout_ms, &err);
    tell_whole_time(&err, " after ", timeout_ms);
    return code < 0 ? NULL : Py_BuildValue("(is)", code, err.text);
}

/* Ends the handle that no call can reach any more. What the library's thread tells is kept when that thread may
 * outlive this: it ended when the call came back before its time was over. */
static int close_handle(struct producer *self, provmat_producer *handle, int64_t until_ms, struct provmat_error *err)
{
    int64_t left = until_ms - now_ms();
    int code = provmat_close(handle, left > 0 ? (int)left : 0, err);
    if (now_ms() < until_ms) free(self->news);
    self->news = NULL;
    return code;
}

static PyObject *producer_close(PyObject *object, PyObject *argument)
{
    struct producer *self = (struct producer *)object;
    struct provmat_error err = {0};
    long timeout_ms = PyLong_AsLong(argument);
    if (timeout_ms == -1 && PyErr_Occurred()) return NULL;
    int64_t until_ms = now_ms() + timeout_ms;
    if (flush_until(self, until_ms, &err) < 0) return NULL;
    provmat_producer *handle = self->handle;
    int code = PROVMAT_OK;
    err.text[0] = 0;
    if (handle) {
        provmat_counters(handle, &self->last);
        self->handle = NULL;
        Py_BEGIN_ALLOW_THREADS struct timespec pause = {.tv_nsec = 1000000};
        while (__atomic_load_n(&self->users, __ATOMIC_RELAXED) > 0) nanosleep(&pause, NULL);
        code = close_handle(self, handle, until_ms + 1, &err);
        Py_END_ALLOW_THREADS
    }
    tell_whole_time(&err, " within ", timeout_ms);
    return Py_BuildValue("(is)", code, err.text);
}

static void producer_dealloc(PyObject *object)
{
    struct producer *self = (struct producer *)object;
    PyTypeObject *type = Py_TYPE(object);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    if (self->handle) {
        Py_BEGIN_ALLOW_THREADS close_handle(self, self->handle, now_ms() + self->exit_ms, NULL);
        Py_END_ALLOW_THREADS
    }
    Py_XDECREF(self->find_job);
    Py_XDECREF(self->plain);
    Py_XDECREF(self->job_id);
    Py_XDECREF(self->worker);
    release(object);
    Py_DECREF(type);
}

/* ---- what is known ---- */

static PyObject *producer_counters(PyObject *object, PyObject *nothing)
{
    (void)nothing;
    struct producer *self = (struct producer *)object;
    struct provmat_counters c = self->last;
    if (self->handle) provmat_counters(self->handle, &c);
    return Py_BuildValue("(KKKKKK)", c.accepted, c.queued, c.acknowledged, c.spooled, c.rejected + self->refused,
                         c.dropped);
}

static PyObject *producer_problem(PyObject *object, PyObject *nothing)
{
    (void)nothing;
    struct producer *self = (struct producer *)object;
    struct provmat_error err = {0};
    if (!self->handle || provmat_problem(self->handle, &err) == PROVMAT_OK) Py_RETURN_NONE;
    return PyUnicode_DecodeUTF8(err.text, (Py_ssize_t)strlen(err.text), "replace");
}

static PyObject *producer_news(PyObject *object, PyObject *nothing)
{
    (void)nothing;
    struct producer *self = (struct producer *)object;
    struct news_item item;
    if (!self->news || !news_take(self->news, &item)) Py_RETURN_NONE;
    return Py_BuildValue("(is)", item.level, item.text);
}

static PyObject *producer_is_open(PyObject *object, PyObject *nothing)
{
    (void)nothing;
    return PyBool_FromLong(((struct producer *)object)->handle != NULL);
}

/* In the child the library counts from 0, and the thread that told is not there. */
static PyObject *producer_after_fork(PyObject *object, PyObject *nothing)
{
    (void)nothing;
    struct producer *self = (struct producer *)object;
    struct news_item item;
    self->refused = 0;
    self->users = 0;
    self->begun = false;
    while (self->news && news_take(self->news, &item)) continue;
    Py_RETURN_NONE;
}

/* ---- the module ---- */

/* provmat.Producer writes the errors of the two without a text its own way. */
#define EVENT_METHOD(name, function, doc)                                                          \
    {                                                                                              \
        name, (PyCFunction)(void (*)(void))producer_##function, METH_FASTCALL | METH_KEYWORDS, doc \
    }

static PyMethodDef producer_methods[] = {
    EVENT_METHOD("computed", computed, DOC_COMPUTED),
    EVENT_METHOD("discovered", discovered, DOC_DISCOVERED),
    EVENT_METHOD("reused", reused, DOC_REUSED),
    EVENT_METHOD("_failed", failed, NULL),
    EVENT_METHOD("expected", expected, DOC_EXPECTED),
    EVENT_METHOD("deleted", deleted, DOC_DELETED),
    EVENT_METHOD("submitted", submitted, DOC_SUBMITTED),
    EVENT_METHOD("_status", status, NULL),
    {"_flush", producer_flush, METH_O, NULL},
    {"_close", producer_close, METH_O, NULL},
    {"_counters", producer_counters, METH_NOARGS, NULL},
    {"_problem", producer_problem, METH_NOARGS, NULL},
    {"_news", producer_news, METH_NOARGS, NULL},
    {"_is_open", producer_is_open, METH_NOARGS, NULL},
    {"_after_fork", producer_after_fork, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot producer_slots[] = {
    {Py_tp_doc, "The part of provmat.Producer that is written in C."},
    {Py_tp_init, producer_init},
    {Py_tp_dealloc, producer_dealloc},
    {Py_tp_methods, producer_methods},
    {0, NULL},
};
static PyType_Spec producer_spec = {
    .name = "provmat._native.Producer",
    .basicsize = sizeof(struct producer),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .slots = producer_slots,
};

static PyMethodDef functions[] = {
    {"canonical_json", canonical_json, METH_O, DOC_CANONICAL_JSON},
    {"param_id", param_id, METH_O, DOC_PARAM_ID},
    {"bundle_digest", bundle_digest, METH_O, DOC_BUNDLE_DIGEST},
    {"aggregation_id", aggregation_id, METH_VARARGS, NULL},
    {"store_open", store_open, METH_VARARGS, NULL},
    {"store_put", store_put, METH_VARARGS, NULL},
    {"store_get", store_get, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static int module_exec(PyObject *module)
{
    PyObject *type = PyType_FromSpec(&producer_spec);
    if (!type || PyModule_AddObjectRef(module, "Producer", type) != 0) return -1;
    Py_DECREF(type);
    return PyModule_AddStringConstant(module, "version", provmat_version());
}

static PyModuleDef_Slot module_slots[] = {{Py_mod_exec, module_exec}, {0, NULL}};
static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT,  .m_name = "provmat._native", .m_doc = "libprovmat for Python; use the package provmat.",
    .m_methods = functions, .m_slots = module_slots,
};

PyMODINIT_FUNC PyInit__native(void) { return PyModuleDef_Init(&module); }
