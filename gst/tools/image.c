/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/tools/image.h"

#include <errno.h>
#include <gdk-pixbuf/gdk-pixbuf.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* A file of a few kilobytes can promise more pixels than there is memory. */
#define MAX_PIXELS ((gsize) 1 << 28)

static gboolean
fail (GError **error, ItuningError code, const char *path, const char *cause)
{
  g_set_error (error, ITUNING_ERROR, code, "%s: %s", path, cause);
  return FALSE;
}

/* What can be said without decoding. */
static gboolean
check_file (const char *path, GError **error)
{
  struct stat info;
  int width, height;

  if (stat (path, &info) != 0)
    return fail (error, ITUNING_ERROR_OPEN, path, g_strerror (errno));
  if (!S_ISREG (info.st_mode))
    return fail (error, ITUNING_ERROR_OPEN, path,
        S_ISDIR (info.st_mode) ? "is a folder, not an image"
                               : "is not a regular file");
  if (info.st_size == 0)
    return fail (error, ITUNING_ERROR_FORMAT, path, "the file is empty");
  if (gdk_pixbuf_get_file_info (path, &width, &height) != NULL && width > 0 &&
      height > 0 && (gsize) width > MAX_PIXELS / (gsize) height) {
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_INPUT,
        "%s: has %dx%d pixels, more than the %" G_GSIZE_FORMAT
        " million that are read",
        path, width, height, MAX_PIXELS / 1000000);
    return FALSE;
  }
  return TRUE;
}

/* gdk-pixbuf names the file in its own way, before a quote and a colon. */
static const char *
find_cause (const GError *reason)
{
  const char *message = reason->message;
  const char *quote = strstr (message, "\342\200\235: ");

  if (g_error_matches (reason, GDK_PIXBUF_ERROR, GDK_PIXBUF_ERROR_UNKNOWN_TYPE))
    return "is no image of a known kind";
  return quote != NULL ? quote + strlen ("\342\200\235: ") : message;
}

/* Leaves alpha out and the colour under it as it is, like Pillow's
 * convert ("RGB"), which Hugging Face's do_convert_rgb calls. */
static GBytes *
drop_alpha (const guint8 *rgba, gsize width, gsize height, gsize stride)
{
  const gsize size = width * height * 3;
  guint8 *rgb = g_malloc (size), *out = rgb;

  for (gsize y = 0; y < height; y++) {
    const guint8 *in = rgba + y * stride;
    for (gsize x = 0; x < width; x++, in += 4, out += 3) {
      out[0] = in[0];
      out[1] = in[1];
      out[2] = in[2];
    }
  }
  return g_bytes_new_take (rgb, size);
}

static ToolImage *
image_new (GdkPixbuf *pixbuf)
{
  ToolImage *self = g_new0 (ToolImage, 1);

  self->image.width = (gsize) gdk_pixbuf_get_width (pixbuf);
  self->image.height = (gsize) gdk_pixbuf_get_height (pixbuf);
  self->image.stride = (gsize) gdk_pixbuf_get_rowstride (pixbuf);
  if (gdk_pixbuf_get_n_channels (pixbuf) == 4) {
    self->pixels = drop_alpha (gdk_pixbuf_read_pixels (pixbuf),
        self->image.width, self->image.height, self->image.stride);
    self->image.stride = self->image.width * 3;
  } else {
    self->pixels = gdk_pixbuf_read_pixel_bytes (pixbuf);
  }
  self->image.pixels = g_bytes_get_data (self->pixels, NULL);
  return self;
}

/**
 * tool_image_is_known:
 * @path: any file
 *
 * Returns: whether @path is to be taken for a picture, perhaps a broken one: a
 *   file that does not begin as any picture that gdk-pixbuf knows is not
 */
gboolean
tool_image_is_known (const char *path)
{
  guint8 start[4096];
  FILE *file = fopen (path, "rbe");
  const gsize size = file != NULL ? fread (start, 1, sizeof start, file) : 0;
  g_autoptr (GdkPixbufLoader) loader = NULL;
  g_autoptr (GError) reason = NULL;

  if (file != NULL)
    fclose (file);
  if (size == 0)
    return TRUE; /* tool_image_open () says what is wrong with it */
  loader = gdk_pixbuf_loader_new ();
  if (gdk_pixbuf_loader_write (loader, start, size, &reason))
    gdk_pixbuf_loader_close (loader, &reason);
  else
    gdk_pixbuf_loader_close (loader, NULL);
  return !g_error_matches (reason, GDK_PIXBUF_ERROR,
      GDK_PIXBUF_ERROR_UNKNOWN_TYPE);
}

/**
 * tool_image_open:
 * @path: a file of a kind that gdk-pixbuf reads
 *
 * Reads a picture upright, as its EXIF orientation says (Hugging Face's
 * processors leave that to their caller); of an animation its first frame;
 * without alpha, which is dropped and not blended.
 *
 * Returns: (transfer full): the picture; or %NULL with %ITUNING_ERROR_OPEN,
 *   %ITUNING_ERROR_FORMAT or %ITUNING_ERROR_INPUT
 */
ToolImage *
tool_image_open (const char *path, GError **error)
{
  g_autoptr (GdkPixbuf) stored = NULL, upright = NULL;
  g_autoptr (GError) reason = NULL;

  if (!check_file (path, error))
    return NULL;
  /* Not a GdkPixbufLoader: that one takes a PNG that is cut short. */
  stored = gdk_pixbuf_new_from_file (path, &reason);
  if (stored == NULL) {
    fail (error, ITUNING_ERROR_FORMAT, path, find_cause (reason));
    return NULL;
  }
  upright = gdk_pixbuf_apply_embedded_orientation (stored);
  return image_new (upright);
}

/**
 * tool_image_free:
 * @image: (nullable) (transfer full): a picture
 */
void
tool_image_free (ToolImage *image)
{
  if (image == NULL)
    return;
  g_bytes_unref (image->pixels);
  g_free (image);
}
