/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/kernels/kernels.h"

/* A product's shape and scales; strides are of rows. */
typedef struct
{
  gsize M, N, K;
  gsize ldc, lda, ldb;
  gboolean a_transposed, b_transposed;
  float alpha, beta;
} ItuningProduct;

gboolean ituning_blocked_multiply (float *c, const float *a, const float *b,
    const ItuningProduct *p);
