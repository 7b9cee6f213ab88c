#!/bin/bash -l
# A sweep as a job of Slurm, without a Slurm file: `sbatch docs/slurm.sh`. See docs/slurm.md.
#SBATCH --job-name=raysearch-carl
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=8
#SBATCH --gpus-per-node=1
#SBATCH --time=4:00:00
#SBATCH --signal=B:USR1@300
#SBATCH --requeue
#SBATCH --open-mode=append
# Several jobs on this one sweep: #SBATCH --array=1-4
source .venv/bin/activate
# First the sweep's folder, on a file system that all nodes share, then what `raysearch sweep` takes.
# --slots: trials at once, over all nodes of all jobs. `exec`, so that it gets the signal.
exec python -m raysearch.cluster.slurm.job "$PWD/results/carl" carl \
  --slots 1 --gpus-per-worker 1 --results "$PWD/results" --name carl
