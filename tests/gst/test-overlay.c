/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include <gst/app/gstappsink.h>
#include <gst/video/video.h>

#include "gst/gstituning.h"
#include "tests/gst/pipelines.h"

/* The overlay as a viewer sees it, with the small random model. */

/* --- pixels ------------------------------------------------------------- */

#define GREY 71 /* of the picture, which is all of it: 64 of 0..255 as video */
#define BRIGHT 200 /* letters are */

typedef struct
{
  gboolean above, below; /* a pixel of the upper, of the lower half is drawn */
  gboolean cut; /* a letter is at the left or right edge */
  gboolean letters; /* a pixel is bright */
} Drawn;

static void
look_at (GstSample *sample, Drawn *drawn)
{
  GstVideoInfo info;
  GstVideoFrame frame;

  memset (drawn, 0, sizeof (*drawn));
  g_assert_true (
      gst_video_info_from_caps (&info, gst_sample_get_caps (sample)));
  g_assert_true (gst_video_frame_map (&frame, &info,
      gst_sample_get_buffer (sample), GST_MAP_READ));
  for (int y = 0; y < info.height; y++) {
    const guint8 *row = (const guint8 *) GST_VIDEO_FRAME_PLANE_DATA (&frame,
                            0) +
        (gsize) y * (gsize) GST_VIDEO_FRAME_PLANE_STRIDE (&frame, 0);
    for (int x = 0; x < info.width; x++) {
      if (row[x] == GREY)
        continue;
      *(y < info.height / 2 ? &drawn->above : &drawn->below) = TRUE;
      drawn->letters |= row[x] > BRIGHT;
      drawn->cut |= row[x] > GREY && (x == 0 || x == info.width - 1);
    }
  }
  gst_video_frame_unmap (&frame);
}

static void
draw_frame (guint width, guint height, const char *options, Drawn *drawn)
{
  g_autofree char *model = get_model ();
  g_autoptr (GstElement) pipeline =
      launch ("videotestsrc num-buffers=1 pattern=solid-color "
              "foreground-color=0xff404040 ! "
              "video/x-raw,format=GRAY8,width=%u,height=%u ! "
              "ituningoverlay model=\"%s\" %s ! appsink name=s sync=false",
          width, height, model, options);
  g_autoptr (GstElement) sink = gst_bin_get_by_name (GST_BIN (pipeline), "s");
  g_autoptr (GstSample) sample = NULL;

  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  sample = gst_app_sink_try_pull_sample (GST_APP_SINK (sink), 30 * GST_SECOND);
  g_assert_nonnull (sample);
  look_at (sample, drawn);
  gst_element_set_state (pipeline, GST_STATE_NULL);
}

static void
test_text_is_legible_on_any_size (void)
{
  static const struct
  {
    guint width, height;
    const char *options;
  } cases[] = {
    { 64, 48, "max-new-tokens=4" },
    { 176, 144, "max-new-tokens=10" },
    { 360, 640, "max-new-tokens=20" },
    { 640, 480, "max-new-tokens=30 min-new-tokens=30" },
    { 1280, 720, "max-new-tokens=30 min-new-tokens=30" },
    { 1920, 1080, "max-new-tokens=30 min-new-tokens=30" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    Drawn drawn;
    g_test_message ("%ux%u", cases[i].width, cases[i].height);
    draw_frame (cases[i].width, cases[i].height, cases[i].options, &drawn);
    g_assert_true (drawn.below);
    g_assert_true (drawn.letters);
    g_assert_false (drawn.above);
    g_assert_false (drawn.cut);
  }
}

static void
test_hidden_captions_are_not_drawn (void)
{
  Drawn drawn;

  draw_frame (320, 240, "max-new-tokens=4 min-confidence=1", &drawn);
  g_assert_false (drawn.above || drawn.below);
}

/* --- frames ------------------------------------------------------------- */

typedef struct
{
  GstElement *drawer;
  char *last; /* owned */
  guint n_frames, n_texts;
} Watch;

/* What is drawn on a frame is what the frame says. */
static GstPadProbeReturn
compare_text (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  Watch *watch = data;
  g_autoptr (GstItuningCaption) caption = gst_ituning_caption_from_buffer (
      GST_PAD_PROBE_INFO_BUFFER (info));
  g_autofree char *text = NULL;
  gboolean silent;

  g_assert_nonnull (caption);
  g_object_get (watch->drawer, "text", &text, "silent", &silent, NULL);
  g_assert_cmpstr (text, ==, caption->text);
  g_assert_false (silent);
  watch->n_frames++;
  if (g_strcmp0 (text, watch->last) != 0) {
    watch->n_texts++;
    g_free (watch->last);
    watch->last = g_steal_pointer (&text);
  }
  return GST_PAD_PROBE_OK;
}

static void
test_each_frame_has_its_own_caption (void)
{
  g_autofree char *model = get_model ();
  g_autoptr (GstElement) pipeline =
      launch ("videotestsrc num-buffers=50 pattern=smpte ! " VIDEO " ! c.  "
              "videotestsrc num-buffers=50 pattern=pinwheel ! " VIDEO " ! c.  "
              "concat name=c ! identity single-segment=true ! "
              "ituningoverlay name=o model=\"%s\" max-new-tokens=8 ! fakesink",
          model);
  g_autoptr (GstElement) overlay = gst_bin_get_by_name (GST_BIN (pipeline),
      "o");
  g_autoptr (GstPad) pad = gst_element_get_static_pad (overlay, "src");
  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);
  g_autoptr (GstMessage) message = NULL;
  Watch watch = { gst_bin_get_by_name (GST_BIN (overlay), "textoverlay"), NULL,
    0, 0 };

  g_assert_nonnull (watch.drawer);
  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, compare_text, &watch,
      NULL);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  message = gst_bus_timed_pop_filtered (bus, 30 * GST_SECOND,
      GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
  g_assert_nonnull (message);
  g_assert_cmpint ((int) GST_MESSAGE_TYPE (message), ==, (int) GST_MESSAGE_EOS);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  g_assert_cmpuint (watch.n_frames, ==, 100);
  g_assert_cmpuint (watch.n_texts, >=, 2);
  g_free (watch.last);
  gst_object_unref (watch.drawer);
}

/* --- properties --------------------------------------------------------- */

static void
test_properties_are_the_captioners (void)
{
  g_autoptr (GstElement) overlay = gst_object_ref_sink (
      gst_element_factory_make ("ituningoverlay", NULL));
  g_autoptr (GstElement) captioner = gst_bin_get_by_name (GST_BIN (overlay),
      "captioner");
  g_autofree GParamSpec **specs = NULL;
  guint n_specs, value;

  g_assert_nonnull (captioner);
  specs = g_object_class_list_properties (G_OBJECT_GET_CLASS (captioner),
      &n_specs);
  for (guint i = 0; i < n_specs; i++) {
    const GParamSpec *theirs = specs[i];
    const GParamSpec *ours = g_object_class_find_property (G_OBJECT_GET_CLASS (
                                                               overlay),
        theirs->name);
    g_test_message ("%s", theirs->name);
    g_assert_nonnull (ours);
    g_assert_cmpuint (ours->value_type, ==, theirs->value_type);
    g_assert_cmpuint (ours->flags, ==, theirs->flags);
  }
  g_object_set (overlay, "num-beams", 5, NULL);
  g_object_get (captioner, "num-beams", &value, NULL);
  g_assert_cmpuint (value, ==, 5);
  g_object_set (captioner, "num-beams", 7, NULL);
  g_object_get (overlay, "num-beams", &value, NULL);
  g_assert_cmpuint (value, ==, 7);
}

/* --- failures ----------------------------------------------------------- */

static void
test_a_bad_model_fails_the_start (void)
{
  assert_start_fails ("ituningoverlay model=/nowhere", GST_RESOURCE_ERROR,
      GST_RESOURCE_ERROR_OPEN_READ, "/nowhere");
}

/* Last: from here on this process has no textoverlay. */
static void
test_a_missing_textoverlay_is_named (void)
{
  GstRegistry *registry = gst_registry_get ();
  g_autoptr (GstPluginFeature) feature = gst_registry_lookup_feature (registry,
      "textoverlay");

  gst_registry_remove_feature (registry, feature);
  assert_start_fails ("ituningoverlay", GST_CORE_ERROR,
      GST_CORE_ERROR_MISSING_PLUGIN, "pango");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  gst_init (&argc, &argv);
  if (!gst_registry_check_feature_version (gst_registry_get (), "textoverlay",
          1, 0, 0)) {
    g_print ("1..0 # SKIP textoverlay is not installed\n");
    return 77;
  }
  g_test_add_func ("/overlay/text-is-legible-on-any-size",
      test_text_is_legible_on_any_size);
  g_test_add_func ("/overlay/hidden-captions-are-not-drawn",
      test_hidden_captions_are_not_drawn);
  g_test_add_func ("/overlay/each-frame-has-its-own-caption",
      test_each_frame_has_its_own_caption);
  g_test_add_func ("/overlay/properties-are-the-captioners",
      test_properties_are_the_captioners);
  g_test_add_func ("/overlay/a-bad-model-fails-the-start",
      test_a_bad_model_fails_the_start);
  g_test_add_func ("/overlay/a-missing-textoverlay-is-named",
      test_a_missing_textoverlay_is_named);
  add_leaks_test ();
  return g_test_run ();
}
