/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/zip.h"

#include "model/ituning.h"
#include "tests/unit/zipwriter.h"

static const ZipEntry good[] = {
  { "a/one", "first", 5, 0, 0 },
  { "a/empty", "", 0, 0, 0 },
  { "a/two", "second", 6, 0x0808, 0 },
};

/* Offsets of the fields that the tests overwrite, in the records of APPNOTE. */
enum
{
  LOCAL_NAME_LENGTH = 26,
  LOCAL_NAME = 30,
  RECORD_PACKED_SIZE = 20,
  RECORD_SIZE = 24,
  RECORD_EXTRA_LENGTH = 30,
  RECORD_START = 42,
  RECORD_NAME = 46,
  LOCATOR_START = 8,
  LOCATOR_BYTES = 20,
  END_COUNT = 10,
  END_SIZE = 12,
  END_START = 16,
};

/* The archive is copied to memory of just its size, for ASan to guard. */
static ItuningZip *
open_copy (const GByteArray *file, guint8 **copy, GError **error)
{
  *copy = g_memdup2 (file->data, file->len);
  return ituning_zip_open ("x.zip", *copy, file->len, error);
}

static void
assert_refused (const GByteArray *file, const char *message)
{
  g_autofree guint8 *copy = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (ItuningZip) zip = open_copy (file, &copy, &error);

  g_assert_null (zip);
  g_assert_error (error, ITUNING_ERROR, ITUNING_ERROR_FORMAT);
  if (strstr (error->message, message) == NULL)
    g_error ("\"%s\" does not say \"%s\"", error->message, message);
}

static void
assert_unreadable (const GByteArray *file, const char *name, int code,
    const char *message)
{
  g_autofree guint8 *copy = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (ItuningZip) zip = open_copy (file, &copy, &error);
  const guint8 *data;
  gsize size;

  g_assert_no_error (error);
  g_assert_false (ituning_zip_read (zip, name, &data, &size, &error));
  g_assert_error (error, ITUNING_ERROR, code);
  if (strstr (error->message, message) == NULL)
    g_error ("\"%s\" does not say \"%s\"", error->message, message);
}

static void
assert_good (const GByteArray *file)
{
  g_autofree guint8 *copy = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (ItuningZip) zip = open_copy (file, &copy, &error);

  g_assert_no_error (error);
  g_assert_cmpstr (ituning_zip_get_first_name (zip), ==, "a/one");
  g_assert_false (ituning_zip_contains (zip, "a"));
  for (gsize i = 0; i < G_N_ELEMENTS (good); i++) {
    const guint8 *data;
    gsize size;
    g_assert_true (ituning_zip_contains (zip, good[i].name));
    g_assert_true (ituning_zip_read (zip, good[i].name, &data, &size, &error));
    g_assert_cmpmem (data, size, good[i].data, good[i].size);
  }
}

static guint8 *
find_record (GByteArray *file, guint index)
{
  for (gsize i = 0; i + 4 <= file->len; i++) {
    if (memcmp (file->data + i, "PK\1\2", 4) == 0 && index-- == 0)
      return file->data + i;
  }
  g_assert_not_reached ();
}

static guint8 *
find_end (GByteArray *file)
{
  return file->data + file->len - ZIP_END_BYTES;
}

static GByteArray *
write_good (gboolean zip64)
{
  return zip_write (good, G_N_ELEMENTS (good), zip64);
}

static void
test_stored_entries_are_found (void)
{
  g_autoptr (GByteArray) file = write_good (FALSE);

  assert_good (file);
  /* A comment, even one that looks like an end record, changes nothing. */
  find_end (file)[20] = 24;
  zip_put (file, 0x06054b50, 4);
  zip_put (file, 0, 20);
  assert_good (file);
}

static void
test_zip64_is_read (void)
{
  g_autoptr (GByteArray) file = write_good (TRUE);

  assert_good (file);
  find_record (file, 2)[RECORD_EXTRA_LENGTH] = 0xff;
  assert_refused (file, "directory is damaged");
  find_record (file, 2)[RECORD_EXTRA_LENGTH] = 6; /* too few for the field */
  assert_refused (file, "ZIP64 sizes are missing");
  /* A ZIP64 record too close to the end to be whole. */
  memcpy (find_end (file) - LOCATOR_BYTES - 4, "PK\6\6", 4);
  find_end (file)[LOCATOR_START - LOCATOR_BYTES] += 56 - 4;
  assert_refused (file, "ZIP64 end record is missing");
  memset (find_end (file) + LOCATOR_START - LOCATOR_BYTES, 0xff, 8);
  assert_refused (file, "ZIP64 end record is missing");
}

static void
test_packed_entries_are_unsupported (void)
{
  static const ZipEntry entries[] = {
    { "a/deflated", "xxxx", 4, 0, 8 },
    { "a/secret", "xxxx", 4, 1, 0 },
  };
  g_autoptr (GByteArray) file = zip_write (entries, 2, FALSE);

  assert_unreadable (file, "a/deflated", ITUNING_ERROR_UNSUPPORTED,
      "\"a/deflated\" is compressed");
  assert_unreadable (file, "a/secret", ITUNING_ERROR_UNSUPPORTED,
      "\"a/secret\" is encrypted");
  assert_unreadable (file, "a/other", ITUNING_ERROR_FORMAT,
      "no entry \"a/other\"");
}

static void
test_a_directory_outside_is_a_format_error (void)
{
  g_autoptr (GByteArray) file = write_good (FALSE);
  guint8 *end = find_end (file);

  end[END_START + 3] = 0x7f;
  assert_refused (file, "directory lies outside");
  end[END_START + 3] = 0;
  end[END_SIZE + 3] = 0xff;
  assert_refused (file, "directory lies outside");
  end[END_SIZE + 3] = 0;
  end[END_COUNT + 1] = 0xff;
  assert_refused (file, "more entries than it has room for");
  end[END_COUNT + 1] = 0;
  assert_good (file);
  find_record (file, 2)[RECORD_START + 3] = 0x7f;
  assert_refused (file, "behind the directory");
}

static void
test_entries_that_overlap_are_a_format_error (void)
{
  g_autoptr (GByteArray) file = write_good (FALSE);
  guint8 *record = find_record (file, 0);

  record[RECORD_SIZE] = 6 + ZIP_ALIGNMENT;
  assert_refused (file, "two sizes");
  record[RECORD_PACKED_SIZE] = 6 + ZIP_ALIGNMENT;
  assert_unreadable (file, "a/one", ITUNING_ERROR_FORMAT, "overlaps another");
  memcpy (find_record (file, 2) + RECORD_START, record + RECORD_START, 4);
  assert_unreadable (file, "a/two", ITUNING_ERROR_FORMAT, "overlaps another");
}

static void
test_names_are_checked (void)
{
  static const ZipEntry twins[] = {
    { "a/x", "1", 1, 0, 0 },
    { "a/x", "2", 1, 0, 0 },
  };
  g_autoptr (GByteArray) file = zip_write (twins, 2, FALSE);
  g_autoptr (GByteArray) other = write_good (FALSE);

  assert_refused (file, "same name");
  other->data[LOCAL_NAME] = 'b';
  assert_unreadable (other, "a/one", ITUNING_ERROR_FORMAT, "is not where");
  other->data[LOCAL_NAME] = 'a';
  other->data[LOCAL_NAME_LENGTH]++;
  assert_unreadable (other, "a/one", ITUNING_ERROR_FORMAT, "is not where");
  find_record (other, 0)[RECORD_NAME] = '\0';
  assert_refused (other, "not UTF-8");
}

static void
test_truncation_is_a_format_error (void)
{
  for (guint zip64 = 0; zip64 < 2; zip64++) {
    g_autoptr (GByteArray) file = write_good (zip64 != 0);
    while (file->len > 0) {
      g_byte_array_set_size (file, file->len - 1);
      assert_refused (file, "is not a whole zip archive");
    }
  }
}

/* Whatever is in a file, it is read within its bounds or refused. */
static void
test_mutations_are_harmless (void)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (1);

  for (guint i = 0; i < 20000; i++) {
    g_autoptr (GByteArray) file = write_good (i % 2 != 0);
    g_autofree guint8 *copy = NULL;
    g_autoptr (GError) error = NULL;
    g_autoptr (ItuningZip) zip = NULL;
    for (guint n = g_rand_int_range (rand, 1, 5); n > 0; n--)
      file->data[g_rand_int_range (rand, 0, (gint32) file->len)] = (guint8)
          g_rand_int (rand);
    zip = open_copy (file, &copy, &error);
    g_assert_true ((zip == NULL) == (error != NULL));
    for (gsize entry = 0; zip != NULL && entry < G_N_ELEMENTS (good); entry++) {
      g_autoptr (GError) reason = NULL;
      const guint8 *data;
      gsize size;
      if (ituning_zip_read (zip, good[entry].name, &data, &size, &reason)) {
        g_autofree guint8 *touched = g_memdup2 (data, size);
        g_assert_true (size == 0 || touched != NULL);
      } else {
        g_assert_nonnull (reason);
      }
    }
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/zip/open/stored-entries-are-found",
      test_stored_entries_are_found);
  g_test_add_func ("/zip/open/zip64-is-read", test_zip64_is_read);
  g_test_add_func ("/zip/read/packed-entries-are-unsupported",
      test_packed_entries_are_unsupported);
  g_test_add_func ("/zip/open/a-directory-outside-is-a-format-error",
      test_a_directory_outside_is_a_format_error);
  g_test_add_func ("/zip/read/entries-that-overlap-are-a-format-error",
      test_entries_that_overlap_are_a_format_error);
  g_test_add_func ("/zip/read/names-are-checked", test_names_are_checked);
  g_test_add_func ("/zip/open/truncation-is-a-format-error",
      test_truncation_is_a_format_error);
  g_test_add_func ("/zip/read/mutations-are-harmless",
      test_mutations_are_harmless);
  return g_test_run ();
}
