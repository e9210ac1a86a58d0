#!/bin/sh
# Three nights of the digits' network: a good one, one in which a filter of an earlier epoch is all zero, and
# one in which that is put right.
#
#   sh examples/nightly/story.sh [FOLDER]     # nights/ where none is named; about two minutes of processor time
set -eu
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "${1:-nights}"
work=$(cd "${1:-nights}" && pwd)
python=${PYTHON:-python3}
REPORTGEN="${REPORTGEN:-$python -m reportgen}"
IMAGES=$here/../mnist/digits RECIPE=${RECIPE:-$here/recipe.yaml} REPORTS=$work/reports
ALLOW_CODE=$here/../mnist/network.py
export ALLOW_CODE REPORTGEN IMAGES RECIPE REPORTS
checkpoints=$here/../mnist/checkpoints

# night NAME CHECKPOINT EXIT-CODE: audits, and stops the story where it ends otherwise than it should
night() {
  code=0
  NIGHT=$1 CHECKPOINT=$2 sh "$here/nightly.sh" || code=$?
  echo "$1: exit $code" >&2
  [ "$code" -eq "$3" ]
}

night 2026-11-24 "$checkpoints/epoch-10.safetensors" 0

"$python" "$here/zero_filter.py" "$checkpoints/epoch-05.safetensors" conv1 3 "$work/bad.safetensors"
night 2026-11-25 "$work/bad.safetensors" 1
code=0
$REPORTGEN diff "$REPORTS/2026-11-24" "$REPORTS/2026-11-25" --out "$work/diff" || code=$?
[ "$code" -eq 1 ]

night 2026-11-26 "$checkpoints/epoch-10.safetensors" 0
$REPORTGEN diff "$REPORTS/2026-11-25" "$REPORTS/2026-11-26" --out "$work/diff-mended" || [ $? -eq 1 ]

# nothing was changed since, until somebody flips a bit of the evidence
$REPORTGEN verify "$REPORTS/2026-11-26"
cp -R "$REPORTS/2026-11-26" "$work/tampered"
"$python" - "$work/tampered/evidence" << 'PYTHON'
import pathlib
import sys

shard = sorted(pathlib.Path(sys.argv[1]).glob("batch-*.safetensors"))[0]
data = bytearray(shard.read_bytes())
data[len(data) // 2] ^= 1
shard.write_bytes(data)
PYTHON
code=0
$REPORTGEN verify "$work/tampered" || code=$?
[ "$code" -eq 1 ]
echo "the story went as it should; the third night's report: $REPORTS/2026-11-26/report.html" >&2
