/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/kernels/linear.h"

#include <string.h>

#include "model/kernels/gemm.h"
#include "model/kernels/quantkernels.h"
#include "model/kernels/scratch.h"
#include "model/kernels/tiles.h"

/* Up to this many rows a product is bound by reading the weights: then a tile
 * of them is read once for all rows, or kept in cache for one after the other. */
#define FEW_ROWS 8
#define FEW_ROWS_TILE_BYTES (192u << 10)
/* Of few rows by weights stored by input: inputs of a task, in steps and at
 * least; and outputs of which the tasks' sums are added up. */
#define INPUTS_UNIT ((gsize) 16)
#define MIN_INPUTS ((gsize) 48)
#define SUMS_TILE ((gsize) 384)
/* Of many rows: outputs of a task, and its rows at least, for which it packs
 * these outputs' weights. */
#define MANY_ROWS_TILE 192
#define MIN_ROWS ((gsize) 192)
/* Of quantised weights: bytes of a task of few rows. */
#define QUANT_TILE_BYTES ((gsize) 48 << 10)
/* As ITUNING_ROWS_TILE, in whole groups; and what a task rounds to 8 bits. */
#define QUANT_ROWS_TILE (80 * ITUNING_QUANT_GROUP)
#define ROUNDED_TILE ((gsize) 16)
/* Of halves: what becomes F32 at a time, of few rows and of many. */
#define FEW_ROWS_OUTPUTS ((gsize) 8)
#define FEW_ROWS_DEPTH ((gsize) 768)
#define DEPTH ((gsize) 256)

typedef struct
{
  const ItuningKernels *kernels;
  const ItuningQuantKernels *quant;
  const ItuningLinear *layer;
  float *y;
  const float *x;
  ItuningQuantRows rows; /* @x for a quantised layer */
  float *sums; /* [tasks, M, n_out] of few rows, by input */
  gsize M;
  gsize row_tile, tile; /* rows and outputs of a task */
  float scale;
  gboolean accumulate;
  gboolean few_rows;
} LinearJob;

/* Adds the bias to what is there, or puts it there. */
static void
start_tile (const LinearJob *job, gsize first, gsize n)
{
  const ItuningLinear *layer = job->layer;

  for (gsize row = 0; row < job->M; row++) {
    float *y = job->y + row * layer->n_out + first;
    if (!job->accumulate && layer->bias != NULL)
      memcpy (y, layer->bias + first, n * sizeof (float));
    else if (!job->accumulate)
      memset (y, 0, n * sizeof (float));
    if (layer->bias != NULL && job->accumulate)
      job->kernels->axpy (y, layer->bias + first, job->scale, n);
    else if (layer->bias != NULL && job->scale != 1.0f)
      job->kernels->scale (y, job->scale, n);
  }
}

static void
activate_tile (const LinearJob *job, gsize first, gsize n)
{
  const ItuningLinear *layer = job->layer;

  if (layer->activation == ITUNING_ACTIVATION_NONE)
    return;
  for (gsize row = 0; row < job->M; row++)
    job->kernels->activate[layer->activation](job->y + row * layer->n_out +
            first,
        n);
}

/* y [M, @n] from @first on += the products of @depth inputs from @k on with
 * @weight, [@n, @depth] with row stride @ldw, or the other way round. */
static void
multiply (const LinearJob *job, const float *weight, gsize ldw, gsize first,
    gsize n, gsize k, gsize depth)
{
  const ItuningLinear *layer = job->layer;
  const float *x = job->x + k;
  float *y = job->y + first;

  if (!job->few_rows) {
    ituning_gemm (y, layer->n_out, x, layer->n_in, FALSE, weight, ldw,
        !layer->in_major, job->M, n, depth, job->scale, 1.0f);
    return;
  }
  if (job->kernels->multiply_few != NULL) {
    job->kernels->multiply_few (y, layer->n_out, x, layer->n_in, weight, ldw,
        FALSE, job->M, n, depth, job->scale);
    return;
  }
  for (gsize row = 0; row < job->M; row++)
    ituning_gemv (y + row * layer->n_out, x + row * layer->n_in, weight, ldw,
        layer->in_major, n, depth, job->scale);
}

static void
multiply_values (const LinearJob *job, gsize first, gsize n)
{
  const ItuningLinear *layer = job->layer;

  multiply (job,
      layer->weight.values + (layer->in_major ? first : first * layer->n_in),
      layer->in_major ? layer->n_out : layer->n_in, first, n, 0, layer->n_in);
}

/* Where no kernel reads them as they are, a part of the weights at a time becomes
 * F32, as much as stays in cache until it is multiplied. */
static void
multiply_halves (const LinearJob *job, gsize first, gsize n)
{
  const ItuningMatrix *weight = &job->layer->weight;
  const gsize n_in = job->layer->n_in;
  const gsize outputs = MIN (n, job->few_rows ? FEW_ROWS_OUTPUTS : n);
  const gsize depth = MIN (n_in, job->few_rows ? FEW_ROWS_DEPTH : DEPTH);
  float *part;

  if (job->few_rows && job->kernels->multiply_few_halves != NULL) {
    job->kernels->multiply_few_halves (job->y + first, job->layer->n_out,
        job->x, n_in,
        (const guint8 *) weight->halves + first * n_in * sizeof (guint16), n_in,
        weight->is_bfloat16, job->M, n, n_in, job->scale);
    return;
  }
  part = ituning_scratch_reserve (outputs * depth * sizeof (float));
  for (gsize o = 0; o < n; o += outputs) {
    const gsize count = MIN (outputs, n - o);
    for (gsize k = 0; k < n_in; k += depth) {
      const gsize inputs = MIN (depth, n_in - k);
      ituning_matrix_widen (part, weight, n_in, first + o, k, count, inputs);
      multiply (job, part, inputs, first + o, count, k, inputs);
    }
  }
}

/* @row is the first of a group. */
static void
multiply_quantized (const LinearJob *job, gsize row, gsize first, gsize n)
{
  const ItuningLinear *layer = job->layer;
  const gsize n_blocks = job->rows.n_blocks;
  const ItuningQuantRows rows = {
    .values = job->rows.values + row * layer->n_in,
    .scales = job->rows.scales + row * n_blocks,
    .offsets = job->rows.offsets + row * n_blocks,
    .n_blocks = n_blocks,
  };

  job->quant->multiply (job->y + first, layer->n_out, &rows, job->M,
      layer->weight.quantized, first / ITUNING_QUANT_PANEL,
      ituning_count_tiles (n, ITUNING_QUANT_PANEL), job->scale);
}

static void
run_linear_task (gsize task, guint worker, gpointer data)
{
  LinearJob job = *(const LinearJob *) data; /* of this task's rows */
  const ItuningLinear *layer = job.layer;
  const gsize n_tiles = ituning_count_tiles (layer->n_out, job.tile);
  const gsize row = task / n_tiles * job.row_tile;
  const gsize first = task % n_tiles * job.tile;
  const gsize n = MIN (job.tile, layer->n_out - first);

  job.M = MIN (job.row_tile, job.M - row);
  job.x += row * layer->n_in;
  job.y += row * layer->n_out;
  start_tile (&job, first, n);
  if (layer->weight.quantized != NULL)
    multiply_quantized (&job, row, first, n);
  else if (layer->weight.halves != NULL)
    multiply_halves (&job, first, n);
  else
    multiply_values (&job, first, n);
  activate_tile (&job, first, n);
}

static gsize
choose_tile (const ItuningLinear *layer, gsize M)
{
  gsize tile;

  if (layer->weight.quantized != NULL)
    return M > FEW_ROWS ? ITUNING_QUANT_PANEL
                        : ituning_count_tiles (QUANT_TILE_BYTES * 8 /
                                  layer->weight.quantized->bits,
                              layer->n_in * ITUNING_QUANT_PANEL) *
            ITUNING_QUANT_PANEL;
  if (M > FEW_ROWS)
    return ituning_split_evenly (layer->n_out,
        ituning_count_tiles (layer->n_out, MANY_ROWS_TILE),
        ITUNING_COLUMNS_UNIT);
  tile = FEW_ROWS_TILE_BYTES / sizeof (float) / MAX (layer->n_in, 1);
  return MAX (tile / 16 * 16, 16);
}

static gsize
choose_row_tile (const ItuningLinear *layer, gsize M, gsize tile)
{
  const gsize n_tiles = ituning_count_tiles (layer->n_out, tile);
  gsize n = ituning_count_tiles (M, ITUNING_ROWS_TILE);

  if (layer->weight.quantized != NULL)
    return QUANT_ROWS_TILE;
  while (n * n_tiles < ITUNING_WANTED_TASKS && M / (n + 1) >= MIN_ROWS)
    n++;
  return ituning_split_evenly (M, n, ITUNING_ROWS_UNIT);
}

static void
run_quantize_task (gsize task, guint worker, gpointer data)
{
  const LinearJob *job = data;
  const ItuningLinear *layer = job->layer;
  const gsize end = MIN (job->M, (task + 1) * ROUNDED_TILE);

  for (gsize row = task * ROUNDED_TILE; row < end; row++)
    job->quant->quantize (&job->rows, row, job->x + row * layer->n_in,
        layer->weight.quantized->bits);
}

static void
reserve_rows (LinearJob *job)
{
  const gsize M = ituning_count_tiles (job->M, ITUNING_QUANT_GROUP) *
      ITUNING_QUANT_GROUP;
  const gsize n = M * job->layer->n_in;
  const gsize n_blocks = n / ITUNING_QUANT_BLOCK;
  guint8 *memory = ituning_scratch_reserve (
      n + n_blocks * (sizeof (float) + sizeof (gint32)));

  job->rows = (ItuningQuantRows){
    .scales = (float *) (void *) memory,
    .offsets = (gint32 *) (void *) memory + n_blocks,
    .values = (gint8 *) memory + n_blocks * (sizeof (float) + sizeof (gint32)),
    .n_blocks = job->layer->weight.quantized->n_blocks,
  };
}

/* --- few rows, weights stored by input ---------------------------------- */

/* A task takes some of the inputs, whose weights lie together in memory and are
 * read in one go, and makes sums of its own of all outputs. */

static void
run_inputs_task (gsize task, guint worker, gpointer data)
{
  const LinearJob *job = data;
  const gsize n_in = job->layer->n_in, n_out = job->layer->n_out;
  const gsize first = task * job->tile;
  float *sums = job->sums + task * job->M * n_out;

  memset (sums, 0, job->M * n_out * sizeof (float));
  job->kernels->multiply_few (sums, n_out, job->x + first, n_in,
      job->layer->weight.values + first * n_out, n_out, TRUE, job->M, n_out,
      MIN (job->tile, n_in - first), job->scale);
}

static void
add_sums_task (gsize task, guint worker, gpointer data)
{
  const LinearJob *job = data;
  const gsize n_out = job->layer->n_out, first = task * SUMS_TILE;
  const gsize n = MIN (SUMS_TILE, n_out - first);
  const gsize n_rows = ituning_count_tiles (job->layer->n_in, job->tile) *
      job->M;

  start_tile (job, first, n);
  for (gsize i = 0; i < n_rows; i++)
    job->kernels->add (job->y + i % job->M * n_out + first,
        job->sums + i * n_out + first, n);
  activate_tile (job, first, n);
}

static void
run_few_by_input (LinearJob *job, ItuningPool *pool)
{
  const gsize n_in = job->layer->n_in, n_out = job->layer->n_out;
  gsize n_tasks;

  job->tile = MAX (ituning_split_evenly (n_in, ITUNING_WANTED_TASKS,
                       INPUTS_UNIT),
      MIN_INPUTS);
  n_tasks = ituning_count_tiles (n_in, job->tile);
  job->sums = ituning_scratch_reserve (
      n_tasks * job->M * n_out * sizeof (float));
  ituning_pool_run (pool, n_tasks, run_inputs_task, job);
  ituning_pool_run (pool, ituning_count_tiles (n_out, SUMS_TILE), add_sums_task,
      job);
}

/**
 * ituning_linear_forward:
 * @pool: the threads to work with
 * @y: [M, n_out] output, must not alias @x
 * @x: [M, n_in] input
 * @layer: the layer
 * @M: rows
 * @scale: multiplies x W^T + b
 * @accumulate: add to what @y holds instead of replacing it
 *
 * y = activation (scale (x W^T + b)), or of the sum with what @y held. The
 * result does not depend on the number of threads. For quantised weights @x is
 * rounded to 8 bits, each 32 values of a row by their largest.
 */
void
ituning_linear_forward (ItuningPool *pool,
    float *y, /* NOLINT(readability-non-const-parameter): tasks write it */
    const float *x, const ItuningLinear *layer, gsize M, float scale,
    gboolean accumulate)
{
  LinearJob job = { .kernels = ituning_kernels_get (),
    .layer = layer,
    .y = y,
    .x = x,
    .M = M,
    .scale = scale,
    .accumulate = accumulate,
    .few_rows = M <= FEW_ROWS };

  g_assert (layer->weight.values != NULL || !layer->in_major);
  if (M == 0 || layer->n_out == 0)
    return;
  if (job.few_rows && layer->in_major && job.kernels->multiply_few != NULL) {
    run_few_by_input (&job, pool);
    return;
  }
  job.tile = choose_tile (layer, M);
  job.row_tile = choose_row_tile (layer, M, job.tile);
  if (layer->weight.quantized != NULL) {
    job.quant = ituning_quant_kernels_get ();
    reserve_rows (&job);
    ituning_pool_run (pool, ituning_count_tiles (M, ROUNDED_TILE),
        run_quantize_task, &job);
  }
  ituning_pool_run (pool,
      ituning_count_tiles (M, job.row_tile) *
          ituning_count_tiles (layer->n_out, job.tile),
      run_linear_task, &job);
}
