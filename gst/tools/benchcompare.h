/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* What a run of `bench --json` took, read again: medians in milliseconds. */
typedef struct
{
  char *name; /* owned: of the model */
  double encode_ms, decode_ms, caption_ms;
} ToolBenchSaved;

gboolean tool_bench_saved_load (ToolBenchSaved *saved, const char *path,
    GError **error);
void tool_bench_saved_clear (ToolBenchSaved *saved);
