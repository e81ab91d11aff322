/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-glib/json-glib.h>

#include "model/config.h"
#include "model/weights.h"

gboolean ituning_part_save (const char *folder, JsonObject *config,
    const ItuningWeights *weights, GError **error);
JsonObject *ituning_adapter_config_to_json (const ItuningAdapterConfig *config);
JsonObject *ituning_language_config_to_json (
    const ItuningLanguageConfig *config);
JsonObject *ituning_vision_config_to_json (const ItuningVisionConfig *config);
void ituning_config_add_to_checksum (JsonObject *config, GChecksum *checksum);
gboolean ituning_json_save (JsonObject *object, const char *folder,
    const char *name, GError **error);
