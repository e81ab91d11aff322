/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/tools/remux.h"

#include <gst/app/app.h>
#include <string.h>

#include "gst/tools/fit.h"
#include "gst/tools/mkvtags.h"
#include "gst/tools/order.h"
#include "gst/tools/source.h"
#include "gst/tools/stamp.h"
#include "gst/tools/tracks.h"
#include "model/ituning.h"

/* filesrc ! parsebin ! (each stream) queue ! muxer ! filesink. Nothing is
 * decoded. Sparse streams, ours among them, are known as a whole before: they
 * are pushed at once, and their end with them, so that the muxer never waits for
 * one. */

/* A muxer takes the streams in step, so what a file stores far apart waits in a
 * queue; further apart than this it is not worth a machine's memory. */
#define QUEUE_BYTES (32u << 20)
#define MAX_QUEUE_BYTES (2047u << 20)

/* Used by one thread, but for the probe on the video. */
typedef struct
{
  ToolSource *source; /* owned */
  ToolContainer container;
  GstElement *muxer; /* owned */
  GPtrArray *queues; /* owned: borrowed elements, all before data flows */
  GPtrArray *cues; /* borrowed */
  GPtrArray *orders; /* owned: for MP4; else NULL */
  GPtrArray *tracks; /* owned */
  GstClockTime delay; /* by which everything is shown later */
  GstElement *captions; /* borrowed from the pipeline: where the cues go in */
} Remux;

/* --- streams ------------------------------------------------------------ */

/* A queue is full. If another is empty, the muxer waits for that one. */
static void
on_full (GstElement *queue, Remux *self)
{
  guint size, level;
  gboolean starved = FALSE;

  for (guint i = 0; i < self->queues->len; i++) {
    g_object_get (g_ptr_array_index (self->queues, i), "current-level-buffers",
        &level, NULL);
    starved = starved || level == 0;
  }
  if (!starved)
    return;
  g_object_get (queue, "max-size-bytes", &size, NULL);
  if (size < MAX_QUEUE_BYTES)
    g_object_set (queue, "max-size-bytes", MIN (size, MAX_QUEUE_BYTES / 2) * 2,
        NULL);
  else
    GST_ELEMENT_ERROR (queue, STREAM, MUX,
        ("the streams are stored too far apart"), (NULL));
}

static GstElement *
add_queue (Remux *self, GError **error)
{
  GstElement *queue = tool_source_add (self->source, "queue", error);

  if (queue == NULL)
    return NULL;
  g_object_set (queue, "max-size-buffers", 0, "max-size-time", (guint64) 0,
      "max-size-bytes", QUEUE_BYTES, NULL);
  g_signal_connect (queue, "overrun", G_CALLBACK (on_full), self);
  g_ptr_array_add (self->queues, queue);
  return queue;
}

static gboolean
link_muxer (Remux *self, GstElement *from, GstPadTemplate *template,
    const GstCaps *caps, GError **error)
{
  g_autoptr (GstPad) out = gst_element_get_static_pad (from, "src");
  g_autoptr (GstPad) in = gst_element_request_pad (self->muxer, template, NULL,
      caps);

  return (in != NULL && gst_pad_link (out, in) == GST_PAD_LINK_OK) ||
      tool_fit_refuse (self->source->path, caps, self->container, error);
}

/* A video or audio stream. */
static gboolean
link_stream (Remux *self, guint stream, GError **error)
{
  g_autoptr (GstCaps) caps = tool_source_get_caps (self->source, stream);
  g_autoptr (GstElementFactory) factory = NULL;
  g_autoptr (GstPad) in = NULL;
  GstPadTemplate *template = tool_source_find_template (self->muxer, caps);
  GstElement *queue = add_queue (self, error), *last = queue;

  if (queue == NULL)
    return FALSE;
  if (template == NULL) {
    factory = tool_fit_find_parser (self->muxer, caps, &template);
    if (factory == NULL)
      return tool_fit_refuse (self->source->path, caps, self->container, error);
    last = tool_source_add (self->source,
        gst_plugin_feature_get_name (GST_PLUGIN_FEATURE (factory)), error);
    if (last == NULL)
      return FALSE;
    gst_element_link (queue, last);
  }
  in = gst_element_get_static_pad (queue, "sink");
  if (self->orders != NULL && g_ptr_array_index (self->orders, stream) != NULL)
    tool_order_apply (g_ptr_array_index (self->orders, stream), in);
  else
    gst_pad_set_offset (in, (gint64) self->delay);
  gst_pad_link (g_ptr_array_index (self->source->pads, stream), in);
  return link_muxer (self, last, template, caps, error);
}

/* --- sparse streams ----------------------------------------------------- */

static GstElement *
add_track (Remux *self, GstCaps *caps, GstTagList *tags, GError **error)
{
  GstPadTemplate *template = tool_source_find_template (self->muxer, caps);
  GstElement *app;

  if (template == NULL) {
    tool_fit_refuse (self->source->path, caps, self->container, error);
    return NULL;
  }
  app = tool_source_add (self->source, "appsrc", error);
  if (app == NULL)
    return NULL;
  g_object_set (app, "caps", caps, "format", GST_FORMAT_TIME, "max-bytes",
      (guint64) 0, NULL);
  if (tags != NULL)
    gst_element_send_event (app, gst_event_new_tag (gst_tag_list_ref (tags)));
  return link_muxer (self, app, template, caps, error) ? app : NULL;
}

static void
push_track (Remux *self, GstElement *app, const ToolTrack *track)
{
  for (guint i = 0; i < track->buffers->len; i++) {
    GstBuffer *buffer = gst_buffer_copy (g_ptr_array_index (track->buffers, i));

    GST_BUFFER_PTS (buffer) += self->delay;
    gst_app_src_push_buffer (GST_APP_SRC (app), buffer);
  }
  gst_app_src_end_of_stream (GST_APP_SRC (app));
}

static gboolean
link_tracks (Remux *self, GError **error)
{
  for (guint i = 0; i < self->tracks->len; i++) {
    ToolTrack *track = g_ptr_array_index (self->tracks, i);
    GstElement *app;

    tool_track_strip_markup (track, self->container == TOOL_CONTAINER_MKV);
    app = add_track (self, track->caps, track->tags, error);
    if (app == NULL)
      return FALSE;
    push_track (self, app, track);
  }
  return TRUE;
}

/* --- captions ----------------------------------------------------------- */

static char *
get_text (const Remux *self, const ToolCue *cue)
{
  return self->container == TOOL_CONTAINER_MKV ? tool_cue_get_srt_text (cue)
                                               : tool_cue_get_plain_text (cue);
}

/* Cues are in stream time, a muxer counts running time: what lies between is
 * the same everywhere in a file, and the video's segment says what it is. */
static void
push_cues (Remux *self, const GstSegment *segment)
{
  const gint64 shift = (gint64) gst_segment_to_running_time (segment,
                           GST_FORMAT_TIME, segment->start) -
      (gint64) gst_segment_to_stream_time (segment, GST_FORMAT_TIME,
          segment->start);
  ToolTrack *track = tool_track_new (NULL);

  for (guint i = 0; i < self->cues->len; i++) {
    const ToolCue *cue = g_ptr_array_index (self->cues, i);
    const gint64 start = MAX ((gint64) cue->start + shift, 0);
    const gint64 end = (gint64) cue->end + shift;
    g_autofree char *text = get_text (self, cue);

    if (*text != '\0' && end > start)
      tool_track_add_text (track, text, (GstClockTime) start,
          (GstClockTime) (end - start));
  }
  push_track (self, self->captions, track);
  tool_track_free (track);
}

/* With the video's first frame its segment is there. */
static GstPadProbeReturn
on_video (GstPad *pad, GstPadProbeInfo *info, gpointer remux)
{
  g_autoptr (GstEvent) event = NULL;
  const GstSegment *segment;
  GstSegment none;

  if ((info->type & GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM) != 0 &&
      GST_EVENT_TYPE (GST_PAD_PROBE_INFO_EVENT (info)) != GST_EVENT_EOS)
    return GST_PAD_PROBE_OK;
  event = gst_pad_get_sticky_event (pad, GST_EVENT_SEGMENT, 0);
  gst_segment_init (&none, GST_FORMAT_TIME);
  if (event != NULL)
    gst_event_parse_segment (event, &segment);
  else
    segment = &none;
  push_cues (remux, segment);
  return GST_PAD_PROBE_REMOVE;
}

static gboolean
link_captions (Remux *self, const ToolTrackName *name, GError **error)
{
  g_autoptr (GstCaps) caps = gst_caps_new_simple ("text/x-raw", "format",
      G_TYPE_STRING, "utf8", NULL);
  g_autoptr (GstTagList) tags = gst_tag_list_new_empty ();

  gst_tag_list_add (tags, GST_TAG_MERGE_REPLACE, GST_TAG_LANGUAGE_CODE,
      name->language, NULL);
  if (name->title != NULL)
    gst_tag_list_add (tags, GST_TAG_MERGE_REPLACE, GST_TAG_TITLE, name->title,
        NULL);
  self->captions = add_track (self, caps, tags, error);
  return self->captions != NULL;
}

/* --- the whole ---------------------------------------------------------- */

static gboolean
link_streams (Remux *self, GError **error)
{
  for (guint i = 0; i < self->source->pads->len; i++) {
    g_autoptr (GstCaps) caps = tool_source_get_caps (self->source, i);
    if (!tool_track_is_sparse (caps) && !link_stream (self, i, error))
      return FALSE;
  }
  /* parsebin sorts: video comes first. */
  gst_pad_add_probe (g_ptr_array_index (self->source->pads, 0),
      GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, on_video,
      self, NULL);
  return TRUE;
}

static gboolean
build (Remux *self, const char *output, const ToolTrackName *name,
    GError **error)
{
  GstElement *sink = tool_source_add (self->source, "filesink", error);

  if (sink == NULL)
    return FALSE;
  gst_bin_add (GST_BIN (self->source->pipeline), self->muxer);
  g_object_set (sink, "location", output, NULL);
  gst_element_link (self->muxer, sink);
  self->source->sink = GST_OBJECT (sink);
  tool_stamp_muxer (self->muxer, self->source->path);
  return link_streams (self, error) && link_tracks (self, error) &&
      link_captions (self, name, error);
}

static gboolean
ignore_message (GstMessage *message, gpointer data, GError **error)
{
  return TRUE;
}

/* What has to be known before anything is written. */
static gboolean
read_ahead (Remux *self, const char *path, GCancellable *cancellable,
    GError **error)
{
  self->tracks = tool_tracks_read (path, self->muxer, cancellable, error);
  if (self->tracks == NULL)
    return FALSE;
  if (self->container == TOOL_CONTAINER_MP4) {
    self->orders = tool_orders_read (path, self->muxer, &self->delay,
        cancellable, error);
    if (self->orders == NULL)
      return FALSE;
  }
  self->source = tool_source_open (path, self->muxer, cancellable, error);
  return self->source != NULL;
}

static gboolean
copy (Remux *self, const char *output, const ToolTrackName *name,
    ToolProgress *progress, GCancellable *cancellable, GError **error)
{
  return build (self, output, name, error) &&
      tool_source_start (self->source, error) &&
      tool_source_wait (self->source, ignore_message, NULL, progress,
          cancellable, error);
}

static void
clear (Remux *self)
{
  tool_source_free (self->source); /* before what its probes use */
  g_clear_pointer (&self->orders, g_ptr_array_unref);
  g_clear_pointer (&self->tracks, g_ptr_array_unref);
  g_ptr_array_unref (self->queues);
  gst_clear_object (&self->muxer);
}

/**
 * tool_remux:
 * @path: a media file
 * @output: the file to write, which is there or not
 * @output_name: what it will be called, for messages
 * @container: its kind
 * @cues: (element-type ToolCue): in order; may be none
 * @name: of the track they become
 * @progress: (nullable): where to show how far it is
 *
 * Copies all streams of @path as they are and adds one track. The same input
 * gives the same bytes.
 *
 * Returns: FALSE with a reason that names the file; @output is then to be
 *   removed
 */
gboolean
tool_remux (const char *path, const char *output, const char *output_name,
    ToolContainer container, GPtrArray *cues, const ToolTrackName *name,
    ToolProgress *progress, GCancellable *cancellable, GError **error)
{
  Remux remux = { .container = container, .cues = cues };
  gboolean done;

  if (!tool_source_init (error))
    return FALSE;
  remux.muxer = tool_fit_make_muxer (container, error);
  if (remux.muxer == NULL)
    return FALSE;
  remux.queues = g_ptr_array_new ();
  done = read_ahead (&remux, path, cancellable, error);
  if (done) {
    remux.source->output = output_name;
    done = copy (&remux, output, name, progress, cancellable, error);
  }
  clear (&remux); /* closes the file */
  if (!done)
    return FALSE;
  return container == TOOL_CONTAINER_MKV ? tool_mkv_repair_tags (output, error)
                                         : tool_stamp_mp4 (output, path, error);
}
