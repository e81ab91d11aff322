/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
#include <glib.h>

/* A model that takes its time: the small one's files, some ten times as wide.
 * A caption of 30 tokens reads 1 GB of weights. */
typedef struct
{
  char *path; /* owned: its folder */
  gsize size; /* bytes of weights */
} WideModel;

void wide_model_write (WideModel *model, const char *small);
void wide_model_remove (WideModel *model);
