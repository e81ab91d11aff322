/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/features.h"
#include "model/search.h"

#include <string.h>

/* The way of an image: preprocess -> vision encoder -> decoder with I-Tuning
 * -> search -> tokenizer -> caption. */

/* Sequences that go through the decoder together: at most so many, and no more
 * than have room for their keys and values in so many bytes. */
#define MAX_ROWS 64
#define CACHE_BYTES ((gsize) 512 << 20)

/* Belongs to one thread. */
struct _ItuningSession
{
  ItuningModel *model; /* owned reference */
  gsize n_tokens; /* to leave of an image */
  ItuningTimes times;
  ItuningVisionScratch vision;
  ItuningDecoder decoder;
  ItuningBuffer pixels, hidden, log_sizes, embeds, logits;
};

/**
 * ituning_session_new:
 * @model: a model; the session keeps a reference
 *
 * Returns: (transfer full): working memory for one thread. It grows with the
 *   first calls; after them nothing is allocated per token.
 */
ItuningSession *
ituning_session_new (ItuningModel *model)
{
  ItuningSession *self;

  g_return_val_if_fail (model != NULL, NULL);
  self = g_new0 (ItuningSession, 1);
  self->model = ituning_model_ref (model);
  self->n_tokens = model->backbone->vision->n_tokens;
  return self;
}

/**
 * ituning_session_free:
 * @session: (nullable) (transfer full): a session
 */
void
ituning_session_free (ItuningSession *session)
{
  if (session == NULL)
    return;
  ituning_vision_scratch_clear (&session->vision);
  ituning_decoder_clear (&session->decoder);
  ituning_buffer_clear (&session->pixels);
  ituning_buffer_clear (&session->hidden);
  ituning_buffer_clear (&session->log_sizes);
  ituning_buffer_clear (&session->embeds);
  ituning_buffer_clear (&session->logits);
  ituning_model_unref (session->model);
  g_free (session);
}

/**
 * ituning_session_get_times:
 * @session: a session
 * @times: (out): where the time of its last calls went
 */
void
ituning_session_get_times (const ItuningSession *session, ItuningTimes *times)
{
  g_return_if_fail (session != NULL && times != NULL);
  *times = session->times;
}

/* Adds the time since @start to a stage; returns the time that it ends at. */
static gint64
add_time (gint64 *stage, gint64 start)
{
  const gint64 now = g_get_monotonic_time ();

  *stage += now - start;
  return now;
}

/* --- encoding ----------------------------------------------------------- */

/**
 * ituning_session_set_visual_tokens:
 * @session: a session
 * @n_tokens: visual tokens that are left of an image, class token included; 0
 *   for all, as at first; the nearest possible number is taken
 *
 * Images that are encoded from now on cost less: layer after layer the vision
 * encoder merges tokens that are alike (Token Merging, Bolya et al. 2023), and
 * captions attend to those that are left. With all tokens nothing is merged, and
 * results are what they are without this call, to the last bit.
 */
void
ituning_session_set_visual_tokens (ItuningSession *session, gsize n_tokens)
{
  g_return_if_fail (session != NULL);
  session->n_tokens =
      ituning_vision_clamp_tokens (session->model->backbone->vision, n_tokens);
}

/**
 * ituning_session_encode_pixels:
 * @session: a session
 * @pixel_values: [@n_images, 3, image_size, image_size] preprocessed images
 * @n_images: how many
 * @features: (out) (array length=n_images) (transfer full): their features;
 *   untouched on failure
 * @cancellable: (nullable): stops the call within a layer's time
 *
 * Runs the vision encoder.
 *
 * Returns: FALSE with %ITUNING_ERROR_NUMERIC or %G_IO_ERROR_CANCELLED
 */
gboolean
ituning_session_encode_pixels (ItuningSession *session,
    const float *pixel_values, gsize n_images, ItuningFeatures **features,
    GCancellable *cancellable, GError **error)
{
  const gint64 start = g_get_monotonic_time ();
  const ItuningBackbone *backbone;
  const ItuningVision *vision;
  gsize tokens, width;
  float *hidden, *log_sizes, *embeds;

  g_return_val_if_fail (session != NULL && features != NULL, FALSE);
  g_return_val_if_fail (pixel_values != NULL || n_images == 0, FALSE);
  backbone = session->model->backbone;
  vision = backbone->vision;
  tokens = session->n_tokens * vision->config.hidden_size;
  width = vision->config.projection_dim;
  hidden = ituning_buffer_reserve (&session->hidden, n_images * tokens);
  log_sizes = ituning_buffer_reserve (&session->log_sizes,
      n_images * session->n_tokens);
  embeds = ituning_buffer_reserve (&session->embeds, n_images * width);
  session->times.encode = 0;
  if (!ituning_vision_forward (vision, &session->vision, backbone->pool, hidden,
          log_sizes, embeds, pixel_values, n_images, session->n_tokens,
          cancellable, error))
    return FALSE;
  add_time (&session->times.encode, start);
  for (gsize i = 0; i < n_images; i++) {
    features[i] = ituning_features_new (vision, session->n_tokens);
    if (features[i]->log_sizes != NULL)
      memcpy (features[i]->log_sizes, log_sizes + i * session->n_tokens,
          session->n_tokens * sizeof (float));
    memcpy (features[i]->last_hidden_state, hidden + i * tokens,
        tokens * sizeof (float));
    memcpy (features[i]->image_embeds, embeds + i * width,
        width * sizeof (float));
  }
  return TRUE;
}

/**
 * ituning_session_encode:
 * @session: a session
 * @images: [@n_images] pictures of any size
 * @n_images: how many
 * @features: (out) (array length=n_images) (transfer full): their features;
 *   untouched on failure
 * @cancellable: (nullable): stops the call within a layer's time
 *
 * Preprocesses images and runs the vision encoder. Features can be kept, used
 * from any thread and captioned again.
 *
 * Returns: FALSE with %ITUNING_ERROR_INPUT, %ITUNING_ERROR_NUMERIC or
 *   %G_IO_ERROR_CANCELLED
 */
gboolean
ituning_session_encode (ItuningSession *session, const ItuningImage *images,
    gsize n_images, ItuningFeatures **features, GCancellable *cancellable,
    GError **error)
{
  const gint64 start = g_get_monotonic_time ();
  const ItuningBackbone *backbone;
  gsize size;
  float *pixels;

  g_return_val_if_fail (session != NULL && features != NULL, FALSE);
  g_return_val_if_fail (images != NULL || n_images == 0, FALSE);
  backbone = session->model->backbone;
  size = 3 * backbone->vision->config.image_size *
      backbone->vision->config.image_size;
  pixels = ituning_buffer_reserve (&session->pixels, n_images * size);
  for (gsize i = 0; i < n_images; i++)
    if (g_cancellable_set_error_if_cancelled (cancellable, error) ||
        !ituning_preprocessor_run (backbone->preprocessor, &images[i],
            pixels + i * size, error))
      return FALSE;
  session->times.preprocess = 0;
  add_time (&session->times.preprocess, start);
  return ituning_session_encode_pixels (session, pixels, n_images, features,
      cancellable, error);
}

/**
 * ituning_session_visual_tokens:
 * @session: a session
 * @features: features of an image
 * @visual_tokens: [ituning_features_get_n_tokens (), hidden_size] output: what
 *   the model's adapter attends to
 *
 * Returns: FALSE with %ITUNING_ERROR_MISMATCH
 */
gboolean
ituning_session_visual_tokens (ItuningSession *session,
    ItuningFeatures *features, float *visual_tokens, GError **error)
{
  g_return_val_if_fail (session != NULL && features != NULL, FALSE);
  if (!ituning_features_check (features, session->model, error))
    return FALSE;
  ituning_features_visual_tokens (features, session->model, visual_tokens);
  return TRUE;
}

/* --- logits ------------------------------------------------------------- */

static gboolean
check_ids (const ItuningModelInfo *info, gsize n_prefix, const guint32 *ids,
    gsize n_ids, GError **error)
{
  const gsize room = info->language.n_positions - n_prefix;

  if (n_ids == 0 || n_ids > room) {
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_INPUT,
        "a text of %" G_GSIZE_FORMAT " tokens; the model takes 1 to "
        "%" G_GSIZE_FORMAT,
        n_ids, room);
    return FALSE;
  }
  for (gsize i = 0; i < n_ids; i++) {
    if (ids[i] >= info->language.vocab_size) {
      g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_INPUT,
          "token %u is not below the vocabulary's size, %" G_GSIZE_FORMAT,
          ids[i], info->language.vocab_size);
      return FALSE;
    }
  }
  return TRUE;
}

static gboolean
check_adapter (const ItuningModel *model, GError **error)
{
  if (model->adapter != NULL)
    return TRUE;
  g_set_error_literal (error, ITUNING_ERROR, ITUNING_ERROR_INPUT,
      "the model has no adapter, so it cannot see: name one, or train one");
  return FALSE;
}

/**
 * ituning_session_logits:
 * @session: a session
 * @features: (nullable): features of the image that the text is about; %NULL
 *   for the language model alone
 * @input_ids: [@n_ids] a text, BOS first
 * @n_ids: how many, 1 to n_positions
 * @logits: [@n_ids, vocab_size] output: the scores of the next token after
 *   each
 * @cancellable: (nullable): looked at before the work
 *
 * Runs the decoder over a given text.
 *
 * Returns: FALSE with %ITUNING_ERROR_INPUT, %ITUNING_ERROR_MISMATCH or
 *   %G_IO_ERROR_CANCELLED
 */
gboolean
ituning_session_logits (ItuningSession *session, ItuningFeatures *features,
    const guint32 *input_ids, gsize n_ids, float *logits,
    GCancellable *cancellable, GError **error)
{
  const ItuningBackbone *backbone;
  ItuningMemory *memory = NULL;
  const float *hidden;
  gsize n_prefix;

  g_return_val_if_fail (session != NULL && logits != NULL, FALSE);
  backbone = session->model->backbone;
  n_prefix = features != NULL ? session->model->info.adapter.prefix_length : 0;
  if (!check_ids (&session->model->info, n_prefix, input_ids, n_ids, error) ||
      g_cancellable_set_error_if_cancelled (cancellable, error))
    return FALSE;
  if (features != NULL) {
    if (!check_adapter (session->model, error) ||
        !ituning_features_check (features, session->model, error))
      return FALSE;
    memory = ituning_features_get_memory (features, session->model,
        &session->hidden);
  }
  ituning_decoder_start (&session->decoder, backbone->language, 1, 1,
      n_prefix + n_ids);
  if (memory != NULL)
    ituning_decoder_put_prefix (&session->decoder, backbone->language,
        session->model->adapter, backbone->pool, &memory);
  hidden = ituning_decoder_forward (&session->decoder, backbone->language,
      session->model->adapter, backbone->pool, input_ids, n_ids,
      memory != NULL ? &memory : NULL);
  ituning_decoder_logits (&session->decoder, backbone->language, backbone->pool,
      logits, hidden, n_ids);
  ituning_memory_unref (memory);
  return TRUE;
}

/* --- captioning --------------------------------------------------------- */

/* The images that are captioned together, one search each. */
typedef struct
{
  gsize n;
  ItuningSearch **searches; /* owned: [n] */
  ItuningMemory **memories; /* owned: [n] */
  gsize max_rows;
  ItuningMemory **row_memories; /* owned: [max_rows] borrowed from @memories */
  guint *parents; /* owned: [max_rows] */
  guint32 *ids; /* owned: [max_rows] */
} Batch;

static void
batch_clear (Batch *self)
{
  for (gsize i = 0; i < self->n; i++) {
    ituning_search_free (self->searches[i]);
    ituning_memory_unref (self->memories[i]);
  }
  g_free (self->searches);
  g_free (self->memories);
  g_free (self->row_memories);
  g_free (self->parents);
  g_free (self->ids);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Batch, batch_clear)

static gboolean
batch_init (Batch *self, ItuningSession *session,
    ItuningFeatures *const *features, gsize n,
    const ItuningGenerateOptions *options, GCancellable *cancellable,
    GError **error)
{
  const ItuningLanguageConfig *config =
      &session->model->backbone->language->config;
  const gint64 start = g_get_monotonic_time ();

  self->n = n;
  self->max_rows = n * options->num_beams;
  self->searches = g_new0 (ItuningSearch *, n);
  self->memories = g_new0 (ItuningMemory *, n);
  self->row_memories = g_new (ItuningMemory *, self->max_rows);
  self->parents = g_new (guint, self->max_rows);
  self->ids = g_new (guint32, self->max_rows);
  for (gsize i = 0; i < n; i++) {
    if (g_cancellable_set_error_if_cancelled (cancellable, error))
      return FALSE;
    self->searches[i] = ituning_search_new (options, config->vocab_size,
        (guint32) config->bos_token_id, (guint32) config->eos_token_id);
    self->memories[i] = ituning_features_get_memory (features[i],
        session->model, &session->hidden);
    self->ids[i] = (guint32) config->bos_token_id;
    self->row_memories[i] = self->memories[i];
  }
  add_time (&session->times.image, start);
  return TRUE;
}

/* Lets each search that is not over choose from its rows' logits, and lists
 * the rows that go on. Returns how many there are, or -1 on failure. */
static gssize
batch_advance (Batch *self, float *logits, gsize V, GError **error)
{
  gsize n_old = 0, n_new = 0;

  for (gsize i = 0; i < self->n; i++) {
    ItuningSearch *search = self->searches[i];
    const gsize n_rows = ituning_search_get_n_rows (search);
    if (n_rows == 0)
      continue;
    if (!ituning_search_advance (search, logits + n_old * V, error))
      return -1;
    for (gsize row = 0; row < ituning_search_get_n_rows (search); row++) {
      self->parents[n_new] = (guint) n_old +
          ituning_search_get_parent (search, row);
      self->ids[n_new] = ituning_search_get_token (search, row);
      self->row_memories[n_new++] = self->memories[i];
    }
    n_old += n_rows;
  }
  return (gssize) n_new;
}

static gboolean
batch_run (Batch *self, ItuningSession *session, guint max_new_tokens,
    GCancellable *cancellable, GError **error)
{
  const ItuningBackbone *backbone = session->model->backbone;
  const gsize V = backbone->language->config.vocab_size;
  ItuningDecoder *decoder = &session->decoder;
  ItuningTimes *times = &session->times;
  gint64 time = g_get_monotonic_time ();
  float *logits = ituning_buffer_reserve (&session->logits, self->max_rows * V);
  gssize n_rows = (gssize) self->n;

  ituning_decoder_start (decoder, backbone->language, self->n, self->max_rows,
      session->model->info.adapter.prefix_length + max_new_tokens);
  ituning_decoder_put_prefix (decoder, backbone->language,
      session->model->adapter, backbone->pool, self->memories);
  time = add_time (&times->steps, time);
  while (n_rows > 0) {
    const float *hidden;
    if (g_cancellable_set_error_if_cancelled (cancellable, error))
      return FALSE;
    hidden = ituning_decoder_forward (decoder, backbone->language,
        session->model->adapter, backbone->pool, self->ids, 1,
        self->row_memories);
    time = add_time (&times->steps, time);
    ituning_decoder_logits (decoder, backbone->language, backbone->pool, logits,
        hidden, (gsize) n_rows);
    time = add_time (&times->vocabulary, time);
    n_rows = batch_advance (self, logits, V, error);
    if (n_rows > 0)
      ituning_decoder_select (decoder, self->parents, (gsize) n_rows);
    time = add_time (&times->search, time);
  }
  return n_rows == 0;
}

/* Text that is cut inside a character gets U+FFFD in its place. */
static gboolean
add_text (const ItuningTokenizer *tokenizer, ItuningCaption *caption,
    GError **error)
{
  g_autoptr (GString) bytes = g_string_new (NULL);

  if (tokenizer == NULL)
    return TRUE;
  if (!ituning_tokenizer_decode (tokenizer, caption->ids, caption->n_ids, bytes,
          error))
    return FALSE;
  caption->text = g_strstrip (
      g_utf8_make_valid (bytes->str, (gssize) bytes->len));
  return TRUE;
}

static gboolean
caption_batch (ItuningSession *session, ItuningFeatures *const *features,
    gsize n, const ItuningGenerateOptions *options, ItuningCaption **captions,
    GCancellable *cancellable, GError **error)
{
  g_auto (Batch) batch = { 0 };

  if (!batch_init (&batch, session, features, n, options, cancellable, error) ||
      !batch_run (&batch, session, options->max_new_tokens, cancellable, error))
    return FALSE;
  for (gsize i = 0; i < n; i++) {
    captions[i] = ituning_search_finish (batch.searches[i]);
    if (!add_text (session->model->backbone->tokenizer, captions[i], error))
      return FALSE;
  }
  return TRUE;
}

static gboolean
check_request (const ItuningModel *model, ItuningFeatures *const *features,
    gsize n_features, const ItuningGenerateOptions *options, GError **error)
{
  const gsize n_positions = model->info.language.n_positions -
      model->info.adapter.prefix_length;

  if (!ituning_generate_options_check (options, error) ||
      !check_adapter (model, error))
    return FALSE;
  if (options->max_new_tokens > n_positions) {
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_INPUT,
        "max-new-tokens is %u, the model has %" G_GSIZE_FORMAT " positions",
        options->max_new_tokens, n_positions);
    return FALSE;
  }
  for (gsize i = 0; i < n_features; i++)
    if (!ituning_features_check (features[i], model, error))
      return FALSE;
  return TRUE;
}

/* Images that are captioned together. */
static gsize
choose_batch (const ItuningModel *model, const ItuningGenerateOptions *options)
{
  const ItuningLanguageConfig *config = &model->backbone->language->config;
  const gsize row = 2 * sizeof (float) * config->n_layer * config->n_embd *
      (model->info.adapter.prefix_length + options->max_new_tokens);
  const gsize rows = MIN (MAX_ROWS, CACHE_BYTES / row);

  return MAX (1, rows / options->num_beams);
}

/**
 * ituning_session_caption:
 * @session: a session
 * @features: [@n_features] encoded images
 * @n_features: how many; they are decoded together
 * @options: (nullable): how to decode; %NULL for greedy search
 * @captions: (out) (array length=n_features) (transfer full): a caption for
 *   each; untouched on failure
 * @cancellable: (nullable): stops the call within a token's time
 *
 * Writes captions. Each is what it would be if its image were alone, but for
 * rounding.
 *
 * Returns: FALSE with %ITUNING_ERROR_INPUT, %ITUNING_ERROR_MISMATCH,
 *   %ITUNING_ERROR_NUMERIC or %G_IO_ERROR_CANCELLED
 */
gboolean
ituning_session_caption (ItuningSession *session,
    ItuningFeatures *const *features, gsize n_features,
    const ItuningGenerateOptions *options, ItuningCaption **captions,
    GCancellable *cancellable, GError **error)
{
  ItuningGenerateOptions defaults = ITUNING_GENERATE_OPTIONS_INIT;
  const ItuningGenerateOptions *how = options != NULL ? options : &defaults;
  g_autofree ItuningCaption **made = NULL;
  gsize n_batch;
  gboolean ok = TRUE;

  g_return_val_if_fail (session != NULL && captions != NULL, FALSE);
  defaults.max_new_tokens = (guint) MIN (defaults.max_new_tokens,
      session->model->info.language.n_positions -
          session->model->info.adapter.prefix_length);
  if (!check_request (session->model, features, n_features, how, error))
    return FALSE;
  session->times = (ItuningTimes){ .preprocess = session->times.preprocess,
    .encode = session->times.encode };
  made = g_new0 (ItuningCaption *, n_features + 1);
  n_batch = choose_batch (session->model, how);
  for (gsize first = 0; ok && first < n_features; first += n_batch)
    ok = caption_batch (session, features + first,
        MIN (n_batch, n_features - first), how, made + first, cancellable,
        error);
  for (gsize i = 0; i < n_features; i++) {
    if (ok)
      captions[i] = made[i];
    else
      ituning_caption_free (made[i]);
  }
  return ok;
}
