/* pipeline.h: batches from the thread that reads and prepares to the thread that writes. Three batches go round: one is
 * filled, one may wait, one is written; so the commit of a batch overlaps the preparation of the next. When the writer
 * fails it stops and every call says why. */
#ifndef PM_CONSUMER_PIPELINE_H
#define PM_CONSUMER_PIPELINE_H

#include "consumer/writer.h"

struct pm_pipeline;

/* `idle_merge`: merge runs while nothing comes. The writer belongs to the pipeline's thread until pm_pipeline_close. */
int pm_pipeline_open(struct pm_writer *writer, bool idle_merge, struct pm_pipeline **ret,
                     struct pm_error *err) PM_MUST_CHECK;
/* An empty batch to fill; waits for one. */
int pm_pipeline_take(struct pm_pipeline *pipeline, struct pm_batch **ret, struct pm_error *err) PM_MUST_CHECK;
/* Hands a filled batch over. */
void pm_pipeline_give(struct pm_pipeline *pipeline, struct pm_batch *batch);
bool pm_pipeline_busy(struct pm_pipeline *pipeline); /* a batch is being written or waits */
/* Waits until everything given is committed. */
int pm_pipeline_drain(struct pm_pipeline *pipeline, struct pm_error *err) PM_MUST_CHECK;
/* Stops the thread after what was given; frees. */
void pm_pipeline_close(struct pm_pipeline *pipeline);

#endif
