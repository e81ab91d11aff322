/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "plugin/engine.h"

/* Shared by the table of engines (engines.c), the worker (worker.c) and the
 * streams (stream.c). */

struct _GstItuningEngine
{
  gatomicrefcount refs;
  GstItuningEngines *table; /* owned reference */
  char *key; /* owned: name in @table */
  ItuningModel *model; /* owned reference: the first adapter's */
  char *adapter; /* owned: its path */
  GThread *worker; /* owned */

  GMutex lock; /* guards what follows, and every stream's fields */
  GCond work; /* a job came, or stop was set */
  GCond done; /* a job left a queue or was finished */
  gboolean stop;
  GQueue streams; /* borrowed; the next to be served first */
};

/* Guarded by its engine's lock but for what never changes. */
struct _GstItuningStream
{
  GstItuningEngine *engine; /* owned reference */
  GstItuningPolicy policy;
  guint max_queued;
  GstItuningResultFunc func;
  gpointer user_data;

  ItuningModel *model; /* owned reference */
  ItuningGenerateOptions options;
  guint visual_tokens;
  double similarity_threshold;
  GstClockTime max_age;

  GQueue jobs; /* owned: GstItuningJob, oldest first */
  gboolean busy; /* the worker has one of its jobs */
  gboolean served; /* one of its jobs was in the last batch */
  gboolean flushing; /* takes no jobs */
  guint generation; /* results of an older one are not delivered */
  GCancellable *cancellable; /* owned: for the job at work */
  float *last_embedding; /* owned: of the last caption; or NULL */
  gsize n_embedding;
};

gpointer gst_ituning_engine_work (gpointer engine);
