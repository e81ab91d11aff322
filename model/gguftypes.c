/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/gguf.h"

/* The format's types: what it calls them, and what they are here. */

static const struct
{
  guint32 id;
  const char *name;
  int type; /* an ItuningType; -1: quantised in blocks, not supported */
} types[] = {
  { 0, "F32", ITUNING_TYPE_F32 },
  { 1, "F16", ITUNING_TYPE_F16 },
  { 30, "BF16", ITUNING_TYPE_BF16 },
  { 28, "F64", ITUNING_TYPE_F64 },
  { 27, "I64", ITUNING_TYPE_I64 },
  { 26, "I32", ITUNING_TYPE_I32 },
  { 25, "I16", ITUNING_TYPE_I16 },
  { 24, "I8", ITUNING_TYPE_I8 },
  { 2, "Q4_0", -1 },
  { 3, "Q4_1", -1 },
  { 6, "Q5_0", -1 },
  { 7, "Q5_1", -1 },
  { 8, "Q8_0", -1 },
  { 9, "Q8_1", -1 },
  { 10, "Q2_K", -1 },
  { 11, "Q3_K", -1 },
  { 12, "Q4_K", -1 },
  { 13, "Q5_K", -1 },
  { 14, "Q6_K", -1 },
  { 15, "Q8_K", -1 },
  { 16, "IQ2_XXS", -1 },
  { 17, "IQ2_XS", -1 },
  { 18, "IQ3_XXS", -1 },
  { 19, "IQ1_S", -1 },
  { 20, "IQ4_NL", -1 },
  { 21, "IQ3_S", -1 },
  { 22, "IQ2_S", -1 },
  { 23, "IQ4_XS", -1 },
  { 29, "IQ1_M", -1 },
  { 34, "TQ1_0", -1 },
  { 35, "TQ2_0", -1 },
  { 39, "MXFP4", -1 },
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
