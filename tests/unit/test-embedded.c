/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/ituning.h"

/* A library with a model in it: this program's is tests/data/tiny as BF16. */

static void
test_no_name_opens_it (void)
{
  const ItuningModelOptions options = { .n_threads = 1 };
  g_autoptr (GError) error = NULL;
  g_autoptr (ItuningModel) model = NULL;
  const ItuningModelInfo *info;

  g_assert_true (ituning_model_is_built_in ());
  model = ituning_model_open (NULL, &options, &error);
  g_assert_no_error (error);
  info = ituning_model_get_info (model);
  g_assert_cmpuint (info->language.vocab_size, ==, 97);
  g_assert_cmpint (info->language.part.type, ==, ITUNING_TYPE_BF16);
  g_assert_cmpuint (info->adapter.n_layers, ==, 3);
  g_assert_cmpuint (info->vision.part.mapped_size, >, 0);
}

static void
test_it_opens_twice (void)
{
  float logits[2][97];
  const guint32 bos = 96;

  for (int i = 0; i < 2; i++) {
    const ItuningModelOptions options = { .n_threads = 1 };
    g_autoptr (GError) error = NULL;
    g_autoptr (ItuningModel) model = ituning_model_open (NULL, &options,
        &error);
    g_autoptr (ItuningSession) session = ituning_session_new (model);
    g_assert_true (ituning_session_logits (session, NULL, &bos, 1, logits[i],
        NULL, &error));
  }
  g_assert_cmpmem (logits[0], sizeof (logits[0]), logits[1],
      sizeof (logits[1]));
  g_assert_true (logits[0][0] != logits[0][1]);
}

static void
test_its_parts_may_be_replaced (void)
{
  g_autofree char *bundle = g_test_build_filename (G_TEST_DIST, "data", "tiny",
      NULL);
  g_autofree char *vision = g_build_filename (bundle, "vision", NULL);
  g_autofree char *adapter = g_build_filename (bundle, "adapter", NULL);
  const ItuningModelOptions options = { vision, NULL, adapter, 1 };
  g_autoptr (GError) error = NULL;
  g_autoptr (ItuningModel) model = ituning_model_open (NULL, &options, &error);
  g_autoptr (ItuningModel) back = NULL;

  g_assert_no_error (error);
  g_assert_cmpint (ituning_model_get_info (model)->vision.part.type, ==,
      ITUNING_TYPE_F32);
  g_assert_cmpint (ituning_model_get_info (model)->language.part.type, ==,
      ITUNING_TYPE_BF16);
  g_assert_cmpint (ituning_model_get_info (model)->adapter.part.type, ==,
      ITUNING_TYPE_F32);
  back = ituning_model_with_adapter (model, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpint (ituning_model_get_info (back)->adapter.part.type, ==,
      ITUNING_TYPE_BF16);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/embedded/no-name-opens-it", test_no_name_opens_it);
  g_test_add_func ("/embedded/it-opens-twice", test_it_opens_twice);
  g_test_add_func ("/embedded/its-parts-may-be-replaced",
      test_its_parts_may_be_replaced);
  return g_test_run ();
}
