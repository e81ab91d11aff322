/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/gstituning.h"
#include "tests/gst/pipelines.h"

static const gfloat embedding[] = { 0.6f, -0.8f, 0.0f };

static GstItuningCaption *
make_caption (void)
{
  return gst_ituning_caption_new (7, "a \"red\" bus; höher", 0.25,
      2 * GST_SECOND, 3 * GST_SECOND, GST_CLOCK_TIME_NONE, 40 * GST_MSECOND,
      "tiny", embedding, G_N_ELEMENTS (embedding));
}

/* All but the range and the embedding. */
static void
assert_same (const GstItuningCaption *a, const GstItuningCaption *b)
{
  g_assert_cmpuint (a->id, ==, b->id);
  g_assert_cmpstr (a->text, ==, b->text);
  g_assert_cmpfloat (a->confidence, ==, b->confidence);
  g_assert_cmpuint (a->keyframe, ==, b->keyframe);
  g_assert_cmpuint (a->age, ==, b->age);
  g_assert_cmpstr (a->model, ==, b->model);
}

static void
test_new_copies_its_arguments (void)
{
  gfloat numbers[] = { 0.6f, -0.8f, 0.0f };
  gchar text[] = "a dog", model[] = "tiny";
  g_autoptr (GstItuningCaption) caption = gst_ituning_caption_new (1, text, 1.0,
      0, 0, 1, 0, model, numbers, G_N_ELEMENTS (numbers));
  const gfloat *copied;
  guint n = 0;

  text[0] = model[0] = 'X';
  numbers[0] = 9;
  g_assert_cmpstr (gst_ituning_caption_get_text (caption), ==, "a dog");
  g_assert_cmpstr (gst_ituning_caption_get_model (caption), ==, "tiny");
  copied = gst_ituning_caption_get_embedding (caption, &n);
  g_assert_cmpmem (copied, n * sizeof (gfloat), embedding, sizeof (embedding));
}

static void
test_getters_return_the_fields (void)
{
  g_autoptr (GstItuningCaption) caption = make_caption ();

  g_assert_cmpuint (gst_ituning_caption_get_id (caption), ==, 7);
  g_assert_cmpfloat (gst_ituning_caption_get_confidence (caption), ==, 0.25);
  g_assert_cmpuint (gst_ituning_caption_get_keyframe (caption), ==,
      2 * GST_SECOND);
  g_assert_cmpuint (gst_ituning_caption_get_start (caption), ==,
      3 * GST_SECOND);
  g_assert_cmpuint (gst_ituning_caption_get_end (caption), ==,
      GST_CLOCK_TIME_NONE);
  g_assert_cmpuint (gst_ituning_caption_get_age (caption), ==,
      40 * GST_MSECOND);
}

static void
test_model_and_embedding_may_be_absent (void)
{
  g_autoptr (GstItuningCaption) caption = gst_ituning_caption_new (0, "", 0, 0,
      0, 0, 0, NULL, NULL, 0);
  g_autoptr (GstStructure) structure = gst_ituning_caption_to_structure (
      caption);
  g_autoptr (GstItuningCaption) read = gst_ituning_caption_from_structure (
      structure);
  guint n = 5;

  g_assert_null (gst_ituning_caption_get_embedding (caption, &n));
  g_assert_cmpuint (n, ==, 0);
  g_assert_false (gst_structure_has_field (structure, "model"));
  g_assert_null (gst_ituning_caption_get_model (read));
}

static void
test_copy_with_range_leaves_the_original (void)
{
  g_autoptr (GstItuningCaption) caption = make_caption ();
  g_autoptr (GstItuningCaption) copy =
      gst_ituning_caption_copy_with_range (caption, 4 * GST_SECOND,
          5 * GST_SECOND);

  assert_same (copy, caption);
  g_assert_cmpmem (copy->embedding, copy->n_embedding * sizeof (gfloat),
      embedding, sizeof (embedding));
  g_assert_cmpuint (copy->start, ==, 4 * GST_SECOND);
  g_assert_cmpuint (copy->end, ==, 5 * GST_SECOND);
  g_assert_cmpuint (caption->start, ==, 3 * GST_SECOND);
  g_assert_cmpuint (caption->end, ==, GST_CLOCK_TIME_NONE);
}

/* By way of text, as a message's structure may go. */
static void
test_structure_brings_the_caption_back (void)
{
  g_autoptr (GstItuningCaption) caption = make_caption ();
  g_autoptr (GstStructure) structure = gst_ituning_caption_to_structure (
      caption);
  g_autofree gchar *text = gst_structure_to_string (structure);
  g_autoptr (GstStructure) parsed = gst_structure_from_string (text, NULL);
  g_autoptr (GstItuningCaption) read = NULL;

  g_assert_true (gst_structure_has_name (structure, "ituning-caption"));
  g_assert_nonnull (parsed);
  read = gst_ituning_caption_from_structure (parsed);
  g_assert_nonnull (read);
  assert_same (read, caption);
  g_assert_cmpuint (read->start, ==, caption->start);
  g_assert_cmpuint (read->end, ==, caption->end);
  g_assert_null (read->embedding);
}

static void
test_incomplete_structure_is_no_caption (void)
{
  g_autoptr (GstItuningCaption) caption = make_caption ();
  static const gchar *fields[] = { "id", "text", "confidence", "keyframe",
    "start", "end", "age" };

  for (gsize i = 0; i < G_N_ELEMENTS (fields); i++) {
    g_autoptr (GstStructure) structure = gst_ituning_caption_to_structure (
        caption);
    gst_structure_remove_field (structure, fields[i]);
    g_assert_null (gst_ituning_caption_from_structure (structure));
    gst_structure_set (structure, fields[i], G_TYPE_INT, 1, NULL);
    g_assert_null (gst_ituning_caption_from_structure (structure));
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  gst_init (&argc, &argv);
  g_test_add_func ("/caption/new-copies-its-arguments",
      test_new_copies_its_arguments);
  g_test_add_func ("/caption/getters-return-the-fields",
      test_getters_return_the_fields);
  g_test_add_func ("/caption/model-and-embedding-may-be-absent",
      test_model_and_embedding_may_be_absent);
  g_test_add_func ("/caption/copy-with-range-leaves-the-original",
      test_copy_with_range_leaves_the_original);
  g_test_add_func ("/caption/structure-brings-the-caption-back",
      test_structure_brings_the_caption_back);
  g_test_add_func ("/caption/incomplete-structure-is-no-caption",
      test_incomplete_structure_is_no_caption);
  add_leaks_test ();
  return g_test_run ();
}
