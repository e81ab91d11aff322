/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One picture of a whole video: the first frame of every caption, with the
 * caption on it.
 *
 *   contact-sheet VIDEO OUT.png [MODEL]
 *
 * Without MODEL the captions are those of the built-in model. */
#include <gdk-pixbuf/gdk-pixbuf.h>
#include <gst/app/gstappsink.h>
#include <gst/gst.h>
#include <gst/video/video.h>

#include "gst/gstituning.h"

#define WIDTH 320
#define HEIGHT 240
#define COLUMNS 3
#define MAX_PICTURES 60

#define LINE \
  "filesrc name=source ! decodebin ! videoconvert ! " \
  "ituningoverlay name=overlay ! videoconvert ! videoscale add-borders=true ! " \
  "video/x-raw,format=RGB,width=320,height=240,pixel-aspect-ratio=1/1 ! " \
  "appsink name=sink sync=false"

static GstElement *
make_pipeline (const char *video, const char *model, GError **error)
{
  GstElement *pipeline = gst_parse_launch (LINE, error);
  g_autoptr (GstElement) source = NULL, overlay = NULL;

  if (pipeline == NULL)
    return NULL;
  source = gst_bin_get_by_name (GST_BIN (pipeline), "source");
  overlay = gst_bin_get_by_name (GST_BIN (pipeline), "overlay");
  g_object_set (source, "location", video, NULL);
  if (model != NULL)
    g_object_set (overlay, "model", model, NULL);
  return pipeline;
}

/* Whether a frame is the first with its caption. */
static gboolean
is_new (GstBuffer *buffer, guint64 *last_id)
{
  g_autoptr (GstItuningCaption) caption = gst_ituning_caption_from_buffer (
      buffer);

  if (caption == NULL || caption->id == *last_id)
    return FALSE;
  *last_id = caption->id;
  return TRUE;
}

static GdkPixbuf *
copy_picture (GstSample *sample)
{
  GstVideoInfo info;
  GstVideoFrame frame;
  GdkPixbuf *picture;
  g_autoptr (GdkPixbuf) view = NULL;

  gst_video_info_from_caps (&info, gst_sample_get_caps (sample));
  if (!gst_video_frame_map (&frame, &info, gst_sample_get_buffer (sample),
          GST_MAP_READ))
    g_error ("a frame cannot be read");
  view = gdk_pixbuf_new_from_data (GST_VIDEO_FRAME_PLANE_DATA (&frame, 0),
      GDK_COLORSPACE_RGB, FALSE, 8, WIDTH, HEIGHT,
      GST_VIDEO_FRAME_PLANE_STRIDE (&frame, 0), NULL, NULL);
  picture = gdk_pixbuf_copy (view);
  gst_video_frame_unmap (&frame);
  return picture;
}

/* An error of the pipeline; NULL when there is none. */
static GstMessage *
find_error (GstElement *pipeline)
{
  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);

  return gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR);
}

/* Pictures up to the end of the video, or to what @failure gets. */
static GPtrArray *
collect_pictures (GstElement *pipeline, GstMessage **failure)
{
  g_autoptr (GstElement) sink = gst_bin_get_by_name (GST_BIN (pipeline),
      "sink");
  GPtrArray *pictures = g_ptr_array_new_with_free_func (g_object_unref);
  guint64 last_id = G_MAXUINT64;

  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  while (pictures->len < MAX_PICTURES &&
      !gst_app_sink_is_eos (GST_APP_SINK (sink)) &&
      (*failure = find_error (pipeline)) == NULL) {
    GstSample *sample = gst_app_sink_try_pull_sample (GST_APP_SINK (sink),
        100 * GST_MSECOND);
    if (sample != NULL && is_new (gst_sample_get_buffer (sample), &last_id))
      g_ptr_array_add (pictures, copy_picture (sample));
    if (sample != NULL)
      gst_sample_unref (sample);
  }
  gst_element_set_state (pipeline, GST_STATE_NULL);
  return pictures;
}

static void
report_error (GstMessage *message)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *detail = NULL;

  gst_message_parse_error (message, &error, &detail);
  g_printerr ("contact-sheet: %s %s\n", error->message, detail);
}

static gboolean
save_sheet (const GPtrArray *pictures, const char *path, GError **error)
{
  const int columns = MIN (COLUMNS, (int) pictures->len);
  const int rows = ((int) pictures->len + COLUMNS - 1) / COLUMNS;
  g_autoptr (GdkPixbuf) sheet = gdk_pixbuf_new (GDK_COLORSPACE_RGB, FALSE, 8,
      columns * WIDTH, rows * HEIGHT);

  gdk_pixbuf_fill (sheet, 0);
  for (int i = 0; i < (int) pictures->len; i++)
    gdk_pixbuf_copy_area (g_ptr_array_index (pictures, (guint) i), 0, 0, WIDTH,
        HEIGHT, sheet, i % COLUMNS * WIDTH, i / COLUMNS * HEIGHT);
  return gdk_pixbuf_save (sheet, path, "png", error, NULL);
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GstElement) pipeline = NULL;
  g_autoptr (GPtrArray) pictures = NULL;
  g_autoptr (GstMessage) failure = NULL;

  gst_init (&argc, &argv);
  if (argc != 3 && argc != 4) {
    g_printerr ("usage: %s VIDEO OUT.png [MODEL]\n", argv[0]);
    return 2;
  }
  pipeline = make_pipeline (argv[1], argv[3], &error);
  if (pipeline == NULL) {
    g_printerr ("contact-sheet: %s\n", error->message);
    return 1;
  }
  pictures = collect_pictures (pipeline, &failure);
  if (failure != NULL) {
    report_error (failure);
    return 1;
  }
  if (pictures->len == 0) {
    g_printerr ("contact-sheet: %s: no caption\n", argv[1]);
    return 1;
  }
  if (!save_sheet (pictures, argv[2], &error)) {
    g_printerr ("contact-sheet: %s: %s\n", argv[2], error->message);
    return 1;
  }
  g_print ("%s: %u captions\n", argv[2], pictures->len);
  return 0;
}
