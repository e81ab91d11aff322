#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Measures what several streams cost on one engine and in processes of their own.

    streams.py MODEL [--streams N] [--captions N] [--rounds N] [--live]
               [--rate N] [--properties TEXT] [--plugin DIR]

Each stream is a test picture that ituningcaptioner captions, 16 tokens a
keyframe. What is printed is processor time a caption, of N streams in one
process and of as many processes at the same time, in turns, and their ratio.
Opening the model is left out: it is what a run of one keyframe takes. By
default frames come as fast as they are captioned; with --live they come from a
live source, RATE keyframes a second, each stream beginning at its own moment of
the second, and captions that were dropped are left out of the count.

A model of the paper's size comes of `ituning convert --size base -o FILE`.
Needs gst-launch-1.0.
"""
import argparse
import os
import re
import statistics
import subprocess
import sys
import threading

HERE = os.path.dirname(os.path.abspath(__file__))


def branch(given, frames, stream):
    """One stream of a pipeline: its picture moves at its own speed."""
    shift = stream * 10 ** 9 // given.rate // given.streams if given.live else 0
    live = "is-live=true timestamp-offset=%d" % shift if given.live else "is-live=false"
    return ("videotestsrc pattern=%d num-buffers=%d %s ! "
            "video/x-raw,width=320,height=240,framerate=%d/1 ! "
            "ituningcaptioner name=c%d model=%s keyframes=codec min-interval=0 max-new-tokens=16 "
            "min-new-tokens=16 max-held-time=0 %s ! fakesink sync=%s"
            % (18 if stream % 2 else 0, frames, live, given.rate, stream, given.model, given.properties,
               "true" if given.live else "false"))


def start(given, frames, streams):
    line = "gst-launch-1.0 -m " + " ".join(branch(given, frames, stream) for stream in streams)
    environment = dict(os.environ, GST_PLUGIN_PATH=given.plugin, OPENBLAS_NUM_THREADS="1")
    return subprocess.Popen(line.split(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)


def read(process, outputs):
    outputs.append(process.stdout.read())


def run(given, frames, groups):
    """Processor time of processes that run at once, a group of streams each, and their captions."""
    processes = [start(given, frames, streams) for streams in groups]
    outputs, seconds = [], 0.0
    readers = [threading.Thread(target=read, args=(process, outputs)) for process in processes]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    for process in processes:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds += usage.ru_utime + usage.ru_stime
        if process.returncode != 0:
            sys.exit("\n".join(outputs))
    return seconds, sum(len(re.findall(r"ituning-caption", text)) for text in outputs)


def measure(given, groups):
    """Milliseconds of a processor that a caption takes beyond those of the first frames."""
    least, first = run(given, 1, groups)
    seconds, captions = run(given, 1 + given.captions, groups)
    if captions <= first:
        sys.exit("no captions were written")
    return 1e3 * (seconds - least) / (captions - first), captions


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--streams", type=int, default=4)
    parser.add_argument("--captions", type=int, default=8, help="of each stream")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--live", action="store_true")
    parser.add_argument("--rate", type=int, default=1, help="keyframes a second")
    parser.add_argument("--properties", default="", help="more properties of the element")
    parser.add_argument("--plugin", default=os.path.join(HERE, "../../build/plugin"))
    given = parser.parse_args()
    streams, ratios = range(given.streams), []
    for _ in range(given.rounds):
        together, n = measure(given, [streams])
        apart, m = measure(given, [[stream] for stream in streams])
        ratios.append(together / apart)
        print("a caption of %d streams: %.0f ms of a processor on one engine (%d captions), %.0f ms in processes "
              "of their own (%d): %.2f" % (given.streams, together, n, apart, m, ratios[-1]), flush=True)
    print("median ratio %.2f" % statistics.median(ratios))


main()
