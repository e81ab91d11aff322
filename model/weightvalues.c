/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "model/half.h"
#include "model/kernels/kernels.h"
#include "model/weightsprivate.h"

/* Where the values of weights come from: they are found in a file, checked, and
 * used in place or copied; or made at random. */

/* --- memory -------------------------------------------------------------- */

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

static const guint8 *
find_place (const ItuningTensor *tensor, gsize first)
{
  return (const guint8 *) tensor->data +
      first * ituning_type_size (tensor->type);
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
    ituning_floats_read (job->values + first, find_place (job->tensor, first),
        job->tensor->type, n);
    finite = are_finite (job->values + first, ITUNING_TYPE_F32, n);
  } else {
    finite = are_finite (find_place (job->tensor, first), job->tensor->type, n);
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
  ituning_weights_fail (self, ITUNING_ERROR_NUMERIC, name,
      "holds a NaN or an infinity");
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
    ituning_weights_fail (self, ITUNING_ERROR_NUMERIC, name,
        "holds a NaN or an infinity");
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
  const ItuningTensor *tensor = ituning_weights_find_stored (self, name);

  if (tensor == NULL) {
    ituning_weights_fail (self, ITUNING_ERROR_MISMATCH, name, "is missing");
    return NULL;
  }
  if (!same_shape (tensor, dims, n_dims)) {
    g_autofree char *wanted = ituning_tensor_describe_dims (dims, n_dims);
    g_autofree char *found = ituning_tensor_describe_dims (tensor->dims,
        tensor->n_dims);
    g_autofree char *what =
        g_strdup_printf ("has the shape %s, wanted %s by the config", found,
            wanted);
    ituning_weights_fail (self, ITUNING_ERROR_MISMATCH, name, what);
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
    ituning_weights_fail (self, ITUNING_ERROR_UNSUPPORTED, name, what);
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
  const ItuningTensor *taken = ituning_weights_find_taken (self->source, full);
  float *values = self->store != NULL
      ? self->store (self->store_data, full, dims, n_dims)
      : own_values (self, n);

  g_assert (taken != NULL && taken->data != NULL); /* nothing quantised */
  ituning_floats_read (values, taken->data, taken->type, n);
  return values;
}

/* Where the values of a tensor are found, and then where they stay. */
static const float *
find_values (ItuningWeights *self, const char *full, const gsize *dims,
    gsize n_dims, gsize n)
{
  g_autofree char *stored = ituning_weights_name_stored (self, full);
  const float *values;

  if (self->source != NULL)
    return copy_taken (self, full, dims, n_dims, n);
  values = ituning_weights_is_random (self)
      ? make_random (self, stored, dims, n_dims, n)
      : take_stored (self, stored, dims, n_dims, n);
  return values != NULL && self->store != NULL
      ? memcpy (self->store (self->store_data, full, dims, n_dims), values,
            n * sizeof (float))
      : values;
}

/* --- matrices in other forms -------------------------------------------- */

/* Of a matrix that is made here: as a packed file has it. */
static ItuningType
choose_random_type (const ItuningWeights *self, const char *full, gsize n_in)
{
  ItuningNameKind kind = ITUNING_NAME_PLAIN;

  g_free (ituning_name_pack (full, &kind));
  return ituning_weights_choose_type (kind, self->random_type,
      self->random_vocabulary, n_in);
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
  g_autofree char *name = ituning_weights_name_stored (self, full);
  const ItuningTensor *tensor = ituning_weights_find_stored (self, name);

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
  if (ituning_weights_is_random (self)) {
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
  g_autofree char *name = ituning_weights_name_stored (self, full);
  const ItuningTensor *tensor = ituning_weights_find_stored (self, name);
  const guint bits = tensor != NULL ? ituning_type_bits (tensor->type) : 0;
  Reading job = { .tensor = tensor };
  ItuningQuantized *matrix;

  if (bits == 0 || check_stored (self, name, dims, 2) == NULL)
    return NULL;
  job.matrix = matrix = own_quantized (self, bits, dims);
  if (!read_all (self, matrix->n_panels, read_panel, &job))
    ituning_weights_fail (self, ITUNING_ERROR_NUMERIC, name,
        "holds a NaN or an infinity");
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
  return ituning_weights_is_random (self)
      ? make_random_quantized (self, full, dims)
      : read_quantized (self, full, dims);
}

/* --- all of it ----------------------------------------------------------- */

/**
 * ituning_weights_find:
 * @found: (out): empty; gets the values, the matrix of blocks owned by the caller
 * @name: full name
 * @is_matrix: whether it may be of another form than F32
 * @dims: [@n_dims] its shape; two of a matrix
 *
 * Leaves @found empty after a failure, which is kept.
 */
void
ituning_weights_find (ItuningMatrix *found, ItuningWeights *weights,
    const char *name, gboolean is_matrix, const gsize *dims, gsize n_dims)
{
  gsize n = 1;

  for (gsize i = 0; i < n_dims; i++)
    n *= dims[i];
  if (is_matrix)
    found->quantized = find_quantized (weights, name, dims);
  if (is_matrix && found->quantized == NULL && weights->failure == NULL)
    find_halves (weights, found, name, dims);
  if (found->halves == NULL && found->quantized == NULL &&
      weights->failure == NULL)
    found->values = find_values (weights, name, dims, n_dims, n);
}
