#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Shows that memory stays flat and that cost is linear.

    flat.py ITUNING MODEL IMAGE [--captions N] [--plugin DIR] [--speed]

Memory: ITUNING captions IMAGE N times (10,000), and a pipeline captions as many
frames; what each holds is sampled while it runs. It fails when the second half
of the samples is above the first by more than a hundredth and 1 MiB. Any model
will do; tests/data/tiny is quick.

With --speed also time, by `ituning bench` with random weights of the base size:
for tokens, visual tokens and images, the time of each number beside the one
that a straight line from the least to the most has there.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
SAMPLES = 40


def resident(pid):
    for line in open("/proc/%d/status" % pid):
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0


def check_flat(name, samples):
    """The first quarter is what has to be there before anything repeats."""
    samples = samples[len(samples) // 4:]
    half = len(samples) // 2
    first, second = max(samples[:half]), max(samples[half:])
    flat = second <= first * 1.01 + 2 ** 20
    print("%s: %.2f MiB at most in the first half, %.2f MiB in the second: %s"
          % (name, first / 2 ** 20, second / 2 ** 20, "flat" if flat else "GROWS"), flush=True)
    return flat


def sample_lines(argv, n, what, environment=None):
    """What a process holds each time that another part of its n lines with @what is out."""
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, env=environment, text=True)
    samples, seen = [], 0
    for line in process.stdout:
        seen += what in line
        if seen * SAMPLES // n > len(samples):
            samples.append(resident(process.pid))
    if process.wait() != 0 or seen < n:
        sys.exit("%s: ended with %d after %d captions" % (argv[0], process.returncode, seen))
    return samples


def caption_files(given):
    names = [given.image] * given.captions
    return sample_lines([given.ituning, "caption", "--model", given.model] + names, given.captions, given.image)


def caption_frames(given):
    line = ("gst-launch-1.0 -m videotestsrc pattern=ball num-buffers=%d ! video/x-raw,width=320,height=240 ! "
            "ituningcaptioner model=%s keyframes=codec min-interval=0 ! fakesink" % (given.captions, given.model))
    environment = dict(os.environ, GST_PLUGIN_PATH=given.plugin)
    return sample_lines(["stdbuf", "-oL"] + line.split(), given.captions, "ituning-caption", environment)


def bench(given, *options):
    text = subprocess.run([given.ituning, "bench", "--size", "base", "--type", "q8_0", "--runs", "5", "--json", *options],
                          check=True, capture_output=True, text=True).stdout
    return json.loads(text)


def show_line(name, points):
    (x0, y0), (x1, y1) = points[0], points[-1]
    print(name + ": " + ", ".join("%d %.1f ms (line %.1f)" % (x, y, y0 + (y1 - y0) * (x - x0) / (x1 - x0))
                                  for x, y in points), flush=True)


def measure_images(given):
    """Whole runs, of which the opening of the model is the part that does not grow."""
    points = []
    for n in (1, 5, 10, 20):
        start = time.monotonic()
        subprocess.run([given.ituning, "caption", "--model", given.model] + [given.image] * n,
                       check=True, stdout=subprocess.DEVNULL)
        points.append((n, 1e3 * (time.monotonic() - start)))
    return points


def measure_speed(given):
    tokens = [(n, bench(given, "--new-tokens", str(n))["decode_ms"]["min"]) for n in (8, 16, 32, 64, 128)]
    visual = [bench(given, "--visual-tokens", str(n)) for n in (29, 57, 113, 197)]
    show_line("decoding, by tokens", tokens)
    show_line("encoding, by visual tokens left", [(one["visual_tokens"], one["encode_ms"]["min"]) for one in visual])
    show_line("decoding, by visual tokens left", [(one["visual_tokens"], one["decode_ms"]["min"]) for one in visual])
    with tempfile.TemporaryDirectory() as folder:
        given.model = os.path.join(folder, "base.gguf")
        subprocess.run([given.ituning, "convert", "--size", "base", "--type", "q8_0", "-o", given.model], check=True)
        show_line("captioning files, by images", measure_images(given))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ituning")
    parser.add_argument("model")
    parser.add_argument("image")
    parser.add_argument("--captions", type=int, default=10000)
    parser.add_argument("--plugin", default=os.path.join(HERE, "../../build/plugin"))
    parser.add_argument("--speed", action="store_true")
    given = parser.parse_args()
    flat = check_flat("caption", caption_files(given))
    flat = check_flat("ituningcaptioner", caption_frames(given)) and flat
    if given.speed:
        measure_speed(given)
    sys.exit(0 if flat else 1)


main()
