/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/ituning.h"

/* The small random model of tests/data/tiny. */
static inline ItuningModel *
open_tiny (guint n_threads)
{
  g_autofree char *path = g_test_build_filename (G_TEST_DIST, "data", "tiny",
      NULL);
  const ItuningModelOptions options = { .n_threads = n_threads };
  g_autoptr (GError) error = NULL;
  ItuningModel *model = ituning_model_open (path, &options, &error);

  g_assert_no_error (error);
  return model;
}
