/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/testutil.h"

#include <math.h>

#ifdef __FAST_MATH__
#error "-ffast-math makes NaN compare as a match; build without it"
#endif

double
assert_close_at (const char *file, int line, const char *func, const char *what,
    const float *got, const float *want, gsize n, double rtol, double atol)
{
  double worst = 0.0;

  for (gsize i = 0; i < n; i++) {
    const double diff = fabs ((double) got[i] - (double) want[i]);
    const double limit = atol + rtol * fabs ((double) want[i]);
    if (!(diff <= limit)) {
      g_autofree char *message =
          g_strdup_printf ("%s[%" G_GSIZE_FORMAT
                           "]: got %.9g, want %.9g (diff %.3g > %.3g)",
              what, i, (double) got[i], (double) want[i], diff, limit);
      g_assertion_message (G_LOG_DOMAIN, file, line, func, message);
    }
    if (diff > 0.0)
      worst = MAX (worst, diff / limit);
  }
  return worst;
}

void
fill_random (GRand *rand, float *x, gsize n)
{
  for (gsize i = 0; i < n; i++)
    x[i] = (float) g_rand_double_range (rand, -1.0, 1.0);
}
