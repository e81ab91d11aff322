/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdio.h>

/* A file of features as it is written: a row for each image, and captions. */

/* What a row is. The name and the type are constants. */
typedef struct
{
  const char *name; /* of the tensor of rows */
  const char *type; /* of its elements, as safetensors names it */
  const char *shape; /* of a row, as JSON has it without its brackets */
  gsize size; /* of a row, in bytes */
} ItuningFeatureRows;

typedef struct
{
  char *path, *part, *list; /* owned */
  char *head; /* owned: first line of @list */
  FILE *data, *images; /* owned */
  ItuningFeatureRows rows; /* owns its shape */
  gsize n_done; /* images, skipped ones too */
  gsize n_skipped;
  gsize n_images;
  GArray *ids; /* owned: guint32, of all captions */
  GArray *lengths; /* owned: gint64 */
  GArray *image; /* owned: gint64 */
} ItuningFeatureFile;

ItuningFeatureFile *ituning_feature_file_new (const char *path,
    const ItuningFeatureRows *rows, char *head);
void ituning_feature_file_free (ItuningFeatureFile *file);
gboolean ituning_feature_file_check (const ItuningFeatureFile *file,
    GError **error);
gboolean ituning_feature_file_open (ItuningFeatureFile *file, GError **error);
gboolean ituning_feature_file_add (ItuningFeatureFile *file, const void *row,
    const GPtrArray *captions, GError **error);
gboolean ituning_feature_file_skip (ItuningFeatureFile *file, GError **error);
gboolean ituning_feature_file_finish (ItuningFeatureFile *file, GError **error);
