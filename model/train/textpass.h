/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/train/loss.h"
#include "model/train/module.h"

/**
 * ItuningTextBatch:
 * @n_sequences: captions
 * @starts: [n_sequences + 1] first row of each; the last is M, their number
 * @ids: [M] the token of each row; that of a prefix row is not used
 * @targets: [M] the token that comes next; or %ITUNING_NO_TARGET
 * @visual_tokens: (nullable): [n_sequences, S, D] what the adapter sees
 * @S: visual tokens of an image
 * @prefix: (nullable): [n_sequences, n_prefix, C] embeddings in the place of
 *   the first tokens of each sequence
 * @n_prefix: rows of it
 *
 * Captions packed one behind the other. All is borrowed.
 */
typedef struct
{
  gsize n_sequences;
  const gsize *starts;
  const guint32 *ids;
  const guint32 *targets;
  const float *visual_tokens;
  gsize S;
  const float *prefix;
  gsize n_prefix;
} ItuningTextBatch;

/**
 * ItuningTextHow:
 * @scale: of the gradients: 1 / the number of targets of the step
 * @label_smoothing: see ituning_loss_run ()
 * @dropout: of the modules' outputs
 * @seed: what is dropped at this step follows from it
 */
typedef struct
{
  double scale;
  double label_smoothing;
  double dropout;
  guint64 seed;
} ItuningTextHow;

/**
 * ItuningTextInputs:
 * @prefix: (nullable): [n_sequences, n_prefix, C] gradient of the batch's prefix
 * @visual_tokens: (nullable): [n_sequences, S, D] gradient of its visual tokens
 *
 * Where gradients of what a batch was given go.
 */
typedef struct
{
  float *prefix;
  float *visual_tokens;
} ItuningTextInputs;

typedef struct _ItuningTextPass ItuningTextPass;

ItuningTextPass *ituning_text_pass_new (const ItuningLanguage *language,
    const ItuningAdapter *adapter, const ItuningParameters *parameters,
    ItuningPool *pool);
void ituning_text_pass_free (ItuningTextPass *pass);
double ituning_text_pass_loss (ItuningTextPass *pass,
    const ItuningTextBatch *batch, const ItuningTextHow *how);
double ituning_text_pass_train (ItuningTextPass *pass,
    const ItuningTextBatch *batch, const ItuningTextHow *how,
    const ItuningTextInputs *inputs);
const float *ituning_text_pass_encode (ItuningTextPass *pass,
    const ItuningTextBatch *batch);
void ituning_text_pass_encode_backward (ItuningTextPass *pass,
    const ItuningTextBatch *batch, const float *dnormed);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ItuningTextPass, ituning_text_pass_free)
