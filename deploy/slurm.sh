#!/usr/bin/env bash
# A study as a Slurm array of 16 workers, each with its own process and its share of a node:
#   export TUNING_STORAGE='postgresql+psycopg://USER:PASSWORD@HOST/optuna'
#   sbatch deploy/slurm.sh
# Started in a folder that all nodes share, so that weights and results come together there. A task that is preempted is
# queued again and takes up the study where it is.
#SBATCH --job-name=tuning
#SBATCH --array=1-16
#SBATCH --cpus-per-task=4
#SBATCH --mem=8G
#SBATCH --time=12:00:00
#SBATCH --requeue
#SBATCH --output=tuning-%A_%a.log
set -euo pipefail

: "${TUNING_STORAGE:?the Optuna storage that all tasks share}"
: "${TUNING_MLFLOW:?the address of the MLflow server, such as http://mlflow.example:5000}"

exec python -m tuning.search \
    --study "${TUNING_STUDY:-team}" \
    --data "${TUNING_DATA:-mnist5k}" \
    --trials "${TUNING_TRIALS:-400}" \
    --tracking-uri "$TUNING_MLFLOW"
