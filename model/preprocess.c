/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/preprocess.h"

#include <math.h>

#include "model/json.h"
#include "model/resample.h"

/* Hugging Face's CLIPImageProcessor: resize -> centre crop -> rescale ->
 * normalise, each of which its config may leave out. "do_convert_rgb" has
 * nothing to do: pictures are RGB already. */

#define MAX_SIZE 16384
#define CHANNELS 3

/* Immutable once opened. */
struct _ItuningPreprocessor
{
  gatomicrefcount refs;
  gboolean do_resize;
  gsize shortest_edge; /* to resize to; or 0 for: */
  gsize size_width, size_height;
  ItuningFilter filter;
  gboolean do_center_crop;
  gsize width, height; /* of the result */
  float values[CHANNELS][256]; /* result of each 8-bit value */
};

/* What the config says, before it is checked as a whole. */
typedef struct
{
  gboolean do_resize, do_center_crop, do_rescale, do_normalize;
  gsize shortest_edge, size_width, size_height;
  gsize crop_width, crop_height;
  gsize resample;
  double rescale_factor;
  double mean[CHANNELS], std[CHANNELS];
} Config;

/* CLIPImageProcessor's defaults. */
static const Config defaults = {
  .do_resize = TRUE,
  .do_center_crop = TRUE,
  .do_rescale = TRUE,
  .do_normalize = TRUE,
  .shortest_edge = 224,
  .crop_width = 224,
  .crop_height = 224,
  .resample = ITUNING_FILTER_BICUBIC,
  .rescale_factor = 1.0 / 255.0,
  .mean = { 0.48145466, 0.4578275, 0.40821073 },
  .std = { 0.26862954, 0.26130258, 0.27577711 },
};

/* --- config ------------------------------------------------------------- */

static gboolean
refuse (GError **error, ItuningError code, const char *path, const char *what)
{
  g_set_error (error, ITUNING_ERROR, (int) code, "%s: %s", path, what);
  return FALSE;
}

/* "size" and "crop_size" are a number, the old form of {"shortest_edge"}, or
 * an object. As a crop one edge means a square. */
static gboolean
read_size (JsonObject *object, const char *path, const char *member,
    gsize *edge, gsize *width, gsize *height, GError **error)
{
  JsonNode *node = json_object_get_member (object, member);
  g_autofree char *where = NULL;
  JsonObject *nested;

  if (node == NULL || JSON_NODE_HOLDS_NULL (node))
    return TRUE;
  *edge = *width = *height = 0;
  if (!JSON_NODE_HOLDS_OBJECT (node))
    return ituning_json_get_size (object, path, member, 1, MAX_SIZE, edge,
        error);
  nested = json_node_get_object (node);
  where = g_strdup_printf ("%s: \"%s\"", path, member);
  if (!ituning_json_get_size (nested, where, "shortest_edge", 1, MAX_SIZE, edge,
          error) ||
      !ituning_json_get_size (nested, where, "width", 1, MAX_SIZE, width,
          error) ||
      !ituning_json_get_size (nested, where, "height", 1, MAX_SIZE, height,
          error))
    return FALSE;
  if (json_object_has_member (nested, "longest_edge") ||
      (*edge == 0) != (*width != 0) || (*edge == 0) != (*height != 0)) {
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_UNSUPPORTED,
        "%s: \"%s\" gives neither \"shortest_edge\" alone nor \"height\" and "
        "\"width\"",
        path, member);
    return FALSE;
  }
  return TRUE;
}

static gboolean
read_channels (JsonObject *object, const char *path, const char *member,
    double *values, GError **error)
{
  JsonNode *node = json_object_get_member (object, member);
  JsonArray *array;

  if (node == NULL || JSON_NODE_HOLDS_NULL (node))
    return TRUE;
  array = JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;
  if (array != NULL && json_array_get_length (array) == CHANNELS) {
    for (guint i = 0; i < CHANNELS; i++) {
      JsonNode *element = json_array_get_element (array, i);
      const GType type = json_node_get_value_type (element);
      values[i] = type == G_TYPE_DOUBLE || type == G_TYPE_INT64
          ? json_node_get_double (element)
          : (double) NAN;
    }
    if (isfinite (values[0]) && isfinite (values[1]) && isfinite (values[2]))
      return TRUE;
  }
  g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_FORMAT,
      "%s: \"%s\" is not a list of three numbers", path, member);
  return FALSE;
}

static gboolean
read_steps (JsonObject *object, const char *path, Config *config,
    GError **error)
{
  return ituning_json_get_boolean (object, path, "do_resize",
             &config->do_resize, error) &&
      ituning_json_get_boolean (object, path, "do_center_crop",
          &config->do_center_crop, error) &&
      ituning_json_get_boolean (object, path, "do_rescale", &config->do_rescale,
          error) &&
      ituning_json_get_boolean (object, path, "do_normalize",
          &config->do_normalize, error) &&
      ituning_json_get_size (object, path, "resample", 0, 5, &config->resample,
          error) &&
      ituning_json_get_double (object, path, "rescale_factor",
          &config->rescale_factor, error) &&
      read_channels (object, path, "image_mean", config->mean, error) &&
      read_channels (object, path, "image_std", config->std, error);
}

static gboolean
read_config (JsonObject *object, const char *path, Config *config,
    GError **error)
{
  gsize crop_edge = 0;

  if (!read_steps (object, path, config, error) ||
      !read_size (object, path, "size", &config->shortest_edge,
          &config->size_width, &config->size_height, error) ||
      !read_size (object, path, "crop_size", &crop_edge, &config->crop_width,
          &config->crop_height, error))
    return FALSE;
  if (crop_edge != 0)
    config->crop_width = config->crop_height = crop_edge;
  return TRUE;
}

/* The 8-bit @value of a channel, rescaled and normalised in double precision
 * and rounded once. */
static float
map_value (const Config *config, gsize channel, gsize value)
{
  double x = (double) value;

  if (config->do_rescale)
    x *= config->rescale_factor;
  if (config->do_normalize)
    x = (x - config->mean[channel]) / config->std[channel];
  return (float) x;
}

static gboolean
check_config (const char *path, const Config *config, GError **error)
{
  if (config->do_resize && config->resample == 0)
    return refuse (error, ITUNING_ERROR_UNSUPPORTED, path,
        "\"resample\" is 0 (nearest), which is not supported");
  if (!config->do_center_crop &&
      !(config->do_resize && config->shortest_edge == 0))
    return refuse (error, ITUNING_ERROR_UNSUPPORTED, path,
        "without \"do_center_crop\" images keep different sizes, the model "
        "takes one");
  for (gsize i = 0; i < CHANNELS; i++) {
    if (config->do_normalize && !(config->std[i] > 0.0))
      return refuse (error, ITUNING_ERROR_FORMAT, path,
          "\"image_std\" is not above 0");
    if (!isfinite (map_value (config, i, 0)) ||
        !isfinite (map_value (config, i, 255)))
      return refuse (error, ITUNING_ERROR_FORMAT, path,
          "\"rescale_factor\", \"image_mean\" and \"image_std\" make pixels "
          "that are not finite");
  }
  return TRUE;
}

static ItuningPreprocessor *
preprocessor_new (const Config *config)
{
  ItuningPreprocessor *self = g_new0 (ItuningPreprocessor, 1);

  g_atomic_ref_count_init (&self->refs);
  self->do_resize = config->do_resize;
  self->shortest_edge = config->shortest_edge;
  self->size_width = config->size_width;
  self->size_height = config->size_height;
  self->filter = (ItuningFilter) config->resample;
  self->do_center_crop = config->do_center_crop;
  self->width = config->do_center_crop ? config->crop_width
                                       : config->size_width;
  self->height = config->do_center_crop ? config->crop_height
                                        : config->size_height;
  for (gsize channel = 0; channel < CHANNELS; channel++)
    for (gsize i = 0; i < 256; i++)
      self->values[channel][i] = map_value (config, channel, i);
  return self;
}

/**
 * ituning_preprocessor_open:
 * @vision_dir: a folder with `preprocessor_config.json`, of Hugging Face's
 *   CLIPImageProcessor or the older CLIPFeatureExtractor
 *
 * Members that are absent take CLIPImageProcessor's defaults.
 *
 * Returns: (transfer full): the preprocessor; or %NULL with
 *   %ITUNING_ERROR_OPEN, %ITUNING_ERROR_FORMAT or %ITUNING_ERROR_UNSUPPORTED
 */
ItuningPreprocessor *
ituning_preprocessor_open (const char *vision_dir, GError **error)
{
  g_autofree char *path = NULL;
  g_autoptr (JsonNode) root = NULL;
  Config config = defaults;
  JsonObject *object;

  g_return_val_if_fail (vision_dir != NULL, NULL);
  path = g_build_filename (vision_dir, "preprocessor_config.json", NULL);
  root = ituning_json_load (path, error);
  if (root == NULL || !ituning_json_object (root, path, &object, error) ||
      !read_config (object, path, &config, error) ||
      !check_config (path, &config, error))
    return NULL;
  return preprocessor_new (&config);
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
  Config config = defaults;

  g_return_val_if_fail (size >= 1 && size <= MAX_SIZE, NULL);
  config.shortest_edge = config.crop_width = config.crop_height = size;
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
  const gsize edge = self->shortest_edge;

  if (!self->do_resize) {
    *width = image->width;
    *height = image->height;
  } else if (edge == 0) {
    *width = self->size_width;
    *height = self->size_height;
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
  const gsize max = MIN (G_MAXINT32 / CHANNELS, G_MAXSIZE / MAX_SIZE);

  if (image->pixels != NULL && image->width >= 1 && image->height >= 1 &&
      image->width <= max && image->height <= max &&
      image->stride >= CHANNELS * image->width &&
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

  for (gsize channel = 0; channel < CHANNELS; channel++) {
    const float *values = self->values[channel];
    const guint8 *pixel = pixels + channel;
    float *plane = pixel_values + channel * n;
    for (gsize i = 0; i < n; i++)
      plane[i] = values[0];
    for (gsize y = 0; y < place->height; y++) {
      float *row = plane + (place->top + y) * self->width + place->left;
      for (gsize x = 0; x < place->width; x++, pixel += CHANNELS)
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
  pixels = g_malloc_n (window.width * window.height, CHANNELS);
  ituning_resample (pixels, image, self->filter, width, height, &window);
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

  for (gsize channel = 0; channel < CHANNELS; channel++) {
    const float *values = preprocessor->values[channel];
    const float step = (values[255] - values[0]) / 255.0f;
    for (gsize i = 0; i < n; i++)
      pixels[CHANNELS * i + channel] = (guint8) lrintf (
          (pixel_values[channel * n + i] - values[0]) / step);
  }
}
