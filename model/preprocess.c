/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/preprocess.h"

#include <math.h>

#include "model/packed.h"
#include "model/resample.h"

/* Hugging Face's CLIPImageProcessor: resize -> centre crop -> rescale ->
 * normalise, each of which its config may leave out. "do_convert_rgb" has
 * nothing to do: pictures are RGB already. */

/* Immutable once opened. */
struct _ItuningPreprocessor
{
  gatomicrefcount refs;
  ItuningPreprocessConfig config;
  gsize width, height; /* of the result */
  float values[ITUNING_CHANNELS][256]; /* result of each 8-bit value */
};

/* --- opening ------------------------------------------------------------ */

static ItuningPreprocessor *
preprocessor_new (const ItuningPreprocessConfig *config)
{
  ItuningPreprocessor *self = g_new0 (ItuningPreprocessor, 1);

  g_atomic_ref_count_init (&self->refs);
  self->config = *config;
  self->width = config->do_center_crop ? config->crop_width
                                       : config->size_width;
  self->height = config->do_center_crop ? config->crop_height
                                        : config->size_height;
  for (gsize channel = 0; channel < ITUNING_CHANNELS; channel++)
    for (gsize i = 0; i < 256; i++)
      self->values[channel][i] = ituning_preprocess_config_map (config, channel,
          i);
  return self;
}

/**
 * ituning_preprocessor_new_packed:
 * @packed: a packed model
 *
 * Returns: (transfer full): its preprocessor; or %NULL with
 *   %ITUNING_ERROR_FORMAT or %ITUNING_ERROR_UNSUPPORTED
 */
ItuningPreprocessor *
ituning_preprocessor_new_packed (const ItuningGguf *packed, GError **error)
{
  ItuningPreprocessConfig config;

  return ituning_preprocess_config_unpack (&config, packed, error)
      ? preprocessor_new (&config)
      : NULL;
}

/**
 * ituning_preprocessor_open:
 * @vision_dir: a folder with `preprocessor_config.json`, of Hugging Face's
 *   CLIPImageProcessor or the older CLIPFeatureExtractor; or a packed model
 *
 * Members that are absent take CLIPImageProcessor's defaults.
 *
 * Returns: (transfer full): the preprocessor; or %NULL with
 *   %ITUNING_ERROR_OPEN, %ITUNING_ERROR_FORMAT or %ITUNING_ERROR_UNSUPPORTED
 */
ItuningPreprocessor *
ituning_preprocessor_open (const char *vision_dir, GError **error)
{
  ItuningPreprocessConfig config;
  g_autofree char *path = NULL;

  g_return_val_if_fail (vision_dir != NULL, NULL);
  if (ituning_packed_is (vision_dir)) {
    g_autoptr (ItuningGguf) packed = ituning_packed_open (vision_dir, error);
    return packed != NULL ? ituning_preprocessor_new_packed (packed, error)
                          : NULL;
  }
  path = g_build_filename (vision_dir, "preprocessor_config.json", NULL);
  return ituning_preprocess_config_load (&config, path, error)
      ? preprocessor_new (&config)
      : NULL;
}

/**
 * ituning_preprocessor_get_config:
 *
 * Returns: (transfer none): what it does
 */
const ItuningPreprocessConfig *
ituning_preprocessor_get_config (const ItuningPreprocessor *preprocessor)
{
  return &preprocessor->config;
}

/**
 * ituning_preprocessor_new_default:
 * @size: edge of the square result, 1 to 16384
 *
 * Returns: (transfer full): CLIP's preprocessing at that size
 */
ItuningPreprocessor *
ituning_preprocessor_new_default (gsize size)
{
  ItuningPreprocessConfig config = ituning_preprocess_defaults;

  g_return_val_if_fail (size >= 1 && size <= ITUNING_MAX_IMAGE_SIZE, NULL);
  config.shortest_edge = config.crop_width = config.crop_height = size;
  return preprocessor_new (&config);
}

/**
 * ituning_preprocessor_new_whole:
 * @size: edge of the square result, 1 to 16384
 *
 * Returns: (transfer full): CLIP's preprocessing, but of the whole picture,
 *   squashed into the square, in place of its middle
 */
ItuningPreprocessor *
ituning_preprocessor_new_whole (gsize size)
{
  ItuningPreprocessConfig config = ituning_preprocess_defaults;

  g_return_val_if_fail (size >= 1 && size <= ITUNING_MAX_IMAGE_SIZE, NULL);
  config.do_center_crop = FALSE;
  config.shortest_edge = 0;
  config.size_width = config.size_height = size;
  return preprocessor_new (&config);
}

/**
 * ituning_preprocessor_ref:
 * @preprocessor: a preprocessor
 *
 * Returns: (transfer full): @preprocessor
 */
ItuningPreprocessor *
ituning_preprocessor_ref (ItuningPreprocessor *preprocessor)
{
  g_return_val_if_fail (preprocessor != NULL, NULL);
  g_atomic_ref_count_inc (&preprocessor->refs);
  return preprocessor;
}

/**
 * ituning_preprocessor_unref:
 * @preprocessor: (nullable) (transfer full): a preprocessor
 */
void
ituning_preprocessor_unref (ItuningPreprocessor *preprocessor)
{
  if (preprocessor != NULL && g_atomic_ref_count_dec (&preprocessor->refs))
    g_free (preprocessor);
}

/**
 * ituning_preprocessor_get_size:
 * @preprocessor: a preprocessor
 * @width: (out): of the result, in pixels
 * @height: (out): of the result, in pixels
 */
void
ituning_preprocessor_get_size (const ItuningPreprocessor *preprocessor,
    gsize *width, gsize *height)
{
  g_return_if_fail (preprocessor != NULL && width != NULL && height != NULL);
  *width = preprocessor->width;
  *height = preprocessor->height;
}

/* --- running ------------------------------------------------------------ */

/* The longer edge becomes int (size * long / short), as in Hugging Face's
 * get_resize_output_image_size (). */
static void
choose_size (const ItuningPreprocessor *self, const ItuningImage *image,
    gsize *width, gsize *height)
{
  const gsize edge = self->config.shortest_edge;

  if (!self->config.do_resize) {
    *width = image->width;
    *height = image->height;
  } else if (edge == 0) {
    *width = self->config.size_width;
    *height = self->config.size_height;
  } else if (image->width <= image->height) {
    *width = edge;
    *height = edge * image->height / image->width;
  } else {
    *width = edge * image->width / image->height;
    *height = edge;
  }
}

/* Where an axis of @n pixels is cut to @wanted: the crop starts at
 * (n - wanted) // 2; what is missing is black, ceil (missing / 2) of it
 * before, as in Hugging Face's center_crop (). */
static void
crop_axis (gsize n, gsize wanted, gsize *start, gsize *length, gsize *before)
{
  *start = n > wanted ? (n - wanted) / 2 : 0;
  *length = MIN (n, wanted);
  *before = n < wanted ? (wanted - n + 1) / 2 : 0;
}

/* Edges of which choose_size () can multiply without overflow, and no more
 * bytes than memory holds. */
static gboolean
check_image (const ItuningImage *image, GError **error)
{
  const gsize max = MIN (G_MAXINT32 / ITUNING_CHANNELS,
      G_MAXSIZE / ITUNING_MAX_IMAGE_SIZE);

  if (image->pixels != NULL && image->width >= 1 && image->height >= 1 &&
      image->width <= max && image->height <= max &&
      image->stride >= ITUNING_CHANNELS * image->width &&
      image->stride <= G_MAXSSIZE / image->height)
    return TRUE;
  g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_INPUT,
      "an image of %" G_GSIZE_FORMAT " x %" G_GSIZE_FORMAT
      " with rows of %" G_GSIZE_FORMAT " bytes is not usable",
      image->width, image->height, image->stride);
  return FALSE;
}

/* pixels [place height, place width, 3] of 8 bits -> pixel_values [3, height,
 * width], black outside of @place */
static void
normalise (const ItuningPreprocessor *self, float *pixel_values,
    const guint8 *pixels, const ItuningWindow *place)
{
  const gsize n = self->width * self->height;

  for (gsize channel = 0; channel < ITUNING_CHANNELS; channel++) {
    const float *values = self->values[channel];
    const guint8 *pixel = pixels + channel;
    float *plane = pixel_values + channel * n;
    for (gsize i = 0; i < n; i++)
      plane[i] = values[0];
    for (gsize y = 0; y < place->height; y++) {
      float *row = plane + (place->top + y) * self->width + place->left;
      for (gsize x = 0; x < place->width; x++, pixel += ITUNING_CHANNELS)
        row[x] = values[*pixel];
    }
  }
}

/**
 * ituning_preprocessor_run:
 * @preprocessor: a preprocessor
 * @image: the picture
 * @pixel_values: [3, height, width] output, of the size that
 *   ituning_preprocessor_get_size () tells; untouched on failure
 *
 * Prepares a picture for the vision encoder.
 *
 * Returns: FALSE with %ITUNING_ERROR_INPUT when @image has no pixels, its rows
 *   overlap or it cannot be in memory
 */
gboolean
ituning_preprocessor_run (const ItuningPreprocessor *preprocessor,
    const ItuningImage *image, float *pixel_values, GError **error)
{
  const ItuningPreprocessor *self = preprocessor;
  g_autofree guint8 *pixels = NULL;
  ItuningWindow window, place;
  gsize width, height;

  g_return_val_if_fail (self != NULL && image != NULL, FALSE);
  g_return_val_if_fail (pixel_values != NULL, FALSE);
  if (!check_image (image, error))
    return FALSE;
  choose_size (self, image, &width, &height);
  crop_axis (width, self->width, &window.left, &window.width, &place.left);
  crop_axis (height, self->height, &window.top, &window.height, &place.top);
  place.width = window.width;
  place.height = window.height;
  pixels = g_malloc_n (window.width * window.height, ITUNING_CHANNELS);
  ituning_resample (pixels, image, (ItuningFilter) self->config.resample, width,
      height, &window);
  normalise (self, pixel_values, pixels, &place);
  return TRUE;
}

/**
 * ituning_preprocessor_get_pixels:
 * @pixels: [height, width, 3] output
 * @pixel_values: [3, height, width] what ituning_preprocessor_run () gave
 *
 * The 8-bit picture that was normalised.
 */
void
ituning_preprocessor_get_pixels (const ItuningPreprocessor *preprocessor,
    guint8 *pixels, const float *pixel_values)
{
  const gsize n = preprocessor->width * preprocessor->height;

  for (gsize channel = 0; channel < ITUNING_CHANNELS; channel++) {
    const float *values = preprocessor->values[channel];
    const float step = (values[255] - values[0]) / 255.0f;
    for (gsize i = 0; i < n; i++)
      pixels[ITUNING_CHANNELS * i + channel] = (guint8) lrintf (
          (pixel_values[channel * n + i] - values[0]) / step);
  }
}
