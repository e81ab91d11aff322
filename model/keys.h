/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/config.h"
#include "model/gguf.h"

/* The key that a packed file has for a member of a config. */
typedef struct
{
  const char *member;
  const char *key;
} ItuningKey;

/* Each ends with a NULL. */
extern const ItuningKey ituning_vision_keys[];
extern const ItuningKey ituning_language_keys[];
extern const ItuningKey ituning_adapter_keys[];

/* How all keys of an adapter begin. */
#define ITUNING_ADAPTER_KEYS "ituning.adapter."

const char *ituning_key_find (const ItuningKey *keys, const char *member);

void ituning_vision_config_pack (const ItuningVisionConfig *config,
    ItuningGgufWriter *writer);
void ituning_language_config_pack (const ItuningLanguageConfig *config,
    ItuningGgufWriter *writer);
void ituning_adapter_config_pack (const ItuningAdapterConfig *config,
    ItuningGgufWriter *writer);
