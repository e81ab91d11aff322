/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/tools/trainscore.h"

/* How good captions are in the middle of a run: a few hundred images of the
 * validation's, always the same, are captioned, and what comes is compared with
 * the captions that the features were written with. */

/* Images that are captioned together. */
#define BATCH ((gsize) 16)

static gsize
count_scored (const ItuningDataset *data)
{
  return MIN (ituning_dataset_get_info (data)->n_images, TOOL_TRAIN_SCORED);
}

/* Which image is the @index-th to be scored: spread over all. */
static gsize
choose (const ItuningDataset *data, gsize index)
{
  return index * ituning_dataset_get_info (data)->n_images /
      count_scored (data);
}

static void
add (ItuningCaptions *captions, gsize image, const char *text)
{
  g_autofree char *id = g_strdup_printf ("%zu", image);

  ituning_captions_add (captions, id, text);
}

/* The captions of the chosen images, without BOS and EOS. */
static ItuningCaptions *
read_references (const ItuningDataset *data, const ItuningTokenizer *tokenizer,
    GError **error)
{
  const ItuningDatasetInfo *info = ituning_dataset_get_info (data);
  g_autoptr (ItuningCaptions) references = ituning_captions_new ();
  g_autofree gboolean *chosen = g_new0 (gboolean, info->n_images);

  for (gsize i = 0; i < count_scored (data); i++)
    chosen[choose (data, i)] = TRUE;
  for (gsize i = 0; i < info->n_captions; i++) {
    g_autoptr (GString) text = g_string_new (NULL);
    gsize image, n;
    const guint32 *ids = ituning_dataset_get_caption (data, i, &image, &n);

    if (!chosen[image])
      continue;
    if (!ituning_tokenizer_decode (tokenizer, ids + 1, n - 2, text, error))
      return NULL;
    add (references, image, text->str);
  }
  return g_steal_pointer (&references);
}

/* Captions the chosen images [@first, @first + @n). */
static gboolean
caption_batch (ItuningSession *session, ItuningModel *model,
    const ItuningDataset *data, gsize first, gsize n, ItuningCaption **captions,
    GCancellable *cancellable, GError **error)
{
  ItuningFeatures *features[BATCH] = { NULL };
  gboolean ok = TRUE;

  for (gsize i = 0; ok && i < n; i++) {
    features[i] = ituning_dataset_get_features (data, choose (data, first + i),
        model, error);
    ok = features[i] != NULL;
  }
  ok = ok &&
      ituning_session_caption (session, features, n, NULL, captions,
          cancellable, error);
  for (gsize i = 0; i < n; i++)
    ituning_features_unref (features[i]);
  return ok;
}

static gboolean
note (ToolTrainLog *log, guint64 step, const ItuningDataset *data, gsize index,
    const char *text, ItuningCaptions *results, GError **error)
{
  const gsize n = count_scored (data);
  const gsize every = MAX (n / TOOL_TRAIN_SHOWN, 1);

  add (results, choose (data, index), text);
  return index % every != 0 || index / every >= TOOL_TRAIN_SHOWN ||
      tool_train_log_caption (log, step, choose (data, index), text, error);
}

/**
 * tool_train_score:
 * @model: what the run has made so far, with a tokenizer
 * @data: the validation's images
 * @log: gets a few of the captions
 * @step: steps made
 * @metrics: (out): how good they are
 * @cancellable: stops the call within a token's time
 *
 * Returns: FALSE with the errors of captioning and of the log
 */
gboolean
tool_train_score (ItuningModel *model, const ItuningDataset *data,
    ToolTrainLog *log, guint64 step, ItuningMetrics *metrics,
    GCancellable *cancellable, GError **error)
{
  const gsize n = count_scored (data);
  g_autoptr (ItuningCaptions) references = read_references (data,
      ituning_model_get_tokenizer (model), error);
  g_autoptr (ItuningCaptions) results = ituning_captions_new ();
  g_autoptr (ItuningSession) session = ituning_session_new (model);

  if (references == NULL)
    return FALSE;
  for (gsize first = 0; first < n; first += BATCH) {
    const gsize n_batch = MIN (BATCH, n - first);
    ItuningCaption *captions[BATCH] = { NULL };
    gboolean ok = caption_batch (session, model, data, first, n_batch, captions,
        cancellable, error);

    for (gsize i = 0; i < n_batch; i++) {
      ok = ok &&
          note (log, step, data, first + i, captions[i]->text, results, error);
      ituning_caption_free (captions[i]);
    }
    if (!ok)
      return FALSE;
  }
  return ituning_metrics_compute (references, results, ITUNING_METRICS_PARTIAL,
      metrics, error);
}
