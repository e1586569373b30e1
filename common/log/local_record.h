/* local_record.h: a record of the embedded log as bytes (docs/formats/local-log.md). No I/O; any thread. */
#ifndef PM_LOG_LOCAL_RECORD_H
#define PM_LOG_LOCAL_RECORD_H

#include "common/base/buf.h"
#include "common/log/log.h"

/* Both take all of a record but its partition and offset. */
size_t pm_local_record_size(const struct pm_log_record *record);
/* Appends the record; a value with ptr NULL is a null value. */
void pm_local_record_encode(const struct pm_log_record *record, struct pm_buf *out);
/* Fills all of *ret but the partition and offset; slices borrow from `bytes`. NULL when fine, else what is wrong, as
 * the end of a sentence. */
const char *pm_local_record_decode(struct pm_slice bytes, struct pm_log_record *ret);
/* The time alone, unchecked: 0 when the record is cut. */
int64_t pm_local_record_time(struct pm_slice bytes);

#endif
