#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# I-Tuning beside what else one could train, on the scenes and with the networks
# that examples/train-scenes.sh left in FOLDER: the same pictures, steps and
# batches for all. Prints a table in Markdown.
#   examples/compare-methods.sh FOLDER [STEPS]
set -eu -o pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
work=${1:?usage: $0 FOLDER [STEPS]} steps=${2:-1500}
PATH=$root/build/gst/tools:$PATH
cd "$work"

get() { # FILE NAME
  sed "s/.*\"$2\": \([0-9.e+-]*\).*/\1/" "$1"
}

# Trains and captions, once.
measure() { # FOLDER OPTION...
  local folder=$1
  shift
  [ -e "$folder/result.json" ] && return
  ituning train --model bundle --features features.safetensors --fresh \
    --batch-size 64 --steps "$steps" --warmup-steps 100 --seed 1 \
    --checkpoint-every 0 --force "$@" -o "$folder"
  local language=()
  [ -d "$folder/language" ] && {
    cp -n bundle/language/vocab.json bundle/language/merges.txt "$folder/language"
    language=(--language "$folder/language")
  }
  ituning eval --references test/captions.json --images test --model bundle \
    --adapter "$folder" "${language[@]}" --json > "$folder/result.part"
  mv "$folder/result.part" "$folder/result.json"
}

row() { # NAME FOLDER OPTION...
  local name=$1 folder=compare-$steps/$2 parameters=0 seconds=-
  shift 2
  measure "$folder" "$@" >&2
  [ "$steps" -gt 1 ] && {
    parameters=$(get "$folder/costs.json" trained_parameters)
    seconds=$(printf '%.3f' "$(get "$folder/costs.json" seconds_per_step)")
  }
  printf '| %s | %s | %s | %.0f | %.3f | %.3f |\n' "$name" "$parameters" "$seconds" \
    "$(get "$folder/costs.json" peak_memory_mib)" \
    "$(get "$folder/result.json" CIDEr)" "$(get "$folder/result.json" Bleu_4)"
}

modules=(--post-layernorm --bottleneck 128 --heads 8)
echo '| method | trained parameters | s a step | MiB | CIDEr-D | BLEU-4 |'
echo '| --- | --- | --- | --- | --- | --- |'
row 'I-Tuning' ituning "${modules[@]}" --lr 1e-3
row 'I-Tuning, upper half of the layers' top "${modules[@]}" --layers top:2 --lr 1e-3
row 'prefix of the image embedding (MLP)' prefix --method prefix --lr 1e-3
row 'full fine-tuning: I-Tuning and GPT-2' full "${modules[@]}" --unfreeze language --lr 1e-3
# A new adapter adds nothing; one step with no learning rate to speak of keeps it so.
steps=1 row 'frozen GPT-2 alone' alone "${modules[@]}" --lr 1e-30
