/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include <gst/check/gstharness.h>

#include "tests/gst/pipelines.h"

/* What the captioner makes of downstream's saying that frames come late. */

#define CAPS "video/x-raw,format=GRAY8,width=32,height=32,framerate=25/1"
#define INTERVAL (100 * GST_MSECOND)

typedef struct
{
  GstHarness *harness; /* owned */
  GstBus *bus; /* owned */
} Setup;

/* One keyframe every INTERVAL. */
static void
set_up (Setup *setup, gboolean live)
{
  GstElement *element = make_captioner (INTERVAL, &setup->bus);

  setup->harness = gst_harness_new_with_element (element, "sink", "src");
  gst_harness_set_live (setup->harness, live);
  gst_harness_set_src_caps_str (setup->harness, CAPS);
  gst_object_unref (element);
}

static void
tear_down (Setup *setup)
{
  gst_element_set_bus (setup->harness->element, NULL);
  gst_harness_teardown (setup->harness);
  gst_object_unref (setup->bus);
}

/* Each comes out. */
static void
push_frame (Setup *setup, GstClockTime pts)
{
  GstBuffer *buffer = gst_harness_create_buffer (setup->harness, 1024);

  gst_buffer_memset (buffer, 0, 90, 1024);
  GST_BUFFER_PTS (buffer) = pts;
  GST_BUFFER_DURATION (buffer) = 40 * GST_MSECOND;
  buffer = gst_harness_push_and_pull (setup->harness, buffer);
  g_assert_nonnull (buffer);
  g_assert_cmpuint (GST_BUFFER_PTS (buffer), ==, pts);
  gst_buffer_unref (buffer);
}

static void
send_qos (Setup *setup, GstClockTime timestamp, GstClockTimeDiff diff)
{
  g_assert_true (gst_harness_push_upstream_event (setup->harness,
      gst_event_new_qos (GST_QOS_TYPE_UNDERFLOW, 1.5, diff, timestamp)));
}

static guint64
get_stat (Setup *setup, const char *name)
{
  return get_count (setup->harness->element, name);
}

/* Until each keyframe has its answer; not coming fails by the test's time
 * limit. */
static void
wait_for_answers (Setup *setup)
{
  while (get_stat (setup, "captions") + get_stat (setup, "dropped") <
      get_stat (setup, "keyframes"))
    g_usleep (1000);
}

static GstMessage *
pop_qos (Setup *setup)
{
  return gst_bus_pop_filtered (setup->bus, GST_MESSAGE_QOS);
}

/* --- late frames -------------------------------------------------------- */

static void
check_message (GstMessage *message)
{
  guint64 running, stream, timestamp, processed, dropped;
  gint64 jitter;
  double proportion;
  GstFormat format;
  gboolean live;

  gst_message_parse_qos (message, &live, &running, &stream, &timestamp, NULL);
  g_assert_true (live);
  g_assert_cmpuint (running, ==, 100 * GST_MSECOND);
  g_assert_cmpuint (stream, ==, 100 * GST_MSECOND);
  g_assert_cmpuint (timestamp, ==, 100 * GST_MSECOND);
  gst_message_parse_qos_values (message, &jitter, &proportion, NULL);
  g_assert_cmpint (jitter, ==, 50 * GST_MSECOND);
  g_assert_cmpfloat (proportion, ==, 1.5);
  gst_message_parse_qos_stats (message, &format, &processed, &dropped);
  g_assert_cmpint (format, ==, GST_FORMAT_BUFFERS);
  g_assert_cmpuint (processed, ==, 1);
  g_assert_cmpuint (dropped, ==, 1);
}

/* The keyframe that is late is left out, and the first frame that is not is
 * captioned in its place. */
static void
test_late_keyframe_is_postponed (void)
{
  Setup setup;
  g_autoptr (GstMessage) message = NULL;

  set_up (&setup, TRUE);
  push_frame (&setup, 0);
  wait_for_answers (&setup);
  send_qos (&setup, 80 * GST_MSECOND, 70 * GST_MSECOND);
  push_frame (&setup, 100 * GST_MSECOND);
  message = pop_qos (&setup);
  g_assert_nonnull (message);
  check_message (message);
  push_frame (&setup, 140 * GST_MSECOND);
  g_assert_null (pop_qos (&setup));
  g_assert_cmpuint (get_stat (&setup, "keyframes"), ==, 2);
  push_frame (&setup, 160 * GST_MSECOND);
  wait_for_answers (&setup);
  g_assert_cmpuint (get_stat (&setup, "keyframes"), ==, 3);
  g_assert_cmpuint (get_stat (&setup, "captions"), ==, 2);
  g_assert_cmpuint (get_stat (&setup, "dropped"), ==, 1);
  push_frame (&setup, 180 * GST_MSECOND);
  g_assert_cmpuint (get_stat (&setup, "keyframes"), ==, 3);
  tear_down (&setup);
}

static void
test_frames_in_time_lift_it (void)
{
  Setup setup;

  set_up (&setup, TRUE);
  send_qos (&setup, 0, GST_SECOND);
  send_qos (&setup, 20 * GST_MSECOND, -10 * (GstClockTimeDiff) GST_MSECOND);
  push_frame (&setup, 0);
  wait_for_answers (&setup);
  g_assert_cmpuint (get_stat (&setup, "captions"), ==, 1);
  g_assert_null (pop_qos (&setup));
  tear_down (&setup);
}

static void
test_flush_lifts_it (void)
{
  Setup setup;
  GstSegment segment;

  set_up (&setup, TRUE);
  send_qos (&setup, 0, GST_SECOND);
  gst_harness_push_event (setup.harness, gst_event_new_flush_start ());
  gst_harness_push_event (setup.harness, gst_event_new_flush_stop (TRUE));
  gst_segment_init (&segment, GST_FORMAT_TIME);
  gst_harness_push_event (setup.harness, gst_event_new_segment (&segment));
  push_frame (&setup, 0);
  wait_for_answers (&setup);
  g_assert_cmpuint (get_stat (&setup, "captions"), ==, 1);
  tear_down (&setup);
}

/* Who is always late still gets captions. */
static void
test_lasting_lateness_is_captioned (void)
{
  Setup setup;

  set_up (&setup, TRUE);
  send_qos (&setup, 0, 100 * GST_SECOND);
  for (guint i = 0; i < 8; i++) {
    push_frame (&setup, i * INTERVAL);
    wait_for_answers (&setup);
  }
  g_assert_cmpuint (get_stat (&setup, "keyframes"), ==, 8);
  g_assert_cmpuint (get_stat (&setup, "dropped"), ==, 4);
  g_assert_cmpuint (get_stat (&setup, "captions"), ==, 4);
  tear_down (&setup);
}

static void
test_files_are_captioned_however_late (void)
{
  Setup setup;

  set_up (&setup, FALSE);
  send_qos (&setup, 0, 100 * GST_SECOND);
  for (guint i = 0; i < 4; i++)
    push_frame (&setup, i * INTERVAL);
  g_assert_cmpuint (get_stat (&setup, "captions"), ==, 4);
  g_assert_null (pop_qos (&setup));
  tear_down (&setup);
}

/* --- other drops -------------------------------------------------------- */

/* A model that is too slow: one message for each keyframe that made room. */
static void
test_each_drop_is_told (void)
{
  Setup setup;
  guint n_messages = 0;

  set_up (&setup, TRUE);
  g_object_set (setup.harness->element, "max-new-tokens", 31, "min-new-tokens",
      31, "num-beams", 32, NULL);
  for (guint i = 0; i < 20; i++)
    push_frame (&setup, i * INTERVAL);
  wait_for_answers (&setup);
  for (;;) {
    g_autoptr (GstMessage) message = pop_qos (&setup);
    guint64 dropped;
    if (message == NULL)
      break;
    n_messages++;
    gst_message_parse_qos_stats (message, NULL, NULL, &dropped);
    g_assert_cmpuint (dropped, ==, n_messages);
  }
  g_assert_cmpuint (n_messages, >, 0);
  g_assert_cmpuint (n_messages, ==, get_stat (&setup, "dropped"));
  tear_down (&setup);
}

/* --- events ------------------------------------------------------------- */

static guint
count_upstream_qos (Setup *setup)
{
  GstEvent *event;
  guint n = 0;

  while ((event = gst_harness_try_pull_upstream_event (setup->harness))) {
    n += GST_EVENT_TYPE (event) == GST_EVENT_QOS;
    gst_event_unref (event);
  }
  return n;
}

/* Of the video they go on; of the text, which is late whenever it comes live,
 * they do not. */
static void
test_events_of_video_go_on (void)
{
  Setup setup;
  GstPad *text;

  set_up (&setup, TRUE);
  send_qos (&setup, 0, GST_SECOND);
  g_assert_cmpuint (count_upstream_qos (&setup), ==, 1);
  text = gst_element_request_pad_simple (setup.harness->element, "text_src");
  g_assert_true (gst_pad_send_event (text,
      gst_event_new_qos (GST_QOS_TYPE_UNDERFLOW, 1.5, GST_SECOND, 0)));
  g_assert_cmpuint (count_upstream_qos (&setup), ==, 0);
  gst_element_release_request_pad (setup.harness->element, text);
  gst_object_unref (text);
  tear_down (&setup);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  gst_init (&argc, &argv);
  g_test_add_func ("/qos/late-keyframe-is-postponed",
      test_late_keyframe_is_postponed);
  g_test_add_func ("/qos/frames-in-time-lift-it", test_frames_in_time_lift_it);
  g_test_add_func ("/qos/flush-lifts-it", test_flush_lifts_it);
  g_test_add_func ("/qos/lasting-lateness-is-captioned",
      test_lasting_lateness_is_captioned);
  g_test_add_func ("/qos/files-are-captioned-however-late",
      test_files_are_captioned_however_late);
  g_test_add_func ("/qos/each-drop-is-told", test_each_drop_is_told);
  g_test_add_func ("/qos/events-of-video-go-on", test_events_of_video_go_on);
  return g_test_run ();
}
