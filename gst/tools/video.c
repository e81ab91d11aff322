/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/tools/video.h"

#include "gst/tools/output.h"
#include "gst/tools/source.h"

/* filesrc ! parsebin ! (first video stream) decodebin ! ituningcaptioner !
 * fakesink: no other stream is linked, so none is decoded. For the codec's
 * keyframes the others are taken away before the decoder. Cues come back as
 * messages. */

/* A file that ends this much before its own header says was cut short. */
#define SHORT_BY (2 * GST_SECOND)

/* Used by one thread, but for what @lock guards. */
struct _ToolVideo
{
  ToolSource *source; /* owned */
  GstElement *captioner; /* borrowed from the pipeline */
  GstPad *video; /* borrowed from @source */
  ToolProgress *progress; /* owned; or NULL */
  gboolean codec; /* only the codec's keyframes are decoded */
  ToolCue *held; /* owned: with @codec, the newest cue */
  ToolCueFunc func;
  gpointer data;
  gboolean failed; /* some frame was not captioned */
  GstClockTime promised; /* duration as the file's header has it */

  GMutex lock;
  GstSegment segment; /* of the stored video */
  GstClockTime end; /* stream time at which the stored video ends so far */
  gboolean skipped; /* the frame before was taken away */
};

/* --- the stored video --------------------------------------------------- */

/* Notes where the video ends, which the decoder is not told of frames that it
 * does not get. */
static GstPadProbeReturn
on_stored (GstPad *pad, GstPadProbeInfo *info, gpointer video)
{
  ToolVideo *self = video;
  GstBuffer *buffer = GST_PAD_PROBE_INFO_BUFFER (info);
  GstClockTime end;
  gboolean drop;

  if ((info->type & GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM) != 0) {
    GstEvent *event = GST_PAD_PROBE_INFO_EVENT (info);
    g_mutex_lock (&self->lock);
    if (GST_EVENT_TYPE (event) == GST_EVENT_SEGMENT)
      gst_event_copy_segment (event, &self->segment);
    g_mutex_unlock (&self->lock);
    return GST_PAD_PROBE_OK;
  }
  drop = self->codec &&
      GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_DELTA_UNIT);
  g_mutex_lock (&self->lock);
  if (GST_BUFFER_PTS_IS_VALID (buffer) &&
      self->segment.format == GST_FORMAT_TIME) {
    end = GST_BUFFER_PTS (buffer) +
        (GST_BUFFER_DURATION_IS_VALID (buffer) ? GST_BUFFER_DURATION (buffer)
                                               : 0);
    if (GST_CLOCK_TIME_IS_VALID (self->segment.stop))
      end = MIN (end, self->segment.stop);
    end = gst_segment_to_stream_time (&self->segment, GST_FORMAT_TIME, end);
    if (GST_CLOCK_TIME_IS_VALID (end) &&
        (!GST_CLOCK_TIME_IS_VALID (self->end) || end > self->end))
      self->end = end;
  }
  if (!drop && self->skipped) {
    buffer = gst_buffer_make_writable (buffer);
    GST_BUFFER_FLAG_SET (buffer, GST_BUFFER_FLAG_DISCONT);
    GST_PAD_PROBE_INFO_DATA (info) = buffer;
  }
  self->skipped = drop;
  g_mutex_unlock (&self->lock);
  return drop ? GST_PAD_PROBE_DROP : GST_PAD_PROBE_OK;
}

static GstClockTime
get_end (ToolVideo *self)
{
  GstClockTime end;

  g_mutex_lock (&self->lock);
  end = self->end;
  g_mutex_unlock (&self->lock);
  return end;
}

/* --- pipeline ----------------------------------------------------------- */

static GstPad *
find_video (ToolSource *source)
{
  for (guint i = 0; i < source->pads->len; i++) {
    g_autoptr (GstCaps) caps = tool_source_get_caps (source, i);
    const char *name = gst_caps_get_size (caps) > 0
        ? gst_structure_get_name (gst_caps_get_structure (caps, 0))
        : "";

    if (g_str_has_prefix (name, "video/") || g_str_has_prefix (name, "image/"))
      return g_ptr_array_index (source->pads, i);
  }
  return NULL;
}

static void
on_decoded (GstElement *decoder, GstPad *pad, GstElement *captioner)
{
  g_autoptr (GstPad) sink = gst_element_get_static_pad (captioner, "sink");

  if (!gst_pad_is_linked (sink))
    gst_pad_link (pad, sink);
}

static gboolean
build (ToolVideo *self, const ToolVideoOptions *options, GError **error)
{
  GstElement *decoder = tool_source_add (self->source, "decodebin", error);
  GstElement *sink = decoder != NULL
      ? tool_source_add (self->source, "fakesink", error)
      : NULL;
  g_autoptr (GstCaps) caps = gst_caps_new_empty_simple ("video/x-raw");
  g_autoptr (GstPad) encoded = NULL;

  self->captioner = sink != NULL
      ? tool_source_add (self->source, "ituningcaptioner", error)
      : NULL;
  if (self->captioner == NULL)
    return FALSE;
  tool_video_options_apply (options, self->captioner);
  g_object_set (decoder, "caps", caps, NULL);
  g_object_set (sink, "sync", FALSE, "enable-last-sample", FALSE, NULL);
  g_signal_connect (decoder, "pad-added", G_CALLBACK (on_decoded),
      self->captioner);
  gst_element_link (self->captioner, sink);
  gst_pad_add_probe (self->video,
      GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM,
      on_stored, self, NULL);
  encoded = gst_element_get_static_pad (decoder, "sink");
  gst_pad_link (self->video, encoded);
  return TRUE;
}

/* What the header says before anything is read. Other containers have no
 * header, and what is answered for them is a guess. */
static GstClockTime
ask_duration (ToolSource *source, GstPad *pad)
{
  static const char *const demuxers[] = { "qtdemux", "matroskademux", NULL };
  gint64 duration;

  return tool_source_has_element (source, demuxers) &&
          gst_pad_query_duration (pad, GST_FORMAT_TIME, &duration) &&
          duration > 0
      ? (GstClockTime) duration
      : GST_CLOCK_TIME_NONE;
}

/**
 * tool_video_open:
 * @path: a file
 * @options: how to caption it
 *
 * Loads the model and makes sure that @path has a video stream.
 *
 * Returns: (transfer full): to be run; or %NULL with a reason that names the
 *   file that it lies in
 */
ToolVideo *
tool_video_open (const char *path, const ToolVideoOptions *options,
    GCancellable *cancellable, GError **error)
{
  g_autoptr (ToolVideo) self = g_new0 (ToolVideo, 1);

  g_mutex_init (&self->lock);
  gst_segment_init (&self->segment, GST_FORMAT_UNDEFINED);
  self->end = GST_CLOCK_TIME_NONE;
  self->codec = tool_video_options_want_codec (options);
  self->source = tool_source_open (path, NULL, cancellable, error);
  if (self->source == NULL)
    return NULL;
  self->video = find_video (self->source);
  if (self->video == NULL) {
    if (!tool_source_fail_missing (self->source, error))
      return NULL;
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_FORMAT,
        "%s: has no video stream", path);
    return NULL;
  }
  g_clear_pointer (&self->source->missing, g_free); /* for other streams */
  self->promised = ask_duration (self->source, self->video);
  if (!build (self, options, error) || !tool_source_start (self->source, error))
    return NULL;
  if (!options->quiet)
    self->progress = tool_progress_new (path, "captioning");
  return g_steal_pointer (&self);
}

/**
 * tool_video_free:
 * @video: (nullable) (transfer full): a video
 */
void
tool_video_free (ToolVideo *video)
{
  if (video == NULL)
    return;
  tool_progress_free (video->progress);
  tool_source_free (video->source);
  tool_cue_free (video->held);
  g_mutex_clear (&video->lock);
  g_free (video);
}

/* --- cues --------------------------------------------------------------- */

static ToolCue *
parse_cue (const GstStructure *structure)
{
  const char *text = gst_structure_get_string (structure, "text");
  guint64 start, end, keyframe;
  double confidence;

  if (text == NULL ||
      !gst_structure_get (structure, "start", G_TYPE_UINT64, &start, "end",
          G_TYPE_UINT64, &end, "keyframe", G_TYPE_UINT64, &keyframe,
          "confidence", G_TYPE_DOUBLE, &confidence, NULL) ||
      !GST_CLOCK_TIME_IS_VALID (start) || !GST_CLOCK_TIME_IS_VALID (end) ||
      end <= start)
    return NULL;
  return tool_cue_new (start, end, keyframe, text, confidence);
}

static gboolean
hand_out (ToolVideo *self, const ToolCue *cue, GError **error)
{
  tool_progress_clear (self->progress);
  return self->func (cue, self->data, error);
}

/* Without the frames between, the captioner takes the last keyframe for the
 * video's end: the last cue is held until it is known to be that. */
static gboolean
take_cue (ToolVideo *self, ToolCue *cue, GError **error)
{
  g_autoptr (ToolCue) next = cue;

  if (self->codec) {
    next = g_steal_pointer (&self->held);
    self->held = cue;
  }
  return next == NULL || hand_out (self, next, error);
}

static gboolean
give_held (ToolVideo *self, gboolean at_end, GError **error)
{
  g_autoptr (ToolCue) cue = g_steal_pointer (&self->held);
  const GstClockTime end = get_end (self);

  if (cue == NULL)
    return TRUE;
  if (at_end && GST_CLOCK_TIME_IS_VALID (end))
    cue->end = MAX (cue->end, end);
  return hand_out (self, cue, error);
}

static void
take_warning (ToolVideo *self, GstMessage *message)
{
  g_autoptr (GError) reason = NULL;
  g_autofree char *debug = NULL;
  const char *details;

  gst_message_parse_warning (message, &reason, &debug);
  details = debug != NULL ? g_strrstr (debug, "\n") : NULL;
  tool_progress_clear (self->progress);
  if (GST_MESSAGE_SRC (message) == GST_OBJECT (self->captioner)) {
    self->failed = TRUE;
    tool_report ("%s: %s %s", self->source->path, reason->message,
        details != NULL ? details + 1 : "");
  } else {
    tool_report ("%s: %s", self->source->path, reason->message);
  }
}

static gboolean
on_message (GstMessage *message, gpointer video, GError **error)
{
  ToolVideo *self = video;
  ToolCue *cue;

  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_WARNING)
    take_warning (self, message);
  if (!gst_message_has_name (message, "ituning-cue"))
    return TRUE;
  cue = parse_cue (gst_message_get_structure (message));
  return cue == NULL || take_cue (self, cue, error);
}

/* --- running ------------------------------------------------------------ */

/* Ends the video where it is, with the cue that is open. */
static void
end_now (ToolVideo *self)
{
  g_autoptr (GstPad) sink = gst_element_get_static_pad (self->captioner,
      "sink");
  g_autoptr (GError) ignored = NULL;

  gst_pad_send_event (sink, gst_event_new_eos ());
  tool_source_wait (self->source, on_message, self, NULL, NULL, &ignored);
  give_held (self, FALSE, NULL);
}

static void
check_length (ToolVideo *self)
{
  const GstClockTime end = get_end (self);

  if (!GST_CLOCK_TIME_IS_VALID (self->promised) ||
      !GST_CLOCK_TIME_IS_VALID (end) || self->promised <= end + SHORT_BY)
    return;
  self->failed = TRUE;
  tool_report ("%s: is cut short: ends at %.1f s of %.1f s", self->source->path,
      (double) end / GST_SECOND, (double) self->promised / GST_SECOND);
}

/**
 * tool_video_run:
 * @video: just opened; cannot be run again
 * @func: gets the cues, in order
 * @data: for @func
 * @complete: (out): gets FALSE when some frame could not be captioned or the
 *   file is cut short, which was then reported; else TRUE
 *
 * When it is cancelled, or the file turns out to be damaged, @func first gets
 * the cues up to there.
 *
 * Returns: FALSE with @func's error, %G_IO_ERROR_CANCELLED or a reason that
 *   names the file
 */
gboolean
tool_video_run (ToolVideo *video, ToolCueFunc func, gpointer data,
    gboolean *complete, GCancellable *cancellable, GError **error)
{
  gboolean done;

  video->func = func;
  video->data = data;
  done = tool_source_wait (video->source, on_message, video, video->progress,
      cancellable, error);
  if (!done && g_cancellable_is_cancelled (cancellable))
    end_now (video);
  else if (!give_held (video, done, done ? error : NULL))
    done = FALSE;
  tool_progress_clear (video->progress);
  if (done)
    check_length (video);
  *complete = !video->failed;
  return done;
}
