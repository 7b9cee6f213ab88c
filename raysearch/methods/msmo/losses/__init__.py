"""The terms of MSMO, one file each, in the symbols of the paper."""
