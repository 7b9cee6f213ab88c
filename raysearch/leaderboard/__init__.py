"""What happened: rows of finished trials in Parquet, and who came first.

`Store` writes and reads a sweep's rows, `rank` orders its configurations. Nothing here needs
torch or Ray.
"""

from raysearch.leaderboard.rank import (
    Ranked,
    Ranking,
    Standing,
    Summary,
    rank,
    summarize,
    varying,
)
from raysearch.leaderboard.store import Store, SweepCard, find_stores, load_goal

__all__ = [
    "Ranked",
    "Ranking",
    "Standing",
    "Store",
    "Summary",
    "SweepCard",
    "find_stores",
    "load_goal",
    "rank",
    "summarize",
    "varying",
]
