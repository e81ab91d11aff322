#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Fails if a file includes what its folder may not. Usage: check-layers.sh ROOT
cd "$1" || exit 1
bad=0

# Includes that match PATTERN but not ALLOWED, in FOLDER but not in its EXCEPT.
forbid() { # FOLDER EXCEPT PATTERN ALLOWED REASON
  [ -d "$1" ] || return 0
  if grep -rnE --include='*.[ch]' "^ *# *include *[<\"]($3)" "$1" |
    grep -vE "^($2)" | grep -vE "include *[<\"]($4)"; then
    echo "layer: $5"
    bad=1
  fi
}
forbid model none 'gst/|plugin/|glib-unix|libsoup/' none 'model/ knows neither GStreamer nor the network'
forbid model 'model/train/' 'model/train/' none 'only model/train/ knows training'
forbid model 'model/kernels/gemm\.c' 'cblas' none 'only model/kernels/gemm.c calls BLAS'
forbid gst 'gst/tools/' 'model/|plugin/|libsoup/|cblas' none 'gst/ knows no model'
forbid gst/tools none 'model/|plugin/|libsoup/|cblas' 'model/(train/)?ituning(-[a-z]+)?\.h' 'gst/tools/ uses public headers only'
forbid plugin none 'cblas|model/kernels/' none 'plugin/ does no arithmetic'
forbid examples none 'plugin/|model/' 'model/ituning\.h' 'examples/ use installed headers only'
for folder in model gst plugin examples tests; do
  forbid "$folder" none '[^/"]*"' none 'an include is written from the root'
done
exit $bad
