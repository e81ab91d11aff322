/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/kernels/quantkernels.h"

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#endif

#include "model/kernels/kernels.h"

#if defined(__aarch64__)
static gboolean
has_dot_products (void)
{
#ifdef HWCAP_ASIMDDP
  return (getauxval (AT_HWCAP) & HWCAP_ASIMDDP) != 0;
#else
  return FALSE;
#endif
}
#endif

#if defined(ITUNING_HAVE_AVXVNNI)
/* Bit 4 of EAX in leaf 7, subleaf 1, which compilers' own functions of today do
 * not all know. */
static gboolean
has_avxvnni (void)
{
  unsigned eax, ebx, ecx, edx;

  return __get_cpuid_count (7, 1, &eax, &ebx, &ecx, &edx) != 0 &&
      (eax & 1u << 4) != 0;
}
#endif

/**
 * ituning_quant_kernels_list:
 * @n: (out): how many
 *
 * Returns: (transfer none): [@n] the tables that this processor can run, the
 *   plain one first, the fastest last
 */
const ItuningQuantKernels *const *
ituning_quant_kernels_list (gsize *n)
{
  static const ItuningQuantKernels *list[4] = { &ituning_quant_kernels_plain };
  static gsize n_list = 0;

  if (g_once_init_enter (&n_list)) {
    gsize count = 1;
#if defined(__x86_64__)
    /* Whatever has AVX2 has F16C, which not every compiler can ask for. */
    if (__builtin_cpu_supports ("avx2") && __builtin_cpu_supports ("fma")) {
      list[count++] = &ituning_quant_kernels_avx2;
#if defined(ITUNING_HAVE_AVXVNNI)
      if (has_avxvnni ())
        list[count++] = &ituning_quant_kernels_avxvnni;
#endif
      if (__builtin_cpu_supports ("avx512f") &&
          __builtin_cpu_supports ("avx512bw") &&
          __builtin_cpu_supports ("avx512vl") &&
          __builtin_cpu_supports ("avx512vnni"))
        list[count++] = &ituning_quant_kernels_avx512;
    }
#elif defined(__aarch64__)
    list[count++] = &ituning_quant_kernels_neon;
    if (has_dot_products ())
      list[count++] = &ituning_quant_kernels_dotprod;
#endif
    g_once_init_leave (&n_list, count);
  }
  *n = n_list;
  return list;
}

/**
 * ituning_quant_kernels_get:
 *
 * Returns: (transfer none): the fastest table of this processor; or that which
 *   `ITUNING_KERNELS` names; or, where it names one of floats that has no twin
 *   here, "plain", unless that is the fastest of floats
 */
const ItuningQuantKernels *
ituning_quant_kernels_get (void)
{
  static gsize chosen = 0;

  if (g_once_init_enter (&chosen)) {
    const char *wanted = g_getenv ("ITUNING_KERNELS");
    gsize n, n_floats;
    const ItuningQuantKernels *const *list = ituning_quant_kernels_list (&n);
    const ItuningKernels *const *floats = ituning_kernels_list (&n_floats);
    gsize best = ituning_kernels_get () == floats[n_floats - 1] ? n - 1 : 0;

    /* The list is full up to n, which the analyzer does not see. */
    for (gsize i = 0; i < n; i++)
      if (list[i] != NULL && g_strcmp0 (wanted, list[i]->name) == 0)
        best = i;
    g_once_init_leave (&chosen, (gsize) list[best]);
  }
  return (const ItuningQuantKernels *) chosen;
}
