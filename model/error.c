/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/ituning.h"

G_DEFINE_QUARK (ituning - error - quark, ituning_error)
