/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/gst.h>

#define GST_TYPE_ITUNING_OVERLAY (gst_ituning_overlay_get_type ())
G_DECLARE_FINAL_TYPE (GstItuningOverlay, gst_ituning_overlay, GST,
    ITUNING_OVERLAY, GstBin)

GST_ELEMENT_REGISTER_DECLARE (ituningoverlay)
