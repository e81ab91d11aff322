/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

void scene_disturb (guint8 *rgb, guint width, guint height, gboolean is_pattern,
    GRand *rand);
