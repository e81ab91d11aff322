#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Prints the captions that the frames of a video carry.

print_captions.py MODEL [SOURCE]

SOURCE is the beginning of a gst-launch line; without it, the test picture.
Needs python3-gi, gir1.2-gstreamer-1.0 and the plugin, installed or found with
GST_PLUGIN_PATH and GI_TYPELIB_PATH.
"""
import sys

try:
    import gi

    gi.require_version("Gst", "1.0")
    gi.require_version("GstItuning", "1.0")
    from gi.repository import Gst, GstItuning
except (ImportError, ValueError) as error:
    sys.exit(f"print_captions.py: {error}: install python3-gi and gir1.2-gstreamer-1.0, and set "
             "GI_TYPELIB_PATH to the folder of GstItuning-1.0.typelib if it is not installed")

last = None  # the text that was printed


def print_caption(pad, info):
    """Called on the streaming thread with every frame."""
    global last
    frame = info.get_buffer()
    caption = GstItuning.Caption.from_buffer(frame)
    if caption is not None and caption.get_text() != last:
        last = caption.get_text()
        print(f"{frame.pts / Gst.SECOND:8.3f} s  {caption.get_confidence():.2f}  {last}", flush=True)
    return Gst.PadProbeReturn.OK


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit("usage: print_captions.py MODEL [SOURCE]")
    Gst.init(None)
    source = sys.argv[2] if len(sys.argv) == 3 else "videotestsrc num-buffers=100"
    try:
        pipeline = Gst.parse_launch(f"{source} ! videoconvert ! ituningcaptioner name=captioner ! fakesink")
    except gi.repository.GLib.Error as error:
        sys.exit(f"print_captions.py: {error.message}")
    captioner = pipeline.get_by_name("captioner")
    captioner.set_property("model", sys.argv[1])
    captioner.get_static_pad("src").add_probe(Gst.PadProbeType.BUFFER, print_caption)

    pipeline.set_state(Gst.State.PLAYING)
    message = pipeline.get_bus().timed_pop_filtered(
        Gst.CLOCK_TIME_NONE, Gst.MessageType.EOS | Gst.MessageType.ERROR)
    pipeline.set_state(Gst.State.NULL)
    if message.type == Gst.MessageType.ERROR:
        error, detail = message.parse_error()
        sys.exit(f"print_captions.py: {error.message} {detail}")


main()
