#!/bin/sh
# torchrun --standalone --nproc-per-node 4 --no-python sh examples/sharing/torchrun.sh
# A part a process, each with a GPU of its own; the first one then merges. Every node has to see the folder.
set -eu
CUDA_VISIBLE_DEVICES=$LOCAL_RANK
export CUDA_VISIBLE_DEVICES
rm -f "parts/$RANK.done" # of a run before
reportgen shard "$((RANK + 1))/$WORLD_SIZE" model.safetensors images --recipe recipe.yaml --out "parts/$RANK" --quiet
: > "parts/$RANK.done"
[ "$RANK" -eq 0 ] || exit 0
while [ "$(find parts -name '*.done' | wc -l)" -lt "$WORLD_SIZE" ]; do sleep 1; done
rm -f parts/*.done
exec reportgen merge parts/* --out report
