/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/train/dataset.h"

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#include "model/tensors.h"

/* A file of features: what is refused, and what a batch of it holds. */

/* Where batches are filled. */
static void
fill (const ItuningDataset *dataset, ItuningBatch *batch,
    const guint32 *captions, gsize n)
{
  ituning_dataset_fill (dataset, batch, captions, n, NULL, 0);
}

/* Two images of two tokens that are three wide, and three captions. */
static float tokens[] = { 1, 2, 3, 4, 5, 6, -1, -2, -3, -4, -5, -6 };
static gint32 ids[] = { 9, 1, 9, 0, 9, 2, 3, 9, 9, 9, 7, 7 };
static gint32 lengths[] = { 3, 4, 2 };
static gint32 images[] = { 1, 0, 1 };
static guint8 pixels[2 * 4 * 4 * 3];

static ItuningTensor
make_tensor (const char *name, ItuningType type, const void *data,
    const guint64 *dims, gsize n_dims)
{
  ItuningTensor tensor = { .name = name, .type = type, .data = data };

  g_assert_true (ituning_tensor_set_shape (&tensor, dims, n_dims));
  return tensor;
}

#define TENSOR(name, type, data, ...) \
  make_tensor (name, ITUNING_TYPE_##type, data, \
      (const guint64[]){ __VA_ARGS__ }, \
      sizeof ((const guint64[]){ __VA_ARGS__ }) / sizeof (guint64))

typedef struct
{
  ItuningTensor tensors[4]; /* images, input_ids, lengths, image */
  gsize n;
} File;

static File
good_file (void)
{
  return (File){ { TENSOR ("visual_tokens", F32, tokens, 2, 2, 3),
                     TENSOR ("input_ids", I32, ids, 3, 4),
                     TENSOR ("lengths", I32, lengths, 3),
                     TENSOR ("image", I32, images, 3) },
    4 };
}

static ItuningDataset *
open_file (const File *file, GError **error)
{
  g_autofree char *path = g_build_filename (g_get_tmp_dir (),
      "ituning-dataset-XXXXXX", NULL);
  const int fd = g_mkstemp (path);
  ItuningDataset *dataset;

  g_assert_cmpint (fd, >=, 0);
  g_assert_true (g_close (fd, NULL));
  g_assert_true (ituning_tensors_save (path, file->tensors, file->n, NULL));
  dataset = ituning_dataset_open (path, error);
  if (dataset == NULL && error != NULL)
    g_assert_true (g_str_has_prefix ((*error)->message, path));
  g_unlink (path);
  return dataset;
}

static ItuningDataset *
open_good (void)
{
  const File file = good_file ();
  g_autoptr (GError) error = NULL;
  ItuningDataset *dataset = open_file (&file, &error);

  g_assert_no_error (error);
  return dataset;
}

static void
assert_refused (const File *file, const char *cause)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ItuningDataset) dataset = open_file (file, &error);

  g_assert_null (dataset);
  g_assert_cmpint (error->domain, ==, ITUNING_ERROR);
  if (strstr (error->message, cause) == NULL)
    g_error ("%s: no \"%s\" in it", error->message, cause);
}

/* --- what there is ------------------------------------------------------ */

static void
test_counts (void)
{
  g_autoptr (ItuningDataset) dataset = open_good ();
  const ItuningDatasetInfo *info = ituning_dataset_get_info (dataset);
  gsize image, n;
  const guint32 *caption = ituning_dataset_get_caption (dataset, 1, &image, &n);

  g_assert_cmpuint (info->n_images, ==, 2);
  g_assert_cmpuint (info->n_captions, ==, 3);
  g_assert_cmpuint (info->n_tokens, ==, 2 + 3 + 1);
  g_assert_cmpuint (info->max_length, ==, 4);
  g_assert_cmpuint (info->num_tokens, ==, 2);
  g_assert_cmpuint (info->hidden_size, ==, 3);
  g_assert_cmpuint (info->image_size, ==, 0);
  g_assert_cmpuint (image, ==, 0);
  g_assert_cmpuint (n, ==, 4);
  g_assert_cmpuint (caption[1], ==, 2);
}

/* Captions stand one behind the other without padding: the inputs from BOS on,
 * the targets to EOS, and each has the tokens of its own image. */
static void
test_batch_is_packed (void)
{
  static const guint32 chosen[] = { 1, 2, 0 };
  static const gsize starts[] = { 0, 3, 4, 6 };
  static const guint32 inputs[] = { 9, 2, 3, 9, 9, 1 };
  static const guint32 targets[] = { 2, 3, 9, 9, 1, 9 };
  g_autoptr (ItuningDataset) dataset = open_good ();
  ItuningBatch batch = { 0 };
  const float *visual;

  g_assert_cmpuint (ituning_dataset_count_targets (dataset, chosen, 3), ==, 6);
  fill (dataset, &batch, chosen, 1); /* what was there does not matter */
  fill (dataset, &batch, chosen, 3);
  g_assert_cmpuint (batch.n_targets, ==, 6);
  g_assert_cmpuint (batch.text.n_sequences, ==, 3);
  g_assert_cmpuint (batch.text.S, ==, 2);
  g_assert_cmpmem (batch.text.starts, sizeof starts, starts, sizeof starts);
  g_assert_cmpmem (batch.text.ids, sizeof inputs, inputs, sizeof inputs);
  g_assert_cmpmem (batch.text.targets, sizeof targets, targets, sizeof targets);
  visual = batch.text.visual_tokens;
  g_assert_cmpmem (visual, 24, tokens, 24);
  g_assert_cmpmem (visual + 6, 24, tokens + 6, 24);
  g_assert_cmpmem (visual + 12, 24, tokens + 6, 24);
  ituning_batch_clear (&batch);
}

/* The narrow types hold 1 to 6 exactly. */
static void
test_narrow_types_are_widened (void)
{
  static const guint16 half[] = { 0x3c00, 0x4000, 0x4200, 0x4400, 0x4500,
    0x4600, 0xbc00, 0xc000, 0xc200, 0xc400, 0xc500, 0xc600 };
  static const guint16 brain[] = { 0x3f80, 0x4000, 0x4040, 0x4080, 0x40a0,
    0x40c0, 0xbf80, 0xc000, 0xc040, 0xc080, 0xc0a0, 0xc0c0 };
  static const guint32 chosen[] = { 1, 0 };

  for (gsize i = 0; i < 2; i++) {
    File file = good_file ();
    g_autoptr (ItuningDataset) dataset = NULL;
    ItuningBatch batch = { 0 };

    file.tensors[0] = i == 0 ? TENSOR ("visual_tokens", F16, half, 2, 2, 3)
                             : TENSOR ("visual_tokens", BF16, brain, 2, 2, 3);
    dataset = open_file (&file, NULL);
    fill (dataset, &batch, chosen, 2);
    g_assert_cmpmem (batch.text.visual_tokens, sizeof tokens, tokens,
        sizeof tokens);
    ituning_batch_clear (&batch);
  }
}

/* As CLIP's preprocessing has it: (p / 255 - mean) / deviation, by channel. */
static void
test_pixels_are_normalised (void)
{
  static const double mean[] = { 0.48145466, 0.4578275, 0.40821073 };
  static const double deviation[] = { 0.26862954, 0.26130258, 0.27577711 };
  static const guint32 chosen[] = { 0 };
  File file = good_file ();
  g_autoptr (ItuningDataset) dataset = NULL;
  ItuningBatch batch = { 0 };

  for (gsize i = 0; i < sizeof pixels; i++)
    pixels[i] = (guint8) (i * 7);
  file.tensors[0] = TENSOR ("pictures", U8, pixels, 2, 4, 4, 3);
  dataset = open_file (&file, NULL);
  g_assert_cmpuint (ituning_dataset_get_info (dataset)->image_size, ==, 4);
  fill (dataset, &batch, chosen, 1);
  g_assert_null (batch.text.visual_tokens);
  for (gsize i = 0; i < 48; i++) {
    const gsize channel = i / 16;
    const double pixel = pixels[48 + i % 16 * 3 + channel];
    g_assert_cmpfloat_with_epsilon ((double) batch.pixel_values.values[i],
        (pixel / 255.0 - mean[channel]) / deviation[channel], 1e-6);
  }
  ituning_batch_clear (&batch);
}

/* Which move of up to one pixel makes @got of @still, both [3, 4, 4]: a number
 * from 0 to 8; or -1. */
static int
find_move (const float *got, const float *still)
{
  for (int move = 0; move < 9; move++) {
    const int dx = move % 3 - 1, dy = move / 3 - 1;
    gsize n_same = 0;
    for (int i = 0; i < 48; i++) {
      const int x = CLAMP (i % 4 - dx, 0, 3), y = CLAMP (i / 4 % 4 - dy, 0, 3);
      n_same += fabsf (got[i] - still[i / 16 * 16 + y * 4 + x]) <= 0.0f;
    }
    if (n_same == 48)
      return move;
  }
  return -1;
}

static void
test_pixels_are_moved (void)
{
  static const guint32 chosen[] = { 0 };
  File file = good_file ();
  g_autoptr (ItuningDataset) dataset = NULL;
  ItuningBatch still = { 0 }, moved = { 0 }, again = { 0 };
  const ItuningAugment augment = { .shift = 1 };
  guint seen = 0;

  for (gsize i = 0; i < sizeof pixels; i++)
    pixels[i] = (guint8) (i * 7);
  file.tensors[0] = TENSOR ("pictures", U8, pixels, 2, 4, 4, 3);
  dataset = open_file (&file, NULL);
  fill (dataset, &still, chosen, 1);
  for (guint64 seed = 0; seed < 200; seed++) {
    int move;
    ituning_dataset_fill (dataset, &moved, chosen, 1, &augment, seed);
    ituning_dataset_fill (dataset, &again, chosen, 1, &augment, seed);
    g_assert_cmpmem (moved.pixel_values.values, 48 * sizeof (float),
        again.pixel_values.values, 48 * sizeof (float));
    move = find_move (moved.pixel_values.values, still.pixel_values.values);
    g_assert_cmpint (move, >=, 0);
    seen |= 1u << move;
  }
  g_assert_cmphex (seen, ==, 0x1ff); /* each of them comes */
  ituning_batch_clear (&still);
  ituning_batch_clear (&moved);
  ituning_batch_clear (&again);
}

static void
test_without_image_each_has_its_own (void)
{
  static const guint64 two[] = { 2 };
  File file = good_file ();
  g_autoptr (ItuningDataset) dataset = NULL;
  gsize image, n;

  file.n = 3;
  assert_refused (&file, "without a tensor \"image\"");
  file.tensors[1] = TENSOR ("input_ids", I32, ids, 2, 4);
  file.tensors[2] = make_tensor ("lengths", ITUNING_TYPE_I32, lengths, two, 1);
  dataset = open_file (&file, NULL);
  g_assert_nonnull (dataset);
  ituning_dataset_get_caption (dataset, 1, &image, &n);
  g_assert_cmpuint (image, ==, 1);
}

/* --- refusals ----------------------------------------------------------- */

static void
test_empty_shapes_are_refused (void)
{
  File file = good_file ();

  file.tensors[0] = TENSOR ("visual_tokens", F32, tokens, 2, 0, 3);
  assert_refused (&file, "[2, 0, 3]");
  file.tensors[0] = TENSOR ("visual_tokens", F32, tokens, 0, 2, 3);
  assert_refused (&file, "[0, 2, 3]");
  file.tensors[0] = TENSOR ("pictures", U8, pixels, 2, 0, 0, 3);
  assert_refused (&file, "[2, 0, 0, 3]");
  file = good_file ();
  file.tensors[1] = TENSOR ("input_ids", I32, ids, 3, 0);
  assert_refused (&file, "[3, 0]");
}

static void
test_shapes_that_do_not_fit_are_refused (void)
{
  File file = good_file ();

  file.tensors[0] = TENSOR ("visual_tokens", F32, tokens, 4, 3);
  assert_refused (&file, "wanted 3 dimensions");
  file.tensors[0] = TENSOR ("visual_tokens", I32, tokens, 2, 2, 3);
  assert_refused (&file, "is of type I32");
  file.tensors[0] = TENSOR ("pictures", U8, pixels, 2, 4, 2, 3);
  assert_refused (&file, "is not U8 [N, I, I, 3]");
  file.tensors[0] = TENSOR ("pictures", U8, pixels, 1, 1, 32, 3);
  assert_refused (&file, "is not U8 [N, I, I, 3]");
  file = good_file ();
  file.tensors[2] = TENSOR ("lengths", I32, lengths, 2);
  assert_refused (&file, "\"lengths\" has 2 rows");
  file = good_file ();
  file.tensors[3] = TENSOR ("image", I32, images, 2);
  assert_refused (&file, "\"image\" has 2 rows");
  file = good_file ();
  file.tensors[1] = TENSOR ("input_ids", F32, ids, 3, 4);
  assert_refused (&file, "wanted I64 or I32");
}

static void
test_values_out_of_range_are_refused (void)
{
  File file = good_file ();

  lengths[1] = 5;
  assert_refused (&file, "holds 5 at 1, wanted 0 to 4");
  lengths[1] = 1;
  assert_refused (&file, "caption 1 has 1 tokens");
  lengths[1] = 4;
  images[2] = 2;
  assert_refused (&file, "holds 2 at 2, wanted 0 to 1");
  images[2] = -1;
  assert_refused (&file, "holds -1 at 2");
  images[2] = 1;
}

/* Hugging Face's padding of labels. */
static void
test_what_is_behind_a_caption_may_be_anything (void)
{
  const File file = good_file ();
  g_autoptr (ItuningDataset) dataset = NULL;

  ids[3] = ids[11] = -100;
  dataset = open_good ();
  g_assert_nonnull (dataset);
  ids[3] = 0;
  ids[11] = 7;
  ids[5] = -100;
  assert_refused (&file, "holds -100 at 5");
  ids[5] = 2;
}

static void
assert_message (gboolean done, GError *const *error, const char *cause)
{
  g_assert_false (done);
  g_assert_nonnull (*error);
  if (strstr ((*error)->message, cause) == NULL)
    g_error ("%s: no \"%s\" in it", (*error)->message, cause);
}

static void
test_another_model_is_refused (void)
{
  g_autoptr (ItuningDataset) dataset = open_good ();
  g_autoptr (GError) width = NULL, kind = NULL, words = NULL, positions = NULL;

  g_assert_true (ituning_dataset_check_visual_tokens (dataset, 2, 3, NULL));
  g_assert_false (ituning_dataset_check_visual_tokens (dataset, 5, 3, NULL));
  assert_message (ituning_dataset_check_visual_tokens (dataset, 2, 4, &width),
      &width, "width 3, the model's have 4");
  assert_message (ituning_dataset_check_pixels (dataset, 4, &kind), &kind,
      "holds visual tokens, wanted pixels");
  g_assert_true (ituning_dataset_check_captions (dataset, 10, 3, NULL));
  assert_message (ituning_dataset_check_captions (dataset, 9, 3, &words),
      &words, "has token 9");
  assert_message (ituning_dataset_check_captions (dataset, 10, 2, &positions),
      &positions, "2 positions");
}

static void
test_tokens_that_are_not_finite_are_named (void)
{
  static const guint32 chosen[] = { 1, 0 };
  File file = good_file ();
  g_autoptr (ItuningDataset) good = open_good (), bad = NULL;
  g_autoptr (GError) error = NULL;

  tokens[7] = NAN;
  bad = open_file (&file, NULL);
  tokens[7] = -2;
  g_assert_true (ituning_dataset_check_finite (good, chosen, 2, NULL));
  g_assert_true (ituning_dataset_check_finite (bad, chosen, 1, NULL));
  assert_message (ituning_dataset_check_finite (bad, chosen, 2, &error), &error,
      "image 1 hold a NaN");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/dataset/counts", test_counts);
  g_test_add_func ("/dataset/batch-is-packed", test_batch_is_packed);
  g_test_add_func ("/dataset/narrow-types-are-widened",
      test_narrow_types_are_widened);
  g_test_add_func ("/dataset/pixels-are-normalised",
      test_pixels_are_normalised);
  g_test_add_func ("/dataset/pixels-are-moved", test_pixels_are_moved);
  g_test_add_func ("/dataset/without-image-each-has-its-own",
      test_without_image_each_has_its_own);
  g_test_add_func ("/dataset/empty-shapes-are-refused",
      test_empty_shapes_are_refused);
  g_test_add_func ("/dataset/shapes-that-do-not-fit-are-refused",
      test_shapes_that_do_not_fit_are_refused);
  g_test_add_func ("/dataset/values-out-of-range-are-refused",
      test_values_out_of_range_are_refused);
  g_test_add_func ("/dataset/what-is-behind-a-caption-may-be-anything",
      test_what_is_behind_a_caption_may_be_anything);
  g_test_add_func ("/dataset/another-model-is-refused",
      test_another_model_is_refused);
  g_test_add_func ("/dataset/tokens-that-are-not-finite-are-named",
      test_tokens_that_are_not_finite_are_named);
  return g_test_run ();
}
