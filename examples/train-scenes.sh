#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Trains the model that is built into the library, from nothing: pictures and
# captions, tokenizer, CLIP, GPT-2, then I-Tuning with both frozen. Run again,
# it goes on where it was broken off.
#   examples/train-scenes.sh FOLDER [SEED]
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
  printf '\n== %s\n' "$*"
  "$@"
}

scenes() { # FOLDER COUNT SPLIT SEED
  ituning scenes --count "$2" --split "$3" --seed "$4" -o "$1.part"
  mv "$1.part" "$1"
}

# Goes on from the checkpoint; finished.txt says that it came to its end.
train() { # FOLDER COMMAND...
  local folder=$1
  shift
  once "$folder/finished.txt" "$@" --resume -o "$folder" --seed "$seed"
  touch "$folder/finished.txt"
}

once scenes scenes scenes 24000 train "$seed"
once test scenes test 2400 test "$((seed + 1))"
once unseen scenes unseen 1200 unseen "$((seed + 1))"

once bundle/language/vocab.json ituning tokenizer train \
  --input scenes/captions.json --vocab-size 384 -o bundle/language
once pixels.safetensors ituning features --captions scenes/captions.json --images scenes \
  --pixels 96 --tokenizer bundle/language --max-length 40 -o pixels.safetensors

train bundle/vision ituning pretrain clip --features pixels.safetensors \
  --tokenizer bundle/language --patch-size 16 --width 192 --layers 5 --heads 6 \
  --text-width 192 --text-layers 3 --text-heads 6 --embedding 128 \
  --steps 4500 --batch-size 128 --lr 1e-3 --warmup-steps 200 --weight-decay 0.05
train bundle/language ituning pretrain gpt2 --features pixels.safetensors \
  --tokenizer bundle/language --width 128 --layers 4 --heads 4 --positions 48 \
  --steps 3000 --batch-size 128 --lr 2e-3 --warmup-steps 100 --weight-decay 0.05

once features.safetensors ituning features --model bundle \
  --captions scenes/captions.json --images scenes --max-length 40 -o features.safetensors
train bundle/adapter ituning train --model bundle --features features.safetensors \
  --fresh --bottleneck 64 --heads 2 --batch-size 64 --steps 20000 --lr 2e-3 \
  --warmup-steps 200 --weight-decay 0.01

ituning convert bundle --type f16 -f -o ituning.gguf
for split in test unseen; do
  printf '\n== %s\n' "$split"
  ituning eval --references "$split/captions.json" --images "$split" --model ituning.gguf \
    --save-results "$split.json"
  ituning scenes score --truth "$split/truth.json" --results "$split.json"
done
