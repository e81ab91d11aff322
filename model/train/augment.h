/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "model/train/random.h"

/* By how much a picture is changed each time that it is seen; all 0 for not at
 * all. */
typedef struct
{
  guint shift; /* pixels each way */
  double zoom; /* part of each side, below 1 */
} ItuningAugment;

void ituning_augment_picture (const ItuningAugment *augment, guint8 *to,
    const guint8 *from, gsize I, ItuningRandom *random);
