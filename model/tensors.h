/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/ituning.h"

/* Readers of one file each. They check everything that the file claims and
 * append to @found an ItuningTensor per tensor, whose name is newly allocated
 * and whose data points into @file. On failure @found may have grown. */
gboolean ituning_safetensors_read (const char *path, GMappedFile *file,
    GArray *found, GError **error);
gboolean ituning_pytorch_read (const char *path, GMappedFile *file,
    GArray *found, GError **error);

guint ituning_type_bits (ItuningType type);
guint64 ituning_type_row_size (ItuningType type, guint64 n);
gboolean ituning_tensor_set_shape (ItuningTensor *tensor, const guint64 *dims,
    gsize n_dims);
gboolean ituning_tensors_check_overlaps (const char *path, GArray *found,
    guint first, GError **error);
ItuningTensors *ituning_tensors_open_folder (const char *folder,
    GError **error);
const char *ituning_tensors_get_path (const ItuningTensors *tensors);
char *ituning_tensor_describe_dims (const gsize *dims, gsize n_dims);
