/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* What this machine can do at best, measured. */
typedef struct
{
  double gflops_single; /* F32 multiply-adds x 2, one thread */
  double gflops; /* the same, all threads at once */
  double gbs_single; /* GB/s read from memory, one thread */
  double gbs; /* the same, all threads at once */
} ToolLimits;

void tool_limits_measure (guint n_threads, ToolLimits *limits);
