/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/kernels/kernels.h"

/* One table for each instruction set that this build has: plain.c, and simd.c
 * compiled once for each of the others. */
extern const ItuningKernels ituning_kernels_plain;
#if defined(__x86_64__)
extern const ItuningKernels ituning_kernels_sse2;
extern const ItuningKernels ituning_kernels_avx2;
extern const ItuningKernels ituning_kernels_avx512;
#elif defined(__aarch64__)
extern const ItuningKernels ituning_kernels_neon;
#endif
