/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <sys/mman.h>
#include <unistd.h>

#include "model/tensors.h"
#include "tests/unit/zipwriter.h"

static void
clear_name (gpointer tensor)
{
  g_free ((char *) ((ItuningTensor *) tensor)->name);
}

/* Maps @size bytes as a file would be. */
static GMappedFile *
map_bytes (const void *bytes, gsize size)
{
  g_autoptr (GError) error = NULL;
  const int fd = memfd_create ("test-pytorch", MFD_CLOEXEC);
  GMappedFile *file;

  g_assert_cmpint (fd, >=, 0);
  g_assert_cmpint (write (fd, bytes, size), ==, (gssize) size);
  file = g_mapped_file_new_from_fd (fd, FALSE, &error);
  g_assert_no_error (error);
  close (fd);
  return file;
}

static GArray *
read_file (GMappedFile *file, GError **error)
{
  g_autoptr (GArray) found = g_array_new (FALSE, FALSE, sizeof (ItuningTensor));

  g_array_set_clear_func (found, clear_name);
  if (!ituning_pytorch_read ("x.bin", file, found, error))
    return NULL;
  return g_steal_pointer (&found);
}

static const ItuningTensor *
find_tensor (const GArray *found, const char *name)
{
  for (guint i = 0; i < found->len; i++) {
    const ItuningTensor *tensor = &g_array_index (found, ItuningTensor, i);
    if (g_str_equal (tensor->name, name))
      return tensor;
  }
  return NULL;
}

/* --- what PyTorch wrote -------------------------------------------------- */

/* The values that make-pytorch.py gives its tensors. */
static const float whole[] = { 0, .125f, .25f, .375f, .5f, .625f, .75f, .875f,
  1, 1.125f, 1.25f, 1.375f, 1.5f, 1.625f, 1.75f, 1.875f, 2, 2.125f, 2.25f,
  2.375f, 2.5f, 2.625f, 2.75f, 2.875f };
static const float weight[] = { 0x1.9057d4p-2f, 0x1.9e48aep-2f, -0x1.f5928ep-3f,
  0x1.0260a0p-1f, 0x1.08358ap-1f, -0x1.30984cp-2f };
static const float bias[] = { -0x1.14131ap-2f, -0x1.717aa4p-3f };
static const float parameter[] = { .5f, -1.5f };
static const guint16 f16[] = { 0x3c00, 0xc000, 0x7bff };
static const guint16 bf16[] = { 0x3f80, 0xbf00, 0x4040 };
static const double f64[] = { 0.1, -1e300 };
static const gint64 i64[] = { 0, 1, 2, 3 };
static const gint32 i32[] = { G_MININT32 };
static const gint16 i16[] = { G_MININT16, 7 };
static const gint8 i8[] = { G_MININT8 };
static const guint8 u8[] = { 255, 1 };
static const guint8 truths[] = { 1, 0, 1 };
static const float scalar[] = { 42 };

#define TENSOR(name, type, values, n_dims, ...) \
  { \
    name, ITUNING_TYPE_##type, n_dims, { __VA_ARGS__ }, values, \
        sizeof (values) \
  }

static const ItuningTensor expected[] = {
  TENSOR ("linear.weight", F32, weight, 2, 2, 3),
  TENSOR ("linear.bias", F32, bias, 1, 2),
  TENSOR ("parameter", F32, parameter, 2, 1, 2),
  TENSOR ("f32.whole", F32, whole, 1, 24),
  { "f32.view", ITUNING_TYPE_F32, 2, { 3, 4 }, whole + 8, 48 },
  TENSOR ("f16", F16, f16, 1, 3),
  TENSOR ("bf16", BF16, bf16, 1, 3),
  TENSOR ("f64", F64, f64, 1, 2),
  TENSOR ("i64", I64, i64, 2, 1, 4),
  TENSOR ("i32", I32, i32, 1, 1),
  TENSOR ("i16", I16, i16, 1, 2),
  TENSOR ("i8", I8, i8, 1, 1),
  TENSOR ("u8", U8, u8, 1, 2),
  TENSOR ("bool", BOOL, truths, 1, 3),
  TENSOR ("scalar", F32, scalar, 0, 0),
  { "empty", ITUNING_TYPE_F32, 2, { 0, 3 }, whole, 0 },
};

static GMappedFile *
map_reference (void)
{
  g_autofree char *path = g_test_build_filename (G_TEST_DIST, "data",
      "tiny.bin", NULL);
  g_autoptr (GError) error = NULL;
  GMappedFile *file = g_mapped_file_new (path, FALSE, &error);

  g_assert_no_error (error);
  return file;
}

static void
test_pytorchs_own_file_is_read (void)
{
  g_autoptr (GMappedFile) file = map_reference ();
  g_autoptr (GError) error = NULL;
  g_autoptr (GArray) found = read_file (file, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (found->len, ==, G_N_ELEMENTS (expected));
  for (guint i = 0; i < found->len; i++) {
    const ItuningTensor *got = &g_array_index (found, ItuningTensor, i);
    const ItuningTensor *want = &expected[i];
    g_assert_cmpstr (got->name, ==, want->name);
    g_assert_cmpint (got->type, ==, want->type);
    g_assert_cmpmem (got->dims, got->n_dims * sizeof (gsize), want->dims,
        want->n_dims * sizeof (gsize));
    g_assert_cmpmem (got->data, got->size, want->data, want->size);
  }
}

static void
test_truncation_is_an_error (void)
{
  g_autoptr (GMappedFile) whole_file = map_reference ();

  for (gsize size = g_mapped_file_get_length (whole_file); size-- > 0;) {
    g_autoptr (GMappedFile) file = map_bytes (g_mapped_file_get_contents (
                                                  whole_file),
        size);
    g_autoptr (GError) error = NULL;
    g_assert_null (read_file (file, &error));
    g_assert_error (error, ITUNING_ERROR, ITUNING_ERROR_FORMAT);
  }
}

/* Whatever is in a file, the tensors found lie in it, or there is an error. */
static void
test_mutations_are_harmless (void)
{
  g_autoptr (GMappedFile) reference = map_reference ();
  const gsize size = g_mapped_file_get_length (reference);
  g_autoptr (GRand) rand = g_rand_new_with_seed (3);
  guint n_read = 0;

  for (guint i = 0; i < 5000; i++) {
    g_autofree guint8 *bytes = g_memdup2 (g_mapped_file_get_contents (
                                              reference),
        size);
    g_autoptr (GMappedFile) file = NULL;
    g_autoptr (GError) error = NULL;
    g_autoptr (GArray) found = NULL;
    for (guint n = g_rand_int_range (rand, 1, 4); n > 0; n--)
      bytes[g_rand_int_range (rand, 0, (gint32) size)] ^= (guint8)
          g_rand_int_range (rand, 1, 256);
    file = map_bytes (bytes, size);
    found = read_file (file, &error);
    g_assert_true ((found == NULL) == (error != NULL));
    for (guint k = 0; found != NULL && k < found->len; k++) {
      const ItuningTensor *tensor = &g_array_index (found, ItuningTensor, k);
      const gsize start = (gsize) ((const char *) tensor->data -
          g_mapped_file_get_contents (file));
      g_assert_cmpuint (start, <=, size);
      g_assert_cmpuint (tensor->size, <=, size - start);
      n_read++;
    }
  }
  g_assert_cmpuint (n_read, >, 0);
}

/* --- what we write ------------------------------------------------------- */

#define MAX_LENGTHS 10

/* What a pickle says of a tensor; zero lengths at the end are not written. */
typedef struct
{
  const char *storage;
  const char *key;
  gint64 n_elements;
  gint64 offset;
  guint n_sizes;
  gint64 sizes[MAX_LENGTHS];
  guint n_strides;
  gint64 strides[MAX_LENGTHS];
} Tensor;

static void
put_text (GByteArray *out, const char *text)
{
  zip_put (out, 'X', 1);
  zip_put (out, strlen (text), 4);
  zip_put_bytes (out, text, strlen (text));
}

static void
put_global (GByteArray *out, const char *module, const char *name)
{
  g_autofree char *text = g_strdup_printf ("c%s\n%s\n", module, name);

  zip_put_bytes (out, text, strlen (text));
}

static void
put_integer (GByteArray *out, gint64 number)
{
  zip_put (out, 0x8a, 1);
  zip_put (out, 8, 1);
  zip_put (out, (guint64) number, 8);
}

static void
put_tuple (GByteArray *out, const gint64 *numbers, guint n)
{
  zip_put (out, '(', 1);
  for (guint i = 0; i < n; i++)
    put_integer (out, numbers[i]);
  zip_put (out, 't', 1);
}

static void
put_tensor (GByteArray *out, const Tensor *tensor)
{
  put_global (out, "torch._utils", "_rebuild_tensor_v2");
  zip_put_bytes (out, "((", 2);
  put_text (out, "storage");
  put_global (out, "torch", tensor->storage);
  put_text (out, tensor->key);
  put_text (out, "cuda:0");
  put_integer (out, tensor->n_elements);
  zip_put_bytes (out, "tQ", 2);
  put_integer (out, tensor->offset);
  put_tuple (out, tensor->sizes, tensor->n_sizes);
  put_tuple (out, tensor->strides, tensor->n_strides);
  zip_put_bytes (out, "\x89NtR", 4);
}

static void
put_member (GByteArray *out, const char *name, const Tensor *tensor)
{
  put_text (out, name);
  put_tensor (out, tensor);
  zip_put (out, 's', 1);
}

/* Reads an archive of @pickle and the entries that go with it. */
static GArray *
read_pickle (const GByteArray *pickle, const ZipEntry *others, gsize n_others,
    GError **error)
{
  ZipEntry entries[ZIP_MAX_ENTRIES];
  g_autoptr (GByteArray) bytes = NULL;
  g_autoptr (GMappedFile) file = NULL;

  entries[0] = (ZipEntry){ "m/data.pkl", pickle->data, pickle->len, 0, 0 };
  memcpy (entries + 1, others, n_others * sizeof (ZipEntry));
  bytes = zip_write (entries, n_others + 1, FALSE);
  file = map_bytes (bytes->data, bytes->len);
  return read_file (file, error);
}

static const ZipEntry data[] = {
  { "m/byteorder", "little", 6, 0, 0 },
  { "m/data/0", whole, sizeof (whole), 0, 0 },
  { "m/data/1", whole, sizeof (whole), 0, 8 },
};

static GArray *
read_with_data (const GByteArray *pickle, GError **error)
{
  return read_pickle (pickle, data, G_N_ELEMENTS (data), error);
}

static void
assert_says (const GError *error, int code, const char *message)
{
  g_assert_error (error, ITUNING_ERROR, code);
  if (strstr (error->message, message) == NULL)
    g_error ("\"%s\" does not say \"%s\"", error->message, message);
}

static const Tensor pair = { "FloatStorage", "0", 24, 0, 1, { 2 }, 1, { 1 } };
static const Tensor triple = { "FloatStorage", "0", 24, 4, 1, { 3 }, 1, { 1 } };

static void
test_the_last_of_a_name_counts (void)
{
  g_autoptr (GByteArray) pickle = g_byte_array_new ();
  g_autoptr (GError) error = NULL;
  g_autoptr (GArray) found = NULL;

  zip_put (pickle, '}', 1);
  put_member (pickle, "a", &pair);
  put_member (pickle, "b", &pair);
  put_member (pickle, "a", &triple);
  put_text (pickle, "b");
  zip_put_bytes (pickle, "Ns.", 3);
  found = read_with_data (pickle, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (found->len, ==, 1);
  g_assert_cmpuint (find_tensor (found, "a")->dims[0], ==, 3);
}

static void
test_a_nested_state_dict_is_read (void)
{
  static const char *const members[] = { "state_dict", "model_state_dict",
    "model" };

  for (guint i = 0; i < G_N_ELEMENTS (members); i++) {
    g_autoptr (GByteArray) pickle = g_byte_array_new ();
    g_autoptr (GError) error = NULL;
    g_autoptr (GArray) found = NULL;
    zip_put (pickle, '}', 1);
    put_text (pickle, members[i]);
    zip_put (pickle, '}', 1);
    put_member (pickle, "inner", &pair);
    zip_put (pickle, 's', 1);
    put_text (pickle, "optimizer");
    zip_put (pickle, '}', 1);
    put_member (pickle, "moment", &pair);
    zip_put (pickle, 's', 1);
    put_text (pickle, "epoch");
    zip_put_bytes (pickle, "K\3s.", 4);
    found = read_with_data (pickle, &error);
    g_assert_no_error (error);
    g_assert_cmpuint (found->len, ==, 1);
    g_assert_nonnull (find_tensor (found, "inner"));
  }
}

/* Strides count only where there is more than one row to step over. */
static void
test_strides_of_one_row_do_not_count (void)
{
  static const Tensor rows = { "FloatStorage", "0", 24, 3, 3, { 1, 2, 3 }, 3,
    { 77, 3, 1 } };
  static const Tensor none = { "FloatStorage", "0", 24, 24, 2,
    { 0, G_MAXINT32 }, 2, { -5, 9 } };
  g_autoptr (GByteArray) pickle = g_byte_array_new ();
  g_autoptr (GError) error = NULL;
  g_autoptr (GArray) found = NULL;

  zip_put (pickle, '}', 1);
  put_member (pickle, "rows", &rows);
  put_member (pickle, "none", &none);
  zip_put (pickle, '.', 1);
  found = read_with_data (pickle, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (find_tensor (found, "rows")->size, ==, 24);
  g_assert_cmpuint (find_tensor (found, "none")->size, ==, 0);
}

static const struct
{
  const char *name;
  Tensor tensor;
  int code;
  const char *message;
} bad[] = {
  { "transposed", { "FloatStorage", "0", 24, 0, 2, { 2, 3 }, 2, { 1, 2 } },
      ITUNING_ERROR_UNSUPPORTED, "tensor \"t\" is not contiguous" },
  { "repeated", { "FloatStorage", "0", 24, 0, 2, { 2, 3 }, 2, { 0, 1 } },
      ITUNING_ERROR_UNSUPPORTED, "tensor \"t\" is not contiguous" },
  { "negative-stride", { "FloatStorage", "0", 24, 2, 1, { 2 }, 1, { -1 } },
      ITUNING_ERROR_UNSUPPORTED, "tensor \"t\" is not contiguous" },
  { "no-strides", { "FloatStorage", "0", 24, 0, 2, { 2, 3 }, 0, { 0 } },
      ITUNING_ERROR_FORMAT, "one stride for each" },
  { "past-the-storage", { "FloatStorage", "0", 24, 23, 1, { 2 }, 1, { 1 } },
      ITUNING_ERROR_FORMAT, "outside of its storage" },
  { "offset-past-the-storage",
      { "FloatStorage", "0", 24, 25, 1, { 0 }, 1, { 1 } }, ITUNING_ERROR_FORMAT,
      "outside of its storage" },
  { "huge-offset", { "FloatStorage", "0", 24, G_MAXINT64, 1, { 2 }, 1, { 1 } },
      ITUNING_ERROR_FORMAT, "outside of its storage" },
  { "negative-offset", { "FloatStorage", "0", 24, -1, 1, { 2 }, 1, { 1 } },
      ITUNING_ERROR_FORMAT, "outside of its storage" },
  { "small-storage", { "DoubleStorage", "0", 13, 0, 1, { 2 }, 1, { 1 } },
      ITUNING_ERROR_FORMAT, "promised 13 elements, its storage has 12" },
  { "negative-storage", { "FloatStorage", "0", -1, 0, 1, { 2 }, 1, { 1 } },
      ITUNING_ERROR_FORMAT, "promised -1 elements" },
  { "negative-size", { "FloatStorage", "0", 24, 0, 1, { -1 }, 1, { 1 } },
      ITUNING_ERROR_FORMAT, "no usable shape" },
  { "huge-size", { "FloatStorage", "0", 24, 0, 1, { G_MAXINT64 }, 1, { 1 } },
      ITUNING_ERROR_FORMAT, "no usable shape" },
  { "huge-product",
      { "FloatStorage", "0", 24, 0, 2, { G_MAXINT64 / 2, G_MAXINT64 / 2 }, 2,
          { G_MAXINT64 / 2, 1 } },
      ITUNING_ERROR_FORMAT, "no usable shape" },
  { "nine-dimensions",
      { "FloatStorage", "0", 24, 0, 9, { 1, 1, 1, 1, 1, 1, 1, 1, 1 }, 9,
          { 1 } },
      ITUNING_ERROR_FORMAT, "no usable shape" },
  { "no-entry", { "FloatStorage", "9", 24, 0, 1, { 2 }, 1, { 1 } },
      ITUNING_ERROR_FORMAT, "no entry \"m/data/9\"" },
  { "compressed", { "FloatStorage", "1", 24, 0, 1, { 2 }, 1, { 1 } },
      ITUNING_ERROR_UNSUPPORTED, "\"m/data/1\" is compressed" },
  { "complex", { "ComplexFloatStorage", "0", 24, 0, 1, { 2 }, 1, { 1 } },
      ITUNING_ERROR_UNSUPPORTED, "asks for torch.ComplexFloatStorage" },
};

static void
test_bad_tensor_is_refused (gconstpointer index)
{
  const guint i = GPOINTER_TO_UINT (index);
  g_autoptr (GByteArray) pickle = g_byte_array_new ();
  g_autoptr (GError) error = NULL;

  zip_put (pickle, '}', 1);
  put_member (pickle, "t", &bad[i].tensor);
  zip_put (pickle, '.', 1);
  g_assert_null (read_with_data (pickle, &error));
  assert_says (error, bad[i].code, bad[i].message);
}

/* --- what is no state dict ----------------------------------------------- */

static void
assert_pickle_refused (const char *text, gsize size, int code,
    const char *message)
{
  g_autoptr (GByteArray) pickle = g_byte_array_new ();
  g_autoptr (GError) error = NULL;

  zip_put_bytes (pickle, text, size);
  g_assert_null (read_with_data (pickle, &error));
  assert_says (error, code, message);
}

#define BYTES(text) text, sizeof (text) - 1
#define REBUILD "ctorch._utils\n_rebuild_tensor_v2\n"
#define PARAMETER "ctorch._utils\n_rebuild_parameter\n"

static void
test_other_pickles_are_refused (void)
{
  assert_pickle_refused (BYTES ("cos\nsystem\nX\2\0\0\0ls\x85R."),
      ITUNING_ERROR_UNSUPPORTED,
      "asks for os.system, which a tensor file has no use for");
  assert_pickle_refused (BYTES ("K\1."), ITUNING_ERROR_UNSUPPORTED,
      "other than a dict");
  assert_pickle_refused (BYTES ("}."), ITUNING_ERROR_FORMAT, "no tensors");
  assert_pickle_refused (BYTES ("}K\1Ns."), ITUNING_ERROR_FORMAT, "no tensors");
  assert_pickle_refused (BYTES ("}X\1\0\0\0t" REBUILD ")Rs."),
      ITUNING_ERROR_FORMAT, "\"t\" is not made from a storage");
  assert_pickle_refused (BYTES ("}X\1\0\0\0t" REBUILD "()QK\0))tRs."),
      ITUNING_ERROR_FORMAT, "\"t\" has no usable storage");
  assert_pickle_refused (BYTES ("}X\1\0\0\0t" PARAMETER ")Rs."),
      ITUNING_ERROR_FORMAT, "\"t\" is a parameter without data");
  assert_pickle_refused (BYTES ("}X\1\0\0\0t" PARAMETER "N\x85Rs."),
      ITUNING_ERROR_FORMAT, "\"t\" is a parameter without data");
}

static void
test_other_archives_are_refused (void)
{
  static const struct
  {
    ZipEntry entry;
    int code;
    const char *message;
  } others[] = {
    { { "m/constants.pkl", ".", 1, 0, 0 }, ITUNING_ERROR_UNSUPPORTED,
        "TorchScript" },
    { { "m/byteorder", "big", 3, 0, 0 }, ITUNING_ERROR_UNSUPPORTED,
        "byte order" },
  };
  g_autoptr (GByteArray) pickle = g_byte_array_new ();

  zip_put_bytes (pickle, "}.", 2);
  for (guint i = 0; i < G_N_ELEMENTS (others); i++) {
    g_autoptr (GError) error = NULL;
    g_assert_null (read_pickle (pickle, &others[i].entry, 1, &error));
    assert_says (error, others[i].code, others[i].message);
  }
}

static void
assert_no_checkpoint (const void *bytes, gsize size)
{
  g_autoptr (GMappedFile) file = map_bytes (bytes, size);
  g_autoptr (GError) error = NULL;

  g_assert_null (read_file (file, &error));
  assert_says (error, ITUNING_ERROR_FORMAT, "not a PyTorch zip checkpoint");
}

static void
test_other_files_are_refused (void)
{
  static const ZipEntry flat = { "data.pkl", "}.", 2, 0, 0 };
  static const ZipEntry other = { "word/document.xml", "<x/>", 4, 0, 0 };
  g_autoptr (GByteArray) none = zip_write (NULL, 0, FALSE);
  g_autoptr (GByteArray) without_folder = zip_write (&flat, 1, FALSE);
  g_autoptr (GByteArray) document = zip_write (&other, 1, FALSE);

  assert_no_checkpoint (none->data, none->len);
  assert_no_checkpoint (without_folder->data, without_folder->len);
  assert_no_checkpoint (document->data, document->len);
  assert_no_checkpoint (BYTES ("PK"));
  assert_no_checkpoint (BYTES ("version https://git-lfs.github.com/spec/v1"));
  /* How the format before PyTorch 1.6 starts: a pickled magic number. */
  assert_no_checkpoint (BYTES ("\x80\2\x8a\nl\xfc\x9c\x46\xf9 j\xa8P\x19."));
}

/* Aligned archives are what PyTorch writes; repacked ones may not be. */
static void
test_misaligned_data_is_a_format_error (void)
{
  g_autoptr (GByteArray) pickle = g_byte_array_new ();
  g_autoptr (GByteArray) bytes = NULL;
  g_autoptr (GMappedFile) file = NULL;
  g_autoptr (GError) error = NULL;
  ZipEntry entries[] = { { "m/data.pkl", NULL, 0, 0, 0 }, data[1] };
  gsize start = 0;

  zip_put (pickle, '}', 1);
  put_member (pickle, "t", &pair);
  zip_put (pickle, '.', 1);
  entries[0].data = pickle->data;
  entries[0].size = pickle->len;
  bytes = zip_write (entries, 2, FALSE);
  while (memcmp (bytes->data + start, "m/data/0", 8) != 0)
    start++;
  bytes->data[start - 2]--; /* the length of what lies before the data */
  file = map_bytes (bytes->data, bytes->len);
  g_assert_null (read_file (file, &error));
  assert_says (error, ITUNING_ERROR_FORMAT, "not a multiple");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/pytorch/read/pytorchs-own-file-is-read",
      test_pytorchs_own_file_is_read);
  g_test_add_func ("/pytorch/read/the-last-of-a-name-counts",
      test_the_last_of_a_name_counts);
  g_test_add_func ("/pytorch/read/a-nested-state-dict-is-read",
      test_a_nested_state_dict_is_read);
  g_test_add_func ("/pytorch/read/strides-of-one-row-do-not-count",
      test_strides_of_one_row_do_not_count);
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++) {
    g_autofree char *path = g_strconcat ("/pytorch/refuse/", bad[i].name, NULL);
    g_test_add_data_func (path, GUINT_TO_POINTER (i),
        test_bad_tensor_is_refused);
  }
  g_test_add_func ("/pytorch/refuse/other-pickles",
      test_other_pickles_are_refused);
  g_test_add_func ("/pytorch/refuse/other-archives",
      test_other_archives_are_refused);
  g_test_add_func ("/pytorch/refuse/other-files", test_other_files_are_refused);
  g_test_add_func ("/pytorch/refuse/misaligned-data",
      test_misaligned_data_is_a_format_error);
  g_test_add_func ("/pytorch/refuse/truncation", test_truncation_is_an_error);
  g_test_add_func ("/pytorch/read/mutations-are-harmless",
      test_mutations_are_harmless);
  return g_test_run ();
}
