/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/kernels/kernels.h"

/* One table for each instruction set that this build has: plain.c, and simd.c
 * compiled once for each of the others; panels.c and fewrows.c for some. */
extern const ItuningKernels ituning_kernels_plain;
#if defined(__x86_64__)
extern const ItuningKernels ituning_kernels_sse2;
extern const ItuningKernels ituning_kernels_avx2;
extern const ItuningKernels ituning_kernels_avx512;
extern const ItuningPanels ituning_panels_avx2;
extern const ItuningPanels ituning_panels_avx512;
void ituning_multiply_few_avx2 (float *y, gsize ldy, const float *x, gsize ldx,
    const float *w, gsize ldw, gboolean in_major, gsize M, gsize n, gsize K,
    float scale);
void ituning_multiply_few_halves_avx2 (float *y, gsize ldy, const float *x,
    gsize ldx, const void *w, gsize ldw, gboolean is_bfloat16, gsize M, gsize n,
    gsize K, float scale);
#elif defined(__aarch64__)
extern const ItuningKernels ituning_kernels_neon;
#endif
