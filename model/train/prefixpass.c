/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/train/prefixpass.h"

#include <string.h>

#include "model/train/rows.h"

/* An adapter's prefix in training (model/adapter.h has the formula): visual
 * tokens -> image embeddings -> embeddings that stand before each caption. */

struct _ItuningPrefixPass
{
  const ItuningAdapter *adapter; /* borrowed, as all these */
  const ItuningVision *vision;
  const ItuningParameters *parameters;
  ItuningPool *pool;
  ItuningVisionScratch scratch;
  gsize B;
  ItuningBuffer embeds; /* [B, projection_dim] */
  ItuningBuffer inner, active; /* [B, I] before and after the activation */
  ItuningBuffer prefix, dprefix; /* [B, P, C] */
  ItuningBuffer dinner; /* [B, I] */
  gsize *starts; /* owned: [B + 1] */
  guint32 *ids, *targets; /* owned: [M + B P] */
};

/**
 * ituning_prefix_pass_new:
 * @adapter: an adapter with a prefix, opened on @parameters
 * @vision: the tower whose visual tokens come
 * @parameters: what is trained
 * @pool: the threads to work with
 *
 * All of them must live as long as the pass.
 *
 * Returns: (transfer full): a pass, of one thread
 */
ItuningPrefixPass *
ituning_prefix_pass_new (const ItuningAdapter *adapter,
    const ItuningVision *vision, const ItuningParameters *parameters,
    ItuningPool *pool)
{
  ItuningPrefixPass *self = g_new0 (ItuningPrefixPass, 1);

  self->adapter = adapter;
  self->vision = vision;
  self->parameters = parameters;
  self->pool = pool;
  return self;
}

/**
 * ituning_prefix_pass_free:
 * @pass: (nullable) (transfer full): a pass
 */
void
ituning_prefix_pass_free (ItuningPrefixPass *pass)
{
  if (pass == NULL)
    return;
  ituning_vision_scratch_clear (&pass->scratch);
  ituning_buffer_clear (&pass->embeds);
  ituning_buffer_clear (&pass->inner);
  ituning_buffer_clear (&pass->active);
  ituning_buffer_clear (&pass->prefix);
  ituning_buffer_clear (&pass->dprefix);
  ituning_buffer_clear (&pass->dinner);
  g_free (pass->starts);
  g_free (pass->ids);
  g_free (pass->targets);
  g_free (pass);
}

/* Every caption moves back by P rows, which have no token and no target. */
static void
make_room (ItuningPrefixPass *self, const ItuningTextBatch *batch)
{
  const gsize B = batch->n_sequences, P = self->adapter->config.prefix_length;
  const gsize M = batch->starts[B] + B * P;

  self->starts = g_renew (gsize, self->starts, B + 1);
  self->ids = g_renew (guint32, self->ids, M);
  self->targets = g_renew (guint32, self->targets, M);
  for (gsize i = 0; i <= B; i++)
    self->starts[i] = batch->starts[i] + i * P;
  for (gsize i = 0; i < B; i++) {
    const gsize n = batch->starts[i + 1] - batch->starts[i];
    const gsize first = self->starts[i];
    for (gsize p = 0; p < P; p++) {
      self->ids[first + p] = 0;
      self->targets[first + p] = ITUNING_NO_TARGET;
    }
    memcpy (self->ids + first + P, batch->ids + batch->starts[i],
        n * sizeof (guint32));
    memcpy (self->targets + first + P, batch->targets + batch->starts[i],
        n * sizeof (guint32));
  }
}

/**
 * ituning_prefix_pass_forward:
 * @pass: a pass
 * @batch: captions and the visual tokens of their images, before the post layer
 *   norm
 * @prefixed: (out): the captions behind their prefixes; borrows from @pass
 *   until the next call
 */
void
ituning_prefix_pass_forward (ItuningPrefixPass *pass,
    const ItuningTextBatch *batch, ItuningTextBatch *prefixed)
{
  const ItuningLinear *layer1 = &pass->adapter->prefix1;
  const ItuningLinear *layer2 = &pass->adapter->prefix2;
  const gsize B = batch->n_sequences;
  ItuningLinear linear = *layer1; /* what it was before is needed too */
  float *embeds = ituning_buffer_reserve (&pass->embeds, B * layer1->n_in);
  float *inner = ituning_buffer_reserve (&pass->inner, B * layer1->n_out);
  float *active = ituning_buffer_reserve (&pass->active, B * layer1->n_out);
  float *prefix = ituning_buffer_reserve (&pass->prefix, B * layer2->n_out);

  pass->B = B;
  linear.activation = ITUNING_ACTIVATION_NONE;
  ituning_vision_project (pass->vision, &pass->scratch, pass->pool, embeds,
      batch->visual_tokens, B, pass->vision->n_tokens);
  ituning_linear_forward (pass->pool, inner, embeds, &linear, B, 1.0f, FALSE);
  ituning_rows_activate (pass->pool, active, inner, layer1->activation,
      B * layer1->n_out);
  ituning_linear_forward (pass->pool, prefix, active, layer2, B, 1.0f, FALSE);
  make_room (pass, batch);
  *prefixed = *batch;
  prefixed->starts = pass->starts;
  prefixed->ids = pass->ids;
  prefixed->targets = pass->targets;
  prefixed->prefix = prefix;
  prefixed->n_prefix = pass->adapter->config.prefix_length;
}

/**
 * ituning_prefix_pass_get_gradient:
 *
 * Returns: (transfer none): [B, P, C] room for the gradient of the prefixes
 *   that the forward pass just made
 */
float *
ituning_prefix_pass_get_gradient (ItuningPrefixPass *pass)
{
  return ituning_buffer_reserve (&pass->dprefix,
      pass->B * pass->adapter->prefix2.n_out);
}

static void
layer_backward (ItuningPrefixPass *self, float *dx, const float *dy,
    const float *x, const ItuningLinear *layer)
{
  ituning_linear_backward (self->pool, dx,
      ituning_parameters_gradient (self->parameters, layer->weight.values),
      ituning_parameters_gradient (self->parameters, layer->bias), dy, x, layer,
      self->B, FALSE);
}

/**
 * ituning_prefix_pass_backward:
 * @pass: whose ituning_prefix_pass_get_gradient () was filled
 *
 * Adds to the gradients of the parameters.
 */
void
ituning_prefix_pass_backward (ItuningPrefixPass *pass)
{
  const ItuningAdapter *adapter = pass->adapter;
  const gsize n = pass->B * adapter->prefix1.n_out;
  float *dinner = ituning_buffer_reserve (&pass->dinner, n);

  layer_backward (pass, dinner, pass->dprefix.values, pass->active.values,
      &adapter->prefix2);
  ituning_rows_activate_backward (pass->pool, dinner, pass->inner.values,
      adapter->prefix1.activation, n);
  layer_backward (pass, NULL, dinner, pass->embeds.values, &adapter->prefix1);
}
