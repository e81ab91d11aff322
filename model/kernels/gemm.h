/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/kernels/pool.h"

void ituning_gemm_init (void);
void ituning_gemm (float *c, gsize ldc, const float *a, gsize lda,
    gboolean a_transposed, const float *b, gsize ldb, gboolean b_transposed,
    gsize M, gsize N, gsize K, float alpha, float beta);
void ituning_gemv (float *y, const float *x, const float *w, gsize ldw,
    gboolean in_major, gsize n, gsize K, float scale);
void ituning_gemm_run (ItuningPool *pool, float *c, gsize ldc, const float *a,
    gsize lda, gboolean a_transposed, const float *b, gsize ldb,
    gboolean b_transposed, gsize M, gsize N, gsize K, float beta);
