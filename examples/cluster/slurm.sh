#!/bin/bash
# A dataset by an array of Slurm jobs: sbatch --array=1-16 slurm.sh SPEC.toml DIR
#
# DIR is on a file system that all nodes share. A job that is lost is made up for by sending the same command
# again: what is there stays.
#SBATCH --job-name=dataset
#SBATCH --cpus-per-task=8
#SBATCH --mem=16G
#SBATCH --time=12:00:00
#SBATCH --requeue
#SBATCH --signal=TERM@60
#SBATCH --output=dataset-%A-%a.log
# For GPUs: #SBATCH --gpus-per-task=1

set -euo pipefail
specification=$1 folder=$2

exec gltf-render-dataset make "$specification" -o "$folder" \
    --shard "$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT" --workers 2
