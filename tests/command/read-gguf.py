# SPDX-License-Identifier: LGPL-2.1-or-later
"""Reads a packed model by the GGUF specification alone, and compares it with
the bundle it was made of. Usage: read-gguf.py MODEL.gguf BUNDLE TYPE"""
import json
import os
import re
import struct
import sys

SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
# The number of a type: its name, its bytes, and how many values they are.
TYPES = {0: ("f32", 4, 1), 1: ("f16", 2, 1), 30: ("bf16", 2, 1), 8: ("q8_0", 34, 32), 2: ("q4_0", 18, 32)}


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, form):
        values = struct.unpack_from("<" + form, self.data, self.at)
        self.at += struct.calcsize("<" + form)
        return values[0]

    def string(self):
        n = self.take("Q")
        self.at += n
        return self.data[self.at - n:self.at].decode()

    def value(self, kind):
        if kind == 8:
            return self.string()
        if kind == 9:
            item = self.take("I")
            return [self.value(item) for _ in range(self.take("Q"))]
        return self.take(SCALARS[kind])


def read_gguf(path):
    reader = Reader(open(path, "rb").read())
    assert reader.data[:4] == b"GGUF", "magic"
    reader.at = 4
    assert reader.take("I") == 3, "version"
    n_tensors, n_keys = reader.take("Q"), reader.take("Q")
    keys, tensors = {}, {}
    for _ in range(n_keys):
        key = reader.string()
        assert re.fullmatch(r"[a-z0-9_]+(\.[a-z0-9_]+)*", key) and key not in keys, key
        keys[key] = reader.value(reader.take("I"))
    for _ in range(n_tensors):
        name = reader.string()
        assert len(name) <= 64 and name not in tensors, name
        dims = [reader.take("Q") for _ in range(reader.take("I"))]
        tensors[name] = (dims, reader.take("I"), reader.take("Q"))
    alignment = keys["general.alignment"]
    start = (reader.at + alignment - 1) // alignment * alignment
    end = 0
    for name, (dims, kind, offset) in tensors.items():
        count = 1
        for dim in dims:
            count *= dim
        assert offset % alignment == 0 and offset == end, name
        form, size, block = TYPES[kind]
        assert dims[0] % block == 0, name
        data = reader.data[start + offset:start + offset + count // block * size]
        end = (offset + len(data) + alignment - 1) // alignment * alignment
        tensors[name] = (dims, form, decode(data, form, count))
    assert start + end == len(reader.data), "size"
    return keys, tensors


def decode_block(data, kind):
    scale = struct.unpack_from("<e", data)[0]
    if kind == "q8_0":
        return [scale * q for q in struct.unpack_from("<32b", data, 2)]
    return [scale * ((q & 15) - 8) for q in data[2:]] + [scale * ((q >> 4) - 8) for q in data[2:]]


def decode(data, kind, count):
    if kind in ("q8_0", "q4_0"):
        size = len(data) // (count // 32)
        return [x for i in range(count // 32) for x in decode_block(data[i * size:(i + 1) * size], kind)]
    if kind == "bf16":
        return [struct.unpack("<f", b"\0\0" + data[2 * i:2 * i + 2])[0] for i in range(count)]
    return list(struct.unpack("<%d%s" % (count, "f" if kind == "f32" else "e"), data))


def read_safetensors(path):
    data = open(path, "rb").read()
    size = struct.unpack_from("<Q", data)[0]
    found = {}
    for name, entry in json.loads(data[8:8 + size]).items():
        if name != "__metadata__":
            first, last = (8 + size + offset for offset in entry["data_offsets"])
            found[name] = (entry["shape"], struct.unpack("<%df" % ((last - first) // 4), data[first:last]))
    return found


def expected_names(keys):
    both = lambda names: [name + end for name in names for end in (".weight", ".bias")]
    names = ["v.class_embd", "v.patch_embd.weight", "v.position_embd.weight", "visual_projection.weight",
             "token_embd.weight", "position_embd.weight"]
    names += both(["v.pre_ln", "v.post_ln", "output_norm"])
    for i in range(keys["clip.vision.block_count"]):
        names += both("v.blk.%d.%s" % (i, part) for part in
                      ("attn_q", "attn_k", "attn_v", "attn_out", "ln1", "ln2", "ffn_up", "ffn_down"))
    for i in range(keys["ituning.block_count"]):
        names += both("blk.%d.%s" % (i, part) for part in
                      ("attn_norm", "attn_qkv", "attn_output", "ffn_norm", "ffn_up", "ffn_down"))
    for i in keys["ituning.adapter.layers"]:
        names += both("blk.%d.ituning_%s" % (i, part) for part in "qkvo")
    return names


def main(path, bundle, kind):
    keys, tensors = read_gguf(path)
    assert keys["general.architecture"] == "ituning"
    assert keys["general.file_type"] == {"f32": 0, "f16": 1, "bf16": 32, "q8_0": 7, "q4_0": 2}[kind]
    assert sorted(tensors) == sorted(expected_names(keys)), "names"
    bound = {"f32": 0.0, "f16": 2.0 ** -11, "bf16": 2.0 ** -8}.get(kind)
    steps = {"q8_0": 127.0, "q4_0": 8.0}.get(kind)
    parts = {part: read_safetensors(os.path.join(bundle, part, "model.safetensors"))
             for part in ("vision", "language", "adapter")}
    language, vision = parts["language"], parts["vision"]
    root = "transformer." if "transformer.wte.weight" in language else ""

    def check(name, found, turned, narrow):
        shape, want = found
        dims, stored, values = tensors[name]
        if turned:
            rows, columns = shape
            want = [want[row * columns + column] for column in range(columns) for row in range(rows)]
            shape = [columns, rows]
        assert dims == shape[::-1], (name, dims, shape)
        whole = steps is None or dims[0] % 32 == 0
        assert stored == (kind if narrow and whole else "f32"), (name, stored)
        if stored in ("q8_0", "q4_0"):
            for i in range(0, len(want), 32):
                step = max(abs(b) for b in want[i:i + 32]) / steps
                # Half a step; a whole one where four bits have no code for it.
                assert all(abs(a - b) <= (0.57 if steps > 8 else 1.01) * step
                           for a, b in zip(values[i:i + 32], want[i:i + 32])), name
            return
        for a, b in zip(values, want):
            limit = bound * abs(b) + 2.0 ** -25 * (bound > 0) if stored != "f32" else 0.0
            assert abs(a - b) <= limit, (name, a, b)

    check("token_embd.weight", language[root + "wte.weight"], False, True)
    check("position_embd.weight", language[root + "wpe.weight"], False, False)
    check("blk.1.attn_qkv.weight", language[root + "h.1.attn.c_attn.weight"], True, True)
    check("blk.1.attn_qkv.bias", language[root + "h.1.attn.c_attn.bias"], False, False)
    check("blk.0.ffn_down.weight", language[root + "h.0.mlp.c_proj.weight"], True, True)
    check("v.patch_embd.weight", vision["vision_model.embeddings.patch_embedding.weight"], False, False)
    check("v.blk.1.ffn_up.weight", vision["vision_model.encoder.layers.1.mlp.fc1.weight"], False, True)
    check("blk.0.ituning_q.weight", parts["adapter"]["h.0.ituning.q_proj.weight"], False, True)


main(*sys.argv[1:])
