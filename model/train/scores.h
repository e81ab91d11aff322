/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/train/ngrams.h"

/* The metrics, each in a file of its name. */
void ituning_bleu (double bleu[ITUNING_NGRAM_MAX], const ItuningScored *images,
    gsize n_images);
double ituning_rouge_l (const ItuningScored *images, gsize n_images);
double ituning_cider (const ItuningScored *images, gsize n_images,
    gsize n_ngrams);
