/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <math.h>
#include <string.h>

#include <gdk-pixbuf/gdk-pixbuf.h>
#include <glib/gstdio.h>

#include "model/preprocess.h"
#include "tests/testutil.h"

/* --- against the reference ---------------------------------------------- */

#define N_PIXELS ((gsize) 224 * 224)

static const float std[] = { 0.26862954f, 0.26130258f, 0.27577711f };

/* Counts values that differ by a step of 8 bits; none may by more. */
static gsize
count_steps (const float *got, const float *want, gsize n)
{
  gsize n_differ = 0;

  for (gsize channel = 0; channel < 3; channel++) {
    for (gsize i = 0; i < n; i++) {
      const float steps = fabsf (got[channel * n + i] - want[channel * n + i]) *
          std[channel] * 255.0f;
      g_assert_true (steps <= 1.01f);
      if (steps > 0.01f)
        n_differ++;
    }
  }
  return n_differ;
}

static void
check_image (const char *image_path, const ItuningTensor *expected)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GdkPixbuf) pixbuf = gdk_pixbuf_new_from_file (image_path, &error);
  g_autoptr (ItuningPreprocessor) preprocessor =
      ituning_preprocessor_new_default (224);
  g_autofree float *values = g_new (float, 3 * N_PIXELS);
  ItuningImage image;
  gsize n_differ;

  g_assert_no_error (error);
  image = (ItuningImage){ gdk_pixbuf_read_pixels (pixbuf),
    (gsize) gdk_pixbuf_get_width (pixbuf),
    (gsize) gdk_pixbuf_get_height (pixbuf),
    (gsize) gdk_pixbuf_get_rowstride (pixbuf) };
  g_assert_cmpint (gdk_pixbuf_get_n_channels (pixbuf), ==, 3);
  g_assert_cmpuint (expected->size, ==, 3 * N_PIXELS * sizeof (float));
  ituning_preprocessor_run (preprocessor, &image, values, &error);
  g_assert_no_error (error);
  n_differ = count_steps (values, expected->data, N_PIXELS);
  g_test_message ("%s: %" G_GSIZE_FORMAT " of 150528 values differ by a step",
      image_path, n_differ);
  /* None here; fused multiply-adds may round a weight another way. */
  g_assert_cmpuint (n_differ, <=, 15);
}

static void
test_values_are_the_references (void)
{
  static const char *const names[] = { "checks-31x33", "blobs-48x64",
    "blobs-640x360" };

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autofree char *stem = g_test_build_filename (G_TEST_DIST, "data",
        "preprocess", names[i], NULL);
    g_autofree char *image = g_strconcat (stem, ".png", NULL);
    g_autofree char *expected = g_strconcat (stem, ".safetensors", NULL);
    g_autoptr (GError) error = NULL;
    g_autoptr (ItuningTensors) tensors = ituning_tensors_open (expected,
        &error);
    g_assert_no_error (error);
    check_image (image, ituning_tensors_lookup (tensors, names[i]));
  }
}

/* The whole set is too large to be kept here. */
static void
test_values_of_the_whole_set_are_the_references (void)
{
  g_autofree char *folder = g_test_build_filename (G_TEST_DIST, "..", "..",
      "shared", "golden", "preprocess", NULL);
  g_autofree char *path = g_build_filename (folder, "expected.safetensors",
      NULL);
  g_autoptr (ItuningTensors) tensors = NULL;
  g_autoptr (GError) error = NULL;

  if (!g_file_test (path, G_FILE_TEST_EXISTS)) {
    g_test_skip ("the whole set of images is not here");
    return;
  }
  tensors = ituning_tensors_open (path, &error);
  g_assert_no_error (error);
  for (gsize i = 0; i < ituning_tensors_get_count (tensors); i++) {
    const ItuningTensor *tensor = ituning_tensors_get (tensors, i);
    g_autofree char *name = g_strconcat (tensor->name, ".png", NULL);
    g_autofree char *image = g_build_filename (folder, name, NULL);
    check_image (image, tensor);
  }
}

/* --- configs ------------------------------------------------------------ */

static ItuningPreprocessor *
open_config (const char *json, GError **error)
{
  g_autofree char *folder = g_dir_make_tmp ("ituning-preprocess-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (folder, "preprocessor_config.json",
      NULL);
  ItuningPreprocessor *preprocessor;

  g_assert_true (g_file_set_contents (path, json, -1, NULL));
  preprocessor = ituning_preprocessor_open (folder, error);
  if (error != NULL && *error != NULL)
    g_assert_nonnull (strstr ((*error)->message, path));
  g_remove (path);
  g_rmdir (folder);
  return preprocessor;
}

#define RAW "\"do_rescale\":false,\"do_normalize\":false"

/* A grey picture of @width x @height, run through a config. */
static float *
run_config (const char *json, gsize width, gsize height, gsize *out_width,
    gsize *out_height)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ItuningPreprocessor) preprocessor = open_config (json, &error);
  g_autofree guint8 *pixels = g_malloc (width * height * 3);
  const ItuningImage image = { pixels, width, height, width * 3 };
  float *values;

  g_assert_no_error (error);
  memset (pixels, 77, width * height * 3);
  ituning_preprocessor_get_size (preprocessor, out_width, out_height);
  values = g_new (float, 3 * *out_width * *out_height);
  ituning_preprocessor_run (preprocessor, &image, values, &error);
  g_assert_no_error (error);
  return values;
}

static void
test_configs_of_every_form_are_read (void)
{
  static const struct
  {
    const char *json;
    gsize width, height;
  } cases[] = {
    { "{" RAW "}", 224, 224 },
    { "{\"size\":32,\"crop_size\":32," RAW "}", 32, 32 },
    { "{\"size\":{\"shortest_edge\":40},\"crop_size\":{\"height\":20,"
      "\"width\":30}," RAW "}",
        30, 20 },
    { "{\"size\":{\"height\":21,\"width\":33},\"do_center_crop\":false," RAW
      "}",
        33, 21 },
    { "{\"do_resize\":false,\"crop_size\":8," RAW "}", 8, 8 },
    { "{\"size\":9,\"crop_size\":9,\"resample\":1," RAW "}", 9, 9 },
    { "{\"size\":9,\"crop_size\":9,\"resample\":2," RAW "}", 9, 9 },
    { "{\"size\":9,\"crop_size\":9,\"resample\":4," RAW "}", 9, 9 },
    { "{\"size\":9,\"crop_size\":9,\"resample\":5," RAW "}", 9, 9 },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    gsize width, height;
    g_autofree float *values = run_config (cases[i].json, 50, 40, &width,
        &height);
    g_assert_cmpuint (width, ==, cases[i].width);
    g_assert_cmpuint (height, ==, cases[i].height);
    for (gsize k = 0; k < 3 * width * height; k++)
      g_assert_cmpfloat (values[k], ==, 77.0f);
  }
}

static void
test_rescale_and_normalise_follow_the_config (void)
{
  gsize width, height;
  g_autofree float *values =
      run_config ("{\"size\":4,\"crop_size\":4,\"rescale_factor\":0.5,"
                  "\"image_mean\":[1,2,3],\"image_std\":[2,4,8]}",
          4, 4, &width, &height);

  g_assert_cmpfloat (values[0], ==, (38.5f - 1.0f) / 2.0f);
  g_assert_cmpfloat (values[16], ==, (38.5f - 2.0f) / 4.0f);
  g_assert_cmpfloat (values[32], ==, (38.5f - 3.0f) / 8.0f);
}

static void
test_small_images_are_padded_with_black (void)
{
  gsize width, height;
  g_autofree float *values =
      run_config ("{\"do_resize\":false,\"crop_size\":5," RAW "}", 2, 5, &width,
          &height);

  /* 3 columns are missing: 2 before, 1 after. */
  for (gsize x = 0; x < 5; x++)
    g_assert_cmpfloat (values[10 + x], ==, x == 2 || x == 3 ? 77.0f : 0.0f);
}

static void
test_the_crop_starts_at_half_the_rest_rounded_down (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ItuningPreprocessor) preprocessor = open_config (
      "{\"do_resize\":false,\"crop_size\":{\"width\":4,\"height\":2}," RAW "}",
      &error);
  guint8 pixels[7 * 5 * 3];
  const ItuningImage image = { pixels, 7, 5, 21 };
  float values[3 * 2 * 4];

  g_assert_no_error (error);
  for (gsize i = 0; i < sizeof (pixels); i++)
    pixels[i] = (guint8) i;
  g_assert_true (
      ituning_preprocessor_run (preprocessor, &image, values, &error));
  for (gsize channel = 0; channel < 3; channel++)
    for (gsize y = 0; y < 2; y++)
      for (gsize x = 0; x < 4; x++)
        g_assert_cmpfloat (values[(channel * 2 + y) * 4 + x], ==,
            (float) ((y + 1) * 21 + (x + 1) * 3 + channel));
}

static void
test_a_missing_config_is_an_open_error (void)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (ituning_preprocessor_open ("/nowhere", &error));
  g_assert_error (error, ITUNING_ERROR, ITUNING_ERROR_OPEN);
  g_assert_nonnull (
      strstr (error->message, "/nowhere/preprocessor_config.json"));
}

static void
test_bad_configs_are_errors (void)
{
  static const struct
  {
    const char *json;
    ItuningError code;
    const char *cause;
  } cases[] = {
    { "[]", ITUNING_ERROR_FORMAT, "object" },
    { "{\"size\":0}", ITUNING_ERROR_FORMAT, "size" },
    { "{\"size\":-4}", ITUNING_ERROR_FORMAT, "size" },
    { "{\"size\":99999}", ITUNING_ERROR_FORMAT, "size" },
    { "{\"size\":\"4\"}", ITUNING_ERROR_FORMAT, "size" },
    { "{\"size\":{\"width\":0,\"height\":3}}", ITUNING_ERROR_FORMAT,
        "\"size\": \"width\"" },
    { "{\"crop_size\":{\"width\":3,\"height\":-1}}", ITUNING_ERROR_FORMAT,
        "\"crop_size\": \"height\"" },
    { "{\"size\":{\"shortest_edge\":4,\"height\":5}}",
        ITUNING_ERROR_UNSUPPORTED, "size" },
    { "{\"size\":{}}", ITUNING_ERROR_UNSUPPORTED, "size" },
    { "{\"size\":{\"shortest_edge\":4,\"longest_edge\":5}}",
        ITUNING_ERROR_UNSUPPORTED, "size" },
    { "{\"crop_size\":{\"height\":4}}", ITUNING_ERROR_UNSUPPORTED,
        "crop_size" },
    { "{\"resample\":0}", ITUNING_ERROR_UNSUPPORTED, "resample" },
    { "{\"resample\":6}", ITUNING_ERROR_FORMAT, "resample" },
    { "{\"do_resize\":1}", ITUNING_ERROR_FORMAT, "do_resize" },
    { "{\"do_center_crop\":false}", ITUNING_ERROR_UNSUPPORTED,
        "do_center_crop" },
    { "{\"image_std\":[1,0,1]}", ITUNING_ERROR_FORMAT, "image_std" },
    { "{\"image_std\":[1,-1,1]}", ITUNING_ERROR_FORMAT, "image_std" },
    { "{\"image_std\":[1,1,1e-45]}", ITUNING_ERROR_FORMAT, "finite" },
    { "{\"rescale_factor\":1e300}", ITUNING_ERROR_FORMAT, "rescale_factor" },
    { "{\"do_resize\":false,\"do_center_crop\":false}",
        ITUNING_ERROR_UNSUPPORTED, "do_center_crop" },
    { "{\"image_std\":[1,1]}", ITUNING_ERROR_FORMAT, "image_std" },
    { "{\"image_mean\":[1,\"a\",1]}", ITUNING_ERROR_FORMAT, "image_mean" },
    { "{\"image_mean\":1}", ITUNING_ERROR_FORMAT, "image_mean" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GError) error = NULL;
    g_assert_null (open_config (cases[i].json, &error));
    g_assert_error (error, ITUNING_ERROR, (int) cases[i].code);
    g_assert_nonnull (strstr (error->message, cases[i].cause));
  }
}

static void
test_bad_images_are_errors (void)
{
  static const guint8 pixels[12] = { 0 };
  static const ItuningImage cases[] = {
    { NULL, 1, 1, 3 },
    { pixels, 0, 1, 3 },
    { pixels, 1, 0, 3 },
    { pixels, 2, 2, 5 },
    { pixels, G_MAXSIZE / 2, 1, G_MAXSIZE },
    { pixels, 1, 2, G_MAXSIZE },
  };
  g_autoptr (ItuningPreprocessor) preprocessor =
      ituning_preprocessor_new_default (2);
  float values[12];

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GError) error = NULL;
    g_assert_false (
        ituning_preprocessor_run (preprocessor, &cases[i], values, &error));
    g_assert_error (error, ITUNING_ERROR, ITUNING_ERROR_INPUT);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/preprocess/values-are-the-references",
      test_values_are_the_references);
  g_test_add_func ("/preprocess/values-of-the-whole-set-are-the-references",
      test_values_of_the_whole_set_are_the_references);
  g_test_add_func ("/preprocess/configs-of-every-form-are-read",
      test_configs_of_every_form_are_read);
  g_test_add_func ("/preprocess/rescale-and-normalise-follow-the-config",
      test_rescale_and_normalise_follow_the_config);
  g_test_add_func ("/preprocess/small-images-are-padded-with-black",
      test_small_images_are_padded_with_black);
  g_test_add_func ("/preprocess/the-crop-starts-at-half-the-rest-rounded-down",
      test_the_crop_starts_at_half_the_rest_rounded_down);
  g_test_add_func ("/preprocess/a-missing-config-is-an-open-error",
      test_a_missing_config_is_an_open_error);
  g_test_add_func ("/preprocess/bad-configs-are-errors",
      test_bad_configs_are_errors);
  g_test_add_func ("/preprocess/bad-images-are-errors",
      test_bad_images_are_errors);
  return g_test_run ();
}
