/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/weights.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "model/half.h"
#include "model/kernels/kernels.h"
#include "model/names.h"
#include "model/tensors.h"

/* What was taken. */
typedef struct
{
  char *name; /* owned: Hugging Face's */
  gsize dims[ITUNING_MAX_DIMS];
  gsize n_dims;
  const float *values; /* borrowed from the weights */
} Taken;

/* The parameters of one part of a model, as floats, under Hugging Face's names,
 * which a packed file has others for. Those stored as F32 are
 * used where they are mapped, if they are aligned there; others are copied into
 * memory of our own. With neither tensors nor a packed file they are random.
 * Immutable after ituning_weights_finish (). */
struct _ItuningWeights
{
  ItuningTensors *tensors; /* owned; of a folder */
  ItuningGguf *packed; /* owned reference: in place of @tensors */
  char *prefix; /* owned: before every name in the file */
  GArray *taken; /* owned: Taken */
  GPtrArray *owned; /* owned: converted or random values */
  guint64 random; /* state of the generator */
  ItuningPartInfo info;
  GError *failure; /* owned: the first one */
};

static void
clear_taken (gpointer taken)
{
  g_free (((Taken *) taken)->name);
}

static ItuningWeights *
weights_new (ItuningTensors *tensors, guint32 seed)
{
  ItuningWeights *self = g_new0 (ItuningWeights, 1);

  self->tensors = tensors;
  self->prefix = g_strdup ("");
  self->taken = g_array_new (FALSE, FALSE, sizeof (Taken));
  g_array_set_clear_func (self->taken, clear_taken);
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
 * ituning_weights_free:
 * @weights: (nullable) (transfer full): weights; what was taken goes with them
 */
void
ituning_weights_free (ItuningWeights *weights)
{
  if (weights == NULL)
    return;
  g_clear_error (&weights->failure);
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
 * Returns: whether they are of a packed file, which holds the weights of a
 *   Conv1D as [n_out, n_in]
 */
gboolean
ituning_weights_is_packed (const ItuningWeights *weights)
{
  return weights->packed != NULL;
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

static gboolean
is_random (const ItuningWeights *self)
{
  return self->tensors == NULL && self->packed == NULL;
}

/* What the file calls the tensor @name; a packed one has no such tensor where
 * there is no name for it. */
static char *
name_stored (const ItuningWeights *self, const char *name)
{
  char *packed = self->packed != NULL ? ituning_name_pack (name, NULL) : NULL;

  return packed != NULL ? packed : g_strdup (name);
}

static const ItuningTensor *
find_stored (const ItuningWeights *self, const char *stored)
{
  return self->packed != NULL ? ituning_gguf_lookup (self->packed, stored)
                              : ituning_tensors_lookup (self->tensors, stored);
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
  g_autofree char *stored = name_stored (weights, full);

  return is_random (weights) || find_stored (weights, stored) != NULL;
}

static float *
own_values (ItuningWeights *self, gsize n)
{
  float *values = g_aligned_alloc (MAX (n, 1), sizeof (float), 64);

  g_ptr_array_add (self->owned, values);
  self->info.owned_size += n * sizeof (float);
  return values;
}

/* Uniform in +-0.035, whose standard deviation is GPT-2's initial 0.02. */
static const float *
make_random (ItuningWeights *self, const char *name, const gsize *dims,
    gsize n_dims, gsize n)
{
  float *values = own_values (self, n);
  guint64 state = self->random;

  if (n_dims == 1 && g_str_has_suffix (name, ".weight")) {
    for (gsize i = 0; i < n; i++)
      values[i] = 1.0f;
    return values;
  }
  for (gsize i = 0; i < n; i++) {
    state ^= state << 13; /* Marsaglia's xorshift64 */
    state ^= state >> 7;
    state ^= state << 17;
    values[i] = ((float) (state >> 40) / 0x1p24f - 0.5f) * 0.07f;
  }
  self->random = state;
  return values;
}

static gboolean
same_shape (const ItuningTensor *tensor, const gsize *dims, gsize n_dims)
{
  if (tensor->n_dims != n_dims)
    return FALSE;
  for (gsize i = 0; i < n_dims; i++)
    if (tensor->dims[i] != dims[i])
      return FALSE;
  return TRUE;
}

static void
fail (ItuningWeights *self, ItuningError code, const char *name,
    const char *what)
{
  if (self->failure == NULL)
    self->failure = g_error_new (ITUNING_ERROR, (int) code,
        "%s: tensor \"%s\" %s",
        self->packed != NULL ? ituning_gguf_get_path (self->packed)
                             : ituning_tensors_get_path (self->tensors),
        name, what);
}

/* Gives back the memory of mapped pages that will not be read again. */
static void
drop_pages (const void *data, gsize size)
{
  const gsize page = (gsize) sysconf (_SC_PAGESIZE);
  const gsize start = ((gsize) data + page - 1) / page * page;
  const gsize end = ((gsize) data + size) / page * page;

  if (end > start)
    madvise ((void *) start, end - start, MADV_DONTNEED);
}

/* F32 is used in place where it is aligned; all else is copied. */
static const float *
as_floats (ItuningWeights *self, const ItuningTensor *tensor, gsize n)
{
  const gboolean aligned = (gsize) tensor->data % sizeof (float) == 0;
  float *values;

  if (tensor->type == ITUNING_TYPE_F32 && aligned) {
    self->info.mapped_size += tensor->size;
    return tensor->data;
  }
  values = own_values (self, n);
  if (tensor->type == ITUNING_TYPE_F32)
    memcpy (values, tensor->data, tensor->size);
  else if (tensor->type == ITUNING_TYPE_F16)
    ituning_half_to_float (values, tensor->data, n);
  else
    ituning_bfloat16_to_float (values, tensor->data, n);
  if (self->packed == NULL || ituning_gguf_is_mapped (self->packed))
    drop_pages (tensor->data, tensor->size);
  return values;
}

static const float *
take_stored (ItuningWeights *self, const char *name, const gsize *dims,
    gsize n_dims, gsize n)
{
  const ItuningTensor *tensor = find_stored (self, name);
  const float *values;

  if (tensor == NULL) {
    fail (self, ITUNING_ERROR_MISMATCH, name, "is missing");
    return NULL;
  }
  if (!same_shape (tensor, dims, n_dims)) {
    g_autofree char *wanted = ituning_tensor_describe_dims (dims, n_dims);
    g_autofree char *found = ituning_tensor_describe_dims (tensor->dims,
        tensor->n_dims);
    g_autofree char *what =
        g_strdup_printf ("has the shape %s, wanted %s by the config", found,
            wanted);
    fail (self, ITUNING_ERROR_MISMATCH, name, what);
    return NULL;
  }
  if (tensor->type > ITUNING_TYPE_BF16) {
    g_autofree char *what =
        g_strdup_printf ("is of type %s, wanted F32, F16 or BF16",
            ituning_type_name (tensor->type));
    fail (self, ITUNING_ERROR_UNSUPPORTED, name, what);
    return NULL;
  }
  self->info.type = MAX (self->info.type, tensor->type);
  values = as_floats (self, tensor, n);
  if (!ituning_kernels_get ()->all_finite (values, n)) {
    fail (self, ITUNING_ERROR_NUMERIC, name, "holds a NaN or an infinity");
    return NULL;
  }
  return values;
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
 *   long as @weights; or %NULL: then ituning_weights_finish () tells why, and
 *   all further calls may be made and their results thrown away
 */
const float *
ituning_weights_take (ItuningWeights *weights, const gsize *dims, gsize n_dims,
    const char *name_format, ...)
{
  g_autofree char *name = NULL, *stored = NULL;
  Taken taken = { .n_dims = n_dims };
  va_list args;
  gsize n = 1;

  if (weights->failure != NULL)
    return NULL;
  va_start (args, name_format);
  name = g_strdup_vprintf (name_format, args);
  va_end (args);
  taken.name = g_strconcat (weights->prefix, name, NULL);
  stored = name_stored (weights, taken.name);
  for (gsize i = 0; i < n_dims; i++) {
    taken.dims[i] = dims[i];
    n *= dims[i]; /* bounded by the configs */
  }
  weights->info.n_parameters += n;
  taken.values = is_random (weights)
      ? make_random (weights, stored, dims, n_dims, n)
      : take_stored (weights, stored, dims, n_dims, n);
  g_array_append_val (weights->taken, taken);
  return taken.values;
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
  g_autofree char *stored = name_stored (weights, full);

  if (!is_random (weights) && find_stored (weights, stored) != NULL)
    fail (weights, ITUNING_ERROR_MISMATCH, stored,
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
 * @type: what matrices become; all else is F32
 * @writer: gets the tensors, in the order in which they were taken
 */
void
ituning_weights_pack (const ItuningWeights *weights, ItuningType type,
    ItuningGgufWriter *writer)
{
  for (guint i = 0; i < weights->taken->len; i++) {
    const Taken *taken = &g_array_index (weights->taken, Taken, i);
    ItuningNameKind kind;
    g_autofree char *name = ituning_name_pack (taken->name, &kind);
    const gboolean transpose = kind == ITUNING_NAME_CONV1D &&
        !ituning_weights_is_packed (weights);
    const gsize reversed[] = { taken->dims[1], taken->dims[0] };
    ituning_gguf_writer_add_tensor (writer, name,
        kind == ITUNING_NAME_PLAIN ? ITUNING_TYPE_F32 : type,
        transpose ? reversed : taken->dims, taken->n_dims, taken->values,
        transpose);
  }
}
