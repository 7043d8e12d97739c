"""Lanes at work: worker processes that consume, step and deliver, exactly once.

`supervisor` starts one `worker` a slot; a worker lives through `session`s, each one life of clients and state; a
session consumes batches, gives them to the kernel, and writes what comes back in one `transaction`. All else here
serves those four: `slices` and `restore` (whose state is where), `ordered` and `order` (in which order the topics of a
join are taken), `blocked` and `schemas` (what must wait), `dead_letters`, `accounts`, `metrics`.

A topic may be read by several lanes: its contract's own, and those that join it. Lanes that share a topic, directly or
through others, are a group, and slice p of all of them is a share (`places`): it moves between workers, is restored and
is read as one, so that a record is fetched and checked once for all. In a group with an ordered lane (a join, a
reconcile, corrections, or a copy under another key, which the plan calls a rekey) the partitions of a share are merged
(`order`), so that what meets what does not depend on which topic Kafka gave first. Which steps there are and what they
promise is in `gebus.model`, how a feed becomes lanes in `gebus.plan`, and what one does to bytes and state in
the kernel's README. STATE.md is for whoever runs it.
"""
