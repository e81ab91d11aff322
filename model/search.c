/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/search.h"

#include <math.h>
#include <string.h>

#include "model/kernels/kernels.h"

#define MAX_BEAMS 64
#define MAX_LENGTH_PENALTY 100.0
/* So many candidates are kept sorted as they come; more are sorted at once. */
#define MAX_INSERTED 256

/* A caption in the making. */
typedef struct
{
  guint32 *ids; /* owned: BOS, then the tokens */
  float *log_probs; /* owned: of the tokens */
  gsize n; /* tokens, without BOS */
  double sum; /* of @log_probs */
  double score; /* once finished: sum / n ^ length_penalty */
  guint parent; /* row of the last step that it continues */
} Sequence;

/* A row going on with a token. */
typedef struct
{
  guint row;
  guint32 token;
  float log_prob;
  double sum; /* of the sequence with it; for a draw the warped logit */
} Candidate;

struct _ItuningSearch
{
  ItuningGenerateOptions options;
  gsize V;
  guint32 eos;
  gsize n_candidates;
  Candidate *candidates; /* owned: room for the best of a step */
  Sequence *rows, *spare; /* owned: [num_beams] each */
  gsize n_rows; /* that go on; 0 when the search is over */
  gsize n_steps;
  Sequence *finished; /* owned: [num_beams], best of those with an EOS */
  gsize n_finished;
  GRand *rand; /* owned: for draws, or NULL */
};

/* --- making and freeing ------------------------------------------------- */

/**
 * ituning_generate_options_check:
 * @options: options
 *
 * Returns: FALSE with %ITUNING_ERROR_INPUT, which names the option as the
 *   command spells it, when a value makes no sense
 */
gboolean
ituning_generate_options_check (const ItuningGenerateOptions *options,
    GError **error)
{
  const char *bad = NULL;

  g_return_val_if_fail (options != NULL, FALSE);
  if (options->num_beams < 1 || options->num_beams > MAX_BEAMS)
    bad = "num-beams must be from 1 to 64";
  else if (options->max_new_tokens < 1)
    bad = "max-new-tokens must be at least 1";
  else if (options->min_new_tokens > options->max_new_tokens)
    bad = "min-new-tokens is larger than max-new-tokens";
  else if (!(fabs (options->length_penalty) <= MAX_LENGTH_PENALTY))
    bad = "length-penalty must be from -100 to 100";
  else if (options->do_sample && options->num_beams > 1)
    bad = "do-sample works with one beam only";
  else if (!(options->temperature > 0.0) || !isfinite (options->temperature))
    bad = "temperature must be above 0";
  else if (!(options->top_p > 0.0 && options->top_p <= 1.0))
    bad = "top-p must be above 0 and at most 1";
  if (bad == NULL)
    return TRUE;
  g_set_error_literal (error, ITUNING_ERROR, ITUNING_ERROR_INPUT, bad);
  return FALSE;
}

static Sequence *
new_sequences (gsize n, gsize max_tokens, guint32 bos)
{
  Sequence *sequences = g_new0 (Sequence, n);

  for (gsize i = 0; i < n; i++) {
    sequences[i].ids = g_new (guint32, max_tokens + 1);
    sequences[i].ids[0] = bos;
    sequences[i].log_probs = g_new (float, max_tokens);
  }
  return sequences;
}

static void
free_sequences (Sequence *sequences, gsize n)
{
  for (gsize i = 0; i < n; i++) {
    g_free (sequences[i].ids);
    g_free (sequences[i].log_probs);
  }
  g_free (sequences);
}

/* Candidates that a step has to keep: a beam search needs twice its beams,
 * since all but one of a beam's may end; a draw needs those it may draw. */
static gsize
count_candidates (const ItuningGenerateOptions *options, gsize V)
{
  if (!options->do_sample)
    return MIN (2 * (gsize) options->num_beams, options->num_beams * V);
  return options->top_k > 0 && options->top_k <= MAX_INSERTED
      ? MIN (options->top_k, V)
      : V;
}

/**
 * ituning_search_new:
 * @options: checked options
 * @vocab_size: V
 * @bos: token that every sequence starts with
 * @eos: token that ends one
 *
 * Returns: (transfer full): a search with one row, which holds @bos
 */
ItuningSearch *
ituning_search_new (const ItuningGenerateOptions *options, gsize vocab_size,
    guint32 bos, guint32 eos)
{
  ItuningSearch *self = g_new0 (ItuningSearch, 1);

  self->options = *options;
  self->V = vocab_size;
  self->eos = eos;
  self->n_candidates = count_candidates (options, vocab_size);
  self->candidates = g_new (Candidate, self->n_candidates);
  self->rows = new_sequences (options->num_beams, options->max_new_tokens, bos);
  self->spare = new_sequences (options->num_beams, options->max_new_tokens,
      bos);
  self->finished = new_sequences (options->num_beams, options->max_new_tokens,
      bos);
  self->n_rows = 1;
  if (options->do_sample) {
    const guint32 seed[2] = { (guint32) options->seed,
      (guint32) (options->seed >> 32) };
    self->rand = g_rand_new_with_seed_array (seed, 2);
  }
  return self;
}

/**
 * ituning_search_free:
 * @search: (nullable) (transfer full): a search
 */
void
ituning_search_free (ItuningSearch *search)
{
  if (search == NULL)
    return;
  free_sequences (search->rows, search->options.num_beams);
  free_sequences (search->spare, search->options.num_beams);
  free_sequences (search->finished, search->options.num_beams);
  g_clear_pointer (&search->rand, g_rand_free);
  g_free (search->candidates);
  g_free (search);
}

/**
 * ituning_search_get_n_rows:
 *
 * Returns: how many sequences go on; 0 when the search is over
 */
gsize
ituning_search_get_n_rows (const ItuningSearch *search)
{
  return search->n_rows;
}

/**
 * ituning_search_get_token:
 *
 * Returns: the last token of a row that goes on
 */
guint32
ituning_search_get_token (const ItuningSearch *search, gsize row)
{
  return search->rows[row].ids[search->rows[row].n];
}

/**
 * ituning_search_get_parent:
 *
 * Returns: the row before the last ituning_search_advance () that this one
 *   continues
 */
guint
ituning_search_get_parent (const ItuningSearch *search, gsize row)
{
  return search->rows[row].parent;
}

/* --- rules -------------------------------------------------------------- */

/* Tokens that would complete an n-gram which the sequence, BOS included, has
 * already. */
static void
ban_repeated (const Sequence *sequence, gsize n, float *logits)
{
  const guint32 *ids = sequence->ids, *tail;
  const gsize length = sequence->n + 1;

  if (n == 0 || length < n)
    return;
  tail = ids + length - (n - 1);
  for (gsize i = 0; i + n <= length; i++)
    if (memcmp (ids + i, tail, (n - 1) * sizeof (guint32)) == 0)
      logits[ids[i + n - 1]] = -INFINITY;
}

static void
apply_rules (const ItuningSearch *self, const Sequence *sequence, float *logits)
{
  if (sequence->n < self->options.min_new_tokens)
    logits[self->eos] = -INFINITY;
  ban_repeated (sequence, self->options.no_repeat_ngram_size, logits);
}

/* --- candidates --------------------------------------------------------- */

/* Keeps the list sorted, the best first; of equals the earlier stays first. */
static void
offer (ItuningSearch *self, gsize *n, Candidate candidate)
{
  gsize place = *n < self->n_candidates ? (*n)++ : self->n_candidates - 1;

  while (place > 0 && self->candidates[place - 1].sum < candidate.sum) {
    self->candidates[place] = self->candidates[place - 1];
    place--;
  }
  self->candidates[place] = candidate;
}

static void
offer_row (ItuningSearch *self, gsize *n, guint row, const float *logits,
    float log_sum)
{
  const double before = self->rows[row].sum;

  for (gsize token = 0; token < self->V; token++) {
    const float log_prob = logits[token] - log_sum;
    const double sum = before + (double) log_prob;
    if (logits[token] == -INFINITY ||
        (*n == self->n_candidates && !(sum > self->candidates[*n - 1].sum)))
      continue;
    offer (self, n, (Candidate){ row, (guint32) token, log_prob, sum });
  }
}

/* Moves the candidate at @root down to its place in a heap whose top is the
 * least likely. */
static void
sift_down (Candidate *heap, gsize root, gsize n)
{
  const Candidate moved = heap[root];

  for (gsize child = 2 * root + 1; child < n; child = 2 * root + 1) {
    if (child + 1 < n && heap[child + 1].sum < heap[child].sum)
      child++;
    if (!(heap[child].sum < moved.sum))
      break;
    heap[root] = heap[child];
    root = child;
  }
  heap[root] = moved;
}

/* Sorts in place, the likeliest first: qsort () would allocate. */
static void
sort_candidates (Candidate *candidates, gsize n)
{
  for (gsize i = n / 2; i-- > 0;)
    sift_down (candidates, i, n);
  for (gsize last = n; last-- > 1;) {
    const Candidate least = candidates[0];
    candidates[0] = candidates[last];
    candidates[last] = least;
    sift_down (candidates, 0, last);
  }
}

/* Lists what may be drawn of the only row, likeliest first. */
static gsize
list_draws (ItuningSearch *self, const float *logits, float log_sum)
{
  gsize n = 0;

  for (gsize token = 0; token < self->V; token++) {
    const double warped = (double) logits[token] / self->options.temperature;
    const Candidate candidate = { 0, (guint32) token, logits[token] - log_sum,
      warped };
    if (logits[token] == -INFINITY)
      continue;
    if (self->n_candidates == self->V)
      self->candidates[n++] = candidate; /* sorted below */
    else if (n < self->n_candidates || warped > self->candidates[n - 1].sum)
      offer (self, &n, candidate);
  }
  if (self->n_candidates == self->V)
    sort_candidates (self->candidates, n);
  return self->options.top_k > 0 ? MIN (n, self->options.top_k) : n;
}

/* Leaves one of the first @n candidates, drawn in proportion to exp (sum) from
 * as many as have the probability top_p together. */
static gsize
draw (ItuningSearch *self, gsize n)
{
  const double best = n > 0 ? self->candidates[0].sum : 0.0;
  double total = 0.0, kept = 0.0, point;
  gsize n_kept = 0, chosen = 0;

  if (n == 0)
    return 0;
  for (gsize i = 0; i < n; i++)
    total += exp (self->candidates[i].sum - best);
  while (n_kept < n && (n_kept == 0 || kept < self->options.top_p * total))
    kept += exp (self->candidates[n_kept++].sum - best);
  point = g_rand_double (self->rand) * kept;
  while (chosen + 1 < n_kept &&
      (point -= exp (self->candidates[chosen].sum - best)) >= 0.0)
    chosen++;
  self->candidates[0] = self->candidates[chosen];
  self->candidates[0].sum = self->rows[0].sum +
      (double) self->candidates[0].log_prob;
  return 1;
}

/* --- sequences ---------------------------------------------------------- */

static void
append (Sequence *to, const Sequence *from, const Candidate *candidate)
{
  memcpy (to->ids, from->ids, (from->n + 1) * sizeof (guint32));
  memcpy (to->log_probs, from->log_probs, from->n * sizeof (float));
  to->ids[from->n + 1] = candidate->token;
  to->log_probs[from->n] = candidate->log_prob;
  to->n = from->n + 1;
  to->sum = from->sum + (double) candidate->log_prob;
  to->parent = candidate->row;
}

static double
rank (const ItuningSearch *self, double sum, gsize n)
{
  return sum / pow ((double) MAX (n, 1), self->options.length_penalty);
}

/* A finished sequence takes the place of the worst if there is no room. */
static Sequence *
find_place (ItuningSearch *self, double score)
{
  Sequence *worst = &self->finished[0];

  if (self->n_finished < self->options.num_beams)
    return &self->finished[self->n_finished++];
  for (gsize i = 1; i < self->n_finished; i++)
    if (self->finished[i].score < worst->score)
      worst = &self->finished[i];
  return score > worst->score ? worst : NULL;
}

static void
finish_with (ItuningSearch *self, const Sequence *from,
    const Candidate *candidate)
{
  const double score = rank (self, candidate->sum, from->n + 1);
  Sequence *place = find_place (self, score);

  if (place != NULL) {
    append (place, from, candidate);
    place->score = score;
  }
}

/* Whether no sequence that goes on could still beat the worst finished one, as
 * Hugging Face judges it: by the best sum at the present length. Greedy search
 * and sampling are over with their EOS. */
static gboolean
is_settled (const ItuningSearch *self, double best_sum)
{
  double worst = (double) INFINITY;

  if (self->n_finished < self->options.num_beams)
    return FALSE;
  if (self->options.num_beams == 1)
    return TRUE;
  for (gsize i = 0; i < self->n_finished; i++)
    worst = MIN (worst, self->finished[i].score);
  return worst >= rank (self, best_sum, self->n_steps);
}

static void
go_on_with (ItuningSearch *self, gsize n_candidates)
{
  const gsize beams = self->options.num_beams;
  Sequence *old = self->rows;
  gsize n_next = 0;

  for (gsize i = 0; i < n_candidates && n_next < beams; i++) {
    const Candidate *candidate = &self->candidates[i];
    if (candidate->token != self->eos)
      append (&self->spare[n_next++], &old[candidate->row], candidate);
    else if (i < beams)
      finish_with (self, &old[candidate->row], candidate);
  }
  self->rows = self->spare;
  self->spare = old;
  self->n_rows = n_next;
}

/* At the length limit what still goes on counts as it is. */
static void
finish_rows (ItuningSearch *self)
{
  for (gsize i = 0; i < self->n_rows; i++) {
    const double score = rank (self, self->rows[i].sum, self->rows[i].n);
    Sequence *place = find_place (self, score);
    if (place != NULL) {
      const Sequence old = *place;
      *place = self->rows[i];
      place->score = score;
      self->rows[i] = old;
    }
  }
  self->n_rows = 0;
}

static gboolean
list_candidates (ItuningSearch *self, gsize row, float *logits, gsize *n,
    GError **error)
{
  const float log_sum = ituning_kernels_get ()->log_sum_exp (logits, self->V);

  if (!isfinite (log_sum)) {
    g_set_error_literal (error, ITUNING_ERROR, ITUNING_ERROR_NUMERIC,
        "language model: the logits are not finite; are the weights whole?");
    return FALSE;
  }
  apply_rules (self, &self->rows[row], logits);
  if (self->options.do_sample)
    *n = draw (self, list_draws (self, logits, log_sum));
  else
    offer_row (self, n, (guint) row, logits, log_sum);
  return TRUE;
}

/**
 * ituning_search_advance:
 * @search: a search that is not over
 * @logits: [rows, V] for each row; spoilt
 *
 * Chooses the next tokens. After it ituning_search_get_n_rows () sequences go
 * on, each with a parent and a token; none when the search is over.
 *
 * Returns: FALSE with %ITUNING_ERROR_NUMERIC when a row has no finite sum
 */
gboolean
ituning_search_advance (ItuningSearch *search, float *logits, GError **error)
{
  gsize n = 0;

  for (gsize row = 0; row < search->n_rows; row++)
    if (!list_candidates (search, row, logits + row * search->V, &n, error))
      return FALSE;
  if (n == 0) { /* the rules leave nothing: what there is counts */
    finish_rows (search);
    return TRUE;
  }
  search->n_steps++;
  go_on_with (search, n);
  if (is_settled (search, search->candidates[0].sum))
    search->n_rows = 0;
  else if (search->n_steps == search->options.max_new_tokens)
    finish_rows (search);
  return TRUE;
}

/**
 * ituning_search_finish:
 * @search: a search that is over
 *
 * Returns: (transfer full): the best caption, without text
 */
ItuningCaption *
ituning_search_finish (ItuningSearch *search)
{
  ItuningCaption *caption = g_new0 (ItuningCaption, 1);
  const Sequence *best = &search->finished[0];

  for (gsize i = 1; i < search->n_finished; i++)
    if (search->finished[i].score > best->score)
      best = &search->finished[i];
  caption->n_log_probs = best->n;
  caption->n_ids = best->n;
  if (best->n > 0 && best->ids[best->n] == search->eos)
    caption->n_ids--;
  caption->ids = g_memdup2 (best->ids + 1, caption->n_ids * sizeof (guint32));
  caption->log_probs = g_memdup2 (best->log_probs,
      caption->n_log_probs * sizeof (float));
  caption->score = best->score;
  if (best->n > 0)
    caption->confidence = MIN (exp (best->sum / (double) best->n), 1.0);
  return caption;
}

/**
 * ituning_caption_free:
 * @caption: (nullable) (transfer full): a caption
 */
void
ituning_caption_free (ItuningCaption *caption)
{
  if (caption == NULL)
    return;
  g_free (caption->text);
  g_free (caption->ids);
  g_free (caption->log_probs);
  g_free (caption);
}
