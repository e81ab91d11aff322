/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/tools/benchmodel.h"

#include "gst/tools/measure.h"

/* A frame of video, of random pixels, is made small and encoded, and a caption
 * of fixed length is written, over and over. */

#define FRAME_WIDTH ((gsize) 1280)
#define FRAME_HEIGHT ((gsize) 720)

/* What one run took, in milliseconds. */
typedef struct
{
  double encode, decode, caption;
  double stages[TOOL_BENCH_N_STAGES];
} Run;

static void
list_stages (double *stages, const ItuningTimes *times)
{
  const gint64 us[TOOL_BENCH_N_STAGES] = {
    [TOOL_BENCH_PREPROCESS] = times->preprocess,
    [TOOL_BENCH_ENCODE] = times->encode,
    [TOOL_BENCH_IMAGE] = times->image,
    [TOOL_BENCH_STEPS] = times->steps,
    [TOOL_BENCH_VOCABULARY] = times->vocabulary,
    [TOOL_BENCH_SEARCH] = times->search,
  };

  for (gsize i = 0; i < TOOL_BENCH_N_STAGES; i++)
    stages[i] = (double) us[i] / 1e3;
}

/* The encoder's time is that without preprocessing. */
static gboolean
run_once (ToolBench *self, ItuningSession *session, const ItuningImage *image,
    Run *run, GCancellable *cancellable, GError **error)
{
  g_autoptr (ItuningFeatures) features = NULL;
  g_autoptr (ItuningCaption) caption = NULL;
  gint64 start, decoded;
  ItuningTimes times;

  if (!ituning_session_encode (session, image, 1, &features, cancellable,
          error))
    return FALSE;
  start = g_get_monotonic_time ();
  if (!ituning_session_caption (session, &features, 1, &self->options, &caption,
          cancellable, error))
    return FALSE;
  decoded = g_get_monotonic_time ();
  ituning_session_get_times (session, &times);
  list_stages (run->stages, &times);
  run->encode = run->stages[TOOL_BENCH_ENCODE];
  run->decode = (double) (decoded - start) / 1e3;
  run->caption = run->encode + run->decode;
  return TRUE;
}

/* Of the numbers at @offset of each run. */
static ToolBenchTimes
summarise (const Run *runs, guint n_runs, gsize offset)
{
  g_autofree double *ms = g_new (double, n_runs);
  double median_ms;

  for (guint i = 0; i < n_runs; i++)
    ms[i] = G_STRUCT_MEMBER (double, &runs[i], offset);
  median_ms = tool_measure_median (ms, n_runs);
  return (ToolBenchTimes){ .min_ms = ms[0], .median_ms = median_ms };
}

static void
summarise_all (ToolBench *self, const Run *runs)
{
  const guint n = self->n_runs;

  self->encode = summarise (runs, n, G_STRUCT_OFFSET (Run, encode));
  self->decode = summarise (runs, n, G_STRUCT_OFFSET (Run, decode));
  self->caption = summarise (runs, n, G_STRUCT_OFFSET (Run, caption));
  for (gsize i = 0; i < TOOL_BENCH_N_STAGES; i++)
    self->stages_ms[i] = summarise (runs, n,
        G_STRUCT_OFFSET (Run, stages) + i * sizeof (double))
                             .median_ms;
}

/**
 * tool_bench_measure:
 * @bench: a model and what to do with it; gets what that took
 *
 * Runs once to warm up, then as often as was asked for.
 *
 * Returns: FALSE with any %ITUNING_ERROR, or when cancelled
 */
gboolean
tool_bench_measure (ToolBench *bench, GCancellable *cancellable, GError **error)
{
  const gsize size = FRAME_WIDTH * FRAME_HEIGHT * 3;
  g_autoptr (ItuningSession) session = ituning_session_new (bench->model);
  g_autoptr (GRand) rand = g_rand_new_with_seed (1);
  g_autofree guint8 *pixels = g_malloc (size);
  g_autofree Run *runs = g_new0 (Run, (gsize) bench->n_runs + 1);
  const ItuningImage image = { pixels, FRAME_WIDTH, FRAME_HEIGHT,
    FRAME_WIDTH * 3 };

  for (gsize i = 0; i < size; i++)
    pixels[i] = (guint8) g_rand_int (rand);
  ituning_session_set_visual_tokens (session, bench->visual_tokens);
  for (guint run = 0; run <= bench->n_runs; run++)
    if (!run_once (bench, session, &image, &runs[run], cancellable, error))
      return FALSE;
  summarise_all (bench, runs + 1);
  bench->peak_bytes = tool_measure_peak_memory ();
  return TRUE;
}
