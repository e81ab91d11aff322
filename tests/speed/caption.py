#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Times captions of `ituning bench` beside ViT-B/16 and GPT-2 base in PyTorch.

    caption.py ITUNING [--threads N] [--rounds N] [--type f32|f16|q8_0|q4_0 ...]

Random weights; an image of 224 pixels is encoded, then 16 tokens are decoded
with a cache of keys and values, by greedy search and with 5 beams. PyTorch's
GPT-2 has no I-Tuning modules: they are extra work that only we do. A product
of one row is a product of a matrix and a vector there, which is faster. The two
take turns, because only what ran in the same minutes compares. Exits 77
(skipped) without torch.

Debian's torch calls OpenBLAS, whose library and kernels are the caller's to
choose: LD_LIBRARY_PATH, OPENBLAS_CORETYPE.
"""
import argparse
import json
import math
import statistics
import subprocess
import sys
import time

try:
    import torch
    from torch import nn
    from torch.nn import functional as F
except ImportError:
    print("skipped: there is no torch")
    sys.exit(77)

WIDTH, HEADS, LAYERS, PATCHES, PATCH = 768, 12, 12, 196, 16
VOCABULARY, TOKENS, BEAMS = 50257, 16, 5


class Linear(nn.Linear):
    def forward(self, x):
        if x.numel() != self.in_features:
            return F.linear(x, self.weight, self.bias)
        y = torch.addmv(self.bias, self.weight, x.reshape(-1))
        return y.view(*x.shape[:-1], -1)


class Block(nn.Module):
    def __init__(self, activation):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.qkv, self.out = Linear(WIDTH, 3 * WIDTH), Linear(WIDTH, WIDTH)
        self.fc, self.proj = Linear(WIDTH, 4 * WIDTH), Linear(4 * WIDTH, WIDTH)
        self.activation = activation

    def forward(self, x, past=None):
        """Returns the output, and the keys and values so far."""
        n, t, _ = x.shape
        q, k, v = self.qkv(self.norm1(x)).view(n, t, 3, HEADS, -1).permute(2, 0, 3, 1, 4)
        if past is not None:
            k, v = torch.cat([past[0], k], 2), torch.cat([past[1], v], 2)
        scores = (q @ k.transpose(2, 3)) / math.sqrt(WIDTH // HEADS)
        x = x + self.out((scores.softmax(-1) @ v).transpose(1, 2).reshape(n, t, WIDTH))
        return x + self.proj(self.activation(self.fc(self.norm2(x)))), (k, v)


class Vision(nn.Module):
    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(3, WIDTH, PATCH, PATCH, bias=False)
        self.first = nn.Parameter(torch.randn(1, 1, WIDTH))
        self.positions = nn.Parameter(torch.randn(1, PATCHES + 1, WIDTH))
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.blocks = nn.ModuleList(
            Block(lambda x: x * torch.sigmoid(1.702 * x)) for _ in range(LAYERS))
        self.projection = nn.Linear(WIDTH, 512, bias=False)

    def forward(self, pixels):
        x = self.patches(pixels).flatten(2).transpose(1, 2)
        x = self.norm1(torch.cat([self.first, x], 1) + self.positions)
        for block in self.blocks:
            x, _ = block(x)
        return x, self.projection(self.norm2(x[:, 0]))


class Language(nn.Module):
    def __init__(self):
        super().__init__()
        self.tokens = nn.Embedding(VOCABULARY, WIDTH)
        self.positions = nn.Embedding(1024, WIDTH)
        self.blocks = nn.ModuleList(
            Block(lambda x: F.gelu(x, approximate="tanh")) for _ in range(LAYERS))
        self.norm = nn.LayerNorm(WIDTH)

    def forward(self, ids, position, past):
        """Log-probabilities [n, V] of the token after @ids [n]."""
        x = (self.tokens(ids) + self.positions.weight[position])[:, None]
        for i, block in enumerate(self.blocks):
            x, past[i] = block(x, past[i])
        x = self.norm(x[:, 0])
        logits = (torch.mv(self.tokens.weight, x[0])[None] if len(x) == 1
                  else F.linear(x, self.tokens.weight))
        return logits.log_softmax(-1)


def decode(language, beams):
    """TOKENS steps of beam search, as plain as it can be."""
    ids, past = torch.full((1,), VOCABULARY - 1), [None] * LAYERS
    sums = torch.zeros(1)
    for step in range(TOKENS):
        scores = (language(ids, step, past) + sums[:, None]).view(-1)
        sums, best = scores.topk(beams)
        parents, ids = best // VOCABULARY, best % VOCABULARY
        if beams > 1:
            past = [(k[parents], v[parents]) for k, v in past]
    return ids


def measure(vision, language, beams, runs):
    """Milliseconds of encoding, decoding and both: a list of each."""
    pixels, times = torch.randn(1, 3, 224, 224), []
    for _ in range(runs + 1):
        start = time.perf_counter()
        vision(pixels)
        middle = time.perf_counter()
        decode(language, beams)
        end = time.perf_counter()
        times.append(((middle - start) * 1e3, (end - middle) * 1e3, (end - start) * 1e3))
    return list(zip(*times[1:]))


def bench(options, kind, beams):
    command = [options.ituning, "bench", "--size", "base", "--type", kind, "--json",
               "--num-beams", str(beams), "--runs", str(options.runs),
               "--threads", str(options.threads), "--new-tokens", str(TOKENS)]
    run = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    found = json.loads(run.stdout)
    return [found[name + "_ms"] for name in ("encode", "decode", "caption")]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("ituning", help="the command")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--runs", type=int, default=7, help="of a round")
    parser.add_argument("--type", action="append", help="f32, f16, q8_0 and q4_0")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.set_grad_enabled(False)
    torch.manual_seed(1)
    vision, language = Vision(), Language()
    kinds = options.type or ["f32", "f16", "q8_0", "q4_0"]
    ratios = {}
    for beams in (1, BEAMS):
        for _ in range(options.rounds):
            theirs = measure(vision, language, beams, options.runs)
            rows = [("PyTorch", [{"min": min(ms), "median": statistics.median(ms)}
                                 for ms in theirs])]
            rows += [(kind, bench(options, kind, beams)) for kind in kinds]
            for name, row in rows:
                for stage, ms, base in zip(("encode", "decode", "caption"), row, rows[0][1]):
                    ratios.setdefault((name, beams, stage), []).append(
                        (base["median"] / ms["median"], ms["median"], ms["min"]))
    print(f"PyTorch {torch.__version__}, {options.threads} threads; milliseconds, "
          f"least median of {options.rounds} rounds (min); median ratio to PyTorch")
    for (name, beams, stage), found in ratios.items():
        print(f"{name:8} {beams} beam{'s' if beams > 1 else ' '} {stage:8} "
              f"{min(f[1] for f in found):8.1f} ({min(f[2] for f in found):.1f}) "
              f"{statistics.median(f[0] for f in found):6.2f}")


if __name__ == "__main__":
    main()
