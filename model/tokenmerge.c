/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/tokenmerge.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/kernels/kernels.h"

/* Of one image's tokens, token 0 is the class token, which stays as it is; the
 * even ones look for the odd one that they are most like. */

/* A token that may be merged, and into which. */
typedef struct
{
  float score;
  guint from, into;
} Link;

/* Every even token but the first finds an odd one before or behind it. */
static gsize
count_links (gsize P)
{
  return P > 2 ? (P - 1) / 2 : 0;
}

/* --- how many ----------------------------------------------------------- */

/**
 * ituning_tokenmerge_min_tokens:
 * @P: tokens of the first layer, at least 1
 * @n_layers: layers, each of which merges at most half
 *
 * Returns: the fewest tokens that can be left of @P
 */
gsize
ituning_tokenmerge_min_tokens (gsize P, gsize n_layers)
{
  for (gsize i = 0; i < n_layers; i++)
    P -= count_links (P);
  return P;
}

/**
 * ituning_tokenmerge_plan:
 * @P: tokens of the first layer
 * @n_keep: tokens that are to be left after the last one, at least
 *   ituning_tokenmerge_min_tokens () and at most @P
 * @n_layers: layers
 * @layer: one of them
 *
 * Each layer merges as many as the others, but where too few could be left to
 * choose from later on.
 *
 * Returns: the tokens that are left behind @layer's attention
 */
gsize
ituning_tokenmerge_plan (gsize P, gsize n_keep, gsize n_layers, gsize layer)
{
  const gsize even = P - (P - n_keep) * (layer + 1) / n_layers;
  gsize most = n_keep; /* from which the layers behind can come to @n_keep */

  for (gsize i = layer + 1; i < n_layers && most < P; i++)
    most = 2 * most - 1;
  return MIN (even, most);
}

/* --- which -------------------------------------------------------------- */

typedef struct
{
  const ItuningKernels *kernels;
  float *metric; /* [B, P, E] */
  Link *links; /* [B, n_links] */
  const float *keys; /* [B, P, D] */
  gsize P, D, E, n_heads, n_links;
} Job;

/* The mean of a token's keys over the heads, of length 1 so that a product is a
 * cosine. */
static void
make_metric (gsize task, guint worker, gpointer data)
{
  const Job *job = data;
  float *metric = job->metric + task * job->E;
  const float *keys = job->keys + task * job->D;
  float length;

  memcpy (metric, keys, job->E * sizeof (float));
  for (gsize head = 1; head < job->n_heads; head++)
    job->kernels->add (metric, keys + head * job->E, job->E);
  length = sqrtf (job->kernels->dot (metric, metric, job->E));
  if (length > 0.0f)
    job->kernels->scale (metric, 1.0f / length, job->E);
}

/* Of equal ones the first is taken. */
static void
find_link (gsize task, guint worker, gpointer data)
{
  const Job *job = data;
  const gsize n = job->n_links, image = task / n;
  const gsize from = 2 * (task % n) + 2;
  const float *metric = job->metric + image * job->P * job->E;
  Link *link = &job->links[task];

  *link = (Link){ -G_MAXFLOAT, (guint) from, 1 };
  for (gsize into = 1; into < job->P; into += 2) {
    const float score = job->kernels->dot (metric + from * job->E,
        metric + into * job->E, job->E);
    if (score > link->score)
      *link = (Link){ score, (guint) from, (guint) into };
  }
}

/* The most alike first; of equal ones the first. */
static int
compare_links (gconstpointer a, gconstpointer b)
{
  const Link *x = a, *y = b;

  if (x->score != y->score)
    return x->score > y->score ? -1 : 1;
  return x->from < y->from ? -1 : 1;
}

/* --- merging ------------------------------------------------------------ */

/* x [P, D] and sizes [P] of one image: the first links become means, and what
 * is left moves to @to_x and @to_sizes, which may be where they are. */
static void
merge_image (const ItuningKernels *kernels, float *to_x, float *to_sizes,
    float *x, float *sizes, const Link *links, gsize n_merged, gsize P, gsize D)
{
  gsize n = 0;

  for (gsize i = 0; i < n_merged; i++) {
    const guint from = links[i].from, into = links[i].into;
    const float size = sizes[from] + sizes[into];
    kernels->scale (x + into * D, sizes[into] / size, D);
    kernels->axpy (x + into * D, x + from * D, sizes[from] / size, D);
    sizes[into] = size;
    sizes[from] = 0.0f; /* is no more */
  }
  for (gsize token = 0; token < P; token++) {
    if (sizes[token] == 0.0f)
      continue;
    memmove (to_x + n * D, x + token * D, D * sizeof (float));
    to_sizes[n++] = sizes[token];
  }
}

/**
 * ituning_tokenmerge_run:
 * @pool: the threads to work with
 * @scratch: scratch memory of the caller
 * @x: [B, P, D] tokens, the class token first; becomes [B, n_keep, D]
 * @sizes: [B, P] patches that each stands for; becomes [B, n_keep]
 * @keys: [B, P, D] the layer's keys of them
 * @B: images
 * @P: tokens of each
 * @n_keep: how many are to be left, at least ituning_tokenmerge_min_tokens () of one
 *   layer
 * @D: width of a token
 * @n_heads: heads that @keys are of
 *
 * The result does not depend on the number of threads, nor on the other images.
 */
void
ituning_tokenmerge_run (ItuningPool *pool, ItuningTokenMergeScratch *scratch,
    float *x, float *sizes, const float *keys, gsize B, gsize P, gsize n_keep,
    gsize D, gsize n_heads)
{
  const gsize E = D / n_heads, n = count_links (P);
  Job job = { ituning_kernels_get (), NULL, NULL, keys, P, D, E, n_heads, n };

  g_assert (n_keep <= P && P - n_keep <= n);
  if (scratch->links == NULL)
    scratch->links = g_array_new (FALSE, FALSE, sizeof (Link));
  g_array_set_size (scratch->links, (guint) (B * n));
  job.links = (Link *) scratch->links->data;
  job.metric = ituning_buffer_reserve (&scratch->metric, B * P * E);
  ituning_pool_run (pool, B * P, make_metric, &job);
  ituning_pool_run (pool, B * n, find_link, &job);
  for (gsize image = 0; image < B; image++) {
    Link *links = job.links + image * n;
    qsort (links, n, sizeof (*links), compare_links);
    merge_image (job.kernels, x + image * n_keep * D, sizes + image * n_keep,
        x + image * P * D, sizes + image * P, links, P - n_keep, P, D);
  }
}

/**
 * ituning_tokenmerge_scratch_clear:
 * @scratch: scratch memory to give back
 */
void
ituning_tokenmerge_scratch_clear (ItuningTokenMergeScratch *scratch)
{
  g_clear_pointer (&scratch->links, g_array_unref);
  ituning_buffer_clear (&scratch->metric);
}
