/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include <glib/gstdio.h>

#include "model/tensors.h"

/* Safetensors and shards: what is written is read, what is wrong is said. */

typedef struct
{
  char *folder;
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data)
{
  fixture->folder = g_dir_make_tmp ("ituning-tensors-XXXXXX", NULL);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GDir) dir = g_dir_open (fixture->folder, 0, NULL);
  const char *name;

  while ((name = g_dir_read_name (dir)) != NULL) {
    g_autofree char *path = g_build_filename (fixture->folder, name, NULL);
    g_remove (path);
  }
  g_rmdir (fixture->folder);
  g_free (fixture->folder);
}

static char *
write_file (Fixture *fixture, const char *name, const char *bytes, gsize size)
{
  char *path = g_build_filename (fixture->folder, name, NULL);

  g_assert_true (g_file_set_contents (path, bytes, (gssize) size, NULL));
  return path;
}

/* A file with this header and @data_size bytes of data. */
static char *
write_safetensors (Fixture *fixture, const char *name, const char *header,
    gsize data_size)
{
  g_autoptr (GString) bytes = g_string_new (NULL);
  const guint64 length = GUINT64_TO_LE ((guint64) strlen (header));

  g_string_append_len (bytes, (const char *) &length, sizeof (length));
  g_string_append (bytes, header);
  for (gsize i = 0; i < data_size; i++)
    g_string_append_c (bytes, (char) i);
  return write_file (fixture, name, bytes->str, bytes->len);
}

static void
assert_fails (const char *path, ItuningError code, const char *cause)
{
  g_autoptr (GError) error = NULL;
  ItuningTensors *tensors = ituning_tensors_open (path, &error);

  g_assert_null (tensors);
  g_assert_error (error, ITUNING_ERROR, (int) code);
  g_assert_nonnull (strstr (error->message, path));
  if (strstr (error->message, cause) == NULL)
    g_error ("\"%s\" does not say \"%s\"", error->message, cause);
  g_assert_null (strchr (error->message, '\n'));
}

static void
test_saved_is_read (Fixture *fixture, gconstpointer data)
{
  static const guint8 bytes[] = { 1, 2, 3 };
  static const float floats[] = { 1.5f, -2.0f, 0.0f, 4.0f, 5.0f, 6.0f };
  static const gint64 number = -7;
  const ItuningTensor tensors[] = {
    { "bytes", ITUNING_TYPE_U8, 1, { 3 }, bytes, sizeof (bytes) },
    { "fl\"oats\\\xc3\xa9", ITUNING_TYPE_F32, 2, { 2, 3 }, floats,
        sizeof (floats) },
    { "number", ITUNING_TYPE_I64, 0, { 0 }, &number, sizeof (number) },
    { "none", ITUNING_TYPE_F16, 2, { 4, 0 }, "", 0 },
  };
  g_autofree char *path = g_build_filename (fixture->folder, "a.safetensors",
      NULL);
  g_autoptr (ItuningTensors) read = NULL;
  g_autoptr (GError) error = NULL;

  ituning_tensors_save (path, tensors, G_N_ELEMENTS (tensors), &error);
  g_assert_no_error (error);
  read = ituning_tensors_open (path, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (ituning_tensors_get_count (read), ==, 4);
  for (gsize i = 0; i < G_N_ELEMENTS (tensors); i++) {
    const ItuningTensor *found = ituning_tensors_lookup (read, tensors[i].name);
    g_assert_nonnull (found);
    g_assert_cmpint (found->type, ==, tensors[i].type);
    g_assert_cmpmem (found->dims, found->n_dims * sizeof (gsize),
        tensors[i].dims, tensors[i].n_dims * sizeof (gsize));
    g_assert_cmpmem (found->data, found->size, tensors[i].data,
        tensors[i].size);
  }
}

static void
test_unwritable_is_an_error (Fixture *fixture, gconstpointer data)
{
  g_autofree char *path = g_build_filename (fixture->folder, "no",
      "a.safetensors", NULL);
  g_autoptr (GError) error = NULL;

  g_assert_false (ituning_tensors_save (path, NULL, 0, &error));
  g_assert_error (error, ITUNING_ERROR, ITUNING_ERROR_WRITE);
  g_assert_nonnull (strstr (error->message, path));
}

static void
test_bad_headers_are_errors (Fixture *fixture, gconstpointer data)
{
#define ENTRY(type, shape, begin, end) \
  "{\"t\":{\"dtype\":\"" type "\",\"shape\":" shape \
  ",\"data_offsets\":[" begin "," end "]}}"
  static const struct
  {
    const char *header;
    gsize data_size;
    ItuningError code;
    const char *cause;
  } cases[] = {
    { ENTRY ("F32", "[2]", "0", "8"), 7, ITUNING_ERROR_FORMAT, "truncated" },
    { ENTRY ("F32", "[2]", "0", "7"), 8, ITUNING_ERROR_FORMAT,
        "do not fit its shape" },
    { ENTRY ("F32", "[2]", "8", "0"), 8, ITUNING_ERROR_FORMAT, "data_offsets" },
    { ENTRY ("F32", "[2]", "-8", "0"), 8, ITUNING_ERROR_FORMAT,
        "data_offsets" },
    { ENTRY ("F32", "[2]", "1", "9"), 16, ITUNING_ERROR_FORMAT,
        "not a multiple" },
    { ENTRY ("F32", "[-2]", "0", "8"), 8, ITUNING_ERROR_FORMAT, "shape" },
    { ENTRY ("F32", "[1.5]", "0", "8"), 8, ITUNING_ERROR_FORMAT, "shape" },
    { ENTRY ("F32", "[[1]]", "0", "4"), 8, ITUNING_ERROR_FORMAT, "shape" },
    { ENTRY ("F32", "[4294967296,4294967296,4]", "0", "0"), 8,
        ITUNING_ERROR_FORMAT, "shape" },
    { ENTRY ("F32", "[1,1,1,1,1,1,1,1,1]", "0", "4"), 8, ITUNING_ERROR_FORMAT,
        "shape" },
    { ENTRY ("F8_E4M3", "[2]", "0", "2"), 8, ITUNING_ERROR_UNSUPPORTED,
        "unknown type \"F8_E4M3\"" },
    { "{\"t\":{}}", 8, ITUNING_ERROR_UNSUPPORTED, "unknown type" },
    { "{\"t\":7}", 8, ITUNING_ERROR_FORMAT, "no description" },
    { "{\"t\":{\"dtype\":\"F32\"}}", 8, ITUNING_ERROR_FORMAT, "shape" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
      "\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]}}",
        12, ITUNING_ERROR_FORMAT, "overlaps" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
      "\"z\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[4,4]},"
      "\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}",
        12, ITUNING_ERROR_FORMAT, "overlaps" },
    { "{\"a\":", 8, ITUNING_ERROR_FORMAT, "not JSON" },
    { "{\"\xff\":1}", 8, ITUNING_ERROR_FORMAT, "UTF-8" },
    { "[1]", 8, ITUNING_ERROR_FORMAT, "not a safetensors" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *padded = g_strdup (cases[i].header);
    g_autoptr (GString) header = g_string_new (padded);
    g_autofree char *path = NULL;
    while (header->len % 8 != 0)
      g_string_append_c (header, ' ');
    path = write_safetensors (fixture, "bad.safetensors", header->str,
        cases[i].data_size);
    assert_fails (path, cases[i].code, cases[i].cause);
  }
}

/* A header of 0x4b50 bytes makes a file begin as a zip archive does. */
static void
test_header_like_a_zip_is_none (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GString) header = g_string_new (ENTRY ("F32", "[2]", "0", "8"));
  g_autoptr (ItuningTensors) tensors = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *path = NULL;

  while (header->len < 0x4b50)
    g_string_append_c (header, ' ');
  path = write_safetensors (fixture, "pk.safetensors", header->str, 8);
  tensors = ituning_tensors_open (path, &error);
  g_assert_no_error (error);
  g_assert_nonnull (ituning_tensors_lookup (tensors, "t"));
}

static void
test_deep_json_is_an_error (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GString) header = g_string_new ("{\"a\":");
  g_autofree char *path = NULL;

  for (int i = 0; i < 1000000; i++)
    g_string_append_c (header, '[');
  path = write_safetensors (fixture, "deep.safetensors", header->str, 0);
  assert_fails (path, ITUNING_ERROR_FORMAT, "nested");
}

static void
test_every_truncation_is_an_error (Fixture *fixture, gconstpointer data)
{
  g_autofree char *path = write_safetensors (fixture, "whole.safetensors",
      ENTRY ("F32", "[2]", "0", "8") "   ", 8);
  g_autofree char *bytes = NULL;
  gsize size;

  g_assert_true (g_file_get_contents (path, &bytes, &size, NULL));
  for (gsize n = 0; n < size; n++) {
    g_autofree char *cut = write_file (fixture, "cut.safetensors", bytes, n);
    assert_fails (cut, ITUNING_ERROR_FORMAT, "");
  }
}

static void
test_no_file_is_an_error (Fixture *fixture, gconstpointer data)
{
  g_autofree char *path = g_build_filename (fixture->folder, "none", NULL);

  assert_fails (path, ITUNING_ERROR_OPEN, "No such file");
  assert_fails (fixture->folder, ITUNING_ERROR_OPEN, "folder");
  assert_fails ("/dev/null", ITUNING_ERROR_OPEN, "not a regular file");
}

static void
test_shards_are_one_set (Fixture *fixture, gconstpointer data)
{
#define INDEX "model.safetensors.index.json"
  G_GNUC_UNUSED g_autofree char *one = write_safetensors (fixture,
      "1.safetensors",
      "{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]}}", 2);
  g_autofree char *two = write_safetensors (fixture, "2.safetensors",
      "{\"b\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[0,3]}}", 3);
  const char *json = "{\"weight_map\":{\"a\":\"1.safetensors\","
                     "\"b\":\"2.safetensors\"}}";
  g_autofree char *index = write_file (fixture, INDEX, json, strlen (json));
  g_autoptr (GError) error = NULL;
  g_autoptr (ItuningTensors) tensors =
      ituning_tensors_open_folder (fixture->folder, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (ituning_tensors_get_count (tensors), ==, 2);
  g_assert_nonnull (ituning_tensors_lookup (tensors, "a"));
  g_assert_nonnull (ituning_tensors_lookup (tensors, "b"));
  g_remove (two);
  g_assert_null (ituning_tensors_open (index, &error));
  g_assert_error (error, ITUNING_ERROR, ITUNING_ERROR_OPEN);
  g_assert_nonnull (strstr (error->message, "2.safetensors"));
}

static void
test_bad_indexes_are_errors (Fixture *fixture, gconstpointer data)
{
  static const struct
  {
    const char *json;
    ItuningError code;
    const char *cause;
  } cases[] = {
    { "{}", ITUNING_ERROR_FORMAT, "weight_map" },
    { "{\"weight_map\":[]}", ITUNING_ERROR_FORMAT, "weight_map" },
    { "{\"weight_map\":{\"a\":\"../1.safetensors\"}}", ITUNING_ERROR_FORMAT,
        "no file beside" },
    { "{\"weight_map\":{\"a\":7}}", ITUNING_ERROR_FORMAT, "no file beside" },
    { "{\"weight_map\":{\"z\":\"1.safetensors\"}}", ITUNING_ERROR_MISMATCH,
        "none of the files" },
  };
  G_GNUC_UNUSED g_autofree char *one = write_safetensors (fixture,
      "1.safetensors",
      "{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]}}", 2);

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *path = write_file (fixture, "bad.index.json",
        cases[i].json, strlen (cases[i].json));
    assert_fails (path, cases[i].code, cases[i].cause);
  }
}

#define ADD(path, function) \
  g_test_add (path, Fixture, NULL, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("/tensors/saved-is-read", test_saved_is_read);
  ADD ("/tensors/unwritable-is-an-error", test_unwritable_is_an_error);
  ADD ("/tensors/bad-headers-are-errors", test_bad_headers_are_errors);
  ADD ("/tensors/header-like-a-zip-is-none", test_header_like_a_zip_is_none);
  ADD ("/tensors/deep-json-is-an-error", test_deep_json_is_an_error);
  ADD ("/tensors/every-truncation-is-an-error",
      test_every_truncation_is_an_error);
  ADD ("/tensors/no-file-is-an-error", test_no_file_is_an_error);
  ADD ("/tensors/shards-are-one-set", test_shards_are_one_set);
  ADD ("/tensors/bad-indexes-are-errors", test_bad_indexes_are_errors);
  return g_test_run ();
}
