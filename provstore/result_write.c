/* result_write.c: the JSON files of a result (result_write.h), two blanks a level, as every store has them. What
 * result_json.c reads and what is written here are one format. Members beside those of the documented form
 * (sim_entrypoint, params and target_digest of aggregations) are what tells two results apart that share a path; who
 * does not know them passes them over. */
#include "provstore/result_write.h"

#include "common/base/json.h"
#include "common/base/time.h"

static void new_line(struct pm_buf *out, unsigned depth)
{
    pm_buf_byte(out, '\n');
    for (unsigned i = 0; i < depth; i++) pm_buf_cstr(out, "  ");
}

/* A JSON text without blanks, laid out; the first line goes where `out` stands. */
static void put_laid_out(struct pm_buf *out, struct pm_slice text, unsigned depth)
{
    bool quoted = false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i], next = i + 1 < text.len ? text.ptr[i + 1] : 0;
        bool empty = (c == '{' && next == '}') || (c == '[' && next == ']');
        if (!quoted && (c == '}' || c == ']')) new_line(out, --depth);
        pm_buf_byte(out, (uint8_t)c);
        if (quoted) {
            if (c == '\\') pm_buf_byte(out, (uint8_t)text.ptr[++i]);
            else quoted = c != '"';
        } else if (c == '"') {
            quoted = true;
        } else if (empty) {
            pm_buf_byte(out, (uint8_t)text.ptr[++i]);
        } else if (c == '{' || c == '[') {
            new_line(out, ++depth);
        } else if (c == ',') {
            new_line(out, depth);
        } else if (c == ':') {
            pm_buf_byte(out, ' ');
        }
    }
}

/* The files are made without blanks and laid out at the end. */
struct object {
    struct pm_buf text;
    bool any;
};

static void key(struct object *object, const char *name)
{
    pm_buf_byte(&object->text, object->any ? ',' : '{');
    pm_json_put_string(&object->text, pm_slice_cstr(name));
    pm_buf_byte(&object->text, ':');
    object->any = true;
}

static void add_text(struct object *object, const char *name, struct pm_slice value)
{
    key(object, name);
    pm_json_put_string(&object->text, value);
}

static void add_raw(struct object *object, const char *name, struct pm_slice json)
{
    key(object, name);
    pm_buf_slice_add(&object->text, json);
}

static void add_text_if(struct object *object, const struct pm_event *ev, uint64_t bit, const char *name,
                        struct pm_slice value)
{
    if (ev->has & bit) add_text(object, name, value);
}

static void end(struct object *object, struct pm_buf *out)
{
    pm_buf_cstr(&object->text, object->any ? "}" : "{}");
    put_laid_out(out, pm_buf_slice(&object->text), 0);
    pm_buf_byte(out, '\n');
    pm_buf_release(&object->text);
}

/* ---- metadata.json ---- */

static void add_bundle(struct object *object, const struct pm_event *ev)
{
    key(object, "bundle_ref");
    if (ev->has & PM_HAS(bundle_ref)) {
        pm_json_put_string(&object->text, ev->bundle_ref);
        return;
    }
    pm_buf_printf(&object->text, "\"sha256:%.*s\"", PM_SLICE_ARG(ev->bundle_digest));
}

/* With an offset, as since 2025-10-14. */
static void add_time(struct object *object, int64_t us)
{
    char text[PM_TIME_TEXT_SIZE];
    size_t len = pm_time_format(us, text) - 1; /* without the Z */
    key(object, "timestamp");
    pm_buf_printf(&object->text, "\"%.*s+00:00\"", (int)len, text);
}

static void add_sim(struct object *object, const struct pm_event *ev)
{
    add_text(object, "entrypoint", ev->entrypoint);
    if (ev->has & PM_HAS(params)) add_raw(object, "params", ev->params);
    key(object, "seed");
    pm_buf_printf(&object->text, "%llu", (unsigned long long)ev->seed);
    add_raw(object, "outputs", PM_SLICE("null")); /* nobody asked for certain ones */
    add_text(object, "param_id", ev->param_id);
}

static void add_agg(struct object *object, const struct pm_event *ev)
{
    add_text(object, "target_entrypoint", ev->target);
    if (ev->has & PM_HAS(input_task_ids)) {
        key(object, "n_sim_returns");
        pm_buf_printf(&object->text, "%u", (unsigned)ev->input_task_ids.count);
    }
    add_text_if(object, ev, PM_HAS(entrypoint), "sim_entrypoint", ev->entrypoint);
    if (ev->has & PM_HAS(params)) add_raw(object, "params", ev->params);
    add_text_if(object, ev, PM_HAS(target_digest), "target_digest", ev->target_digest);
}

void pm_metadata_write(const struct pm_event *ev, struct pm_buf *out)
{
    struct object object = {0};
    add_bundle(&object, ev);
    if (ev->kind == PM_KIND_SIM) add_sim(&object, ev);
    else add_agg(&object, ev);
    add_time(&object, ev->occurred_at);
    end(&object, out);
}

/* ---- result.json ---- */

static void add_outputs(struct object *object, const struct pm_put_output *outputs, size_t n, bool agg)
{
    key(object, "outputs");
    pm_buf_byte(&object->text, '{');
    for (size_t i = 0; i < n; i++) {
        long long size = outputs[i].size;
        const char *type = outputs[i].json ? "application/json" : "application/vnd.apache.arrow.file";
        if (i) pm_buf_byte(&object->text, ',');
        pm_json_put_string(&object->text, outputs[i].name);
        pm_buf_printf(&object->text, ":{\"size\":%lld,\"checksum\":\"%.64s\",", size, outputs[i].checksum);
        if (agg) pm_buf_printf(&object->text, "\"content_type\":\"%s\"}", type);
        else pm_buf_printf(&object->text, "\"%s_size\":%lld}", outputs[i].json ? "json" : "arrow", size);
    }
    pm_buf_byte(&object->text, '}');
}

static void add_inputs(struct object *object, struct pm_array task_ids)
{
    struct pm_slice id;
    const char *before = "";
    key(object, "inputs");
    pm_buf_byte(&object->text, '[');
    for (struct pm_array_iter it = pm_array_iter(task_ids); pm_array_next_text(&it, &id); before = ",") {
        pm_buf_printf(&object->text, "%s{\"type\":\"sim\",\"task_id\":", before);
        pm_json_put_string(&object->text, id);
        pm_buf_byte(&object->text, '}');
    }
    pm_buf_byte(&object->text, ']');
}

static void write_agg(struct object *object, const struct pm_event *ev, const struct pm_put_output *outputs, size_t n)
{
    add_text(object, "aggregation_id", ev->aggregation_id);
    if (ev->has & PM_HAS(loss)) {
        key(object, "loss");
        pm_json_put_double(&object->text, ev->loss);
    }
    add_raw(object, "diagnostics", ev->has & PM_HAS(diagnostics) ? ev->diagnostics : PM_SLICE("{}"));
    if (ev->has & PM_HAS(n_replicates)) {
        key(object, "n_replicates");
        pm_json_put_i64(&object->text, ev->n_replicates);
    }
    add_outputs(object, outputs, n, true);
    if (ev->has & PM_HAS(input_task_ids)) add_inputs(object, ev->input_task_ids);
}

void pm_result_write(const struct pm_event *ev, const struct pm_put_output *outputs, size_t n, struct pm_buf *out)
{
    struct object object = {0};
    if (ev->kind == PM_KIND_SIM) {
        add_text(&object, "task_id", ev->task_id);
        add_outputs(&object, outputs, n, false);
    } else {
        write_agg(&object, ev, outputs, n);
    }
    end(&object, out);
}

/* ---- manifest.json ---- */

void pm_manifest_write(const struct pm_event *ev, struct pm_buf *out)
{
    struct object object = {0}, model = {0};
    struct pm_slice name = ev->has & PM_HAS(entrypoint) ? ev->entrypoint : PM_SLICE("model");
    add_text(&object, "bundle_digest", ev->bundle_digest);
    add_text_if(&object, ev, PM_HAS(bundle_ref), "bundle_ref", ev->bundle_ref);
    key(&object, "models");
    add_text(&model, "model_digest", ev->model_digest);
    add_text(&model, "model_name", name);
    pm_buf_byte(&model.text, '}');
    pm_buf_byte(&object.text, '{');
    pm_json_put_string(&object.text, name);
    pm_buf_byte(&object.text, ':');
    pm_buf_slice_add(&object.text, pm_buf_slice(&model.text));
    pm_buf_byte(&object.text, '}');
    pm_buf_release(&model.text);
    end(&object, out);
}
