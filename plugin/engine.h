/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/gst.h>

#include "model/ituning.h"

/* What runs a model for any number of elements.
 *
 *   GstItuningEngines   a table of engines; one for the process, or one that
 *                       an application shares through a GstContext
 *   GstItuningEngine    one backbone (vision and language model) in memory,
 *                       with a worker thread
 *   GstItuningStream    one element's queue of frames, at one engine
 *
 * A stream's jobs run in order, one at a time, because each is compared to the
 * one before (the change gate); jobs of several streams are batched, those that
 * were batched before are waited for a moment, and the streams take turns. */

/* --- frames and results ------------------------------------------------- */

/**
 * GstItuningPolicy:
 * @GST_ITUNING_POLICY_NEWEST: a full queue drops its oldest frame (live)
 * @GST_ITUNING_POLICY_ALL: a full queue makes the caller wait (files)
 */
typedef enum
{
  GST_ITUNING_POLICY_NEWEST,
  GST_ITUNING_POLICY_ALL,
} GstItuningPolicy;

/**
 * GstItuningJob:
 * @pixels: (transfer full): packed RGB, @stride bytes a row
 * @pts: of the frame, as its buffer counts
 * @stream_time: of the frame
 * @running_time: of the frame
 * @epoch: of the stream's owner, to tell results from before a flush
 * @submitted: g_get_monotonic_time () when it was queued
 *
 * A keyframe on its way to a caption, of the model's size or about it.
 */
typedef struct
{
  guint8 *pixels;
  gsize width, height, stride;
  GstClockTime pts;
  GstClockTime stream_time;
  GstClockTime running_time;
  guint epoch;
  gint64 submitted;
} GstItuningJob;

/**
 * GstItuningOutcome:
 * @GST_ITUNING_OUTCOME_CAPTION: a new caption was written
 * @GST_ITUNING_OUTCOME_SAME: the picture is as it was at the last caption
 * @GST_ITUNING_OUTCOME_DROPPED: a newer frame took its place, or it was too old
 * @GST_ITUNING_OUTCOME_FAILED: inference failed
 */
typedef enum
{
  GST_ITUNING_OUTCOME_CAPTION,
  GST_ITUNING_OUTCOME_SAME,
  GST_ITUNING_OUTCOME_DROPPED,
  GST_ITUNING_OUTCOME_FAILED,
} GstItuningOutcome;

/**
 * GstItuningResult:
 * @job: (transfer none): what was asked
 * @outcome: what became of it
 * @caption: (transfer none) (nullable): with %GST_ITUNING_OUTCOME_CAPTION
 * @embedding: (transfer none) (nullable): [@n_embedding] CLIP's embedding of
 *   the frame, of length 1
 * @encode_time: its share of the time in the vision encoder
 * @decode_time: its share of the time in the decoder
 * @error: (transfer none) (nullable): with %GST_ITUNING_OUTCOME_FAILED
 */
typedef struct
{
  const GstItuningJob *job;
  GstItuningOutcome outcome;
  const ItuningCaption *caption;
  const float *embedding;
  gsize n_embedding;
  GstClockTime encode_time;
  GstClockTime decode_time;
  const GError *error;
} GstItuningResult;

/**
 * GstItuningResultFunc:
 *
 * Called for each job that was not flushed, on the engine's thread (a dropped
 * job's on the submitting one), with no lock held. It must not wait for the
 * engine. A result may still come just after a flush: compare the epoch.
 */
typedef void (
    *GstItuningResultFunc) (const GstItuningResult *result, gpointer user_data);

/* --- engines ------------------------------------------------------------ */

typedef struct _GstItuningEngines GstItuningEngines;
typedef struct _GstItuningEngine GstItuningEngine;

/* Where a model lies; as ItuningModelOptions. */
typedef struct
{
  char *model;
  char *vision;
  char *language;
  char *adapter;
  guint threads;
} GstItuningModelSpec;

#define GST_TYPE_ITUNING_ENGINES (gst_ituning_engines_get_type ())
GType gst_ituning_engines_get_type (void);
GstItuningEngines *gst_ituning_engines_new (void);
GstItuningEngines *gst_ituning_engines_get_default (void);
GstItuningEngines *gst_ituning_engines_ref (GstItuningEngines *engines);
void gst_ituning_engines_unref (GstItuningEngines *engines);
GstItuningEngine *gst_ituning_engines_open (GstItuningEngines *engines,
    const GstItuningModelSpec *spec, ItuningModel **model, GError **error);
void gst_ituning_engine_unref (GstItuningEngine *engine);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (GstItuningEngine, gst_ituning_engine_unref)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (GstItuningEngines, gst_ituning_engines_unref)

void gst_ituning_yield_to_video (void);

/* --- streams ------------------------------------------------------------ */

typedef struct _GstItuningStream GstItuningStream;

GstItuningStream *gst_ituning_stream_new (GstItuningEngine *engine,
    ItuningModel *model, GstItuningPolicy policy, guint max_queued,
    GstItuningResultFunc func, gpointer user_data);
void gst_ituning_stream_free (GstItuningStream *stream);
void gst_ituning_stream_set_model (GstItuningStream *stream,
    ItuningModel *model);
void gst_ituning_stream_set_options (GstItuningStream *stream,
    const ItuningGenerateOptions *options, guint visual_tokens,
    double similarity_threshold, GstClockTime max_age);
gboolean gst_ituning_stream_submit (GstItuningStream *stream,
    GstItuningJob *job);
void gst_ituning_stream_flush (GstItuningStream *stream);
void gst_ituning_stream_resume (GstItuningStream *stream);
gboolean gst_ituning_stream_drain (GstItuningStream *stream,
    GstClockTime timeout);
void gst_ituning_job_free (GstItuningJob *job);
