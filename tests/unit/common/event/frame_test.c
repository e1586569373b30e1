/* frame_test.c: how log values begin, and what is said of those that begin otherwise. */
#include <criterion/criterion.h>

#include "common/event/frame.h"

static struct pm_frame read(struct pm_slice value)
{
    struct pm_frame frame;
    struct pm_error err = {0};
    cr_assert_eq(pm_frame_read(value, &frame, &err), PM_OK, "%s", err.text);
    return frame;
}

Test(frame, the_three_forms)
{
    struct pm_frame frame = read(PM_SLICE("\xc3\x01\x08\x07\x06\x05\x04\x03\x02\x01"
                                          "body"));
    cr_assert_eq(frame.kind, PM_FRAME_SINGLE_OBJECT);
    cr_assert_eq(frame.fingerprint, 0x0102030405060708u);
    cr_assert(pm_slice_is(frame.body, "body"));
    frame = read(PM_SLICE("\x00\x00\x00\x01\x02"));
    cr_assert_eq(frame.kind, PM_FRAME_CONFLUENT);
    cr_assert_eq(frame.schema_id, 258);
    cr_assert_eq(frame.body.len, 0);
    frame = read(PM_SLICE("{\"type\":1}"));
    cr_assert_eq(frame.kind, PM_FRAME_JSON);
    cr_assert_eq(frame.body.len, 10);
    cr_assert_eq(read(PM_SLICE(" \r\n\t{}")).kind, PM_FRAME_JSON);
}

Test(frame, what_is_written_is_read)
{
    struct pm_buf out = {0};
    pm_frame_put_single_object(0xfacb74f5ee01f792u, &out);
    cr_assert(pm_slice_eq(pm_buf_slice(&out), PM_SLICE("\xc3\x01\x92\xf7\x01\xee\xf5\x74\xcb\xfa")));
    cr_assert_eq(read(pm_buf_slice(&out)).fingerprint, 0xfacb74f5ee01f792u);
    pm_buf_clear(&out);
    pm_frame_put_confluent(0xfffefdfcu, &out);
    cr_assert(pm_slice_eq(pm_buf_slice(&out), PM_SLICE("\x00\xff\xfe\xfd\xfc")));
    cr_assert_eq(read(pm_buf_slice(&out)).schema_id, 0xfffefdfcu);
    pm_buf_release(&out);
}

static void refused(struct pm_slice value, const char *text)
{
    struct pm_frame frame;
    struct pm_error err = {0};
    cr_assert_eq(pm_frame_read(value, &frame, &err), PM_EFORMAT);
    cr_assert(strstr(err.text, text), "says \"%s\" instead of \"%s\"", err.text, text);
}

Test(frame, everything_else_is_refused_with_its_first_bytes)
{
    refused(pm_slice(NULL, 0), "the value is empty");
    refused(PM_SLICE("hello, world"), "the value of 12 bytes (68656c6c6f2c2077...) begins like none of");
    refused(PM_SLICE("["), "(5b) begins like none of");
    refused(PM_SLICE("   "), "(202020) begins like none of");
    refused(PM_SLICE("\xc3\x02\x08\x07\x06\x05\x04\x03\x02\x01"), "begins like none of");
    refused(PM_SLICE("\xc3"), "is cut inside c301");
    refused(PM_SLICE("\xc3\x01\x08\x07\x06\x05\x04\x03\x02"),
            "(c301080706050403...) is cut inside c301 and the 8-byte");
    refused(PM_SLICE("\x00\x00\x00\x01"), "(00000001) is cut inside 00 and the 4-byte");
}
