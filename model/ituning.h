/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* libituning: I-Tuning image captioning on a CPU.
 *
 *   g_autoptr (GError) error = NULL;
 *   g_autoptr (ItuningModel) model = ituning_model_open (path, NULL, &error);
 *   g_autoptr (ItuningSession) session = ituning_session_new (model);
 *   ItuningImage image = { pixels, width, height, stride };
 *   g_autoptr (ItuningFeatures) features = NULL;
 *   g_autoptr (ItuningCaption) caption = NULL;
 *
 *   if (ituning_session_encode (session, &image, 1, &features, NULL, &error) &&
 *       ituning_session_caption (session, &features, 1, NULL, &caption, NULL,
 *           &error))
 *     g_print ("%s\n", caption->text);
 *
 * Threads: everything but ItuningSession is immutable once made, and may be
 * used from any number of threads at once. A session holds the working memory
 * of one caller: give each thread its own; all of them share one model. The
 * one thing that is changed for the whole process is OpenBLAS's thread count,
 * set to 1 when the first model is opened, because the library splits the
 * work over its own threads.
 *
 * Each function is documented above its definition. */

#include <gio/gio.h>

G_BEGIN_DECLS

#define ITUNING_API __attribute__ ((visibility ("default")))

/* --- errors ------------------------------------------------------------- */

/**
 * ItuningError:
 * @ITUNING_ERROR_OPEN: a file is missing or cannot be read
 * @ITUNING_ERROR_FORMAT: a file is not what its format promises
 * @ITUNING_ERROR_UNSUPPORTED: a valid file asks for what this library lacks
 * @ITUNING_ERROR_MISMATCH: files that are each valid do not fit together
 * @ITUNING_ERROR_INPUT: an image, text or option is not usable
 * @ITUNING_ERROR_NUMERIC: weights or results are not finite
 * @ITUNING_ERROR_WRITE: a file cannot be written
 *
 * Messages name the file or the thing, what was wanted and what was found.
 * A cancelled call fails with %G_IO_ERROR_CANCELLED instead.
 */
typedef enum
{
  ITUNING_ERROR_OPEN,
  ITUNING_ERROR_FORMAT,
  ITUNING_ERROR_UNSUPPORTED,
  ITUNING_ERROR_MISMATCH,
  ITUNING_ERROR_INPUT,
  ITUNING_ERROR_NUMERIC,
  ITUNING_ERROR_WRITE,
} ItuningError;

#define ITUNING_ERROR (ituning_error_quark ())
ITUNING_API GQuark ituning_error_quark (void);

/* --- tensor files ------------------------------------------------------- */

/**
 * ItuningType:
 *
 * Element types of stored tensors, little-endian. Those of the last two are of
 * 8 and 4 bits, in ggml's blocks of 32 that share a scale; packed files have
 * them.
 */
typedef enum
{
  ITUNING_TYPE_F32,
  ITUNING_TYPE_F16,
  ITUNING_TYPE_BF16,
  ITUNING_TYPE_F64,
  ITUNING_TYPE_I64,
  ITUNING_TYPE_I32,
  ITUNING_TYPE_I16,
  ITUNING_TYPE_I8,
  ITUNING_TYPE_U8,
  ITUNING_TYPE_BOOL,
  ITUNING_TYPE_Q8_0,
  ITUNING_TYPE_Q4_0,
} ItuningType;

#define ITUNING_MAX_DIMS 8

/**
 * ItuningTensor:
 * @name: its name in the file
 * @type: type of an element
 * @n_dims: number of dimensions, 0 for a scalar
 * @dims: their lengths, the last one contiguous
 * @data: the elements, row-major; aligned to their type only if the file is
 * @size: bytes at @data
 *
 * A view of a tensor. Who owns @name and @data depends on where it came from:
 * one found in an ItuningTensors lives as long as that does.
 */
typedef struct
{
  const char *name;
  ItuningType type;
  guint n_dims;
  gsize dims[ITUNING_MAX_DIMS];
  const void *data;
  gsize size;
} ItuningTensor;

typedef struct _ItuningTensors ItuningTensors;

ITUNING_API const char *ituning_type_name (ItuningType type);
ITUNING_API gsize ituning_type_size (ItuningType type);

ITUNING_API ItuningTensors *ituning_tensors_open (const char *path,
    GError **error);
ITUNING_API void ituning_tensors_free (ItuningTensors *tensors);
ITUNING_API gsize ituning_tensors_get_count (const ItuningTensors *tensors);
ITUNING_API const ItuningTensor *
ituning_tensors_get (const ItuningTensors *tensors, gsize index);
ITUNING_API const ItuningTensor *
ituning_tensors_lookup (const ItuningTensors *tensors, const char *name);
ITUNING_API gboolean ituning_tensors_save (const char *path,
    const ItuningTensor *tensors, gsize n_tensors, GError **error);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ItuningTensors, ituning_tensors_free)

/* --- tokenizer ---------------------------------------------------------- */

typedef struct _ItuningTokenizer ItuningTokenizer;

ITUNING_API ItuningTokenizer *ituning_tokenizer_open (const char *language_dir,
    GError **error);
ITUNING_API ItuningTokenizer *ituning_tokenizer_ref (
    ItuningTokenizer *tokenizer);
ITUNING_API void ituning_tokenizer_unref (ItuningTokenizer *tokenizer);
ITUNING_API gsize ituning_tokenizer_get_size (
    const ItuningTokenizer *tokenizer);
ITUNING_API gboolean
ituning_tokenizer_encode (const ItuningTokenizer *tokenizer, const char *text,
    gssize length, GArray *ids, GError **error);
ITUNING_API gboolean
ituning_tokenizer_decode (const ItuningTokenizer *tokenizer, const guint32 *ids,
    gsize n_ids, GString *text, GError **error);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ItuningTokenizer, ituning_tokenizer_unref)

/* --- images ------------------------------------------------------------- */

/**
 * ItuningImage:
 * @pixels: 8-bit R, G, B of the top left pixel; borrowed
 * @width: pixels in a row, at least 1
 * @height: rows, at least 1
 * @stride: bytes from one row to the next, at least 3 * @width
 *
 * A packed RGB picture. Rows may be padded, so a video frame needs no copy.
 */
typedef struct
{
  const guint8 *pixels;
  gsize width;
  gsize height;
  gsize stride;
} ItuningImage;

typedef struct _ItuningPreprocessor ItuningPreprocessor;

ITUNING_API ItuningPreprocessor *
ituning_preprocessor_open (const char *vision_dir, GError **error);
ITUNING_API ItuningPreprocessor *ituning_preprocessor_ref (
    ItuningPreprocessor *preprocessor);
ITUNING_API void ituning_preprocessor_unref (ItuningPreprocessor *preprocessor);
ITUNING_API void ituning_preprocessor_get_size (const ItuningPreprocessor
                                                    *preprocessor,
    gsize *width, gsize *height);
ITUNING_API gboolean
ituning_preprocessor_run (const ItuningPreprocessor *preprocessor,
    const ItuningImage *image, float *pixel_values, GError **error);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ItuningPreprocessor, ituning_preprocessor_unref)

/* --- model -------------------------------------------------------------- */

typedef struct _ItuningModel ItuningModel;

/**
 * ItuningModelOptions:
 * @vision: folder to take instead of the bundle's `vision/`; or %NULL
 * @language: folder to take instead of the bundle's `language/`; or %NULL
 * @adapter: folder to take instead of the bundle's `adapter/`; or %NULL
 * @n_threads: threads that one call works with; 0 for one per processor
 *
 * In place of a folder there may be a packed file that holds that part.
 */
typedef struct
{
  const char *vision;
  const char *language;
  const char *adapter;
  guint n_threads;
} ItuningModelOptions;

/**
 * ItuningPartInfo:
 * @n_parameters: trained and frozen numbers of this part that captioning uses
 * @mapped_size: bytes of them used in place from mapped files
 * @owned_size: bytes of them held in memory of the model's own
 * @type: type they are stored with in the file; of several the narrowest
 */
typedef struct
{
  guint64 n_parameters;
  gsize mapped_size;
  gsize owned_size;
  ItuningType type;
} ItuningPartInfo;

/**
 * ItuningModelInfo:
 *
 * What a model consists of. Sizes have the names of Hugging Face's configs.
 * The fields of the adapter are 0 and @layers is %NULL without one.
 * @description is what the model's maker says that it knows, or %NULL.
 */
typedef struct
{
  const char *description;
  struct
  {
    ItuningPartInfo part;
    gsize image_size;
    gsize patch_size;
    gsize num_tokens; /* patches and the class token */
    gsize hidden_size;
    gsize intermediate_size;
    gsize num_hidden_layers;
    gsize num_attention_heads;
    gsize projection_dim; /* of the image embedding */
    const char *hidden_act;
  } vision;
  struct
  {
    ItuningPartInfo part;
    gsize vocab_size;
    gsize n_positions;
    gsize n_embd;
    gsize n_inner;
    gsize n_layer;
    gsize n_head;
    guint32 bos_token_id;
    guint32 eos_token_id;
    const char *activation_function;
    gboolean has_tokenizer;
  } language;
  struct
  {
    ItuningPartInfo part;
    gsize bottleneck_size;
    gsize num_heads;
    double scale;
    gsize n_layers;
    const guint *layers; /* [n_layers] GPT-2 blocks that have a module */
    gboolean visual_post_layernorm;
    gsize prefix_length; /* embeddings before the text; 0 for none */
  } adapter;
} ItuningModelInfo;

/**
 * ItuningPartTypes:
 * @vision: of the vision tower's matrices
 * @language: of the language model's blocks'
 * @vocabulary: of its token embedding, and of its output layer
 * @adapter: of the adapter's
 */
typedef struct
{
  ItuningType vision;
  ItuningType language;
  ItuningType vocabulary;
  ItuningType adapter;
} ItuningPartTypes;

ITUNING_API ItuningModel *ituning_model_open (const char *path,
    const ItuningModelOptions *options, GError **error);
ITUNING_API ItuningModel *ituning_model_open_random (const char *size,
    const ItuningPartTypes *types, guint n_threads, guint32 seed,
    GError **error);
ITUNING_API ItuningModel *ituning_model_with_adapter (ItuningModel *model,
    const char *adapter, GError **error);
ITUNING_API gboolean ituning_model_is_built_in (void);
ITUNING_API void ituning_model_set_description (ItuningModel *model,
    const char *description);
ITUNING_API gboolean ituning_model_save (ItuningModel *model, const char *path,
    ItuningType type, GCancellable *cancellable, GError **error);
ITUNING_API gboolean ituning_model_save_mixed (ItuningModel *model,
    const char *path, const ItuningPartTypes *types, GCancellable *cancellable,
    GError **error);
ITUNING_API ItuningModel *ituning_model_ref (ItuningModel *model);
ITUNING_API void ituning_model_unref (ItuningModel *model);
ITUNING_API const ItuningModelInfo *ituning_model_get_info (
    const ItuningModel *model);
ITUNING_API guint ituning_model_get_n_threads (const ItuningModel *model);
ITUNING_API const ItuningTokenizer *ituning_model_get_tokenizer (
    const ItuningModel *model);
ITUNING_API const ItuningPreprocessor *ituning_model_get_preprocessor (
    const ItuningModel *model);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ItuningModel, ituning_model_unref)

/* --- captioning --------------------------------------------------------- */

typedef struct _ItuningSession ItuningSession;
typedef struct _ItuningFeatures ItuningFeatures;

/**
 * ItuningGenerateOptions:
 * @num_beams: beams of the search, 1 for greedy search or sampling
 * @max_new_tokens: longest caption in tokens, at most the model's positions
 * @min_new_tokens: no EOS before this many tokens
 * @length_penalty: beams rank by sum of log p / length ^ this
 * @no_repeat_ngram_size: no n-gram of this size twice; 0 for no such rule
 * @do_sample: draw tokens instead of taking the likeliest; one beam only
 * @temperature: divides the logits before drawing, > 0
 * @top_k: draw from the likeliest k tokens; 0 for all
 * @top_p: draw from the fewest tokens that have this probability, 0 < p <= 1
 * @seed: of the draws; the same seed, image and options give the same caption
 *
 * Names and meanings are those of Hugging Face's generate (), with
 * `early_stopping=False`. Start from %ITUNING_GENERATE_OPTIONS_INIT.
 */
typedef struct
{
  guint num_beams;
  guint max_new_tokens;
  guint min_new_tokens;
  guint no_repeat_ngram_size;
  double length_penalty;
  gboolean do_sample;
  guint top_k;
  double temperature;
  double top_p;
  guint64 seed;
} ItuningGenerateOptions;

#define ITUNING_GENERATE_OPTIONS_INIT \
  { \
    .num_beams = 1, .max_new_tokens = 30, .length_penalty = 1.0, \
    .temperature = 1.0, .top_k = 50, .top_p = 1.0 \
  }

/**
 * ItuningCaption:
 * @text: the caption, valid UTF-8; %NULL when the model has no tokenizer
 * @ids: [n_ids] its tokens, without BOS and EOS
 * @log_probs: [n_log_probs] log-probability of each token under the model,
 *   before any rule or temperature, the EOS included when there is one
 * @n_ids: tokens
 * @n_log_probs: @n_ids, or one more when the caption ended with EOS
 * @score: sum of @log_probs / @n_log_probs ^ length_penalty
 * @confidence: geometric mean of the tokens' probabilities, 0..1
 */
typedef struct
{
  char *text;
  guint32 *ids;
  float *log_probs;
  gsize n_ids;
  gsize n_log_probs;
  double score;
  double confidence;
} ItuningCaption;

/**
 * ItuningTimes:
 * @preprocess: resizing, cropping and normalising
 * @encode: the vision encoder
 * @image: the adapter's keys and values of the images, and its prefix; next to
 *   nothing where they were captioned before
 * @steps: the blocks of the language model, with the adapter's modules
 * @vocabulary: the scores of all tokens of the vocabulary
 * @search: choosing among them
 *
 * Where the time of a session's last calls went, in microseconds: the first two
 * of the last one that encoded, the others of the last one that captioned.
 */
typedef struct
{
  gint64 preprocess;
  gint64 encode;
  gint64 image;
  gint64 steps;
  gint64 vocabulary;
  gint64 search;
} ItuningTimes;

ITUNING_API void ituning_caption_free (ItuningCaption *caption);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ItuningCaption, ituning_caption_free)

ITUNING_API ItuningFeatures *ituning_features_ref (ItuningFeatures *features);
ITUNING_API void ituning_features_unref (ItuningFeatures *features);
ITUNING_API const float *ituning_features_get_last_hidden_state (
    const ItuningFeatures *features);
ITUNING_API gsize ituning_features_get_n_tokens (
    const ItuningFeatures *features);
ITUNING_API const float *ituning_features_get_image_embeds (
    const ItuningFeatures *features);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ItuningFeatures, ituning_features_unref)

ITUNING_API gboolean
ituning_generate_options_check (const ItuningGenerateOptions *options,
    GError **error);

ITUNING_API ItuningSession *ituning_session_new (ItuningModel *model);
ITUNING_API void ituning_session_free (ItuningSession *session);
ITUNING_API void ituning_session_get_times (const ItuningSession *session,
    ItuningTimes *times);
ITUNING_API void ituning_session_set_visual_tokens (ItuningSession *session,
    gsize n_tokens);
ITUNING_API gboolean ituning_session_encode (ItuningSession *session,
    const ItuningImage *images, gsize n_images, ItuningFeatures **features,
    GCancellable *cancellable, GError **error);
ITUNING_API gboolean ituning_session_encode_pixels (ItuningSession *session,
    const float *pixel_values, gsize n_images, ItuningFeatures **features,
    GCancellable *cancellable, GError **error);
ITUNING_API gboolean ituning_session_visual_tokens (ItuningSession *session,
    ItuningFeatures *features, float *visual_tokens, GError **error);
ITUNING_API gboolean ituning_session_logits (ItuningSession *session,
    ItuningFeatures *features, const guint32 *input_ids, gsize n_ids,
    float *logits, GCancellable *cancellable, GError **error);
ITUNING_API gboolean ituning_session_caption (ItuningSession *session,
    ItuningFeatures *const *features, gsize n_features,
    const ItuningGenerateOptions *options, ItuningCaption **captions,
    GCancellable *cancellable, GError **error);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ItuningSession, ituning_session_free)

G_END_DECLS
