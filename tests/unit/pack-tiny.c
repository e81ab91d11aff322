/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "model/ituning.h"

/* Packs the model ARGV[1] as ARGV[2], for the test of a built-in one. */
int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ItuningModel) model = NULL;

  if (argc != 3)
    return 2;
  model = ituning_model_open (argv[1], NULL, &error);
  if (model != NULL &&
      ituning_model_save (model, argv[2], ITUNING_TYPE_BF16, NULL, &error))
    return 0;
  fprintf (stderr, "pack-tiny: %s\n", error->message);
  return 1;
}
