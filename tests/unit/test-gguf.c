/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#include "model/gguf.h"
#include "model/half.h"
#include "model/names.h"

/* GGUF: what is written is read, what is wrong is said. */

/* --- files in memory, by hand ------------------------------------------- */

static void
put_u32 (GByteArray *out, guint32 value)
{
  value = GUINT32_TO_LE (value);
  g_byte_array_append (out, (const guint8 *) &value, sizeof (value));
}

static void
put_u64 (GByteArray *out, guint64 value)
{
  value = GUINT64_TO_LE (value);
  g_byte_array_append (out, (const guint8 *) &value, sizeof (value));
}

static void
put_string (GByteArray *out, const char *text)
{
  put_u64 (out, strlen (text));
  g_byte_array_append (out, (const guint8 *) text, (guint) strlen (text));
}

static void
put_start (GByteArray *out, guint32 version, guint64 n_tensors, guint64 n_keys)
{
  g_byte_array_append (out, (const guint8 *) "GGUF", 4);
  put_u32 (out, version);
  put_u64 (out, n_tensors);
  put_u64 (out, n_keys);
}

/* A matrix of 2 rows of 3. */
static void
put_tensor (GByteArray *out, const char *name, guint32 type, guint64 offset)
{
  put_string (out, name);
  put_u32 (out, 2);
  put_u64 (out, 3);
  put_u64 (out, 2);
  put_u32 (out, type);
  put_u64 (out, offset);
}

static void
put_data (GByteArray *out, gsize size)
{
  static const guint8 zeros[256] = { 0 };

  g_byte_array_append (out, zeros, -out->len % ITUNING_GGUF_ALIGNMENT);
  g_byte_array_append (out, zeros, (guint) size);
}

static ItuningGguf *
open_bytes (const GByteArray *bytes, GError **error)
{
  g_autoptr (GBytes) copy = g_bytes_new (bytes->data, bytes->len);

  return ituning_gguf_new ("a.gguf", copy, error);
}

/* --- what is wrong ------------------------------------------------------ */

static void
no_magic (GByteArray *out)
{
  put_start (out, 3, 0, 0);
  out->data[0] = 'g';
}

static void
first_version (GByteArray *out)
{
  put_start (out, 1, 0, 0);
}

static void
big_endian (GByteArray *out)
{
  put_start (out, 0x03000000, 0, 0);
}

static void
many_tensors (GByteArray *out)
{
  put_start (out, 3, G_MAXUINT64, 0);
}

static void
many_keys (GByteArray *out)
{
  put_start (out, 3, 0, G_MAXUINT64 / 13 + 1);
}

static void
long_key (GByteArray *out)
{
  put_start (out, 3, 0, 1);
  put_u64 (out, G_MAXUINT64);
  put_u64 (out, 0);
}

static void
key_beyond_end (GByteArray *out)
{
  put_start (out, 3, 0, 1);
  put_u64 (out, 60000);
  put_u64 (out, 0);
}

static void
key_no_text (GByteArray *out)
{
  put_start (out, 3, 0, 1);
  put_string (out, "\xff");
  put_u32 (out, ITUNING_GGUF_U8);
  put_u32 (out, 0);
}

static void
unknown_kind (GByteArray *out)
{
  put_start (out, 3, 0, 1);
  put_string (out, "k");
  put_u32 (out, 13);
}

static void
nested_array (GByteArray *out)
{
  put_start (out, 3, 0, 1);
  put_string (out, "k");
  put_u32 (out, ITUNING_GGUF_ARRAY);
  put_u32 (out, ITUNING_GGUF_ARRAY);
  put_u64 (out, 1);
}

static void
long_array (GByteArray *out)
{
  put_start (out, 3, 0, 1);
  put_string (out, "k");
  put_u32 (out, ITUNING_GGUF_ARRAY);
  put_u32 (out, ITUNING_GGUF_F64);
  put_u64 (out, (G_MAXUINT64 >> 3) + 1);
}

static void
key_twice (GByteArray *out)
{
  put_start (out, 3, 0, 2);
  for (int i = 0; i < 2; i++) {
    put_string (out, "twin");
    put_u32 (out, ITUNING_GGUF_U32);
    put_u32 (out, 1);
  }
}

static void
odd_alignment (GByteArray *out)
{
  put_start (out, 3, 0, 1);
  put_string (out, "general.alignment");
  put_u32 (out, ITUNING_GGUF_U32);
  put_u32 (out, 48);
}

static void
no_alignment (GByteArray *out)
{
  put_start (out, 3, 0, 1);
  put_string (out, "general.alignment");
  put_u32 (out, ITUNING_GGUF_U32);
  put_u32 (out, 0);
}

static void
many_dimensions (GByteArray *out)
{
  put_start (out, 3, 1, 0);
  put_string (out, "t");
  put_u32 (out, 5);
  for (int i = 0; i < 8; i++)
    put_u64 (out, 1);
}

static void
endless_shape (GByteArray *out)
{
  put_start (out, 3, 1, 0);
  put_string (out, "t");
  put_u32 (out, 2);
  put_u64 (out, (guint64) 1 << 62);
  put_u64 (out, 4);
  put_u32 (out, 0);
  put_u64 (out, 0);
  put_data (out, 64);
}

static void
quantised (GByteArray *out)
{
  put_start (out, 3, 1, 0);
  put_tensor (out, "t", 12, 0);
  put_data (out, 64);
}

static void
broken_block (GByteArray *out)
{
  put_start (out, 3, 1, 0);
  put_tensor (out, "t", 8, 0);
  put_data (out, 64);
}

static void
unknown_type (GByteArray *out)
{
  put_start (out, 3, 1, 0);
  put_tensor (out, "t", 4, 0);
  put_data (out, 64);
}

static void
beyond_end (GByteArray *out)
{
  put_start (out, 3, 1, 0);
  put_tensor (out, "t", 0, 0);
  put_data (out, 23);
}

static void
far_offset (GByteArray *out)
{
  put_start (out, 3, 1, 0);
  put_tensor (out, "t", 0, G_MAXUINT64 - 31);
  put_data (out, 64);
}

static void
odd_offset (GByteArray *out)
{
  put_start (out, 3, 1, 0);
  put_tensor (out, "t", 0, 16);
  put_data (out, 64);
}

static void
overlap (GByteArray *out)
{
  put_start (out, 3, 2, 0);
  put_tensor (out, "a", 0, 32);
  put_tensor (out, "b", 0, 32);
  put_data (out, 64);
}

static void
tensor_twice (GByteArray *out)
{
  put_start (out, 3, 2, 0);
  put_tensor (out, "twin", 0, 0);
  put_tensor (out, "twin", 0, 32);
  put_data (out, 64);
}

static const struct
{
  void (*build) (GByteArray *out);
  ItuningError code;
  const char *cause;
} wrong[] = {
  { no_magic, ITUNING_ERROR_FORMAT, "not a GGUF file" },
  { first_version, ITUNING_ERROR_UNSUPPORTED, "version 1" },
  { big_endian, ITUNING_ERROR_UNSUPPORTED, "big-endian" },
  { many_tensors, ITUNING_ERROR_FORMAT, "tensors, more than there is room" },
  { many_keys, ITUNING_ERROR_FORMAT, "keys, more than there is room" },
  { long_key, ITUNING_ERROR_FORMAT, "key of 18446744073709551615 bytes" },
  { key_beyond_end, ITUNING_ERROR_FORMAT, "truncated" },
  { key_no_text, ITUNING_ERROR_FORMAT, "not UTF-8" },
  { unknown_kind, ITUNING_ERROR_FORMAT, "unknown type 13" },
  { nested_array, ITUNING_ERROR_UNSUPPORTED, "array of arrays" },
  { long_array, ITUNING_ERROR_FORMAT, "more than there is room" },
  { key_twice, ITUNING_ERROR_FORMAT, "\"twin\" twice" },
  { odd_alignment, ITUNING_ERROR_FORMAT, "48, not a power of two" },
  { no_alignment, ITUNING_ERROR_FORMAT, "not from 8" },
  { many_dimensions, ITUNING_ERROR_FORMAT, "5 dimensions" },
  { endless_shape, ITUNING_ERROR_FORMAT, "no usable shape" },
  { broken_block, ITUNING_ERROR_FORMAT, "\"t\" has no usable shape" },
  { quantised, ITUNING_ERROR_UNSUPPORTED, "Q4_K, which is not supported" },
  { unknown_type, ITUNING_ERROR_FORMAT, "unknown type 4" },
  { beyond_end, ITUNING_ERROR_FORMAT, "past the end" },
  { far_offset, ITUNING_ERROR_FORMAT, "past the end" },
  { odd_offset, ITUNING_ERROR_FORMAT, "alignment" },
  { overlap, ITUNING_ERROR_FORMAT, "overlaps" },
  { tensor_twice, ITUNING_ERROR_FORMAT, "two tensors" },
};

static void
test_what_is_wrong_is_said (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (wrong); i++) {
    g_autoptr (GByteArray) bytes = g_byte_array_new ();
    g_autoptr (GError) error = NULL;

    wrong[i].build (bytes);
    g_assert_null (open_bytes (bytes, &error));
    g_assert_error (error, ITUNING_ERROR, (int) wrong[i].code);
    g_assert_true (g_str_has_prefix (error->message, "a.gguf: "));
    if (strstr (error->message, wrong[i].cause) == NULL)
      g_error ("\"%s\" does not say \"%s\"", error->message, wrong[i].cause);
    g_assert_null (strchr (error->message, '\n'));
  }
}

/* The second version has the third's layout. */
static void
test_version_2_is_read (void)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  g_autoptr (GError) error = NULL;
  g_autoptr (ItuningGguf) gguf = NULL;
  const ItuningTensor *tensor;

  put_start (bytes, 2, 1, 0);
  put_tensor (bytes, "t", 0, 32);
  put_data (bytes, 32 + 24);
  gguf = open_bytes (bytes, &error);
  g_assert_no_error (error);
  tensor = ituning_gguf_lookup (gguf, "t");
  g_assert_cmpuint (tensor->n_dims, ==, 2);
  g_assert_cmpuint (tensor->dims[0], ==, 2);
  g_assert_cmpuint (tensor->dims[1], ==, 3);
}

/* --- a written file ----------------------------------------------------- */

static const float values[6] = { 1.0f, -2.5f, 0.0f, 3.0f, 1e-3f, 65504.0f };

/* Keys of all kinds and tensors of all types, some transposed. */
static char *
write_sample (const char *folder)
{
  static const char *const words[] = { "a", "", "\xc3\xa9 b" };
  static const double doubles[] = { 0.1, -1e300 };
  static const guint uints[] = { 0, G_MAXUINT32 };
  static const gint32 ints[] = { -1, 7 };
  g_autoptr (ItuningGgufWriter) writer = ituning_gguf_writer_new ();
  g_autoptr (GError) error = NULL;
  char *path = g_build_filename (folder, "sample.gguf", NULL);

  ituning_gguf_writer_put_size (writer, "size", 4000000000);
  ituning_gguf_writer_put_float (writer, "float", 1e-5);
  ituning_gguf_writer_put_double (writer, "double", 0.1);
  ituning_gguf_writer_put_boolean (writer, "yes", TRUE);
  ituning_gguf_writer_put_string (writer, "text", "\xc3\xa9t\xc3\xa9");
  ituning_gguf_writer_put_strings (writer, "words", words, 3);
  ituning_gguf_writer_put_doubles (writer, "doubles", doubles, 2);
  ituning_gguf_writer_put_uints (writer, "uints", uints, 2);
  ituning_gguf_writer_put_ints (writer, "ints", ints, 2);
  ituning_gguf_writer_add_tensor (writer, "plain", ITUNING_TYPE_F32,
      (const gsize[]){ 2, 3 }, 2, values, FALSE);
  ituning_gguf_writer_add_tensor (writer, "turned", ITUNING_TYPE_F32,
      (const gsize[]){ 3, 2 }, 2, values, TRUE);
  ituning_gguf_writer_add_tensor (writer, "half", ITUNING_TYPE_F16,
      (const gsize[]){ 1, 2, 3 }, 3, values, FALSE);
  ituning_gguf_writer_add_tensor (writer, "brain", ITUNING_TYPE_BF16,
      (const gsize[]){ 3, 2 }, 2, values, TRUE);
  ituning_gguf_writer_save (writer, path, NULL, &error);
  g_assert_no_error (error);
  return path;
}

static void
remove_sample (char *folder, char *path)
{
  g_remove (path);
  g_rmdir (folder);
  g_free (path);
  g_free (folder);
}

static void
assert_keys (const ItuningGguf *gguf)
{
  g_autofree char *text = NULL;
  g_autofree guint *uints = NULL;
  g_autoptr (GError) error = NULL;
  ItuningGgufStrings words;
  const char *word;
  gboolean yes = FALSE;
  double number, doubles[2];
  gsize size, n;

  g_assert_true (
      ituning_gguf_get_size (gguf, "size", 0, G_MAXUINT32, &size, &error));
  g_assert_cmpuint (size, ==, 4000000000);
  g_assert_true (ituning_gguf_get_double (gguf, "float", &number, &error));
  g_assert_true (number == (double) 1e-5f);
  g_assert_true (ituning_gguf_get_double (gguf, "double", &number, &error));
  g_assert_true (number == 0.1);
  g_assert_true (ituning_gguf_get_boolean (gguf, "yes", &yes, &error));
  g_assert_true (yes);
  g_assert_true (ituning_gguf_get_string (gguf, "text", &text, &error));
  g_assert_cmpstr (text, ==, "\xc3\xa9t\xc3\xa9");
  g_assert_true (
      ituning_gguf_get_doubles (gguf, "doubles", doubles, 2, &error));
  g_assert_true (doubles[0] == 0.1 && doubles[1] == -1e300);
  uints = ituning_gguf_get_uints (gguf, "uints", 2, &n, &error);
  g_assert_cmpuint (n, ==, 2);
  g_assert_cmpuint (uints[1], ==, G_MAXUINT32);
  g_assert_true (ituning_gguf_get_strings (gguf, "words", &words, &error));
  g_assert_cmpuint (words.n, ==, 3);
  for (int i = 0; i < 3; i++)
    g_assert_true (ituning_gguf_strings_next (&words, &word, &size));
  g_assert_cmpmem (word, size, "\xc3\xa9 b", 4);
  g_assert_false (ituning_gguf_strings_next (&words, &word, &size));
}

static void
assert_tensor (const ItuningGguf *gguf, const char *name, ItuningType type,
    const void *data, gsize size)
{
  const ItuningTensor *tensor = ituning_gguf_lookup (gguf, name);

  g_assert_nonnull (tensor);
  g_assert_cmpint (tensor->type, ==, type);
  g_assert_cmpuint ((gsize) tensor->data % ITUNING_GGUF_ALIGNMENT, ==, 0);
  g_assert_cmpmem (tensor->data, tensor->size, data, size);
}

static void
test_what_is_written_is_read (void)
{
  static const float turned[] = { 1.0f, 3.0f, -2.5f, 1e-3f, 0.0f, 65504.0f };
  static const guint16 half[] = { 0x3c00, 0xc100, 0, 0x4200, 0x1419, 0x7bff };
  static const guint16 brain[] = { 0x3f80, 0x4040, 0xc020, 0x3a83, 0, 0x4780 };
  char *folder = g_dir_make_tmp ("ituning-gguf-XXXXXX", NULL);
  char *path = write_sample (folder);
  g_autoptr (GError) error = NULL;
  g_autoptr (ItuningGguf) gguf = ituning_gguf_open (path, &error);
  const ItuningTensor *tensor;

  g_assert_no_error (error);
  g_assert_true (ituning_gguf_is_mapped (gguf));
  assert_keys (gguf);
  assert_tensor (gguf, "plain", ITUNING_TYPE_F32, values, sizeof (values));
  assert_tensor (gguf, "turned", ITUNING_TYPE_F32, turned, sizeof (turned));
  assert_tensor (gguf, "half", ITUNING_TYPE_F16, half, sizeof (half));
  assert_tensor (gguf, "brain", ITUNING_TYPE_BF16, brain, sizeof (brain));
  tensor = ituning_gguf_lookup (gguf, "half");
  g_assert_cmpuint (tensor->n_dims, ==, 3);
  g_assert_cmpuint (tensor->dims[2], ==, 3);
  g_assert_null (ituning_gguf_lookup (gguf, "none"));
  g_assert_true (ituning_gguf_has_any (gguf, "wor"));
  g_assert_false (ituning_gguf_has_any (gguf, "wox"));
  remove_sample (folder, path);
}

static void
test_the_same_is_written_again (void)
{
  char *folder = g_dir_make_tmp ("ituning-gguf-XXXXXX", NULL);
  g_autofree char *first = NULL, *second = NULL, *path = NULL;
  gsize n_first, n_second;

  path = write_sample (folder);
  g_assert_true (g_file_get_contents (path, &first, &n_first, NULL));
  g_free (path);
  path = write_sample (folder);
  g_assert_true (g_file_get_contents (path, &second, &n_second, NULL));
  g_assert_cmpmem (first, n_first, second, n_second);
  remove_sample (folder, g_steal_pointer (&path));
}

static void
test_a_value_of_another_kind_is_said (void)
{
  char *folder = g_dir_make_tmp ("ituning-gguf-XXXXXX", NULL);
  char *path = write_sample (folder);
  g_autoptr (ItuningGguf) gguf = ituning_gguf_open (path, NULL);
  static const char *const keys[] = { "none", "size", "float", "yes", "text",
    "words", "doubles", "uints", "ints" };
  /* Which of the getters below takes which of the keys. */
  static const char *const takers[] = { "", "s", "d", "b", "t", "w", "D", "u",
    "" };

  for (gsize i = 0; i < G_N_ELEMENTS (keys); i++) {
    g_autofree char *text = NULL;
    ItuningGgufStrings words;
    double number, three[2];
    gboolean yes;
    gsize size;
    GError *errors[7] = { NULL };

    ituning_gguf_get_size (gguf, keys[i], 0, G_MAXSIZE, &size, &errors[0]);
    ituning_gguf_get_double (gguf, keys[i], &number, &errors[1]);
    ituning_gguf_get_boolean (gguf, keys[i], &yes, &errors[2]);
    ituning_gguf_get_string (gguf, keys[i], &text, &errors[3]);
    ituning_gguf_get_strings (gguf, keys[i], &words, &errors[4]);
    ituning_gguf_get_doubles (gguf, keys[i], three, 2, &errors[5]);
    g_free (ituning_gguf_get_uints (gguf, keys[i], 9, &size, &errors[6]));
    for (gsize getter = 0; getter < G_N_ELEMENTS (errors); getter++) {
      if (strchr (takers[i], "sdbtwDu"[getter]) != NULL) {
        g_assert_no_error (errors[getter]);
        continue;
      }
      g_assert_error (errors[getter], ITUNING_ERROR, ITUNING_ERROR_FORMAT);
      g_assert_nonnull (strstr (errors[getter]->message, keys[i]));
      g_error_free (errors[getter]);
    }
  }
  remove_sample (folder, path);
}

static void
test_every_truncation_is_an_error (void)
{
  char *folder = g_dir_make_tmp ("ituning-gguf-XXXXXX", NULL);
  char *path = write_sample (folder);
  g_autofree char *bytes = NULL;
  gsize size;

  g_assert_true (g_file_get_contents (path, &bytes, &size, NULL));
  size -= ITUNING_GGUF_ALIGNMENT - 12; /* padding after the last tensor */
  for (gsize n = 0; n < size; n++) {
    g_autoptr (GBytes) cut = g_bytes_new (bytes, n);
    g_autoptr (GError) error = NULL;
    g_assert_null (ituning_gguf_new ("cut", cut, &error));
    g_assert_error (error, ITUNING_ERROR, ITUNING_ERROR_FORMAT);
  }
  remove_sample (folder, path);
}

/* For the sanitizers: a damaged byte may be an error or not, but no more. */
static void
test_no_damaged_byte_does_harm (void)
{
  static const guint8 masks[] = { 0x01, 0x80, 0xff };
  char *folder = g_dir_make_tmp ("ituning-gguf-XXXXXX", NULL);
  char *path = write_sample (folder);
  g_autofree char *bytes = NULL;
  gsize size, n_errors = 0;

  g_assert_true (g_file_get_contents (path, &bytes, &size, NULL));
  for (gsize i = 0; i < size * G_N_ELEMENTS (masks); i++) {
    g_autofree guint8 *copy = g_memdup2 (bytes, size);
    g_autoptr (GBytes) damaged = NULL;
    g_autoptr (GError) error = NULL;
    g_autoptr (ItuningGguf) gguf = NULL;
    copy[i / G_N_ELEMENTS (masks)] ^= masks[i % G_N_ELEMENTS (masks)];
    damaged = g_bytes_new_take (g_steal_pointer (&copy), size);
    gguf = ituning_gguf_new ("damaged", damaged, &error);
    n_errors += gguf == NULL;
  }
  g_assert_cmpuint (n_errors, >, 100);
  remove_sample (folder, path);
}

static void
test_too_large_for_a_type_is_said (void)
{
  static const float large = 65520.0f;
  char *folder = g_dir_make_tmp ("ituning-gguf-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (folder, "large.gguf", NULL);
  g_autoptr (ItuningGgufWriter) writer = ituning_gguf_writer_new ();
  g_autoptr (GError) error = NULL;

  ituning_gguf_writer_add_tensor (writer, "large", ITUNING_TYPE_F16,
      (const gsize[]){ 1 }, 1, &large, FALSE);
  g_assert_false (ituning_gguf_writer_save (writer, path, NULL, &error));
  g_assert_error (error, ITUNING_ERROR, ITUNING_ERROR_NUMERIC);
  g_assert_nonnull (strstr (error->message, "\"large\""));
  g_assert_cmpint (g_rmdir (folder), ==, 0); /* nothing is left in it */
  g_free (folder);
}

/* --- types and names ---------------------------------------------------- */

static void
test_halves_survive (void)
{
  for (guint bits = 0; bits < 0x10000; bits++) {
    const guint16 half = (guint16) bits;
    guint16 again;
    float value;

    if ((bits & 0x7c00) != 0x7c00) {
      ituning_half_to_float (&value, &half, 1);
      g_assert_true (ituning_half_from_float (&again, &value, 1));
      g_assert_cmpuint (again, ==, half);
    }
    if ((bits & 0x7f80) != 0x7f80) {
      ituning_bfloat16_to_float (&value, &half, 1);
      g_assert_true (ituning_bfloat16_from_float (&again, &value, 1));
      g_assert_cmpuint (again, ==, half);
    }
  }
}

/* Many at once are what they are one by one. */
static void
test_many_halves_are_as_one (void)
{
  const gsize n = 0x10000;
  g_autofree guint16 *halves = g_new (guint16, n);
  g_autofree float *many = g_new (float, n);

  for (gsize i = 0; i < n; i++)
    halves[i] = (guint16) i;
  for (gsize start = 0; start < 3; start++) {
    ituning_half_to_float (many, halves + start, n - 3);
    for (gsize i = 0; i < n - 3; i++) {
      float one;
      ituning_half_to_float (&one, halves + start + i, 1);
      if (halves[start + i] % 0x8000 > 0x7c00)
        g_assert_true (isnan (many[i]) && isnan (one));
      else
        g_assert_cmpmem (&many[i], sizeof (float), &one, sizeof (float));
    }
  }
}

static void
test_halves_round_to_even (void)
{
  static const struct
  {
    float value;
    guint16 half, brain;
  } cases[] = {
    { 1.0f + 0x1p-11f, 0x3c00, 0x3f80 }, /* ties */
    { 1.0f + 3 * 0x1p-11f, 0x3c02, 0x3f80 },
    { 1.0f + 0x1p-8f, 0x3c04, 0x3f80 },
    { 1.0f + 3 * 0x1p-8f, 0x3c0c, 0x3f82 },
    { 1.0f + 0x1.8p-8f, 0x3c06, 0x3f81 },
    { 0x1p-25f, 0x0000, 0x3300 },
    { -0x1.000002p-25f, 0x8001, 0xb300 },
    { 3 * 0x1p-25f, 0x0002, 0x33c0 },
    { 0x1.ffep-15f, 0x0400, 0x3880 }, /* a subnormal that becomes normal */
    { 65519.0f, 0x7bff, 0x4780 },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    guint16 half, brain;
    g_assert_true (ituning_half_from_float (&half, &cases[i].value, 1));
    g_assert_cmphex (half, ==, cases[i].half);
    g_assert_true (ituning_bfloat16_from_float (&brain, &cases[i].value, 1));
    g_assert_cmphex (brain, ==, cases[i].brain);
  }
}

static void
test_too_large_for_a_half_is_told (void)
{
  const float large = 65520.0f, largest = G_MAXFLOAT;
  guint16 half;

  g_assert_false (ituning_half_from_float (&half, &large, 1));
  g_assert_false (ituning_half_from_float (&half, &largest, 1));
  g_assert_false (ituning_bfloat16_from_float (&half, &largest, 1));
}

static void
test_names_are_llama_cpps (void)
{
  static const struct
  {
    const char *name, *packed;
    ItuningNameKind kind;
  } cases[] = {
    { "transformer.h.11.attn.c_attn.weight", "blk.11.attn_qkv.weight",
        ITUNING_NAME_CONV1D },
    { "h.0.attn.c_attn.bias", "blk.0.attn_qkv.bias", ITUNING_NAME_PLAIN },
    { "wte.weight", "token_embd.weight", ITUNING_NAME_VOCABULARY },
    { "transformer.wpe.weight", "position_embd.weight", ITUNING_NAME_PLAIN },
    { "lm_head.weight", "output.weight", ITUNING_NAME_VOCABULARY },
    { "vision_model.embeddings.class_embedding", "v.class_embd",
        ITUNING_NAME_PLAIN },
    { "vision_model.encoder.layers.10.mlp.fc2.weight",
        "v.blk.10.ffn_down.weight", ITUNING_NAME_MATRIX },
    { "h.2.ituning.o_proj.bias", "blk.2.ituning_o.bias", ITUNING_NAME_PLAIN },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    ItuningNameKind kind;
    g_autofree char *packed = ituning_name_pack (cases[i].name, &kind);
    g_assert_cmpstr (packed, ==, cases[i].packed);
    g_assert_cmpint (kind, ==, cases[i].kind);
  }
  g_assert_null (ituning_name_pack ("h.0.attn.bias", NULL));
  g_assert_null (ituning_name_pack ("h.x.ln_1.weight", NULL));
  g_assert_null (ituning_name_pack ("", NULL));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/gguf/read/what-is-wrong-is-said",
      test_what_is_wrong_is_said);
  g_test_add_func ("/gguf/read/version-2-is-read", test_version_2_is_read);
  g_test_add_func ("/gguf/read/every-truncation-is-an-error",
      test_every_truncation_is_an_error);
  g_test_add_func ("/gguf/read/no-damaged-byte-does-harm",
      test_no_damaged_byte_does_harm);
  g_test_add_func ("/gguf/read/a-value-of-another-kind-is-said",
      test_a_value_of_another_kind_is_said);
  g_test_add_func ("/gguf/write/what-is-written-is-read",
      test_what_is_written_is_read);
  g_test_add_func ("/gguf/write/the-same-is-written-again",
      test_the_same_is_written_again);
  g_test_add_func ("/gguf/write/too-large-for-a-type-is-said",
      test_too_large_for_a_type_is_said);
  g_test_add_func ("/gguf/half/halves-survive", test_halves_survive);
  g_test_add_func ("/gguf/many-halves-are-as-one", test_many_halves_are_as_one);
  g_test_add_func ("/gguf/half/halves-round-to-even",
      test_halves_round_to_even);
  g_test_add_func ("/gguf/half/too-large-for-a-half-is-told",
      test_too_large_for_a_half_is_told);
  g_test_add_func ("/gguf/names/names-are-llama-cpps",
      test_names_are_llama_cpps);
  return g_test_run ();
}
