/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/weightsprivate.h"

static void
clear_taken (gpointer tensor)
{
  g_free ((char *) ((ItuningTensor *) tensor)->name);
}

static void
free_quantized (gpointer matrix)
{
  ituning_quantized_free (matrix);
}

static ItuningWeights *
weights_new (ItuningTensors *tensors, guint32 seed)
{
  ItuningWeights *self = g_new0 (ItuningWeights, 1);

  self->tensors = tensors;
  self->prefix = g_strdup ("");
  self->taken = g_array_new (FALSE, FALSE, sizeof (ItuningTensor));
  g_array_set_clear_func (self->taken, clear_taken);
  self->quantized = g_ptr_array_new_with_free_func (free_quantized);
  self->owned = g_ptr_array_new_with_free_func (g_aligned_free);
  self->random = 0x9e3779b97f4a7c15u ^ seed;
  return self;
}

/**
 * ituning_weights_open:
 * @folder: a folder with weights, see ituning_tensors_open_folder ()
 *
 * Returns: (transfer full): the weights; or %NULL as ituning_tensors_open ()
 */
ItuningWeights *
ituning_weights_open (const char *folder, GError **error)
{
  ItuningTensors *tensors = ituning_tensors_open_folder (folder, error);

  return tensors != NULL ? weights_new (tensors, 0) : NULL;
}

/**
 * ituning_weights_new_packed:
 * @packed: a packed model, of which a reference is taken
 *
 * Returns: (transfer full): the weights of all its parts
 */
ItuningWeights *
ituning_weights_new_packed (ItuningGguf *packed)
{
  ItuningWeights *self = weights_new (NULL, 0);

  self->packed = ituning_gguf_ref (packed);
  return self;
}

/**
 * ituning_weights_new_random:
 * @seed: the same seed gives the same weights
 *
 * Returns: (transfer full): weights that have every tensor that is asked for:
 *   gains of layer norms are 1, all else is small and random
 */
ItuningWeights *
ituning_weights_new_random (guint32 seed)
{
  return weights_new (NULL, seed);
}

/**
 * ituning_weights_new_random_of_type:
 * @type: F32; or F16, BF16, Q8_0 or Q4_0: matrices are as in a packed file of it
 * @vocabulary: likewise, of the matrices that have a row for each token
 *
 * As ituning_weights_new_random ().
 */
ItuningWeights *
ituning_weights_new_random_of_type (guint32 seed, ItuningType type,
    ItuningType vocabulary)
{
  ItuningWeights *self = weights_new (NULL, seed);

  self->random_type = type;
  self->random_vocabulary = vocabulary;
  return self;
}

/**
 * ituning_weights_new_copy:
 * @source: weights of which all was taken; must live until all is taken from
 *   the copy
 *
 * Returns: (transfer full): weights that have what was taken from @source, in
 *   memory of their own
 */
ItuningWeights *
ituning_weights_new_copy (const ItuningWeights *source)
{
  ItuningWeights *self = weights_new (NULL, 0);

  self->source = source;
  return self;
}

/**
 * ituning_weights_free:
 * @weights: (nullable) (transfer full): weights; what was taken goes with them
 */
void
ituning_weights_free (ItuningWeights *weights)
{
  if (weights == NULL)
    return;
  g_clear_error (&weights->failure);
  g_ptr_array_unref (weights->quantized);
  g_ptr_array_unref (weights->owned);
  g_free (weights->prefix);
  g_array_unref (weights->taken);
  ituning_tensors_free (weights->tensors);
  ituning_gguf_unref (weights->packed);
  g_free (weights);
}

/**
 * ituning_weights_is_packed:
 *
 * Returns: whether they are as in a packed file, which holds the weights of a
 *   Conv1D as [n_out, n_in]
 */
gboolean
ituning_weights_is_packed (const ItuningWeights *weights)
{
  return weights->packed != NULL || weights->random_type != ITUNING_TYPE_F32;
}

/**
 * ituning_weights_set_pool:
 * @pool: (nullable): the threads to convert and check with what is taken from
 *   now on; %NULL for the caller's alone
 */
void
ituning_weights_set_pool (ItuningWeights *weights, ItuningPool *pool)
{
  weights->pool = pool;
}

/**
 * ituning_weights_set_prefix:
 * @prefix: put before every name from now on, such as "transformer."
 */
void
ituning_weights_set_prefix (ItuningWeights *weights, const char *prefix)
{
  g_free (weights->prefix);
  weights->prefix = g_strdup (prefix);
}

/**
 * ituning_weights_set_store:
 * @store: gives the memory for what is taken from now on
 * @data: what it is given
 *
 * For weights that change: what is taken is copied to memory of the caller's.
 */
void
ituning_weights_set_store (ItuningWeights *weights, ItuningWeightsStore store,
    gpointer data)
{
  weights->store = store;
  weights->store_data = data;
}

/* --- what is there ------------------------------------------------------ */

/**
 * ituning_weights_find_taken:
 * @name: full name
 *
 * Returns: (transfer none) (nullable): what was taken under it
 */
const ItuningTensor *
ituning_weights_find_taken (const ItuningWeights *weights, const char *name)
{
  for (guint i = 0; i < weights->taken->len; i++) {
    const ItuningTensor *tensor = &g_array_index (weights->taken, ItuningTensor,
        i);
    if (g_str_equal (tensor->name, name))
      return tensor;
  }
  return NULL;
}

/**
 * ituning_weights_name_stored:
 * @name: full name
 *
 * Returns: (transfer full): what the file calls it; a packed one has no such
 *   tensor where there is no name for it
 */
char *
ituning_weights_name_stored (const ItuningWeights *weights, const char *name)
{
  char *packed = weights->packed != NULL ? ituning_name_pack (name, NULL)
                                         : NULL;

  return packed != NULL ? packed : g_strdup (name);
}

/**
 * ituning_weights_find_stored:
 * @stored: a name in the file
 *
 * Returns: (transfer none) (nullable): the tensor of that name
 */
const ItuningTensor *
ituning_weights_find_stored (const ItuningWeights *weights, const char *stored)
{
  return weights->packed != NULL
      ? ituning_gguf_lookup (weights->packed, stored)
      : ituning_tensors_lookup (weights->tensors, stored);
}

/**
 * ituning_weights_fail:
 * @stored: name of a tensor, as the file has it
 * @what: what is wrong with it
 *
 * Keeps the first failure for ituning_weights_finish ().
 */
void
ituning_weights_fail (ItuningWeights *weights, ItuningError code,
    const char *stored, const char *what)
{
  if (weights->failure == NULL)
    weights->failure = g_error_new (ITUNING_ERROR, (int) code,
        "%s: tensor \"%s\" %s",
        weights->packed != NULL ? ituning_gguf_get_path (weights->packed)
                                : ituning_tensors_get_path (weights->tensors),
        stored, what);
}

/**
 * ituning_weights_has:
 * @name: a name, without the prefix
 *
 * Returns: whether there is such a tensor; TRUE for random weights
 */
gboolean
ituning_weights_has (ItuningWeights *weights, const char *name)
{
  g_autofree char *full = g_strconcat (weights->prefix, name, NULL);
  g_autofree char *stored = ituning_weights_name_stored (weights, full);

  if (weights->source != NULL)
    return ituning_weights_find_taken (weights->source, full) != NULL;
  return ituning_weights_is_random (weights) ||
      ituning_weights_find_stored (weights, stored) != NULL;
}

/**
 * ituning_weights_choose_type:
 * @kind: what the tensor is
 * @type: what a packed file has matrices as
 * @vocabulary: what it has those as that have a row for each token
 * @n_in: columns; blocks want whole ones
 *
 * Returns: what it has this one as
 */
ItuningType
ituning_weights_choose_type (ItuningNameKind kind, ItuningType type,
    ItuningType vocabulary, gsize n_in)
{
  const ItuningType wanted = kind == ITUNING_NAME_VOCABULARY ? vocabulary
                                                             : type;
  const gboolean fits = ituning_type_bits (wanted) == 0 ||
      n_in % ITUNING_QUANT_BLOCK == 0;

  return kind != ITUNING_NAME_PLAIN && fits ? wanted : ITUNING_TYPE_F32;
}

/* --- taking ------------------------------------------------------------- */

/* F32; or, of a matrix, the form that it has in the file. It is kept so. */
static ItuningMatrix
take (ItuningWeights *self, gboolean is_matrix, const gsize *dims, gsize n_dims,
    const char *name)
{
  ItuningTensor taken = { .n_dims = (guint) n_dims };
  ItuningMatrix found = { 0 };
  gsize n = 1;

  for (gsize i = 0; i < n_dims; i++) {
    taken.dims[i] = dims[i];
    n *= dims[i]; /* bounded by the configs */
  }
  taken.name = g_strconcat (self->prefix, name, NULL);
  ituning_weights_find (&found, self, taken.name, is_matrix, dims, n_dims);
  taken.type = found.halves == NULL ? ITUNING_TYPE_F32
      : found.is_bfloat16           ? ITUNING_TYPE_BF16
                                    : ITUNING_TYPE_F16;
  taken.data = found.halves != NULL ? found.halves : found.values;
  if (taken.data != NULL)
    taken.size = n * ituning_type_size (taken.type);
  self->info.n_parameters += n;
  g_array_append_val (self->taken, taken);
  g_ptr_array_add (self->quantized, (gpointer) found.quantized);
  return found;
}

/**
 * ituning_weights_take:
 * @weights: weights
 * @dims: [@n_dims] the shape that the config asks for: ITUNING_SHAPE (…)
 * @n_dims: how many
 * @name_format: name of the tensor without the prefix, as for printf ()
 *
 * Finds a parameter, checks its shape, type and that all of it is finite.
 *
 * Returns: (transfer none) (nullable): its values, row-major, which live as
 *   long as @weights or their store; or %NULL: then ituning_weights_finish ()
 *   tells why, and all further calls may be made and their results thrown away
 */
const float *
ituning_weights_take (ItuningWeights *weights, const gsize *dims, gsize n_dims,
    const char *name_format, ...)
{
  g_autofree char *name = NULL;
  va_list args;

  if (weights->failure != NULL)
    return NULL;
  va_start (args, name_format);
  name = g_strdup_vprintf (name_format, args);
  va_end (args);
  return take (weights, FALSE, dims, n_dims, name).values;
}

/**
 * ituning_weights_take_matrix:
 * @n_out: rows that the config asks for
 * @n_in: columns likewise
 *
 * As ituning_weights_take (), for the weight [@n_out, @n_in] of a layer.
 *
 * Returns: the matrix, in the form that it has in the file; all %NULL where
 *   ituning_weights_take () returns that
 */
ItuningMatrix
ituning_weights_take_matrix (ItuningWeights *weights, gsize n_out, gsize n_in,
    const char *name_format, ...)
{
  g_autofree char *name = NULL;
  va_list args;

  if (weights->failure != NULL)
    return (ItuningMatrix){ 0 };
  va_start (args, name_format);
  name = g_strdup_vprintf (name_format, args);
  va_end (args);
  return take (weights, TRUE, ITUNING_SHAPE (n_out, n_in), name);
}

/**
 * ituning_weights_get_taken:
 * @n_taken: (out): how many
 *
 * Returns: (transfer none) (array length=n_taken): all that was taken, with full
 *   names, in order; valid as long as @weights. It is F32 but for matrices of
 *   halves and quantised ones, which have no data: weights that are trained have
 *   none of either.
 */
const ItuningTensor *
ituning_weights_get_taken (const ItuningWeights *weights, gsize *n_taken)
{
  *n_taken = weights->taken->len;
  return (const ItuningTensor *) weights->taken->data;
}

/**
 * ituning_weights_refuse:
 * @name: name, without the prefix, of a tensor of a layer that the config does
 *   not have; a file with it holds another model than the config says
 */
void
ituning_weights_refuse (ItuningWeights *weights, const char *name)
{
  g_autofree char *full = g_strconcat (weights->prefix, name, NULL);
  g_autofree char *stored = ituning_weights_name_stored (weights, full);

  if (!ituning_weights_is_random (weights) &&
      ituning_weights_find_stored (weights, stored) != NULL)
    ituning_weights_fail (weights, ITUNING_ERROR_MISMATCH, stored,
        "is of a layer that the config does not have");
}

/**
 * ituning_weights_finish:
 * @weights: weights of which all was taken
 * @info: (out): what was taken
 *
 * Returns: FALSE with the error of the first ituning_weights_take () that
 *   failed: %ITUNING_ERROR_MISMATCH, %ITUNING_ERROR_UNSUPPORTED or
 *   %ITUNING_ERROR_NUMERIC
 */
gboolean
ituning_weights_finish (ItuningWeights *weights, ItuningPartInfo *info,
    GError **error)
{
  weights->pool = NULL;
  if (weights->failure != NULL) {
    g_propagate_error (error, g_steal_pointer (&weights->failure));
    return FALSE;
  }
  *info = weights->info;
  return TRUE;
}

/**
 * ituning_weights_pack:
 * @weights: weights of which all was taken, without a failure
 * @type: what matrices become; all else is F32, and so are matrices that
 *   cannot be of a quantised type
 * @vocabulary: likewise, of the matrices that have a row for each token
 * @writer: gets the tensors, in the order in which they were taken
 */
void
ituning_weights_pack (const ItuningWeights *weights, ItuningType type,
    ItuningType vocabulary, ItuningGgufWriter *writer)
{
  for (guint i = 0; i < weights->taken->len; i++) {
    const ItuningTensor *taken = &g_array_index (weights->taken, ItuningTensor,
        i);
    const ItuningQuantized *quantized = g_ptr_array_index (weights->quantized,
        i);
    ItuningNameKind kind = ITUNING_NAME_PLAIN;
    g_autofree char *name = ituning_name_pack (taken->name, &kind);
    const gboolean transpose = kind == ITUNING_NAME_CONV1D &&
        !ituning_weights_is_packed (weights);
    const gsize reversed[] = { taken->dims[1], taken->dims[0] };
    const gsize *dims = transpose ? reversed : taken->dims;
    const ItuningType as = ituning_weights_choose_type (kind, type, vocabulary,
        dims[taken->n_dims - 1]);
    if (quantized != NULL || taken->type != ITUNING_TYPE_F32) {
      const ItuningMatrix matrix = { .halves = quantized == NULL ? taken->data
                                                                 : NULL,
        .is_bfloat16 = taken->type == ITUNING_TYPE_BF16,
        .quantized = quantized };
      g_assert (!transpose);
      ituning_gguf_writer_add_matrix (writer, name, as, &matrix, dims[0],
          dims[1]);
      continue;
    }
    ituning_gguf_writer_add_tensor (writer, name, as, dims, taken->n_dims,
        taken->data, transpose);
  }
}
