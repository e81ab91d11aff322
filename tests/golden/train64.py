#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes tests/data/tiny/train64.safetensors: five AdamW steps on tests/data/tiny
as train_expected.safetensors has them, but computed with 64 bits, of the tensors
where 32 bits do not suffice. There the attention is nearly saturated, and what
is left of its gradient is rounding: the reference's own 32 bits are off by up to
3e-4 of the largest value.

Written with PyTorch 1.13. Usage: train64.py, from the root of the repository."""
import json
import struct

import numpy as np
import torch

torch.set_default_dtype(torch.float64)
folder = "tests/data/tiny/"
wanted = ["h.2.ituning.q_proj.weight", "h.2.ituning.q_proj.bias",
          "h.2.ituning.k_proj.weight"]


def load(name):
    data = open(folder + name, "rb").read()
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + size])
    header.pop("__metadata__", None)
    tensors = {}
    for key, entry in header.items():
        start, end = entry["data_offsets"]
        kind = {"F32": np.float32, "I64": np.int64}[entry["dtype"]]
        array = np.frombuffer(data[8 + size + start:8 + size + end], dtype=kind)
        tensor = torch.from_numpy(array.reshape(entry["shape"]).copy())
        tensors[key] = tensor.double() if kind == np.float32 else tensor
    return tensors


def save(name, tensors):
    header, blobs, offset = {}, [], 0
    for key, tensor in tensors.items():
        blob = tensor.detach().numpy().astype(np.float32).tobytes()
        header[key] = {"dtype": "F32", "shape": list(tensor.shape),
                       "data_offsets": [offset, offset + len(blob)]}
        blobs.append(blob)
        offset += len(blob)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(folder + name, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(blobs))


gpt2 = load("language/model.safetensors")
config = json.load(open(folder + "language/config.json"))
adapter = {key: value.clone().requires_grad_(True)
           for key, value in load("adapter/model.safetensors").items()}
data = load("train_input.safetensors")
C, H = config["n_embd"], config["n_head"]
functional = torch.nn.functional


def norm(x, name):
    return functional.layer_norm(x, (C,), gpt2[name + ".weight"],
                                 gpt2[name + ".bias"], 1e-5)


def conv(x, name):
    return x @ gpt2[name + ".weight"] + gpt2[name + ".bias"]


def module(u, visual, layer):
    def project(x, name):
        name = f"h.{layer}.ituning.{name}_proj"
        return x @ adapter[name + ".weight"].T + adapter[name + ".bias"]

    q, k, z = project(u, "q"), project(visual, "k"), project(visual, "v")
    return project((q @ k.T / q.shape[1] ** 0.5).softmax(-1) @ z, "o")


def forward(ids, visual):
    T = len(ids)
    x = gpt2["wte.weight"][ids] + gpt2["wpe.weight"][:T]
    mask = torch.tril(torch.ones(T, T, dtype=torch.bool))
    for i in range(config["n_layer"]):
        qkv = conv(norm(x, f"h.{i}.ln_1"), f"h.{i}.attn.c_attn")
        q, k, v = (part.view(T, H, C // H).transpose(0, 1)
                   for part in qkv.split(C, -1))
        scores = (q @ k.transpose(1, 2) / (C // H) ** 0.5)
        a = scores.masked_fill(~mask, float("-inf")).softmax(-1) @ v
        h = x + conv(a.transpose(0, 1).reshape(T, C), f"h.{i}.attn.c_proj")
        u = norm(h, f"h.{i}.ln_2")
        m = conv(u, f"h.{i}.mlp.c_fc")
        m = functional.gelu(m, approximate="tanh")
        x = h + conv(m, f"h.{i}.mlp.c_proj") + module(u, visual, i)
    return norm(x, "ln_f") @ gpt2["wte.weight"].T


optimizer = torch.optim.AdamW(adapter.values(), lr=1e-3, weight_decay=0.01)
results = {}
for step in range(5):
    loss, n = 0.0, 0
    for i in range(2):
        ids = data["input_ids"][i][:int(data["lengths"][i])]
        logits = forward(ids[:-1], data["visual_tokens"][i])
        loss = loss + functional.cross_entropy(logits, ids[1:], reduction="sum")
        n += len(ids) - 1
    optimizer.zero_grad()
    (loss / n).backward()
    print(f"step {step + 1}: {loss.item() / n:.9f}")
    if step == 0:
        results.update({"grad." + key: adapter[key].grad.clone()
                        for key in wanted})
    optimizer.step()
results.update({"after5." + key: adapter[key] for key in wanted})
save("train64.safetensors", results)
