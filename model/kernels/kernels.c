/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/kernels/tables.h"

/**
 * ituning_kernels_list:
 * @n: (out): how many
 *
 * Returns: (transfer none): [@n] the tables that this processor can run, the
 *   plain one first, the fastest last
 */
const ItuningKernels *const *
ituning_kernels_list (gsize *n)
{
  static const ItuningKernels *list[4] = { &ituning_kernels_plain };
  static gsize n_list = 0;

  if (g_once_init_enter (&n_list)) {
    gsize count = 1;
#if defined(__x86_64__)
    list[count++] = &ituning_kernels_sse2;
    if (__builtin_cpu_supports ("avx2") && __builtin_cpu_supports ("fma")) {
      list[count++] = &ituning_kernels_avx2;
      if (__builtin_cpu_supports ("avx512f") &&
          __builtin_cpu_supports ("avx512bw") &&
          __builtin_cpu_supports ("avx512dq") &&
          __builtin_cpu_supports ("avx512vl"))
        list[count++] = &ituning_kernels_avx512;
    }
#elif defined(__aarch64__)
    list[count++] = &ituning_kernels_neon;
#endif
    g_once_init_leave (&n_list, count);
  }
  *n = n_list;
  return list;
}

/**
 * ituning_kernels_get:
 *
 * Returns: (transfer none): the fastest table of this processor; or the one
 *   that the environment variable `ITUNING_KERNELS` names, if it can run
 */
const ItuningKernels *
ituning_kernels_get (void)
{
  static gsize chosen = 0;

  if (g_once_init_enter (&chosen)) {
    const char *wanted = g_getenv ("ITUNING_KERNELS");
    gsize n;
    const ItuningKernels *const *list = ituning_kernels_list (&n);
    gsize best = n - 1;

    /* The list is full up to n, which the analyzer does not see. */
    for (gsize i = 0; i < n; i++)
      if (list[i] != NULL && g_strcmp0 (wanted, list[i]->name) == 0)
        best = i;
    g_once_init_leave (&chosen, (gsize) list[best]);
  }
  return (const ItuningKernels *) chosen;
}
