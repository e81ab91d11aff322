/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/tools/scenenuisance.h"

#include <math.h>
#include <string.h>

/* What video does to a picture: it is too bright or dark, soft, noisy, and has
 * black bars. What JPEG does is left to the file that it is saved to. */

static guint8
clamp_byte (double value)
{
  return (guint8) lrint (CLAMP (value, 0.0, 255.0));
}

/* A mean of each pixel and its neighbours in a row of @n, @step bytes apart. */
static void
blur_line (guint8 *line, guint n, gsize step)
{
  guint8 before = line[0];

  for (guint i = 0; i < n; i++) {
    const guint8 here = line[i * step];
    const guint8 after = line[MIN (i + 1, n - 1) * step];
    line[i * step] = (guint8) ((before + 2 * here + after + 2) / 4);
    before = here;
  }
}

static void
blur (guint8 *rgb, guint width, guint height)
{
  const gsize stride = (gsize) width * 3;

  for (guint y = 0; y < height; y++)
    for (guint c = 0; c < 3; c++)
      blur_line (rgb + y * stride + c, width, 3);
  for (gsize x = 0; x < stride; x++)
    blur_line (rgb + x, height, stride);
}

/* Test patterns are told apart by their levels, so theirs hardly change. */
static void
change_light (guint8 *rgb, gsize n, gboolean is_pattern, GRand *rand)
{
  const double change = is_pattern ? 0.1 : 1.0;
  const double gain = 1.0 + change * g_rand_double_range (rand, -0.2, 0.15);
  const double offset = change * g_rand_double_range (rand, -12.0, 12.0);
  const double noise = g_rand_boolean (rand)
      ? g_rand_double_range (rand, 0.0, 10.0)
      : 0.0;

  for (gsize i = 0; i < n; i++) {
    double value = gain * rgb[i] + offset;
    if (noise > 0.0) {
      /* About normal: the sum of two, of the halves of one number. */
      const guint32 two = g_rand_int (rand);
      value += noise *
          ((double) ((two >> 16) + (two & 0xffff)) / 65536.0 - 1.0) * 2.4;
    }
    rgb[i] = clamp_byte (value);
  }
}

/* Black bars above and below, or left and right. */
static void
add_bars (guint8 *rgb, guint width, guint height, GRand *rand)
{
  const gsize stride = (gsize) width * 3;
  const gboolean sides = g_rand_boolean (rand);
  const guint size = (guint) (g_rand_double_range (rand, 0.02, 0.09) *
      (sides ? width : height));

  for (guint y = 0; y < height; y++) {
    guint8 *row = rgb + y * stride;
    if (sides) {
      memset (row, 0, (gsize) size * 3);
      memset (row + (gsize) (width - size) * 3, 0, (gsize) size * 3);
    } else if (y < size || y >= height - size) {
      memset (row, 0, stride);
    }
  }
}

/**
 * scene_disturb:
 * @rgb: [@height, @width, 3] in place
 * @is_pattern: whether it is a test pattern
 * @rand: what happens
 */
void
scene_disturb (guint8 *rgb, guint width, guint height, gboolean is_pattern,
    GRand *rand)
{
  const guint n_blurs = (guint) g_rand_int_range (rand, 0, 5) / 2;

  for (guint i = 0; i < n_blurs; i++)
    blur (rgb, width, height);
  change_light (rgb, (gsize) width * height * 3, is_pattern, rand);
  if (g_rand_int_range (rand, 0, 8) == 0)
    add_bars (rgb, width, height, rand);
}
