/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plugin/engine-private.h"

/**
 * gst_ituning_job_free:
 * @job: (nullable) (transfer full): a job
 */
void
gst_ituning_job_free (GstItuningJob *job)
{
  if (job == NULL)
    return;
  g_free (job->pixels);
  g_free (job);
}

/**
 * gst_ituning_stream_new:
 * @engine: an engine; the stream keeps a reference
 * @model: the model to use, of that engine
 * @policy: what happens when frames come faster than captions
 * @max_queued: most frames that wait, at least 1
 * @func: called with each result
 * @user_data: handed to @func
 *
 * Returns: (transfer full): a stream that takes frames
 */
GstItuningStream *
gst_ituning_stream_new (GstItuningEngine *engine, ItuningModel *model,
    GstItuningPolicy policy, guint max_queued, GstItuningResultFunc func,
    gpointer user_data)
{
  GstItuningStream *self = g_new0 (GstItuningStream, 1);
  const ItuningGenerateOptions options = ITUNING_GENERATE_OPTIONS_INIT;

  g_atomic_ref_count_inc (&engine->refs);
  self->engine = engine;
  self->policy = policy;
  self->max_queued = MAX (max_queued, 1);
  self->func = func;
  self->user_data = user_data;
  self->model = ituning_model_ref (model);
  self->options = options;
  self->similarity_threshold = 1.0;
  self->max_age = GST_CLOCK_TIME_NONE;
  self->cancellable = g_cancellable_new ();
  g_queue_init (&self->jobs);
  g_mutex_lock (&engine->lock);
  g_queue_push_tail (&engine->streams, self);
  g_mutex_unlock (&engine->lock);
  return self;
}

/* With the engine's lock. */
static void
drop_jobs (GstItuningStream *self)
{
  g_queue_clear_full (&self->jobs, (GDestroyNotify) gst_ituning_job_free);
  self->generation++;
  g_cancellable_cancel (self->cancellable);
  g_clear_object (&self->cancellable);
  self->cancellable = g_cancellable_new ();
  g_clear_pointer (&self->last_embedding, g_free);
  g_cond_broadcast (&self->engine->done);
}

/**
 * gst_ituning_stream_free:
 * @stream: (nullable) (transfer full): a stream; waits until its function does
 *   not run any more, so it must not be called from there
 */
void
gst_ituning_stream_free (GstItuningStream *stream)
{
  GstItuningEngine *engine;

  if (stream == NULL)
    return;
  engine = stream->engine;
  g_mutex_lock (&engine->lock);
  stream->flushing = TRUE;
  drop_jobs (stream);
  g_queue_remove (&engine->streams, stream);
  while (stream->busy)
    g_cond_wait (&engine->done, &engine->lock);
  g_mutex_unlock (&engine->lock);
  g_object_unref (stream->cancellable);
  ituning_model_unref (stream->model);
  gst_ituning_engine_unref (engine);
  g_free (stream->last_embedding);
  g_free (stream);
}

/**
 * gst_ituning_stream_set_model:
 * @model: another adapter on the same backbone, for the frames to come
 */
void
gst_ituning_stream_set_model (GstItuningStream *stream, ItuningModel *model)
{
  ItuningModel *old;

  g_mutex_lock (&stream->engine->lock);
  old = stream->model;
  stream->model = ituning_model_ref (model);
  g_clear_pointer (&stream->last_embedding, g_free);
  g_mutex_unlock (&stream->engine->lock);
  ituning_model_unref (old);
}

/**
 * gst_ituning_stream_set_options:
 * @options: how captions are written
 * @visual_tokens: to leave of an image; 0 for all
 * @similarity_threshold: a frame whose embedding's cosine to that of the last
 *   caption is at least this keeps the caption; above 1 for never
 * @max_age: frames that waited longer are dropped; %GST_CLOCK_TIME_NONE for
 *   never
 */
void
gst_ituning_stream_set_options (GstItuningStream *stream,
    const ItuningGenerateOptions *options, guint visual_tokens,
    double similarity_threshold, GstClockTime max_age)
{
  g_mutex_lock (&stream->engine->lock);
  stream->options = *options;
  stream->visual_tokens = visual_tokens;
  stream->similarity_threshold = similarity_threshold;
  stream->max_age = max_age;
  g_mutex_unlock (&stream->engine->lock);
}

/* Makes room for one job; with the engine's lock. The dropped one is handed
 * out, to be reported without the lock. */
static GstItuningJob *
make_room (GstItuningStream *self)
{
  if (self->policy == GST_ITUNING_POLICY_ALL) {
    while (self->jobs.length >= self->max_queued && !self->flushing)
      g_cond_wait (&self->engine->done, &self->engine->lock);
    return NULL;
  }
  return self->jobs.length >= self->max_queued ? g_queue_pop_head (&self->jobs)
                                               : NULL;
}

/**
 * gst_ituning_stream_submit:
 * @job: (transfer full): a frame
 *
 * Queues a frame. Waits for room when the policy is to keep all.
 *
 * Returns: FALSE when the stream is flushing, which has freed @job
 */
gboolean
gst_ituning_stream_submit (GstItuningStream *stream, GstItuningJob *job)
{
  GstItuningEngine *engine = stream->engine;
  GstItuningJob *dropped;
  gboolean taken;

  job->submitted = g_get_monotonic_time ();
  g_mutex_lock (&engine->lock);
  dropped = make_room (stream);
  taken = !stream->flushing;
  if (taken) {
    g_queue_push_tail (&stream->jobs, job);
    g_cond_signal (&engine->work);
  }
  g_mutex_unlock (&engine->lock);
  if (dropped != NULL) {
    const GstItuningResult result = { .job = dropped,
      .outcome = GST_ITUNING_OUTCOME_DROPPED };
    stream->func (&result, stream->user_data);
    gst_ituning_job_free (dropped);
  }
  if (!taken)
    gst_ituning_job_free (job);
  return taken;
}

/**
 * gst_ituning_stream_flush:
 *
 * Drops all frames, wakes all waiters and cancels the frame at work, whose
 * result will not be delivered. No frames are taken until
 * gst_ituning_stream_resume ().
 */
void
gst_ituning_stream_flush (GstItuningStream *stream)
{
  g_mutex_lock (&stream->engine->lock);
  stream->flushing = TRUE;
  drop_jobs (stream);
  g_mutex_unlock (&stream->engine->lock);
}

/**
 * gst_ituning_stream_resume:
 *
 * Takes frames again after gst_ituning_stream_flush ().
 */
void
gst_ituning_stream_resume (GstItuningStream *stream)
{
  g_mutex_lock (&stream->engine->lock);
  stream->flushing = FALSE;
  g_mutex_unlock (&stream->engine->lock);
}

/**
 * gst_ituning_stream_drain:
 * @timeout: longest time to wait; %GST_CLOCK_TIME_NONE for no limit
 *
 * Waits until all frames have their results.
 *
 * Returns: FALSE when the time was up or the stream was flushed
 */
gboolean
gst_ituning_stream_drain (GstItuningStream *stream, GstClockTime timeout)
{
  GstItuningEngine *engine = stream->engine;
  const gint64 end = GST_CLOCK_TIME_IS_VALID (timeout)
      ? g_get_monotonic_time () + (gint64) (timeout / GST_USECOND)
      : G_MAXINT64;
  gboolean in_time = TRUE, drained;
  guint generation;

  g_mutex_lock (&engine->lock);
  generation = stream->generation;
  while (in_time && generation == stream->generation &&
      (stream->jobs.length > 0 || stream->busy)) {
    if (end == G_MAXINT64)
      g_cond_wait (&engine->done, &engine->lock);
    else
      in_time = g_cond_wait_until (&engine->done, &engine->lock, end);
  }
  drained = in_time && generation == stream->generation;
  g_mutex_unlock (&engine->lock);
  return drained;
}
