"""Train in several processes: python -m torch.distributed.launch --nproc_per_node=2 --use_env train_multi_gpu.py

The loop is train.run, the options are train.py's; this file only says that a launcher opens a process group.
"""

from utils.cli import leave

from train import main

if __name__ == "__main__":
    leave(main(several=True))
