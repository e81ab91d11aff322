/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

gpointer ituning_scratch_reserve (gsize size);
