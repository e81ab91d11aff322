/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/tools/scenescore.h"

#include <stdio.h>
#include <string.h>

#include "gst/tools/options.h"
#include "gst/tools/output.h"
#include "gst/tools/scenepatterns.h"
#include "gst/tools/scenewords.h"
#include "model/ituning.h"

/* What is really in the pictures of `ituning scenes`, and how often captions
 * say it. */

/* --- the truth ---------------------------------------------------------- */

static void
add_string (JsonBuilder *json, const char *name, const char *value)
{
  json_builder_set_member_name (json, name);
  json_builder_add_string_value (json, value);
}

/**
 * scene_truth_add:
 * @json: gets an object
 * @id: of the picture
 * @scene: (nullable): what it shows
 * @pattern: (nullable): or which of videotestsrc's patterns
 */
void
scene_truth_add (JsonBuilder *json, guint id, const Scene *scene,
    const char *pattern)
{
  json_builder_begin_object (json);
  json_builder_set_member_name (json, "id");
  json_builder_add_int_value (json, id);
  if (pattern != NULL)
    add_string (json, "pattern", pattern);
  if (scene != NULL) {
    json_builder_set_member_name (json, "objects");
    json_builder_begin_array (json);
    for (guint i = 0; i < scene->n_objects; i++) {
      const SceneObject *object = &scene->objects[i];
      json_builder_begin_object (json);
      if (!scene->grey)
        add_string (json, "color", scene_color_name (object->color));
      add_string (json, "shape", scene_shape_name (object->shape));
      add_string (json, "size", object->large ? "large" : "small");
      add_string (json, "material", object->shiny ? "shiny" : "matte");
      json_builder_set_member_name (json, "x");
      json_builder_add_double_value (json, (double) object->x);
      json_builder_set_member_name (json, "z");
      json_builder_add_double_value (json, (double) object->z);
      json_builder_end_object (json);
    }
    json_builder_end_array (json);
  }
  json_builder_end_object (json);
}

static int
find_name (const char *name, const char *(*get) (guint), guint n)
{
  for (guint i = 0; i < n; i++)
    if (g_strcmp0 (name, get (i)) == 0)
      return (int) i;
  return -1;
}

static const char *
get_color (guint i)
{
  return scene_color_name ((SceneColor) i);
}

static const char *
get_shape (guint i)
{
  return scene_shape_name ((SceneShape) i);
}

static const char *
get_member (JsonObject *object, const char *name)
{
  return json_object_get_string_member_with_default (object, name, NULL);
}

/* %NULL when it is something else. */
static JsonObject *
get_object (JsonArray *array, guint index)
{
  JsonNode *node = json_array_get_element (array, index);

  return JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
}

/* -1 when there is no such number. */
static gint64
get_id (JsonObject *object, const char *name)
{
  JsonNode *node = json_object_get_member (object, name);

  return node != NULL && JSON_NODE_HOLDS_VALUE (node) &&
          json_node_get_value_type (node) == G_TYPE_INT64
      ? json_node_get_int (node)
      : -1;
}

/* One without a colour is of a scene in grey. */
static gboolean
read_object (SceneObject *object, JsonObject *truth)
{
  const gboolean grey = !json_object_has_member (truth, "color");
  const int color = find_name (get_member (truth, "color"), get_color,
      SCENE_N_COLORS);
  const int shape = find_name (get_member (truth, "shape"), get_shape,
      SCENE_N_SHAPES);

  if ((color < 0 && !grey) || shape < 0)
    return FALSE;
  *object = (SceneObject){
    .color = (SceneColor) MAX (color, 0),
    .shape = (SceneShape) shape,
    .large = g_strcmp0 (get_member (truth, "size"), "large") == 0,
    .shiny = g_strcmp0 (get_member (truth, "material"), "shiny") == 0,
    .x = (float) json_object_get_double_member_with_default (truth, "x", 0),
    .z = (float) json_object_get_double_member_with_default (truth, "z", 0),
  };
  return TRUE;
}

/* Reads what scene_truth_add () wrote of a scene. */
static gboolean
read_scene (JsonObject *truth, Scene *scene)
{
  JsonNode *node = json_object_get_member (truth, "objects");
  JsonArray *objects;

  *scene = (Scene){ 0 };
  if (node == NULL || !JSON_NODE_HOLDS_ARRAY (node))
    return FALSE;
  objects = json_node_get_array (node);
  if (json_array_get_length (objects) > SCENE_MAX_OBJECTS)
    return FALSE;
  scene->n_objects = json_array_get_length (objects);
  for (guint i = 0; i < scene->n_objects; i++) {
    JsonObject *object = get_object (objects, i);
    if (object == NULL || !read_object (&scene->objects[i], object))
      return FALSE;
    scene->grey = !json_object_has_member (object, "color");
  }
  return TRUE;
}

/* --- a caption ---------------------------------------------------------- */

enum
{
  READ, /* is a caption of the grammar */
  COUNT,
  SHAPES,
  COLORS,
  OBJECTS, /* each shape in its colour */
  SIZES, /* what is said of them */
  MATERIALS, /* likewise */
  RELATIONS,
  WHOLE, /* all of the above */
  N_MEASURES
};

static const char *const measures[N_MEASURES] = { "captions", "counts",
  "shapes", "colours", "objects", "sizes", "materials", "relations",
  "whole captions" };

typedef struct
{
  guint right[N_MEASURES];
  guint n_scenes;
  guint n_patterns, n_patterns_right;
} Score;

/* Whether both list the same numbers, in any order. */
static gboolean
same_numbers (const int *a, const int *b, guint n)
{
  gboolean used[SCENE_MAX_OBJECTS] = { FALSE };

  for (guint i = 0; i < n; i++) {
    guint j = 0;
    while (j < n && (used[j] || a[i] != b[j]))
      j++;
    if (j == n)
      return FALSE;
    used[j] = TRUE;
  }
  return TRUE;
}

/* -1 where it cannot be seen, as a claim that does not name it has. */
static int
get_seen_color (const Scene *scene, guint index)
{
  return scene->grey ? -1 : (int) scene->objects[index].color;
}

/* The object that a claim is about; NULL when there is none. */
static const SceneObject *
find_object (const Scene *scene, const SceneClaim *claim)
{
  for (guint i = 0; i < scene->n_objects; i++)
    if ((int) scene->objects[i].shape == claim->shape &&
        get_seen_color (scene, i) == claim->color)
      return &scene->objects[i];
  return NULL;
}

static gboolean
is_left (const SceneObject *a, const SceneObject *b)
{
  return a != NULL && b != NULL && a->x + 0.5f < b->x;
}

static gboolean
is_before (const SceneObject *a, const SceneObject *b)
{
  return a != NULL && b != NULL && a->z + 0.5f < b->z;
}

/* Whether objects stand as is said of them, in the order in which it is. */
static gboolean
stand_so (SceneLayout layout, const SceneObject *const *objects)
{
  switch (layout) {
    case SCENE_SIDE_BY_SIDE:
      return is_left (objects[0], objects[1]);
    case SCENE_BEHIND:
      return is_before (objects[0], objects[1]);
    case SCENE_ROW:
      return is_left (objects[0], objects[1]) &&
          is_left (objects[1], objects[2]) &&
          !is_before (objects[0], objects[2]) &&
          !is_before (objects[2], objects[0]);
    case SCENE_TRIANGLE:
      return is_left (objects[0], objects[1]) &&
          is_before (objects[0], objects[2]) &&
          is_before (objects[1], objects[2]);
    case SCENE_ALONE:
    default:
      return TRUE;
  }
}

static void
judge_objects (const Scene *scene, const SceneClaims *claims,
    gboolean right[N_MEASURES])
{
  const SceneObject *objects[SCENE_MAX_OBJECTS] = { NULL };
  int shapes[2][SCENE_MAX_OBJECTS] = { 0 };
  int colors[2][SCENE_MAX_OBJECTS] = { 0 };

  right[OBJECTS] = right[SIZES] = right[MATERIALS] = TRUE;
  for (guint i = 0; i < scene->n_objects; i++) {
    const SceneClaim *claim = &claims->objects[i];
    const SceneObject *object = find_object (scene, claim);
    shapes[0][i] = claim->shape;
    shapes[1][i] = (int) scene->objects[i].shape;
    colors[0][i] = claim->color;
    colors[1][i] = get_seen_color (scene, i);
    objects[i] = object;
    right[OBJECTS] = right[OBJECTS] && object != NULL;
    right[SIZES] = right[SIZES] && object != NULL &&
        (claim->large < 0 || claim->large == object->large);
    right[MATERIALS] = right[MATERIALS] && object != NULL &&
        (claim->shiny < 0 || claim->shiny == object->shiny);
  }
  right[SHAPES] = same_numbers (shapes[0], shapes[1], scene->n_objects);
  right[COLORS] = same_numbers (colors[0], colors[1], scene->n_objects);
  /* Two claims may be of one object. */
  right[OBJECTS] = right[OBJECTS] && right[SHAPES] && right[COLORS];
  right[RELATIONS] = right[OBJECTS] && stand_so (claims->layout, objects);
}

static void
judge_scene (Score *score, const Scene *scene, const char *caption)
{
  g_auto (SceneClaims) claims = { 0 };
  gboolean right[N_MEASURES] = { FALSE };

  right[READ] = scene_claims_parse (&claims, caption) && claims.pattern == NULL;
  right[COUNT] = right[READ] && claims.n_objects == scene->n_objects;
  if (right[COUNT])
    judge_objects (scene, &claims, right);
  right[WHOLE] = TRUE;
  for (guint i = 0; i < WHOLE; i++)
    right[WHOLE] = right[WHOLE] && right[i];
  for (guint i = 0; i < N_MEASURES; i++)
    score->right[i] += right[i] != FALSE;
  score->n_scenes++;
}

static gboolean
names_pattern (const char *nick, const char *caption)
{
  g_auto (SceneClaims) claims = { 0 };

  if (!scene_claims_parse (&claims, caption) || claims.pattern == NULL)
    return FALSE;
  for (gsize i = 0; i < scene_patterns_count (); i++)
    if (g_str_equal (scene_patterns_get_nick (i), nick) &&
        scene_patterns_get_name (i) != NULL)
      return g_str_equal (scene_patterns_get_name (i), claims.pattern);
  return g_str_equal (claims.pattern, "black") || /* blink */
      g_str_equal (claims.pattern, "white");
}

/* --- the command -------------------------------------------------------- */

static JsonArray *
load_array (JsonParser *parser, const char *path, GError **error)
{
  g_autoptr (GError) reason = NULL;
  JsonNode *root;

  if (!json_parser_load_from_file (parser, path, &reason)) {
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_OPEN, "%s: %s", path,
        reason->message);
    return NULL;
  }
  root = json_parser_get_root (parser);
  if (root != NULL && JSON_NODE_HOLDS_ARRAY (root))
    return json_node_get_array (root);
  g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_FORMAT,
      "%s: is not a JSON array", path);
  return NULL;
}

/* Captions by the picture's id. */
static GHashTable *
load_results (JsonParser *parser, const char *path, GError **error)
{
  JsonArray *array = load_array (parser, path, error);
  g_autoptr (GHashTable) results = g_hash_table_new (NULL, NULL);

  if (array == NULL)
    return NULL;
  for (guint i = 0; i < json_array_get_length (array); i++) {
    JsonObject *object = get_object (array, i);
    const char *caption = object != NULL ? get_member (object, "caption")
                                         : NULL;
    const gint64 id = object != NULL ? get_id (object, "image_id") : -1;
    if (caption == NULL || id < 0) {
      g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_FORMAT,
          "%s: result %u has no \"image_id\" or \"caption\"", path, i);
      return NULL;
    }
    g_hash_table_insert (results, GSIZE_TO_POINTER ((gsize) id + 1),
        (gpointer) caption);
  }
  return g_steal_pointer (&results);
}

static gboolean
judge_all (Score *score, JsonArray *truths, GHashTable *results,
    const char *path, GError **error)
{
  for (guint i = 0; i < json_array_get_length (truths); i++) {
    JsonObject *truth = get_object (truths, i);
    const gint64 id = truth != NULL ? get_id (truth, "id") : -1;
    const char *pattern, *caption;
    Scene scene;

    if (id < 0) {
      g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_FORMAT,
          "%s: picture %u has no \"id\"", path, i);
      return FALSE;
    }
    caption = g_hash_table_lookup (results, GSIZE_TO_POINTER ((gsize) id + 1));
    if (caption == NULL)
      continue;
    pattern = get_member (truth, "pattern");
    if (pattern != NULL) {
      score->n_patterns++;
      score->n_patterns_right += names_pattern (pattern, caption);
    } else if (read_scene (truth, &scene)) {
      judge_scene (score, &scene, caption);
    } else {
      g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_FORMAT,
          "%s: picture %" G_GINT64_FORMAT " has no scene of `ituning scenes`",
          path, id);
      return FALSE;
    }
  }
  if (score->n_scenes + score->n_patterns > 0)
    return TRUE;
  g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_MISMATCH,
      "%s: none of its pictures has a caption in the results", path);
  return FALSE;
}

static void
append_share (GString *text, const char *name, guint right, guint n,
    gboolean json)
{
  const double share = (double) right / MAX (n, 1);

  if (json)
    g_string_append_printf (text, "%s\"%s\": %.4f", text->len > 0 ? ", " : "{",
        name, share);
  else
    g_string_append_printf (text, "%-15s %.4f\n", name, share);
}

static void
append_score (GString *text, const Score *score, gboolean json)
{
  for (guint i = 0; i < N_MEASURES; i++)
    append_share (text, measures[i], score->right[i], score->n_scenes, json);
  append_share (text, "patterns", score->n_patterns_right, score->n_patterns,
      json);
  if (json)
    g_string_append_printf (text, ", \"n_scenes\": %u, \"n_patterns\": %u}\n",
        score->n_scenes, score->n_patterns);
  else
    g_string_append_printf (text, "%u scenes, %u patterns\n", score->n_scenes,
        score->n_patterns);
}

/**
 * scene_score_run:
 * @argv: "score" and what follows it
 *
 * `ituning scenes score`.
 */
gboolean
scene_score_run (char **argv, GError **error)
{
  g_autofree char *truth = NULL, *results = NULL;
  gboolean json = FALSE;
  const GOptionEntry entries[] = {
    { "truth", 0, 0, G_OPTION_ARG_FILENAME, &truth,
        "truth.json of `ituning scenes`", "FILE" },
    { "results", 0, 0, G_OPTION_ARG_FILENAME, &results,
        "Captions: [{\"image_id\", \"caption\"}]", "FILE" },
    { "json", 0, 0, G_OPTION_ARG_NONE, &json, "Print one JSON object", NULL },
    G_OPTION_ENTRY_NULL,
  };
  g_autoptr (GOptionContext) context = tool_options_new (NULL,
      "Reads captions of scenes and prints how often what they say is so: of the "
      "pictures\nthat have a caption, the share where all of a kind is right.",
      entries);
  g_auto (GStrv) arguments = NULL;
  g_autoptr (JsonParser) truth_parser = json_parser_new ();
  g_autoptr (JsonParser) results_parser = json_parser_new ();
  g_autoptr (GHashTable) captions = NULL;
  g_autoptr (GString) text = g_string_new (NULL);
  ToolOutput output = { .path = NULL };
  JsonArray *truths;
  Score score = { 0 };

  if (!tool_options_parse (context, argv, &arguments, error) ||
      !tool_options_check_none (arguments, error))
    return FALSE;
  if (truth == NULL || results == NULL)
    return tool_options_usage_error (error, "%s is missing",
        truth == NULL ? "--truth" : "--results");
  truths = load_array (truth_parser, truth, error);
  if (truths == NULL)
    return FALSE;
  captions = load_results (results_parser, results, error);
  if (captions == NULL || !judge_all (&score, truths, captions, truth, error))
    return FALSE;
  append_score (text, &score, json);
  return tool_output_write (&output, text->str, text->len, error);
}
