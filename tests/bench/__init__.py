"""Workload W1 side by side: a gebus lane and its peers, on one topic of one broker, in one run. See README.md."""
