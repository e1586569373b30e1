/* ship.c: records -> log. A log that refuses a whole batch may mean one record of it (larger than the topic allows):
 * then the batch is halved until that record stands alone. If no record gets through, the log itself is meant. */
#include "producer/ship.h"

int pm_ship_open(struct pm_ship *ship, struct pm_error *err)
{
    if (!ship->codec) PM_TRY(pm_codec_open(&ship->codec_options, &ship->codec, err));
    if (!ship->log) PM_TRY(pm_log_open(ship->url, &ship->options, &ship->log, err));
    return PM_OK;
}

void pm_ship_close(struct pm_ship *ship)
{
    pm_log_close(ship->log);
    pm_codec_close(ship->codec);
    pm_buf_release(&ship->value);
    ship->log = NULL;
    ship->codec = NULL;
}

/* Notes a record that is refused; false when there are too many for it to be their own fault. */
static bool suspect(struct pm_ship *ship, const struct pm_record *record, const struct pm_error *why)
{
    for (size_t i = 0; i < ship->n_suspects; i++)
        if (ship->suspects[i].record == record) return true;
    if (ship->n_suspects == PM_SHIP_SUSPECTS_MAX) return false;
    ship->suspects[ship->n_suspects++] = (struct pm_ship_suspect){.record = record, .why = *why};
    return true;
}

static int append(struct pm_ship *ship, const struct pm_record *record, struct pm_error *err)
{
    struct pm_slice value = pm_slice(NULL, 0); /* of an end mark */
    if (record->value.len > 0) PM_TRY(pm_codec_reframe(ship->codec, record->value, &ship->value, &value, err));
    return pm_log_append_from(ship->log, record->key, value, record->timestamp_ms, record->origin, err);
}

static int send(struct pm_ship *ship, const struct pm_record *records, size_t n, struct pm_error *err)
{
    PM_TRY(pm_ship_open(ship, err));
    for (size_t i = 0; i < n; i++) {
        int rc = append(ship, &records[i], err);
        if (rc == PM_OK) continue;
        if (pm_error_class(rc) != PM_CLASS_POISON || !suspect(ship, &records[i], err)) return rc;
        ship->certain = true;
    }
    return pm_log_flush(ship->log, err);
}

static int sift(struct pm_ship *ship, const struct pm_record *records, size_t n, struct pm_error *err)
{
    struct pm_error why = {0};
    int rc = send(ship, records, n, &why);
    if (rc == PM_OK) {
        ship->n_sent += n;
        return PM_OK;
    }
    pm_log_close(ship->log);
    ship->log = NULL;
    bool of_a_record = pm_error_class(rc) == PM_CLASS_FATAL;
    if (of_a_record && n == 1 && suspect(ship, records, &why)) return PM_OK;
    if (!of_a_record || n == 1) return pm_error_set(err, (enum pm_code)rc, "%s", why.text);
    PM_TRY(sift(ship, records, n / 2, err));
    return sift(ship, records + n / 2, n - n / 2, err);
}

int pm_ship_batch(struct pm_ship *ship, const struct pm_record *records, size_t n, struct pm_error *err)
{
    ship->n_suspects = ship->n_sent = 0;
    ship->certain = false;
    PM_TRY(sift(ship, records, n, err));
    if (ship->n_suspects > 0 && ship->n_sent == 0 && !ship->certain)
        return pm_error_set(err, ship->suspects[0].why.code, "%s", ship->suspects[0].why.text);
    for (size_t i = 0; i < ship->n_suspects && ship->refused; i++)
        ship->refused(ship->arg, ship->suspects[i].record, ship->suspects[i].why.text);
    return PM_OK;
}

/* ---- streaming ---- */

bool pm_ship_streams(const struct pm_ship *ship) { return ship->log && pm_log_streams(ship->log); }

static int drop_log(struct pm_ship *ship, int rc)
{
    if (rc == PM_OK) return PM_OK;
    pm_log_close(ship->log);
    ship->log = NULL;
    return rc;
}

int pm_ship_append(struct pm_ship *ship, const struct pm_record *records, size_t n, struct pm_error *err)
{
    int rc = PM_OK;
    pm_log_mark(ship->log);
    for (size_t i = 0; i < n && rc == PM_OK; i++) rc = append(ship, &records[i], err);
    return drop_log(ship, rc);
}

int pm_ship_await(struct pm_ship *ship, bool all, struct pm_error *err)
{
    return drop_log(ship, all ? pm_log_flush(ship->log, err) : pm_log_await(ship->log, err));
}
