"""The benchmark: Herald beside its peers, on one machine, in one run. See ``README.md``."""
