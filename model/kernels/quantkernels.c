/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/kernels/quantkernels.h"

#include <math.h>

#include "model/half.h"
#include "model/kernels/kernels.h"

#define BLOCK ITUNING_QUANT_BLOCK
#define PANEL ITUNING_QUANT_PANEL

/* The plain kernels, and which are used. */

/* NaN unless all are finite, since 0 times what is not is NaN. */
static float
find_largest (const float *x)
{
  float largest = 0.0f, check = 0.0f;

  for (gsize i = 0; i < BLOCK; i++) {
    largest = fabsf (x[i]) > largest ? fabsf (x[i]) : largest;
    check += 0.0f * x[i];
  }
  return largest + check;
}

static void
plain_quantize (const ItuningQuantRows *rows, gsize row, const float *x,
    guint bits)
{
  const int bias = bits == 8 ? 128 : 8;

  for (gsize block = 0; block < rows->n_blocks; block++, x += BLOCK) {
    const gsize at = ituning_quant_place (rows, row, block);
    const float largest = find_largest (x);
    const gboolean usable = ituning_quant_is_usable (largest);
    int sum = 0;

    for (gsize i = 0; i < BLOCK; i++) {
      const int value = usable ? (int) rintf (x[i] * (127.0f / largest)) : 0;
      rows->values[at * BLOCK + i] = (gint8) value;
      sum += value;
    }
    rows->scales[at] = largest / 127.0f;
    rows->offsets[at] = -bias * sum;
  }
}

/* Of the lane's weights of one block with one row's values. */
static int
multiply_block (const guint8 *words, const gint8 *x, guint bits)
{
  int sum = 0;

  for (gsize i = 0; i < BLOCK * bits / 8; i++) {
    const guint8 q = words[i / 4 * PANEL * 4 + i % 4];
    if (bits == 8)
      sum += q * x[i];
    else
      sum += (q & 15) * x[i] + (q >> 4) * x[BLOCK / 2 + i];
  }
  return sum;
}

static void
plain_multiply (float *y, gsize ldy, const ItuningQuantRows *rows, gsize M,
    const ItuningQuantized *matrix, gsize first_panel, gsize n_panels,
    float scale)
{
  const gsize first = first_panel * PANEL, n_blocks = matrix->n_blocks;
  const gsize end = MIN (matrix->n_out, first + n_panels * PANEL);

  for (gsize out = first; out < end; out++) {
    const gsize start = out / PANEL * n_blocks;
    const gsize lane = out % PANEL;
    for (gsize row = 0; row < M; row++) {
      float sum = 0.0f;
      for (gsize block = 0; block < n_blocks; block++) {
        const gsize at = ituning_quant_place (rows, row, block);
        const guint8 *words = matrix->words +
            ((start + block) * matrix->bits * PANEL + lane) * 4;
        float weight_scale;
        ituning_half_to_float (&weight_scale,
            matrix->scales + (start + block) * PANEL + lane, 1);
        sum += weight_scale * rows->scales[at] *
            (float) (rows->offsets[at] +
                multiply_block (words, rows->values + at * BLOCK,
                    matrix->bits));
      }
      y[row * ldy + out - first] += scale * sum;
    }
  }
}

const ItuningQuantKernels ituning_quant_kernels_plain = { "plain",
  plain_quantize, plain_multiply };

/* --- choice ------------------------------------------------------------- */

/**
 * ituning_quant_kernels_list:
 * @n: (out): how many
 *
 * Returns: (transfer none): [@n] the tables that this processor can run, the
 *   plain one first, the fastest last
 */
const ItuningQuantKernels *const *
ituning_quant_kernels_list (gsize *n)
{
  static const ItuningQuantKernels *list[3] = { &ituning_quant_kernels_plain };
  static gsize n_list = 0;

  if (g_once_init_enter (&n_list)) {
    gsize count = 1;
#if defined(__x86_64__)
    /* Whatever has AVX2 has F16C, which not every compiler can ask for. */
    if (__builtin_cpu_supports ("avx2") && __builtin_cpu_supports ("fma")) {
      list[count++] = &ituning_quant_kernels_avx2;
      if (__builtin_cpu_supports ("avx512f") &&
          __builtin_cpu_supports ("avx512bw") &&
          __builtin_cpu_supports ("avx512vl") &&
          __builtin_cpu_supports ("avx512vnni"))
        list[count++] = &ituning_quant_kernels_avx512;
    }
#endif
    g_once_init_leave (&n_list, count);
  }
  *n = n_list;
  return list;
}

/**
 * ituning_quant_kernels_get:
 *
 * Returns: (transfer none): the fastest table of this processor; or, where
 *   `ITUNING_KERNELS` names a table of floats, that of the name, or "plain" if
 *   there is none
 */
const ItuningQuantKernels *
ituning_quant_kernels_get (void)
{
  static gsize chosen = 0;

  if (g_once_init_enter (&chosen)) {
    gsize n, n_floats;
    const ItuningQuantKernels *const *list = ituning_quant_kernels_list (&n);
    const ItuningKernels *const *floats = ituning_kernels_list (&n_floats);
    const ItuningKernels *wanted = ituning_kernels_get ();
    const ItuningQuantKernels *best = list[0];

    /* The list is full up to n, which the analyzer does not see. */
    for (gsize i = 0; i < n; i++)
      if (wanted == floats[n_floats - 1] ||
          (list[i] != NULL && g_str_equal (list[i]->name, wanted->name)))
        best = list[i];
    g_once_init_leave (&chosen, (gsize) best);
  }
  return (const ItuningQuantKernels *) chosen;
}
