/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/gst.h>

/* Smallest, mean and largest of a number of times. */
typedef struct
{
  guint64 n;
  GstClockTime min, max, sum;
} GstItuningSpread;

/* What the captioner counts; its owner guards it. */
typedef struct
{
  guint64 frames; /* that came in */
  guint64 keyframes; /* that were chosen to be captioned */
  guint64 captions; /* that were written */
  guint64 skipped; /* keyframes that looked as the one before */
  guint64 dropped; /* keyframes that a newer one or their age removed */
  guint64 failed; /* keyframes whose inference failed */
  GstItuningSpread encode, decode;
  GstItuningSpread latency; /* from a keyframe's coming in to its caption */
  GstItuningSpread age; /* of a caption against the newest frame */
} GstItuningStats;

void gst_ituning_spread_add (GstItuningSpread *spread, GstClockTime time);
GstStructure *gst_ituning_stats_to_structure (const GstItuningStats *stats);
