/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/gguf.h"

/* The format's types: what it calls them, and what they are here. */

static const struct
{
  const char *name;
  guint32 id;
  int type; /* an ItuningType; -1: quantised in blocks that are not supported */
} types[] = {
  { "F32", 0, ITUNING_TYPE_F32 },
  { "F16", 1, ITUNING_TYPE_F16 },
  { "BF16", 30, ITUNING_TYPE_BF16 },
  { "F64", 28, ITUNING_TYPE_F64 },
  { "I64", 27, ITUNING_TYPE_I64 },
  { "I32", 26, ITUNING_TYPE_I32 },
  { "I16", 25, ITUNING_TYPE_I16 },
  { "I8", 24, ITUNING_TYPE_I8 },
  { "Q4_0", 2, ITUNING_TYPE_Q4_0 },
  { "Q4_1", 3, -1 },
  { "Q5_0", 6, -1 },
  { "Q5_1", 7, -1 },
  { "Q8_0", 8, ITUNING_TYPE_Q8_0 },
  { "Q8_1", 9, -1 },
  { "Q2_K", 10, -1 },
  { "Q3_K", 11, -1 },
  { "Q4_K", 12, -1 },
  { "Q5_K", 13, -1 },
  { "Q6_K", 14, -1 },
  { "Q8_K", 15, -1 },
  { "IQ2_XXS", 16, -1 },
  { "IQ2_XS", 17, -1 },
  { "IQ3_XXS", 18, -1 },
  { "IQ1_S", 19, -1 },
  { "IQ4_NL", 20, -1 },
  { "IQ3_S", 21, -1 },
  { "IQ2_S", 22, -1 },
  { "IQ4_XS", 23, -1 },
  { "IQ1_M", 29, -1 },
  { "TQ1_0", 34, -1 },
  { "TQ2_0", 35, -1 },
  { "MXFP4", 39, -1 },
};

/**
 * ituning_gguf_type_name:
 * @id: the format's number of a tensor's type
 * @type: (out): the ItuningType; or -1 for one that is not supported
 *
 * Returns: (nullable): what the format calls it; %NULL when it has none such
 */
const char *
ituning_gguf_type_name (guint32 id, int *type)
{
  for (gsize i = 0; i < G_N_ELEMENTS (types); i++) {
    if (types[i].id == id) {
      *type = types[i].type;
      return types[i].name;
    }
  }
  return NULL;
}

/**
 * ituning_gguf_type_id:
 * @type: a type that the format has
 *
 * Returns: the format's number of it
 */
guint32
ituning_gguf_type_id (ItuningType type)
{
  for (gsize i = 0; i < G_N_ELEMENTS (types); i++)
    if (types[i].type == (int) type)
      return types[i].id;
  g_assert_not_reached ();
}

/**
 * ituning_gguf_kind_size:
 * @kind: type of a value, which may come from a file
 *
 * Returns: the fewest bytes that one takes: all of a number's, the length of a
 *   string; 0 for an array and what the format does not have
 */
gsize
ituning_gguf_kind_size (ItuningGgufKind kind)
{
  static const guint8 sizes[] = {
    [ITUNING_GGUF_U8] = 1,
    [ITUNING_GGUF_I8] = 1,
    [ITUNING_GGUF_U16] = 2,
    [ITUNING_GGUF_I16] = 2,
    [ITUNING_GGUF_U32] = 4,
    [ITUNING_GGUF_I32] = 4,
    [ITUNING_GGUF_F32] = 4,
    [ITUNING_GGUF_BOOL] = 1,
    [ITUNING_GGUF_STRING] = 8,
    [ITUNING_GGUF_U64] = 8,
    [ITUNING_GGUF_I64] = 8,
    [ITUNING_GGUF_F64] = 8,
  };

  return (gsize) kind < G_N_ELEMENTS (sizes) ? sizes[kind] : 0;
}
