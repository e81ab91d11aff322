/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/gst.h>

#define GST_TYPE_ITUNING_CAPTIONER (gst_ituning_captioner_get_type ())
G_DECLARE_FINAL_TYPE (GstItuningCaptioner, gst_ituning_captioner, GST,
    ITUNING_CAPTIONER, GstElement)

GST_ELEMENT_REGISTER_DECLARE (ituningcaptioner)
