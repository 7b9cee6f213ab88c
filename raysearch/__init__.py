"""raysearch: hyper-parameter search for MSMO and CARL whose numbers can be believed.

One way for a trial: a search space (`search_spaces/*.yaml`) is sampled by the study
(`search`), runs on a slot (`cluster`), is trained by the one loop (`training`) that performs
the updates of a method (`methods`), and ends as a frozen `Trial` (`trial`) in the Parquet
leaderboard (`leaderboard`), which the terminal shows (`render`). `cli` composes the parts.
"""

__version__ = "0.1.0"
