/* log_kafka_places_test.c: what messages, ends and seeks do to a reader's places. */
#include "common/log/log_kafka_places.h"

#include <criterion/criterion.h>

static struct pm_kafka_places places;
static void make(void)
{
    pm_kafka_waker_init(&places.waker);
    pm_kafka_places_grow(&places, 2);
    pm_kafka_places_grow(&places, 1); /* nothing is lost */
}
static void unmake(void)
{
    pm_kafka_waker_stop(&places.waker);
    pm_kafka_places_release(&places);
}
TestSuite(log_kafka_places, .init = make, .fini = unmake);

Test(log_kafka_places, a_partition_is_unsought_at_first_and_there_is_no_other)
{
    cr_assert_eq(places.n, 2);
    cr_assert(pm_kafka_place(&places, 1)->position == -1 && !pm_kafka_place(&places, 1)->delivering);
    cr_assert_null(pm_kafka_place(&places, 2));
    cr_assert_null(pm_kafka_place(&places, -1));
}

Test(log_kafka_places, a_message_moves_on_and_comes_once)
{
    pm_kafka_place_sought(&places, 0, 10, 1000);
    const struct pm_kafka_place *place = pm_kafka_place(&places, 0);
    cr_assert(place->assigned && place->delivering && place->position == 10);
    cr_assert(pm_kafka_place_heard(&places, 0, 10, 1001));
    cr_assert(pm_kafka_place_heard(&places, 0, 15, 1002)); /* others were compacted away */
    cr_assert_eq(place->position, 16);
    cr_assert_not(pm_kafka_place_heard(&places, 0, 15, 9000));
    cr_assert_eq(place->position, 16);
    cr_assert_eq(place->breaks, 0); /* what was delivered already tells nothing of a pause */
}

Test(log_kafka_places, an_end_passes_what_nobody_receives)
{
    pm_kafka_place_sought(&places, 0, 10, 1000);
    cr_assert(pm_kafka_place_ended(&places, 0, 12)); /* two markers */
    cr_assert_eq(places.at[0].position, 12);
    cr_assert(places.at[0].at_end);
    cr_assert_not(pm_kafka_place_ended(&places, 0, 12));
    cr_assert_not(pm_kafka_place_ended(&places, 0, 11));
    cr_assert_eq(places.at[0].position, 12);
    cr_assert(pm_kafka_place_heard(&places, 0, 12, 1001));
    cr_assert_not(places.at[0].at_end);
}

Test(log_kafka_places, a_long_pause_is_counted_and_outlives_a_seek)
{
    pm_kafka_place_sought(&places, 1, 0, 1000);
    cr_assert(pm_kafka_place_heard(&places, 1, 0, 1400));
    cr_assert_eq(places.at[1].breaks, 0);
    cr_assert(pm_kafka_place_heard(&places, 1, 1, 1801));
    cr_assert_eq(places.at[1].breaks, 1);
    pm_kafka_place_left(&places, 1);
    cr_assert(!places.at[1].assigned && !places.at[1].delivering && places.at[1].position == 2);
    pm_kafka_place_sought(&places, 1, 2, 9000);
    cr_assert(places.at[1].breaks == 1 && places.at[1].delivering);
    cr_assert(pm_kafka_place_heard(&places, 1, 2, 9001)); /* counted from the seek */
    cr_assert_eq(places.at[1].breaks, 1);
}
