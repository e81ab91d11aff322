/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "model/files.h"
#include "model/json.h"
#include "model/train/ituning-train.h"

/* The files that say which captions belong to which image:
 *
 *   COCO         {"images": [{"id", "file_name"}],
 *                 "annotations": [{"image_id", "caption"}]}
 *   Karpathy     {"images": [{"filename", "filepath", "split",
 *                             "sentences": [{"raw"}]}]}
 *   JSON lines   {"image", "caption"} a line
 */

typedef struct
{
  char *id; /* owned */
  char *path; /* owned */
  GPtrArray *captions; /* owned: of owned strings, with a NULL at the end */
} Image;

/* Immutable once opened. */
struct _ItuningPairs
{
  const char *path; /* borrowed, while opening */
  const char *folder; /* borrowed likewise; or NULL */
  const char *split; /* borrowed likewise; or NULL */
  GArray *images; /* owned: Image */
  GHashTable *by_key; /* owned: key -> index + 1, while opening */
};

static void
clear_image (gpointer image)
{
  g_free (((Image *) image)->id);
  g_free (((Image *) image)->path);
  g_ptr_array_unref (((Image *) image)->captions);
}

static gboolean fail (const ItuningPairs *self, GError **error,
    const char *format, ...) G_GNUC_PRINTF (3, 4);

static gboolean
fail (const ItuningPairs *self, GError **error, const char *format, ...)
{
  g_autofree char *what = NULL;
  va_list args;

  va_start (args, format);
  what = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_FORMAT, "%s: %s", self->path,
      what);
  return FALSE;
}

/* --- members of JSON objects -------------------------------------------- */

static JsonObject *
as_object (JsonNode *node)
{
  return node != NULL && JSON_NODE_HOLDS_OBJECT (node)
      ? json_node_get_object (node)
      : NULL;
}

static JsonArray *
get_array (JsonObject *object, const char *member)
{
  JsonNode *node = json_object_get_member (object, member);

  return node != NULL && JSON_NODE_HOLDS_ARRAY (node)
      ? json_node_get_array (node)
      : NULL;
}

static const char *
get_string (JsonObject *object, const char *member)
{
  JsonNode *node = object != NULL ? json_object_get_member (object, member)
                                  : NULL;

  return node != NULL && json_node_get_value_type (node) == G_TYPE_STRING
      ? json_node_get_string (node)
      : NULL;
}

/* --- collecting --------------------------------------------------------- */

static Image *
add_image (ItuningPairs *self, const char *key, const char *name)
{
  Image image = { .id = g_strdup (key),
    .captions = g_ptr_array_new_with_free_func (g_free) };

  image.path = self->folder != NULL && !g_path_is_absolute (name)
      ? g_build_filename (self->folder, name, NULL)
      : g_strdup (name);
  g_array_append_val (self->images, image);
  g_hash_table_insert (self->by_key, g_strdup (key),
      GUINT_TO_POINTER (self->images->len));
  return &g_array_index (self->images, Image, self->images->len - 1);
}

static Image *
find_image (ItuningPairs *self, const char *key)
{
  const guint index = GPOINTER_TO_UINT (
      g_hash_table_lookup (self->by_key, key));

  return index > 0 ? &g_array_index (self->images, Image, index - 1) : NULL;
}

/* A caption is one line without space around it; an empty one is none. */
static void
add_caption (Image *image, const char *caption)
{
  char *text = g_strstrip (g_strdelimit (g_strdup (caption), "\r\n\t", ' '));

  if (text[0] != '\0')
    g_ptr_array_add (image->captions, text);
  else
    g_free (text);
}

/* Who asks for a split of a file that has none would get all of it. */
static gboolean
check_no_split (const ItuningPairs *self, GError **error)
{
  return self->split == NULL ||
      fail (self, error,
          "has no splits, so no \"%s\": those that Karpathy made have",
          self->split);
}

/* --- COCO --------------------------------------------------------------- */

static gboolean
read_coco_images (ItuningPairs *self, JsonArray *images, GError **error)
{
  for (guint i = 0; i < json_array_get_length (images); i++) {
    JsonObject *object = as_object (json_array_get_element (images, i));
    const char *name = get_string (object, "file_name");
    g_autofree char *key = object != NULL ? ituning_json_get_id (object, "id")
                                          : NULL;

    if (name == NULL || key == NULL)
      return fail (self, error, "image %u has no \"id\" or \"file_name\"", i);
    if (find_image (self, key) != NULL)
      return fail (self, error, "two images have the id %s", key);
    add_image (self, key, name);
  }
  return TRUE;
}

static gboolean
read_coco (ItuningPairs *self, JsonArray *images, JsonArray *annotations,
    GError **error)
{
  if (!read_coco_images (self, images, error))
    return FALSE;
  for (guint i = 0; i < json_array_get_length (annotations); i++) {
    JsonObject *object = as_object (json_array_get_element (annotations, i));
    const char *caption = get_string (object, "caption");
    g_autofree char *key = object != NULL
        ? ituning_json_get_id (object, "image_id")
        : NULL;
    Image *image = key != NULL ? find_image (self, key) : NULL;

    if (caption == NULL || key == NULL)
      return fail (self, error,
          "annotation %u has no \"image_id\" or \"caption\"", i);
    if (image == NULL)
      return fail (self, error,
          "annotation %u is of image %s, which is not "
          "there",
          i, key);
    add_caption (image, caption);
  }
  return TRUE;
}

/* --- Karpathy ----------------------------------------------------------- */

/* COCO's "restval" is trained on, as everyone does. */
static gboolean
is_wanted (const ItuningPairs *self, JsonObject *object)
{
  const char *split = get_string (object, "split");

  return self->split == NULL || g_strcmp0 (split, self->split) == 0 ||
      (g_str_equal (self->split, "train") && g_strcmp0 (split, "restval") == 0);
}

static gboolean
read_karpathy (ItuningPairs *self, JsonArray *images, GError **error)
{
  for (guint i = 0; i < json_array_get_length (images); i++) {
    JsonObject *object = as_object (json_array_get_element (images, i));
    const char *name = get_string (object, "filename");
    const char *folder = get_string (object, "filepath");
    JsonArray *sentences = object != NULL ? get_array (object, "sentences")
                                          : NULL;
    g_autofree char *path = NULL, *key = NULL;
    Image *image;

    if (name == NULL || sentences == NULL)
      return fail (self, error, "image %u has no \"filename\" or \"sentences\"",
          i);
    if (!is_wanted (self, object))
      continue;
    key = ituning_json_get_id (object, "cocoid"); /* of COCO's images alone */
    if (key == NULL)
      key = g_strdup_printf ("%u", i);
    if (find_image (self, key) != NULL)
      return fail (self, error, "two images have the id %s", key);
    path = folder != NULL ? g_build_filename (folder, name, NULL)
                          : g_strdup (name);
    image = add_image (self, key, path);
    for (guint k = 0; k < json_array_get_length (sentences); k++) {
      const char *raw = get_string (as_object (
                                        json_array_get_element (sentences, k)),
          "raw");
      if (raw == NULL)
        return fail (self, error, "sentence %u of image %u has no \"raw\"", k,
            i);
      add_caption (image, raw);
    }
  }
  return TRUE;
}

/* --- JSON lines --------------------------------------------------------- */

static gboolean
read_line (ItuningPairs *self, const char *line, gsize number, GError **error)
{
  g_autofree char *name = g_strdup_printf ("%s:%zu", self->path, number);
  g_autoptr (JsonNode) node = ituning_json_parse (name, line, strlen (line),
      error);
  const char *path, *caption;
  Image *image;

  if (node == NULL)
    return FALSE;
  path = get_string (as_object (node), "image");
  caption = get_string (as_object (node), "caption");
  if (path == NULL || caption == NULL)
    return fail (self, error, "line %zu has no \"image\" or \"caption\"",
        number);
  image = find_image (self, path);
  add_caption (image != NULL ? image : add_image (self, path, path), caption);
  return TRUE;
}

static gboolean
read_lines (ItuningPairs *self, const char *text, GError **error)
{
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);

  if (!check_no_split (self, error))
    return FALSE;
  for (gsize i = 0; lines[i] != NULL; i++)
    if (g_strstrip (lines[i])[0] != '\0' &&
        !read_line (self, lines[i], i + 1, error))
      return FALSE;
  return TRUE;
}

/* --- opening ------------------------------------------------------------ */

/* Whether there is an object on the first line and something behind it: then
 * the file as a whole is no JSON. */
static gboolean
is_lines (const char *text)
{
  const char *newline = strchr (text, '\n'), *end = newline;

  while (end != NULL && end > text && g_ascii_isspace (end[-1]))
    end--;
  return end != NULL && end > text && text[0] == '{' && end[-1] == '}' &&
      newline[strspn (newline, " \t\r\n")] != '\0';
}

/* JSON as a whole; or a file of lines that has but one, or is broken in its
 * first. */
static gboolean
read_whole (ItuningPairs *self, const char *text, gsize size, GError **error)
{
  g_autoptr (JsonNode) root = NULL;
  JsonObject *object;
  JsonArray *images, *annotations;

  if (g_str_has_prefix (text, "{\"image\":"))
    return read_lines (self, text, error);
  root = ituning_json_parse (self->path, text, size, error);
  if (root == NULL)
    return FALSE;
  object = as_object (root);
  if (get_string (object, "image") != NULL)
    return read_lines (self, text, error);
  images = object != NULL ? get_array (object, "images") : NULL;
  annotations = object != NULL ? get_array (object, "annotations") : NULL;
  if (images == NULL)
    return fail (self, error,
        "is no list of captions: wanted COCO's or Karpathy's JSON, or lines of "
        "{\"image\", \"caption\"}");
  if (annotations == NULL)
    return read_karpathy (self, images, error);
  return check_no_split (self, error) &&
      read_coco (self, images, annotations, error);
}

static gboolean
drop_without_captions (ItuningPairs *self, GError **error)
{
  for (guint i = self->images->len; i-- > 0;) {
    Image *image = &g_array_index (self->images, Image, i);
    if (image->captions->len == 0)
      g_array_remove_index (self->images, i);
    else
      g_ptr_array_add (image->captions, NULL);
  }
  if (self->images->len > 0)
    return TRUE;
  return self->split != NULL
      ? fail (self, error, "has no captions of the split \"%s\"", self->split)
      : fail (self, error, "has no captions");
}

/**
 * ituning_pairs_open:
 * @path: COCO's captions, Karpathy's `dataset_coco.json` or the like, or lines
 *   of {"image", "caption"}
 * @images: (nullable): folder that the images' names are relative to; %NULL
 *   for the current one
 * @split: (nullable): of Karpathy's file, an error for others: "train" (with
 *   "restval"), "val" or "test"; %NULL for all
 *
 * Images without captions are left out; line breaks in a caption become
 * spaces.
 *
 * Returns: (transfer full): the images, in the file's order; or %NULL with
 *   %ITUNING_ERROR_OPEN or %ITUNING_ERROR_FORMAT
 */
ItuningPairs *
ituning_pairs_open (const char *path, const char *images, const char *split,
    GError **error)
{
  g_autoptr (ItuningPairs) self = g_new0 (ItuningPairs, 1);
  g_autoptr (GMappedFile) file = ituning_file_map (path, error);
  g_autofree char *text = NULL;
  gsize size;

  if (file == NULL)
    return NULL;
  size = g_mapped_file_get_length (file);
  text = g_strndup (g_mapped_file_get_contents (file), size);
  self->path = path;
  self->folder = images;
  self->split = split;
  self->images = g_array_new (FALSE, FALSE, sizeof (Image));
  g_array_set_clear_func (self->images, clear_image);
  self->by_key = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  if (!(is_lines (text) ? read_lines (self, text, error)
                        : read_whole (self, text, size, error)) ||
      !drop_without_captions (self, error))
    return NULL;
  g_clear_pointer (&self->by_key, g_hash_table_unref);
  return g_steal_pointer (&self);
}

/**
 * ituning_pairs_free:
 * @pairs: (nullable) (transfer full): pairs
 */
void
ituning_pairs_free (ItuningPairs *pairs)
{
  if (pairs == NULL)
    return;
  g_clear_pointer (&pairs->images, g_array_unref);
  g_clear_pointer (&pairs->by_key, g_hash_table_unref);
  g_free (pairs);
}

/**
 * ituning_pairs_get_n_images:
 *
 * Returns: images that have captions
 */
gsize
ituning_pairs_get_n_images (const ItuningPairs *pairs)
{
  g_return_val_if_fail (pairs != NULL, 0);
  return pairs->images->len;
}

/**
 * ituning_pairs_get_id:
 * @index: which image
 *
 * Returns: (transfer none): its id in COCO's file; its number in Karpathy's
 *   and its name in a file of lines
 */
const char *
ituning_pairs_get_id (const ItuningPairs *pairs, gsize index)
{
  g_return_val_if_fail (pairs != NULL && index < pairs->images->len, NULL);
  return g_array_index (pairs->images, Image, index).id;
}

/**
 * ituning_pairs_get_image:
 * @index: which image
 *
 * Returns: (transfer none): its path
 */
const char *
ituning_pairs_get_image (const ItuningPairs *pairs, gsize index)
{
  g_return_val_if_fail (pairs != NULL && index < pairs->images->len, NULL);
  return g_array_index (pairs->images, Image, index).path;
}

/**
 * ituning_pairs_get_captions:
 * @index: which image
 *
 * Returns: (transfer none) (array zero-terminated=1): its captions, one or more
 */
const char *const *
ituning_pairs_get_captions (const ItuningPairs *pairs, gsize index)
{
  g_return_val_if_fail (pairs != NULL && index < pairs->images->len, NULL);
  return (const char *const *) g_array_index (pairs->images, Image, index)
      .captions->pdata;
}
