"""What happened: rows of finished trials in Parquet, and who came first.

`Store` writes and reads a sweep's rows, `rank` orders its configurations. Nothing here needs
torch or Ray.
"""

from raysearch.leaderboard.export import records
from raysearch.leaderboard.keys import rows_with
from raysearch.leaderboard.rank import rank, varying
from raysearch.leaderboard.ranked import Ranked, Ranking, Standing
from raysearch.leaderboard.store import Store, SweepCard, find_stores, load_goal
from raysearch.leaderboard.summary import Summary, encoder_name, summarize

__all__ = [
    "Ranked",
    "Ranking",
    "Standing",
    "Store",
    "Summary",
    "SweepCard",
    "encoder_name",
    "find_stores",
    "load_goal",
    "rank",
    "records",
    "rows_with",
    "summarize",
    "varying",
]
