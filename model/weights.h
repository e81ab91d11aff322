/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/gguf.h"
#include "model/kernels/pool.h"

typedef struct _ItuningWeights ItuningWeights;

/**
 * ItuningWeightsStore:
 *
 * Returns: (transfer none): room for the values of a tensor, which outlives
 *   the weights
 */
typedef float *(*ItuningWeightsStore) (gpointer data, const char *name,
    const gsize *dims, gsize n_dims);

/* A shape as an argument: ITUNING_SHAPE (n_out, n_in). */
#define ITUNING_SHAPE(...) \
  (const gsize[]){ __VA_ARGS__ }, \
      sizeof ((const gsize[]){ __VA_ARGS__ }) / sizeof (gsize)

ItuningWeights *ituning_weights_open (const char *folder, GError **error);
ItuningWeights *ituning_weights_new_packed (ItuningGguf *packed);
ItuningWeights *ituning_weights_new_random (guint32 seed);
ItuningWeights *ituning_weights_new_random_of_type (guint32 seed,
    ItuningType type, ItuningType vocabulary);
ItuningWeights *ituning_weights_new_copy (const ItuningWeights *source);
void ituning_weights_set_pool (ItuningWeights *weights, ItuningPool *pool);
void ituning_weights_free (ItuningWeights *weights);
gboolean ituning_weights_is_packed (const ItuningWeights *weights);
void ituning_weights_set_prefix (ItuningWeights *weights, const char *prefix);
void ituning_weights_set_store (ItuningWeights *weights,
    ItuningWeightsStore store, gpointer data);
gboolean ituning_weights_has (ItuningWeights *weights, const char *name);
const float *ituning_weights_take (ItuningWeights *weights, const gsize *dims,
    gsize n_dims, const char *name_format, ...) G_GNUC_PRINTF (4, 5);
ItuningMatrix ituning_weights_take_matrix (ItuningWeights *weights, gsize n_out,
    gsize n_in, const char *name_format, ...) G_GNUC_PRINTF (4, 5);
void ituning_weights_refuse (ItuningWeights *weights, const char *name);
const ItuningTensor *ituning_weights_get_taken (const ItuningWeights *weights,
    gsize *n_taken);
gboolean ituning_weights_finish (ItuningWeights *weights, ItuningPartInfo *info,
    GError **error);
void ituning_weights_pack (const ItuningWeights *weights, ItuningType type,
    ItuningType vocabulary, ItuningGgufWriter *writer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ItuningWeights, ituning_weights_free)
