/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
#include <glib.h>

/* Fails unless |got - want| <= atol + rtol * |want| for every element. Written
 * with <= and a negation so that a NaN on either side fails. Returns the worst
 * error as a part of its limit. */
#define assert_close(got, want, n, rtol, atol) \
  assert_close_at (__FILE__, __LINE__, G_STRFUNC, #got, got, want, n, rtol, \
      atol)

double assert_close_at (const char *file, int line, const char *func,
    const char *what, const float *got, const float *want, gsize n, double rtol,
    double atol);
void fill_random (GRand *rand, float *x, gsize n);
