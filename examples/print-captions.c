/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Prints the captions that the frames of a video carry.
 *
 *   print-captions MODEL [SOURCE]
 *
 * SOURCE is the beginning of a gst-launch line; without it, the test picture.
 * Where the library is installed:
 *
 *   gcc print-captions.c $(pkg-config --cflags --libs gst-ituning-1.0)
 */
#include <gst/gst.h>

#include "gst/gstituning.h"

/* Called on the streaming thread with every frame. */
static GstPadProbeReturn
print_caption (GstPad *pad, GstPadProbeInfo *info, gpointer last)
{
  GstBuffer *frame = GST_PAD_PROBE_INFO_BUFFER (info);
  g_autoptr (GstItuningCaption) caption = gst_ituning_caption_from_buffer (
      frame);
  char **printed = last;

  if (caption == NULL || g_strcmp0 (caption->text, *printed) == 0)
    return GST_PAD_PROBE_OK;
  g_print ("%" GST_TIME_FORMAT "  %.2f  %s\n",
      GST_TIME_ARGS (GST_BUFFER_PTS (frame)), caption->confidence,
      caption->text);
  g_free (*printed);
  *printed = g_strdup (caption->text);
  return GST_PAD_PROBE_OK;
}

/* Returns whether it came to the end. */
static gboolean
play (GstElement *pipeline)
{
  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);
  g_autoptr (GstMessage) message = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *detail = NULL;

  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  message = gst_bus_timed_pop_filtered (bus, GST_CLOCK_TIME_NONE,
      GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_EOS)
    return TRUE;
  gst_message_parse_error (message, &error, &detail);
  g_printerr ("print-captions: %s %s\n", error->message, detail);
  return FALSE;
}

int
main (int argc, char **argv)
{
  g_autofree char *line = NULL, *printed = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GstElement) pipeline = NULL, captioner = NULL;
  g_autoptr (GstPad) pad = NULL;

  gst_init (&argc, &argv);
  if (argc < 2 || argc > 3) {
    g_printerr ("usage: %s MODEL [SOURCE]\n", argv[0]);
    return 2;
  }
  line = g_strdup_printf ("%s ! videoconvert ! ituningcaptioner name=captioner "
                          "! fakesink",
      argc == 3 ? argv[2] : "videotestsrc num-buffers=100");
  pipeline = gst_parse_launch (line, &error);
  if (error != NULL) {
    g_printerr ("print-captions: %s\n", error->message);
    return 1;
  }
  captioner = gst_bin_get_by_name (GST_BIN (pipeline), "captioner");
  g_object_set (captioner, "model", argv[1], NULL);
  pad = gst_element_get_static_pad (captioner, "src");
  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, print_caption, &printed,
      NULL);
  return play (pipeline) ? 0 : 1;
}
