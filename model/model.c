/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/model.h"

#include "model/embedded.h"
#include "model/kernels/gemm.h"
#include "model/packed.h"
#include "model/preprocess.h"
#include "model/tokenizer.h"
#include "model/tokenizerfiles.h"

/* Opening a bundle, or a packed file of one: its three parts, and whether they
 * fit together. */

/* More would only wait for each other. */
#define MAX_THREADS 256

/* Where a part of a model is: in a folder, or in a packed file. Cleared, it is
 * nowhere. */
typedef struct
{
  char *path; /* owned: of the folder or the file */
  ItuningGguf *packed; /* owned reference; NULL for a folder */
} Place;

static void
place_clear (Place *place)
{
  g_clear_pointer (&place->path, g_free);
  g_clear_pointer (&place->packed, ituning_gguf_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Place, place_clear)

/* --- backbone ----------------------------------------------------------- */

/**
 * ituning_backbone_unref:
 * @self: (nullable) (transfer full): a backbone, whole or not
 */
void
ituning_backbone_unref (ItuningBackbone *self)
{
  if (self == NULL || !g_atomic_ref_count_dec (&self->refs))
    return;
  ituning_vision_free (self->vision);
  ituning_language_free (self->language);
  g_clear_pointer (&self->preprocessor, ituning_preprocessor_unref);
  g_clear_pointer (&self->tokenizer, ituning_tokenizer_unref);
  ituning_pool_free (self->pool);
  g_free (self);
}

/**
 * ituning_backbone_new:
 * @n_threads: threads that one call works with; 0 for one per processor
 *
 * Returns: (transfer full): a backbone whose networks are still to be set
 */
ItuningBackbone *
ituning_backbone_new (guint n_threads)
{
  ItuningBackbone *self = g_new0 (ItuningBackbone, 1);

  ituning_gemm_init ();
  g_atomic_ref_count_init (&self->refs);
  self->pool = ituning_pool_new (
      MIN (n_threads > 0 ? n_threads : g_get_num_processors (), MAX_THREADS));
  return self;
}

/* Without a config of its own the tower gets CLIP's preprocessing. */
static ItuningPreprocessor *
make_preprocessor (const Place *place, gsize image_size, GError **error)
{
  g_autofree char *path = NULL;

  if (place->packed != NULL)
    return ituning_preprocessor_new_packed (place->packed, error);
  path = g_build_filename (place->path, "preprocessor_config.json", NULL);
  if (!g_file_test (path, G_FILE_TEST_EXISTS))
    return ituning_preprocessor_new_default (image_size);
  return ituning_preprocessor_open (place->path, error);
}

static gboolean
open_preprocessor (ItuningBackbone *self, const Place *place, GError **error)
{
  const gsize wanted = self->vision->config.image_size;
  gsize width, height;

  self->preprocessor = make_preprocessor (place, wanted, error);
  if (self->preprocessor == NULL)
    return FALSE;
  ituning_preprocessor_get_size (self->preprocessor, &width, &height);
  if (width != wanted || height != wanted) {
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_MISMATCH,
        "%s: %s makes images of %" G_GSIZE_FORMAT " x %" G_GSIZE_FORMAT
        ", the model wants %" G_GSIZE_FORMAT " x %" G_GSIZE_FORMAT,
        place->path,
        place->packed != NULL ? "its preprocessing"
                              : "preprocessor_config.json",
        width, height, wanted, wanted);
    return FALSE;
  }
  return TRUE;
}

static gboolean
open_tokenizer (ItuningBackbone *self, const Place *place, GError **error)
{
  const gsize wanted = self->language->config.vocab_size;
  gsize found;

  if (place->packed != NULL ? !ituning_packed_has_tokenizer (place->packed)
                            : !ituning_tokenizer_files_exist (place->path))
    return TRUE;
  self->tokenizer = place->packed != NULL
      ? ituning_tokenizer_new_packed (place->packed, error)
      : ituning_tokenizer_open (place->path, error);
  if (self->tokenizer == NULL)
    return FALSE;
  found = ituning_tokenizer_get_size (self->tokenizer);
  if (found != wanted) {
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_MISMATCH,
        "%s: the vocabulary has %" G_GSIZE_FORMAT
        " tokens, the model %" G_GSIZE_FORMAT,
        place->path, found, wanted);
    return FALSE;
  }
  return TRUE;
}

static ItuningBackbone *
backbone_open (const Place *vision, const Place *language, guint n_threads,
    GError **error)
{
  g_autoptr (ItuningBackbone) self = ituning_backbone_new (n_threads);

  self->vision = vision->packed != NULL
      ? ituning_vision_new_packed (vision->packed, self->pool, error)
      : ituning_vision_open (vision->path, self->pool, error);
  if (self->vision == NULL || !open_preprocessor (self, vision, error))
    return NULL;
  self->language = language->packed != NULL
      ? ituning_language_new_packed (language->packed, self->pool, error)
      : ituning_language_open (language->path, self->pool, error);
  if (self->language == NULL || !open_tokenizer (self, language, error))
    return NULL;
  return g_steal_pointer (&self);
}

/* --- model -------------------------------------------------------------- */

static void
describe (ItuningModel *self)
{
  const ItuningVision *vision = self->backbone->vision;
  const ItuningLanguage *language = self->backbone->language;
  ItuningModelInfo *info = &self->info;

  info->vision.part = vision->info;
  info->vision.image_size = vision->config.image_size;
  info->vision.patch_size = vision->config.patch_size;
  info->vision.num_tokens = vision->n_tokens;
  info->vision.hidden_size = vision->config.hidden_size;
  info->vision.intermediate_size = vision->config.intermediate_size;
  info->vision.num_hidden_layers = vision->config.num_hidden_layers;
  info->vision.num_attention_heads = vision->config.num_attention_heads;
  info->vision.projection_dim = vision->config.projection_dim;
  info->vision.hidden_act = ituning_activation_get_name (
      vision->config.hidden_act);
  info->language.part = language->info;
  info->language.vocab_size = language->config.vocab_size;
  info->language.n_positions = language->config.n_positions;
  info->language.n_embd = language->config.n_embd;
  info->language.n_inner = language->config.n_inner;
  info->language.n_layer = language->config.n_layer;
  info->language.n_head = language->config.n_head;
  info->language.bos_token_id = (guint32) language->config.bos_token_id;
  info->language.eos_token_id = (guint32) language->config.eos_token_id;
  info->language.activation_function = ituning_activation_get_name (
      language->config.activation_function);
  info->language.has_tokenizer = self->backbone->tokenizer != NULL;
  if (self->adapter == NULL)
    return;
  info->adapter.part = self->adapter->info;
  info->adapter.bottleneck_size = self->adapter->config.bottleneck_size;
  info->adapter.num_heads = self->adapter->config.num_heads;
  info->adapter.scale = self->adapter->config.scale;
  info->adapter.n_layers = self->adapter->config.n_layers;
  info->adapter.layers = self->adapter->config.layers;
  info->adapter.visual_post_layernorm =
      self->adapter->config.visual_post_layernorm;
  info->adapter.prefix_length = self->adapter->config.prefix_length;
}

/**
 * ituning_model_new:
 * @backbone: (transfer full): a whole backbone
 * @adapter: (transfer full) (nullable): an adapter that fits it
 *
 * Returns: (transfer full): a model of the two
 */
ItuningModel *
ituning_model_new (ItuningBackbone *backbone, ItuningAdapter *adapter)
{
  ItuningModel *self = g_new0 (ItuningModel, 1);

  g_atomic_ref_count_init (&self->refs);
  self->backbone = backbone;
  self->adapter = adapter;
  describe (self);
  return self;
}

static gboolean
check_fit (const ItuningBackbone *backbone, const ItuningAdapter *adapter,
    const char *folder, GError **error)
{
  const ItuningAdapterConfig *config = &adapter->config;
  const gsize D = backbone->vision->config.hidden_size;
  const gsize C = backbone->language->config.n_embd;
  const gsize n_layers = backbone->language->config.n_layer;

  if (config->vision_hidden_size != D || config->hidden_size != C) {
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_MISMATCH,
        "%s: the adapter is for visual tokens of %" G_GSIZE_FORMAT
        " and text of %" G_GSIZE_FORMAT ", the model has %" G_GSIZE_FORMAT
        " and %" G_GSIZE_FORMAT,
        folder, config->vision_hidden_size, config->hidden_size, D, C);
    return FALSE;
  }
  if (config->prefix_length > 0 &&
      (config->projection_dim != backbone->vision->config.projection_dim ||
          config->prefix_length >= backbone->language->config.n_positions)) {
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_MISMATCH,
        "%s: the adapter makes a prefix of %" G_GSIZE_FORMAT
        " of image embeddings of %" G_GSIZE_FORMAT
        ", the model has %" G_GSIZE_FORMAT " positions and embeddings of "
        "%" G_GSIZE_FORMAT,
        folder, config->prefix_length, config->projection_dim,
        backbone->language->config.n_positions,
        backbone->vision->config.projection_dim);
    return FALSE;
  }
  if (config->n_layers > 0 &&
      config->layers[config->n_layers - 1] >= n_layers) {
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_MISMATCH,
        "%s: the adapter has a module for layer %u, the language model has "
        "%" G_GSIZE_FORMAT " layers",
        folder, config->layers[config->n_layers - 1], n_layers);
    return FALSE;
  }
  return TRUE;
}

static ItuningAdapter *
open_adapter (const ItuningBackbone *backbone, const Place *place,
    GError **error)
{
  g_autoptr (ItuningAdapter) adapter = place->packed != NULL
      ? ituning_adapter_new_packed (place->packed, backbone->pool, error)
      : ituning_adapter_open (place->path, backbone->pool, error);

  if (adapter == NULL || !check_fit (backbone, adapter, place->path, error))
    return NULL;
  return g_steal_pointer (&adapter);
}

static gboolean
check_bundle (const char *path, GError **error)
{
  if (g_file_test (path, G_FILE_TEST_IS_DIR))
    return TRUE;
  g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_OPEN,
      "%s: there is no such model, neither a folder nor a .gguf file", path);
  return FALSE;
}

/* The whole model; nowhere when the parts that are needed have been named. */
static gboolean
find_model (Place *place, const char *path, const ItuningModelOptions *options,
    GError **error)
{
  if (path == NULL) {
    if (options->vision != NULL && options->language != NULL)
      return TRUE;
    place->packed = ituning_packed_open_embedded (error);
  } else if (ituning_packed_is (path)) {
    place->packed = ituning_packed_open (path, error);
  } else if (!check_bundle (path, error)) {
    return FALSE;
  } else {
    place->path = g_strdup (path);
    return TRUE;
  }
  if (place->packed == NULL)
    return FALSE;
  place->path = g_strdup (ituning_gguf_get_path (place->packed));
  return TRUE;
}

/* What was @given for a part, or the model's part of that @name. */
static gboolean
find_part (Place *place, const Place *model, const char *given,
    const char *name, GError **error)
{
  if (given != NULL) {
    place->path = g_strdup (given);
    if (!ituning_packed_is (given))
      return TRUE;
    place->packed = ituning_packed_open (given, error);
    return place->packed != NULL;
  }
  if (model->packed != NULL) {
    place->path = g_strdup (model->path);
    place->packed = ituning_gguf_ref (model->packed);
  } else if (model->path != NULL) {
    place->path = g_build_filename (model->path, name, NULL);
  }
  return TRUE;
}

static gboolean
has_adapter (const Place *place)
{
  if (place->packed != NULL)
    return ituning_packed_has_adapter (place->packed);
  return place->path != NULL && g_file_test (place->path, G_FILE_TEST_EXISTS);
}

/* Only packed files have one, and need not. */
static gboolean
read_description (const Place *place, char **description, GError **error)
{
  const char *key = ITUNING_DESCRIPTION_KEY;

  return place->packed == NULL || !ituning_gguf_has_any (place->packed, key) ||
      ituning_gguf_get_string (place->packed, key, description, error);
}

/**
 * ituning_model_open:
 * @path: (nullable): a bundle: a folder with `vision`, `language` and
 *   `adapter`, or a packed file of them; %NULL for the built-in model, or when
 *   @options names the first two
 * @options: (nullable): what to take from elsewhere, and the threads
 *
 * Opens a model. Weights stored as F32 are used in place; each is checked for
 * shape, type and NaN. A bundle without `adapter` opens too, and serves all but
 * captioning; one without a tokenizer gives captions without text.
 *
 * Returns: (transfer full): the model; or %NULL with any %ITUNING_ERROR
 */
ItuningModel *
ituning_model_open (const char *path, const ItuningModelOptions *options,
    GError **error)
{
  static const ItuningModelOptions defaults = { 0 };
  const ItuningModelOptions *given = options != NULL ? options : &defaults;
  g_auto (Place) model = { 0 }, vision = { 0 }, language = { 0 };
  g_auto (Place) adapter = { 0 };
  g_autofree char *description = NULL;
  g_autoptr (ItuningBackbone) backbone = NULL;
  ItuningAdapter *opened = NULL;
  ItuningModel *self;

  if (!find_model (&model, path, given, error) ||
      !find_part (&vision, &model, given->vision, "vision", error) ||
      !find_part (&language, &model, given->language, "language", error) ||
      !find_part (&adapter, &model, given->adapter, "adapter", error) ||
      !read_description (&model, &description, error))
    return NULL;
  backbone = backbone_open (&vision, &language, given->n_threads, error);
  if (backbone == NULL)
    return NULL;
  if (given->adapter != NULL || has_adapter (&adapter)) {
    opened = open_adapter (backbone, &adapter, error);
    if (opened == NULL)
      return NULL;
  }
  self = ituning_model_new (g_steal_pointer (&backbone), opened);
  ituning_model_set_description (self, description);
  return self;
}

/**
 * ituning_model_with_adapter:
 * @model: a model
 * @adapter: (nullable): folder of another adapter, or a packed file with one;
 *   %NULL for that of the built-in model
 *
 * Returns: (transfer full): a model that shares all but the adapter with
 *   @model; or %NULL with any %ITUNING_ERROR
 */
ItuningModel *
ituning_model_with_adapter (ItuningModel *model, const char *adapter,
    GError **error)
{
  const ItuningModelOptions options = { 0 };
  g_auto (Place) built_in = { 0 }, place = { 0 };
  ItuningAdapter *opened;

  g_return_val_if_fail (model != NULL, NULL);
  if ((adapter == NULL && !find_model (&built_in, NULL, &options, error)) ||
      !find_part (&place, &built_in, adapter, "adapter", error))
    return NULL;
  opened = open_adapter (model->backbone, &place, error);
  if (opened == NULL)
    return NULL;
  g_atomic_ref_count_inc (&model->backbone->refs);
  return ituning_model_new (model->backbone, opened);
}

/**
 * ituning_model_is_built_in:
 *
 * Returns: whether ituning_model_open () has a model where none is named
 */
gboolean
ituning_model_is_built_in (void)
{
  g_autoptr (GBytes) bytes = ituning_embedded_get ();

  return bytes != NULL;
}

/**
 * ituning_model_set_description:
 * @model: a model that nobody else has yet
 * @description: (nullable): what it knows and what it does not, for people to
 *   read; ituning_model_save () keeps it
 */
void
ituning_model_set_description (ItuningModel *model, const char *description)
{
  g_return_if_fail (model != NULL);
  g_free (model->description);
  model->description = g_strdup (description);
  model->info.description = model->description;
}

/* --- access ------------------------------------------------------------- */

/**
 * ituning_model_ref:
 *
 * Returns: (transfer full): @model
 */
ItuningModel *
ituning_model_ref (ItuningModel *model)
{
  g_return_val_if_fail (model != NULL, NULL);
  g_atomic_ref_count_inc (&model->refs);
  return model;
}

/**
 * ituning_model_unref:
 * @model: (nullable) (transfer full): a model
 */
void
ituning_model_unref (ItuningModel *model)
{
  if (model == NULL || !g_atomic_ref_count_dec (&model->refs))
    return;
  ituning_adapter_unref (model->adapter);
  ituning_backbone_unref (model->backbone);
  g_free (model->description);
  g_free (model);
}

/**
 * ituning_model_get_info:
 *
 * Returns: (transfer none): what the model consists of
 */
const ItuningModelInfo *
ituning_model_get_info (const ItuningModel *model)
{
  g_return_val_if_fail (model != NULL, NULL);
  return &model->info;
}

/**
 * ituning_model_get_n_threads:
 *
 * Returns: threads that one call works with
 */
guint
ituning_model_get_n_threads (const ItuningModel *model)
{
  g_return_val_if_fail (model != NULL, 0);
  return ituning_pool_get_n_threads (model->backbone->pool);
}

/**
 * ituning_model_get_tokenizer:
 *
 * Returns: (transfer none) (nullable): its tokenizer; or %NULL if the model
 *   came without
 */
const ItuningTokenizer *
ituning_model_get_tokenizer (const ItuningModel *model)
{
  g_return_val_if_fail (model != NULL, NULL);
  return model->backbone->tokenizer;
}

/**
 * ituning_model_get_preprocessor:
 *
 * Returns: (transfer none): how images are prepared for it
 */
const ItuningPreprocessor *
ituning_model_get_preprocessor (const ItuningModel *model)
{
  g_return_val_if_fail (model != NULL, NULL);
  return model->backbone->preprocessor;
}
