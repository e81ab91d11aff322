/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-glib/json-glib.h>

#include "model/keys.h"

/* A config being read, from JSON or from the keys of a packed file: the first
 * failure is kept, what follows does nothing, so that the fields can be listed
 * one below the other. Members for which a packed file has no key are skipped.
 */
typedef struct
{
  const char *path;
  JsonObject *object;
  GError **error;
  gboolean ok;
  const ItuningGguf *packed; /* in place of @object; or NULL */
  const ItuningKey *keys; /* for @packed */
} ItuningConfigReader;

void ituning_config_refuse (ItuningConfigReader *self, ItuningError code,
    const char *format, ...) G_GNUC_PRINTF (3, 4);
const char *ituning_config_name (const ItuningConfigReader *self,
    const char *member);
void ituning_config_read_size (ItuningConfigReader *self, const char *member,
    gsize min, gsize max, gsize *value);
void ituning_config_read_double (ItuningConfigReader *self, const char *member,
    double *value);
void ituning_config_read_boolean (ItuningConfigReader *self, const char *member,
    gboolean *value);
void ituning_config_read_activation (ItuningConfigReader *self,
    const char *member, ItuningActivation *value);
void ituning_config_check_type (ItuningConfigReader *self, const char *first,
    const char *second);
void ituning_config_check_heads (ItuningConfigReader *self,
    const char *width_name, gsize width, gsize heads);
void ituning_config_check_epsilon (ItuningConfigReader *self,
    const char *member, double value);
