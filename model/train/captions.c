/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Captions of images by id, from files of four forms or added one by one. */

#include "model/train/captions.h"

#include "model/files.h"
#include "model/json.h"

struct _ItuningCaptions
{
  char *path; /* owned; the file, for messages; NULL when there is none */
  GPtrArray *ids; /* owned; of char *, in the order they came */
  GPtrArray *texts; /* owned; by image, of GPtrArray * of char * */
  GHashTable *images; /* owned; image by id, as a pointer; keys of @ids */
};

/**
 * ituning_captions_new:
 *
 * Returns: (transfer full): no captions yet
 */
ItuningCaptions *
ituning_captions_new (void)
{
  ItuningCaptions *captions = g_new0 (ItuningCaptions, 1);

  captions->ids = g_ptr_array_new_with_free_func (g_free);
  captions->texts = g_ptr_array_new_with_free_func (
      (GDestroyNotify) g_ptr_array_unref);
  captions->images = g_hash_table_new (g_str_hash, g_str_equal);
  return captions;
}

/**
 * ituning_captions_free:
 * @captions: (transfer full) (nullable): captions
 */
void
ituning_captions_free (ItuningCaptions *captions)
{
  if (captions == NULL)
    return;
  g_hash_table_unref (captions->images);
  g_ptr_array_unref (captions->texts);
  g_ptr_array_unref (captions->ids);
  g_free (captions->path);
  g_free (captions);
}

/**
 * ituning_captions_find:
 * @id: an image's
 * @image: (out): its index
 *
 * Returns: whether there are captions of it
 */
gboolean
ituning_captions_find (const ItuningCaptions *captions, const char *id,
    gsize *image)
{
  gpointer value;

  if (!g_hash_table_lookup_extended (captions->images, id, NULL, &value))
    return FALSE;
  *image = GPOINTER_TO_SIZE (value);
  return TRUE;
}

/**
 * ituning_captions_add:
 * @captions: captions
 * @id: the image's
 * @text: UTF-8, which may be empty
 *
 * Adds a caption behind those that the image already has.
 */
void
ituning_captions_add (ItuningCaptions *captions, const char *id,
    const char *text)
{
  gsize image;

  g_return_if_fail (captions != NULL && id != NULL && text != NULL);
  if (!ituning_captions_find (captions, id, &image)) {
    char *key = g_strdup (id);
    image = captions->ids->len;
    g_ptr_array_add (captions->ids, key);
    g_ptr_array_add (captions->texts, g_ptr_array_new_with_free_func (g_free));
    g_hash_table_insert (captions->images, key, GSIZE_TO_POINTER (image));
  }
  g_ptr_array_add (captions->texts->pdata[image], g_strdup (text));
}

/**
 * ituning_captions_get_n_images:
 *
 * Returns: how many images have captions
 */
gsize
ituning_captions_get_n_images (const ItuningCaptions *captions)
{
  return captions->ids->len;
}

/**
 * ituning_captions_get_id:
 * @image: below ituning_captions_get_n_images ()
 *
 * Returns: (transfer none): the id of the image
 */
const char *
ituning_captions_get_id (const ItuningCaptions *captions, gsize image)
{
  g_return_val_if_fail (image < captions->ids->len, NULL);
  return captions->ids->pdata[image];
}

/**
 * ituning_captions_get_texts:
 * @image: below ituning_captions_get_n_images ()
 * @n_texts: (out): how many, at least 1
 *
 * Returns: (transfer none) (array length=n_texts): the captions of the image
 */
const char *const *
ituning_captions_get_texts (const ItuningCaptions *captions, gsize image,
    gsize *n_texts)
{
  const GPtrArray *texts;

  g_return_val_if_fail (image < captions->texts->len, NULL);
  texts = captions->texts->pdata[image];
  *n_texts = texts->len;
  return (const char *const *) texts->pdata;
}

/**
 * ituning_captions_get_path:
 *
 * Returns: (transfer none): what to call the captions in a message
 */
const char *
ituning_captions_get_path (const ItuningCaptions *captions)
{
  return captions->path != NULL ? captions->path : "captions";
}

static gboolean
set_format_error (const ItuningCaptions *captions, const char *id,
    const char *cause, GError **error)
{
  g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_FORMAT, "%s: image %s %s",
      captions->path, id, cause);
  return FALSE;
}

static gboolean
add_node (ItuningCaptions *captions, const char *id, JsonNode *node,
    gboolean may_be_empty, GError **error)
{
  g_autofree char *stripped = NULL;

  if (node == NULL || !JSON_NODE_HOLDS_VALUE (node) ||
      json_node_get_value_type (node) != G_TYPE_STRING)
    return set_format_error (captions, id, "has a caption that is no string",
        error);
  stripped = g_strstrip (json_node_dup_string (node));
  if (*stripped == '\0' && !may_be_empty)
    return set_format_error (captions, id, "has an empty caption", error);
  ituning_captions_add (captions, id, json_node_get_string (node));
  return TRUE;
}

/* The id at @member as text, or NULL. */
static char *
get_id (JsonNode *node, const char *member)
{
  return JSON_NODE_HOLDS_OBJECT (node)
      ? ituning_json_get_id (json_node_get_object (node), member)
      : NULL;
}

/* [{"image_id": …, "caption": …}, …]; of @results no image may come twice, but
 * what a model says may be nothing. */
static gboolean
add_annotations (ItuningCaptions *captions, JsonArray *array, gboolean results,
    GError **error)
{
  for (guint i = 0; i < json_array_get_length (array); i++) {
    JsonNode *node = json_array_get_element (array, i);
    g_autofree char *id = get_id (node, "image_id");
    gsize image;

    if (id == NULL) {
      g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_FORMAT,
          "%s: annotation %u has no \"image_id\", number or string",
          captions->path, i);
      return FALSE;
    }
    if (results && ituning_captions_find (captions, id, &image))
      return set_format_error (captions, id, "is there twice", error);
    if (!add_node (captions, id,
            json_object_get_member (json_node_get_object (node), "caption"),
            results, error))
      return FALSE;
  }
  return TRUE;
}

/* COCO's "images" lists each image once, even one without captions. */
static gboolean
check_images (const ItuningCaptions *captions, JsonArray *array, GError **error)
{
  g_autoptr (GHashTable) seen = g_hash_table_new_full (g_str_hash, g_str_equal,
      g_free, NULL);

  for (guint i = 0; i < json_array_get_length (array); i++) {
    char *id = get_id (json_array_get_element (array, i), "id");

    if (id == NULL) {
      g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_FORMAT,
          "%s: element %u of \"images\" has no \"id\", number or string",
          captions->path, i);
      return FALSE;
    }
    if (!g_hash_table_add (seen, id))
      return set_format_error (captions, id, "is listed twice", error);
  }
  return TRUE;
}

static gboolean
add_coco (ItuningCaptions *captions, JsonObject *object, GError **error)
{
  JsonNode *annotations = json_object_get_member (object, "annotations");
  JsonNode *images = json_object_get_member (object, "images");

  if (!JSON_NODE_HOLDS_ARRAY (annotations) ||
      (images != NULL && !JSON_NODE_HOLDS_ARRAY (images))) {
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_FORMAT,
        "%s: \"annotations\" or \"images\" is not an array", captions->path);
    return FALSE;
  }
  return add_annotations (captions, json_node_get_array (annotations), FALSE,
             error) &&
      (images == NULL ||
          check_images (captions, json_node_get_array (images), error));
}

/* {id: caption} and {id: [caption, …]} */
static gboolean
add_plain (ItuningCaptions *captions, JsonObject *object, GError **error)
{
  JsonObjectIter iter;
  const char *id;
  JsonNode *node;

  json_object_iter_init_ordered (&iter, object);
  while (json_object_iter_next_ordered (&iter, &id, &node)) {
    JsonArray *array;

    if (!JSON_NODE_HOLDS_ARRAY (node)) {
      if (!add_node (captions, id, node, FALSE, error))
        return FALSE;
      continue;
    }
    array = json_node_get_array (node);
    if (json_array_get_length (array) == 0)
      return set_format_error (captions, id, "has no caption", error);
    for (guint i = 0; i < json_array_get_length (array); i++) {
      if (!add_node (captions, id, json_array_get_element (array, i), FALSE,
              error))
        return FALSE;
    }
  }
  return TRUE;
}

/* Members of the outermost object of valid JSON, those of one name as well: a
 * colon each. */
static gsize
count_members (const char *text, gsize size)
{
  gsize depth = 0, n_members = 0;
  gboolean in_string = FALSE;

  for (gsize i = 0; i < size; i++) {
    if (in_string && text[i] == '\\') {
      i++;
    } else if (text[i] == '"') {
      in_string = !in_string;
    } else if (!in_string) {
      depth += text[i] == '{' || text[i] == '[';
      depth -= text[i] == '}' || text[i] == ']';
      n_members += depth == 1 && text[i] == ':';
    }
  }
  return n_members;
}

static gboolean
add_text (ItuningCaptions *captions, const char *text, gsize size,
    GError **error)
{
  g_autoptr (JsonNode) root = ituning_json_parse (captions->path, text, size,
      error);
  JsonObject *object = NULL;

  if (root == NULL)
    return FALSE;
  if (JSON_NODE_HOLDS_ARRAY (root))
    return add_annotations (captions, json_node_get_array (root), TRUE, error);
  if (!ituning_json_object (root, captions->path, &object, error))
    return FALSE;
  if (count_members (text, size) != json_object_get_size (object)) {
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_FORMAT,
        "%s: has the same id twice", captions->path);
    return FALSE;
  }
  return json_object_has_member (object, "annotations")
      ? add_coco (captions, object, error)
      : add_plain (captions, object, error);
}

/**
 * ituning_captions_load:
 * @path: a JSON file, of one of these forms:
 *   `{"annotations": [{"image_id": …, "caption": …}, …]}`, COCO's references,
 *   `[{"image_id": …, "caption": …}, …]`, COCO's results, each image once, whose
 *   captions may be empty,
 *   `{id: caption, …}` or `{id: [caption, …], …}`
 *
 * An id may be a number or a string, which are the same when they read the
 * same. Where there is an array `images`, it must list no image twice; one of
 * its images without a caption is left out.
 *
 * Returns: (transfer full): captions, of at least one image; or %NULL with
 *   %ITUNING_ERROR_OPEN or %ITUNING_ERROR_FORMAT, as when a caption is empty
 */
ItuningCaptions *
ituning_captions_load (const char *path, GError **error)
{
  g_autoptr (ItuningCaptions) captions = NULL;
  g_autoptr (GMappedFile) file = NULL;

  g_return_val_if_fail (path != NULL, NULL);
  file = ituning_file_map (path, error);
  if (file == NULL)
    return NULL;
  captions = ituning_captions_new ();
  captions->path = g_strdup (path);
  if (!add_text (captions, g_mapped_file_get_contents (file),
          g_mapped_file_get_length (file), error))
    return NULL;
  if (captions->ids->len == 0) {
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_FORMAT,
        "%s: holds no captions", path);
    return NULL;
  }
  return g_steal_pointer (&captions);
}
