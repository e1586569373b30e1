/* producers.c: the view of producers: how many events each gave, and which of them arrived. */
#include "common/store/arrivals.h"
#include "consumer/views/views.h"

struct walk {
    struct pm_dump *dump;
    pm_view_each each;
    void *arg;
    struct pm_buf text;
};

/* One set has one form. */
static int take_piece(void *arg, uint32_t number, const struct pm_piece *piece, struct pm_error *err)
{
    (void)err;
    struct walk *walk = arg;
    uint8_t bytes[PM_PIECE_BYTES_MAX];
    pm_buf_printf(&walk->text, "|%u:", number);
    pm_buf_bytes(&walk->text, bytes, pm_piece_encode(piece, bytes));
    return PM_OK;
}

static int take_producer(void *arg, const struct pm_producer *producer, struct pm_error *err)
{
    struct walk *walk = arg;
    pm_buf_clear(&walk->text);
    pm_buf_printf(&walk->text, "%llx|%llu|%llu|%llu|%d|%d|%lld|%lld|", (unsigned long long)producer->id,
                  (unsigned long long)producer->events, (unsigned long long)producer->arrived,
                  (unsigned long long)producer->last, producer->closed, producer->has_times,
                  (long long)producer->first_us, (long long)producer->last_us);
    pm_buf_slice_add(&walk->text, producer->name);
    PM_TRY(pm_producer_pieces(walk->dump->snap, producer->id, take_piece, walk, err));
    struct pm_view_row row = {
        .content = pm_view_hash(pm_buf_slice(&walk->text)), .result = -1, .job = -1, .producer = producer->id};
    return walk->each(walk->arg, &row, err);
}

int pm_view_producers(struct pm_dump *dump, pm_view_each each, void *arg, struct pm_error *err)
{
    struct walk walk = {.dump = dump, .each = each, .arg = arg};
    int rc = pm_producers_each(dump->snap, take_producer, &walk, err);
    pm_buf_release(&walk.text);
    return rc;
}
