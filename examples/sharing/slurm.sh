#!/bin/sh
# sbatch examples/sharing/slurm.sh: a part a task of a job array, then the report of all of them
#SBATCH --job-name=reportgen
#SBATCH --array=1-16
#SBATCH --cpus-per-task=8
#SBATCH --time=04:00:00
#SBATCH --requeue
set -eu
cd "${AUDIT:-$PWD}"
OMP_NUM_THREADS=$SLURM_CPUS_PER_TASK
export OMP_NUM_THREADS

# the first task asks for the merge, which begins when every part is there
if [ "$SLURM_ARRAY_TASK_ID" -eq "$SLURM_ARRAY_TASK_MIN" ] && [ "${SLURM_RESTART_COUNT:-0}" -eq 0 ]; then
    sbatch --dependency="afterok:$SLURM_ARRAY_JOB_ID" --kill-on-invalid-dep=yes \
        --wrap 'reportgen merge parts/* --out report'
fi
exec reportgen shard "$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT" model.safetensors images \
    --recipe recipe.yaml --out "parts/$SLURM_ARRAY_TASK_ID"
