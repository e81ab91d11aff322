/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/names.h"
#include "model/tensors.h"
#include "model/weights.h"

/* What weights.c, which has the object, and weightvalues.c, which fills it, share. */

/* The parameters of one part of a model under Hugging Face's names, which a
 * packed file has others for. Those stored as F32 are used where they are
 * mapped, if they are aligned there, and so are matrices [n_out, n_in] of halves.
 * Quantised matrices are copied as such, and all else as F32, into memory of our
 * own. With neither tensors nor a packed file they are those of another such
 * object, or random. Immutable after ituning_weights_finish (). */
struct _ItuningWeights
{
  ItuningTensors *tensors; /* owned; of a folder */
  ItuningGguf *packed; /* owned reference: in place of @tensors */
  const ItuningWeights *source; /* borrowed: what this is a copy of; or NULL */
  char *prefix; /* owned: before every name in the file */
  GArray *taken; /* owned: ItuningTensor with owned full names: of F32, or of
                  * halves that are used in place; no data if quantised */
  GPtrArray *quantized; /* owned: ItuningQuantized of each that was taken; NULL
                         * for others */
  GPtrArray *owned; /* owned: converted or random values */
  guint64 random; /* state of the generator */
  ItuningType random_type; /* of the matrices that it makes */
  ItuningType random_vocabulary; /* of those with a row for each token */
  ItuningPool *pool; /* borrowed while all is taken: to convert with; or NULL */
  ItuningWeightsStore store; /* where values go; or NULL */
  gpointer store_data;
  ItuningPartInfo info;
  GError *failure; /* owned: the first one */
};

static inline gboolean
ituning_weights_is_random (const ItuningWeights *weights)
{
  return weights->tensors == NULL && weights->packed == NULL;
}

const ItuningTensor *ituning_weights_find_taken (const ItuningWeights *weights,
    const char *name);
char *ituning_weights_name_stored (const ItuningWeights *weights,
    const char *name);
const ItuningTensor *ituning_weights_find_stored (const ItuningWeights *weights,
    const char *stored);
void ituning_weights_fail (ItuningWeights *weights, ItuningError code,
    const char *stored, const char *what);
ItuningType ituning_weights_choose_type (ItuningNameKind kind, ItuningType type,
    ItuningType vocabulary, gsize n_in);

void ituning_weights_find (ItuningMatrix *found, ItuningWeights *weights,
    const char *name, gboolean is_matrix, const gsize *dims, gsize n_dims);
