/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <gst/check/gstharness.h>

#include "gst/gstituning.h"
#include "tests/gst/widemodel.h"

/* Live video, with a model that is slower than it. What is asserted does not
 * go by the speed of the machine; times are reported. ITUNING_TEST_SECONDS sets
 * how long each pipeline plays. */

#define DEFAULT_SECONDS 4
#define FPS 60
#define N_STREAMS 4
#define MAX_AGE GST_SECOND
/* Between a caption's being written and its being counted, and the like. */
#define SLACK GST_SECOND
/* What the allocator and the threads' stacks may take while the video runs: in
 * a minute less than a hundredth of a frame for each one. */
#define MEMORY_SLACK (24u << 20)

/* A sanitizer's own memory hides ours. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MEMORY_IS_OURS FALSE
#else
#define MEMORY_IS_OURS TRUE
#endif

/* So that keyframes come faster than captions. */
#define CAPTIONER \
  "ituningcaptioner model=\"%s\" keyframes=interval min-interval=0 max-interval=50000000 " \
  "min-new-tokens=30 max-age=1000000000 "

static WideModel model;

static guint
get_seconds (void)
{
  const char *seconds = g_getenv ("ITUNING_TEST_SECONDS");

  return seconds != NULL ? (guint) MAX (atoi (seconds), 1) : DEFAULT_SECONDS;
}

/* --- measuring ---------------------------------------------------------- */

/* What passed a pad, and how late; written by its streaming thread. */
typedef struct
{
  GstElement *element; /* owned */
  guint64 n_frames, n_late, n_captioned;
  GstClockTime next; /* time of the next frame, if none is lost */
  GstClockTime sum, max;
  guint64 warm; /* frame with which memory is first read */
  gsize warm_bytes, end_bytes;
  guint n_engines;
} Watch;

/* Resident memory of the process. */
static gsize
read_memory (void)
{
  g_autofree char *text = NULL;
  guint64 pages = 0;

  g_assert_true (g_file_get_contents ("/proc/self/statm", &text, NULL, NULL));
  pages = g_ascii_strtoull (strchr (text, ' '), NULL, 10);
  return (gsize) pages * 4096;
}

/* Those of the model leave the processors to those of the video. */
static void
check_priority (const char *thread, const char *name)
{
  const id_t id = (id_t) g_ascii_strtoull (thread, NULL, 10);

  if (g_str_has_prefix (name, "ituning-"))
    g_assert_cmpint (getpriority (PRIO_PROCESS, id), >=, 10);
}

static guint
count_engines (void)
{
  g_autoptr (GDir) tasks = g_dir_open ("/proc/self/task", 0, NULL);
  const char *task;
  guint n = 0;

  g_assert_nonnull (tasks);
  while ((task = g_dir_read_name (tasks)) != NULL) {
    g_autofree char *path = g_build_filename ("/proc/self/task", task, "comm",
        NULL);
    g_autofree char *name = NULL;
    if (!g_file_get_contents (path, &name, NULL, NULL))
      continue; /* it has just ended */
    check_priority (task, g_strchomp (name));
    n += g_str_equal (name, "ituning-engine");
  }
  return n;
}

static void
note_lateness (Watch *watch, GstClockTime pts)
{
  const GstClockTime now = gst_element_get_current_running_time (
      watch->element);
  const GstClockTime due = pts + GST_SECOND / FPS; /* the source's latency */
  const GstClockTime late = now > due ? now - due : 0;

  watch->sum += late;
  watch->max = MAX (watch->max, late);
  watch->n_late += late > GST_SECOND / FPS;
}

static GstPadProbeReturn
note_frame (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  GstBuffer *buffer = GST_PAD_PROBE_INFO_BUFFER (info);
  g_autoptr (GstItuningCaption) caption = gst_ituning_caption_from_buffer (
      buffer);
  Watch *watch = data;

  if (watch->n_frames > 0) /* the source counts in whole nanoseconds */
    g_assert_cmpuint (GST_BUFFER_PTS (buffer), <=, watch->next + 2);
  watch->next = GST_BUFFER_PTS (buffer) + GST_BUFFER_DURATION (buffer);
  if (caption != NULL) {
    g_assert_cmpuint (caption->keyframe, <=, GST_BUFFER_PTS (buffer));
    g_assert_cmpuint (caption->start, <=, caption->keyframe);
    g_assert_cmpuint (caption->end, ==, GST_CLOCK_TIME_NONE);
    watch->n_captioned++;
  }
  note_lateness (watch, GST_BUFFER_PTS (buffer));
  if (++watch->n_frames == watch->warm) {
    watch->warm_bytes = read_memory ();
    watch->n_engines = count_engines ();
  } else if (watch->n_frames > watch->warm) {
    watch->end_bytes = watch->n_frames % FPS == 0 ? read_memory ()
                                                  : watch->end_bytes;
  }
  return GST_PAD_PROBE_OK;
}

static void
watch_pad (Watch *watch, GstElement *pipeline, const char *name, guint64 warm)
{
  g_autoptr (GstPad) pad = NULL;

  watch->element = gst_bin_get_by_name (GST_BIN (pipeline), name);
  watch->warm = warm;
  pad = gst_element_get_static_pad (watch->element, "sink");
  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, note_frame, watch, NULL);
}

static void
report (const Watch *watch, const char *name)
{
  g_test_message ("%s: %" G_GUINT64_FORMAT " frames, late by %.2f ms on "
                  "average, %.2f ms at most, %" G_GUINT64_FORMAT
                  " by more than a frame",
      name, watch->n_frames,
      (double) watch->sum / (double) watch->n_frames / GST_MSECOND,
      (double) watch->max / GST_MSECOND, watch->n_late);
}

/* --- pipelines ---------------------------------------------------------- */

static GstElement *
launch (const char *line)
{
  g_autoptr (GError) error = NULL;
  GstElement *pipeline = gst_parse_launch (line, &error);

  g_assert_no_error (error);
  return pipeline;
}

/* Plays to the end; hanging fails. */
static void
play (GstElement *pipeline)
{
  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);
  gboolean over = FALSE;

  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  while (!over) {
    g_autoptr (GstMessage) message = gst_bus_timed_pop (bus, 90 * GST_SECOND);
    if (message == NULL)
      g_error ("the pipeline hangs");
    g_assert_cmpint (GST_MESSAGE_TYPE (message), !=, GST_MESSAGE_ERROR);
    over = GST_MESSAGE_TYPE (message) == GST_MESSAGE_EOS;
  }
}

static guint64
get_stat (GstElement *captioner, const char *name)
{
  g_autoptr (GstStructure) stats = NULL;
  guint64 value = 0;

  g_object_get (captioner, "stats", &stats, NULL);
  g_assert_true (gst_structure_get_uint64 (stats, name, &value));
  return value;
}

/* --- one stream --------------------------------------------------------- */

/* A keyframe has been in the queue for no longer than max-age, and then at work
 * for one encoding and one decoding, each at most as long as the longest. */
static void
check_age (GstElement *captioner, GstClockTime late, guint n_streams)
{
  const GstClockTime work = n_streams *
      (get_stat (captioner, "encode-time-max") +
          get_stat (captioner, "decode-time-max"));

  g_test_message ("age %.0f ms on average, %.0f ms at most; inference %.0f ms",
      (double) get_stat (captioner, "age-mean") / GST_MSECOND,
      (double) get_stat (captioner, "age-max") / GST_MSECOND,
      (double) work / GST_MSECOND);
  g_assert_cmpuint (get_stat (captioner, "latency-max"), <=,
      MAX_AGE + work + SLACK);
  g_assert_cmpuint (get_stat (captioner, "age-max"), <=,
      MAX_AGE + work + late + SLACK);
}

/* When the video has ended, one keyframe may be at work and one wait. */
static void
check_counts (GstElement *captioner, guint64 n_frames)
{
  const guint64 n_keyframes = get_stat (captioner, "keyframes");
  const guint64 n_answered = get_stat (captioner, "captions") +
      get_stat (captioner, "dropped");

  g_assert_cmpuint (get_stat (captioner, "frames"), ==, n_frames);
  g_assert_cmpuint (get_stat (captioner, "captions"), >, 0);
  g_assert_cmpuint (get_stat (captioner, "failed"), ==, 0);
  g_assert_cmpuint (n_answered, <=, n_keyframes);
  g_assert_cmpuint (n_answered + 2, >=, n_keyframes);
}

/* The same 1080p frames through identity and through the captioner: each comes
 * out of both, and the captioner's go on while it writes. */
static void
test_no_frame_is_lost_or_held (void)
{
  const guint64 n_frames = (guint64) get_seconds () * FPS;
  g_autofree char *line = g_strdup_printf (
      "videotestsrc is-live=true num-buffers=%" G_GUINT64_FORMAT
      " pattern=ball ! video/x-raw,format=I420,width=1920,height=1080,"
      "framerate=60/1 ! tee name=t  "
      "t. ! queue ! identity ! fakesink name=plain sync=true  "
      "t. ! queue ! " CAPTIONER "name=i ! fakesink name=captioned sync=true",
      n_frames, model.path);
  g_autoptr (GstElement) pipeline = launch (line);
  Watch plain = { 0 }, before = { 0 }, captioned = { 0 };

  watch_pad (&plain, pipeline, "plain", 0);
  watch_pad (&before, pipeline, "i", 0);
  watch_pad (&captioned, pipeline, "captioned", n_frames / 6);
  play (pipeline);
  report (&plain, "identity");
  report (&captioned, "captioner");
  g_assert_cmpuint (plain.n_frames, ==, n_frames);
  g_assert_cmpuint (captioned.n_frames, ==, n_frames);
  g_assert_cmpuint (captioned.n_captioned, >, 0);
  check_counts (before.element, n_frames);
  g_assert_cmpuint (get_stat (before.element, "dropped"), >, 0);
  g_assert_cmpuint (get_stat (before.element, "age-max"), >=,
      2 * GST_SECOND / FPS);
  check_age (before.element, before.max, 1);
  g_test_message ("memory: %.1f MiB, at the end %.1f MiB",
      (double) captioned.warm_bytes / 1048576.0,
      (double) captioned.end_bytes / 1048576.0);
  if (MEMORY_IS_OURS)
    g_assert_cmpuint (captioned.end_bytes, <=,
        captioned.warm_bytes + MEMORY_SLACK);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (plain.element);
  gst_object_unref (before.element);
  gst_object_unref (captioned.element);
}

/* --- several streams ---------------------------------------------------- */

/* Returns: the memory that the process takes with @n_streams at work */
static gsize
play_streams (guint n_streams, guint64 n_frames)
{
  g_autoptr (GstElement) pipeline = gst_pipeline_new (NULL);
  Watch watches[N_STREAMS] = { 0 };
  guint64 fewest = G_MAXUINT64, most = 0;

  for (guint i = 0; i < n_streams; i++) {
    g_autofree char *name = g_strdup_printf ("i%u", i);
    g_autofree char *line = g_strdup_printf (
        "videotestsrc is-live=true num-buffers=%" G_GUINT64_FORMAT
        " pattern=%u ! video/x-raw,width=320,height=240,framerate=60/1 "
        "! " CAPTIONER "name=%s ! fakesink sync=true",
        n_frames, i, model.path, name);
    gst_bin_add (GST_BIN (pipeline),
        gst_parse_bin_from_description (line, FALSE, NULL));
    watch_pad (&watches[i], pipeline, name, n_frames - FPS);
  }
  play (pipeline);
  for (guint i = 0; i < n_streams; i++) {
    const guint64 n_captions = get_stat (watches[i].element, "captions");
    check_counts (watches[i].element, n_frames);
    check_age (watches[i].element, watches[i].max, n_streams);
    g_assert_cmpuint (watches[i].n_engines, ==, 1);
    fewest = MIN (fewest, n_captions);
    most = MAX (most, n_captions);
  }
  gst_element_set_state (pipeline, GST_STATE_NULL);
  for (guint i = 0; i < n_streams; i++)
    gst_object_unref (watches[i].element);
  g_test_message ("%u streams: %.1f MiB, %" G_GUINT64_FORMAT
                  " to %" G_GUINT64_FORMAT " captions each",
      n_streams, (double) watches[0].end_bytes / 1048576.0, fewest, most);
  /* They take turns, but begin and end one after the other. */
  g_assert_cmpuint (most, <=, 2 * fewest + 1);
  return watches[0].end_bytes;
}

static void
test_streams_share_an_engine (void)
{
  const guint64 n_frames = (guint64) get_seconds () * FPS;
  const gsize one = play_streams (1, (guint64) 2 * FPS);
  const gsize four = play_streams (N_STREAMS, n_frames);

  /* A copy for each would be three more. */
  if (MEMORY_IS_OURS)
    g_assert_cmpuint (four, <, one + model.size);
}

/* --- latency ------------------------------------------------------------ */

typedef struct
{
  gboolean live;
  GstClockTime min, max;
} Latency;

static Latency
query_latency (GstElement *element)
{
  g_autoptr (GstPad) pad = gst_element_get_static_pad (element, "src");
  g_autoptr (GstQuery) query = gst_query_new_latency ();
  Latency latency;

  g_assert_true (gst_pad_query (pad, query));
  gst_query_parse_latency (query, &latency.live, &latency.min, &latency.max);
  return latency;
}

/* Whatever upstream answers goes on as it is: a source that takes the time of a
 * frame, a queue that bounds how much, neither. */
static void
check_latency (const char *source)
{
  g_autofree char *line = g_strdup_printf ("%s ! identity name=before ! "
                                           "ituningcaptioner name=i "
                                           "model=\"%s\" ! fakesink",
      source, model.path);
  g_autoptr (GstElement) pipeline = launch (line);
  g_autoptr (GstElement) before = gst_bin_get_by_name (GST_BIN (pipeline),
      "before");
  g_autoptr (GstElement) captioner = gst_bin_get_by_name (GST_BIN (pipeline),
      "i");
  Latency theirs, ours;

  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  gst_element_get_state (pipeline, NULL, NULL, GST_CLOCK_TIME_NONE);
  theirs = query_latency (before);
  ours = query_latency (captioner);
  g_assert_cmpint (ours.live, ==, theirs.live);
  if (theirs.live) { /* else they mean nothing */
    g_assert_cmpuint (ours.min, ==, theirs.min);
    g_assert_cmpuint (ours.max, ==, theirs.max);
  }
  gst_element_set_state (pipeline, GST_STATE_NULL);
}

static void
test_latency_is_upstreams (void)
{
  check_latency ("videotestsrc is-live=true");
  check_latency ("videotestsrc is-live=true ! queue max-size-buffers=2 "
                 "max-size-bytes=0 max-size-time=80000000 "
                 "min-threshold-time=40000000");
  check_latency ("videotestsrc");
}

static void
test_latency_keeps_both_bounds (void)
{
  GstElement *element = gst_element_factory_make ("ituningcaptioner", NULL);
  GstHarness *harness;
  g_autoptr (GstQuery) query = gst_query_new_latency ();
  GstClockTime min, max;
  gboolean live;

  g_object_set (element, "model", model.path, NULL);
  harness = gst_harness_new_with_element (element, "sink", "src");
  gst_harness_set_upstream_latency (harness, 30 * GST_MSECOND);
  gst_harness_set_src_caps_str (harness,
      "video/x-raw,format=GRAY8,width=16,height=16");
  g_assert_true (gst_pad_peer_query (harness->sinkpad, query));
  gst_query_parse_latency (query, &live, &min, &max);
  g_assert_true (live);
  g_assert_cmpuint (min, ==, 30 * GST_MSECOND);
  g_assert_cmpuint (max, ==, GST_CLOCK_TIME_NONE);
  gst_harness_teardown (harness);
  gst_object_unref (element);
}

int
main (int argc, char **argv)
{
  g_autofree char *small = NULL;
  int status;

  g_test_init (&argc, &argv, NULL);
  gst_init (&argc, &argv);
  small = g_test_build_filename (G_TEST_DIST, "data", "tiny", NULL);
  wide_model_write (&model, small);
  g_test_add_func ("/live/no-frame-is-lost-or-held",
      test_no_frame_is_lost_or_held);
  g_test_add_func ("/live/streams-share-an-engine",
      test_streams_share_an_engine);
  g_test_add_func ("/live/latency-is-upstreams", test_latency_is_upstreams);
  g_test_add_func ("/live/latency-keeps-both-bounds",
      test_latency_keeps_both_bounds);
  status = g_test_run ();
  wide_model_remove (&model);
  return status;
}
