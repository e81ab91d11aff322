/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/model.h"

#include <string.h>

#include "model/keys.h"
#include "model/packed.h"
#include "model/preprocess.h"
#include "model/tokenizer.h"

/* Writing a packed model: general keys, the parts' keys, the tokenizer, then the
 * tensors of vision tower, language model and adapter. */

/* llama.cpp's numbers of what most of a file is stored as. */
static const struct
{
  ItuningType type;
  guint file_type;
} file_types[] = {
  { ITUNING_TYPE_F32, 0 },
  { ITUNING_TYPE_F16, 1 },
  { ITUNING_TYPE_BF16, 32 },
  { ITUNING_TYPE_Q8_0, 7 },
  { ITUNING_TYPE_Q4_0, 2 },
};

static gboolean
check_type (ItuningType type, GError **error)
{
  for (gsize i = 0; i < G_N_ELEMENTS (file_types); i++)
    if (file_types[i].type == type)
      return TRUE;
  g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_INPUT,
      "a model cannot be stored as %s; as F32, F16, BF16, Q8_0 or Q4_0 it can",
      ituning_type_name (type));
  return FALSE;
}

static gboolean
check_types (const ItuningPartTypes *types, GError **error)
{
  return check_type (types->vision, error) &&
      check_type (types->language, error) &&
      check_type (types->vocabulary, error) &&
      check_type (types->adapter, error);
}

/* The type of most parameters; of equally many the first one's. */
static guint
choose_file_type (const ItuningModel *model, const ItuningPartTypes *types)
{
  const ItuningModelInfo *info = &model->info;
  const guint64 vocabulary = info->language.vocab_size * info->language.n_embd;
  guint64 most = 0;
  guint file_type = 0;

  for (gsize i = 0; i < G_N_ELEMENTS (file_types); i++) {
    const ItuningType type = file_types[i].type;
    const guint64 n = (types->vision == type ? info->vision.part.n_parameters
                                             : 0) +
        (types->language == type ? info->language.part.n_parameters - vocabulary
                                 : 0) +
        (types->vocabulary == type ? vocabulary : 0) +
        (types->adapter == type ? info->adapter.part.n_parameters : 0);
    if (n > most) {
      most = n;
      file_type = file_types[i].file_type;
    }
  }
  return file_type;
}

/* The file's own name, without its ending. */
static char *
make_name (const char *path)
{
  char *name = g_filename_display_basename (path);

  if (g_str_has_suffix (name, ".gguf") && name[0] != '.')
    name[strlen (name) - strlen (".gguf")] = '\0';
  return name;
}

static void
pack_general (ItuningGgufWriter *writer, const ItuningModel *model,
    const char *path, guint file_type)
{
  g_autofree char *name = make_name (path);

  ituning_gguf_writer_put_string (writer, "general.architecture",
      ITUNING_PACKED_ARCHITECTURE);
  ituning_gguf_writer_put_string (writer, "general.name", name);
  if (model->description != NULL)
    ituning_gguf_writer_put_string (writer, ITUNING_DESCRIPTION_KEY,
        model->description);
  ituning_gguf_writer_put_size (writer, "general.file_type", file_type);
  ituning_gguf_writer_put_size (writer, "general.alignment",
      ITUNING_GGUF_ALIGNMENT);
}

static gboolean
pack_keys (ItuningGgufWriter *writer, const ItuningModel *model, GError **error)
{
  const ItuningBackbone *backbone = model->backbone;
  const ItuningLanguageConfig *language = &backbone->language->config;

  ituning_language_config_pack (language, writer);
  ituning_vision_config_pack (&backbone->vision->config, writer);
  ituning_preprocess_config_pack (ituning_preprocessor_get_config (
                                      backbone->preprocessor),
      writer);
  if (model->adapter != NULL)
    ituning_adapter_config_pack (&model->adapter->config, writer);
  return backbone->tokenizer == NULL ||
      ituning_vocabulary_pack (ituning_tokenizer_get_vocabulary (
                                   backbone->tokenizer),
          language->bos_token_id, language->eos_token_id, writer, error);
}

/**
 * ituning_model_save:
 * @model: a model, with an adapter and a tokenizer or without
 * @path: packed file to write
 * @type: F32, F16, BF16, Q8_0 or Q4_0: what the matrices become. Norms, biases,
 *   the patch embedding and the position embeddings are always F32; so is, of
 *   the last two types, a matrix whose rows are no multiple of 32.
 * @cancellable: (nullable): ends it early
 *
 * Writes a GGUF file that ituning_model_open () takes. It appears under its
 * name only when it is whole; an older one of that name stays if writing fails.
 *
 * Returns: FALSE with %ITUNING_ERROR_WRITE, %ITUNING_ERROR_INPUT for another
 *   type, %ITUNING_ERROR_NUMERIC when a value is too large for @type,
 *   %ITUNING_ERROR_UNSUPPORTED for a tokenizer that cannot be packed, or
 *   %G_IO_ERROR_CANCELLED
 */
gboolean
ituning_model_save (ItuningModel *model, const char *path, ItuningType type,
    GCancellable *cancellable, GError **error)
{
  const ItuningPartTypes types = { type, type, type, type };

  return ituning_model_save_mixed (model, path, &types, cancellable, error);
}

/**
 * ituning_model_save_mixed:
 * @model: a model
 * @path: packed file to write
 * @types: what the matrices of each part become
 * @cancellable: (nullable): ends it early
 *
 * As ituning_model_save (), with a type for each part.
 *
 * Returns: FALSE as ituning_model_save ()
 */
gboolean
ituning_model_save_mixed (ItuningModel *model, const char *path,
    const ItuningPartTypes *types, GCancellable *cancellable, GError **error)
{
  g_autoptr (ItuningGgufWriter) writer = NULL;

  g_return_val_if_fail (model != NULL && path != NULL && types != NULL, FALSE);
  if (!check_types (types, error))
    return FALSE;
  writer = ituning_gguf_writer_new ();
  pack_general (writer, model, path, choose_file_type (model, types));
  if (!pack_keys (writer, model, error))
    return FALSE;
  ituning_weights_pack (model->backbone->vision->weights, types->vision,
      types->vision, writer);
  ituning_weights_pack (model->backbone->language->weights, types->language,
      types->vocabulary, writer);
  if (model->adapter != NULL)
    ituning_weights_pack (model->adapter->weights, types->adapter,
        types->adapter, writer);
  return ituning_gguf_writer_save (writer, path, cancellable, error);
}
