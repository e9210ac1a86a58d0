#!/bin/sh
# One night: the checkpoint is audited, held against the last good night, and entered in the row of reports.
# The exit code is reportgen's: 0 all requirements met, 1 one is not, others as README lists them.
#
#   CHECKPOINT=model.safetensors IMAGES=images RECIPE=recipe.yaml REPORTS=reports sh nightly.sh
#
# ALLOW_CODE is a file or module that the recipe may call, where that is not beside it.
# NIGHT is the report's name (today's date, UTC), KEEP how many reports stay whole (30), REPORTGEN the command,
# TRACK what `reportgen track` is told, such as "--mlflow http://tracker:5000"; nothing is tracked without it.
set -u
: "${CHECKPOINT:?the checkpoint to audit}" "${IMAGES:?the images}" "${RECIPE:?a recipe}" "${REPORTS:?a folder}"
night=${NIGHT:-$(date -u +%Y-%m-%d)}
mkdir -p "$REPORTS"

set -- run "$CHECKPOINT" "$IMAGES" --recipe "$RECIPE" --out "$REPORTS/$night" \
  --history "$REPORTS" --latest --keep "${KEEP:-30}"
if [ -n "${ALLOW_CODE:-}" ]; then
  set -- "$@" --allow-code "$ALLOW_CODE"
fi
if [ -e "$REPORTS/latest-good" ]; then # not in the first night
  set -- "$@" --baseline "$REPORTS/latest-good"
fi
${REPORTGEN:-reportgen} "$@"
code=$?

# what a job's page shows, where the CI system names a file for it
if [ -n "${GITHUB_STEP_SUMMARY:-}" ] && [ -f "$REPORTS/$night/summary.md" ]; then
  cat "$REPORTS/$night/summary.md" >> "$GITHUB_STEP_SUMMARY"
fi
if [ -n "${TRACK:-}" ] && [ -f "$REPORTS/$night/results.json" ]; then
  # shellcheck disable=SC2086 # options and their values
  ${REPORTGEN:-reportgen} track "$REPORTS/$night" $TRACK || tracked=$?
  if [ "$code" -eq 0 ]; then code=${tracked:-0}; fi
fi
exit "$code"
