/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/ituning.h"

/* Pillow's numbers for its filters. */
typedef enum
{
  ITUNING_FILTER_LANCZOS = 1,
  ITUNING_FILTER_BILINEAR = 2,
  ITUNING_FILTER_BICUBIC = 3,
  ITUNING_FILTER_BOX = 4,
  ITUNING_FILTER_HAMMING = 5,
} ItuningFilter;

/* A part of a picture. */
typedef struct
{
  gsize left, top, width, height;
} ItuningWindow;

void ituning_resample (guint8 *out, const ItuningImage *image,
    ItuningFilter filter, gsize width, gsize height,
    const ItuningWindow *window);
