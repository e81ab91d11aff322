/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <math.h>
#include <string.h>

#include "model/train/augment.h"
#include "tests/testutil.h"

#define SIDE 64
#define SLOPE 3

/* Brightness grows to the right in red, downwards in green; blue is even. */
static void
make_ramps (guint8 picture[SIDE][SIDE][3])
{
  for (guint y = 0; y < SIDE; y++)
    for (guint x = 0; x < SIDE; x++) {
      picture[y][x][0] = (guint8) (SLOPE * x);
      picture[y][x][1] = (guint8) (SLOPE * y);
      picture[y][x][2] = 77;
    }
}

/* The line of a ramp that a changed one must be: SLOPE / scale from pixel to
 * pixel, within rounding, but where it has come to an edge of the picture.
 * Returns the scale, @middle is what half a side shows. */
static double
measure (const guint8 line[SIDE], double *middle)
{
  const guint first = SIDE / 4, half = SIDE / 2, last = 3 * SIDE / 4;
  const double slope = (double) (line[last] - line[first]) / (last - first);

  *middle = 0.5 * (line[half - 1] + line[half]) / SLOPE;
  for (guint i = 0; i < SIDE; i++) {
    const double exact = line[first] + slope * ((double) i - first);
    const double seen = CLAMP (exact, 0.0, SLOPE * (SIDE - 1.0));
    g_assert_cmpfloat (fabs (line[i] - seen), <, 3.0);
  }
  return SLOPE / slope;
}

static void
test_sides_are_moved_and_stretched (void)
{
  const ItuningAugment augment = { .shift = 5, .zoom = 0.25 };
  guint8 from[SIDE][SIDE][3], to[SIDE][SIDE][3];
  double least = 2.0, most = 0.0, least_middle = SIDE, most_middle = 0.0;
  gboolean apart = FALSE;

  make_ramps (from);
  for (guint64 seed = 0; seed < 300; seed++) {
    ItuningRandom random = ituning_random_new (seed, 0);
    guint8 red[SIDE], green[SIDE];
    double scales[2], middles[2];
    ituning_augment_picture (&augment, to[0][0], from[0][0], SIDE, &random);
    for (guint i = 0; i < SIDE; i++) {
      red[i] = to[seed % SIDE][i][0];
      green[i] = to[i][seed % SIDE][1];
      g_assert_cmpuint (to[i][seed % SIDE][2], ==, 77);
    }
    scales[0] = measure (red, &middles[0]);
    scales[1] = measure (green, &middles[1]);
    apart |= fabs (scales[0] - scales[1]) > 0.3;
    for (guint side = 0; side < 2; side++) {
      least = MIN (least, scales[side]);
      most = MAX (most, scales[side]);
      least_middle = MIN (least_middle, middles[side]);
      most_middle = MAX (most_middle, middles[side]);
    }
  }
  g_assert_true (apart); /* each side has its own */
  g_assert_cmpfloat (fabs (least - 0.75), <, 0.03);
  g_assert_cmpfloat (fabs (most - 1.25), <, 0.03);
  /* Five pixels of what is stretched by 3/4 are nearly seven of the picture's. */
  g_assert_cmpfloat (fabs (least_middle - (31.5 - 5 / 0.75)), <, 1.0);
  g_assert_cmpfloat (fabs (most_middle - (31.5 + 5 / 0.75)), <, 1.0);
}

static void
test_nothing_changes_nothing (void)
{
  const ItuningAugment augment = { 0 };
  ItuningRandom random = ituning_random_new (1, 0);
  guint8 from[SIDE][SIDE][3], to[SIDE][SIDE][3];

  make_ramps (from);
  ituning_augment_picture (&augment, to[0][0], from[0][0], SIDE, &random);
  g_assert_cmpmem (from, sizeof from, to, sizeof to);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/augment/moved-and-stretched",
      test_sides_are_moved_and_stretched);
  g_test_add_func ("/augment/nothing", test_nothing_changes_nothing);
  return g_test_run ();
}
