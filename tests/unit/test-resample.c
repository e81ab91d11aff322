/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "model/resample.h"

#define N_VALUES ((gsize) 224 * 224 * 3)

static guint8 *
make_noise (gsize width, gsize height, gsize stride)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (4);
  guint8 *pixels = g_malloc (stride * height);

  for (gsize i = 0; i < stride * height; i++)
    pixels[i] = (guint8) g_rand_int (rand);
  return pixels;
}

static void
test_same_size_is_a_copy (void)
{
  g_autofree guint8 *pixels = make_noise (7, 5, 24);
  const ItuningImage image = { pixels, 7, 5, 24 };
  const ItuningWindow window = { 2, 1, 3, 4 };
  guint8 out[3 * 4 * 3];

  ituning_resample (out, &image, ITUNING_FILTER_BICUBIC, 7, 5, &window);
  for (gsize y = 0; y < 4; y++)
    g_assert_cmpmem (out + y * 9, 9, pixels + (y + 1) * 24 + 6, 9);
}

static void
test_window_is_cut_from_the_whole (void)
{
  static const gsize sizes[][2] = { { 10, 8 }, { 61, 47 }, { 31, 9 } };
  g_autofree guint8 *pixels = make_noise (31, 23, 100);
  const ItuningImage image = { pixels, 31, 23, 100 };

  for (gsize i = 0; i < G_N_ELEMENTS (sizes); i++) {
    const gsize width = sizes[i][0], height = sizes[i][1];
    const ItuningWindow whole = { 0, 0, width, height };
    const ItuningWindow window = { width / 3, height / 4, width / 2,
      height / 2 };
    g_autofree guint8 *all = g_malloc (width * height * 3);
    g_autofree guint8 *cut = g_malloc (width * height * 3);
    for (int filter = ITUNING_FILTER_LANCZOS; filter <= ITUNING_FILTER_HAMMING;
         filter++) {
      ituning_resample (all, &image, (ItuningFilter) filter, width, height,
          &whole);
      ituning_resample (cut, &image, (ItuningFilter) filter, width, height,
          &window);
      for (gsize y = 0; y < window.height; y++)
        g_assert_cmpmem (cut + y * window.width * 3, window.width * 3,
            all + ((window.top + y) * width + window.left) * 3,
            window.width * 3);
    }
  }
}

static void
test_halving_by_box_is_the_mean (void)
{
  static const guint8 pixels[] = { 0, 10, 20, 4, 30, 40, /**/ 8, 50, 60, 12, 70,
    255 };
  const ItuningImage image = { pixels, 2, 2, 6 };
  const ItuningWindow window = { 0, 0, 1, 1 };
  guint8 out[3];

  /* Each pass rounds: (2, 20, 30) and (10, 60, 158), then their mean. */
  ituning_resample (out, &image, ITUNING_FILTER_BOX, 1, 1, &window);
  g_assert_cmpuint (out[0], ==, 6);
  g_assert_cmpuint (out[1], ==, 40);
  g_assert_cmpuint (out[2], ==, 94);
}

/* A step is sharpened by the cubic: weights of 4 pixels at twice the size are
 * those of Keys's filter at 1/4 and 3/4. */
static void
test_doubling_by_bicubic_has_keys_weights (void)
{
  static const guint8 pixels[] = { 0, 0, 0, 0, 0, 0, 128, 128, 128, 128, 128,
    128 };
  const ItuningImage image = { pixels, 4, 1, 12 };
  const ItuningWindow window = { 0, 0, 8, 1 };
  guint8 out[24];

  ituning_resample (out, &image, ITUNING_FILTER_BICUBIC, 8, 1, &window);
  /* w(-1.25, -0.25, 0.75, 1.75) = -0.0703125 0.8671875 0.2265625 -0.0234375 */
  g_assert_cmpuint (out[9], ==, 26); /* 128 * 0.203125 */
  g_assert_cmpuint (out[12], ==, 102); /* 128 * 0.796875 */
  g_assert_cmpuint (out[15], ==, 137); /* 128 * 1.0703125 */
}

/* MD5 of what Pillow 9.4.0 (Debian 12) makes of a 37 x 29 picture:
 *
 *   pixels = bytes ((i * i * 7 + i // 3 * 31) % 256 for i in range (37 * 29 * 3))
 *   picture = Image.frombytes ("RGB", (37, 29), pixels)
 *   hashlib.md5 (picture.resize (size, filter).tobytes ()).hexdigest () */
static void
test_every_filter_is_pillows (void)
{
  static const struct
  {
    gsize width, height;
    const char *md5[ITUNING_FILTER_HAMMING + 1];
  } cases[] = {
    { 11, 8,
        { NULL, "db159d2640061e99aa4c98cf0f7a8326",
            "58c075e577df3cbfaddbae72421108f8",
            "8df38e71ed140eae882d4a67e415f7f5",
            "d78c8e744a470250c1517fe1443499d2",
            "8da3d7809102d04780867f618b077f93" } },
    { 60, 50,
        { NULL, "261185b45cedab0b7436ea76cf638987",
            "8ef9aa6cb955e5e4addeff775d8e5ad6",
            "e52d315db60ad4ee760b462292c95122",
            "820cfefbb9e9f6c4dbadf6e2749b08ac",
            "f1129bd69f1f15cf57a3e4a8492cda49" } },
    { 37, 90,
        { NULL, "00056544937f32c84ad92b08e659e3a5",
            "1b3479f5044258b5ccb35295e8973f88",
            "a6d6bee8c40747a59be5963da0455489",
            "d09e8c0ec1d7c7577efc60600d01eb68",
            "2fbea54534a7b6b89f62cc75480e5aec" } },
    { 5, 29,
        { NULL, "42c269eabbd89ef6843a664ea17abc1c",
            "51589034608641426a4078c1078c77ab",
            "140f2d48f37f2ba7ee7866460b82e2c7",
            "8041561128a6beb521e823c10b9733c7",
            "74963ce827e729596df855b0834aa62e" } },
  };
  guint8 pixels[37 * 29 * 3];
  const ItuningImage image = { pixels, 37, 29, 111 };

  for (gsize i = 0; i < sizeof (pixels); i++)
    pixels[i] = (guint8) (i * i * 7 + i / 3 * 31);
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    const gsize size = cases[i].width * cases[i].height * 3;
    const ItuningWindow whole = { 0, 0, cases[i].width, cases[i].height };
    g_autofree guint8 *out = g_malloc (size);
    for (int filter = ITUNING_FILTER_LANCZOS; filter <= ITUNING_FILTER_HAMMING;
         filter++) {
      g_autofree char *md5 = NULL;
      ituning_resample (out, &image, (ItuningFilter) filter, whole.width,
          whole.height, &whole);
      md5 = g_compute_checksum_for_data (G_CHECKSUM_MD5, out, size);
      g_assert_cmpstr (md5, ==, cases[i].md5[filter]);
    }
  }
}

static void
test_extreme_shapes_cost_little (void)
{
  static const gsize shapes[][2] = { { 1, 1 }, { 20000, 10 }, { 10, 20000 },
    { 1, 20000 } };

  for (gsize i = 0; i < G_N_ELEMENTS (shapes); i++) {
    const gsize width = shapes[i][0], height = shapes[i][1];
    const gsize edge = MIN (width, height);
    const gsize out_width = 224 * width / edge,
                out_height = 224 * height / edge;
    const ItuningWindow window = { (out_width - 224) / 2,
      (out_height - 224) / 2, 224, 224 };
    g_autofree guint8 *pixels = g_malloc (width * height * 3);
    g_autofree guint8 *out = g_malloc (N_VALUES);
    const ItuningImage image = { pixels, width, height, width * 3 };
    memset (pixels, 200, width * height * 3);
    ituning_resample (out, &image, ITUNING_FILTER_BICUBIC, out_width,
        out_height, &window);
    for (gsize k = 0; k < N_VALUES; k++)
      g_assert_cmpuint (out[k], ==, 200);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/resample/same-size-is-a-copy", test_same_size_is_a_copy);
  g_test_add_func ("/resample/window-is-cut-from-the-whole",
      test_window_is_cut_from_the_whole);
  g_test_add_func ("/resample/halving-by-box-is-the-mean",
      test_halving_by_box_is_the_mean);
  g_test_add_func ("/resample/doubling-by-bicubic-has-keys-weights",
      test_doubling_by_bicubic_has_keys_weights);
  g_test_add_func ("/resample/every-filter-is-pillows",
      test_every_filter_is_pillows);
  g_test_add_func ("/resample/extreme-shapes-cost-little",
      test_extreme_shapes_cost_little);
  return g_test_run ();
}
