/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include <gst/check/gstharness.h>

#include "gst/gstituning.h"
#include "tests/gst/pipelines.h"

/* Captions of a live picture as text, frames and messages, with frames of 40 ms
 * and a keyframe every 480 ms. The captions of the small model are as many
 * numbers as it is asked for. */

#define CAPS "video/x-raw,format=GRAY8,width=32,height=32,framerate=25/1"
#define FRAME (40 * GST_MSECOND)
#define INTERVAL (12 * FRAME)
/* No piece follows another just where a keyframe is. */
#define PIECE (7 * FRAME)

typedef struct
{
  GstHarness *video, *text; /* owned */
  GstBus *bus; /* owned */
  guint64 next; /* number of the next frame */
  guint64 first; /* of the first with a caption: a keyframe or the next */
} Setup;

static void
set_up (Setup *setup, GstClockTime piece)
{
  GstElement *element = make_captioner (INTERVAL, &setup->bus);

  g_object_set (element, "min-new-tokens", 4, "live-cue-duration", piece, NULL);
  setup->next = 0;
  setup->first = G_MAXUINT64;
  setup->video = gst_harness_new_with_element (element, "sink", "src");
  setup->text = gst_harness_new_with_element (element, NULL, "text_src");
  gst_harness_set_src_caps_str (setup->video, CAPS);
  gst_object_unref (element);
}

static void
tear_down (Setup *setup)
{
  gst_element_set_bus (setup->video->element, NULL);
  gst_harness_teardown (setup->text);
  gst_harness_teardown (setup->video);
  gst_object_unref (setup->bus);
}

static guint64
get_stat (Setup *setup, const char *name)
{
  return get_count (setup->video->element, name);
}

/* Pushes as many frames, a keyframe's answer awaited before the next; the last
 * one's caption is handed out. */
static GstItuningCaption *
push_frames (Setup *setup, guint n)
{
  GstItuningCaption *caption = NULL;

  for (guint i = 0; i < n; i++, setup->next++) {
    GstBuffer *buffer = gst_harness_create_buffer (setup->video, 1024);
    gst_buffer_memset (buffer, 0, 90, 1024);
    GST_BUFFER_PTS (buffer) = setup->next * FRAME;
    GST_BUFFER_DURATION (buffer) = FRAME;
    buffer = gst_harness_push_and_pull (setup->video, buffer);
    g_clear_pointer (&caption, gst_ituning_caption_unref);
    caption = gst_ituning_caption_from_buffer (buffer);
    if (caption != NULL)
      setup->first = MIN (setup->first, setup->next);
    gst_buffer_unref (buffer);
    while (get_stat (setup, "captions") < get_stat (setup, "keyframes"))
      g_usleep (1000);
  }
  return caption;
}

static void
end_stream (Setup *setup)
{
  gboolean over = FALSE;

  gst_harness_push_event (setup->video, gst_event_new_eos ());
  while (!over) {
    g_autoptr (GstEvent) event = gst_harness_pull_event (setup->text);
    g_assert_nonnull (event);
    over = GST_EVENT_TYPE (event) == GST_EVENT_EOS;
  }
}

/* The number of tokens tells a caption. */
static void
check_text (Setup *setup, guint64 start, guint64 end, guint n_tokens)
{
  g_autoptr (GstBuffer) buffer = gst_harness_try_pull (setup->text);
  g_autofree char *text = NULL;
  g_auto (GStrv) tokens = NULL;
  gsize size;

  g_assert_nonnull (buffer);
  size = gst_buffer_get_size (buffer);
  text = g_malloc0 (size + 1);
  gst_buffer_extract (buffer, 0, text, size);
  tokens = g_strsplit (text, " ", -1);
  g_assert_cmpuint (GST_BUFFER_PTS (buffer) / FRAME, ==, start);
  g_assert_cmpuint (GST_BUFFER_DURATION (buffer) / FRAME, ==, end - start);
  g_assert_cmpuint (g_strv_length (tokens), ==, n_tokens);
}

static void
check_cue (Setup *setup, guint64 want_start, guint64 want_end)
{
  guint64 start, end;

  for (;;) {
    g_autoptr (GstMessage) message = gst_bus_pop_filtered (setup->bus,
        GST_MESSAGE_ELEMENT);
    g_assert_nonnull (message);
    if (!gst_message_has_name (message, "ituning-cue"))
      continue;
    gst_structure_get (gst_message_get_structure (message), "start",
        G_TYPE_UINT64, &start, "end", G_TYPE_UINT64, &end, NULL);
    g_assert_cmpuint (start / FRAME, ==, want_start);
    g_assert_cmpuint (end / FRAME, ==, want_end);
    return;
  }
}

static void
set_tokens (Setup *setup, guint n)
{
  g_object_set (setup->video->element, "max-new-tokens", n, "min-new-tokens", n,
      NULL);
}

/* Four numbers from frame 0 on, six from frame 12 on, none from frame 24 on. */
static void
play_all (Setup *setup)
{
  g_autoptr (GstItuningCaption) first = push_frames (setup, 12), second = NULL,
                                none = NULL;

  g_assert_cmpuint (first->start, ==, 0);
  g_assert_cmpuint (first->end, ==, GST_CLOCK_TIME_NONE);
  set_tokens (setup, 6);
  second = push_frames (setup, 12);
  g_assert_cmpuint (second->start / FRAME, ==, 12);
  g_object_set (setup->video->element, "min-confidence", 1.0, NULL);
  none = push_frames (setup, 12);
  g_assert_null (none);
  end_stream (setup);
}

/* In pieces from the first frame that shows it, each to where the next begins;
 * what changes meanwhile waits for the end of a piece. */
static void
test_text_comes_while_it_is_shown (void)
{
  Setup setup;

  set_up (&setup, PIECE);
  play_all (&setup);
  g_assert_cmpuint (setup.first, <=, 1);
  check_text (&setup, setup.first, setup.first + 7, 4);
  check_text (&setup, setup.first + 7, setup.first + 14, 4);
  check_text (&setup, setup.first + 14, setup.first + 21, 6);
  check_text (&setup, setup.first + 21, setup.first + 28, 6);
  g_assert_null (gst_harness_try_pull (setup.text));
  check_cue (&setup, 0, 12);
  check_cue (&setup, 12, 24);
  tear_down (&setup);
}

static void
test_text_comes_once_when_it_is_over (void)
{
  Setup setup;

  set_up (&setup, 0);
  play_all (&setup);
  check_text (&setup, 0, 12, 4);
  check_text (&setup, 12, 24, 6);
  g_assert_null (gst_harness_try_pull (setup.text));
  tear_down (&setup);
}

/* Heartbeats keep out of the pieces. */
static void
test_heartbeats_fill_the_rest (void)
{
  Setup setup;
  GstClockTime end = 0;
  guint n_empty = 0;

  set_up (&setup, PIECE);
  g_object_set (setup.video->element, "text-heartbeat", FRAME, NULL);
  play_all (&setup);
  for (;;) {
    g_autoptr (GstBuffer) buffer = gst_harness_try_pull (setup.text);
    if (buffer == NULL)
      break;
    g_assert_cmpuint (GST_BUFFER_PTS (buffer), >=, end);
    end = GST_BUFFER_PTS (buffer) + GST_BUFFER_DURATION (buffer);
    n_empty += gst_buffer_get_size (buffer) == 0;
  }
  /* Of 36 frames all but those of four pieces. */
  g_assert_cmpuint (n_empty, ==, 8);
  tear_down (&setup);
}

/* A caption that says the same goes on with the cue, and frames with its start.
 * Where the cue is cut, so are they. */
static void
test_frames_have_the_start_of_their_cue (void)
{
  Setup setup;
  g_autoptr (GstItuningCaption) same = NULL, cut = NULL;

  set_up (&setup, 0);
  g_object_set (setup.video->element, "max-cue-duration", 20 * FRAME, NULL);
  same = push_frames (&setup, 18);
  g_assert_cmpuint (same->id, ==, 1);
  g_assert_cmpuint (same->keyframe / FRAME, ==, 12);
  g_assert_cmpuint (same->start, ==, 0);
  cut = push_frames (&setup, 4);
  g_assert_cmpuint (cut->keyframe / FRAME, ==, 12);
  g_assert_cmpuint (cut->start / FRAME, ==, 20);
  check_cue (&setup, 0, 20);
  tear_down (&setup);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  gst_init (&argc, &argv);
  g_test_add_func ("/live-text/comes-while-it-is-shown",
      test_text_comes_while_it_is_shown);
  g_test_add_func ("/live-text/comes-once-when-it-is-over",
      test_text_comes_once_when_it_is_over);
  g_test_add_func ("/live-text/heartbeats-fill-the-rest",
      test_heartbeats_fill_the_rest);
  g_test_add_func ("/live-text/frames-have-the-start-of-their-cue",
      test_frames_have_the_start_of_their_cue);
  return g_test_run ();
}
