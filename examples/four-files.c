/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Captions several files at once, on one engine: the model is in memory once,
 * and frames of all files are computed together.
 *
 *   four-files MODEL FILE...
 *
 * Prints each cue when it is over and, at the end, the most memory that it all
 * took: compare it to that of one file alone. */
#include <sys/resource.h>

#include <gst/gst.h>

#include "gst/gstituning.h"

/* Each captioner knows its file. */
static GstElement *
make_pipeline (const char *model, char **files)
{
  GstElement *pipeline = gst_pipeline_new (NULL);

  for (; *files != NULL; files++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (GstElement) source = NULL, captioner = NULL;
    GstElement *branch = gst_parse_bin_from_description (
        "filesrc name=source ! decodebin ! videoconvert ! "
        "ituningcaptioner name=captioner ! fakesink",
        FALSE, &error);
    if (error != NULL)
      g_error ("%s", error->message);
    source = gst_bin_get_by_name (GST_BIN (branch), "source");
    captioner = gst_bin_get_by_name (GST_BIN (branch), "captioner");
    g_object_set (source, "location", *files, NULL);
    g_object_set (captioner, "model", model, NULL);
    g_object_set_data (G_OBJECT (captioner), "file", *files);
    gst_bin_add (GST_BIN (pipeline), branch);
  }
  return pipeline;
}

static void
print_cue (GstMessage *message)
{
  const GstStructure *structure = gst_message_get_structure (message);
  g_autoptr (GstItuningCaption) caption = NULL;

  if (!gst_structure_has_name (structure, "ituning-cue"))
    return;
  caption = gst_ituning_caption_from_structure (structure);
  g_print ("%s: %" GST_TIME_FORMAT " - %" GST_TIME_FORMAT "  %s\n",
      (char *) g_object_get_data (G_OBJECT (GST_MESSAGE_SRC (message)), "file"),
      GST_TIME_ARGS (caption->start), GST_TIME_ARGS (caption->end),
      caption->text);
}

static void
print_error (GstMessage *message)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *detail = NULL;

  gst_message_parse_error (message, &error, &detail);
  g_printerr ("four-files: %s: %s %s\n", GST_MESSAGE_SRC_NAME (message),
      error->message, detail);
}

/* Returns whether all came to the end. */
static gboolean
play (GstElement *pipeline)
{
  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);
  GstMessageType type = GST_MESSAGE_UNKNOWN;

  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  while (type != GST_MESSAGE_EOS && type != GST_MESSAGE_ERROR) {
    g_autoptr (GstMessage) message = gst_bus_timed_pop_filtered (bus,
        GST_CLOCK_TIME_NONE,
        GST_MESSAGE_ELEMENT | GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
    type = GST_MESSAGE_TYPE (message);
    if (type == GST_MESSAGE_ELEMENT)
      print_cue (message);
    else if (type == GST_MESSAGE_ERROR)
      print_error (message);
  }
  gst_element_set_state (pipeline, GST_STATE_NULL);
  return type == GST_MESSAGE_EOS;
}

int
main (int argc, char **argv)
{
  g_autoptr (GstElement) pipeline = NULL;
  struct rusage usage;

  gst_init (&argc, &argv);
  if (argc < 3) {
    g_printerr ("usage: %s MODEL FILE...\n", argv[0]);
    return 2;
  }
  pipeline = make_pipeline (argv[1], argv + 2);
  if (!play (pipeline))
    return 1;
  getrusage (RUSAGE_SELF, &usage);
  g_print ("%d files, at most %ld MiB of memory\n", argc - 2,
      usage.ru_maxrss / 1024);
  return 0;
}
