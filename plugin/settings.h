/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "plugin/engine.h"

/* The writable properties of the captioner. */
typedef struct
{
  GstItuningModelSpec spec; /* owned strings */
  gboolean enabled;
  ItuningGenerateOptions generate;
  guint visual_tokens;
  int keyframes; /* GstItuningKeyframes */
  GstClockTime min_interval, max_interval;
  double scene_threshold;
  double similarity_threshold;
  double min_confidence;
  GstClockTime max_cue_duration;
  GstClockTime live_cue_duration;
  GstClockTime max_held_time;
  guint max_held_bytes;
  GstClockTime text_heartbeat;
  GstClockTime max_age;
  guint max_queued;
  GstClockTime drain_timeout;
  gboolean post_messages;
  char *language;
} GstItuningSettings;

/* Ids of further properties follow these. */
guint gst_ituning_settings_install (GObjectClass *klass);
void gst_ituning_settings_init (GstItuningSettings *self);
void gst_ituning_settings_clear (GstItuningSettings *self);
void gst_ituning_settings_copy (GstItuningSettings *to,
    const GstItuningSettings *from);
gboolean gst_ituning_settings_set (GstItuningSettings *self, guint id,
    const GValue *value);
gboolean gst_ituning_settings_get (const GstItuningSettings *self, guint id,
    GValue *value);
