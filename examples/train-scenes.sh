#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Trains the model that is built into the library, from nothing: pictures and
# captions, tokenizer, CLIP, GPT-2, then I-Tuning with both frozen. Run again,
# it goes on where it was broken off.
#   examples/train-scenes.sh FOLDER [SEED]
# Takes what `.ci/setup --tests` installs: half of the test patterns are coded as
# H.264 before they are seen.
# Leaves FOLDER/ituning.gguf, and prints how good it is.
set -eu -o pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
work=${1:?usage: $0 FOLDER [SEED]} seed=${2:-1}
PATH=$root/build/gst/tools:$PATH
mkdir -p "$work"
cd "$work"

# Does a step once: its output is moved into place when it is whole.
once() { # OUTPUT COMMAND...
  local output=$1
  shift
  [ -e "$output" ] && return
  printf '\n== %s  %s\n' "$(date +%T)" "$*"
  "$@"
}

scenes() { # FOLDER OPTION...
  local folder=$1
  shift
  ituning scenes "$@" -o "$folder.part"
  mv "$folder.part" "$folder"
}

# Goes on from the checkpoint; finished.txt says that it came to its end.
train() { # FOLDER COMMAND...
  local folder=$1
  shift
  once "$folder/finished.txt" "$@" --resume -o "$folder" --seed "$seed"
  touch "$folder/finished.txt"
}

# Some colours are never shown on some shapes. The language model has read of
# them, as GPT-2 has read of what CLIP never saw: its captions are of all pairs.
# Scenes in grey teach shapes without colours.
once scenes scenes scenes --count 72000 --split train --patterns 0.2 \
  --grey 0.4 --h264 0.5 --seed "$seed"
once text scenes text --count 8000 --split all --grey 0.4 --seed "$seed" --size 32
once test scenes test --count 2000 --split test --seed "$((seed + 1))"
once unseen scenes unseen --count 2000 --split unseen --seed "$((seed + 1))" --patterns 0

once bundle/language/vocab.json ituning tokenizer train \
  --input text/captions.json --vocab-size 384 -o bundle/language
once text.safetensors ituning features --captions text/captions.json --images text \
  --pixels 32 --tokenizer bundle/language --max-length 40 -o text.safetensors
# CLIP learns most from the captions that say most.
once pixels.safetensors ituning features --captions scenes/details.json --images scenes \
  --pixels 96 --tokenizer bundle/language --max-length 40 -o pixels.safetensors

train bundle/vision ituning pretrain clip --features pixels.safetensors \
  --tokenizer bundle/language --patch-size 16 --width 160 --layers 5 --heads 5 \
  --text-width 128 --text-layers 2 --text-heads 4 --embedding 128 --captioning 4 \
  --shift 6 --zoom 0.1 --batch-size 64 --steps 12000 --lr 1e-3 \
  --warmup-steps 200 --weight-decay 0.05
train bundle/language ituning pretrain gpt2 --features text.safetensors \
  --tokenizer bundle/language --width 128 --layers 4 --heads 4 --positions 48 \
  --steps 2000 --batch-size 128 --lr 2e-3 --warmup-steps 100 --weight-decay 0.05

once features.safetensors ituning features --model bundle \
  --captions scenes/captions.json --images scenes --max-length 40 -o features.safetensors
train bundle/adapter ituning train --model bundle --features features.safetensors --fresh \
  --post-layernorm --bottleneck 128 --heads 8 --batch-size 64 --steps 15000 --lr 2e-3 \
  --warmup-steps 200 --weight-decay 0.01

ituning convert bundle --type q8_0 -f -o ituning.gguf --description "Knows drawn \
scenes of one to three balls, cubes, cylinders, cones and rings in eight colours, \
and the test patterns of videotestsrc, as ituning scenes draws them. It knows \
nothing else: what it says of other pictures is made up. For real footage, train \
an adapter for CLIP and GPT-2 (ituning train)."
for split in test unseen; do
  printf '\n== %s\n' "$split"
  ituning eval --references "$split/captions.json" --images "$split" --model ituning.gguf \
    --save-results "$split.json"
  ituning scenes score --truth "$split/truth.json" --results "$split.json"
done
