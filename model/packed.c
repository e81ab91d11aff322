/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/packed.h"

#include "model/embedded.h"
#include "model/keys.h"

/* What makes a GGUF file a packed model. The tokenizer: packedvocabulary.c;
 * configs: keys.c; tensors: names.c; writing all of it: pack.c. */

/**
 * ituning_packed_is:
 * @path: what a user named as a model or a part of one
 *
 * Returns: whether it is there and no folder, so that only a packed model can
 *   be meant
 */
gboolean
ituning_packed_is (const char *path)
{
  return g_file_test (path, G_FILE_TEST_EXISTS) &&
      !g_file_test (path, G_FILE_TEST_IS_DIR);
}

static ItuningGguf *
check_architecture (ItuningGguf *opened, GError **error)
{
  g_autoptr (ItuningGguf) packed = opened;
  g_autofree char *architecture = NULL;

  if (packed == NULL ||
      !ituning_gguf_get_string (packed, "general.architecture", &architecture,
          error))
    return NULL;
  if (g_str_equal (architecture, ITUNING_PACKED_ARCHITECTURE))
    return g_steal_pointer (&packed);
  g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_UNSUPPORTED,
      "%s: is a model of the architecture \"%s\", wanted "
      "\"" ITUNING_PACKED_ARCHITECTURE "\"",
      ituning_gguf_get_path (packed), architecture);
  return NULL;
}

/**
 * ituning_packed_open:
 * @path: a packed model
 *
 * Returns: (transfer full): its file; or %NULL as ituning_gguf_open (), or with
 *   %ITUNING_ERROR_UNSUPPORTED when it holds another kind of model
 */
ItuningGguf *
ituning_packed_open (const char *path, GError **error)
{
  return check_architecture (ituning_gguf_open (path, error), error);
}

/**
 * ituning_packed_open_embedded:
 *
 * Returns: (transfer full): the model that is built into this library; or %NULL
 *   with %ITUNING_ERROR_OPEN when there is none, or as ituning_packed_open ()
 */
ItuningGguf *
ituning_packed_open_embedded (GError **error)
{
  g_autoptr (GBytes) bytes = ituning_embedded_get ();

  if (bytes != NULL)
    return check_architecture (ituning_gguf_new ("the built-in model", bytes,
                                   error),
        error);
  g_set_error_literal (error, ITUNING_ERROR, ITUNING_ERROR_OPEN,
      "no model is named, and none is built in: name a folder with vision, "
      "language and adapter in it, or a .gguf file made of one by \"ituning "
      "convert\"");
  return NULL;
}

/**
 * ituning_packed_has_tokenizer:
 *
 * Returns: whether it has a key that only a tokenizer needs
 */
gboolean
ituning_packed_has_tokenizer (const ItuningGguf *packed)
{
  return ituning_gguf_find (packed, "tokenizer.ggml.model") != NULL ||
      ituning_gguf_find (packed, "tokenizer.ggml.tokens") != NULL ||
      ituning_gguf_find (packed, "tokenizer.ggml.merges") != NULL;
}

/**
 * ituning_packed_has_adapter:
 *
 * Returns: whether it has a key that only an adapter needs
 */
gboolean
ituning_packed_has_adapter (const ItuningGguf *packed)
{
  return ituning_gguf_has_any (packed, ITUNING_ADAPTER_KEYS);
}
