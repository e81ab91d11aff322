/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* A stream of random numbers that follows from two numbers, so that any part
 * of a run can be drawn again without what came before. Of one thread. */
typedef struct
{
  guint64 state;
} ItuningRandom;

ItuningRandom ituning_random_new (guint64 seed, guint64 stream);
guint64 ituning_random_next (ItuningRandom *random);
double ituning_random_uniform (ItuningRandom *random);
double ituning_random_normal (ItuningRandom *random);
void ituning_random_shuffle (ItuningRandom *random, guint32 *items, gsize n);
