/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/tools/types.h"

#include <string.h>

#include "gst/tools/options.h"

/* --type: "q8_0", or with types of parts behind it, "q8_0,language=q4_0". */

static const struct
{
  const char *name;
  ItuningType type;
} names[] = {
  { "f32", ITUNING_TYPE_F32 },
  { "f16", ITUNING_TYPE_F16 },
  { "bf16", ITUNING_TYPE_BF16 },
  { "q8_0", ITUNING_TYPE_Q8_0 },
  { "q4_0", ITUNING_TYPE_Q4_0 },
};

static gboolean
find_type (const char *name, ItuningType *type, GError **error)
{
  for (gsize i = 0; i < G_N_ELEMENTS (names); i++) {
    if (g_ascii_strcasecmp (names[i].name, name) == 0) {
      *type = names[i].type;
      return TRUE;
    }
  }
  return tool_options_usage_error (error,
      "--type %s: there are f32, f16, bf16, q8_0 and q4_0", name);
}

static gboolean
find_part (const char *name, ItuningPartTypes *types, ItuningType **part,
    GError **error)
{
  const struct
  {
    const char *name;
    ItuningType *type;
  } parts[] = {
    { "vision", &types->vision },
    { "language", &types->language },
    { "vocabulary", &types->vocabulary },
    { "adapter", &types->adapter },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (parts); i++) {
    if (g_str_equal (parts[i].name, name)) {
      *part = parts[i].type;
      return TRUE;
    }
  }
  return tool_options_usage_error (error,
      "--type %s=...: the parts are vision, language, vocabulary and adapter",
      name);
}

/* The vocabulary is of the language model, until it is named itself. */
static gboolean
take_item (char *item, gboolean first, ItuningPartTypes *types,
    gboolean *own_vocabulary, GError **error)
{
  char *equals = strchr (item, '=');
  ItuningType *part = NULL, type = ITUNING_TYPE_F32;

  if (!find_type (equals != NULL ? equals + 1 : item, &type, error))
    return FALSE;
  if (equals == NULL) {
    if (!first)
      return tool_options_usage_error (error,
          "--type %s: a type for all parts comes first", item);
    *types = (ItuningPartTypes){ type, type, type, type };
    return TRUE;
  }
  *equals = '\0';
  if (!find_part (item, types, &part, error))
    return FALSE;
  *part = type;
  *own_vocabulary = *own_vocabulary || part == &types->vocabulary;
  if (part == &types->language && !*own_vocabulary)
    types->vocabulary = type;
  return TRUE;
}

/**
 * tool_types_parse:
 * @text: (nullable): what --type was given; %NULL for F32
 * @types: (out): the type of each part
 *
 * Returns: FALSE with a %G_OPTION_ERROR when it names no type or part
 */
gboolean
tool_types_parse (const char *text, ItuningPartTypes *types, GError **error)
{
  g_auto (GStrv) items = text != NULL ? g_strsplit (text, ",", -1)
                                      : g_new0 (char *, 1);
  gboolean own_vocabulary = FALSE;

  *types = (ItuningPartTypes){ ITUNING_TYPE_F32, ITUNING_TYPE_F32,
    ITUNING_TYPE_F32, ITUNING_TYPE_F32 };
  if (text != NULL && items[0] == NULL) /* the empty text splits into nothing */
    return find_type (text, &types->vision, error);
  for (gsize i = 0; items[i] != NULL; i++)
    if (!take_item (items[i], i == 0, types, &own_vocabulary, error))
      return FALSE;
  return TRUE;
}
