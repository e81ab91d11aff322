/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/command/media.h"

#include <gst/app/app.h>
#include <string.h>

#define WIDTH 160
#define HEIGHT 120
#define BLOCK 20

/* --- making ------------------------------------------------------------- */

/**
 * media_get_time:
 * @frame: counted from the first
 *
 * Returns: when it is shown
 */
GstClockTime
media_get_time (const Media *media, guint frame)
{
  /* 20, 20, 60 ms, again and again: as fast on average as the other. */
  static const guint steps[] = { 0, 20, 40 };

  if (media->variable)
    return media->start +
        (GstClockTime) (frame / 3 * 100 + steps[frame % 3]) * GST_MSECOND;
  return media->start + gst_util_uint64_scale (frame, GST_SECOND, 30);
}

/* A scene is blocks of colours of its own; in it a bar moves a little. */
static GstBuffer *
draw_frame (guint scene, guint frame)
{
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, (gsize) WIDTH * HEIGHT * 3,
      NULL);
  GstMapInfo map;

  gst_buffer_map (buffer, &map, GST_MAP_WRITE);
  for (guint y = 0; y < HEIGHT; y++) {
    for (guint x = 0; x < WIDTH; x++) {
      const guint32 block = (x / BLOCK) * 31 + (y / BLOCK) * 17 + scene * 101;
      const guint32 color = (block * 2654435761u) >> 8;
      guint8 *pixel = map.data + ((gsize) y * WIDTH + x) * 3;
      for (guint c = 0; c < 3; c++)
        pixel[c] = (guint8) (color >> (8 * c));
      if (y < 4 && x / 4 == frame % (WIDTH / 4))
        memset (pixel, 255, 3);
    }
  }
  gst_buffer_unmap (buffer, &map);
  return buffer;
}

static void
push_frames (GstElement *app, const Media *media)
{
  guint frame = 0;

  for (guint scene = 0; scene < MEDIA_MAX_SCENES && media->scenes[scene] > 0;
       scene++) {
    for (guint i = 0; i < media->scenes[scene]; i++, frame++) {
      GstBuffer *buffer = draw_frame (scene, i);
      GST_BUFFER_PTS (buffer) = media_get_time (media, frame);
      GST_BUFFER_DURATION (buffer) = media_get_time (media, frame + 1) -
          GST_BUFFER_PTS (buffer);
      gst_app_src_push_buffer (GST_APP_SRC (app), buffer);
    }
  }
  gst_app_src_end_of_stream (GST_APP_SRC (app));
}

static void
push_subtitle (GstElement *app)
{
  static const char *const texts[] = { "one & two", "three" };

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++) {
    GstBuffer *buffer = gst_buffer_new_memdup (texts[i], strlen (texts[i]));
    GST_BUFFER_PTS (buffer) = (2 * i + 1) * GST_SECOND;
    GST_BUFFER_DURATION (buffer) = GST_SECOND;
    gst_app_src_push_buffer (GST_APP_SRC (app), buffer);
  }
  gst_app_src_end_of_stream (GST_APP_SRC (app));
}

static void
run (GstElement *pipeline)
{
  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);
  g_autoptr (GstMessage) message = NULL;
  g_autoptr (GError) error = NULL;

  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  message = gst_bus_timed_pop_filtered (bus, 60 * GST_SECOND,
      GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
  g_assert_nonnull (message);
  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR)
    gst_message_parse_error (message, &error, NULL);
  g_assert_no_error (error);
  gst_element_set_state (pipeline, GST_STATE_NULL);
}

/**
 * media_make:
 * @path: the file to write
 * @media: what is in it
 */
void
media_make (const char *path, const Media *media)
{
  g_autoptr (GString) line = g_string_new (NULL);
  g_autoptr (GstElement) pipeline = NULL, video = NULL, text = NULL;
  g_autoptr (GError) error = NULL;
  const gboolean mp4 = g_str_equal (media->muxer, "mp4mux");

  g_string_append_printf (line,
      "appsrc name=video format=time max-bytes=0 caps=video/x-raw,format=RGB,"
      "width=%d,height=%d,framerate=%s ! videoconvert ! %s ! %s%s queue "
      "max-size-buffers=0 max-size-bytes=0 max-size-time=0 ! %s name=m%s ! "
      "filesink location=\"%s\" ",
      WIDTH, HEIGHT, media->variable ? "0/1" : "30/1",
      media->encoder != NULL
          ? media->encoder
          : "x264enc key-int-max=60 speed-preset=ultrafast bframes=2 threads=1 "
            "! h264parse",
      media->tags != NULL ? "taginject tags=" : "",
      media->tags != NULL ? media->tags : "", media->muxer,
      mp4 ? "" : " offset-to-zero=false", path);
  if (media->tags != NULL) {
    const char *before = strstr (line->str, " queue max-size-buffers=0");
    g_string_insert (line, before - line->str, " !");
  }
  if (media->audio)
    g_string_append (line,
        "audiotestsrc num-buffers=600 ! avenc_aac ! aacparse ! queue ! m. ");
  if (media->subtitle)
    g_string_append (line,
        "appsrc name=text format=time caps=text/x-raw,format=utf8 ! m.subtitle_0 ");
  pipeline = gst_parse_launch (line->str, &error);
  g_assert_no_error (error);
  video = gst_bin_get_by_name (GST_BIN (pipeline), "video");
  text = gst_bin_get_by_name (GST_BIN (pipeline), "text");
  push_frames (video, media);
  if (text != NULL)
    push_subtitle (text);
  run (pipeline);
}

/* --- reading ------------------------------------------------------------ */

static void
add_sample (MediaStream *self, GstSample *sample, GChecksum *checksum)
{
  GstBuffer *buffer = gst_sample_get_buffer (sample);
  const GstSegment *segment = gst_sample_get_segment (sample);
  const GstClockTime start = gst_segment_to_stream_time (segment,
      GST_FORMAT_TIME, GST_BUFFER_PTS (buffer));
  const GstClockTime end = start + GST_BUFFER_DURATION (buffer);
  GstMapInfo map;

  gst_buffer_map (buffer, &map, GST_MAP_READ);
  g_checksum_update (checksum, map.data, (gssize) map.size);
  g_array_append_val (self->starts, start);
  g_array_append_val (self->ends, end);
  g_ptr_array_add (self->texts, g_strndup ((char *) map.data, map.size));
  gst_buffer_unmap (buffer, &map);
}

/**
 * media_read:
 * @path: a Matroska or MP4 file
 * @kind: "video", "audio" or "subtitle"
 * @index: which of them
 *
 * Returns: (transfer full): the stream
 */
MediaStream *
media_read (const char *path, const char *kind, guint index)
{
  MediaStream *self = g_new0 (MediaStream, 1);
  g_autoptr (GChecksum) checksum = g_checksum_new (G_CHECKSUM_SHA256);
  g_autofree char *line = g_strdup_printf (
      "filesrc location=\"%s\" ! %s name=d d.%s_%u ! appsink name=sink "
      "sync=false",
      path, g_str_has_suffix (path, ".mkv") ? "matroskademux" : "qtdemux", kind,
      index);
  g_autoptr (GError) error = NULL;
  g_autoptr (GstElement) pipeline = gst_parse_launch (line, &error);
  g_autoptr (GstElement) sink = gst_bin_get_by_name (GST_BIN (pipeline),
      "sink");
  g_autoptr (GstPad) pad = gst_element_get_static_pad (sink, "sink");
  g_autoptr (GstEvent) event = NULL;
  GstSample *sample;

  g_assert_no_error (error);
  self->starts = g_array_new (FALSE, FALSE, sizeof (GstClockTime));
  self->ends = g_array_new (FALSE, FALSE, sizeof (GstClockTime));
  self->texts = g_ptr_array_new_with_free_func (g_free);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  while ((sample = gst_app_sink_pull_sample (GST_APP_SINK (sink))) != NULL) {
    add_sample (self, sample, checksum);
    gst_sample_unref (sample);
  }
  g_assert_true (gst_app_sink_is_eos (GST_APP_SINK (sink)));
  for (guint i = 0; (event = gst_pad_get_sticky_event (pad, GST_EVENT_TAG, i));
       i++) {
    GstTagList *tags;
    gst_event_parse_tag (event, &tags);
    if (gst_tag_list_get_scope (tags) == GST_TAG_SCOPE_STREAM)
      self->tags = gst_tag_list_merge (self->tags, tags, GST_TAG_MERGE_REPLACE);
    g_clear_pointer (&event, gst_event_unref);
  }
  gst_element_set_state (pipeline, GST_STATE_NULL);
  self->hash = g_strdup (g_checksum_get_string (checksum));
  return self;
}

/**
 * media_stream_free:
 */
void
media_stream_free (MediaStream *stream)
{
  if (stream == NULL)
    return;
  g_free (stream->hash);
  g_array_unref (stream->starts);
  g_array_unref (stream->ends);
  g_ptr_array_unref (stream->texts);
  gst_clear_tag_list (&stream->tags);
  g_free (stream);
}
