/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "gst/gstituningcaption.h"
#include "gst/gstituningcaptionmeta.h"
#include "gst/gstituningsampler.h"
