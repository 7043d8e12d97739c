"""Lanes at work: worker processes that consume, step and deliver, exactly once.

`supervisor` starts one `worker` a slot; a worker lives through `session`s, each one life of clients and state; a
session consumes batches, gives them to the kernel, and writes what comes back in one `transaction`. All else here
serves those four: `slices` and `restore` (whose state is where), `ordered` and `order` (in which order the topics of a
join are taken), `blocked` and `schemas` (what must wait), `dead_letters`, `accounts`, `metrics`.
"""
