/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* How well captions say what references say: BLEU, ROUGE-L and CIDEr-D, as
 * the COCO caption evaluation computes them.
 *
 *   g_autoptr (ItuningCaptions) references =
 *       ituning_captions_load (path, &error);
 *   g_autoptr (ItuningCaptions) results = ituning_captions_new ();
 *   ItuningMetrics metrics;
 *
 *   ituning_captions_add (results, "42", "a dog on a beach");
 *   ituning_metrics_compute (references, results, ITUNING_METRICS_DEFAULT,
 *       &metrics, &error);
 *
 * Captions belong to one thread until they are all added; from then on any
 * number may read them. */

#include "model/ituning.h"

G_BEGIN_DECLS

typedef struct _ItuningCaptions ItuningCaptions;

ITUNING_API ItuningCaptions *ituning_captions_new (void);
ITUNING_API ItuningCaptions *ituning_captions_load (const char *path,
    GError **error);
ITUNING_API void ituning_captions_free (ItuningCaptions *captions);
ITUNING_API void ituning_captions_add (ItuningCaptions *captions,
    const char *id, const char *text);
ITUNING_API gsize ituning_captions_get_n_images (
    const ItuningCaptions *captions);
ITUNING_API const char *
ituning_captions_get_id (const ItuningCaptions *captions, gsize image);
ITUNING_API const char *const *ituning_captions_get_texts (const ItuningCaptions
                                                               *captions,
    gsize image, gsize *n_texts);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ItuningCaptions, ituning_captions_free)

/**
 * ItuningMetricsFlags:
 * @ITUNING_METRICS_DEFAULT: without punctuation, every image with a result
 * @ITUNING_METRICS_KEEP_PUNCTUATION: count punctuation as words
 * @ITUNING_METRICS_PARTIAL: leave out images that have references but no
 *   result, instead of failing
 */
typedef enum
{
  ITUNING_METRICS_DEFAULT = 0,
  ITUNING_METRICS_KEEP_PUNCTUATION = 1 << 0,
  ITUNING_METRICS_PARTIAL = 1 << 1,
} ItuningMetricsFlags;

/**
 * ItuningMetrics:
 * @bleu: BLEU of up to 1, 2, 3 and 4 words, of the whole corpus; 0 to 1
 * @rouge_l: mean of ROUGE-L, 0 to 1
 * @cider: mean of CIDEr-D, 0 to 10
 * @n_images: images that were scored
 */
typedef struct
{
  double bleu[4];
  double rouge_l;
  double cider;
  gsize n_images;
} ItuningMetrics;

ITUNING_API gboolean ituning_metrics_compute (const ItuningCaptions *references,
    const ItuningCaptions *results, ItuningMetricsFlags flags,
    ItuningMetrics *metrics, GError **error);

G_END_DECLS
