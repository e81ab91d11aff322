/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/train/contrast.h"

#include <math.h>
#include <string.h>

#include "model/kernels/gemm.h"
#include "model/kernels/kernels.h"

/* CLIP's loss (Radford et al. 2021, figure 3): images and texts of a batch are
 * told apart by the cosines of their embeddings, each way. Where several pairs
 * of a batch have the same text, all of them are right answers. */

/* y [B, E] = x / |x| */
static void
normalise (float *y, const float *x, gsize B, gsize E)
{
  const ItuningKernels *kernels = ituning_kernels_get ();

  memcpy (y, x, B * E * sizeof (float));
  for (gsize i = 0; i < B; i++)
    kernels->scale (y + i * E,
        1.0f / sqrtf (kernels->dot (x + i * E, x + i * E, E) + 1e-12f), E);
}

/* dx = (dy - y (y . dy)) / |x|, in place */
static void
normalise_backward (float *dy, const float *y, const float *x, gsize B, gsize E)
{
  const ItuningKernels *kernels = ituning_kernels_get ();

  for (gsize i = 0; i < B; i++) {
    const float *row = x + i * E;
    float *d = dy + i * E;
    kernels->axpy (d, y + i * E, -kernels->dot (y + i * E, d, E), E);
    kernels->scale (d, 1.0f / sqrtf (kernels->dot (row, row, E) + 1e-12f), E);
  }
}

/* Logits [B, B] become the gradient of their cross entropy by rows, not
 * scaled. Returns the sum of the rows' losses. */
static double
rows_loss (float *logits, const guint32 *groups, gsize B)
{
  const ItuningKernels *kernels = ituning_kernels_get ();
  double loss = 0.0;

  for (gsize i = 0; i < B; i++) {
    float *z = logits + i * B;
    const float lse = kernels->log_sum_exp (z, B);
    gsize n = 0;
    double right = 0.0;

    for (gsize j = 0; j < B; j++) {
      if (groups[j] == groups[i]) {
        right += (double) z[j];
        n++;
      }
    }
    loss += (double) lse - right / (double) n;
    kernels->softmax (z, B);
    for (gsize j = 0; j < B; j++)
      if (groups[j] == groups[i])
        z[j] -= 1.0f / (float) n;
  }
  return loss;
}

static void
transpose (float *y, const float *x, gsize n)
{
  for (gsize i = 0; i < n; i++)
    for (gsize j = 0; j < n; j++)
      y[j * n + i] = x[i * n + j];
}

/**
 * ituning_contrast_run:
 * @pool: the threads to work with
 * @scratch: the caller's
 * @dimage: (nullable): [B, E] output: gradient of @image; %NULL for the loss
 *   alone
 * @dtext: (nullable): [B, E] output: gradient of @text
 * @dscale: (nullable): (out): gradient of the logarithm of @scale
 * @image: [B, E] image embeddings
 * @text: [B, E] text embeddings
 * @groups: [B] the same number for pairs with the same text
 * @B: pairs
 * @E: width of the embeddings
 * @scale: multiplies the cosines
 *
 * The gradients are those of the mean over the pairs.
 *
 * Returns: the sum over the pairs of the mean of both ways' cross entropies
 */
double
ituning_contrast_run (ItuningPool *pool, ItuningContrastScratch *scratch,
    float *dimage, float *dtext, double *dscale, const float *image,
    const float *text, const guint32 *groups, gsize B, gsize E, float scale)
{
  const ItuningKernels *kernels = ituning_kernels_get ();
  float *a = ituning_buffer_reserve (&scratch->image, B * E);
  float *b = ituning_buffer_reserve (&scratch->text, B * E);
  float *by_image = ituning_buffer_reserve (&scratch->by_image, B * B);
  float *by_text = ituning_buffer_reserve (&scratch->by_text, 2 * B * B);
  float *cosines = by_text + B * B;
  double loss;

  normalise (a, image, B, E);
  normalise (b, text, B, E);
  ituning_gemm_run (pool, cosines, B, a, E, FALSE, b, E, TRUE, B, B, E, 0.0f);
  memcpy (by_image, cosines, B * B * sizeof (float));
  kernels->scale (by_image, scale, B * B);
  transpose (by_text, by_image, B);
  loss = 0.5 *
      (rows_loss (by_image, groups, B) + rows_loss (by_text, groups, B));
  if (dimage == NULL)
    return loss;
  for (gsize i = 0; i < B; i++)
    for (gsize j = 0; j < B; j++)
      by_image[i * B + j] += by_text[j * B + i];
  kernels->scale (by_image, 0.5f / (float) B, B * B);
  *dscale = (double) (scale * kernels->dot (by_image, cosines, B * B));
  kernels->scale (by_image, scale, B * B);
  ituning_gemm_run (pool, dimage, E, by_image, B, FALSE, b, E, FALSE, B, E, B,
      0.0f);
  ituning_gemm_run (pool, dtext, E, by_image, B, TRUE, a, E, FALSE, B, E, B,
      0.0f);
  normalise_backward (dimage, a, image, B, E);
  normalise_backward (dtext, b, text, B, E);
  return loss;
}

/**
 * ituning_contrast_scratch_clear:
 * @scratch: its memory is given back
 */
void
ituning_contrast_scratch_clear (ItuningContrastScratch *scratch)
{
  ituning_buffer_clear (&scratch->image);
  ituning_buffer_clear (&scratch->text);
  ituning_buffer_clear (&scratch->by_image);
  ituning_buffer_clear (&scratch->by_text);
}
