/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* What a packed file does with a tensor. */
typedef enum
{
  ITUNING_NAME_PLAIN, /* stays F32: little of it, or it decides results */
  ITUNING_NAME_MATRIX, /* [out, in]; may be of a narrower type */
  ITUNING_NAME_CONV1D, /* likewise; folders have it as [in, out] */
  ITUNING_NAME_VOCABULARY, /* a matrix with a row for each token */
} ItuningNameKind;

char *ituning_name_pack (const char *name, ItuningNameKind *kind);
