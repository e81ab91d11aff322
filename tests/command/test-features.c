/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* `ituning features` and what is trained from it: the forms that captions come
 * in, images that cannot be read, runs that are broken off. */

#include <gdk-pixbuf/gdk-pixbuf.h>
#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#include "model/ituning.h"
#include "tests/command/run.h"

#define IMAGES ((gsize) 40)

/* CLIP's image_mean and image_std. */
static const float means[] = { 0.48145466f, 0.4578275f, 0.40821073f };
static const float deviations[] = { 0.26862954f, 0.26130258f, 0.27577711f };

typedef struct
{
  char *folder; /* owned: with pictures, captions.json and a tokenizer */
  char *captions, *tokenizer; /* owned */
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data)
{
  g_autoptr (Run) scenes = NULL, tokenizer = NULL;

  fixture->folder = make_folder ();
  fixture->captions = g_build_filename (fixture->folder, "captions.json", NULL);
  fixture->tokenizer = g_build_filename (fixture->folder, "language", NULL);
  scenes = run_command (NULL, "scenes", "--count", "40", "--patterns", "0",
      "--size", "32", "-o", fixture->folder, NULL);
  g_assert_cmpint (scenes->status, ==, 0);
  tokenizer = run_command (NULL, "tokenizer", "train", "--input",
      fixture->captions, "--vocab-size", "320", "-o", fixture->tokenizer, NULL);
  g_assert_cmpint (tokenizer->status, ==, 0);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  remove_folder (fixture->folder);
  g_free (fixture->captions);
  g_free (fixture->tokenizer);
}

/* Pixels of what @captions says, into @name. */
static Run *
write_pixels (Fixture *fixture, const char *captions, const char *name,
    const char *option)
{
  g_autofree char *output = g_build_filename (fixture->folder, name, NULL);

  return run_command (NULL, "features", "--pixels", "16", "--tokenizer",
      fixture->tokenizer, "--captions", captions, "--images", fixture->folder,
      "-o", output, option, NULL);
}

static void
check_shape (Fixture *fixture, const char *name, gsize n_images,
    gsize n_captions)
{
  g_autofree char *path = g_build_filename (fixture->folder, name, NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (ItuningTensors) tensors = ituning_tensors_open (path, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (ituning_tensors_lookup (tensors, "pictures")->dims[0], ==,
      n_images);
  g_assert_cmpuint (ituning_tensors_lookup (tensors, "lengths")->dims[0], ==,
      n_captions);
}

static char *
write_captions (Fixture *fixture, const char *text)
{
  char *path = g_build_filename (fixture->folder, "own.json", NULL);

  write_file (path, text);
  return path;
}

/* --- captions ----------------------------------------------------------- */

static void
test_coco (Fixture *fixture, gconstpointer data)
{
  g_autoptr (Run) run = write_pixels (fixture, fixture->captions, "out", NULL);

  g_assert_cmpint (run->status, ==, 0);
  check_shape (fixture, "out", IMAGES, 5 * IMAGES);
}

static void
test_lines (Fixture *fixture, gconstpointer data)
{
  g_autofree char *captions = write_captions (fixture,
      "{\"image\": \"images/000000.jpg\", \"caption\": \"a red ball\"}\n"
      "{\"image\": \"images/000001.jpg\", \"caption\": \"a blue cube\"}\n\n"
      "{\"image\": \"images/000000.jpg\", \"caption\": \" one red\\nball \"}\n");
  g_autoptr (Run) run = write_pixels (fixture, captions, "out", NULL);

  g_assert_cmpint (run->status, ==, 0);
  check_shape (fixture, "out", 2, 3);
}

static const char karpathy[] =
    "{\"images\": ["
    "{\"filepath\": \"images\", \"filename\": \"000000.jpg\", \"split\": "
    "\"train\", \"sentences\": [{\"raw\": \"a\"}, {\"raw\": \"b\"}]}, "
    "{\"filepath\": \"images\", \"filename\": \"000001.jpg\", \"split\": "
    "\"restval\", \"sentences\": [{\"raw\": \"c\"}]}, "
    "{\"filepath\": \"images\", \"filename\": \"000002.jpg\", \"split\": "
    "\"val\", \"sentences\": [{\"raw\": \"d\"}, {\"raw\": \" \"}]}]}";

static void
test_karpathy (Fixture *fixture, gconstpointer data)
{
  g_autofree char *captions = write_captions (fixture, karpathy);
  g_autoptr (Run) all = write_pixels (fixture, captions, "all", NULL);
  g_autoptr (Run) train = write_pixels (fixture, captions, "train",
      "--split=train");
  g_autoptr (Run) val = write_pixels (fixture, captions, "val", "--split=val");
  g_autoptr (Run) none = write_pixels (fixture, captions, "none",
      "--split=nope");

  g_assert_cmpint (all->status, ==, 0);
  g_assert_cmpint (train->status, ==, 0);
  g_assert_cmpint (val->status, ==, 0);
  check_shape (fixture, "all", 3, 4);
  check_shape (fixture, "train", 2, 3);
  check_shape (fixture, "val", 1, 1);
  assert_fails (none, 1, "own.json", "nope");
}

static void
test_bad_captions_are_named (Fixture *fixture, gconstpointer data)
{
  static const struct
  {
    const char *text, *cause;
  } cases[] = {
    { "[]", "no list of captions" },
    { "{\"images\": [{}], \"annotations\": []}", "image 0" },
    { "{\"images\": [], \"annotations\": []}", "no captions" },
    { "{\"images\": [{\"id\": 1, \"file_name\": \"a\"}], \"annotations\": "
      "[{\"image_id\": 2, \"caption\": \"x\"}]}",
        "image 2" },
    { "{\"image\": \"a\", \"text\": \"x\"}\n", "line 1" },
    { "{\"images\"", "not JSON" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *captions = write_captions (fixture, cases[i].text);
    g_autoptr (Run) run = write_pixels (fixture, captions, "out", NULL);
    assert_fails (run, 1, "own.json", cases[i].cause);
  }
}

/* --- images ------------------------------------------------------------- */

static void
test_unreadable_images_are_left_out (Fixture *fixture, gconstpointer data)
{
  g_autofree char *broken = g_build_filename (fixture->folder, "images",
      "000003.jpg", NULL);
  g_autoptr (Run) strict = NULL, run = NULL;

  write_file (broken, "no picture");
  strict = write_pixels (fixture, fixture->captions, "strict", "--strict");
  run = write_pixels (fixture, fixture->captions, "out", NULL);
  g_assert_cmpint (strict->status, ==, 1);
  g_assert_nonnull (strstr (strict->err, "000003.jpg"));
  g_assert_cmpint (run->status, ==, 0);
  g_assert_nonnull (strstr (run->err, "skipped"));
  g_assert_nonnull (strstr (run->err, "1 of 40"));
  check_shape (fixture, "out", IMAGES - 1, 5 * (IMAGES - 1));
}

/* A folder that was not there yet is no reason to leave its images out later. */
static void
test_images_that_come_later_are_read (Fixture *fixture, gconstpointer data)
{
  g_autofree char *images = g_build_filename (fixture->folder, "images", NULL);
  g_autofree char *away = g_build_filename (fixture->folder, "away", NULL);
  g_autoptr (Run) none = NULL, run = NULL;

  g_assert_cmpint (g_rename (images, away), ==, 0);
  none = write_pixels (fixture, fixture->captions, "out", NULL);
  g_assert_cmpint (g_rename (away, images), ==, 0);
  run = write_pixels (fixture, fixture->captions, "out", NULL);
  g_assert_cmpint (none->status, ==, 1);
  g_assert_nonnull (strstr (none->err, "no image"));
  g_assert_cmpint (run->status, ==, 0);
  check_shape (fixture, "out", IMAGES, 5 * IMAGES);
}

/* --- broken off --------------------------------------------------------- */

/* Makes of a whole file what a run that was killed after @n images leaves: the
 * strict run over a picture that is broken for the time. */
static void
break_off (Fixture *fixture, const char *name)
{
  g_autofree char *path = g_build_filename (fixture->folder, "images",
      "000020.jpg", NULL);
  g_autofree char *picture = NULL;
  g_autoptr (Run) run = NULL;
  gsize size;

  g_assert_true (g_file_get_contents (path, &picture, &size, NULL));
  write_file (path, "no picture");
  run = write_pixels (fixture, fixture->captions, name, "--strict");
  g_assert_cmpint (run->status, ==, 1);
  g_assert_true (g_file_set_contents (path, picture, (gssize) size, NULL));
}

static void
test_broken_off_run_goes_on (Fixture *fixture, gconstpointer data)
{
  g_autofree char *a = g_build_filename (fixture->folder, "whole", NULL);
  g_autofree char *b = g_build_filename (fixture->folder, "parts", NULL);
  g_autofree char *list = g_strconcat (b, ".images", NULL);
  g_autoptr (Run) whole = write_pixels (fixture, fixture->captions, "whole",
      NULL);
  g_autoptr (Run) parts = NULL;
  g_autofree char *x = NULL, *y = NULL;
  gsize n, m;

  g_assert_cmpint (whole->status, ==, 0);
  break_off (fixture, "parts");
  g_assert_true (g_file_test (list, G_FILE_TEST_EXISTS));
  parts = write_pixels (fixture, fixture->captions, "parts", NULL);
  g_assert_cmpint (parts->status, ==, 0);
  g_assert_true (g_file_get_contents (a, &x, &n, NULL));
  g_assert_true (g_file_get_contents (b, &y, &m, NULL));
  g_assert_cmpmem (x, n, y, m);
}

static void
test_other_captions_do_not_go_on (Fixture *fixture, gconstpointer data)
{
  g_autofree char *captions = write_captions (fixture, karpathy);
  g_autofree char *list = g_build_filename (fixture->folder, "out.images",
      NULL);
  g_autofree char *text = NULL, *broken = NULL;
  g_autoptr (Run) other = NULL, cut = NULL, damaged = NULL;

  break_off (fixture, "out");
  other = write_pixels (fixture, captions, "out", NULL);
  assert_fails (other, 1, "out.images", "another model or other options");
  g_assert_true (g_file_get_contents (list, &text, NULL, NULL));
  broken = g_strdup (text);
  strchr (broken, '\n')[1] = 'x';
  write_file (list, broken);
  damaged = write_pixels (fixture, fixture->captions, "out", NULL);
  assert_fails (damaged, 1, "out.images", "is broken");
  text[20] = '\0'; /* inside of the first line */
  write_file (list, text);
  cut = write_pixels (fixture, fixture->captions, "out", NULL);
  g_assert_cmpint (cut->status, ==, 0);
  check_shape (fixture, "out", IMAGES, 5 * IMAGES);
}

/* --- from nothing to captions ------------------------------------------- */

/* The number behind the last @name in @text. */
static double
read_number (const char *text, const char *name)
{
  const char *found = g_strrstr (text, name);

  g_assert_nonnull (found);
  return g_ascii_strtod (found + strlen (name), NULL);
}

/* A picture of losses, captions and learning rate; well-formed. */
static void
check_curves (const char *svg)
{
  static const char *const words[] = { ">Training of more<", ">Loss<",
    ">training<", ">validation<", ">CIDEr-D<", ">BLEU-4<", ">Learning rate<",
    ">20<", ">steps<" };
  const GMarkupParser parser = { NULL, NULL, NULL, NULL, NULL };
  GMarkupParseContext *context = g_markup_parse_context_new (&parser, 0, NULL,
      NULL);
  g_autoptr (GError) error = NULL;

  g_markup_parse_context_parse (context, svg, -1, &error);
  g_assert_no_error (error);
  g_markup_parse_context_end_parse (context, &error);
  g_assert_no_error (error);
  g_markup_parse_context_free (context);
  for (gsize i = 0; i < G_N_ELEMENTS (words); i++)
    if (strstr (svg, words[i]) == NULL)
      g_error ("no %s in the curves", words[i]);
  g_assert_null (strstr (svg, "nan"));
}

/* What a run says of its captions is what `eval` says of them. */
static void
check_validation (Fixture *fixture, const char *adapter)
{
  g_autofree char *features = g_build_filename (adapter, "features.safetensors",
      NULL);
  g_autofree char *more = g_build_filename (fixture->folder, "more", NULL);
  g_autofree char *log = g_build_filename (more, "log.jsonl", NULL);
  g_autofree char *curves = g_build_filename (more, "curves.svg", NULL);
  g_autofree char *lines = NULL, *svg = NULL;
  g_autoptr (Run) train = run_command (NULL, "train", "--model",
      fixture->folder, "--features", features, "--validation", features,
      "--validate-every", "10", "--steps", "20", "--lr", "0.001", "-o", more,
      NULL);
  g_autoptr (Run) eval = run_command (NULL, "eval", "--references",
      fixture->captions, "--images", fixture->folder, "--model",
      fixture->folder, "--adapter", more, "--json", NULL);

  g_assert_cmpint (train->status, ==, 0);
  g_assert_cmpint (eval->status, ==, 0);
  g_assert_true (g_file_get_contents (log, &lines, NULL, NULL));
  g_assert_true (g_file_get_contents (curves, &svg, NULL, NULL));
  g_assert_cmpfloat_with_epsilon (read_number (lines, "\"cider\": "),
      read_number (eval->out, "\"CIDEr\": "), 1e-4);
  g_assert_cmpfloat (read_number (lines, "\"bleu_4\": "), >, 0.1);
  g_assert_nonnull (strstr (lines, "\"caption\": \""));
  g_assert_nonnull (strstr (train->err, "CIDEr-D"));
  check_curves (svg);
}

/* Ids come back as they were: a number is one, "007" is none. */
static void
check_saved_ids (Fixture *fixture, const char *model)
{
  g_autofree char *captions = write_captions (fixture,
      "{\"images\": [{\"id\": \"007\", \"file_name\": \"images/000000.jpg\"},"
      "{\"id\": 12, \"file_name\": \"images/000001.jpg\"}],"
      "\"annotations\": [{\"image_id\": \"007\", \"caption\": \"a ball\"},"
      "{\"image_id\": 12, \"caption\": \"a cube\"}]}");
  g_autofree char *results = g_build_filename (fixture->folder, "results",
      NULL);
  g_autofree char *saved = NULL;
  g_autoptr (Run) run = run_command (NULL, "eval", "--references", captions,
      "--images", fixture->folder, "--model", model, "--max-new-tokens", "4",
      "--save-results", results, NULL);
  g_autoptr (Run) again = NULL;

  g_assert_cmpint (run->status, ==, 0);
  g_assert_true (g_file_get_contents (results, &saved, NULL, NULL));
  g_assert_nonnull (strstr (saved, "\"image_id\": \"007\""));
  g_assert_nonnull (strstr (saved, "\"image_id\": 12,"));
  again = run_command (NULL, "eval", "--references", captions, "--results",
      results, NULL);
  g_assert_cmpstr (again->out, ==, run->out);
}

/* The features that a folder has are of the captions and the model that they
 * were written for; another run's are not taken for its own. */
static void
check_other_features (Fixture *fixture, const char *adapter)
{
  g_autofree char *captions = write_captions (fixture,
      "{\"image\": \"images/000000.jpg\", \"caption\": \"a red ball\"}\n");
  g_autoptr (Run) same = run_command (NULL, "train", "--model", fixture->folder,
      "--captions", fixture->captions, "--images", fixture->folder, "--steps",
      "1", "--batch-size", "8", "-o", adapter, "--force", NULL);
  g_autoptr (Run) other = run_command (NULL, "train", "--model",
      fixture->folder, "--captions", captions, "--images", fixture->folder,
      "--steps", "1", "-o", adapter, "--force", NULL);
  g_autoptr (Run) longer = run_command (NULL, "train", "--model",
      fixture->folder, "--captions", fixture->captions, "--images",
      fixture->folder, "--max-length", "9", "--steps", "1", "-o", adapter,
      "--force", NULL);

  g_assert_cmpint (same->status, ==, 0);
  assert_fails (other, 1, "adapter/features.safetensors",
      "other captions or options");
  assert_fails (longer, 1, "adapter/features.safetensors",
      "other captions or options");
}

/* What `preprocess` makes of a wide picture for @vision is what it would be
 * trained with, its edges included. */
static void
check_pictures_are_whole (Fixture *fixture, const char *vision)
{
  static const char *const line =
      "{\"image\": \"wide.png\", \"caption\": \"a\"}";
  g_autofree char *wide = g_build_filename (fixture->folder, "wide.png", NULL);
  g_autofree char *lines = g_build_filename (fixture->folder, "wide.jsonl",
      NULL);
  g_autofree char *pixels = g_build_filename (fixture->folder, "wide", NULL);
  g_autofree char *values = g_build_filename (fixture->folder, "values", NULL);
  g_autoptr (GdkPixbuf) pixbuf = gdk_pixbuf_new (GDK_COLORSPACE_RGB, FALSE, 8,
      64, 16);
  g_autoptr (GdkPixbuf) left = gdk_pixbuf_new_subpixbuf (pixbuf, 0, 0, 16, 16);
  g_autoptr (ItuningTensors) trained = NULL, seen = NULL;
  g_autoptr (Run) features = NULL, preprocess = NULL;
  const guint8 *row;
  const float *value;

  gdk_pixbuf_fill (pixbuf, 0x00000000);
  gdk_pixbuf_fill (left, 0xff000000);
  g_assert_true (gdk_pixbuf_save (pixbuf, wide, "png", NULL, NULL));
  write_file (lines, line);
  features = write_pixels (fixture, lines, "wide", NULL);
  g_assert_cmpint (features->status, ==, 0);
  preprocess = run_command (NULL, "preprocess", "--vision", vision, wide, "-o",
      values, NULL);
  g_assert_cmpint (preprocess->status, ==, 0);
  trained = ituning_tensors_open (pixels, NULL);
  seen = ituning_tensors_open (values, NULL);
  row = ituning_tensors_lookup (trained, "pictures")->data;
  value = ituning_tensors_lookup (seen, "wide")->data;
  /* Red at the left edge of 16 pixels, not at the right one. */
  g_assert_cmpuint (row[0], >, 240);
  g_assert_cmpuint (row[45], <, 10);
  for (gsize i = 0; i < 256; i++)
    for (gsize channel = 0; channel < 3; channel++)
      g_assert_cmpfloat (fabsf (value[channel * 256 + i] -
                             ((float) row[i * 3 + channel] / 255.0f -
                                 means[channel]) /
                                 deviations[channel]),
          <, 1e-5f);
}

/* Everything that examples/train-scenes.sh does, in the small. */
static void
test_small_model_from_nothing (Fixture *fixture, gconstpointer data)
{
  g_autofree char *pixels = g_build_filename (fixture->folder, "px", NULL);
  g_autofree char *vision = g_build_filename (fixture->folder, "vision", NULL);
  g_autofree char *adapter = g_build_filename (fixture->folder, "adapter",
      NULL);
  g_autofree char *packed = g_build_filename (fixture->folder, "m.gguf", NULL);
  g_autoptr (Run) features = write_pixels (fixture, fixture->captions, "px",
      NULL);
  g_autoptr (Run) clip = NULL, gpt2 = NULL, train = NULL, convert = NULL,
                  eval = NULL;

  g_assert_cmpint (features->status, ==, 0);
  clip = run_command (NULL, "pretrain", "clip", "--features", pixels,
      "--tokenizer", fixture->tokenizer, "--width", "16", "--layers", "2",
      "--heads", "2", "--patch-size", "8", "--embedding", "8", "--text-width",
      "16", "--text-layers", "1", "--text-heads", "2", "--captioning", "2",
      "--steps", "20", "--batch-size", "8", "-o", vision, NULL);
  g_assert_cmpint (clip->status, ==, 0);
  gpt2 = run_command (NULL, "pretrain", "gpt2", "--features", pixels,
      "--tokenizer", fixture->tokenizer, "--width", "16", "--layers", "2",
      "--heads", "2", "--steps", "300", "--batch-size", "8", "--lr", "0.01",
      "-o", fixture->tokenizer, NULL);
  g_assert_cmpint (gpt2->status, ==, 0);
  train = run_command (NULL, "train", "--model", fixture->folder, "--captions",
      fixture->captions, "--images", fixture->folder, "--steps", "20",
      "--batch-size", "8", "-o", adapter, NULL);
  g_assert_cmpint (train->status, ==, 0);
  convert = run_command (NULL, "convert", fixture->folder, "--type", "f16",
      "-o", packed, NULL);
  g_assert_cmpint (convert->status, ==, 0);
  eval = run_command (NULL, "eval", "--references", fixture->captions,
      "--images", fixture->folder, "--model", packed, "--json", NULL);
  g_assert_cmpint (eval->status, ==, 0);
  g_assert_nonnull (strstr (eval->out, "\"CIDEr\": "));
  check_pictures_are_whole (fixture, vision);
  check_validation (fixture, adapter);
  check_saved_ids (fixture, packed);
  check_other_features (fixture, adapter);
}

static Run *
stretch (const Fixture *fixture, const char *pixels, const char *zoom,
    const char *output)
{
  return run_command (NULL, "pretrain", "clip", "--features", pixels,
      "--tokenizer", fixture->tokenizer, "--width", "16", "--layers", "1",
      "--heads", "2", "--patch-size", "8", "--steps", "1", "--batch-size", "8",
      "--lr", "0.01", "--zoom", zoom, "-o", output, NULL);
}

/* What a tower learns of pictures that are stretched is something else. */
static void
test_pictures_are_stretched (Fixture *fixture, gconstpointer data)
{
  static const char *const zooms[] = { "0", "0.5" };
  g_autofree char *pixels = g_build_filename (fixture->folder, "px", NULL);
  g_autofree char *nowhere = g_build_filename (fixture->folder, "no", NULL);
  g_autoptr (Run) features = write_pixels (fixture, fixture->captions, "px",
      NULL);
  g_autoptr (Run) all = NULL, gpt2 = NULL;
  g_autofree char *still = NULL, *stretched = NULL;
  char **models[] = { &still, &stretched };
  gsize sizes[2];

  (void) data;
  g_assert_cmpint (features->status, ==, 0);
  for (gsize i = 0; i < G_N_ELEMENTS (zooms); i++) {
    g_autofree char *output = g_build_filename (fixture->folder, zooms[i],
        NULL);
    g_autofree char *file = g_build_filename (output, "model.safetensors",
        NULL);
    g_autoptr (Run) run = stretch (fixture, pixels, zooms[i], output);
    g_assert_cmpint (run->status, ==, 0);
    g_assert_true (g_file_get_contents (file, models[i], &sizes[i], NULL));
  }
  g_assert_false (
      sizes[0] == sizes[1] && memcmp (still, stretched, sizes[0]) == 0);
  all = stretch (fixture, pixels, "1", nowhere);
  assert_fails (all, 1, "zoom", "0 to below 1");
  gpt2 = run_command (NULL, "pretrain", "gpt2", "--features", pixels,
      "--tokenizer", fixture->tokenizer, "--zoom", "0.1", "-o", nowhere, NULL);
  assert_fails (gpt2, 2, "--zoom", "for clip");
}

static Run *
pretrain_clip (const Fixture *fixture, const char *pixels, const char *width,
    const char *start, const char *output)
{
  return run_command (NULL, "pretrain", "clip", "--features", pixels,
      "--tokenizer", fixture->tokenizer, "--width", width, "--layers", "1",
      "--heads", "2", "--patch-size", "8", "--embedding", "8", "--text-width",
      "16", "--text-layers", "1", "--text-heads", "2", "--steps", "1",
      "--batch-size", "8", "--shift", "2", "--zoom", "0.1", "-o", output,
      "--force", "--lr", "1e-300", "--seed", start != NULL ? "9" : "3",
      start != NULL ? "--vision" : NULL, start, NULL);
}

/* With no learning rate to speak of, what comes out is what it started from,
 * whatever the seed. */
static void
test_vision_tower_goes_on (Fixture *fixture, gconstpointer data)
{
  g_autofree char *pixels = g_build_filename (fixture->folder, "px", NULL);
  g_autofree char *first = g_build_filename (fixture->folder, "first", NULL);
  g_autofree char *second = g_build_filename (fixture->folder, "second", NULL);
  g_autofree char *file = g_build_filename (first, "model.safetensors", NULL);
  g_autofree char *other = g_build_filename (second, "model.safetensors", NULL);
  g_autoptr (Run) features = write_pixels (fixture, fixture->captions, "px",
      NULL);
  g_autoptr (Run) clip = pretrain_clip (fixture, pixels, "16", NULL, first);
  g_autofree char *preprocessor = g_build_filename (first,
      "preprocessor_config.json", NULL);
  g_autoptr (Run) next = NULL, wide = NULL, none = NULL, heads = NULL;
  g_autoptr (Run) gpt2 = NULL, squares = NULL;
  g_autofree char *a = NULL, *b = NULL;
  gsize n, m;

  (void) data;
  g_assert_cmpint (features->status, ==, 0);
  g_assert_cmpint (clip->status, ==, 0);
  next = pretrain_clip (fixture, pixels, "16", first, second);
  g_assert_cmpint (next->status, ==, 0);
  g_assert_true (g_file_get_contents (file, &a, &n, NULL));
  g_assert_true (g_file_get_contents (other, &b, &m, NULL));
  g_assert_cmpmem (a, n, b, m);
  wide = pretrain_clip (fixture, pixels, "32", first, second);
  assert_fails (wide, 1, file, "shape");
  none = pretrain_clip (fixture, pixels, "16", "/nowhere", second);
  assert_fails (none, 1, "/nowhere/config.json", "No such file");
  heads = run_command (NULL, "pretrain", "clip", "--features", pixels,
      "--tokenizer", fixture->tokenizer, "--width", "16", "--layers", "1",
      "--heads", "4", "--patch-size", "8", "--embedding", "8", "--vision",
      first, "-o", second, "--force", NULL);
  assert_fails (heads, 1, first, "2 heads");
  gpt2 = run_command (NULL, "pretrain", "gpt2", "--features", pixels,
      "--tokenizer", fixture->tokenizer, "--vision", first, "-o", second, NULL);
  assert_fails (gpt2, 2, "--vision", "for clip");
  g_assert_true (g_file_set_contents (preprocessor,
      "{\"size\": {\"shortest_edge\": 16}, \"crop_size\": 16}", -1, NULL));
  squares = pretrain_clip (fixture, pixels, "16", first, second);
  assert_fails (squares, 1, preprocessor, "whole pictures");
}

#define ADD(name, test) \
  g_test_add ("/features/" name, Fixture, NULL, set_up, test, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("coco", test_coco);
  ADD ("json-lines", test_lines);
  ADD ("karpathy-with-splits", test_karpathy);
  ADD ("bad-captions-are-named", test_bad_captions_are_named);
  ADD ("unreadable-images-are-left-out", test_unreadable_images_are_left_out);
  ADD ("images-that-come-later-are-read", test_images_that_come_later_are_read);
  ADD ("broken-off-run-goes-on", test_broken_off_run_goes_on);
  ADD ("other-captions-do-not-go-on", test_other_captions_do_not_go_on);
  ADD ("small-model-from-nothing", test_small_model_from_nothing);
  ADD ("pictures-are-stretched", test_pictures_are_stretched);
  ADD ("vision-tower-goes-on", test_vision_tower_goes_on);
  return g_test_run ();
}
