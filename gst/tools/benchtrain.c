/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/tools/benchtrain.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "gst/tools/json.h"
#include "gst/tools/measure.h"
#include "model/train/ituning-train.h"

/* A batch: captions of random tokens, each to be predicted from those before
 * it, and random visual tokens of an image for each. */
#define N_CAPTIONS 4
#define N_TOKENS 64
#define LENGTH (N_TOKENS + 1) /* BOS and EOS counted */

/* The training split of COCO as Karpathy and Fei-Fei (2015) cut it. */
#define COCO_CAPTIONS 566747.0
#define COCO_TOKENS 12.0 /* of a caption, about */

typedef struct
{
  const char *name; /* borrowed: the size or path */
  ItuningModel *model; /* borrowed */
  guint num_tokens; /* visual tokens of an image */
  guint n_runs;
  guint64 n_parameters; /* trained */
  double min_ms, median_ms; /* a step */
  guint64 peak_bytes;
} Bench;

/* --- what is trained on ------------------------------------------------- */

static void
append_batch (GByteArray *file, const Bench *self)
{
  const ItuningModelInfo *info = ituning_model_get_info (self->model);
  const gsize n = (gsize) N_CAPTIONS * self->num_tokens *
      info->vision.hidden_size;
  g_autoptr (GRand) rand = g_rand_new_with_seed (1);
  const gint32 length = LENGTH;

  for (gsize i = 0; i < n; i++) {
    const float value = (float) g_rand_double_range (rand, -1.0, 1.0);
    g_byte_array_append (file, (const guint8 *) &value, sizeof (value));
  }
  for (gsize i = 0; i < (gsize) N_CAPTIONS * LENGTH; i++) {
    const gint32 id = g_rand_int_range (rand, 0,
        (gint32) info->language.vocab_size);
    g_byte_array_append (file, (const guint8 *) &id, sizeof (id));
  }
  for (gsize i = 0; i < N_CAPTIONS; i++)
    g_byte_array_append (file, (const guint8 *) &length, sizeof (length));
}

/* A safetensors file of features: length of the header, header, values. */
static GByteArray *
make_features (const Bench *self)
{
  const ItuningModelInfo *info = ituning_model_get_info (self->model);
  const gsize visual = sizeof (float) * N_CAPTIONS * self->num_tokens *
      info->vision.hidden_size;
  const gsize ids = visual + sizeof (gint32) * N_CAPTIONS * LENGTH;
  g_autofree char *header = g_strdup_printf (
      "{\"visual_tokens\": {\"dtype\": \"F32\", \"shape\": [%d, %u, %zu], "
      "\"data_offsets\": [0, %zu]}, "
      "\"input_ids\": {\"dtype\": \"I32\", \"shape\": [%d, %d], "
      "\"data_offsets\": [%zu, %zu]}, "
      "\"lengths\": {\"dtype\": \"I32\", \"shape\": [%d], "
      "\"data_offsets\": [%zu, %zu]}}",
      N_CAPTIONS, self->num_tokens, (gsize) info->vision.hidden_size, visual,
      N_CAPTIONS, LENGTH, visual, ids, N_CAPTIONS, ids,
      ids + sizeof (gint32) * N_CAPTIONS);
  const gsize n_header = (strlen (header) + 7) / 8 * 8;
  const guint64 size = GUINT64_TO_LE ((guint64) n_header);
  GByteArray *file = g_byte_array_new ();

  g_byte_array_append (file, (const guint8 *) &size, sizeof (size));
  g_byte_array_append (file, (const guint8 *) header, (guint) strlen (header));
  while (file->len < sizeof (size) + n_header)
    g_byte_array_append (file, (const guint8 *) " ", 1);
  append_batch (file, self);
  return file;
}

/* The file is gone once it is open: the dataset keeps its mapping. */
static ItuningDataset *
open_dataset (const Bench *self, GError **error)
{
  g_autoptr (GByteArray) features = make_features (self);
  g_autofree char *path = NULL;
  ItuningDataset *dataset = NULL;
  const int fd = g_file_open_tmp ("ituning-bench-XXXXXX.safetensors", &path,
      error);

  if (fd < 0)
    return NULL;
  close (fd);
  if (g_file_set_contents (path, (const char *) features->data,
          (gssize) features->len, error))
    dataset = ituning_dataset_open (path, error);
  g_unlink (path);
  return dataset;
}

/* --- measuring ---------------------------------------------------------- */

static gboolean
measure (Bench *self, GCancellable *cancellable, GError **error)
{
  ItuningTrainOptions options = ITUNING_TRAIN_OPTIONS_INIT;
  g_autoptr (ItuningDataset) dataset = open_dataset (self, error);
  g_autoptr (ItuningTrainer) trainer = NULL;
  g_autofree double *ms = g_new (double, self->n_runs);
  ItuningTrainReport report;

  options.batch_size = N_CAPTIONS;
  options.steps = (guint64) self->n_runs + 1;
  if (dataset == NULL ||
      (trainer = ituning_trainer_new (self->model, dataset, &options, error)) ==
          NULL ||
      !ituning_trainer_step (trainer, &report, error))
    return FALSE;
  for (guint run = 0; run < self->n_runs; run++) {
    const gint64 start = g_get_monotonic_time ();
    if (g_cancellable_set_error_if_cancelled (cancellable, error) ||
        !ituning_trainer_step (trainer, &report, error))
      return FALSE;
    ms[run] = (double) (g_get_monotonic_time () - start) / 1e3;
  }
  self->median_ms = tool_measure_median (ms, self->n_runs);
  self->min_ms = ms[0];
  self->n_parameters = ituning_trainer_count_parameters (trainer);
  self->peak_bytes = tool_measure_peak_memory ();
  return TRUE;
}

/* --- results ------------------------------------------------------------ */

static double
get_tokens_per_s (const Bench *self)
{
  return N_CAPTIONS * N_TOKENS / self->median_ms * 1e3;
}

static double
estimate_epoch_hours (const Bench *self)
{
  return COCO_CAPTIONS * COCO_TOKENS / get_tokens_per_s (self) / 3600.0;
}

static void
append_text (GString *text, const Bench *self)
{
  const guint n_threads = ituning_model_get_n_threads (self->model);

  g_string_append_printf (text,
      "%s: %u thread%s, %d captions of %d tokens, %u visual tokens, %u steps "
      "after a warm-up\n\n",
      self->name, n_threads, n_threads == 1 ? "" : "s", N_CAPTIONS, N_TOKENS,
      self->num_tokens, self->n_runs);
  g_string_append_printf (text,
      "%14s%12s%12s\n  %-12s%12.2f%12.2f    %.1f tokens/s\n\n", "", "min ms",
      "median ms", "a step", self->min_ms, self->median_ms,
      get_tokens_per_s (self));
  g_string_append_printf (text,
      "  trained: %" G_GUINT64_FORMAT " parameters\n"
      "  peak memory: %.0f MiB\n"
      "  an epoch of COCO, by tokens/s: %.1f hours (%.0f captions of about "
      "%.0f tokens)\n",
      self->n_parameters, (double) self->peak_bytes / 1048576.0,
      estimate_epoch_hours (self), COCO_CAPTIONS, COCO_TOKENS);
}

static void
append_json (GString *json, const Bench *self)
{
  g_string_append (json, "{\"model\": ");
  tool_json_append_string (json, self->name, strlen (self->name));
  g_string_append_printf (json,
      ", \"threads\": %u, \"captions\": %d, \"tokens\": %d, "
      "\"visual_tokens\": %u, \"runs\": %u, \"trained_parameters\": "
      "%" G_GUINT64_FORMAT ", \"step_ms\": {\"min\": ",
      ituning_model_get_n_threads (self->model), N_CAPTIONS, N_TOKENS,
      self->num_tokens, self->n_runs, self->n_parameters);
  tool_json_append_double (json, self->min_ms);
  g_string_append (json, ", \"median\": ");
  tool_json_append_double (json, self->median_ms);
  g_string_append (json, "}, \"tokens_per_s\": ");
  tool_json_append_double (json, get_tokens_per_s (self));
  g_string_append (json, ", \"coco_epoch_hours\": ");
  tool_json_append_double (json, estimate_epoch_hours (self));
  g_string_append_printf (json,
      ", \"peak_memory_bytes\": %" G_GUINT64_FORMAT "}\n", self->peak_bytes);
}

/**
 * tool_bench_train:
 * @model: whose adapter is trained, or gets one in every layer
 * @name: what to call it: the size or path
 * @num_tokens: visual tokens of an image, at least 1
 * @n_runs: steps to time, at least 1, after one that is not
 * @json: whether to write one JSON object
 * @output: where to
 *
 * Times steps on random tokens: 4 captions of 64. The time of an epoch of COCO
 * is estimated from the tokens a second of these, although its captions are
 * shorter.
 *
 * Returns: FALSE with any %ITUNING_ERROR, or when cancelled
 */
gboolean
tool_bench_train (ItuningModel *model, const char *name, guint num_tokens,
    guint n_runs, gboolean json, ToolOutput *output, GCancellable *cancellable,
    GError **error)
{
  Bench bench = { .name = name,
    .model = model,
    .num_tokens = num_tokens,
    .n_runs = n_runs };
  g_autoptr (GString) text = g_string_new (NULL);

  tool_measure_reset_peak_memory ();
  if (!measure (&bench, cancellable, error))
    return FALSE;
  (json ? append_json : append_text) (text, &bench);
  return tool_output_write (output, text->str, text->len, error);
}
