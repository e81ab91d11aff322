/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/tools/limits.h"

#include <string.h>

/* Each figure is the best of a few rounds: other work can only slow one down.
 * All in all less than a second. */
#define ROUNDS 5
#define FMA_LOOPS 6000000
#define INT8_LOOPS 3000000
/* More than a last-level cache keeps; read by all threads together. */
#define READ_BYTES ((gsize) 192 << 20)

/* 12 sums: a fused multiply-add takes 4 cycles and two can start in each, so
 * 8 in flight are enough, and 12 fit the registers. They start apart, or the
 * compiler would make one of them; mul below 1 keeps them away from both
 * infinity and denormals; they are stored, so that they have to be computed. */
#define DEFINE_LIMITS(NAME, TARGET, BYTES) \
  typedef float NAME##_floats __attribute__ ((vector_size (BYTES))); \
  typedef guint64 NAME##_words \
      __attribute__ ((vector_size (BYTES), aligned (8))); \
\
  TARGET static void spin_##NAME (float *out) \
  { \
    const NAME##_floats mul = (NAME##_floats){ 0 } + 0.999F; \
    const NAME##_floats add = (NAME##_floats){ 0 } + 0.5F; \
    NAME##_floats s0 = add * 0, s1 = add * 1, s2 = add * 2, s3 = add * 3; \
    NAME##_floats s4 = add * 4, s5 = add * 5, s6 = add * 6, s7 = add * 7; \
    NAME##_floats s8 = add * 8, s9 = add * 9, sa = add * 10, sb = add * 11; \
\
    for (gsize i = 0; i < FMA_LOOPS; i++) { \
      s0 = s0 * mul + add; \
      s1 = s1 * mul + add; \
      s2 = s2 * mul + add; \
      s3 = s3 * mul + add; \
      s4 = s4 * mul + add; \
      s5 = s5 * mul + add; \
      s6 = s6 * mul + add; \
      s7 = s7 * mul + add; \
      s8 = s8 * mul + add; \
      s9 = s9 * mul + add; \
      sa = sa * mul + add; \
      sb = sb * mul + add; \
      __asm__ volatile("" ::: "memory"); \
    } \
    s0 += s1 + s2 + s3 + s4 + s5 + s6 + s7 + s8 + s9 + sa + sb; \
    memcpy (out, &s0, BYTES); \
  } \
\
  TARGET static guint64 read_##NAME (const void *data, gsize size) \
  { \
    const NAME##_words *words = data; \
    NAME##_words s0 = { 0 }, s1 = { 0 }, s2 = { 0 }, s3 = { 0 }; \
    guint64 sum = 0; \
\
    for (gsize i = 0; i + 4 <= size / (BYTES); i += 4) { \
      s0 += words[i]; \
      s1 += words[i + 1]; \
      s2 += words[i + 2]; \
      s3 += words[i + 3]; \
    } \
    s0 += s1 + s2 + s3; \
    for (gsize i = 0; i < (BYTES) / 8; i++) \
      sum += s0[i]; \
    return sum; \
  }

#define FMA_SUMS 12

DEFINE_LIMITS (portable, , 16)
#if defined(__x86_64__)
DEFINE_LIMITS (avx2, __attribute__ ((target ("avx2,fma"))), 32)
DEFINE_LIMITS (avx512, __attribute__ ((target ("avx512f"))), 64)
#endif

/* The widest that this processor has. */
typedef struct
{
  void (*spin) (float *out);
  guint64 (*read) (const void *data, gsize size);
  gsize width; /* bytes of a vector */
} Kernels;

static Kernels
choose_kernels (void)
{
#if defined(__x86_64__)
  if (__builtin_cpu_supports ("avx512f"))
    return (Kernels){ spin_avx512, read_avx512, 64 };
  if (__builtin_cpu_supports ("avx2") && __builtin_cpu_supports ("fma"))
    return (Kernels){ spin_avx2, read_avx2, 32 };
#endif
  return (Kernels){ spin_portable, read_portable, 16 };
}

typedef enum
{
  WORK_FLOATS,
  WORK_INT8,
  WORK_READ,
} WorkKind;

/* One thread's share. */
typedef struct
{
  WorkKind work;
  Kernels kernels;
  const guint8 *data; /* borrowed; to read */
  gsize size;
  guint64 sum; /* keeps the work from being left out */
} Share;

static gpointer
run_share (gpointer data)
{
  Share *share = data;
  float out[16];

  if (share->work == WORK_READ) {
    share->sum = share->kernels.read (share->data, share->size);
  } else if (share->work == WORK_INT8) {
    share->sum = (guint64) tool_limits_get_int8 ()->spin (INT8_LOOPS);
  } else {
    share->kernels.spin (out);
    memcpy (&share->sum, out, sizeof share->sum);
  }
  return NULL;
}

/* Seconds of the fastest of some rounds in which @n_threads work at once. */
static double
time_rounds (guint n_threads, WorkKind work, const guint8 *data)
{
  const Kernels kernels = choose_kernels ();
  g_autofree GThread **threads = g_new (GThread *, n_threads);
  g_autofree Share *shares = g_new0 (Share, n_threads);
  gint64 best = G_MAXINT64;

  for (guint round = 0; round < ROUNDS; round++) {
    const gint64 start = g_get_monotonic_time ();
    for (guint i = 0; i < n_threads; i++) {
      shares[i].work = work;
      shares[i].kernels = kernels;
      shares[i].size = READ_BYTES / n_threads / 64 * 64;
      shares[i].data = data != NULL ? data + i * shares[i].size : NULL;
      threads[i] = i + 1 < n_threads
          ? g_thread_new ("limits", run_share, &shares[i])
          : NULL;
    }
    run_share (&shares[n_threads - 1]);
    for (guint i = 0; i + 1 < n_threads; i++)
      g_thread_join (threads[i]);
    best = MIN (best, g_get_monotonic_time () - start);
  }
  return (double) MAX (best, 1) / 1e6;
}

/**
 * tool_limits_measure:
 * @n_threads: threads of "all threads", at least 1
 * @limits: (out): gets the figures
 *
 * Measures, in less than a second, how fast this machine multiplies and adds
 * vectors of floats and of bytes in registers, and how fast it reads memory.
 */
void
tool_limits_measure (guint n_threads, ToolLimits *limits)
{
  g_autofree guint8 *data = g_malloc (READ_BYTES);
  const double n = (double) n_threads, bytes = (double) READ_BYTES;
  const double flops = 2.0 * FMA_SUMS * FMA_LOOPS *
      (double) choose_kernels ().width / sizeof (float);
  const double ops = tool_limits_get_int8 ()->ops * INT8_LOOPS;

  memset (data, 1, READ_BYTES); /* or all of it is the one page of zeros */
  limits->gflops_single = flops / time_rounds (1, WORK_FLOATS, NULL) / 1e9;
  limits->gflops = n * flops / time_rounds (n_threads, WORK_FLOATS, NULL) / 1e9;
  limits->gops_int8_single = ops / time_rounds (1, WORK_INT8, NULL) / 1e9;
  limits->gops_int8 = n * ops / time_rounds (n_threads, WORK_INT8, NULL) / 1e9;
  limits->int8_by = tool_limits_get_int8 ()->name;
  limits->gbs_single = bytes / time_rounds (1, WORK_READ, data) / 1e9;
  limits->gbs = bytes / time_rounds (n_threads, WORK_READ, data) / 1e9;
}
