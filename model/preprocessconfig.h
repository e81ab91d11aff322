/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/gguf.h"
#include "model/resample.h"

#define ITUNING_MAX_IMAGE_SIZE 16384
#define ITUNING_CHANNELS 3

/* What Hugging Face's preprocessor_config.json says, with the names of its
 * members. */
typedef struct
{
  gboolean do_resize, do_center_crop, do_rescale, do_normalize;
  gsize shortest_edge; /* to resize to; or 0 for: */
  gsize size_width, size_height;
  gsize crop_width, crop_height;
  gsize resample; /* an ItuningFilter */
  double rescale_factor;
  double mean[ITUNING_CHANNELS], std[ITUNING_CHANNELS];
} ItuningPreprocessConfig;

extern const ItuningPreprocessConfig ituning_preprocess_defaults;

gboolean ituning_preprocess_config_load (ItuningPreprocessConfig *config,
    const char *path, GError **error);
gboolean ituning_preprocess_config_unpack (ItuningPreprocessConfig *config,
    const ItuningGguf *packed, GError **error);
gboolean ituning_preprocess_config_equal (const ItuningPreprocessConfig *a,
    const ItuningPreprocessConfig *b);
void ituning_preprocess_config_add_to_checksum (const ItuningPreprocessConfig
                                                    *config,
    GChecksum *checksum);
void ituning_preprocess_config_pack (const ItuningPreprocessConfig *config,
    ItuningGgufWriter *writer);
float ituning_preprocess_config_map (const ItuningPreprocessConfig *config,
    gsize channel, gsize value);
