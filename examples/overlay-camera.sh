#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Shows a camera with its captions; without a camera, the test picture.
#   overlay-camera.sh MODEL           on the screen, until the window is closed
#   overlay-camera.sh --test MODEL    the test picture, 60 frames, to nowhere
# DEVICE is the camera, /dev/video0 by default. The plugin is installed, or
# found with GST_PLUGIN_PATH.
set -eu
device=${DEVICE:-/dev/video0}
sink='videoconvert ! autovideosink'
if [ "${1-}" = --test ]; then
  shift
  source='videotestsrc is-live=true num-buffers=60'
  sink='fakesink sync=true'
elif [ -e "$device" ]; then
  source="v4l2src device=$device"
else
  echo "overlay-camera.sh: no camera at $device: taking the test picture" >&2
  source='videotestsrc is-live=true pattern=ball'
fi
[ $# -eq 1 ] || { echo "usage: overlay-camera.sh [--test] MODEL" >&2; exit 2; }

# decodebin for cameras that send JPEG. A caption a second at most.
# shellcheck disable=SC2086 # words of the line
exec gst-launch-1.0 -e $source ! decodebin ! videoconvert ! \
  ituningoverlay model="$1" min-interval=1000000000 max-interval=3000000000 ! $sink
