/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/gguf.h"

#include <math.h>
#include <string.h>

/* Values of a GGUF file's keys. Each getter fails when the key is missing or
 * of another type; whoever can do without looks with ituning_gguf_find (). */

static const ItuningGgufValue *
find (const ItuningGguf *gguf, const char *key, gboolean is_array,
    const char *wanted, GError **error)
{
  const ItuningGgufValue *value = ituning_gguf_find (gguf, key);

  if (value == NULL)
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_FORMAT,
        "%s: has no key \"%s\"", ituning_gguf_get_path (gguf), key);
  else if (value->is_array != is_array)
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_FORMAT,
        "%s: key \"%s\" is not %s", ituning_gguf_get_path (gguf), key, wanted);
  else
    return value;
  return NULL;
}

static gboolean
refuse (const ItuningGguf *gguf, const char *key, const char *wanted,
    GError **error)
{
  g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_FORMAT,
      "%s: key \"%s\" is not %s", ituning_gguf_get_path (gguf), key, wanted);
  return FALSE;
}

/* The little-endian bytes of item @i. */
static guint64
get_bits (const ItuningGgufValue *value, gsize i)
{
  const gsize size = ituning_gguf_kind_size (value->kind);
  guint64 bits = 0;

  for (gsize byte = size; byte > 0; byte--)
    bits = bits << 8 | value->data[i * size + byte - 1];
  return bits;
}

/* A whole number that is not negative. */
static gboolean
get_unsigned (const ItuningGgufValue *value, gsize i, guint64 *number)
{
  const guint bits = 8 * (guint) ituning_gguf_kind_size (value->kind);

  *number = get_bits (value, i);
  switch ((int) value->kind) {
    case ITUNING_GGUF_U8:
    case ITUNING_GGUF_U16:
    case ITUNING_GGUF_U32:
    case ITUNING_GGUF_U64:
      return TRUE;
    case ITUNING_GGUF_I8:
    case ITUNING_GGUF_I16:
    case ITUNING_GGUF_I32:
    case ITUNING_GGUF_I64:
      return *number >> (bits - 1) == 0;
    default:
      return FALSE;
  }
}

static gboolean
get_number (const ItuningGgufValue *value, gsize i, double *number)
{
  const guint64 bits = get_bits (value, i);

  if (value->kind == ITUNING_GGUF_F64) {
    memcpy (number, &bits, sizeof (*number));
  } else if (value->kind == ITUNING_GGUF_F32) {
    const guint32 low = (guint32) bits;
    float narrow;
    memcpy (&narrow, &low, sizeof (narrow));
    *number = (double) narrow;
  } else {
    return FALSE;
  }
  return isfinite (*number);
}

/**
 * ituning_gguf_get_size:
 * @key: a key
 * @min: least that it may be
 * @max: most that it may be
 * @value: (out): the value; untouched on failure
 *
 * Returns: FALSE with %ITUNING_ERROR_FORMAT when there is no such key, or it
 *   is no whole number in that range
 */
gboolean
ituning_gguf_get_size (const ItuningGguf *gguf, const char *key, gsize min,
    gsize max, gsize *value, GError **error)
{
  const ItuningGgufValue *found = find (gguf, key, FALSE, "a number", error);
  guint64 number;

  if (found == NULL)
    return FALSE;
  if (!get_unsigned (found, 0, &number))
    return refuse (gguf, key, "a whole number from 0", error);
  if (number < min || number > max) {
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_FORMAT,
        "%s: key \"%s\" is %" G_GUINT64_FORMAT ", not from %" G_GSIZE_FORMAT
        " to %" G_GSIZE_FORMAT,
        ituning_gguf_get_path (gguf), key, number, min, max);
    return FALSE;
  }
  *value = (gsize) number;
  return TRUE;
}

/**
 * ituning_gguf_get_double:
 * @key: a key
 * @value: (out): the value, finite; untouched on failure
 *
 * Returns: FALSE with %ITUNING_ERROR_FORMAT when there is no such key, or it
 *   is no F32 or F64
 */
gboolean
ituning_gguf_get_double (const ItuningGguf *gguf, const char *key,
    double *value, GError **error)
{
  const ItuningGgufValue *found = find (gguf, key, FALSE, "a number", error);
  double number;

  if (found == NULL)
    return FALSE;
  if (!get_number (found, 0, &number))
    return refuse (gguf, key, "a finite F32 or F64", error);
  *value = number;
  return TRUE;
}

/**
 * ituning_gguf_get_boolean:
 * @key: a key
 * @value: (out): the value; untouched on failure
 *
 * Returns: FALSE with %ITUNING_ERROR_FORMAT when there is no such key, or it
 *   is neither true nor false
 */
gboolean
ituning_gguf_get_boolean (const ItuningGguf *gguf, const char *key,
    gboolean *value, GError **error)
{
  const ItuningGgufValue *found = find (gguf, key, FALSE, "a truth value",
      error);

  if (found == NULL)
    return FALSE;
  if (found->kind != ITUNING_GGUF_BOOL || found->data[0] > 1)
    return refuse (gguf, key, "a truth value", error);
  *value = found->data[0];
  return TRUE;
}

/**
 * ituning_gguf_get_string:
 * @key: a key
 * @value: (out) (transfer full): the value, UTF-8; untouched on failure
 *
 * Returns: FALSE with %ITUNING_ERROR_FORMAT when there is no such key, or it
 *   is no text
 */
gboolean
ituning_gguf_get_string (const ItuningGguf *gguf, const char *key, char **value,
    GError **error)
{
  const ItuningGgufValue *found = find (gguf, key, FALSE, "text", error);
  ItuningGgufStrings strings;
  const char *text;
  gsize size;

  if (found == NULL)
    return FALSE;
  strings = (ItuningGgufStrings){ found->data, 1 };
  if (found->kind != ITUNING_GGUF_STRING ||
      !ituning_gguf_strings_next (&strings, &text, &size) ||
      !g_utf8_validate_len (text, size, NULL))
    return refuse (gguf, key, "text", error);
  *value = g_strndup (text, size);
  return TRUE;
}

/**
 * ituning_gguf_get_doubles:
 * @key: a key
 * @values: (out): [@n] the values, finite
 * @n: how many there have to be
 *
 * Returns: FALSE with %ITUNING_ERROR_FORMAT when there is no such key, or it
 *   is no array of @n F32 or F64
 */
gboolean
ituning_gguf_get_doubles (const ItuningGguf *gguf, const char *key,
    double *values, gsize n, GError **error)
{
  const ItuningGgufValue *found = find (gguf, key, TRUE, "an array", error);

  if (found == NULL)
    return FALSE;
  for (gsize i = 0; i < n; i++) {
    if (found->n != n || !get_number (found, i, &values[i])) {
      g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_FORMAT,
          "%s: key \"%s\" is not an array of %" G_GSIZE_FORMAT
          " finite F32 or F64",
          ituning_gguf_get_path (gguf), key, n);
      return FALSE;
    }
  }
  return TRUE;
}

/**
 * ituning_gguf_get_uints:
 * @key: a key
 * @max_n: most that there may be
 * @n: (out): how many there are
 *
 * Returns: (transfer full): an array of whole numbers; or %NULL with
 *   %ITUNING_ERROR_FORMAT when there is no such key, or it is something else
 */
guint *
ituning_gguf_get_uints (const ItuningGguf *gguf, const char *key, gsize max_n,
    gsize *n, GError **error)
{
  const ItuningGgufValue *found = find (gguf, key, TRUE, "an array", error);
  g_autofree guint *values = NULL;

  if (found == NULL)
    return NULL;
  if (found->n > max_n) {
    refuse (gguf, key, "of a usable length", error);
    return NULL;
  }
  values = g_new0 (guint, MAX (found->n, 1));
  for (gsize i = 0; i < found->n; i++) {
    guint64 number;
    if (!get_unsigned (found, i, &number) || number > G_MAXUINT32) {
      refuse (gguf, key, "an array of whole numbers from 0", error);
      return NULL;
    }
    values[i] = (guint) number;
  }
  *n = found->n;
  return g_steal_pointer (&values);
}

/**
 * ituning_gguf_get_strings:
 * @key: a key
 * @strings: (out): its items, for ituning_gguf_strings_next ()
 *
 * Returns: FALSE with %ITUNING_ERROR_FORMAT when there is no such key, or it
 *   is no array of strings
 */
gboolean
ituning_gguf_get_strings (const ItuningGguf *gguf, const char *key,
    ItuningGgufStrings *strings, GError **error)
{
  const ItuningGgufValue *found = find (gguf, key, TRUE, "an array", error);

  if (found == NULL)
    return FALSE;
  if (found->kind != ITUNING_GGUF_STRING)
    return refuse (gguf, key, "an array of strings", error);
  *strings = (ItuningGgufStrings){ found->data, found->n };
  return TRUE;
}

/**
 * ituning_gguf_strings_next:
 * @strings: what is left
 * @text: (out) (transfer none): [@size] the next one's bytes, any at all
 * @size: (out): how many
 *
 * Returns: FALSE when none is left
 */
gboolean
ituning_gguf_strings_next (ItuningGgufStrings *strings, const char **text,
    gsize *size)
{
  guint64 length;

  if (strings->n == 0)
    return FALSE;
  memcpy (&length, strings->at, sizeof (length));
  *size = (gsize) GUINT64_FROM_LE (length);
  *text = (const char *) strings->at + sizeof (length);
  strings->at += sizeof (length) + *size;
  strings->n--;
  return TRUE;
}
