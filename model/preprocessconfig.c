/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/preprocessconfig.h"

#include <math.h>

#include "model/json.h"

/* CLIPImageProcessor's. */
const ItuningPreprocessConfig ituning_preprocess_defaults = {
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
    return ituning_json_get_size (object, path, member, 1,
        ITUNING_MAX_IMAGE_SIZE, edge, error);
  nested = json_node_get_object (node);
  where = g_strdup_printf ("%s: \"%s\"", path, member);
  if (!ituning_json_get_size (nested, where, "shortest_edge", 1,
          ITUNING_MAX_IMAGE_SIZE, edge, error) ||
      !ituning_json_get_size (nested, where, "width", 1, ITUNING_MAX_IMAGE_SIZE,
          width, error) ||
      !ituning_json_get_size (nested, where, "height", 1,
          ITUNING_MAX_IMAGE_SIZE, height, error))
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
  if (array != NULL && json_array_get_length (array) == ITUNING_CHANNELS) {
    for (guint i = 0; i < ITUNING_CHANNELS; i++) {
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
read_steps (JsonObject *object, const char *path,
    ItuningPreprocessConfig *config, GError **error)
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
read_config (JsonObject *object, const char *path,
    ItuningPreprocessConfig *config, GError **error)
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

/**
 * ituning_preprocess_config_map:
 * @config: a config
 * @channel: 0 to 2
 * @value: of a pixel, 0 to 255
 *
 * Returns: the value, rescaled and normalised in double precision and rounded
 *   once
 */
float
ituning_preprocess_config_map (const ItuningPreprocessConfig *config,
    gsize channel, gsize value)
{
  double x = (double) value;

  if (config->do_rescale)
    x *= config->rescale_factor;
  if (config->do_normalize)
    x = (x - config->mean[channel]) / config->std[channel];
  return (float) x;
}

static gboolean
check_config (const char *path, const ItuningPreprocessConfig *config,
    GError **error)
{
  if (config->do_resize && config->resample == 0)
    return refuse (error, ITUNING_ERROR_UNSUPPORTED, path,
        "\"resample\" is 0 (nearest), which is not supported");
  if (!config->do_center_crop &&
      !(config->do_resize && config->shortest_edge == 0))
    return refuse (error, ITUNING_ERROR_UNSUPPORTED, path,
        "without \"do_center_crop\" images keep different sizes, the model "
        "takes one");
  for (gsize i = 0; i < ITUNING_CHANNELS; i++) {
    if (config->do_normalize && !(config->std[i] > 0.0))
      return refuse (error, ITUNING_ERROR_FORMAT, path,
          "\"image_std\" is not above 0");
    if (!isfinite (ituning_preprocess_config_map (config, i, 0)) ||
        !isfinite (ituning_preprocess_config_map (config, i, 255)))
      return refuse (error, ITUNING_ERROR_FORMAT, path,
          "\"rescale_factor\", \"image_mean\" and \"image_std\" make pixels "
          "that are not finite");
  }
  return TRUE;
}

/**
 * ituning_preprocess_config_load:
 * @config: (out): the values; absent members take CLIPImageProcessor's defaults
 * @path: a `preprocessor_config.json`
 *
 * Returns: FALSE with %ITUNING_ERROR_OPEN, %ITUNING_ERROR_FORMAT or
 *   %ITUNING_ERROR_UNSUPPORTED
 */
gboolean
ituning_preprocess_config_load (ItuningPreprocessConfig *config,
    const char *path, GError **error)
{
  g_autoptr (JsonNode) root = ituning_json_load (path, error);
  JsonObject *object;

  *config = ituning_preprocess_defaults;
  return root != NULL && ituning_json_object (root, path, &object, error) &&
      read_config (object, path, config, error) &&
      check_config (path, config, error);
}

/* --- packed files ------------------------------------------------------- */

#define KEYS "ituning.preprocess."

/* Steps and sizes of a config; a size counts only where its step is on. */
static const struct
{
  const char *key;
  gsize offset;
} step_keys[] = {
  { KEYS "do_resize", G_STRUCT_OFFSET (ItuningPreprocessConfig, do_resize) },
  { KEYS "do_center_crop",
      G_STRUCT_OFFSET (ItuningPreprocessConfig, do_center_crop) },
  { KEYS "do_rescale", G_STRUCT_OFFSET (ItuningPreprocessConfig, do_rescale) },
  { KEYS "do_normalize",
      G_STRUCT_OFFSET (ItuningPreprocessConfig, do_normalize) },
}, size_keys[] = {
  { KEYS "shortest_edge",
      G_STRUCT_OFFSET (ItuningPreprocessConfig, shortest_edge) },
  { KEYS "size_width", G_STRUCT_OFFSET (ItuningPreprocessConfig, size_width) },
  { KEYS "size_height",
      G_STRUCT_OFFSET (ItuningPreprocessConfig, size_height) },
  { KEYS "crop_width", G_STRUCT_OFFSET (ItuningPreprocessConfig, crop_width) },
  { KEYS "crop_height",
      G_STRUCT_OFFSET (ItuningPreprocessConfig, crop_height) },
};

/* What read_config () makes sure of by itself. */
static gboolean
check_sizes (const char *path, const ItuningPreprocessConfig *config,
    GError **error)
{
  const gboolean square = config->shortest_edge > 0;

  if (config->do_resize &&
      (square == (config->size_width > 0) ||
          square == (config->size_height > 0)))
    return refuse (error, ITUNING_ERROR_FORMAT, path,
        "\"" KEYS "shortest_edge\" excludes \"" KEYS "size_width\" and "
        "\"" KEYS "size_height\", and one of the two has to be above 0");
  if (config->do_center_crop &&
      (config->crop_width == 0 || config->crop_height == 0))
    return refuse (error, ITUNING_ERROR_FORMAT, path,
        "\"" KEYS "crop_width\" or \"" KEYS "crop_height\" is 0");
  return TRUE;
}

/**
 * ituning_preprocess_config_unpack:
 * @config: (out): the values
 * @packed: a packed file, which has to have all keys
 *
 * Returns: FALSE with %ITUNING_ERROR_FORMAT or %ITUNING_ERROR_UNSUPPORTED
 */
gboolean
ituning_preprocess_config_unpack (ItuningPreprocessConfig *config,
    const ItuningGguf *packed, GError **error)
{
  const char *path = ituning_gguf_get_path (packed);

  *config = ituning_preprocess_defaults;
  for (gsize i = 0; i < G_N_ELEMENTS (step_keys); i++)
    if (!ituning_gguf_get_boolean (packed, step_keys[i].key,
            G_STRUCT_MEMBER_P (config, step_keys[i].offset), error))
      return FALSE;
  for (gsize i = 0; i < G_N_ELEMENTS (size_keys); i++)
    if (!ituning_gguf_get_size (packed, size_keys[i].key, 0,
            ITUNING_MAX_IMAGE_SIZE,
            G_STRUCT_MEMBER_P (config, size_keys[i].offset), error))
      return FALSE;
  return ituning_gguf_get_size (packed, KEYS "resample", 0, 5,
             &config->resample, error) &&
      ituning_gguf_get_double (packed, KEYS "rescale_factor",
          &config->rescale_factor, error) &&
      ituning_gguf_get_doubles (packed, "clip.vision.image_mean", config->mean,
          ITUNING_CHANNELS, error) &&
      ituning_gguf_get_doubles (packed, "clip.vision.image_std", config->std,
          ITUNING_CHANNELS, error) &&
      check_sizes (path, config, error) && check_config (path, config, error);
}

/* All that matters: no size where nothing is resized or cut, no mean where none is
 * taken away. */
static char *
describe (const ItuningPreprocessConfig *config)
{
  GString *text = g_string_new (NULL);

  if (config->do_resize)
    g_string_append_printf (text, "resize %zu %zu %zu by %zu,",
        config->shortest_edge, config->size_width, config->size_height,
        config->resample);
  if (config->do_center_crop)
    g_string_append_printf (text, "crop %zu %zu,", config->crop_width,
        config->crop_height);
  if (config->do_rescale)
    g_string_append_printf (text, "rescale %.9g,", config->rescale_factor);
  for (gsize i = 0; config->do_normalize && i < ITUNING_CHANNELS; i++)
    g_string_append_printf (text, "normalize %.9g %.9g,", config->mean[i],
        config->std[i]);
  return g_string_free (text, FALSE);
}

/**
 * ituning_preprocess_config_equal:
 *
 * Returns: whether both prepare every picture alike
 */
gboolean
ituning_preprocess_config_equal (const ItuningPreprocessConfig *a,
    const ItuningPreprocessConfig *b)
{
  g_autofree char *first = describe (a), *second = describe (b);

  return g_str_equal (first, second);
}

/**
 * ituning_preprocess_config_add_to_checksum:
 * @checksum: gets what @config does to a picture
 */
void
ituning_preprocess_config_add_to_checksum (const ItuningPreprocessConfig
                                               *config,
    GChecksum *checksum)
{
  g_autofree char *text = describe (config);

  g_checksum_update (checksum, (const guchar *) text, -1);
}

/**
 * ituning_preprocess_config_pack:
 * @config: a config
 * @writer: gets its keys. The constants are F64, so that a picture's values are
 *   the same to the last bit.
 */
void
ituning_preprocess_config_pack (const ItuningPreprocessConfig *config,
    ItuningGgufWriter *writer)
{
  for (gsize i = 0; i < G_N_ELEMENTS (step_keys); i++)
    ituning_gguf_writer_put_boolean (writer, step_keys[i].key,
        G_STRUCT_MEMBER (gboolean, config, step_keys[i].offset));
  for (gsize i = 0; i < G_N_ELEMENTS (size_keys); i++)
    ituning_gguf_writer_put_size (writer, size_keys[i].key,
        G_STRUCT_MEMBER (gsize, config, size_keys[i].offset));
  ituning_gguf_writer_put_size (writer, KEYS "resample", config->resample);
  ituning_gguf_writer_put_double (writer, KEYS "rescale_factor",
      config->rescale_factor);
  ituning_gguf_writer_put_doubles (writer, "clip.vision.image_mean",
      config->mean, ITUNING_CHANNELS);
  ituning_gguf_writer_put_doubles (writer, "clip.vision.image_std", config->std,
      ITUNING_CHANNELS);
}
