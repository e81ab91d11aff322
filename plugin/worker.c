/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plugin/engine-private.h"

#include <math.h>
#include <string.h>

/* The engine's thread: take a batch, encode it, leave out what has not changed
 * (the change gate), caption the rest, hand out the results. */

/* Streams whose frames are encoded together. */
#define MAX_BATCH 4
/* How long the streams of a batch are waited for when it is finished: each goes
 * on at that moment, and they are cheaper together. */
#define GATHER_TIME (10 * G_TIME_SPAN_MILLISECOND)

/* One frame at work. What is copied from the stream may change there while the
 * frame is at work. */
typedef struct
{
  GstItuningStream *stream; /* borrowed: busy, so it stays */
  GstItuningJob *job; /* owned */
  guint generation;
  GCancellable *cancellable; /* owned reference */
  ItuningModel *model; /* owned reference */
  ItuningGenerateOptions options;
  guint visual_tokens;
  double similarity_threshold;
  float *last_embedding; /* owned: of the stream's last caption; or NULL */
  gsize n_last;

  ItuningFeatures *features; /* owned */
  float *embedding; /* owned: of length 1 */
  ItuningCaption *caption; /* owned */
  GError *error; /* owned */
  GstItuningOutcome outcome;
  GstClockTime encode_time, decode_time;
} Work;

typedef struct
{
  Work items[MAX_BATCH];
  gsize n;
} Batch;

/* A session for each model that was used last; belongs to the thread. */
typedef struct
{
  ItuningModel *model; /* owned reference */
  ItuningSession *session;
} Slot;

typedef struct
{
  Slot slots[MAX_BATCH];
  gsize next; /* to be replaced */
} Sessions;

static GstClockTime
get_time (void)
{
  return (GstClockTime) g_get_monotonic_time () * GST_USECOND;
}

static ItuningSession *
find_session (Sessions *self, ItuningModel *model)
{
  Slot *slot;

  for (gsize i = 0; i < MAX_BATCH; i++)
    if (self->slots[i].model == model)
      return self->slots[i].session;
  slot = &self->slots[self->next++ % MAX_BATCH];
  g_clear_pointer (&slot->session, ituning_session_free);
  g_clear_pointer (&slot->model, ituning_model_unref);
  slot->model = ituning_model_ref (model);
  slot->session = ituning_session_new (model);
  return slot->session;
}

static void
clear_sessions (Sessions *self)
{
  for (gsize i = 0; i < MAX_BATCH; i++) {
    g_clear_pointer (&self->slots[i].session, ituning_session_free);
    g_clear_pointer (&self->slots[i].model, ituning_model_unref);
  }
}

/* --- taking ------------------------------------------------------------- */

/* With the engine's lock. */
static void
take (Work *item, GstItuningStream *stream)
{
  memset (item, 0, sizeof (*item));
  item->stream = stream;
  item->job = g_queue_pop_head (&stream->jobs);
  item->generation = stream->generation;
  item->cancellable = g_object_ref (stream->cancellable);
  item->model = ituning_model_ref (stream->model);
  item->options = stream->options;
  item->visual_tokens = stream->visual_tokens;
  item->similarity_threshold = stream->similarity_threshold;
  item->last_embedding = g_memdup2 (stream->last_embedding,
      stream->n_embedding * sizeof (float));
  item->n_last = stream->n_embedding;
  if (GST_CLOCK_TIME_IS_VALID (stream->max_age) &&
      get_time () - (GstClockTime) item->job->submitted * GST_USECOND >
          stream->max_age)
    item->outcome = GST_ITUNING_OUTCOME_DROPPED;
  stream->busy = TRUE;
}

/* One frame of each stream that has any, the streams taking turns; with the
 * engine's lock. */
static void
take_batch (GstItuningEngine *self, Batch *batch)
{
  const guint n_streams = self->streams.length;

  batch->n = 0;
  for (GList *l = self->streams.head; l != NULL; l = l->next)
    ((GstItuningStream *) l->data)->served = FALSE;
  for (guint i = 0; i < n_streams && batch->n < MAX_BATCH; i++) {
    GstItuningStream *stream = g_queue_pop_head (&self->streams);
    if (stream->jobs.length > 0) {
      stream->served = TRUE;
      take (&batch->items[batch->n++], stream);
    }
    g_queue_push_tail (&self->streams, stream);
  }
  if (batch->n > 0)
    g_cond_broadcast (&self->done); /* there is room in queues */
}

/* Whether there is nothing to wait for: a whole batch is there, or a frame of
 * each stream that was just served; with the engine's lock. */
static gboolean
are_gathered (GstItuningEngine *self)
{
  gboolean all = TRUE;
  gsize n = 0;

  for (GList *l = self->streams.head; l != NULL; l = l->next) {
    const GstItuningStream *stream = l->data;
    if (stream->jobs.length > 0)
      n++;
    else if (stream->served)
      all = FALSE;
  }
  return all || n >= MAX_BATCH;
}

static gboolean
wait_for_batch (GstItuningEngine *self, Batch *batch)
{
  const gint64 end = g_get_monotonic_time () + GATHER_TIME;

  g_mutex_lock (&self->lock);
  while (!self->stop && !are_gathered (self) &&
      g_cond_wait_until (&self->work, &self->lock, end))
    continue;
  take_batch (self, batch);
  while (batch->n == 0 && !self->stop) {
    g_cond_wait (&self->work, &self->lock);
    take_batch (self, batch);
  }
  g_mutex_unlock (&self->lock);
  return batch->n > 0;
}

/* --- working ------------------------------------------------------------ */

static void
fail (Work *item, GError *error)
{
  item->outcome = GST_ITUNING_OUTCOME_FAILED;
  item->error = error;
}

static gboolean
is_open (const Work *item)
{
  return item->outcome == GST_ITUNING_OUTCOME_CAPTION;
}

/* A frame that is alone can be cancelled; in company it is finished. */
static GCancellable *
get_cancellable (const Batch *batch)
{
  return batch->n == 1 ? batch->items[0].cancellable : NULL;
}

/* Encodes the item together with those after it that leave as many tokens. */
static void
encode_group (Batch *batch, gsize first, Sessions *sessions)
{
  const GstClockTime start = get_time ();
  const Work *leader = &batch->items[first];
  ItuningSession *session;
  ItuningImage images[MAX_BATCH];
  ItuningFeatures *features[MAX_BATCH];
  Work *items[MAX_BATCH];
  GError *error = NULL;
  gsize n = 0;

  for (gsize i = first; i < batch->n; i++) {
    Work *item = &batch->items[i];
    if (!is_open (item) || item->features != NULL ||
        item->visual_tokens != leader->visual_tokens)
      continue;
    images[n] = (ItuningImage){ item->job->pixels, item->job->width,
      item->job->height, item->job->stride };
    items[n++] = item;
  }
  /* All models of an engine have one vision encoder. */
  session = find_session (sessions, leader->model);
  ituning_session_set_visual_tokens (session, leader->visual_tokens);
  if (ituning_session_encode (session, images, n, features,
          get_cancellable (batch), &error)) {
    for (gsize i = 0; i < n; i++) {
      items[i]->features = features[i];
      items[i]->encode_time = (get_time () - start) / n;
    }
    return;
  }
  for (gsize i = 0; i < n; i++)
    fail (items[i], g_error_copy (error));
  g_error_free (error);
}

/* The image embedding, scaled to length 1. */
static void
normalise_embedding (Work *item)
{
  const gsize n = ituning_model_get_info (item->model)->vision.projection_dim;
  const float *embeds = ituning_features_get_image_embeds (item->features);
  double squares = 0.0;

  for (gsize i = 0; i < n; i++)
    squares += (double) embeds[i] * (double) embeds[i];
  item->embedding = g_new (float, n);
  for (gsize i = 0; i < n; i++)
    item->embedding[i] = squares > 0.0
        ? (float) ((double) embeds[i] / sqrt (squares))
        : 0.0f;
}

static gboolean
has_changed (const Work *item)
{
  double cosine = 0.0;

  if (item->last_embedding == NULL || item->similarity_threshold > 1.0)
    return TRUE;
  /* Both come from one model's encoder, which the analyzer cannot know. */
  for (gsize i = 0; i < item->n_last; i++)
    cosine += (double) item->embedding[i] * /* NOLINT */
        (double) item->last_embedding[i];
  return cosine < item->similarity_threshold;
}

static gboolean
same_request (const Work *a, const Work *b)
{
  const ItuningGenerateOptions *x = &a->options, *y = &b->options;

  return a->model == b->model && x->num_beams == y->num_beams &&
      x->max_new_tokens == y->max_new_tokens &&
      x->min_new_tokens == y->min_new_tokens &&
      x->length_penalty == y->length_penalty &&
      x->no_repeat_ngram_size == y->no_repeat_ngram_size &&
      x->do_sample == y->do_sample && x->temperature == y->temperature &&
      x->top_k == y->top_k && x->top_p == y->top_p && x->seed == y->seed;
}

/* Captions the item together with those after it that ask alike. */
static void
caption_group (Batch *batch, gsize first, Sessions *sessions)
{
  const GstClockTime start = get_time ();
  ItuningFeatures *features[MAX_BATCH];
  ItuningCaption *captions[MAX_BATCH];
  Work *items[MAX_BATCH], *leader = &batch->items[first];
  GError *error = NULL;
  gsize n = 0;

  for (gsize i = first; i < batch->n; i++) {
    Work *item = &batch->items[i];
    if (!is_open (item) || item->caption != NULL ||
        !same_request (item, leader))
      continue;
    features[n] = item->features;
    items[n++] = item;
  }
  if (ituning_session_caption (find_session (sessions, leader->model), features,
          n, &leader->options, captions, get_cancellable (batch), &error)) {
    for (gsize i = 0; i < n; i++) {
      items[i]->caption = captions[i];
      items[i]->decode_time = (get_time () - start) / n;
    }
    return;
  }
  for (gsize i = 0; i < n; i++)
    fail (items[i], g_error_copy (error));
  g_error_free (error);
}

static void
run_batch (Batch *batch, Sessions *sessions)
{
  for (gsize i = 0; i < batch->n; i++)
    if (is_open (&batch->items[i]) && batch->items[i].features == NULL)
      encode_group (batch, i, sessions);
  for (gsize i = 0; i < batch->n; i++) {
    Work *item = &batch->items[i];
    if (!is_open (item))
      continue;
    normalise_embedding (item);
    if (!has_changed (item))
      item->outcome = GST_ITUNING_OUTCOME_SAME;
  }
  for (gsize i = 0; i < batch->n; i++)
    if (is_open (&batch->items[i]) && batch->items[i].caption == NULL)
      caption_group (batch, i, sessions);
}

/* --- handing out -------------------------------------------------------- */

/* Whether the result is still wanted. What it is compared to next time stays
 * with the stream. */
static gboolean
keep_result (GstItuningEngine *self, Work *item)
{
  GstItuningStream *stream = item->stream;
  gboolean wanted;

  g_mutex_lock (&self->lock);
  wanted = item->generation == stream->generation;
  if (wanted && is_open (item) && item->model == stream->model) {
    g_free (stream->last_embedding);
    stream->n_embedding =
        ituning_model_get_info (item->model)->vision.projection_dim;
    stream->last_embedding = g_memdup2 (item->embedding,
        stream->n_embedding * sizeof (float));
  }
  g_mutex_unlock (&self->lock);
  return wanted;
}

static void
deliver (GstItuningEngine *self, Work *item)
{
  const GstItuningResult result = {
    .job = item->job,
    .outcome = item->outcome,
    .caption = item->caption,
    .embedding = item->embedding,
    .n_embedding = item->embedding != NULL
        ? ituning_model_get_info (item->model)->vision.projection_dim
        : 0,
    .encode_time = item->encode_time,
    .decode_time = item->decode_time,
    .error = item->error,
  };

  if (keep_result (self, item))
    item->stream->func (&result, item->stream->user_data);
}

static void
clear_item (Work *item)
{
  gst_ituning_job_free (item->job);
  g_object_unref (item->cancellable);
  g_free (item->last_embedding);
  g_free (item->embedding);
  g_clear_pointer (&item->features, ituning_features_unref);
  g_clear_pointer (&item->caption, ituning_caption_free);
  g_clear_error (&item->error);
  ituning_model_unref (item->model);
}

static void
finish_batch (GstItuningEngine *self, Batch *batch)
{
  for (gsize i = 0; i < batch->n; i++)
    deliver (self, &batch->items[i]);
  for (gsize i = 0; i < batch->n; i++)
    clear_item (&batch->items[i]);
  g_mutex_lock (&self->lock);
  for (gsize i = 0; i < batch->n; i++)
    batch->items[i].stream->busy = FALSE;
  g_cond_broadcast (&self->done);
  g_mutex_unlock (&self->lock);
}

/**
 * gst_ituning_engine_work:
 * @engine: the engine, which joins the thread before it goes
 *
 * The engine's thread.
 */
gpointer
gst_ituning_engine_work (gpointer engine)
{
  GstItuningEngine *self = engine;
  Sessions sessions = { 0 };
  Batch batch;

  gst_ituning_yield_to_video ();
  while (wait_for_batch (self, &batch)) {
    run_batch (&batch, &sessions);
    finish_batch (self, &batch);
  }
  clear_sessions (&sessions);
  return NULL;
}
