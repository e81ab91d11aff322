/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* What this machine can do at best, measured. */
typedef struct
{
  double gflops_single; /* F32 multiply-adds x 2, one thread */
  double gflops; /* the same, all threads at once */
  double gops_int8_single; /* products and sums of bytes, one thread */
  double gops_int8; /* the same, all threads at once */
  const char *int8_by; /* by which instructions */
  double gbs_single; /* GB/s read from memory, one thread */
  double gbs; /* the same, all threads at once */
} ToolLimits;

void tool_limits_measure (guint n_threads, ToolLimits *limits);

/* The instructions that products of bytes are made of here. */
typedef struct
{
  const char *name;
  gint32 (*spin) (guint loops); /* returns what keeps it from being left out */
  double ops; /* multiplications and additions of a loop */
} ToolLimitsInt8;

const ToolLimitsInt8 *tool_limits_get_int8 (void);
