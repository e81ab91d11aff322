/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/kernels/gemm.h"

#include <cblas.h>
#include <string.h>

#include "model/kernels/blocked.h"
#include "model/kernels/quantkernels.h"

/* The only file that calls BLAS. OpenBLAS computes on the calling thread; the
 * split over threads is ours. It depends on the shape alone, never on the
 * number of threads, so that results do not either. */

/* Up to this many rows a product is bound by reading the weights: then a tile
 * of them is read once for all rows, or kept in cache for one after the other. */
#define FEW_ROWS 8
#define FEW_ROWS_TILE_BYTES (192u << 10)
#define MANY_ROWS_TILE 192
/* Rows of a task, so that narrow layers on many rows split too. */
#define ROWS_TILE ((gsize) 512)
/* Tasks that a product is split into, where its shape allows it. */
#define WANTED_TASKS 8
#define MIN_TILE ((gsize) 32)
#define MIN_ROWS ((gsize) 192) /* of a layer's task: each packs its weights */
#define MIN_COLUMNS ((gsize) 96)
/* Whole tiles of the packed products' kernels. */
#define ROWS_UNIT ((gsize) 6)
#define COLUMNS_UNIT ((gsize) 32)
/* Of few rows by weights stored by input: inputs of a task, in steps and at
 * least; and outputs of which the tasks' sums are added up. */
#define INPUTS_UNIT ((gsize) 16)
#define MIN_INPUTS ((gsize) 48)
#define SUMS_TILE ((gsize) 384)
/* Of quantised weights: bytes of a task of few rows. */
#define QUANT_TILE_BYTES ((gsize) 48 << 10)
/* As ROWS_TILE, in whole groups; and what a task rounds to 8 bits. */
#define QUANT_ROWS_TILE (80 * ITUNING_QUANT_GROUP)
#define ROUNDED_TILE ((gsize) 16)

/**
 * ituning_gemm_init:
 *
 * Makes OpenBLAS compute on the calling thread, once for the process.
 */
void
ituning_gemm_init (void)
{
  static gsize done = 0;

  if (g_once_init_enter (&done)) {
    openblas_set_num_threads (1);
    g_once_init_leave (&done, 1);
  }
}

/* OpenBLAS knows AVX-512 on Intel's processors only; where it takes it, it is
 * as fast. By AVX2 it is slower than we are. */
static gboolean
prefer_blocked (void)
{
  static gsize answer = 0;

  if (g_once_init_enter (&answer)) {
    const char *core = openblas_get_corename ();
    const gboolean wide = g_ascii_strcasecmp (core, "SkylakeX") == 0 ||
        g_ascii_strcasecmp (core, "Cooperlake") == 0 ||
        g_ascii_strcasecmp (core, "SapphireRapids") == 0;
    g_once_init_leave (&answer, wide ? 1 : 2);
  }
  return answer == 2;
}

/**
 * ituning_gemm:
 * @c: [M, N] with row stride @ldc: output, must not alias the inputs
 * @a: [M, K], or [K, M] when @a_transposed, with row stride @lda
 * @b: [K, N], or [N, K] when @b_transposed, with row stride @ldb
 * @alpha: scale of the product
 * @beta: scale of what @c held; 0 ignores it
 *
 * c = alpha a b + beta c, on the calling thread.
 */
void
ituning_gemm (float *c, gsize ldc, const float *a, gsize lda,
    gboolean a_transposed, const float *b, gsize ldb, gboolean b_transposed,
    gsize M, gsize N, gsize K, float alpha, float beta)
{
  const ItuningProduct product = { M, N, K, ldc, lda, ldb, a_transposed,
    b_transposed, alpha, beta };

  if (prefer_blocked () && ituning_blocked_multiply (c, a, b, &product))
    return;
  cblas_sgemm (CblasRowMajor, a_transposed ? CblasTrans : CblasNoTrans,
      b_transposed ? CblasTrans : CblasNoTrans, (blasint) M, (blasint) N,
      (blasint) K, alpha, a, (blasint) lda, b, (blasint) ldb, beta, c,
      (blasint) ldc);
}

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

static gsize
count_tiles (gsize n, gsize tile)
{
  return (n + tile - 1) / tile;
}

/* @n in about @n_parts parts of whole units. */
static gsize
split_evenly (gsize n, gsize n_parts, gsize unit)
{
  return count_tiles (count_tiles (n, n_parts), unit) * unit;
}

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

static const float *
find_tile (const ItuningLinear *layer, gsize first)
{
  return layer->weight + (layer->in_major ? first : first * layer->n_in);
}

static void
multiply_rows (const LinearJob *job, gsize first, gsize n)
{
  const ItuningLinear *layer = job->layer;
  const float *weight = find_tile (layer, first);

  if (job->kernels->multiply_few != NULL) {
    job->kernels->multiply_few (job->y + first, layer->n_out, job->x,
        layer->n_in, weight, layer->n_in, FALSE, job->M, n, layer->n_in,
        job->scale);
    return;
  }
  for (gsize row = 0; row < job->M; row++) {
    const float *x = job->x + row * layer->n_in;
    float *y = job->y + row * layer->n_out + first;
    if (layer->in_major)
      cblas_sgemv (CblasRowMajor, CblasTrans, (blasint) layer->n_in,
          (blasint) n, job->scale, weight, (blasint) layer->n_out, x, 1, 1.0f,
          y, 1);
    else
      cblas_sgemv (CblasRowMajor, CblasNoTrans, (blasint) n,
          (blasint) layer->n_in, job->scale, weight, (blasint) layer->n_in, x,
          1, 1.0f, y, 1);
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
      layer->quantized, first / ITUNING_QUANT_PANEL,
      count_tiles (n, ITUNING_QUANT_PANEL), job->scale);
}

static void
run_linear_task (gsize task, guint worker, gpointer data)
{
  LinearJob job = *(const LinearJob *) data; /* of this task's rows */
  const ItuningLinear *layer = job.layer;
  const gsize n_tiles = count_tiles (layer->n_out, job.tile);
  const gsize row = task / n_tiles * job.row_tile;
  const gsize first = task % n_tiles * job.tile;
  const gsize n = MIN (job.tile, layer->n_out - first);

  job.M = MIN (job.row_tile, job.M - row);
  job.x += row * layer->n_in;
  job.y += row * layer->n_out;
  start_tile (&job, first, n);
  if (layer->quantized != NULL)
    multiply_quantized (&job, row, first, n);
  else if (job.few_rows)
    multiply_rows (&job, first, n);
  else
    ituning_gemm (job.y + first, layer->n_out, job.x, layer->n_in, FALSE,
        find_tile (layer, first), layer->in_major ? layer->n_out : layer->n_in,
        !layer->in_major, job.M, n, layer->n_in, job.scale, 1.0f);
  activate_tile (&job, first, n);
}

static gsize
choose_tile (const ItuningLinear *layer, gsize M)
{
  gsize tile;

  if (layer->quantized != NULL)
    return M > FEW_ROWS
        ? ITUNING_QUANT_PANEL
        : count_tiles (QUANT_TILE_BYTES * 8 / layer->quantized->bits,
              layer->n_in * ITUNING_QUANT_PANEL) *
            ITUNING_QUANT_PANEL;
  if (M > FEW_ROWS)
    return split_evenly (layer->n_out,
        count_tiles (layer->n_out, MANY_ROWS_TILE), COLUMNS_UNIT);
  tile = FEW_ROWS_TILE_BYTES / sizeof (float) / MAX (layer->n_in, 1);
  return MAX (tile / 16 * 16, 16);
}

static gsize
choose_row_tile (const ItuningLinear *layer, gsize M, gsize tile)
{
  const gsize n_tiles = count_tiles (layer->n_out, tile);
  gsize n = count_tiles (M, ROWS_TILE);

  if (layer->quantized != NULL)
    return QUANT_ROWS_TILE;
  while (n * n_tiles < WANTED_TASKS && M / (n + 1) >= MIN_ROWS)
    n++;
  return split_evenly (M, n, ROWS_UNIT);
}

static void
run_quantize_task (gsize task, guint worker, gpointer data)
{
  const LinearJob *job = data;
  const ItuningLinear *layer = job->layer;
  const gsize end = MIN (job->M, (task + 1) * ROUNDED_TILE);

  for (gsize row = task * ROUNDED_TILE; row < end; row++)
    job->quant->quantize (&job->rows, row, job->x + row * layer->n_in,
        layer->quantized->bits);
}

/* Memory that stays with the calling thread. */
typedef struct
{
  gpointer bytes; /* owned */
  gsize size;
} Memory;

static void
free_memory (gpointer data)
{
  Memory *self = data;

  g_free (self->bytes);
  g_free (self);
}

static gpointer
reserve_memory (gsize size)
{
  static GPrivate key = G_PRIVATE_INIT (free_memory);
  Memory *self = g_private_get (&key);

  if (self == NULL) {
    self = g_new0 (Memory, 1);
    g_private_set (&key, self);
  }
  if (self->size < size) {
    g_free (self->bytes);
    self->bytes = g_malloc (size);
    self->size = size;
  }
  return self->bytes;
}

static void
reserve_rows (LinearJob *job)
{
  const gsize M = count_tiles (job->M, ITUNING_QUANT_GROUP) *
      ITUNING_QUANT_GROUP;
  const gsize n = M * job->layer->n_in;
  const gsize n_blocks = n / ITUNING_QUANT_BLOCK;
  guint8 *memory = reserve_memory (
      n + n_blocks * (sizeof (float) + sizeof (gint32)));

  job->rows = (ItuningQuantRows){
    .scales = (float *) (void *) memory,
    .offsets = (gint32 *) (void *) memory + n_blocks,
    .values = (gint8 *) memory + n_blocks * (sizeof (float) + sizeof (gint32)),
    .n_blocks = job->layer->quantized->n_blocks,
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
      job->layer->weight + first * n_out, n_out, TRUE, job->M, n_out,
      MIN (job->tile, n_in - first), job->scale);
}

static void
add_sums_task (gsize task, guint worker, gpointer data)
{
  const LinearJob *job = data;
  const gsize n_out = job->layer->n_out, first = task * SUMS_TILE;
  const gsize n = MIN (SUMS_TILE, n_out - first);
  const gsize n_rows = count_tiles (job->layer->n_in, job->tile) * job->M;

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

  job->tile = MAX (split_evenly (n_in, WANTED_TASKS, INPUTS_UNIT), MIN_INPUTS);
  n_tasks = count_tiles (n_in, job->tile);
  job->sums = reserve_memory (n_tasks * job->M * n_out * sizeof (float));
  ituning_pool_run (pool, n_tasks, run_inputs_task, job);
  ituning_pool_run (pool, count_tiles (n_out, SUMS_TILE), add_sums_task, job);
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
    .tile = choose_tile (layer, M),
    .scale = scale,
    .accumulate = accumulate,
    .few_rows = M <= FEW_ROWS };

  if (M == 0)
    return;
  if (job.few_rows && layer->in_major && layer->quantized == NULL &&
      job.kernels->multiply_few != NULL) {
    run_few_by_input (&job, pool);
    return;
  }
  job.row_tile = choose_row_tile (layer, M, job.tile);
  if (layer->quantized != NULL) {
    job.quant = ituning_quant_kernels_get ();
    reserve_rows (&job);
    ituning_pool_run (pool, count_tiles (M, ROUNDED_TILE), run_quantize_task,
        &job);
  }
  ituning_pool_run (pool,
      count_tiles (M, job.row_tile) * count_tiles (layer->n_out, job.tile),
      run_linear_task, &job);
}

/* --- products on all threads -------------------------------------------- */

typedef struct
{
  float *c;
  const float *a, *b;
  gsize ldc, lda, ldb;
  gboolean a_transposed, b_transposed;
  gsize M, N, K;
  gsize tile_m, tile_n;
  float beta;
} GemmJob;

static void
run_gemm_task (gsize task, guint worker, gpointer data)
{
  const GemmJob *job = data;
  const gsize n_tiles = count_tiles (job->N, job->tile_n);
  const gsize m = task / n_tiles * job->tile_m;
  const gsize n = task % n_tiles * job->tile_n;

  ituning_gemm (job->c + m * job->ldc + n, job->ldc,
      job->a + (job->a_transposed ? m : m * job->lda), job->lda,
      job->a_transposed, job->b + (job->b_transposed ? n * job->ldb : n),
      job->ldb, job->b_transposed, MIN (job->tile_m, job->M - m),
      MIN (job->tile_n, job->N - n), job->K, 1.0f, job->beta);
}

/* Splits columns rather than rows, each of whose parts packs the same columns of
 * b again, until there are tasks enough or the parts are small. */
static void
choose_tiles (GemmJob *job)
{
  gsize n_m = count_tiles (job->M, ROWS_TILE);
  gsize n_n = count_tiles (job->N, ROWS_TILE);

  while (n_m * n_n < WANTED_TASKS) {
    if (job->N / (2 * n_n) >= MIN_COLUMNS)
      n_n *= 2;
    else if (job->M / (2 * n_m) >= MIN_TILE)
      n_m *= 2;
    else
      break;
  }
  job->tile_m = split_evenly (job->M, n_m, ROWS_UNIT);
  job->tile_n = split_evenly (job->N, n_n, COLUMNS_UNIT);
}

/**
 * ituning_gemm_run:
 * @pool: the threads to work with
 *
 * As ituning_gemm () with an alpha of 1, on all threads. The split, and so the
 * result, depends on the shape alone.
 */
void
ituning_gemm_run (ItuningPool *pool,
    float *c, /* NOLINT(readability-non-const-parameter): tasks write it */
    gsize ldc, const float *a, gsize lda, gboolean a_transposed, const float *b,
    gsize ldb, gboolean b_transposed, gsize M, gsize N, gsize K, float beta)
{
  GemmJob job = { c, a, b, ldc, lda, ldb, a_transposed, b_transposed, M, N, K,
    0, 0, beta };

  if (M == 0 || N == 0)
    return;
  choose_tiles (&job);
  ituning_pool_run (pool,
      count_tiles (M, job.tile_m) * count_tiles (N, job.tile_n), run_gemm_task,
      &job);
}

/* --- backward ----------------------------------------------------------- */

typedef struct
{
  const ItuningKernels *kernels;
  float *sums; /* [n], added to */
  const float *rows; /* [M, n] */
  gsize M, n;
} SumJob;

static void
run_sum_task (gsize task, guint worker, gpointer data)
{
  const SumJob *job = data;
  const gsize first = task * MIN_TILE;
  const gsize n = MIN (MIN_TILE, job->n - first);

  for (gsize row = 0; row < job->M; row++)
    job->kernels->add (job->sums + first, job->rows + row * job->n + first, n);
}

/**
 * ituning_linear_backward:
 * @pool: the threads to work with
 * @dx: [M, n_in] output: gradient of the input; or %NULL
 * @dweight: shaped as the layer's weight: added to; or %NULL when it is frozen
 * @dbias: [n_out]: added to; or %NULL
 * @dy: [M, n_out] gradient of x W^T + b, before any activation
 * @x: [M, n_in] input; not used when @dweight is %NULL
 * @layer: the layer
 * @M: rows
 * @accumulate: add to what @dx holds instead of replacing it
 *
 * dx = dy W, dW = dy^T x, db = the sum of dy's rows. The result does not
 * depend on the number of threads.
 */
void
ituning_linear_backward (ItuningPool *pool, float *dx, float *dweight,
    float *dbias, /* NOLINT(readability-non-const-parameter): tasks write it */
    const float *dy, const float *x, const ItuningLinear *layer, gsize M,
    gboolean accumulate)
{
  const gsize n_in = layer->n_in, n_out = layer->n_out;
  SumJob sum = { ituning_kernels_get (), dbias, dy, M, n_out };

  if (dx != NULL)
    ituning_gemm_run (pool, dx, n_in, dy, n_out, FALSE, layer->weight,
        layer->in_major ? n_out : n_in, layer->in_major, M, n_in, n_out,
        accumulate ? 1.0f : 0.0f);
  if (dweight != NULL && layer->in_major)
    ituning_gemm_run (pool, dweight, n_out, x, n_in, TRUE, dy, n_out, FALSE,
        n_in, n_out, M, 1.0f);
  else if (dweight != NULL)
    ituning_gemm_run (pool, dweight, n_in, dy, n_out, TRUE, x, n_in, FALSE,
        n_out, n_in, M, 1.0f);
  if (dbias != NULL)
    ituning_pool_run (pool, count_tiles (n_out, MIN_TILE), run_sum_task, &sum);
}
