/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "gst/tools/benchcompare.h"
#include "gst/tools/limits.h"
#include "model/ituning.h"

/* What `bench` finds out of a model: measured by benchmodel.c, told by
 * benchreport.c. */

/* A measured time. */
typedef struct
{
  double min_ms;
  double median_ms;
} ToolBenchTimes;

/* Where the time goes, as ItuningTimes has it. */
typedef enum
{
  TOOL_BENCH_PREPROCESS,
  TOOL_BENCH_ENCODE,
  TOOL_BENCH_IMAGE,
  TOOL_BENCH_STEPS,
  TOOL_BENCH_VOCABULARY,
  TOOL_BENCH_SEARCH,
  TOOL_BENCH_N_STAGES
} ToolBenchStage;

typedef struct
{
  const char *name; /* borrowed: the size or path */
  ItuningModel *model; /* owned */
  ItuningGenerateOptions options;
  guint visual_tokens; /* 0 for all */
  guint n_runs;
  ToolLimits limits;
  ToolBenchTimes encode, decode, caption;
  double stages_ms[TOOL_BENCH_N_STAGES]; /* medians */
  guint64 peak_bytes;
  ToolBenchSaved saved; /* owned: what to compare with; no name for nothing */
} ToolBench;

gboolean tool_bench_measure (ToolBench *bench, GCancellable *cancellable,
    GError **error);
void tool_bench_append_text (GString *text, const ToolBench *bench);
void tool_bench_append_json (GString *json, const ToolBench *bench);
