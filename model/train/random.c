/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/train/random.h"

#include <math.h>

/**
 * ituning_random_next:
 *
 * Returns: 64 random bits, by SplitMix64 (Steele et al. 2014, figure 13)
 */
guint64
ituning_random_next (ItuningRandom *random)
{
  guint64 z = random->state += 0x9e3779b97f4a7c15u;

  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

/**
 * ituning_random_new:
 * @seed: of the run
 * @stream: which of its streams
 *
 * Returns: a stream; those of neighbouring numbers have nothing in common
 */
ItuningRandom
ituning_random_new (guint64 seed, guint64 stream)
{
  ItuningRandom mix = { seed };
  ItuningRandom random = { ituning_random_next (&mix) ^
    (stream * 0xd1342543de82ef95u) };

  random.state = ituning_random_next (&random);
  return random;
}

/**
 * ituning_random_uniform:
 *
 * Returns: 0 <= x < 1
 */
double
ituning_random_uniform (ItuningRandom *random)
{
  return (double) (ituning_random_next (random) >> 11) * 0x1p-53;
}

/**
 * ituning_random_normal:
 *
 * Returns: a number of the normal distribution with mean 0 and deviation 1, by
 *   Box and Muller (1958)
 */
double
ituning_random_normal (ItuningRandom *random)
{
  const double radius = sqrt (-2.0 * log1p (-ituning_random_uniform (random)));

  return radius * cos (2.0 * G_PI * ituning_random_uniform (random));
}

/**
 * ituning_random_shuffle:
 * @items: [@n] put in random order (Fisher and Yates)
 * @n: below 2^32
 */
void
ituning_random_shuffle (ItuningRandom *random, guint32 *items, gsize n)
{
  for (gsize i = n; i > 1; i--) {
    const gsize other = (gsize) (ituning_random_uniform (random) * (double) i);
    const guint32 item = items[i - 1];
    items[i - 1] = items[other];
    items[other] = item;
  }
}
