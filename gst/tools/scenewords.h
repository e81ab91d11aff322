/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "gst/tools/scene.h"

/* What a caption says of one object; -1 for what it does not. */
typedef struct
{
  int shape, color, large, shiny;
} SceneClaim;

/* What a caption says. */
typedef struct
{
  char *pattern; /* owned: name of a test pattern; or NULL */
  guint n_objects;
  SceneClaim objects[SCENE_MAX_OBJECTS];
  SceneLayout layout; /* of what is said, in the order in which it is */
} SceneClaims;

#define SCENE_N_WORDINGS 5

char *scene_caption (const Scene *scene, guint wording);
char *scene_pattern_caption (const char *name, guint wording);
gboolean scene_claims_parse (SceneClaims *claims, const char *caption);
void scene_claims_clear (SceneClaims *claims);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (SceneClaims, scene_claims_clear)
