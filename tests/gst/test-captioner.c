/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include <gst/app/gstappsink.h>
#include <gst/check/gstharness.h>

#include "gst/gstituning.h"
#include "model/ituning.h"
#include "tests/gst/pipelines.h"

/* The captioner as an application sees it, with the small random model, whose
 * captions are token ids. */

/* --- cues --------------------------------------------------------------- */

static void
test_file_cues_are_the_scenes (void)
{
  g_autofree char *model = get_model ();
  Outcome first = { 0 }, second = { 0 };

  for (guint run = 0; run < 2; run++) {
    Outcome *outcome = run == 0 ? &first : &second;
    g_autoptr (GstElement) pipeline = launch (SCENES
        "! ituningcaptioner model=\"%s\" max-new-tokens=8 ! fakesink",
        model);
    play (pipeline, outcome);
    g_assert_no_error (outcome->error);
    g_assert_cmpuint (outcome->n_warnings, ==, 0);
  }
  g_assert_cmpuint (first.n_captions, >=, 3);
  g_assert_cmpuint (first.cues->len, ==, second.cues->len);
  g_assert_cmpuint (first.cues->len, >, 0);
  for (guint i = 0; i < first.cues->len; i++) {
    const Cue *a = first.cues->pdata[i], *b = second.cues->pdata[i];
    const Cue *next = i + 1 < first.cues->len ? first.cues->pdata[i + 1] : NULL;
    g_assert_true (a != NULL && b != NULL);
    g_assert_cmpstr (a->text, ==, b->text);
    g_assert_cmpuint (a->start, ==, b->start);
    g_assert_cmpuint (a->end, ==, b->end);
    if (next != NULL) {
      g_assert_cmpuint (a->end, ==, next->start);
      g_assert_cmpstr (a->text, !=, next->text);
    } else {
      g_assert_cmpuint (a->end, ==, 6 * GST_SECOND);
    }
  }
  clear_outcome (&first);
  clear_outcome (&second);
}

/* As one file; and with another's adapter, on the backbone that is shared. */
static void
test_a_packed_model_captions (void)
{
  const char *packed = g_getenv ("ITUNING_TEST_PACKED");
  g_autofree char *bundle = get_model ();
  g_auto (Outcome) outcome = { 0 };
  g_autoptr (GstElement) pipeline = NULL;

  g_assert_nonnull (packed);
  pipeline = launch (SCENES
      "! ituningcaptioner model=\"%s\" max-new-tokens=8 ! ituningcaptioner "
      "model=\"%s\" adapter=\"%s/adapter\" max-new-tokens=8 ! fakesink",
      packed, packed, bundle);
  play (pipeline, &outcome);
  g_assert_no_error (outcome.error);
  g_assert_cmpuint (outcome.n_warnings, ==, 0);
  g_assert_cmpuint (outcome.n_captions, >=, 6);
}

/* --- muxers ------------------------------------------------------------- */

/* As they are: queues of default size, an encoder, a muxer that waits. */
static void
check_muxer (const char *muxer, const char *options, const char *queue)
{
  g_autofree char *model = get_model ();
  g_auto (Outcome) outcome = { 0 };
  g_autoptr (GstElement) pipeline = NULL;

  if (!gst_registry_check_feature_version (gst_registry_get (), muxer, 1, 0,
          0)) {
    g_test_skip ("the muxer is not installed");
    return;
  }
  pipeline = launch (SCENES
      "! ituningcaptioner name=i model=\"%s\" max-new-tokens=8 %s ! jpegenc ! "
      "queue ! %s name=m ! fakesink  i.text_src ! %s ! m.",
      model, options, muxer, queue);
  play (pipeline, &outcome);
  g_assert_no_error (outcome.error);
  g_assert_cmpuint (outcome.cues->len, >=, 1);
}

static void
test_matroskamux_does_not_stall (void)
{
  check_muxer ("matroskamux", "", "queue");
}

static void
test_mp4mux_does_not_stall (void)
{
  check_muxer ("qtmux", "text-heartbeat=250000000", "queue");
}

/* --- frames ------------------------------------------------------------- */

/* Every frame of a file has the caption of its scene, also when converted,
 * scaled and encoded. */
static void
check_metadata (const char *way)
{
  g_autofree char *model = get_model ();
  g_autoptr (GstElement) pipeline = launch (
      "videotestsrc num-buffers=30 ! " VIDEO
      " ! ituningcaptioner model=\"%s\" max-new-tokens=8 ! %s ! appsink name=s "
      "sync=false",
      model, way);
  g_autoptr (GstElement) sink = gst_bin_get_by_name (GST_BIN (pipeline), "s");
  guint n_frames = 0;

  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  for (;;) {
    g_autoptr (GstSample) sample = gst_app_sink_try_pull_sample (GST_APP_SINK (
                                                                     sink),
        30 * GST_SECOND);
    g_autoptr (GstItuningCaption) caption = NULL;
    if (sample == NULL)
      break;
    caption = gst_ituning_caption_from_buffer (gst_sample_get_buffer (sample));
    g_assert_nonnull (caption);
    g_assert_cmpuint (strlen (caption->text), >, 0);
    g_assert_cmpuint (caption->keyframe, ==, 0);
    g_assert_cmpuint (caption->n_embedding, ==, 48);
    g_assert_cmpfloat (caption->confidence, >, 0.0);
    n_frames++;
  }
  g_assert_cmpuint (n_frames, ==, 30);
  gst_element_set_state (pipeline, GST_STATE_NULL);
}

static void
test_frames_carry_captions (void)
{
  check_metadata ("identity");
  check_metadata (
      "videoconvert ! videoscale ! video/x-raw,format=RGB,width=64,height=64");
  check_metadata ("jpegenc");
}

/* --- failures ----------------------------------------------------------- */

static void
test_bad_models_fail_the_start (void)
{
  g_autofree char *model = get_model ();
  g_autofree char *other = g_test_build_filename (G_TEST_DIST, "data",
      "tiny-bf16", "adapter", NULL);
  g_autofree char *misfit =
      g_strdup_printf ("ituningcaptioner model=\"%s\" adapter=\"%s\"", model,
          other);

  if (!ituning_model_is_built_in ())
    assert_start_fails ("ituningcaptioner", GST_RESOURCE_ERROR,
        GST_RESOURCE_ERROR_OPEN_READ, "no model");
  assert_start_fails ("ituningcaptioner model=/nowhere", GST_RESOURCE_ERROR,
      GST_RESOURCE_ERROR_OPEN_READ, "/nowhere");
  assert_start_fails (misfit, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_OPEN_READ,
      other);
}

/* --- harness ------------------------------------------------------------ */

static GstHarness *
make_harness (void)
{
  g_autofree char *model = get_model ();
  GstElement *element = gst_element_factory_make ("ituningcaptioner", NULL);
  GstHarness *harness;

  g_assert_nonnull (element);
  g_object_set (element, "model", model, "max-new-tokens", 4, NULL);
  harness = gst_harness_new_with_element (element, "sink", "src");
  gst_object_unref (element);
  return harness;
}

static GstBuffer *
make_frame (GstHarness *harness, GstClockTime pts, gsize size)
{
  GstBuffer *buffer = gst_harness_create_buffer (harness, size);

  gst_buffer_memset (buffer, 0, 90, size);
  GST_BUFFER_PTS (buffer) = pts;
  GST_BUFFER_DURATION (buffer) = 40 * GST_MSECOND;
  return buffer;
}

/* The same data come out, at once, whatever the size and format. */
static void
test_video_passes_unchanged (void)
{
  static const struct
  {
    const char *format;
    guint width, height;
  } cases[] = {
    { "GRAY8", 16, 16 },
    { "I420", 64, 48 },
    { "NV12", 62, 34 },
    { "I420_10LE", 64, 48 },
    { "YUY2", 64, 48 },
    { "v210", 96, 48 },
    { "RGBA64_LE", 33, 21 },
    { "RGB16", 64, 48 },
    { "P010_10LE", 320, 16 },
  };
  GstHarness *harness = make_harness ();

  gst_harness_play (harness);
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    GstVideoInfo info;
    GstBuffer *in, *out;
    GstMapInfo map;
    g_autofree char *caps = g_strdup_printf (
        "video/x-raw,format=%s,width=%u,height=%u,framerate=0/1",
        cases[i].format, cases[i].width, cases[i].height);
    gst_video_info_set_format (&info,
        gst_video_format_from_string (cases[i].format), cases[i].width,
        cases[i].height);
    gst_harness_set_src_caps_str (harness, caps);
    in = make_frame (harness, i * GST_SECOND, info.size);
    g_assert_cmpint (gst_harness_push (harness, gst_buffer_ref (in)), ==,
        GST_FLOW_OK);
    out = gst_harness_pull (harness);
    g_assert_cmpuint (GST_BUFFER_PTS (out), ==, GST_BUFFER_PTS (in));
    gst_buffer_map (in, &map, GST_MAP_READ);
    g_assert_cmpint (gst_buffer_memcmp (out, 0, map.data, map.size), ==, 0);
    gst_buffer_unmap (in, &map);
    gst_buffer_unref (in);
    gst_buffer_unref (out);
  }
  gst_harness_teardown (harness);
}

static void
test_flush_and_end_before_frames_are_borne (void)
{
  GstHarness *harness = make_harness ();

  gst_harness_set_src_caps_str (harness, VIDEO);
  g_assert_true (
      gst_harness_push_event (harness, gst_event_new_flush_start ()));
  g_assert_true (
      gst_harness_push_event (harness, gst_event_new_flush_stop (TRUE)));
  gst_harness_set_src_caps_str (harness, VIDEO);
  g_assert_true (gst_harness_push_event (harness,
      gst_event_new_gap (0, 40 * GST_MSECOND)));
  g_assert_true (gst_harness_push_event (harness, gst_event_new_eos ()));
  gst_harness_teardown (harness);
}

static void
test_latency_is_upstreams (void)
{
  GstHarness *harness = make_harness ();

  gst_harness_set_upstream_latency (harness, 30 * GST_MSECOND);
  gst_harness_set_src_caps_str (harness, VIDEO);
  g_assert_cmpuint (gst_harness_query_latency (harness), ==, 30 * GST_MSECOND);
  gst_harness_teardown (harness);
}

/* --- off ---------------------------------------------------------------- */

/* Pushes a frame; returns whether it came out with a caption. */
static gboolean
has_caption (GstHarness *harness, GstClockTime pts)
{
  GstBuffer *buffer = gst_harness_push_and_pull (harness,
      make_frame (harness, pts, 160 * 120 * 3 / 2));
  const gboolean has = gst_buffer_get_ituning_caption_meta (buffer) != NULL;

  g_assert_cmpuint (GST_BUFFER_PTS (buffer), ==, pts);
  gst_buffer_unref (buffer);
  return has;
}

static void
test_captions_are_switched_off_and_on (void)
{
  GstHarness *harness = make_harness ();
  GstBus *bus = gst_bus_new ();
  g_autoptr (GstMessage) message = NULL;
  guint64 end;

  gst_element_set_bus (harness->element, bus);
  gst_harness_set_live (harness, FALSE);
  gst_harness_set_src_caps_str (harness, VIDEO);
  g_assert_true (has_caption (harness, 0));
  g_assert_true (has_caption (harness, 40 * GST_MSECOND));
  g_object_set (harness->element, "enabled", FALSE, NULL);
  g_assert_false (has_caption (harness, 80 * GST_MSECOND));
  g_assert_false (has_caption (harness, 11 * GST_SECOND));
  while (message == NULL || !gst_message_has_name (message, "ituning-cue")) {
    g_clear_pointer (&message, gst_message_unref);
    message = gst_bus_pop_filtered (bus, GST_MESSAGE_ELEMENT);
    g_assert_nonnull (message);
  }
  gst_structure_get_uint64 (gst_message_get_structure (message), "end", &end);
  g_assert_cmpuint (end, ==, 80 * GST_MSECOND);
  g_object_set (harness->element, "enabled", TRUE, NULL);
  g_assert_true (has_caption (harness, 11040 * GST_MSECOND));
  gst_element_set_bus (harness->element, NULL);
  gst_object_unref (bus);
  gst_harness_teardown (harness);
}

/* Without a model the video passes, and captions stay off. */
static void
test_captions_that_start_off_need_no_model (void)
{
  GstElement *element;
  GstHarness *harness;
  GstBus *bus;
  g_autoptr (GstMessage) message = NULL;

  if (ituning_model_is_built_in ()) {
    g_test_skip ("the library has a model in it");
    return;
  }
  element = gst_element_factory_make ("ituningcaptioner", NULL);
  bus = gst_bus_new ();
  g_object_set (element, "enabled", FALSE, NULL);
  gst_element_set_bus (element, bus);
  harness = gst_harness_new_with_element (element, "sink", "src");
  gst_harness_set_src_caps_str (harness, VIDEO);
  g_assert_false (has_caption (harness, 0));
  g_object_set (element, "enabled", TRUE, NULL);
  g_assert_false (has_caption (harness, 40 * GST_MSECOND));
  message = gst_bus_pop_filtered (bus, GST_MESSAGE_WARNING);
  g_assert_nonnull (message);
  g_assert_cmpint (gst_element_set_state (element, GST_STATE_READY), ==,
      GST_STATE_CHANGE_SUCCESS);
  g_assert_cmpint (gst_element_set_state (element, GST_STATE_PAUSED), ==,
      GST_STATE_CHANGE_FAILURE);
  gst_element_set_bus (element, NULL);
  gst_harness_teardown (harness);
  gst_object_unref (element);
  gst_object_unref (bus);
}

/* --- text pad ----------------------------------------------------------- */

static void
test_text_stream_is_sparse (void)
{
  g_autofree char *model = get_model ();
  g_autoptr (GstElement) pipeline = launch (
      "videotestsrc num-buffers=30 ! " VIDEO
      " ! ituningcaptioner name=i model=\"%s\" max-new-tokens=8 language=de ! "
      "fakesink  i.text_src ! appsink name=s sync=false",
      model);
  g_autoptr (GstElement) sink = gst_bin_get_by_name (GST_BIN (pipeline), "s");
  g_autoptr (GstPad) pad = gst_element_get_static_pad (sink, "sink");
  g_autoptr (GstSample) sample = NULL;
  g_autoptr (GstEvent) start = NULL, tag = NULL;
  g_autofree char *language = NULL;
  GstStreamFlags flags;
  GstTagList *tags;
  GstBuffer *buffer;
  const char *id;

  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  sample = gst_app_sink_try_pull_sample (GST_APP_SINK (sink), 30 * GST_SECOND);
  g_assert_nonnull (sample);
  buffer = gst_sample_get_buffer (sample);
  g_assert_cmpuint (GST_BUFFER_PTS (buffer), ==, 0);
  g_assert_cmpuint (GST_BUFFER_DURATION (buffer), ==, 1200 * GST_MSECOND);
  start = gst_pad_get_sticky_event (pad, GST_EVENT_STREAM_START, 0);
  gst_event_parse_stream_flags (start, &flags);
  g_assert_true (flags & GST_STREAM_FLAG_SPARSE);
  gst_event_parse_stream_start (start, &id);
  g_assert_true (g_str_has_suffix (id, "/caption"));
  tag = gst_pad_get_sticky_event (pad, GST_EVENT_TAG, 0);
  gst_event_parse_tag (tag, &tags);
  g_assert_true (
      gst_tag_list_get_string (tags, GST_TAG_LANGUAGE_CODE, &language));
  g_assert_cmpstr (language, ==, "de");
  gst_element_set_state (pipeline, GST_STATE_NULL);
}

/* --- live --------------------------------------------------------------- */

/* A model that is far too slow for its video delays and drops no frame. */
static void
test_live_video_is_never_held_up (void)
{
  g_autofree char *model = get_model ();
  g_autoptr (GstElement) pipeline = launch (
      "videotestsrc is-live=true num-buffers=60 pattern=snow ! "
      "video/x-raw,width=64,height=64,framerate=60/1 ! ituningcaptioner name=i "
      "model=\"%s\" min-interval=0 max-interval=1 min-new-tokens=30 "
      "num-beams=8 ! fakesink name=s sync=true",
      model);
  g_autoptr (GstElement) captioner = gst_bin_get_by_name (GST_BIN (pipeline),
      "i");
  g_auto (Outcome) outcome = { 0 };
  guint64 answered;

  play (pipeline, &outcome);
  g_assert_no_error (outcome.error);
  g_assert_cmpuint (get_count (captioner, "frames"), ==, 60);
  g_assert_cmpuint (get_count (captioner, "keyframes"), ==, 60);
  g_assert_cmpuint (get_count (captioner, "captions"), >, 0);
  /* The end may come while one is at work and one waits. */
  answered = get_count (captioner, "captions") +
      get_count (captioner, "dropped");
  g_assert_cmpuint (answered, <=, 60);
  g_assert_cmpuint (answered, >=, 58);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  gst_init (&argc, &argv);
  g_test_add_func ("/captioner/file-cues-are-the-scenes",
      test_file_cues_are_the_scenes);
  g_test_add_func ("/captioner/a-packed-model-captions",
      test_a_packed_model_captions);
  g_test_add_func ("/captioner/matroskamux-does-not-stall",
      test_matroskamux_does_not_stall);
  g_test_add_func ("/captioner/mp4mux-does-not-stall",
      test_mp4mux_does_not_stall);
  g_test_add_func ("/captioner/frames-carry-captions",
      test_frames_carry_captions);
  g_test_add_func ("/captioner/bad-models-fail-the-start",
      test_bad_models_fail_the_start);
  g_test_add_func ("/captioner/video-passes-unchanged",
      test_video_passes_unchanged);
  g_test_add_func ("/captioner/flush-and-end-before-frames-are-borne",
      test_flush_and_end_before_frames_are_borne);
  g_test_add_func ("/captioner/latency-is-upstreams",
      test_latency_is_upstreams);
  g_test_add_func ("/captioner/text-stream-is-sparse",
      test_text_stream_is_sparse);
  g_test_add_func ("/captioner/live-video-is-never-held-up",
      test_live_video_is_never_held_up);
  g_test_add_func ("/captioner/captions-are-switched-off-and-on",
      test_captions_are_switched_off_and_on);
  g_test_add_func ("/captioner/captions-that-start-off-need-no-model",
      test_captions_that_start_off_need_no_model);
  add_leaks_test ();
  return g_test_run ();
}
