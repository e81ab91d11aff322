#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Times a training step of `ituning bench --train` beside the same in PyTorch.

    train-step.py ITUNING [--threads N] [--visual-tokens N] [--rounds N]

GPT-2 base with an I-Tuning module in every layer, only the modules trained,
AdamW, 4 captions of 64 tokens, random weights. The two take turns, because
only what ran in the same minutes compares. Exits 77 (skipped) without torch.
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

CAPTIONS, TOKENS, VOCABULARY = 4, 64, 50257
WIDTH, HEADS, LAYERS, BOTTLENECK = 768, 12, 12, 384


class Module(nn.Module):
    """Cross-attention of the text, as the MLP sees it, to the visual tokens."""

    def __init__(self):
        super().__init__()
        self.q = nn.Linear(WIDTH, BOTTLENECK)
        self.k = nn.Linear(WIDTH, BOTTLENECK)
        self.v = nn.Linear(WIDTH, BOTTLENECK)
        self.o = nn.Linear(BOTTLENECK, WIDTH)

    def forward(self, u, visual):
        scores = self.q(u) @ self.k(visual).transpose(1, 2) / math.sqrt(BOTTLENECK)
        return self.o(scores.softmax(-1) @ self.v(visual))


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.qkv, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.fc, self.proj = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)
        self.module = Module()

    def attend(self, x, mask):
        n, t, _ = x.shape
        q, k, v = self.qkv(x).view(n, t, 3, HEADS, -1).permute(2, 0, 3, 1, 4)
        scores = q @ k.transpose(2, 3) / math.sqrt(WIDTH // HEADS) + mask
        return self.out((scores.softmax(-1) @ v).transpose(1, 2).reshape(n, t, WIDTH))

    def forward(self, x, visual, mask):
        x = x + self.attend(self.norm1(x), mask)
        u = self.norm2(x)
        inner = F.gelu(self.fc(u), approximate="tanh")
        return x + self.proj(inner) + self.module(u, visual)


class Captioner(nn.Module):
    def __init__(self):
        super().__init__()
        self.tokens = nn.Embedding(VOCABULARY, WIDTH)
        self.positions = nn.Embedding(1024, WIDTH)
        self.blocks = nn.ModuleList(Block() for _ in range(LAYERS))
        self.norm = nn.LayerNorm(WIDTH)
        for name, parameter in self.named_parameters():
            parameter.requires_grad_(".module." in name)
        mask = torch.full((TOKENS, TOKENS), float("-inf")).triu(1)
        self.register_buffer("mask", mask)

    def forward(self, ids, visual):
        x = self.tokens(ids) + self.positions(torch.arange(ids.shape[1]))
        for block in self.blocks:
            x = block(x, visual, self.mask)
        return F.linear(self.norm(x), self.tokens.weight)


class Torch:
    """Steps on one batch."""

    def __init__(self, visual_tokens):
        torch.manual_seed(1)
        self.model = Captioner()
        trained = [p for p in self.model.parameters() if p.requires_grad]
        self.trained = sum(p.numel() for p in trained)
        self.parameters = trained
        self.optimizer = torch.optim.AdamW(trained, lr=1e-4, weight_decay=0.01)
        self.visual = torch.randn(CAPTIONS, visual_tokens, WIDTH)
        self.ids = torch.randint(VOCABULARY, (CAPTIONS, TOKENS + 1))

    def step(self):
        """Returns its milliseconds."""
        start = time.perf_counter()
        self.optimizer.zero_grad(set_to_none=True)
        logits = self.model(self.ids[:, :-1], self.visual)
        targets = self.ids[:, 1:].reshape(-1)
        F.cross_entropy(logits.view(-1, VOCABULARY), targets).backward()
        nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimizer.step()
        return (time.perf_counter() - start) * 1e3


def bench(options):
    """Returns what `ituning bench --train` printed."""
    command = [options.ituning, "bench", "--train", "--size", "base", "--json",
               "--runs", str(options.steps), "--threads", str(options.threads),
               "--visual-tokens", str(options.visual_tokens)]
    run = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    return json.loads(run.stdout)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("ituning", help="the command")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--visual-tokens", type=int, default=197)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=7, help="of a round")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    theirs, ratios = Torch(options.visual_tokens), []
    for _ in range(options.rounds):
        ours = bench(options)
        if ours["trained_parameters"] != theirs.trained:
            sys.exit(f"{ours['trained_parameters']} parameters are trained, "
                     f"PyTorch trains {theirs.trained}")
        theirs.step()
        times = [theirs.step() for _ in range(options.steps)]
        median, least = statistics.median(times), min(times)
        ratios.append(median / ours["step_ms"]["median"])
        print(f"ituning {ours['step_ms']['median']:.0f} ms "
              f"(min {ours['step_ms']['min']:.0f}), "
              f"PyTorch {torch.__version__} {median:.0f} ms (min {least:.0f}): "
              f"ratio {ratios[-1]:.2f}", flush=True)
    print(f"PyTorch's time / ours, median of {options.rounds} rounds: "
          f"{statistics.median(ratios):.2f}")


if __name__ == "__main__":
    main()
