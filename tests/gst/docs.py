#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Checks that the documents keep their word: that the table of properties and
gst-inspect-1.0 name the same, that each property is in a launch line, and that
each launch line runs. "bundle" becomes the tests' model, which a library without
a built-in one uses where none is named too, "in.mp4" a video that is made here,
cameras a test source, windows a fakesink; a live source ends after a few frames.

Usage: docs.py ROOT"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

root = sys.argv[1]
documents = ["README.md", "docs/elements.md"]
# Of GstObject and GstBin, and what only an application can use.
inherited = {"name", "parent", "async-handling", "message-forward"}
read_only = {"caption", "stats"}


def read(name):
    with open(os.path.join(root, name), encoding="utf-8") as file:
        return file.read()


def find_lines(text):
    """Indented lines from gst-launch-1.0 on, to one without a backslash."""
    found = re.findall(r"^    (gst-launch-1\.0 (?:.*\\\n)*.*)$", text, re.M)
    return [re.sub(r"\\\n\s*", "", line) for line in found]


def inspect(element):
    out = subprocess.run(["gst-inspect-1.0", element], check=True, text=True,
                         capture_output=True).stdout
    properties = out[out.index("Element Properties:"):]
    return set(re.findall(r"^  ([a-z-]+) +: ", properties, re.M)) - inherited


def check_properties(lines):
    table = set()
    for row in re.findall(r"^\| (`.*?) \|.*$", read("docs/elements.md"), re.M):
        table |= set(re.findall(r"`([a-z-]+)`", row))
    bad = 0
    for element in ["ituningcaptioner", "ituningoverlay"]:
        for name in sorted(inspect(element) - table):
            print(f"{element}: {name} is in no table of docs/elements.md")
            bad += 1
    for name in sorted(inspect("ituningcaptioner") - read_only):
        if not any(f" {name}=" in line for line in lines):
            print(f"no launch line shows {name}")
            bad += 1
    return bad


def make_video(path):
    line = ("gst-launch-1.0 -q videotestsrc num-buffers=60 ! "
            "video/x-raw,width=160,height=120,framerate=30/1 ! x264enc ! "
            f"h264parse ! mp4mux ! filesink location={path}")
    subprocess.run(line.split(), check=True, timeout=60)


def run(line, folder):
    if "ITUNING_TEST_BUILT_IN" not in os.environ and "model=" not in line:
        line = re.sub("(ituningcaptioner|ituningoverlay)", r"\1 model=bundle", line)
    line = line.replace("bundle", os.path.join(root, "tests/data/tiny"))
    line = line.replace("autovideosink", "fakesink sync=true")
    line = line.replace("v4l2src", "videotestsrc is-live=true")
    line = line.replace("is-live=true", "is-live=true num-buffers=30")
    done = subprocess.run(line.split(), cwd=folder, text=True, timeout=60,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode == 0 and "ERROR" not in done.stdout:
        return 0
    print(f"failed: {line}\n{done.stdout}")
    return 1


def main():
    for program in ["gst-launch-1.0", "gst-inspect-1.0"]:
        if shutil.which(program) is None:
            print(f"skipped: there is no {program}")
            return 77
    for element in ["x264enc", "textoverlay", "matroskamux", "mp4mux",
                    "webvttenc", "avdec_h264"]:
        if subprocess.run(["gst-inspect-1.0", "--exists", element]).returncode:
            print(f"skipped: there is no {element}")
            return 77
    lines = [line for name in documents for line in find_lines(read(name))]
    bad = check_properties(lines)
    with tempfile.TemporaryDirectory() as folder:
        make_video(os.path.join(folder, "in.mp4"))
        for line in lines:
            print(line, flush=True)
            bad += run(line, folder)
    print(f"{len(lines)} lines, {bad} faults")
    return bad > 0 or not lines


sys.exit(main())
