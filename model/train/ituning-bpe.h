/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Learning a byte-level BPE tokenizer, as GPT-2 has one, from text.
 *
 *   g_autoptr (ItuningBpeTrainer) trainer = ituning_bpe_trainer_new ();
 *
 *   ituning_bpe_trainer_add_file (trainer, path, &error) &&
 *       ituning_bpe_trainer_run (trainer, 8000, &error) &&
 *       ituning_bpe_trainer_save (trainer, language_dir, &error);
 *
 * A trainer belongs to one thread. */

#include "model/ituning.h"

G_BEGIN_DECLS

typedef struct _ItuningBpeTrainer ItuningBpeTrainer;

ITUNING_API ItuningBpeTrainer *ituning_bpe_trainer_new (void);
ITUNING_API void ituning_bpe_trainer_free (ItuningBpeTrainer *trainer);
ITUNING_API gboolean ituning_bpe_trainer_add_text (ItuningBpeTrainer *trainer,
    const char *text, gsize size, GError **error);
ITUNING_API gboolean ituning_bpe_trainer_add_file (ItuningBpeTrainer *trainer,
    const char *path, GError **error);
ITUNING_API gboolean ituning_bpe_trainer_run (ItuningBpeTrainer *trainer,
    gsize vocab_size, GError **error);
ITUNING_API gboolean ituning_bpe_trainer_save (const ItuningBpeTrainer *trainer,
    const char *language_dir, GError **error);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ItuningBpeTrainer, ituning_bpe_trainer_free)

G_END_DECLS
