/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/gst/widemodel.h"

#include <glib/gstdio.h>

#include "model/ituning.h"
#include "tests/testutil.h"

#define MAX_WIDTHS 4

/* A width of the small model and what becomes of it, in shapes and in
 * config.json alike. */
typedef struct
{
  guint from, to;
} Width;

static const struct
{
  const char *name;
  Width widths[MAX_WIDTHS];
} parts[] = {
  { "vision", { { 64, 512 }, { 256, 2048 } } },
  { "language", { { 48, 512 }, { 144, 1536 }, { 192, 2048 } } },
  { "adapter", { { 64, 512 }, { 48, 512 }, { 24, 256 } } },
};

static gsize
widen (gsize n, const Width *widths)
{
  for (gsize i = 0; i < MAX_WIDTHS; i++)
    if (widths[i].from == n)
      return widths[i].to;
  return n;
}

static void
write_config (const char *from, const char *to, const Width *widths)
{
  g_autofree char *text = NULL;
  g_autoptr (GString) config = NULL;
  g_autoptr (GError) error = NULL;

  g_file_get_contents (from, &text, NULL, &error);
  g_assert_no_error (error);
  config = g_string_new (text);
  for (gsize i = 0; i < MAX_WIDTHS && widths[i].from > 0; i++) {
    g_autofree char *old = g_strdup_printf (": %u,", widths[i].from);
    g_autofree char *new = g_strdup_printf (": %u,", widths[i].to);
    g_string_replace (config, old, new, 0);
  }
  g_file_set_contents (to, config->str, -1, &error);
  g_assert_no_error (error);
}

/* Weights so small that nothing grows beyond bounds. */
static float *
make_weights (GRand *rand, gsize n)
{
  float *weights = g_new (float, n);

  fill_random (rand, weights, n);
  for (gsize i = 0; i < n; i++)
    weights[i] *= 0.05f;
  return weights;
}

static gsize
write_tensors (const char *from, const char *to, const Width *widths)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ItuningTensors) small = ituning_tensors_open (from, &error);
  g_autoptr (GRand) rand = g_rand_new_with_seed (1);
  gsize n, size = 0;
  g_autofree ItuningTensor *tensors = NULL;

  g_assert_no_error (error);
  n = ituning_tensors_get_count (small);
  tensors = g_new0 (ItuningTensor, n);
  for (gsize i = 0; i < n; i++) {
    ItuningTensor *tensor = &tensors[i];
    gsize n_values = 1;
    *tensor = *ituning_tensors_get (small, i);
    g_assert_cmpint (tensor->type, ==, ITUNING_TYPE_F32);
    for (guint dim = 0; dim < tensor->n_dims; dim++)
      n_values *= tensor->dims[dim] = widen (tensor->dims[dim], widths);
    tensor->data = make_weights (rand, n_values);
    size += tensor->size = n_values * sizeof (float);
  }
  ituning_tensors_save (to, tensors, n, &error);
  g_assert_no_error (error);
  for (gsize i = 0; i < n; i++)
    g_free ((gpointer) tensors[i].data);
  return size;
}

static char *
find_file (const char *folder, gsize part, const char *name)
{
  return g_build_filename (folder, parts[part].name, name, NULL);
}

static const char *const configs[] = { "config.json",
  "preprocessor_config.json" };
static const char weights[] = "model.safetensors";

/**
 * wide_model_write:
 * @model: (out caller-allocates): to be removed after use
 * @small: folder of the small model
 */
void
wide_model_write (WideModel *model, const char *small)
{
  g_autoptr (GError) error = NULL;

  model->path = g_dir_make_tmp ("ituning-wide-XXXXXX", &error);
  g_assert_no_error (error);
  model->size = 0;
  for (gsize part = 0; part < G_N_ELEMENTS (parts); part++) {
    g_autofree char *folder = find_file (model->path, part, NULL);
    g_autofree char *from = find_file (small, part, weights);
    g_autofree char *to = find_file (model->path, part, weights);
    g_assert_cmpint (g_mkdir (folder, 0700), ==, 0);
    model->size += write_tensors (from, to, parts[part].widths);
    for (gsize i = 0; i < G_N_ELEMENTS (configs); i++) {
      g_autofree char *config = find_file (small, part, configs[i]);
      g_autofree char *copy = find_file (model->path, part, configs[i]);
      if (g_file_test (config, G_FILE_TEST_EXISTS))
        write_config (config, copy, parts[part].widths);
    }
  }
}

/**
 * wide_model_remove:
 *
 * Removes the files.
 */
void
wide_model_remove (WideModel *model)
{
  for (gsize part = 0; part < G_N_ELEMENTS (parts); part++) {
    g_autofree char *folder = find_file (model->path, part, NULL);
    g_autofree char *file = find_file (model->path, part, weights);
    g_remove (file);
    for (gsize i = 0; i < G_N_ELEMENTS (configs); i++) {
      g_autofree char *config = find_file (model->path, part, configs[i]);
      g_remove (config);
    }
    g_assert_cmpint (g_rmdir (folder), ==, 0);
  }
  g_assert_cmpint (g_rmdir (model->path), ==, 0);
  g_clear_pointer (&model->path, g_free);
}
