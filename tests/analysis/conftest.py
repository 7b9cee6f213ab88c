"""The fixture that these tests make trials with."""

from made_trials import make_trial

__all__ = ["make_trial"]
