#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes tiny.bin, what test-pytorch.c reads: a state dict as torch.save
stores it. Made with PyTorch 1.13.1 (Debian 12's python3-torch).

    python3 make-pytorch.py tiny.bin
"""
import collections
import sys

import torch

torch.manual_seed(20230604)
base = torch.arange(24, dtype=torch.float32) / 8
linear = torch.nn.Linear(3, 2)

# A module's state dict brings the _metadata that real checkpoints have.
state = linear.state_dict(prefix="linear.")
state["parameter"] = torch.nn.Parameter(torch.tensor([[0.5, -1.5]]))
state["f32.whole"] = base
state["f32.view"] = base[8:20].view(3, 4)
state["f16"] = torch.tensor([1.0, -2.0, 65504.0], dtype=torch.float16)
state["bf16"] = torch.tensor([1.0, -0.5, 3.0], dtype=torch.bfloat16)
state["f64"] = torch.tensor([0.1, -1e300], dtype=torch.float64)
state["i64"] = torch.arange(4).expand((1, -1))
state["i32"] = torch.tensor([-2147483648], dtype=torch.int32)
state["i16"] = torch.tensor([-32768, 7], dtype=torch.int16)
state["i8"] = torch.tensor([-128], dtype=torch.int8)
state["u8"] = torch.tensor([255, 1], dtype=torch.uint8)
state["bool"] = torch.tensor([True, False, True])
state["scalar"] = torch.tensor(42.0)
state["empty"] = torch.zeros(0, 3)
state["step"] = 7
state["note"] = "beside the tensors"
state["lr"] = 1e-3
state["none"] = None
assert isinstance(state, collections.OrderedDict)
torch.save(state, sys.argv[1])

for name in ("linear.weight", "linear.bias"):
    print(name, [float(x).hex() for x in state[name].flatten()])
