/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/attention.h"

#include <string.h>

#include "model/kernels/gemm.h"
#include "model/kernels/kernels.h"

/* Queries that one task of the forward pass takes: their scores stay in cache.
 * The backward pass takes whole heads, because all queries of one add to the
 * gradients of the same keys. */
#define QUERY_BLOCK ((gsize) 128)

typedef struct
{
  const ItuningKernels *kernels;
  const ItuningAttention *shape;
  float *out;
  float *dq, *dk, *dv;
  const float *dout, *q, *k, *v;
  float *scratch; /* [workers, n_scratch] */
  gsize n_scratch;
  gsize n_blocks; /* of the longest sequence */
} Job;

/* The rows of one sequence and the columns of one head. */
typedef struct
{
  gsize n_queries, n_keys;
  gsize key; /* its first row of keys */
  gsize q, kv, out; /* offsets of its first elements */
} Part;

static gsize
get_start (const gsize *starts, gsize n, gsize sequence)
{
  return starts != NULL ? starts[sequence] : sequence * n;
}

static Part
find_part (const ItuningAttention *shape, gsize sequence, gsize head)
{
  const gsize query = get_start (shape->query_starts, shape->n_queries,
      sequence);
  const gsize key = get_start (shape->key_starts, shape->n_keys, sequence);
  const gsize column = head * shape->head_size;

  return (Part){
    .n_queries = get_start (shape->query_starts, shape->n_queries,
                     sequence + 1) -
        query,
    .n_keys = get_start (shape->key_starts, shape->n_keys, sequence + 1) - key,
    .key = key,
    .q = query * shape->q_stride + column,
    .kv = key * shape->kv_stride + column,
    .out = query * shape->out_stride + column,
  };
}

static gsize
find_longest (const gsize *starts, gsize n, gsize n_sequences)
{
  gsize longest = starts != NULL ? 0 : n;

  for (gsize i = 0; starts != NULL && i < n_sequences; i++)
    longest = MAX (longest, starts[i + 1] - starts[i]);
  return longest;
}

/* Of the longest sequence. */
static gsize
count_queries (const ItuningAttention *shape)
{
  return find_longest (shape->query_starts, shape->n_queries,
      shape->n_sequences);
}

/* Likewise. */
static gsize
count_keys (const ItuningAttention *shape)
{
  return find_longest (shape->key_starts, shape->n_keys, shape->n_sequences);
}

/* p [n, n_keys] = softmax (scale q k^T), of the queries from @first on. What a
 * causal query must not see is 0. */
static void
compute_probabilities (const Job *job, const Part *part, float *p, gsize first,
    gsize n)
{
  const ItuningAttention *shape = job->shape;
  const gsize S = part->n_keys;

  ituning_gemm (p, S, job->q + part->q + first * shape->q_stride,
      shape->q_stride, FALSE, job->k + part->kv, shape->kv_stride, TRUE, n, S,
      shape->head_size, shape->scale, 0.0f);
  for (gsize row = 0; row < n; row++) {
    const gsize seen = shape->causal ? MIN (first + row + 1, S) : S;
    if (shape->key_bias != NULL)
      job->kernels->add (p + row * S, shape->key_bias + part->key, seen);
    job->kernels->softmax (p + row * S, seen);
    memset (p + row * S + seen, 0, (S - seen) * sizeof (float));
  }
}

static void
run_forward_task (gsize task, guint worker, gpointer data)
{
  const Job *job = data;
  const ItuningAttention *shape = job->shape;
  const gsize first = task % job->n_blocks * QUERY_BLOCK;
  const gsize head = task / job->n_blocks % shape->n_heads;
  const Part part = find_part (shape, task / job->n_blocks / shape->n_heads,
      head);
  float *p = job->scratch + worker * job->n_scratch;
  gsize n;

  if (first >= part.n_queries)
    return;
  n = MIN (QUERY_BLOCK, part.n_queries - first);
  compute_probabilities (job, &part, p, first, n);
  ituning_gemm (job->out + part.out + first * shape->out_stride,
      shape->out_stride, p, part.n_keys, FALSE, job->v + part.kv,
      shape->kv_stride, FALSE, n, shape->head_size, part.n_keys, 1.0f, 0.0f);
}

/**
 * ituning_attention_forward:
 * @pool: the threads to work with
 * @scratch: scratch memory of the caller
 * @out: output, rows of the queries
 * @q: queries
 * @k: keys
 * @v: values
 * @shape: how they lie in memory; each sequence has at least one key
 *
 * The result does not depend on the number of threads.
 */
void
ituning_attention_forward (ItuningPool *pool, ItuningBuffer *scratch,
    float *out, /* NOLINT(readability-non-const-parameter): tasks write it */
    const float *q, const float *k, const float *v,
    const ItuningAttention *shape)
{
  const gsize n_queries = count_queries (shape), n_keys = count_keys (shape);
  Job job = { .kernels = ituning_kernels_get (),
    .shape = shape,
    .out = out,
    .q = q,
    .k = k,
    .v = v,
    .n_scratch = MIN (QUERY_BLOCK, n_queries) * n_keys,
    .n_blocks = (n_queries + QUERY_BLOCK - 1) / QUERY_BLOCK };

  job.scratch = ituning_buffer_reserve (scratch,
      ituning_pool_get_n_threads (pool) * job.n_scratch);
  ituning_pool_run (pool, shape->n_sequences * shape->n_heads * job.n_blocks,
      run_forward_task, &job);
}

static void
run_backward_task (gsize task, guint worker, gpointer data)
{
  const Job *job = data;
  const ItuningAttention *shape = job->shape;
  const Part part = find_part (shape, task / shape->n_heads,
      task % shape->n_heads);
  const gsize n = part.n_queries, S = part.n_keys, E = shape->head_size;
  float *p = job->scratch + worker * job->n_scratch;
  float *dp = p + job->n_scratch / 2;

  compute_probabilities (job, &part, p, 0, n);
  ituning_gemm (job->dv + part.kv, shape->kv_stride, p, S, TRUE,
      job->dout + part.out, shape->out_stride, FALSE, S, E, n, 1.0f, 0.0f);
  ituning_gemm (dp, S, job->dout + part.out, shape->out_stride, FALSE,
      job->v + part.kv, shape->kv_stride, TRUE, n, S, E, 1.0f, 0.0f);
  for (gsize row = 0; row < n; row++)
    job->kernels->softmax_backward (dp + row * S, p + row * S, S);
  ituning_gemm (job->dq + part.q, shape->q_stride, dp, S, FALSE,
      job->k + part.kv, shape->kv_stride, FALSE, n, E, S, shape->scale, 0.0f);
  ituning_gemm (job->dk + part.kv, shape->kv_stride, dp, S, TRUE,
      job->q + part.q, shape->q_stride, FALSE, S, E, n, shape->scale, 0.0f);
}

/**
 * ituning_attention_backward:
 * @pool: the threads to work with
 * @scratch: scratch memory of the caller
 * @dq: output: gradient of @q, laid out as it is; no key may be shared by two
 *   sequences
 * @dk: output: gradient of @k
 * @dv: output: gradient of @v
 * @dout: gradient of the output
 * @q: queries
 * @k: keys
 * @v: values
 * @shape: as in the forward pass
 *
 * The probabilities P are computed again rather than kept. With dP = dO V^T
 * and dS = P (dP - the row sums of dP P): dQ = scale dS K, dK = scale dS^T Q,
 * dV = P^T dO.
 */
void
ituning_attention_backward (ItuningPool *pool, ItuningBuffer *scratch,
    float *dq, /* NOLINT(readability-non-const-parameter): tasks write all */
    float *dk, /* NOLINT(readability-non-const-parameter) */
    float *dv, /* NOLINT(readability-non-const-parameter) */
    const float *dout, const float *q, const float *k, const float *v,
    const ItuningAttention *shape)
{
  const gsize n_queries = count_queries (shape), n_keys = count_keys (shape);
  Job job = { .kernels = ituning_kernels_get (),
    .shape = shape,
    .dq = dq,
    .dk = dk,
    .dv = dv,
    .dout = dout,
    .q = q,
    .k = k,
    .v = v,
    .n_scratch = 2 * n_queries * n_keys };

  job.scratch = ituning_buffer_reserve (scratch,
      ituning_pool_get_n_threads (pool) * job.n_scratch);
  ituning_pool_run (pool, shape->n_sequences * shape->n_heads,
      run_backward_task, &job);
}
