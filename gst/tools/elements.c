/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/tools/elements.h"

#include <gst/gst.h>
#include <string.h>
#include <time.h>

#include "gst/tools/json.h"
#include "gst/tools/measure.h"
#include "gst/tools/source.h"
#include "model/ituning.h"

/* `ituning bench --elements`: frames per second of raw video through `identity`
 * and through `ituningcaptioner`. The source writes each frame anew, as every
 * decoder and camera does at the least, by copying it from one of a few that
 * were drawn before. It pushes them on one thread, through the element into a
 * sink that drops them. What is timed is the processor's time for that thread,
 * which is what it takes on a machine that does nothing else. The ways take
 * turns, and each is compared to the identity of its own turn. */

#define WIDTH 1920
#define HEIGHT 1080
#define FRAME_SIZE ((gsize) WIDTH * HEIGHT * 3 / 2)
#define FRAME_DURATION (GST_SECOND / 60)
/* A turn is short, so that what else the machine does falls on all ways alike,
 * and a run is so many turns. Its first frames, which find the caches as the way
 * before left them, are not timed. */
#define N_FRAMES 50
#define N_UNTIMED 10
#define N_TURNS 20
#define N_DRAWN 4
#define N_BUFFERS 4 /* in use at once */

/* A keyframe that begins a scene would be more different than frames can be,
 * and the first is the last for 584 years. */
static const struct
{
  const char *name, *title, *element;
  gboolean needs_model;
} ways[] = {
  { "identity", "identity", "identity name=e", FALSE },
  { "off", "captions off", "ituningcaptioner name=e enabled=false", FALSE },
  { "watching", "no scene to caption",
      "ituningcaptioner name=e scene-threshold=1 "
      "max-interval=18446744073709551615",
      TRUE },
};

#define N_WAYS G_N_ELEMENTS (ways)

typedef struct
{
  guint8 *drawn[N_DRAWN]; /* owned: pictures */
  GstBufferPool *pool; /* owned: their copies */
  const char *model; /* borrowed; or NULL */
  guint n_turns;
  struct
  {
    GstElement *pipeline; /* owned; NULL for a way that is not taken */
    GstPad *pad; /* owned: where frames are pushed */
    guint n_frames; /* that were */
    double *ms; /* owned: [n_turns] of a frame */
  } ways[N_WAYS];
} Bench;

/* --- frames ------------------------------------------------------------- */

/* Blocks of random brightness, in other places in each: much to see, and no
 * scene that begins. */
static void
draw (guint8 *pixels, guint frame, GRand *rand)
{
  for (gsize y = 0; y < HEIGHT; y++)
    for (gsize x = 0; x < WIDTH; x++)
      pixels[y * WIDTH + x] = (guint8) (((x + frame) / 64 * 37 + y / 64 * 91) &
          0xff);
  for (gsize i = (gsize) WIDTH * HEIGHT; i < FRAME_SIZE; i++)
    pixels[i] = (guint8) g_rand_int_range (rand, 96, 160);
}

static void
prepare (Bench *self)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (1);
  GstStructure *config;

  for (guint i = 0; i < N_DRAWN; i++) {
    self->drawn[i] = g_malloc (FRAME_SIZE);
    draw (self->drawn[i], i, rand);
  }
  self->pool = gst_buffer_pool_new ();
  config = gst_buffer_pool_get_config (self->pool);
  gst_buffer_pool_config_set_params (config, NULL, FRAME_SIZE, N_BUFFERS, 0);
  gst_buffer_pool_set_config (self->pool, config);
  gst_buffer_pool_set_active (self->pool, TRUE);
}

static GstFlowReturn
push_frame (Bench *self, gsize way)
{
  const guint frame = self->ways[way].n_frames++;
  GstBuffer *buffer;
  GstFlowReturn flow = gst_buffer_pool_acquire_buffer (self->pool, &buffer,
      NULL);

  if (flow != GST_FLOW_OK)
    return flow;
  gst_buffer_fill (buffer, 0, self->drawn[frame % N_DRAWN], FRAME_SIZE);
  GST_BUFFER_PTS (buffer) = frame * FRAME_DURATION;
  GST_BUFFER_DURATION (buffer) = FRAME_DURATION;
  return gst_pad_push (self->ways[way].pad, buffer);
}

/* --- pipelines ---------------------------------------------------------- */

/* What the element said is wrong: of a model, its file and the cause. */
static gboolean
fail (GstElement *pipeline, GError **error)
{
  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);
  g_autoptr (GstMessage) message = gst_bus_pop_filtered (bus,
      GST_MESSAGE_ERROR);
  g_autoptr (GError) reason = NULL;
  g_autofree char *debug = NULL;
  const char *details = NULL;

  if (message != NULL) {
    gst_message_parse_error (message, &reason, &debug);
    details = debug != NULL ? strrchr (debug, '\n') : NULL;
    details = details != NULL ? details + 1 : reason->message;
  }
  g_set_error_literal (error, ITUNING_ERROR, ITUNING_ERROR_UNSUPPORTED,
      details != NULL ? details : "the elements do not take the video");
  return FALSE;
}

static void
start_stream (GstPad *pad)
{
  g_autoptr (GstCaps) caps = gst_caps_new_simple ("video/x-raw", "format",
      G_TYPE_STRING, "I420", "width", G_TYPE_INT, WIDTH, "height", G_TYPE_INT,
      HEIGHT, "framerate", GST_TYPE_FRACTION, 60, 1, NULL);
  GstSegment segment;

  gst_segment_init (&segment, GST_FORMAT_TIME);
  gst_pad_push_event (pad, gst_event_new_stream_start ("bench"));
  gst_pad_push_event (pad, gst_event_new_caps (caps));
  gst_pad_push_event (pad, gst_event_new_segment (&segment));
}

static GstElement *
launch (const char *element, GError **error)
{
  g_autofree char *line =
      g_strdup_printf ("%s ! fakesink sync=false async=false", element);
  g_autoptr (GError) reason = NULL;
  GstElement *pipeline = gst_parse_launch_full (line, NULL,
      GST_PARSE_FLAG_FATAL_ERRORS, &reason);

  if (pipeline == NULL)
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_UNSUPPORTED,
        "%s (GST_PLUGIN_PATH may name the folder of the plugin)",
        reason->message);
  return pipeline;
}

/* The first frame, which may be captioned, is not timed. */
static gboolean
open_way (Bench *self, gsize way, GError **error)
{
  GstElement *pipeline = launch (ways[way].element, error);
  g_autoptr (GstElement) element = NULL;
  g_autoptr (GstPad) sink = NULL;
  GstPad *pad;

  if (pipeline == NULL)
    return FALSE;
  element = gst_bin_get_by_name (GST_BIN (pipeline), "e");
  sink = gst_element_get_static_pad (element, "sink");
  pad = gst_object_ref_sink (gst_pad_new ("src", GST_PAD_SRC));
  self->ways[way].pipeline = pipeline;
  self->ways[way].pad = pad;
  if (ways[way].needs_model)
    g_object_set (element, "model", self->model, NULL);
  gst_pad_set_active (pad, TRUE);
  /* The pad has no parent, so there is no hierarchy to check. */
  gst_pad_link_full (pad, sink, GST_PAD_LINK_CHECK_NOTHING);
  if (gst_element_set_state (pipeline, GST_STATE_PLAYING) ==
      GST_STATE_CHANGE_FAILURE)
    return fail (pipeline, error);
  start_stream (pad);
  return push_frame (self, way) == GST_FLOW_OK || fail (pipeline, error);
}

static void
close_way (Bench *self, gsize way)
{
  if (self->ways[way].pipeline == NULL)
    return;
  gst_element_set_state (self->ways[way].pipeline, GST_STATE_NULL);
  gst_object_unref (self->ways[way].pipeline);
  gst_object_unref (self->ways[way].pad);
}

/* --- turns -------------------------------------------------------------- */

static double
read_thread_ms (void)
{
  struct timespec time;

  clock_gettime (CLOCK_THREAD_CPUTIME_ID, &time);
  return (double) time.tv_sec * 1e3 + (double) time.tv_nsec / 1e6;
}

static gboolean
take_turn (Bench *self, gsize way, double *ms, GError **error)
{
  double start = 0.0;

  for (guint frame = 0; frame < N_UNTIMED + N_FRAMES; frame++) {
    if (frame == N_UNTIMED)
      start = read_thread_ms ();
    if (push_frame (self, way) != GST_FLOW_OK)
      return fail (self->ways[way].pipeline, error);
  }
  *ms = (read_thread_ms () - start) / N_FRAMES;
  return TRUE;
}

static gboolean
is_taken (const Bench *self, gsize way)
{
  return !ways[way].needs_model || self->model != NULL;
}

/* A turn that is not counted, then the others. */
static gboolean
measure (Bench *self, GCancellable *cancellable, GError **error)
{
  double ms = 0.0;

  for (guint turn = 0; turn <= self->n_turns; turn++) {
    if (g_cancellable_set_error_if_cancelled (cancellable, error))
      return FALSE;
    for (gsize way = 0; way < N_WAYS; way++) {
      if (!is_taken (self, way))
        continue;
      if (!take_turn (self, way, &ms, error))
        return FALSE;
      if (turn > 0)
        self->ways[way].ms[turn - 1] = ms;
    }
  }
  return TRUE;
}

/* --- results ------------------------------------------------------------ */

typedef struct
{
  double fps; /* the median */
  double ratio; /* to identity: the median of the turns */
  double added_us; /* to a frame, likewise */
} Result;

static Result
summarise (const Bench *self, gsize way)
{
  const gsize n = self->n_turns;
  g_autofree double *fps = g_new (double, n), *ratios = g_new (double, n);
  g_autofree double *added = g_new (double, n);

  for (gsize turn = 0; turn < n; turn++) {
    const double ms = self->ways[way].ms[turn], plain = self->ways[0].ms[turn];
    fps[turn] = 1e3 / ms;
    ratios[turn] = plain / ms;
    added[turn] = (ms - plain) * 1e3;
  }
  return (Result){ .fps = tool_measure_median (fps, n),
    .ratio = tool_measure_median (ratios, n),
    .added_us = tool_measure_median (added, n) };
}

static void
append_text (GString *text, const Bench *self)
{
  g_string_append_printf (text,
      "%dx%d I420, each frame copied anew: %d frames at a time, %u turns after "
      "one to warm up\n\n%22s%12s%14s%18s\n",
      WIDTH, HEIGHT, N_FRAMES, self->n_turns, "", "frames/s", "of identity",
      "us more a frame");
  for (gsize way = 0; way < N_WAYS; way++) {
    const Result result = is_taken (self, way) ? summarise (self, way)
                                               : (Result){ 0 };
    if (is_taken (self, way))
      g_string_append_printf (text, "  %-20s%12.0f%14.3f%18.1f\n",
          ways[way].title, result.fps, result.ratio, result.added_us);
  }
}

static void
append_json (GString *json, const Bench *self)
{
  g_string_append_printf (json,
      "{\"width\": %d, \"height\": %d, \"frames\": %d, \"turns\": %u", WIDTH,
      HEIGHT, N_FRAMES, self->n_turns);
  for (gsize way = 0; way < N_WAYS; way++) {
    Result result;
    if (!is_taken (self, way))
      continue;
    result = summarise (self, way);
    g_string_append_printf (json, ", \"%s\": {\"fps\": ", ways[way].name);
    tool_json_append_double (json, result.fps);
    g_string_append (json, ", \"ratio\": ");
    tool_json_append_double (json, result.ratio);
    g_string_append (json, ", \"added_us\": ");
    tool_json_append_double (json, result.added_us);
    g_string_append_c (json, '}');
  }
  g_string_append (json, "}\n");
}

/**
 * tool_elements_bench:
 * @model: (nullable): also times the captioner while it looks for scenes, which
 *   takes a model
 * @n_runs: runs, at least 1; each is some turns of every way
 * @json: whether to write one JSON object
 * @output: where to
 *
 * Times the processor with raw video through `identity` and through `ituningcaptioner`.
 *
 * Returns: FALSE with any %ITUNING_ERROR, or when cancelled
 */
gboolean
tool_elements_bench (const char *model, guint n_runs, gboolean json,
    ToolOutput *output, GCancellable *cancellable, GError **error)
{
  Bench bench = { .model = model, .n_turns = n_runs * N_TURNS };
  g_autoptr (GString) text = g_string_new (NULL);
  gboolean done = TRUE;

  if (!tool_source_init (error))
    return FALSE;
  prepare (&bench);
  for (gsize way = 0; way < N_WAYS && done; way++) {
    bench.ways[way].ms = g_new0 (double, bench.n_turns);
    done = !is_taken (&bench, way) || open_way (&bench, way, error);
  }
  done = done && measure (&bench, cancellable, error);
  if (done) {
    (json ? append_json : append_text) (text, &bench);
    done = tool_output_write (output, text->str, text->len, error);
  }
  for (gsize way = 0; way < N_WAYS; way++)
    close_way (&bench, way);
  gst_buffer_pool_set_active (bench.pool, FALSE);
  gst_object_unref (bench.pool);
  for (guint i = 0; i < N_DRAWN; i++)
    g_free (bench.drawn[i]);
  for (gsize way = 0; way < N_WAYS; way++)
    g_free (bench.ways[way].ms);
  return done;
}
