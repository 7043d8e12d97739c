# ruff: noqa: A002 - a slice is what a worker owns, in every part of gebus
"""The part of gebus that touches the bytes of a batch: no clock, no threads, no I/O but one folder's."""

from collections.abc import Iterator, Mapping, Sequence
from os import PathLike
from typing import Any, ClassVar, Protocol, final, type_check_only

__all__ = ["Account", "Blocked", "Dead", "Dump", "Kernel", "Leaf", "SpillFailed", "Step"]

@type_check_only
class Message(Protocol):
    """What the kernel reads of a `confluent_kafka.Message`; anything with these methods will do.

    `timestamp` is (2, milliseconds): a message whose time is not the log's own append time, such as a client error in a
    message's place, is refused.
    """

    def topic(self) -> str | None: ...
    def partition(self) -> int | None: ...
    def key(self) -> bytes | None: ...
    def value(self) -> bytes | None: ...
    def timestamp(self) -> tuple[int, int]: ...

@final
class Dead:
    """A record for the dead-letter topic: message number `index` of the batch.

    `reason` is one word in snake_case, `detail` a sentence without a byte of the record, `place` the top-level field
    that it is about, or "". Where a step of a feed could not take a record, `place` is `<feed>: <step>`: the other
    feeds took it, each feed that did not names it once more, and it does not count towards the ceiling.
    """

    index: int
    reason: str
    detail: str
    place: str

@final
class Blocked:
    """The first record of a topic's partition that must not be taken yet: message number `index` of the batch.

    The kernel passed over this record and all later ones of the same topic and partition in the batch; they count
    nowhere. Where a lane of the topic, or one that shares topics with it, is ordered, it passed over all later ones of
    the same partition number in any topic of these lanes. `reason` is `unknown_schema` (`schema_id` says which; add or
    refuse it, then offer the records again), `dead_letter_limit` (`schema_id` is None: the record would be one dead
    letter too many; people must look) or, in ordered lanes alone, `batch_full` (what came before it made more than
    64 MiB; offer it again at once).
    """

    index: int
    reason: str
    schema_id: int | None

@final
class Step:
    """What became of one batch. `count` is the number of messages, the blocked ones included.

    `outputs` holds for each topic the records to produce, in the order of the batch, as `Producer.produce_batch` takes
    them. The topics are feeds' and rekeys'. `key` is the message's own key object, but with a rekey, or where time and
    no message brought the record. A copy for every partition names its `partition`.
    """

    count: int
    outputs: list[tuple[str, list[dict[str, Any]]]]
    dead: list[Dead]
    blocked: list[Blocked]

@final
class Account:
    """Where the records of one Kafka topic of one slice went for one feed, as of the last commit.

    taken + more = delivered + filtered + duplicate + withheld + dead + waiting. `feed` is "" for the source itself,
    where only taken and dead have a meaning; a topic that several lanes read has a row in each. withheld: the record
    passed every step, and the grant had expired. more: a record that a relation made n of counts as n; so does what
    was made when a record's time was over. waiting: a relation remembered the record, and nothing came of it when it
    arrived.
    """

    lane: str
    slice: int
    topic: str
    feed: str
    taken: int
    more: int
    delivered: int
    filtered: int
    duplicate: int
    withheld: int
    dead: int
    waiting: int

@final
class Dump:
    """The committed state of a slice as (key, value) records, each to be taken once; any thread may take them.

    Promised: it is what was committed when it was made, whatever comes later. What lay on the disk then is read when
    its turn comes, and held there until it was taken or this is dropped; SpillFailed where it cannot be read.
    """

    def __len__(self) -> int:
        """The records that are left."""

    def __iter__(self) -> Iterator[tuple[bytes, bytes]]: ...
    def __next__(self) -> tuple[bytes, bytes]: ...

class SpillFailed(OSError):
    """What went to the disk cannot be read there, or is not what was written. What the kernel answered in the open
    transaction must not be committed; nothing is lost, for state topic or snapshot give all of it again."""

@final
class Leaf:
    """What the open transaction delivered to one feed from one slice, in one mode; 32,768 records at most.

    `mode` is 0 outside every emergency. `size` counts the bytes of keys and values; `fields` the delivered values of
    the classes 1 to 4, of which those of the envelope are none, and null is none. `entries` holds 40 bytes a record, in
    the order of delivery: the tag of its entity and its digest; `root` is the head of the tree over the digests. See
    `gebus.model.leaf`.
    """

    lane: str
    slice: int
    feed: str
    mode: int
    count: int
    size: int
    fields: tuple[int, int, int, int]
    root: bytes
    entries: bytes

@final
class Kernel:
    """The lanes of one worker: compiled plans, and the state of the slices that it owns.

    A record passes all lanes that read its topic, so its slice must be open in all of them; it is read and checked
    once.

    Promised: the result depends on the records and their order in each partition alone (in an ordered lane: in each
    slice), not on how they are cut into batches; no record, however hostile, raises or takes more than its budget of
    time and memory. Every method raises ValueError with what was found and what to do, and has then changed nothing.
    Not promised: use from two threads at once, which raises RuntimeError.
    """

    LATENCY_BOUNDS_MS: ClassVar[tuple[int, ...]]
    """The upper bounds of the buckets that `commit` counts in; one more bucket takes what lies above the last."""

    def __new__(cls, plans: Sequence[str]) -> Kernel:
        """Compile the lane plans (JSON, see README.md). Lanes that name the same source share it."""

    def add_writer_schema(self, source: str, schema_id: int, schema: str) -> None:
        """Let records of this schema in. ValueError if they cannot be read as the source's schema, and why."""

    def refuse_schema(self, source: str, schema_id: int, reason: str) -> None:
        """Make every record of this schema a dead letter with this reason."""

    def set_feed_schema(self, feed: str, schema_id: int) -> None:
        """Set the id that stands before the feed's delivered records, or before a rekey's copies, which are in the
        source's own schema. Needed before `step`."""

    def set_token_key(self, feed: str, key: bytes) -> None:
        """Set the secret of the feed's tokens. Needed before `step` where a field is masked by a token.

        Each period's key is HMAC of the period's name (`2020`, `2020-Q1`, `2020-02`, `2020-02-01`, in UTC, by the log's
        time) under this secret; a token the first 32 hex digits of HMAC of the value under that.
        """

    def set_grants(self, until_ms: Mapping[str, int]) -> None:
        """Set until when (log's time, ms) each feed's records flow; a feed that is not named has no grant, and its
        records are withheld. Before the first call the plan's own end counts. Lasting at once, whatever `rollback`."""

    def set_modes(self, modes: Sequence[tuple[str, str, int, int]]) -> None:
        """Set all modes that are known: id, beginning of the divisions (GB/T 2260), since and until (log's time, ms).

        One holds for a record whose `region` begins so, appended from `since` up to, not including, `until`; of several
        the longest beginning, then the smallest id. While it holds, the feed's emergency projection is delivered, and
        feeds with `mode: emergency` flow. A leaf's `mode` is the place in this list, from 1, where the mode made a
        difference to what was delivered. ValueError while something is delivered and not committed.
        """

    def open(self, lane: str, slice: int) -> None:
        """Own a slice, with empty state."""

    def close(self, lane: str, slice: int) -> None:
        """Forget a slice and its state; one that is not open is closed already."""

    def restore(self, lane: str, slice: int, key: bytes, value: bytes) -> None:
        """Take in one record of the slice's state topic, in the order of the log.

        What belongs to a table, topic or feed that the plan no longer has is passed over. ValueError for a record that
        is damaged, of an unknown version, not the kernel's, or of a table whose entries meant something else.
        """

    def step(self, messages: Sequence[Message]) -> Step:
        """Take a batch, record by record in its order: walk, check, deduplicate, filter, relate, select, mask.

        Nothing is lasting before `commit`. Not promised: that the order is right. Whoever calls gives an ordered lane
        the records of a slice by append time, topic and offset.
        """

    def tick(self, lane: str, slice: int, clock_ms: int) -> Step:
        """Make what is due in an ordered lane when no record will come any more that was appended before `clock_ms`.

        `step` does the same before each record, with the record's append time; so a tick changes when something is
        delivered, not what.
        """

    def state(self) -> list[tuple[str, int, bytes, bytes]]:
        """What to write into the state topics within the open transaction: (lane, slice, key, value), none if nothing
        changed. Each value is smaller than 512 KiB."""

    def leaves(self) -> list[Leaf]:
        """What the open transaction has delivered so far, for the ledger; each delivered record is in one of them."""

    def dump(self, lane: str, slice: int) -> Dump:
        """The committed state of a slice, which `restore` takes into an empty slice in this order.

        Each value is smaller than 512 KiB. ValueError while a transaction is open.
        """

    def commit(self, now_ms: int) -> list[int]:
        """Make all since the last commit last; count its delivered records by latency up to `now_ms`."""

    def rollback(self) -> None:
        """Forget all since the last commit: state, accounts and the counting of dead letters."""

    def advance(self, lane: str, slice: int, clock_ms: int) -> int:
        """Drop what no record appended at or after `clock_ms` could match, and say how many entries that was."""

    def accounts(self) -> list[Account]:
        """The accounts of all open slices, what earlier owners counted included."""

    def state_size(self) -> list[tuple[str, int, str, int, int]]:
        """(lane, slice, table, entries, bytes of memory) of all open slices; the entries on the disk count as well."""

    def spill_to(self, folder: str | PathLike[str], disk_bytes: int, cache_bytes: int) -> None:
        """Let `spill` use a folder, with so many bytes, read through a cache of so many bytes of memory.

        To be called before a slice is opened. What this kernel puts into the folder it deletes with the slice, or at
        its own end; what else is there it leaves alone.
        """

    def spill(self, memory_bytes: int) -> tuple[int, str | None]:
        """Move what is remembered to the disk until `state_size` gives `memory_bytes` or less; how many bytes that
        freed, and why it was not more where the disk is full or cannot be written.

        The largest tables first, of each the oldest generations. Nothing moves while a transaction is open, and nothing
        where no folder was given. Of what a deduplicate remembers all may move, of other entries only their values:
        some 90 bytes of each stay. Promised: outputs are the same as without it. Not promised: that `memory_bytes` is
        reached. From then on `step`, `tick` and `restore` raise SpillFailed where the disk fails them.
        """

    def spilt(self) -> list[tuple[str, int, str, int]]:
        """(lane, slice, table, bytes on the disk) of what went there."""
