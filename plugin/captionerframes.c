/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plugin/captioner-private.h"

#define GST_CAT_DEFAULT gst_ituning_captioner_debug

/* A frame's way. Live, a keyframe's picture is left with the engine and the
 * frame goes on at once, with the newest caption there is. In a file the frame
 * waits for its caption; with a text pad, video is then held until the cue that
 * it belongs to is over and has gone out ahead of it. */

/* Gaps are told to the text pad this often. */
#define GAP_INTERVAL (100 * GST_MSECOND)

/* --- settings ----------------------------------------------------------- */

/* Captions end with the newest frame; what is at work is not wanted. */
static void
turn_off (GstItuningCaptioner *self)
{
  gst_ituning_captioner_finish_cue (self);
  gst_ituning_sampler_reset (self->sampler);
  g_mutex_lock (&self->lock);
  self->epoch++;
  g_clear_pointer (&self->current, gst_ituning_caption_unref);
  self->postponed = GST_CLOCK_TIME_NONE;
  if (self->stream != NULL && !self->flushing) {
    gst_ituning_stream_flush (self->stream);
    gst_ituning_stream_resume (self->stream);
  }
  g_mutex_unlock (&self->lock);
}

static void
switch_captions (GstItuningCaptioner *self)
{
  if (!self->now.enabled)
    turn_off (self);
  else if (self->engine == NULL)
    GST_ELEMENT_WARNING (self, RESOURCE, SETTINGS,
        ("Captions stay off, for want of a model."),
        ("there was none to load when the element started with captions off"));
}

static void
read_settings (GstItuningCaptioner *self)
{
  const gboolean was_enabled = self->now.enabled;

  if (!g_atomic_int_compare_and_exchange (&self->settings_changed, TRUE, FALSE))
    return;
  gst_ituning_settings_clear (&self->now);
  GST_OBJECT_LOCK (self);
  gst_ituning_settings_copy (&self->now, &self->settings);
  GST_OBJECT_UNLOCK (self);
  g_object_set (self->sampler, "keyframes", self->now.keyframes, "min-interval",
      self->now.min_interval, "max-interval", self->now.max_interval,
      "scene-threshold", self->now.scene_threshold, NULL);
  if (self->stream != NULL)
    gst_ituning_stream_set_options (self->stream, &self->now.generate,
        self->now.visual_tokens, self->now.similarity_threshold,
        self->live ? self->now.max_age : GST_CLOCK_TIME_NONE);
  if (self->now.enabled != was_enabled)
    switch_captions (self);
}

static gboolean
ask_live (GstItuningCaptioner *self)
{
  g_autoptr (GstQuery) query = gst_query_new_latency ();
  gboolean live = FALSE;

  if (gst_pad_peer_query (self->sinkpad, query))
    gst_query_parse_latency (query, &live, NULL, NULL);
  return live;
}

/* With the first frame, when it is known whether the pipeline is live. */
static void
open_stream (GstItuningCaptioner *self)
{
  const GstItuningPolicy policy = (self->live = ask_live (self))
      ? GST_ITUNING_POLICY_NEWEST
      : GST_ITUNING_POLICY_ALL;
  g_autoptr (ItuningModel) model = NULL;
  GstItuningStream *stream;
  guint max_queued;

  GST_OBJECT_LOCK (self);
  max_queued = self->settings.max_queued;
  GST_OBJECT_UNLOCK (self);
  GST_INFO_OBJECT (self, "the pipeline is %s",
      self->live ? "live" : "not live");
  g_mutex_lock (&self->lock);
  model = ituning_model_ref (self->model);
  g_mutex_unlock (&self->lock);
  stream = gst_ituning_stream_new (self->engine, model, policy, max_queued,
      gst_ituning_captioner_on_result, self);
  g_mutex_lock (&self->lock);
  self->stream = stream;
  if (self->flushing)
    gst_ituning_stream_flush (stream);
  g_mutex_unlock (&self->lock);
  g_atomic_int_set (&self->settings_changed, TRUE);
}

/* --- keyframes ---------------------------------------------------------- */

/* Whether a frame is captioned: a keyframe, or what comes instead of one that
 * came too late. */
static gboolean
is_wanted (GstItuningCaptioner *self, GstItuningReason reason, GstClockTime pts)
{
  const gboolean is_keyframe = reason != GST_ITUNING_REASON_NONE;

  return (is_keyframe || GST_CLOCK_TIME_IS_VALID (self->postponed)) &&
      !gst_ituning_captioner_postpone (self, pts, is_keyframe);
}

/* Looks at a frame; a keyframe's picture is handed out. */
static GstItuningJob *
sample (GstItuningCaptioner *self, GstBuffer *buffer)
{
  GstItuningJob *job = NULL;
  GstItuningReason reason;
  GstVideoFrame frame;

  if (!GST_BUFFER_PTS_IS_VALID (buffer) ||
      GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_GAP) ||
      !gst_video_frame_map (&frame, &self->info, buffer, GST_MAP_READ))
    return NULL;
  reason = gst_ituning_sampler_push (self->sampler, &frame,
      GST_BUFFER_PTS (buffer), GST_BUFFER_FLAGS (buffer));
  if (is_wanted (self, reason, GST_BUFFER_PTS (buffer)))
    job = gst_ituning_pictures_take (&self->pictures, &frame);
  gst_video_frame_unmap (&frame);
  if (job != NULL) {
    job->pts = GST_BUFFER_PTS (buffer);
    GST_LOG_OBJECT (self, "keyframe at %" GST_TIME_FORMAT ", reason %d",
        GST_TIME_ARGS (job->pts), (int) reason);
  }
  return job;
}

static void
submit (GstItuningCaptioner *self, GstItuningJob *job)
{
  g_mutex_lock (&self->lock);
  job->stream_time = gst_segment_to_stream_time (&self->segment,
      GST_FORMAT_TIME, job->pts);
  job->running_time = gst_segment_to_running_time (&self->segment,
      GST_FORMAT_TIME, job->pts);
  job->epoch = self->epoch;
  self->stats.keyframes++;
  if (!self->live)
    self->waiting++;
  g_mutex_unlock (&self->lock);
  if (!gst_ituning_stream_submit (self->stream, job) || self->live)
    return;
  g_mutex_lock (&self->lock);
  while (self->waiting > 0 && !self->flushing)
    g_cond_wait (&self->answered, &self->lock);
  g_mutex_unlock (&self->lock);
}

/* --- source pad --------------------------------------------------------- */

static GstFlowReturn
push_buffer (GstItuningCaptioner *self, GstBuffer *buffer,
    GstItuningCaption *caption)
{
  GstFlowReturn flow;
  gboolean text;

  if (caption != NULL) {
    buffer = gst_buffer_make_writable (buffer);
    gst_buffer_add_ituning_caption_meta (buffer, caption);
  }
  flow = gst_pad_push (self->srcpad, buffer);
  g_mutex_lock (&self->lock);
  text = self->text != NULL;
  g_mutex_unlock (&self->lock);
  /* Captions may be all that is wanted. */
  return flow == GST_FLOW_NOT_LINKED && text ? GST_FLOW_OK : flow;
}

/* Lets go of what is held, with the cue that is over. */
static GstFlowReturn
release_held (GstItuningCaptioner *self)
{
  GstFlowReturn flow = GST_FLOW_OK;
  g_autoptr (GstItuningCaption) caption = NULL;
  GstMiniObject *item;

  g_mutex_lock (&self->lock);
  self->release = FALSE;
  caption = g_steal_pointer (&self->closed);
  g_mutex_unlock (&self->lock);
  while ((item = gst_ituning_hold_take (&self->hold)) != NULL) {
    if (GST_IS_EVENT (item))
      gst_pad_push_event (self->srcpad, GST_EVENT (item));
    else if (flow == GST_FLOW_OK)
      flow = push_buffer (self, GST_BUFFER (item), caption);
    else
      gst_mini_object_unref (item);
  }
  return flow;
}

/* --- cues and the text pad's time --------------------------------------- */

/* Ends the open cue at @at, to go on with the same caption if @again. */
static void
end_cue (GstItuningCaptioner *self, GstClockTime at, gboolean again)
{
  GQueue messages = G_QUEUE_INIT;
  GstItuningCue cue;
  gboolean ended;

  g_mutex_lock (&self->lock);
  ended = again
      ? gst_ituning_cue_track_cut (&self->track, at, &self->segment, &cue)
      : gst_ituning_cue_track_change (&self->track, NULL, at, &self->segment,
            &cue);
  if (ended)
    gst_ituning_captioner_emit_cue (self, &cue, &messages);
  if (ended && again)
    gst_ituning_captioner_set_current (self, self->current);
  g_mutex_unlock (&self->lock);
  gst_ituning_captioner_post (self, &messages);
}

static gboolean
cue_is_full (GstItuningCaptioner *self, GstClockTime pts)
{
  gboolean full;

  g_mutex_lock (&self->lock);
  full = self->track.open != NULL && pts > self->track.start &&
      pts - self->track.start >= self->now.max_cue_duration;
  g_mutex_unlock (&self->lock);
  return full;
}

/* Video is held back only for a cue that goes out on a linked text pad. */
static gboolean
must_hold (GstItuningCaptioner *self)
{
  gboolean hold;

  g_mutex_lock (&self->lock);
  hold = !self->live && self->now.max_held_time > 0 && self->text != NULL &&
      gst_pad_is_linked (GST_PAD (self->text)) && self->track.open != NULL;
  g_mutex_unlock (&self->lock);
  return hold;
}

/* Live, text can go out while it is shown. When that will end is not known, so
 * it goes in pieces, each from where the one before ends and sent with the last
 * frame of that; with the lock. */
static void
send_live_text (GstItuningCaptioner *self, GstClockTime pts,
    const GstItuningCaption *caption)
{
  const GstClockTime duration = self->now.live_cue_duration;
  GstClockTime start = pts;

  if (!self->live || duration == 0 || self->text == NULL || caption == NULL)
    return;
  if (GST_CLOCK_TIME_IS_VALID (self->text_until) && self->text_until > pts) {
    if (self->end < self->text_until)
      return;
    start = self->text_until;
  }
  gst_ituning_text_pad_push_cue (self->text, caption->text, start, duration);
  self->text_until = start + duration;
}

/* Whether nothing is shown at @pts, as far as the text pad's receiver knows;
 * with the lock. */
static gboolean
is_silent (const GstItuningCaptioner *self, GstClockTime pts)
{
  return self->track.open == NULL &&
      (!GST_CLOCK_TIME_IS_VALID (self->text_until) || pts >= self->text_until);
}

/* Before a frame goes on, the text pad is told that time has come to it. */
static void
tell_time (GstItuningCaptioner *self, GstClockTime pts)
{
  const GstClockTime heartbeat = self->now.text_heartbeat;
  const GstClockTime interval = heartbeat > 0 ? heartbeat : GAP_INTERVAL;

  if (!GST_CLOCK_TIME_IS_VALID (pts) ||
      (GST_CLOCK_TIME_IS_VALID (self->next_heartbeat) &&
          pts < self->next_heartbeat))
    return;
  self->next_heartbeat = pts + interval;
  g_mutex_lock (&self->lock);
  if (self->text != NULL && heartbeat > 0 && is_silent (self, pts))
    gst_ituning_text_pad_push_cue (self->text, "", pts,
        GST_ITUNING_HEARTBEAT_DURATION);
  else if (self->text != NULL)
    gst_ituning_text_pad_push_gap (self->text, pts);
  g_mutex_unlock (&self->lock);
}

/**
 * gst_ituning_captioner_finish_cue:
 *
 * Ends the open cue where the newest frame ends and lets go of what is held.
 *
 * Returns: how pushing went
 */
GstFlowReturn
gst_ituning_captioner_finish_cue (GstItuningCaptioner *self)
{
  GstClockTime end;

  g_mutex_lock (&self->lock);
  end = self->end;
  g_mutex_unlock (&self->lock);
  if (GST_CLOCK_TIME_IS_VALID (end))
    end_cue (self, end, FALSE);
  return release_held (self);
}

/**
 * gst_ituning_captioner_forget:
 *
 * Forgets all that belongs to the frames so far, after a flush or at the end.
 */
void
gst_ituning_captioner_forget (GstItuningCaptioner *self)
{
  gst_ituning_hold_clear (&self->hold);
  gst_ituning_sampler_reset (self->sampler);
  self->next_heartbeat = self->text_until = GST_CLOCK_TIME_NONE;
  g_mutex_lock (&self->lock);
  gst_ituning_cue_track_clear (&self->track);
  g_clear_pointer (&self->current, gst_ituning_caption_unref);
  g_clear_pointer (&self->closed, gst_ituning_caption_unref);
  self->release = FALSE;
  self->waiting = 0;
  self->end = self->newest_running = GST_CLOCK_TIME_NONE;
  gst_ituning_captioner_reset_qos (self);
  g_mutex_unlock (&self->lock);
}

/* --- chain -------------------------------------------------------------- */

/* Where a frame ends: by its duration, else by the frame rate, else nowhere
 * after its start. */
static GstClockTime
get_end (GstItuningCaptioner *self, GstBuffer *buffer)
{
  GstClockTime duration = GST_BUFFER_DURATION (buffer);

  if (!GST_CLOCK_TIME_IS_VALID (duration) &&
      GST_VIDEO_INFO_FPS_N (&self->info) > 0)
    duration = gst_util_uint64_scale_int (GST_SECOND,
        GST_VIDEO_INFO_FPS_D (&self->info), GST_VIDEO_INFO_FPS_N (&self->info));
  return GST_BUFFER_PTS (buffer) +
      (GST_CLOCK_TIME_IS_VALID (duration) ? duration : 0);
}

static void
note_frame (GstItuningCaptioner *self, GstBuffer *buffer)
{
  g_mutex_lock (&self->lock);
  self->stats.frames++;
  if (GST_BUFFER_PTS_IS_VALID (buffer)) {
    self->end = get_end (self, buffer);
    self->newest_running = gst_segment_to_running_time (&self->segment,
        GST_FORMAT_TIME, GST_BUFFER_PTS (buffer));
  }
  g_mutex_unlock (&self->lock);
}

/* Video of cues that are over goes on; a cue that has lasted long enough, or
 * for which no more can be held, is cut. */
static GstFlowReturn
make_way (GstItuningCaptioner *self, GstBuffer *buffer)
{
  const GstClockTime pts = GST_BUFFER_PTS (buffer);
  GstFlowReturn flow = GST_FLOW_OK;
  gboolean release;

  g_mutex_lock (&self->lock);
  release = self->release;
  g_mutex_unlock (&self->lock);
  if (release)
    flow = release_held (self);
  if (flow == GST_FLOW_OK && GST_CLOCK_TIME_IS_VALID (pts) &&
      (cue_is_full (self, pts) ||
          !gst_ituning_hold_has_room (&self->hold, buffer,
              self->now.max_held_time, self->now.max_held_bytes))) {
    end_cue (self, pts, TRUE);
    flow = release_held (self);
  }
  return flow;
}

static GstFlowReturn
pass_on (GstItuningCaptioner *self, GstBuffer *buffer)
{
  g_autoptr (GstItuningCaption) caption = NULL;
  GstFlowReturn flow = make_way (self, buffer);

  if (flow != GST_FLOW_OK) {
    gst_buffer_unref (buffer);
    return flow;
  }
  if (must_hold (self)) {
    gst_ituning_hold_add (&self->hold, GST_MINI_OBJECT_CAST (buffer));
    return GST_FLOW_OK;
  }
  flow = release_held (self);
  g_mutex_lock (&self->lock);
  if (self->current != NULL)
    caption = gst_ituning_caption_ref (self->current);
  if (GST_BUFFER_PTS_IS_VALID (buffer))
    send_live_text (self, GST_BUFFER_PTS (buffer), caption);
  g_mutex_unlock (&self->lock);
  tell_time (self, GST_BUFFER_PTS (buffer));
  if (flow == GST_FLOW_OK)
    return push_buffer (self, buffer, caption);
  gst_buffer_unref (buffer);
  return flow;
}

/**
 * gst_ituning_captioner_chain:
 *
 * The sink pad's chain function.
 */
GstFlowReturn
gst_ituning_captioner_chain (GstPad *pad, GstObject *parent, GstBuffer *buffer)
{
  GstItuningCaptioner *self = GST_ITUNING_CAPTIONER (parent);
  GstItuningJob *job = NULL;
  gboolean flushing;

  if (GST_VIDEO_INFO_FORMAT (&self->info) == GST_VIDEO_FORMAT_UNKNOWN) {
    gst_buffer_unref (buffer);
    return GST_FLOW_NOT_NEGOTIATED;
  }
  if (self->stream == NULL && self->engine != NULL)
    open_stream (self);
  read_settings (self);
  if (self->segment.format != GST_FORMAT_TIME)
    return push_buffer (self, buffer, NULL);
  if (self->now.enabled && self->stream != NULL)
    job = sample (self, buffer);
  if (job != NULL)
    submit (self, job);
  note_frame (self, buffer);
  g_mutex_lock (&self->lock);
  flushing = self->flushing;
  g_mutex_unlock (&self->lock);
  if (flushing) {
    gst_buffer_unref (buffer);
    return GST_FLOW_FLUSHING;
  }
  return pass_on (self, buffer);
}
