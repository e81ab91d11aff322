/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/weights.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "model/half.h"
#include "model/kernels/kernels.h"
#include "model/names.h"
#include "model/tensors.h"

/* The parameters of one part of a model under Hugging Face's names, which a
 * packed file has others for. Those stored as F32 are used where they are
 * mapped, if they are aligned there, and so are matrices [n_out, n_in] of halves.
 * Quantised matrices are copied as such, and all else as F32, into memory of our
 * own. With neither tensors nor a packed file they are those of another such
 * object, or random. Immutable after ituning_weights_finish (). */
struct _ItuningWeights
{
  ItuningTensors *tensors; /* owned; of a folder */
  ItuningGguf *packed; /* owned reference: in place of @tensors */
  const ItuningWeights *source; /* borrowed: what this is a copy of; or NULL */
  char *prefix; /* owned: before every name in the file */
  GArray *taken; /* owned: ItuningTensor with owned full names: of F32, or of
                  * halves that are used in place; no data if quantised */
  GPtrArray *quantized; /* owned: ItuningQuantized of each that was taken; NULL
                         * for others */
  GPtrArray *owned; /* owned: converted or random values */
  guint64 random; /* state of the generator */
  ItuningType random_type; /* of the matrices that it makes */
  ItuningType random_vocabulary; /* of those with a row for each token */
  ItuningPool *pool; /* borrowed while all is taken: to convert with; or NULL */
  ItuningWeightsStore store; /* where values go; or NULL */
  gpointer store_data;
  ItuningPartInfo info;
  GError *failure; /* owned: the first one */
};

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

static gboolean
is_random (const ItuningWeights *self)
{
  return self->tensors == NULL && self->packed == NULL;
}

static const ItuningTensor *
find_taken (const ItuningWeights *self, const char *name)
{
  for (guint i = 0; i < self->taken->len; i++) {
    const ItuningTensor *tensor = &g_array_index (self->taken, ItuningTensor,
        i);
    if (g_str_equal (tensor->name, name))
      return tensor;
  }
  return NULL;
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

  if (weights->source != NULL)
    return find_taken (weights->source, full) != NULL;
  return is_random (weights) || find_stored (weights, stored) != NULL;
}

#define LARGE_PAGE ((gsize) 2 << 20)

/* Memory that is about to be filled comes in large pages, where there are such:
 * a page at a time takes longer than to fill it. What is left over stays small. */
static float *
allocate_values (gsize n)
{
  const gsize size = n * sizeof (float);
  float *values = g_aligned_alloc (MAX (n, 1), sizeof (float),
      size >= LARGE_PAGE ? LARGE_PAGE : 64);

#ifdef MADV_HUGEPAGE
  if (size >= LARGE_PAGE)
    madvise (values, size / LARGE_PAGE * LARGE_PAGE, MADV_HUGEPAGE);
#endif
  return values;
}

static float *
own_values (ItuningWeights *self, gsize n)
{
  float *values = allocate_values (n);

  g_ptr_array_add (self->owned, values);
  self->info.owned_size += n * sizeof (float);
  return values;
}

/* Uniform in +-0.035, whose standard deviation is GPT-2's initial 0.02. */
static void
fill_random (ItuningWeights *self, float *values, gsize n)
{
  guint64 state = self->random;

  for (gsize i = 0; i < n; i++) {
    state ^= state << 13; /* Marsaglia's xorshift64 */
    state ^= state >> 7;
    state ^= state << 17;
    values[i] = ((float) (state >> 40) / 0x1p24f - 0.5f) * 0.07f;
  }
  self->random = state;
}

static const float *
make_random (ItuningWeights *self, const char *name, const gsize *dims,
    gsize n_dims, gsize n)
{
  float *values = own_values (self, n);

  if (n_dims == 1 && g_str_has_suffix (name, ".weight")) {
    for (gsize i = 0; i < n; i++)
      values[i] = 1.0f;
    return values;
  }
  fill_random (self, values, n);
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

/* --- reading ------------------------------------------------------------ */

/* Values that one task converts and checks, while they are near. */
#define CHUNK ((gsize) 1 << 16)

/* Reading a tensor of floats, or a quantised one. */
typedef struct
{
  const ItuningTensor *tensor;
  float *values; /* where floats go; NULL when they are used as they are */
  gsize n;
  ItuningQuantized *matrix; /* where rows of blocks go */
  gint finite; /* set to FALSE by the task that finds one that is not */
} Reading;

static void
copy_floats (float *to, const ItuningTensor *from, gsize first, gsize n)
{
  const guint8 *data = (const guint8 *) from->data +
      first * ituning_type_size (from->type);

  if (from->type == ITUNING_TYPE_F32)
    memcpy (to, data, n * sizeof (float));
  else if (from->type == ITUNING_TYPE_F16)
    ituning_half_to_float (to, data, n);
  else
    ituning_bfloat16_to_float (to, data, n);
}

static gboolean
are_finite (const void *data, ItuningType type, gsize n)
{
  return type == ITUNING_TYPE_F32
      ? ituning_kernels_get ()->all_finite (data, n)
      : ituning_halves_are_finite (data, n, type == ITUNING_TYPE_BF16);
}

static void
read_chunk (gsize task, guint worker, gpointer data)
{
  Reading *job = data;
  const gsize first = task * CHUNK, n = MIN (CHUNK, job->n - first);
  gboolean finite;

  if (job->values != NULL) {
    copy_floats (job->values + first, job->tensor, first, n);
    finite = are_finite (job->values + first, ITUNING_TYPE_F32, n);
  } else {
    finite = are_finite ((const guint8 *) job->tensor->data +
            first * ituning_type_size (job->tensor->type),
        job->tensor->type, n);
  }
  if (!finite)
    g_atomic_int_set (&job->finite, FALSE);
}

/* A panel of rows, which lie beside each other. */
static void
read_panel (gsize task, guint worker, gpointer data)
{
  Reading *job = data;
  const gsize first = task * ITUNING_QUANT_PANEL;
  const gsize end = MIN (first + ITUNING_QUANT_PANEL, job->matrix->n_out);
  const gsize row_size = (gsize) ituning_type_row_size (job->tensor->type,
      job->matrix->n_in);

  for (gsize row = first; row < end; row++)
    if (!ituning_quantized_set_row (job->matrix, row,
            (const guint8 *) job->tensor->data + row * row_size))
      g_atomic_int_set (&job->finite, FALSE);
}

/* Returns FALSE when something is a NaN or an infinity. */
static gboolean
read_all (ItuningWeights *self, gsize n_tasks, ItuningPoolFunc func,
    Reading *job)
{
  job->finite = TRUE;
  if (self->pool != NULL)
    ituning_pool_run (self->pool, n_tasks, func, job);
  for (gsize task = 0; self->pool == NULL && task < n_tasks; task++)
    func (task, 0, job);
  return job->finite;
}

/* Uses it where it is; FALSE when something is a NaN or an infinity. */
static gboolean
use_in_place (ItuningWeights *self, const ItuningTensor *tensor,
    const char *name, gsize n)
{
  Reading job = { .tensor = tensor, .n = n };

  self->info.mapped_size += tensor->size;
  if (read_all (self, (n + CHUNK - 1) / CHUNK, read_chunk, &job))
    return TRUE;
  fail (self, ITUNING_ERROR_NUMERIC, name, "holds a NaN or an infinity");
  return FALSE;
}

/* F32 is used in place where it is aligned; all else is copied. */
static const float *
as_floats (ItuningWeights *self, const ItuningTensor *tensor, const char *name,
    gsize n)
{
  const gboolean aligned = (gsize) tensor->data % sizeof (float) == 0;
  Reading job = { .tensor = tensor, .n = n };

  if (tensor->type == ITUNING_TYPE_F32 && aligned)
    return use_in_place (self, tensor, name, n) ? tensor->data : NULL;
  job.values = own_values (self, n);
  if (!read_all (self, (n + CHUNK - 1) / CHUNK, read_chunk, &job)) {
    fail (self, ITUNING_ERROR_NUMERIC, name, "holds a NaN or an infinity");
    return NULL;
  }
  if (self->packed == NULL || ituning_gguf_is_mapped (self->packed))
    drop_pages (tensor->data, tensor->size);
  return job.values;
}

/* The tensor of a file, if it is there and of that shape. */
static const ItuningTensor *
check_stored (ItuningWeights *self, const char *name, const gsize *dims,
    gsize n_dims)
{
  const ItuningTensor *tensor = find_stored (self, name);

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
  return tensor;
}

static const float *
take_stored (ItuningWeights *self, const char *name, const gsize *dims,
    gsize n_dims, gsize n)
{
  const ItuningTensor *tensor = check_stored (self, name, dims, n_dims);

  if (tensor == NULL)
    return NULL;
  if (tensor->type > ITUNING_TYPE_BF16) {
    g_autofree char *what =
        g_strdup_printf ("is of type %s, wanted F32, F16 or BF16",
            ituning_type_name (tensor->type));
    fail (self, ITUNING_ERROR_UNSUPPORTED, name, what);
    return NULL;
  }
  self->info.type = MAX (self->info.type, tensor->type);
  return as_floats (self, tensor, name, n);
}

/* What was taken from what this is a copy of, in memory of this. */
static const float *
copy_taken (ItuningWeights *self, const char *full, const gsize *dims,
    gsize n_dims, gsize n)
{
  float *values = self->store != NULL
      ? self->store (self->store_data, full, dims, n_dims)
      : own_values (self, n);

  copy_floats (values, find_taken (self->source, full), 0, n);
  return values;
}

/* Where the values of a tensor are found, and then where they stay. */
static const float *
find_values (ItuningWeights *self, const char *full, const gsize *dims,
    gsize n_dims, gsize n)
{
  g_autofree char *stored = name_stored (self, full);
  const float *values;

  if (self->source != NULL)
    return copy_taken (self, full, dims, n_dims, n);
  values = is_random (self) ? make_random (self, stored, dims, n_dims, n)
                            : take_stored (self, stored, dims, n_dims, n);
  return values != NULL && self->store != NULL
      ? memcpy (self->store (self->store_data, full, dims, n_dims), values,
            n * sizeof (float))
      : values;
}

/* --- matrices in other forms -------------------------------------------- */

/* What a packed file of @type has a tensor as, or of @vocabulary where it has a
 * row for each token. Rows of blocks are whole ones. */
static ItuningType
choose_type (ItuningNameKind kind, ItuningType type, ItuningType vocabulary,
    gsize n_in)
{
  const ItuningType wanted = kind == ITUNING_NAME_VOCABULARY ? vocabulary
                                                             : type;
  const gboolean fits = ituning_type_bits (wanted) == 0 ||
      n_in % ITUNING_QUANT_BLOCK == 0;

  return kind != ITUNING_NAME_PLAIN && fits ? wanted : ITUNING_TYPE_F32;
}

/* Of a matrix that is made here: as a packed file has it. */
static ItuningType
choose_random_type (const ItuningWeights *self, const char *full, gsize n_in)
{
  ItuningNameKind kind;

  g_free (ituning_name_pack (full, &kind));
  return choose_type (kind, self->random_type, self->random_vocabulary, n_in);
}

static gboolean
is_of_halves (ItuningType type)
{
  return type == ITUNING_TYPE_F16 || type == ITUNING_TYPE_BF16;
}

/* --- matrices of halves ------------------------------------------------- */

static void
set_halves (ItuningWeights *self, ItuningMatrix *matrix, const void *halves,
    ItuningType type)
{
  matrix->halves = halves;
  matrix->is_bfloat16 = type == ITUNING_TYPE_BF16;
  self->info.type = MAX (self->info.type, type);
}

static void
make_random_halves (ItuningWeights *self, ItuningMatrix *matrix,
    ItuningType type, gsize n)
{
  guint16 *halves = g_aligned_alloc (n, sizeof (guint16), 64);
  float part[256];

  g_ptr_array_add (self->owned, halves);
  self->info.owned_size += n * sizeof (guint16);
  for (gsize i = 0; i < n; i += G_N_ELEMENTS (part)) {
    const gsize count = MIN (G_N_ELEMENTS (part), n - i);
    fill_random (self, part, count);
    if (type == ITUNING_TYPE_F16)
      ituning_half_from_float (halves + i, part, count);
    else
      ituning_bfloat16_from_float (halves + i, part, count);
  }
  set_halves (self, matrix, halves, type);
}

static void
read_halves (ItuningWeights *self, ItuningMatrix *matrix, const char *full,
    const gsize *dims)
{
  g_autofree char *name = name_stored (self, full);
  const ItuningTensor *tensor = find_stored (self, name);

  if (tensor != NULL && is_of_halves (tensor->type) &&
      check_stored (self, name, dims, 2) != NULL &&
      use_in_place (self, tensor, name, dims[0] * dims[1]))
    set_halves (self, matrix, tensor->data, tensor->type);
}

/* Leaves @matrix empty when there are none, or they are to be trained. */
static void
find_halves (ItuningWeights *self, ItuningMatrix *matrix, const char *full,
    const gsize *dims)
{
  if (self->source != NULL || self->store != NULL)
    return;
  if (is_random (self)) {
    const ItuningType type = choose_random_type (self, full, dims[1]);
    if (is_of_halves (type))
      make_random_halves (self, matrix, type, dims[0] * dims[1]);
  } else {
    read_halves (self, matrix, full, dims);
  }
}

/* --- quantised matrices ------------------------------------------------- */

static ItuningQuantized *
own_quantized (ItuningWeights *self, guint bits, const gsize *dims)
{
  ItuningQuantized *matrix = ituning_quantized_new (bits, dims[0], dims[1]);

  self->info.owned_size += ituning_quantized_get_size (matrix);
  return matrix;
}

/* As a packed file has them: of those that it quantises. */
static ItuningQuantized *
make_random_quantized (ItuningWeights *self, const char *full,
    const gsize *dims)
{
  g_autofree float *row = g_new (float, dims[1]);
  g_autofree guint8 *blocks = NULL;
  const ItuningType type = choose_random_type (self, full, dims[1]);
  const guint bits = ituning_type_bits (type);
  ItuningQuantized *matrix;

  if (bits == 0)
    return NULL;
  matrix = own_quantized (self, bits, dims);
  blocks = g_malloc ((gsize) ituning_type_row_size (type, dims[1]));
  for (gsize i = 0; i < dims[0]; i++) {
    fill_random (self, row, dims[1]);
    ituning_quant_encode (bits, blocks, row, dims[1]);
    ituning_quantized_set_row (matrix, i, blocks);
  }
  self->info.type = MAX (self->info.type, type);
  return matrix;
}

/* %NULL when the file has floats, or none of that shape. */
static ItuningQuantized *
read_quantized (ItuningWeights *self, const char *full, const gsize *dims)
{
  g_autofree char *name = name_stored (self, full);
  const ItuningTensor *tensor = find_stored (self, name);
  const guint bits = tensor != NULL ? ituning_type_bits (tensor->type) : 0;
  Reading job = { .tensor = tensor };
  ItuningQuantized *matrix;

  if (bits == 0 || check_stored (self, name, dims, 2) == NULL)
    return NULL;
  job.matrix = matrix = own_quantized (self, bits, dims);
  if (!read_all (self, matrix->n_panels, read_panel, &job))
    fail (self, ITUNING_ERROR_NUMERIC, name, "holds a NaN or an infinity");
  if (self->packed == NULL || ituning_gguf_is_mapped (self->packed))
    drop_pages (tensor->data, tensor->size);
  self->info.type = MAX (self->info.type, tensor->type);
  return matrix;
}

static ItuningQuantized *
find_quantized (ItuningWeights *self, const char *full, const gsize *dims)
{
  if (self->source != NULL)
    return NULL;
  return is_random (self) ? make_random_quantized (self, full, dims)
                          : read_quantized (self, full, dims);
}

/* --- taking ------------------------------------------------------------- */

/* What was taken is kept, in the form that it has. */
static void
keep_taken (ItuningWeights *self, ItuningTensor *taken,
    const ItuningMatrix *matrix, ItuningQuantized *quantized)
{
  gsize n = 1;

  for (guint i = 0; i < taken->n_dims; i++)
    n *= taken->dims[i]; /* bounded by the configs */
  taken->type = matrix->halves == NULL ? ITUNING_TYPE_F32
      : matrix->is_bfloat16            ? ITUNING_TYPE_BF16
                                       : ITUNING_TYPE_F16;
  taken->data = matrix->halves != NULL ? matrix->halves : matrix->values;
  if (taken->data != NULL)
    taken->size = n * ituning_type_size (taken->type);
  self->info.n_parameters += n;
  g_array_append_val (self->taken, *taken);
  g_ptr_array_add (self->quantized, quantized);
}

/* F32; or, of a matrix, the form that it has in the file. */
static ItuningMatrix
take (ItuningWeights *self, gboolean is_matrix, const gsize *dims, gsize n_dims,
    const char *name)
{
  ItuningTensor taken = { .n_dims = (guint) n_dims };
  ItuningQuantized *quantized = NULL;
  ItuningMatrix matrix = { 0 };
  gsize n = 1;

  for (gsize i = 0; i < n_dims; i++) {
    taken.dims[i] = dims[i];
    n *= dims[i];
  }
  taken.name = g_strconcat (self->prefix, name, NULL);
  if (is_matrix)
    matrix.quantized = quantized = find_quantized (self, taken.name, dims);
  if (is_matrix && quantized == NULL && self->failure == NULL)
    find_halves (self, &matrix, taken.name, dims);
  if (matrix.halves == NULL && quantized == NULL && self->failure == NULL)
    matrix.values = find_values (self, taken.name, dims, n_dims, n);
  keep_taken (self, &taken, &matrix, quantized);
  return matrix;
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
    const ItuningMatrix matrix = { .halves = taken->data,
      .is_bfloat16 = taken->type == ITUNING_TYPE_BF16,
      .quantized = quantized };
    ItuningNameKind kind;
    g_autofree char *name = ituning_name_pack (taken->name, &kind);
    const gboolean transpose = kind == ITUNING_NAME_CONV1D &&
        !ituning_weights_is_packed (weights);
    const gsize reversed[] = { taken->dims[1], taken->dims[0] };
    const gsize *dims = transpose ? reversed : taken->dims;
    const ItuningType as = choose_type (kind, type, vocabulary,
        dims[taken->n_dims - 1]);
    if (quantized != NULL || taken->type != ITUNING_TYPE_F32)
      ituning_gguf_writer_add_matrix (writer, name, as, &matrix, dims[0],
          dims[1]);
    else
      ituning_gguf_writer_add_tensor (writer, name, as, dims, taken->n_dims,
          taken->data, transpose);
  }
}
