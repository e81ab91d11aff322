/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

gsize ituning_pretokenize (const char *text, gsize size);
