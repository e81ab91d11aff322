/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/resample.h"

#include <math.h>
#include <string.h>

/* Pillow's antialiased resampling of 8-bit pictures (its Resample.c), to the
 * bit: weights are rounded to PRECISION_BITS, each pass rounds to 8 bits, the
 * horizontal pass comes first. Only the wanted window is computed:
 *
 *   rows of the picture -> scaled along the width, into a ring of as many rows
 *   as one output row is made of -> blended into a row of the output */

#define PRECISION_BITS (32 - 8 - 2)

/* --- filters ------------------------------------------------------------ */

static double
sinc (double x)
{
  return x == 0.0 ? 1.0 : sin (x * G_PI) / (x * G_PI);
}

static double
lanczos (double x)
{
  return x >= -3.0 && x < 3.0 ? sinc (x) * sinc (x / 3.0) : 0.0;
}

static double
bilinear (double x)
{
  x = fabs (x);
  return x < 1.0 ? 1.0 - x : 0.0;
}

/* Keys's cubic with a = -0.5. */
static double
bicubic (double x)
{
  const double a = -0.5;

  x = fabs (x);
  if (x < 1.0)
    return ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
  if (x < 2.0)
    return (((x - 5.0) * x + 8.0) * x - 4.0) * a;
  return 0.0;
}

static double
box (double x)
{
  return x > -0.5 && x <= 0.5 ? 1.0 : 0.0;
}

/* Pillow's constants are single precision. */
static double
hamming (double x)
{
  const double a = (double) 0.54f, b = (double) 0.46f;

  x = fabs (x);
  return x < 1.0 ? sinc (x) * (a + b * cos (x * G_PI)) : 0.0;
}

static const struct
{
  double (*weight) (double x);
  double support;
} filters[] = {
  [ITUNING_FILTER_LANCZOS] = { lanczos, 3.0 },
  [ITUNING_FILTER_BILINEAR] = { bilinear, 1.0 },
  [ITUNING_FILTER_BICUBIC] = { bicubic, 2.0 },
  [ITUNING_FILTER_BOX] = { box, 0.5 },
  [ITUNING_FILTER_HAMMING] = { hamming, 1.0 },
};

/* --- weights ------------------------------------------------------------ */

/* What each output of one axis is made of: inputs first[i] to first[i] +
 * count[i] - 1, with weights[i * stride ...]. */
typedef struct
{
  gsize n;
  gsize stride;
  gsize *first; /* owned: [n] */
  gsize *count; /* owned: [n] */
  gint32 *weights; /* owned: [n, stride], times 2^PRECISION_BITS */
} Axis;

static void
axis_clear (Axis *self)
{
  g_free (self->first);
  g_free (self->count);
  g_free (self->weights);
}

static gint32
to_fixed (double weight)
{
  const double scaled = weight * (double) (1 << PRECISION_BITS);

  return (gint32) (scaled < 0.0 ? scaled - 0.5 : scaled + 0.5);
}

static void
weigh (Axis *self, gsize i, ItuningFilter filter, double centre, double scale,
    double *weights)
{
  const double narrow = 1.0 / scale; /* rounded, as Pillow does */
  double sum = 0.0;

  for (gsize k = 0; k < self->count[i]; k++) {
    const double x = (double) (self->first[i] + k) - centre + 0.5;
    weights[k] = filters[filter].weight (x * narrow);
    sum += weights[k];
  }
  for (gsize k = 0; k < self->count[i]; k++)
    self->weights[i * self->stride + k] = to_fixed (
        sum != 0.0 ? weights[k] / sum : weights[k]);
}

/* Outputs @start to @start + @n - 1 of those that @n_in inputs are scaled to. */
static void
axis_init (Axis *self, ItuningFilter filter, gsize n_in, gsize n_out,
    gsize start, gsize n)
{
  const double ratio = (double) n_in / (double) n_out;
  const double scale = MAX (ratio, 1.0);
  const double support = filters[filter].support * scale;
  double *weights;

  self->n = n;
  self->stride = (gsize) ceil (support) * 2 + 1;
  self->first = g_new (gsize, n);
  self->count = g_new (gsize, n);
  self->weights = g_new0 (gint32, n * self->stride);
  weights = g_new (double, self->stride);
  for (gsize i = 0; i < n; i++) {
    const double centre = ((double) (start + i) + 0.5) * ratio;
    const double low = centre - support + 0.5, high = centre + support + 0.5;
    const gsize end = MIN ((gsize) high, n_in);
    self->first[i] = low > 0.0 ? (gsize) low : 0;
    self->count[i] = MIN (end - self->first[i], self->stride);
    weigh (self, i, filter, centre, scale, weights);
  }
  g_free (weights);
}

/* --- passes ------------------------------------------------------------- */

static inline guint8
to_8_bits (gint32 sum)
{
  return (guint8) CLAMP (sum >> PRECISION_BITS, 0, 255);
}

/* One row of RGB: row [n_in, 3] -> out [axis n, 3] */
static void
blend_pixels (guint8 *out, const guint8 *row, const Axis *axis)
{
  for (gsize i = 0; i < axis->n; i++, out += 3) {
    const guint8 *pixel = row + axis->first[i] * 3;
    const gint32 *weights = axis->weights + i * axis->stride;
    gint32 r = 1 << (PRECISION_BITS - 1), g = r, b = r;
    for (gsize k = 0; k < axis->count[i]; k++, pixel += 3) {
      r += weights[k] * pixel[0];
      g += weights[k] * pixel[1];
      b += weights[k] * pixel[2];
    }
    out[0] = to_8_bits (r);
    out[1] = to_8_bits (g);
    out[2] = to_8_bits (b);
  }
}

/* One row of a picture, scaled along its width and cut; @axis is empty when the
 * width stays. */
static void
scale_row (guint8 *out, const ItuningImage *image, gsize y, const Axis *axis,
    const ItuningWindow *window)
{
  const guint8 *row = image->pixels + y * image->stride;

  if (axis->n == 0)
    memcpy (out, row + window->left * 3, window->width * 3);
  else
    blend_pixels (out, row, axis);
}

/* Output @i of the axis from a ring of rows: ring [axis stride, size] */
static void
blend_rows (guint8 *out, gint32 *sums, const guint8 *ring, gsize size,
    const Axis *axis, gsize i)
{
  const gint32 *weights = axis->weights + i * axis->stride;

  for (gsize x = 0; x < size; x++)
    sums[x] = 1 << (PRECISION_BITS - 1);
  for (gsize k = 0; k < axis->count[i]; k++) {
    const guint8 *row = ring + (axis->first[i] + k) % axis->stride * size;
    for (gsize x = 0; x < size; x++)
      sums[x] += weights[k] * row[x];
  }
  for (gsize x = 0; x < size; x++)
    out[x] = to_8_bits (sums[x]);
}

/* Both passes at once: no more scaled rows are kept than one output needs. */
static void
scale_and_blend (guint8 *out, const ItuningImage *image, const Axis *across,
    const Axis *down, const ItuningWindow *window)
{
  const gsize size = window->width * 3;
  guint8 *ring = g_malloc_n (down->stride, size);
  gint32 *sums = g_new (gint32, size);
  gsize next = down->first[0];

  for (gsize i = 0; i < down->n; i++, out += size) {
    for (; next < down->first[i] + down->count[i]; next++)
      scale_row (ring + next % down->stride * size, image, next, across,
          window);
    blend_rows (out, sums, ring, size, down, i);
  }
  g_free (sums);
  g_free (ring);
}

/**
 * ituning_resample:
 * @out: [window height, window width, 3] output, 8-bit R, G, B
 * @image: the picture
 * @filter: the filter; along an axis whose length stays it is not applied
 * @width: width to scale to, at least 1
 * @height: height to scale to, at least 1
 * @window: the part of the scaled picture that is wanted, not empty and inside
 *
 * Scales a picture and cuts a window out, at the cost of the window: neither
 * the rest of the scaled picture nor rows that no output needs are computed.
 */
void
ituning_resample (guint8 *out, const ItuningImage *image, ItuningFilter filter,
    gsize width, gsize height, const ItuningWindow *window)
{
  Axis across = { 0 }, down = { 0 };

  if (width != image->width)
    axis_init (&across, filter, image->width, width, window->left,
        window->width);
  if (height != image->height) {
    axis_init (&down, filter, image->height, height, window->top,
        window->height);
    scale_and_blend (out, image, &across, &down, window);
  } else {
    for (gsize y = 0; y < window->height; y++)
      scale_row (out + y * window->width * 3, image, window->top + y, &across,
          window);
  }
  axis_clear (&across);
  axis_clear (&down);
}
