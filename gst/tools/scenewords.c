/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/tools/scenewords.h"

#include <string.h>

/* Captions of scenes, and back: what a caption claims. Every caption names all
 * objects, their colours and shapes and how they stand; few name sizes, and
 * fewer materials, as people do; the last wording says all. Of a scene in
 * shades of grey none names a colour.
 *
 *   caption  = [opening] object joins object ... [ending]
 *   object   = article [size] [material] [colour] shape
 *
 * Each wording is a row of the tables below, and what is read is what the
 * tables write: anything else is no caption of a scene. */

typedef struct
{
  const char *opening;
  const char *join[SCENE_MAX_OBJECTS - 1]; /* behind the first, the second */
  const char *ending;
  gboolean size, material;
} Wording;

static const Wording alone[SCENE_N_WORDINGS] = {
  { "", { NULL }, "", FALSE, FALSE },
  { "there is ", { NULL }, "", FALSE, FALSE },
  { "", { NULL }, " on the floor", FALSE, FALSE },
  { "a picture of ", { NULL }, "", TRUE, FALSE },
  { "only ", { NULL }, " here", TRUE, TRUE },
};

static const Wording side_by_side[SCENE_N_WORDINGS] = {
  { "", { " to the left of " }, "", FALSE, FALSE },
  { "there is ", { " left of " }, "", FALSE, FALSE },
  { "", { " is left of " }, "", FALSE, FALSE },
  { "", { " stands left of " }, "", TRUE, FALSE },
  { "two objects: ", { " and on its right " }, "", TRUE, TRUE },
};

static const Wording behind[SCENE_N_WORDINGS] = {
  { "", { " in front of " }, "", FALSE, FALSE },
  { "there is ", { " before " }, "", FALSE, FALSE },
  { "", { " is in front of " }, "", FALSE, FALSE },
  { "", { " stands before " }, "", TRUE, FALSE },
  { "two objects: ", { " and behind it " }, "", TRUE, TRUE },
};

static const Wording row[SCENE_N_WORDINGS] = {
  { "", { ", ", " and " }, " in a row", FALSE, FALSE },
  { "there are ", { ", ", " and " }, " from left to right", FALSE, FALSE },
  { "", { ", then ", ", then " }, "", FALSE, FALSE },
  { "three objects in a row: ", { ", ", " and " }, "", TRUE, FALSE },
  { "from left to right ", { ", ", " and " }, "", TRUE, TRUE },
};

static const Wording triangle[SCENE_N_WORDINGS] = {
  { "", { " and ", " in front of " }, "", FALSE, FALSE },
  { "there are ", { " and ", " with " }, " behind them", FALSE, FALSE },
  { "", { " to the left of ", ", and behind them " }, "", FALSE, FALSE },
  { "", { " left of ", ", both before " }, "", TRUE, FALSE },
  { "three objects: ", { " and ", ", behind them " }, "", TRUE, TRUE },
};

static const Wording *const wordings[] = {
  [SCENE_ALONE] = alone,
  [SCENE_SIDE_BY_SIDE] = side_by_side,
  [SCENE_BEHIND] = behind,
  [SCENE_ROW] = row,
  [SCENE_TRIANGLE] = triangle,
};

static const char *const patterns[SCENE_N_WORDINGS] = {
  "a test pattern: %s",
  "the test pattern %s",
  "%s as a test pattern",
  "a picture of the test pattern %s",
  "test pattern %s",
};

static const char *const sizes[] = { "small", "large" };
static const char *const materials[] = { "matte", "shiny" };

/* --- writing ------------------------------------------------------------ */

static void
append_object (GString *text, const Scene *scene, guint index,
    const Wording *wording)
{
  const SceneObject *object = &scene->objects[index];
  const char *words[] = { wording->size ? sizes[object->large] : NULL,
    wording->material ? materials[object->shiny] : NULL,
    scene->grey ? NULL : scene_color_name (object->color),
    scene_shape_name (object->shape) };
  gboolean is_first = TRUE;

  for (gsize i = 0; i < G_N_ELEMENTS (words); i++) {
    if (words[i] == NULL)
      continue;
    g_string_append_printf (text, "%s%s",
        !is_first                                   ? " "
            : strchr ("aeiou", words[i][0]) != NULL ? "an "
                                                    : "a ",
        words[i]);
    is_first = FALSE;
  }
}

/**
 * scene_caption:
 * @wording: which of %SCENE_N_WORDINGS
 *
 * Returns: (transfer full): a caption of a scene
 */
char *
scene_caption (const Scene *scene, guint wording)
{
  const Wording *how = &wordings[scene->layout][wording];
  GString *text = g_string_new (how->opening);

  for (guint i = 0; i < scene->n_objects; i++) {
    append_object (text, scene, i, how);
    if (i + 1 < scene->n_objects)
      g_string_append (text, how->join[i]);
  }
  g_string_append (text, how->ending);
  return g_string_free (text, FALSE);
}

/**
 * scene_pattern_caption:
 * @name: what a test pattern shows
 * @wording: which of %SCENE_N_WORDINGS
 *
 * Returns: (transfer full): a caption of it
 */
char *
scene_pattern_caption (const char *name, guint wording)
{
  g_auto (GStrv) parts = g_strsplit (patterns[wording], "%s", 2);

  return g_strconcat (parts[0], name, parts[1], NULL);
}

/* --- reading ------------------------------------------------------------ */

static gboolean
skip (const char **text, const char *words)
{
  const gsize n = strlen (words);

  if (strncmp (*text, words, n) != 0)
    return FALSE;
  *text += n;
  return TRUE;
}

/* Whether the next word is one of @words, then which. */
static gboolean
read_word (const char **text, const char *const *words, gsize n, int *which)
{
  for (gsize i = 0; i < n; i++) {
    const gsize length = strlen (words[i]);
    if (strncmp (*text, words[i], length) == 0 &&
        !g_ascii_isalpha ((*text)[length])) {
      *text += length;
      *which = (int) i;
      return TRUE;
    }
  }
  return FALSE;
}

static gboolean
read_object (const char **text, SceneClaim *claim)
{
  const char *colors[SCENE_N_COLORS], *shapes[SCENE_N_SHAPES];

  for (guint i = 0; i < SCENE_N_COLORS; i++)
    colors[i] = scene_color_name ((SceneColor) i);
  for (guint i = 0; i < SCENE_N_SHAPES; i++)
    shapes[i] = scene_shape_name ((SceneShape) i);
  *claim = (SceneClaim){ -1, -1, -1, -1 };
  if (!skip (text, "an ") && !skip (text, "a "))
    return FALSE;
  if (read_word (text, sizes, G_N_ELEMENTS (sizes), &claim->large) &&
      !skip (text, " "))
    return FALSE;
  if (read_word (text, materials, G_N_ELEMENTS (materials), &claim->shiny) &&
      !skip (text, " "))
    return FALSE;
  if (read_word (text, colors, SCENE_N_COLORS, &claim->color) &&
      !skip (text, " "))
    return FALSE;
  return read_word (text, shapes, SCENE_N_SHAPES, &claim->shape);
}

static gboolean
read_wording (const char *text, const Wording *how, guint n,
    SceneClaims *claims)
{
  if (!skip (&text, how->opening))
    return FALSE;
  for (guint i = 0; i < n; i++)
    if (!read_object (&text, &claims->objects[i]) ||
        (i + 1 < n && !skip (&text, how->join[i])))
      return FALSE;
  claims->n_objects = n;
  return skip (&text, how->ending) && *text == '\0';
}

static gboolean
read_pattern (const char *text, SceneClaims *claims)
{
  for (guint i = 0; i < SCENE_N_WORDINGS; i++) {
    g_auto (GStrv) parts = g_strsplit (patterns[i], "%s", 2);
    if (g_str_has_prefix (text, parts[0]) &&
        g_str_has_suffix (text, parts[1]) &&
        strlen (text) > strlen (parts[0]) + strlen (parts[1])) {
      claims->pattern = g_strndup (text + strlen (parts[0]),
          strlen (text) - strlen (parts[0]) - strlen (parts[1]));
      return TRUE;
    }
  }
  return FALSE;
}

/**
 * scene_claims_parse:
 * @claims: (out): what @caption says; to be cleared also after a failure
 * @caption: a caption
 *
 * Returns: FALSE when it is not one that scene_caption () or
 *   scene_pattern_caption () could write
 */
gboolean
scene_claims_parse (SceneClaims *claims, const char *caption)
{
  *claims = (SceneClaims){ 0 };
  for (guint layout = 0; layout < G_N_ELEMENTS (wordings); layout++) {
    claims->layout = (SceneLayout) layout;
    for (guint i = 0; i < SCENE_N_WORDINGS; i++)
      if (read_wording (caption, &wordings[layout][i],
              scene_layout_count_objects (claims->layout), claims))
        return TRUE;
  }
  claims->n_objects = 0;
  return read_pattern (caption, claims);
}

/**
 * scene_claims_clear:
 */
void
scene_claims_clear (SceneClaims *claims)
{
  g_free (claims->pattern);
}
