/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/tools/tracks.h"

#include <string.h>

/**
 * tool_track_is_sparse:
 * @caps: what a stream holds
 *
 * Returns: whether it is neither video nor audio
 */
gboolean
tool_track_is_sparse (const GstCaps *caps)
{
  const char *name = gst_caps_get_size (caps) > 0
      ? gst_structure_get_name (gst_caps_get_structure (caps, 0))
      : "";

  return !g_str_has_prefix (name, "video/") &&
      !g_str_has_prefix (name, "audio/") && !g_str_has_prefix (name, "image/");
}

static void
unref_buffer (gpointer buffer)
{
  gst_buffer_unref (buffer);
}

/**
 * tool_track_new:
 * @caps: (transfer full): what it holds
 *
 * Returns: (transfer full): a track with nothing in it
 */
ToolTrack *
tool_track_new (GstCaps *caps)
{
  ToolTrack *self = g_new0 (ToolTrack, 1);

  self->caps = caps;
  self->buffers = g_ptr_array_new_with_free_func (unref_buffer);
  return self;
}

/**
 * tool_track_free:
 * @track: (nullable) (transfer full): a track
 */
void
tool_track_free (ToolTrack *track)
{
  if (track == NULL)
    return;
  g_ptr_array_unref (track->buffers);
  gst_clear_tag_list (&track->tags);
  gst_clear_caps (&track->caps);
  g_free (track);
}

/**
 * tool_track_add_text:
 * @text: UTF-8
 * @start: running time
 * @duration: more than 0
 */
void
tool_track_add_text (ToolTrack *track, const char *text, GstClockTime start,
    GstClockTime duration)
{
  GstBuffer *buffer = gst_buffer_new_memdup (text, strlen (text));

  GST_BUFFER_PTS (buffer) = start;
  GST_BUFFER_DURATION (buffer) = duration;
  g_ptr_array_add (track->buffers, buffer);
}

/* --- markup ------------------------------------------------------------- */

static void
append_entity (GString *text, const char *entity, gsize length)
{
  static const struct
  {
    const char *name;
    char value;
  } entities[] = { { "amp", '&' }, { "lt", '<' }, { "gt", '>' },
    { "quot", '"' }, { "apos", '\'' } };

  for (gsize i = 0; i < G_N_ELEMENTS (entities); i++) {
    if (length == strlen (entities[i].name) &&
        strncmp (entity, entities[i].name, length) == 0) {
      g_string_append_c (text, entities[i].value);
      return;
    }
  }
  if (length > 1 && entity[0] == '#') {
    const gboolean hex = entity[1] == 'x';
    const gunichar c = (gunichar) g_ascii_strtoull (entity + 1 + hex, NULL,
        hex ? 16 : 10);
    if (c != 0 && g_unichar_validate (c))
      g_string_append_unichar (text, c);
  }
}

static GstBuffer *
strip_buffer (GstBuffer *marked, gboolean keep_tags)
{
  GString *text = g_string_new (NULL);
  g_autofree char *markup = NULL;
  gpointer copy;
  gsize size;
  GstBuffer *buffer;

  gst_buffer_extract_dup (marked, 0, gst_buffer_get_size (marked), &copy,
      &size);
  markup = g_strndup (copy != NULL ? copy : "", size);
  g_free (copy);
  for (const char *c = markup; *c != '\0'; c++) {
    const char *end = *c == '<' && !keep_tags ? strchr (c, '>')
        : *c == '&'                           ? strchr (c, ';')
                                              : NULL;

    if (end == NULL) {
      g_string_append_c (text, *c);
      continue;
    }
    if (*c == '&')
      append_entity (text, c + 1, (gsize) (end - c) - 1);
    c = end;
  }
  buffer = gst_buffer_new_memdup (text->str, text->len);
  g_string_free (text, TRUE);
  gst_buffer_copy_into (buffer, marked,
      GST_BUFFER_COPY_FLAGS | GST_BUFFER_COPY_TIMESTAMPS, 0, -1);
  return buffer;
}

/**
 * tool_track_strip_markup:
 *
 * @keep_tags: whether <i> and the like are to stay, as SubRip has them too
 *
 * Turns Pango markup, as matroskademux hands it out, into what a muxer takes.
 */
void
tool_track_strip_markup (ToolTrack *track, gboolean keep_tags)
{
  const GstStructure *structure = gst_caps_get_structure (track->caps, 0);

  if (!gst_structure_has_name (structure, "text/x-raw") ||
      g_strcmp0 (gst_structure_get_string (structure, "format"),
          "pango-markup") != 0)
    return;
  track->caps = gst_caps_make_writable (track->caps);
  gst_caps_set_simple (track->caps, "format", G_TYPE_STRING, "utf8", NULL);
  for (guint i = 0; i < track->buffers->len; i++) {
    GstBuffer *plain = strip_buffer (g_ptr_array_index (track->buffers, i),
        keep_tags);
    gst_buffer_unref (g_ptr_array_index (track->buffers, i));
    track->buffers->pdata[i] = plain;
  }
}

/* --- reading ------------------------------------------------------------ */

static void
take_buffer (ToolTrack *self, GstPad *pad, GstBuffer *buffer)
{
  g_autoptr (GstEvent) event = gst_pad_get_sticky_event (pad, GST_EVENT_SEGMENT,
      0);
  const GstSegment *segment;
  GstClockTime start;
  GstBuffer *copy;

  if (event == NULL || !GST_BUFFER_PTS_IS_VALID (buffer))
    return;
  gst_event_parse_segment (event, &segment);
  start = gst_segment_to_running_time (segment, GST_FORMAT_TIME,
      GST_BUFFER_PTS (buffer));
  if (!GST_CLOCK_TIME_IS_VALID (start))
    return;
  copy = gst_buffer_copy_deep (buffer);
  GST_BUFFER_PTS (copy) = start;
  GST_BUFFER_DTS (copy) = GST_CLOCK_TIME_NONE;
  g_ptr_array_add (self->buffers, copy);
}

static void
take_tags (ToolTrack *self, GstEvent *event)
{
  GstTagList *tags;

  gst_event_parse_tag (event, &tags);
  if (gst_tag_list_get_scope (tags) != GST_TAG_SCOPE_STREAM)
    return;
  if (self->tags == NULL)
    self->tags = gst_tag_list_copy (tags);
  else
    gst_tag_list_insert (self->tags, tags, GST_TAG_MERGE_REPLACE);
}

/* The streaming thread is the only one at the track until the pipeline stops. */
static GstPadProbeReturn
on_data (GstPad *pad, GstPadProbeInfo *info, gpointer track)
{
  GstEvent *event;
  GstCaps *caps;

  if ((info->type & GST_PAD_PROBE_TYPE_BUFFER) != 0) {
    take_buffer (track, pad, GST_PAD_PROBE_INFO_BUFFER (info));
    return GST_PAD_PROBE_OK;
  }
  event = GST_PAD_PROBE_INFO_EVENT (info);
  if (GST_EVENT_TYPE (event) == GST_EVENT_TAG) {
    take_tags (track, event);
  } else if (GST_EVENT_TYPE (event) == GST_EVENT_CAPS) {
    gst_event_parse_caps (event, &caps);
    gst_caps_replace (&((ToolTrack *) track)->caps, caps);
  }
  return GST_PAD_PROBE_OK;
}

static gboolean
take_sticky (GstPad *pad, GstEvent **event, gpointer track)
{
  if (GST_EVENT_TYPE (*event) == GST_EVENT_TAG)
    take_tags (track, *event);
  return TRUE;
}

static gboolean
add_reader (ToolSource *source, guint stream, GPtrArray *tracks, GError **error)
{
  GstPad *pad = g_ptr_array_index (source->pads, stream);
  ToolTrack *track = tool_track_new (tool_source_get_caps (source, stream));
  GstElement *sink;
  g_autoptr (GstPad) sink_pad = NULL;

  g_ptr_array_add (tracks, track);
  sink = tool_source_add (source, "fakesink", error);
  if (sink == NULL)
    return FALSE;
  g_object_set (sink, "sync", FALSE, "async", FALSE, NULL);
  gst_pad_sticky_events_foreach (pad, take_sticky, track);
  gst_pad_add_probe (pad,
      GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, on_data,
      track, NULL);
  sink_pad = gst_element_get_static_pad (sink, "sink");
  gst_pad_link (pad, sink_pad);
  return TRUE;
}

static gboolean
ignore_message (GstMessage *message, gpointer data, GError **error)
{
  return TRUE;
}

static void
free_track (gpointer track)
{
  tool_track_free (track);
}

/**
 * tool_tracks_read:
 * @path: a media file, which is read to its end when it has sparse streams
 * @muxer: where they are to go
 *
 * Returns: (transfer full): its sparse streams, in its order; or %NULL with a
 *   reason as tool_source_open ()
 */
GPtrArray *
tool_tracks_read (const char *path, GstElement *muxer,
    GCancellable *cancellable, GError **error)
{
  g_autoptr (GPtrArray) tracks = g_ptr_array_new_with_free_func (free_track);
  g_autoptr (ToolSource) source = tool_source_open (path, muxer, cancellable,
      error);

  if (source == NULL)
    return NULL;
  for (guint i = 0; i < source->pads->len; i++) {
    g_autoptr (GstCaps) caps = tool_source_get_caps (source, i);
    if (tool_track_is_sparse (caps) && !add_reader (source, i, tracks, error))
      return NULL;
  }
  if (tracks->len > 0 &&
      (!tool_source_start (source, error) ||
          !tool_source_wait (source, ignore_message, NULL, NULL, cancellable,
              error)))
    return NULL;
  g_clear_pointer (&source, tool_source_free); /* before the tracks go on */
  return g_steal_pointer (&tracks);
}
