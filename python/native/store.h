/* store.h: the part of native.c that is provmat_store.h for Python: values that provmat.Store has made plain go in,
 * tuples come out, and the package says the events itself. The interpreter's lock is let go while the library works on
 * the disk; everything that it reads meanwhile is kept alive by the caller's arguments. Only native.c includes
 * Python.h, and this after it. */
#ifndef PROVMAT_PYTHON_STORE_H
#define PROVMAT_PYTHON_STORE_H
#ifdef Py_PYTHON_H

#include <stdlib.h>
#include <string.h>

#include "provstore/provmat_store.h"

#define CAPSULE "provmat.store"

/* (code, text): what provmat.Store makes an exception of. */
static PyObject *failed(int code, const struct provmat_error *why)
{
    return Py_BuildValue("(iN)", code, PyUnicode_DecodeUTF8(why->text, (Py_ssize_t)strlen(why->text), "replace"));
}

static void release(PyObject *capsule) { provmat_store_close(PyCapsule_GetPointer(capsule, CAPSULE)); }

/* The texts of a tuple of str, which owns them; NULL with an exception. */
static const char **tuple_of_texts(PyObject *tuple, size_t *ret_count)
{
    Py_ssize_t n = PyTuple_Size(tuple);
    const char **items = n < 0 ? NULL : calloc((size_t)n + 1, sizeof *items);
    if (!items) return n < 0 ? NULL : (const char **)PyErr_NoMemory();
    for (Py_ssize_t i = 0; i < n; i++) {
        Py_ssize_t len = 0;
        items[i] = PyUnicode_AsUTF8AndSize(PyTuple_GetItem(tuple, i), &len);
        if (items[i] && strlen(items[i]) != (size_t)len) {
            PyErr_SetString(PyExc_ValueError, "embedded null character");
            items[i] = NULL;
        }
        if (!items[i]) {
            free(items);
            return NULL;
        }
    }
    *ret_count = (size_t)n;
    return items;
}

/* (root, schema, schema_files) -> a capsule, or (code, text) */
static PyObject *store_open(PyObject *module, PyObject *arguments)
{
    (void)module;
    struct provmat_store_options options = {.size = sizeof options};
    struct provmat_error why;
    provmat_store *store = NULL;
    PyObject *files;
    if (!PyArg_ParseTuple(arguments, "szO!", &options.root, &options.schema, &PyTuple_Type, &files)) return NULL;
    const char **names = tuple_of_texts(files, &options.n_schema_files);
    if (!names) return NULL;
    options.schema_files = names;
    int code = provmat_store_open(&options, &store, &why);
    free(names);
    if (code != PROVMAT_OK) return failed(code, &why);
    PyObject *capsule = PyCapsule_New(store, CAPSULE, release);
    if (!capsule) provmat_store_close(store);
    return capsule;
}

/* The identity as a tuple of texts and None, in this order; the seed is None or its digits. */
static int take_identity(PyObject *tuple, struct provmat_result *r)
{
    const char *kind, *seed;
    *r = (struct provmat_result){.size = sizeof *r};
    if (!PyArg_ParseTuple(tuple, "szzzzzzzzzz", &kind, &r->bundle_ref, &r->bundle_digest, &r->model_digest,
                          &r->entrypoint, &r->param_id, &r->params, &seed, &r->target, &r->target_digest,
                          &r->aggregation_id))
        return -1;
    r->kind = !strcmp(kind, "sim") ? PROVMAT_SIM : PROVMAT_AGG;
    if (seed) {
        r->has = PROVMAT_HAS_SEED;
        r->seed = strtoull(seed, NULL, 10);
    }
    return 0;
}

/* ---- what is stored ---- */

static PyObject *text_or_none(const char *text)
{
    if (!text) Py_RETURN_NONE;
    return PyUnicode_DecodeUTF8(text, (Py_ssize_t)strlen(text), "replace");
}

static PyObject *files_of(const struct provmat_stored *stored)
{
    PyObject *files = PyList_New(0);
    for (size_t i = 0; files && i < stored->n_files; i++) {
        const struct provmat_file *file = &stored->files[i];
        PyObject *item = Py_BuildValue("(sNLs)", file->name, PyUnicode_DecodeFSDefault(file->file),
                                       (long long)file->size, file->checksum);
        if (!item || PyList_Append(files, item) != 0) {
            Py_XDECREF(item);
            Py_DECREF(files);
            return NULL;
        }
        Py_DECREF(item);
    }
    return files;
}

/* (outcome, path, schema, schema_version, task_id, aggregation_id, loss, n_replicates, stored_at_us, files, metadata,
 * result) */
static PyObject *described(struct provmat_stored *stored)
{
    PyObject *loss = stored->has & PROVMAT_HAS_LOSS ? PyFloat_FromDouble(stored->loss) : text_or_none(NULL);
    PyObject *replicates = stored->n_replicates ? PyLong_FromLongLong(stored->n_replicates) : text_or_none(NULL);
    PyObject *at = stored->has & PROVMAT_HAS_STORED_AT ? PyLong_FromLongLong(stored->stored_at_us) : text_or_none(NULL);
    PyObject *tuple = Py_BuildValue(
        "(iNNLNNNNNNNN)", stored->outcome, text_or_none(stored->path), text_or_none(stored->schema),
        (long long)stored->schema_version, text_or_none(stored->task_id), text_or_none(stored->aggregation_id), loss,
        replicates, at, files_of(stored), text_or_none(stored->metadata), text_or_none(stored->result));
    provmat_stored_free(stored);
    return tuple;
}

/* ---- put ---- */

/* (name, file or None, bytes or None, json) an item; the tuple owns what is pointed to. */
static struct provmat_artifact *artifacts_of(PyObject *tuple, size_t *ret_count)
{
    Py_ssize_t n = PyTuple_Size(tuple);
    struct provmat_artifact *items = calloc((size_t)(n < 0 ? 0 : n) + 1, sizeof *items);
    if (!items) return (struct provmat_artifact *)PyErr_NoMemory();
    for (Py_ssize_t i = 0; i < n; i++) {
        Py_ssize_t length = 0;
        const char *bytes;
        if (!PyArg_ParseTuple(PyTuple_GetItem(tuple, i), "szz#p", &items[i].name, &items[i].file, &bytes, &length,
                              &items[i].json)) {
            free(items);
            return NULL;
        }
        items[i].bytes = bytes;
        items[i].length = (size_t)length;
    }
    *ret_count = (size_t)n;
    return items;
}

static PyObject *put_it(provmat_store *store, struct provmat_put *put)
{
    struct provmat_stored *stored = NULL;
    struct provmat_error why;
    int code;
    Py_BEGIN_ALLOW_THREADS code = provmat_store_put(store, put, &stored, &why);
    Py_END_ALLOW_THREADS return code == PROVMAT_OK ? described(stored) : failed(code, &why);
}

/* (store, identity, task_id, input_task_ids, loss, n_replicates, diagnostics, occurred_at_us, artifacts, repair) ->
 * what is stored, or (code, text) */
static PyObject *store_put(PyObject *module, PyObject *arguments)
{
    (void)module;
    struct provmat_result result;
    struct provmat_computed event = {.size = sizeof event, .result = &result};
    struct provmat_put put = {.size = sizeof put, .event = &event};
    PyObject *capsule, *identity, *inputs, *loss, *artifacts;
    long long n_replicates, occurred_at;
    int repair;
    if (!PyArg_ParseTuple(arguments, "OO!zO!OLzLO!p", &capsule, &PyTuple_Type, &identity, &event.task_id, &PyTuple_Type,
                          &inputs, &loss, &n_replicates, &event.diagnostics, &occurred_at, &PyTuple_Type, &artifacts,
                          &repair))
        return NULL;
    provmat_store *store = PyCapsule_GetPointer(capsule, CAPSULE);
    if (!store || take_identity(identity, &result) != 0) return NULL;
    if (loss != Py_None) {
        event.has = PROVMAT_HAS_LOSS;
        event.loss = PyFloat_AsDouble(loss);
        if (event.loss == -1.0 && PyErr_Occurred()) return NULL;
    }
    event.n_replicates = n_replicates;
    event.occurred_at_us = occurred_at;
    put.flags = repair ? PROVMAT_PUT_REPAIR : 0;
    const char **ids = tuple_of_texts(inputs, &event.n_input_task_ids);
    struct provmat_artifact *items = ids ? artifacts_of(artifacts, &put.n_artifacts) : NULL;
    PyObject *done = NULL;
    if (items) {
        event.input_task_ids = event.n_input_task_ids ? ids : NULL;
        put.artifacts = items;
        done = put_it(store, &put);
    }
    free(items);
    free(ids);
    return done;
}

/* ---- get ---- */

/* (store, identity, to, link) -> what is stored, or (code, text) */
static PyObject *store_get(PyObject *module, PyObject *arguments)
{
    (void)module;
    struct provmat_result result;
    struct provmat_reused event = {.size = sizeof event, .result = &result};
    struct provmat_get get = {.size = sizeof get, .event = &event};
    struct provmat_stored *stored = NULL;
    struct provmat_error why;
    PyObject *capsule, *identity;
    int link, code;
    if (!PyArg_ParseTuple(arguments, "OO!zp", &capsule, &PyTuple_Type, &identity, &get.to, &link)) return NULL;
    provmat_store *store = PyCapsule_GetPointer(capsule, CAPSULE);
    if (!store || take_identity(identity, &result) != 0) return NULL;
    get.flags = link ? PROVMAT_GET_LINK : 0;
    Py_BEGIN_ALLOW_THREADS code = provmat_store_get(store, &get, &stored, &why);
    Py_END_ALLOW_THREADS return code == PROVMAT_OK ? described(stored) : failed(code, &why);
}

/* (target, task_ids) -> str */
static PyObject *aggregation_id(PyObject *module, PyObject *arguments)
{
    (void)module;
    const char *target;
    char out[17];
    PyObject *tuple;
    struct provmat_error why;
    size_t n;
    if (!PyArg_ParseTuple(arguments, "sO!", &target, &PyTuple_Type, &tuple)) return NULL;
    const char **ids = tuple_of_texts(tuple, &n);
    if (!ids) return NULL;
    int code = provmat_aggregation_id(target, ids, n, out, &why);
    free(ids);
    if (code == PROVMAT_OK) return PyUnicode_FromString(out);
    PyErr_SetString(PyExc_ValueError, why.text);
    return NULL;
}

#endif
#endif
