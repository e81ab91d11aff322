/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <string.h>

/* Vectors of ITUNING_LANES floats, in the compilers' own types. Each file that is
 * compiled for an instruction set says how many. */

#ifndef ITUNING_LANES
#define ITUNING_LANES 4
#endif

/* A name of the instruction set that a file is compiled for. */
#define TABLE_NAME__(name, isa) name##_##isa
#define TABLE_NAME_(name, isa) TABLE_NAME__ (name, isa)
#define TABLE_NAME(name, isa) TABLE_NAME_ (name, isa)

/* Keeps compilers from making all products of a step first, for which there
 * are not registers enough, and adding them up then. */
#define IN_ORDER(v) __asm__ volatile("" : "+x"(v))

typedef float Floats __attribute__ ((vector_size (ITUNING_LANES * 4)));
static inline Floats
load (const float *x)
{
  Floats v;

  memcpy (&v, x, sizeof (v));
  return v;
}

static inline void
store (float *x, Floats v)
{
  memcpy (x, &v, sizeof (v));
}

static inline Floats
load_part (const float *x, gsize n)
{
  Floats v = { 0 };

  memcpy (&v, x, n * sizeof (float));
  return v;
}

static inline void
store_part (float *x, Floats v, gsize n)
{
  memcpy (x, &v, n * sizeof (float));
}

static inline Floats
splat (float x)
{
  return (Floats){ 0 } + x;
}
