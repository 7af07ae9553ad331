#!/bin/bash
# A dataset by an array of Slurm jobs: sbatch --array=1-16 slurm.sh SPEC.toml DIR
#
# DIR is on a file system that all nodes share. What is there stays, so the same command makes up for jobs that
# were lost. Say how many shards there are where an array is sent again in part:
# sbatch --array=3,7 slurm.sh SPEC.toml DIR 16
#SBATCH --job-name=dataset
#SBATCH --cpus-per-task=8
#SBATCH --mem=16G
#SBATCH --time=12:00:00
#SBATCH --requeue
#SBATCH --signal=TERM@60
#SBATCH --output=dataset-%A-%a.log
# For GPUs: #SBATCH --gpus-per-task=1

set -euo pipefail
specification=$1 folder=$2 shards=${3:-$SLURM_ARRAY_TASK_MAX}

exec gltf-render-dataset make "$specification" -o "$folder" \
    --shard "$SLURM_ARRAY_TASK_ID/$shards" --workers 2
