/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/command/training.h"

/**
 * find_tiny:
 * @name: a file of the tiny model; "" for its folder
 *
 * Returns: (transfer full): its path
 */
char *
find_tiny (const char *name)
{
  return g_test_build_filename (G_TEST_DIST, "data", "tiny", name, NULL);
}

/**
 * train_tiny:
 * @folder: the test's
 * @name: of the folder in it that the run writes
 * @more: options, %NULL at the end
 *
 * Returns: (transfer full): what came of it
 */
Run *
train_tiny (const char *folder, const char *name, const char *const *more)
{
  g_autofree char *model = find_tiny ("");
  g_autofree char *features = find_tiny ("train_input.safetensors");
  g_autofree char *output = g_build_filename (folder, name, NULL);
  g_autoptr (GPtrArray) argv = g_ptr_array_new ();
  const char *const start[] = { "train", "--model", model, "--features",
    features, "-o", output, "--batch-size", "2" };

  for (gsize i = 0; i < G_N_ELEMENTS (start); i++)
    g_ptr_array_add (argv, (char *) start[i]);
  for (gsize i = 0; more[i] != NULL; i++)
    g_ptr_array_add (argv, (char *) more[i]);
  g_ptr_array_add (argv, NULL);
  return run_argv (NULL, (const char *const *) argv->pdata);
}

/**
 * read_output:
 * @folder: the test's
 * @name: of a run's folder
 * @file: of a file in it
 * @size: (out) (nullable): its bytes
 *
 * Returns: (transfer full): what is in it
 */
char *
read_output (const char *folder, const char *name, const char *file,
    gsize *size)
{
  g_autofree char *path = g_build_filename (folder, name, file, NULL);
  g_autoptr (GError) error = NULL;
  char *text = NULL;

  g_file_get_contents (path, &text, size, &error);
  g_assert_no_error (error);
  return text;
}

/**
 * assert_same_output:
 * @a: name of a run's folder
 * @b: of another's
 * @file: that is in both
 */
void
assert_same_output (const char *folder, const char *a, const char *b,
    const char *file)
{
  gsize n, m;
  g_autofree char *x = read_output (folder, a, file, &n);
  g_autofree char *y = read_output (folder, b, file, &m);

  g_assert_cmpmem (x, n, y, m);
}
