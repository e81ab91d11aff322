/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/adapter.h"

#include <math.h>

/* --- opening ------------------------------------------------------------ */

static void
take_module (ItuningAdapter *self, gsize index)
{
  const ItuningAdapterConfig *config = &self->config;
  const gsize C = config->hidden_size, D = config->vision_hidden_size;
  const gsize R = config->bottleneck_size;
  ItuningModule *module = &self->modules[index];
  g_autofree char *prefix = g_strdup_printf ("h.%u.ituning.",
      config->layers[index]);

  ituning_weights_set_prefix (self->weights, prefix);
  module->q = ituning_linear_take (self->weights, R, C, "q_proj");
  module->k = ituning_linear_take (self->weights, R, D, "k_proj");
  module->v = ituning_linear_take (self->weights, R, D, "v_proj");
  module->o = ituning_linear_take (self->weights, C, R, "o_proj");
}

static void
take_prefix (ItuningAdapter *self)
{
  const ItuningAdapterConfig *config = &self->config;
  const gsize width = config->prefix_length * config->hidden_size;
  const gsize inner = MAX (width / 2, 1);

  ituning_weights_set_prefix (self->weights, "prefix.");
  self->prefix1 = ituning_linear_take (self->weights, inner,
      config->projection_dim, "c_fc");
  self->prefix1.activation = ITUNING_ACTIVATION_GELU_TANH;
  self->prefix2 = ituning_linear_take (self->weights, width, inner, "c_proj");
}

/**
 * ituning_adapter_new:
 * @config: (transfer full): its config, taken also when the call fails
 * @weights: (transfer full): its weights, taken also when the call fails
 *
 * Returns: (transfer full): the adapter; or %NULL with the errors of
 *   ituning_weights_finish ()
 */
ItuningAdapter *
ituning_adapter_new (ItuningAdapterConfig *config, ItuningWeights *weights,
    GError **error)
{
  g_autoptr (ItuningAdapter) self = g_new0 (ItuningAdapter, 1);

  g_atomic_ref_count_init (&self->refs);
  self->config = *config;
  config->layers = NULL;
  self->weights = weights;
  self->modules = g_new0 (ItuningModule, MAX (self->config.n_layers, 1));
  for (gsize i = 0; i < self->config.n_layers; i++)
    take_module (self, i);
  if (self->config.prefix_length > 0)
    take_prefix (self);
  if (!ituning_weights_finish (weights, &self->info, error))
    return NULL;
  return g_steal_pointer (&self);
}

/**
 * ituning_adapter_open:
 * @folder: holds an adapter's `config.json` and weights
 * @pool: (nullable): the threads to read weights with
 *
 * Returns: (transfer full): the adapter; or %NULL with the errors of the
 *   config and the weights
 */
ItuningAdapter *
ituning_adapter_open (const char *folder, ItuningPool *pool, GError **error)
{
  g_auto (ItuningAdapterConfig) config = { 0 };
  ItuningWeights *weights;

  if (!ituning_adapter_config_load (&config, folder, error))
    return NULL;
  weights = ituning_weights_open (folder, error);
  if (weights == NULL)
    return NULL;
  ituning_weights_set_pool (weights, pool);
  return ituning_adapter_new (&config, weights, error);
}

/**
 * ituning_adapter_new_packed:
 * @packed: a packed model
 * @pool: (nullable): the threads to read weights with
 *
 * Returns: (transfer full): its adapter; or %NULL with the errors of the config
 *   and the weights
 */
ItuningAdapter *
ituning_adapter_new_packed (ItuningGguf *packed, ItuningPool *pool,
    GError **error)
{
  g_auto (ItuningAdapterConfig) config = { 0 };
  ItuningWeights *weights;

  if (!ituning_adapter_config_unpack (&config, packed, error))
    return NULL;
  weights = ituning_weights_new_packed (packed);
  ituning_weights_set_pool (weights, pool);
  return ituning_adapter_new (&config, weights, error);
}

/**
 * ituning_adapter_ref:
 *
 * Returns: (transfer full): @adapter
 */
ItuningAdapter *
ituning_adapter_ref (ItuningAdapter *adapter)
{
  g_atomic_ref_count_inc (&adapter->refs);
  return adapter;
}

/**
 * ituning_adapter_unref:
 * @adapter: (nullable) (transfer full): an adapter
 */
void
ituning_adapter_unref (ItuningAdapter *adapter)
{
  if (adapter == NULL || !g_atomic_ref_count_dec (&adapter->refs))
    return;
  ituning_weights_free (adapter->weights);
  ituning_adapter_config_clear (&adapter->config);
  g_free (adapter->modules);
  g_free (adapter);
}

/**
 * ituning_adapter_find:
 * @layer: a block of GPT-2
 * @index: (out): position of its module among the adapter's
 *
 * Returns: (transfer none) (nullable): the module of @layer, if it has one
 */
const ItuningModule *
ituning_adapter_find (const ItuningAdapter *adapter, gsize layer, gsize *index)
{
  for (gsize i = 0; i < adapter->config.n_layers; i++) {
    if (adapter->config.layers[i] == layer) {
      *index = i;
      return &adapter->modules[i];
    }
  }
  return NULL;
}

/**
 * ituning_adapter_scratch_clear:
 * @scratch: scratch memory to give back
 */
void
ituning_adapter_scratch_clear (ItuningAdapterScratch *scratch)
{
  ituning_buffer_clear (&scratch->q);
  ituning_buffer_clear (&scratch->attended);
  ituning_buffer_clear (&scratch->scores);
}

/* --- the image's side --------------------------------------------------- */

/* Returns: (transfer full): [prefix_length, C] */
static float *
make_prefix (const ItuningAdapter *adapter, ItuningPool *pool,
    const float *image_embeds)
{
  g_autofree float *inner = g_new (float, adapter->prefix1.n_out);
  float *prefix = g_new (float, adapter->prefix2.n_out);

  ituning_linear_forward (pool, inner, image_embeds, &adapter->prefix1, 1, 1.0f,
      FALSE);
  ituning_linear_forward (pool, prefix, inner, &adapter->prefix2, 1, 1.0f,
      FALSE);
  return prefix;
}

/* Values of keys that a row ends at a multiple of; and those that are transposed
 * in one go. */
#define KEYS_STEP ((gsize) 16)

/* out [R, stride] = keys [S, R] transposed */
static void
transpose_keys (float *out, gsize stride, const float *keys, gsize S, gsize R)
{
  for (gsize s = 0; s < S; s += KEYS_STEP)
    for (gsize r = 0; r < R; r++)
      for (gsize i = s; i < MIN (S, s + KEYS_STEP); i++)
        out[r * stride + i] = keys[i * R + r];
}

/**
 * ituning_memory_new:
 * @adapter: an adapter
 * @pool: the threads to work with
 * @visual_tokens: [S, D] visual tokens of one image
 * @S: how many
 * @log_sizes: (nullable): [S] the logarithm of how many tokens of the vision
 *   tower each stands for; %NULL where it is one
 * @image_embeds: (nullable): [projection_dim] its image embedding, for an
 *   adapter with a prefix
 *
 * Returns: (transfer full): the keys and values of all modules, and the prefix
 */
ItuningMemory *
ituning_memory_new (ItuningAdapter *adapter, ItuningPool *pool,
    const float *visual_tokens, gsize S, const float *log_sizes,
    const float *image_embeds)
{
  const gsize R = adapter->config.bottleneck_size, size = S * R;
  const gsize n = MAX (adapter->config.n_layers, 1);
  ItuningMemory *self = g_new0 (ItuningMemory, 1);
  g_autofree float *keys = g_new (float, size);

  g_atomic_ref_count_init (&self->refs);
  self->adapter = ituning_adapter_ref (adapter);
  self->S = S;
  self->stride = (S + KEYS_STEP - 1) / KEYS_STEP * KEYS_STEP;
  self->keys = g_aligned_alloc0 (n * R * self->stride, sizeof (float), 64);
  self->values = g_aligned_alloc (n * size, sizeof (float), 64);
  for (gsize i = 0; i < adapter->config.n_layers; i++) {
    ituning_linear_forward (pool, keys, visual_tokens, &adapter->modules[i].k,
        S, 1.0f, FALSE);
    transpose_keys (self->keys + i * R * self->stride, self->stride, keys, S,
        R);
    ituning_linear_forward (pool, self->values + i * size, visual_tokens,
        &adapter->modules[i].v, S, 1.0f, FALSE);
  }
  if (log_sizes != NULL)
    self->log_sizes = g_memdup2 (log_sizes, S * sizeof (float));
  if (adapter->config.prefix_length > 0)
    self->prefix = make_prefix (adapter, pool, image_embeds);
  return self;
}

/**
 * ituning_memory_ref:
 *
 * Returns: (transfer full): @memory
 */
ItuningMemory *
ituning_memory_ref (ItuningMemory *memory)
{
  g_atomic_ref_count_inc (&memory->refs);
  return memory;
}

/**
 * ituning_memory_unref:
 * @memory: (nullable) (transfer full): a memory
 */
void
ituning_memory_unref (ItuningMemory *memory)
{
  if (memory == NULL || !g_atomic_ref_count_dec (&memory->refs))
    return;
  g_aligned_free (memory->keys);
  g_aligned_free (memory->values);
  g_free (memory->log_sizes);
  g_free (memory->prefix);
  ituning_adapter_unref (memory->adapter);
  g_free (memory);
}

/* --- the text's side ---------------------------------------------------- */

typedef struct
{
  const ItuningKernels *kernels;
  float *attended; /* [B T, R] */
  const float *q; /* [B T, R] */
  float *scores; /* [workers, max_stride] */
  ItuningMemory *const *memories;
  gsize max_stride, R, H, T, index;
} AttentionJob;

/* One head of one text token. */
static void
attend (gsize task, guint worker, gpointer data)
{
  const AttentionJob *job = data;
  const gsize R = job->R, E = R / job->H;
  const gsize row = task / job->H, head = task % job->H;
  const ItuningMemory *memory = job->memories[row / job->T];
  const gsize S = memory->S, stride = memory->stride;
  const gsize module = job->index * R, first = head * E;
  const float *q = job->q + row * R + head * E;
  const float scale = 1.0f / sqrtf ((float) E);
  float *out = job->attended + row * R + head * E;
  float *scores = job->scores + worker * job->max_stride;

  job->kernels->combine (scores, q, memory->keys + (module + first) * stride,
      stride, E, stride);
  job->kernels->scale (scores, scale, S);
  if (memory->log_sizes != NULL)
    job->kernels->add (scores, memory->log_sizes, S);
  job->kernels->softmax (scores, S);
  job->kernels->combine (out, scores, memory->values + module * S + first, R, S,
      E);
}

/**
 * ituning_adapter_forward:
 * @adapter: the adapter
 * @index: which of its modules
 * @scratch: the caller's scratch memory
 * @pool: the threads to work with
 * @x: [B, T, C] the residual stream, added to
 * @u: [B, T, C] the MLP's input
 * @memories: [B] the image of each sequence; memories of this adapter
 * @B: sequences
 * @T: tokens of each
 *
 * x += scale * (softmax (Q K^T / sqrt (R / heads)) Z Wo + bo)
 */
void
ituning_adapter_forward (const ItuningAdapter *adapter, gsize index,
    ItuningAdapterScratch *scratch, ItuningPool *pool, float *x, const float *u,
    ItuningMemory *const *memories, gsize B, gsize T)
{
  const ItuningModule *module = &adapter->modules[index];
  const gsize R = adapter->config.bottleneck_size, rows = B * T;
  float *q = ituning_buffer_reserve (&scratch->q, rows * R);
  float *attended = ituning_buffer_reserve (&scratch->attended, rows * R);
  AttentionJob job = { ituning_kernels_get (), attended, q, NULL, memories, 0,
    R, adapter->config.num_heads, T, index };

  for (gsize b = 0; b < B; b++)
    job.max_stride = MAX (job.max_stride, memories[b]->stride);
  job.scores = ituning_buffer_reserve (&scratch->scores,
      ituning_pool_get_n_threads (pool) * job.max_stride);
  ituning_linear_forward (pool, q, u, &module->q, rows, 1.0f, FALSE);
  ituning_pool_run (pool, rows * job.H, attend, &job);
  ituning_linear_forward (pool, x, attended, &module->o, rows,
      (float) adapter->config.scale, TRUE);
}
