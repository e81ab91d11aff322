/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plugin/stats.h"

/**
 * gst_ituning_spread_add:
 * @time: one more measured time
 */
void
gst_ituning_spread_add (GstItuningSpread *spread, GstClockTime time)
{
  spread->min = spread->n == 0 ? time : MIN (spread->min, time);
  spread->max = MAX (spread->max, time);
  spread->sum += time;
  spread->n++;
}

static void
set_spread (GstStructure *structure, const char *name,
    const GstItuningSpread *spread)
{
  g_autofree char *min = g_strconcat (name, "-min", NULL);
  g_autofree char *mean = g_strconcat (name, "-mean", NULL);
  g_autofree char *max = g_strconcat (name, "-max", NULL);

  gst_structure_set (structure, min, G_TYPE_UINT64, spread->min, mean,
      G_TYPE_UINT64, spread->n > 0 ? spread->sum / spread->n : 0, max,
      G_TYPE_UINT64, spread->max, NULL);
}

/**
 * gst_ituning_stats_to_structure:
 *
 * Returns: (transfer full): a structure "ituning-stats": the counts by their
 *   names, and encode-time, decode-time, latency and age, each with -min,
 *   -mean and -max in nanoseconds
 */
GstStructure *
gst_ituning_stats_to_structure (const GstItuningStats *stats)
{
  GstStructure *structure = gst_structure_new ("ituning-stats", "frames",
      G_TYPE_UINT64, stats->frames, "keyframes", G_TYPE_UINT64,
      stats->keyframes, "captions", G_TYPE_UINT64, stats->captions, "skipped",
      G_TYPE_UINT64, stats->skipped, "dropped", G_TYPE_UINT64, stats->dropped,
      "failed", G_TYPE_UINT64, stats->failed, NULL);

  set_spread (structure, "encode-time", &stats->encode);
  set_spread (structure, "decode-time", &stats->decode);
  set_spread (structure, "latency", &stats->latency);
  set_spread (structure, "age", &stats->age);
  return structure;
}
