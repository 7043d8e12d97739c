"""One life of a worker's clients and state: from joining the group to the first thing that is uncertain."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka import Message as KafkaMessage
from gebus_kernel import Kernel, SpillFailed

from gebus.lanes.blocked import HeldPartitions
from gebus.lanes.budget import Budget, StoppedInput
from gebus.lanes.control import Control
from gebus.lanes.crash import CrashPoint
from gebus.lanes.dead_letters import dead_letter, dead_letter_topic
from gebus.lanes.errors import Fenced, SessionEnded, in_our_words, is_missing, told
from gebus.lanes.leaves import Leaves
from gebus.lanes.ledger_age import LedgerAge
from gebus.lanes.membership import Membership
from gebus.lanes.meter import Meter, Observation
from gebus.lanes.ordered import OrderedInputs
from gebus.lanes.places import Lanes, Place, Share
from gebus.lanes.ports import Clients, Clock, Consumer, Message, Producer, Stopping
from gebus.lanes.progress import Progress
from gebus.lanes.restore import Restorer
from gebus.lanes.schemas import WriterSchemas
from gebus.lanes.settings import LaneSettings
from gebus.lanes.slices import Slices
from gebus.lanes.snapshots import Snapshots
from gebus.lanes.spill import Spill
from gebus.lanes.transaction import Transaction
from gebus.lanes.vanished import Vanished
from gebus.model.errors import GebusError

_log = logging.getLogger(__name__)
_error: Callable[[Any], Any] = KafkaMessage.error
"""Unbound: mapped over a batch it costs 15 ns a record, a quarter of what a bound call does."""


class Session:
    """Consumes, steps and delivers, until it is asked to stop or something is uncertain.

    Promised: whatever ends it, what it committed is complete, and nothing else of it is ever visible. Not promised:
    that it can be used again; the worker makes a new one, with new clients and a new kernel.

    The group is the lock of a slot: its transactional id is taken over only once the group has given this process
    the slot's static membership. Were it taken first, a second process of the same slot would fence the first, be
    fenced by its restart, and so on for ever.
    """

    def __init__(
        self,
        lanes: Lanes,
        kernel: Kernel,
        clients: Clients,
        schemas: WriterSchemas,
        meter: Meter,
        *,
        slot: int,
        clock: Clock,
        settings: LaneSettings,
        crash: CrashPoint,
        directory: Path,
        budget: Budget,
        membership: Membership,
        spill: Spill,
        unregistered: Callable[[], Mapping[str, str]],
        control: Control,
        ledger: LedgerAge | None = None,
    ) -> None:
        self._lanes, self._kernel, self._meter = lanes, kernel, meter
        self._slot, self._clock, self._settings, self._crash = slot, clock, settings, crash
        self._clients, self._schemas, self._membership = clients, schemas, membership
        self._consumer = clients.source_consumer(slot)
        self._leaves, self._control = Leaves(lanes.plans), control
        self._snapshots = Snapshots(directory, kernel, clock, settings, meter.snapshots)
        self._restorer = Restorer(
            lanes, kernel, self._consumer, clients,
            clock=clock, settings=settings, snapshots=self._snapshots, unregistered=unregistered,
        )  # fmt: skip
        self._slices = Slices(lanes, self._consumer, kernel, self._restorer)
        self._ordered = OrderedInputs(lanes, self._consumer, clients.ends, clock, settings)
        self._budget, self._spill, self._stopped = budget, spill, StoppedInput(self._consumer)
        self._ledger = ledger
        self._held = HeldPartitions(lanes, self._consumer, kernel, schemas, self._ordered)
        self._vanished = Vanished(lanes.topics, clients.presence)
        self._progress = Progress(self._consumer, clock, self._restorer.starts)
        self._producer: Producer | None = None
        self._take_slot_until = 0.0
        self._transaction: Transaction | None = None
        self._failure: GebusError | None = None
        self._rebalanced = self._closing = False
        self._advance_at = clock.monotonic() + settings.clock_interval
        self._look_at = self._retry_at = 0.0

    @property
    def held_slot(self) -> bool:
        """Whether the group gave this session its slot, so that the slot's member is no other process."""
        return self._transaction is not None

    def run(self, stopping: Stopping) -> None:
        """Work until `stopping`; then finish what is open. Raises what ended it otherwise."""
        try:
            self._control.tell(self._kernel, self._leaves, confirm=False)
            with told("joining the group"):
                self._consumer.subscribe(
                    self._lanes.topics, on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost
                )
            while not stopping():
                self._turn()
            self._commit()
        except SpillFailed as error:
            raise SessionEnded(
                f"the state that went to the disk cannot be read ({error}); nothing is lost: the next session begins "
                "from what is committed; look after the disk"
            ) from error
        finally:
            self._closing = True
            self._meter.abandoned += self._transaction is not None and self._transaction.open
            self._restorer.close()
            self._consumer.close()

    def _turn(self) -> None:
        if self._control.changed():
            self._commit()  # what was delivered so far stands under what was known; the next batch under the new
            self._control.tell(self._kernel, self._leaves, confirm=self.held_slot)
        messages = self._poll()
        if messages:
            self._crash.reach("after_poll")
        held = self._slices.live_shares if self._budget.full else self._held.shares | self._without_ledger()
        batch = [*self._ordered.gather(messages), *self._ordered.release(self._settings.batch, held)]
        if batch:
            self._take(batch)
        if self._transaction is not None and self._transaction.open and self._transaction.due_in <= 0:
            self._commit()
        if self._slices.waiting:
            self._restore()
        if self._held.waiting:
            self._held.release()
        if self._clock.monotonic() >= self._advance_at:
            self._advance()
        self._look_around()
        if self._budget.due:
            self._keep_budget()
        if self._transaction is not None and not self._transaction.open:
            self._snapshots.some()
        self._meter.serve(self._observe)

    def _look_around(self) -> None:
        """Now and then: whether topics have gone, and whether what could not be restored can be by now."""
        now = self._clock.monotonic()
        if now >= self._look_at:
            for topic in self._vanished.missing():
                self._held.stop(Place(topic, 0), "topic_gone")
            self._look_at = now + self._settings.look_interval
        if self._slices.refused and now >= self._retry_at:
            self._slices.retry()
            self._retry_at = now + self._settings.refused_retry

    def _poll(self) -> Sequence[Message]:
        """The next records of live partitions. Without an open transaction the first one ends the wait, so that it is
        not held up.

        With one open it is a single consume(): a rebalance inside a second would commit records not stepped yet.
        """
        consume, settings, patience = self._consumer.consume, self._settings, self._ordered.patience
        with told("consuming"):
            if self._transaction is not None and self._transaction.open:
                due_in = max(0.0, min(self._transaction.due_in, settings.busy_wait))
                messages = consume(settings.batch, patience(due_in))
            else:
                busy = self._slices.waiting or self._held.waiting
                messages = consume(1, patience(settings.busy_wait if busy else settings.idle))
                if messages:
                    messages += consume(settings.batch - 1, 0.0)
        if self._failure is not None:
            raise self._failure
        if any(map(_error, messages)):
            messages = self._without_errors(messages)
        if self._rebalanced:
            self._rebalanced = False
            live = set(self._slices.live_places)
            messages = [message for message in messages if Place(message.topic(), message.partition()) in live]
        return messages

    def _take(self, messages: Sequence[Message]) -> None:
        """One batch: stepped, and all that came of it produced."""
        started = self._clock.monotonic()
        transaction = self._begun()
        step = self._kernel.step(messages)
        for topic, records in step.outputs:
            transaction.deliver(topic, records)
        for dead in step.dead:
            message = messages[dead.index]
            kept = dead_letter(message, dead)
            topic = dead_letter_topic(self._lanes.input(message.topic()).contract)
            transaction.produce(topic, kept.value, key=kept.key, headers=kept.headers)
        for blocked in step.blocked:
            message = messages[blocked.index]
            place = Place(message.topic(), message.partition())
            if place.topic in self._lanes.ordered_topics:
                self._ordered.give_back(self._lanes.share(place), messages[blocked.index :])
            # What came before a record that finds no room made much; it is next as it is.
            if blocked.reason != "batch_full":
                self._held.hold(place, message.offset(), blocked)
        self._progress.saw(messages)
        self._meter.batch.observe(self._clock.monotonic() - started)

    def _begun(self) -> Transaction:
        """The transaction, open."""
        if self._transaction is None:
            raise SessionEnded("records came before the transactional id was taken")
        self._transaction.begin()
        return self._transaction

    def _commit(self) -> None:
        transaction = self._transaction
        if transaction is None or not transaction.open:
            return
        started = self._clock.monotonic()
        # Also inside a rebalance these are the positions of what was handed out, and all of that has been stepped.
        positions = self._restorer.marks.on(self._held.positions(self._slices.live_places))
        self._meter.end_to_end.add(transaction.commit(positions, self._consumer.consumer_group_metadata()))
        self._meter.commit.observe(self._clock.monotonic() - started)
        self._meter.committed += 1

    def _keep_budget(self) -> None:
        """Stop the input at the budget's end, and of what waits for the ledger.

        Ordered shares, of which nothing is released then, wait by themselves.
        """
        if self._ledger is not None:
            self._ledger.look()
        beginning = self._slices.waiting or not self._slices.live_shares
        sizes = self._kernel.state_size()
        if self._spill.due(sum(size for *_, size in sizes)):
            self._commit()
            self._spill.some(self._kernel)
            sizes = self._kernel.state_size()
        self._budget.look(sizes, restoring=beginning, spill=self._spill.reason)
        ordered, held = self._lanes.ordered_topics, self._held.holds
        places = {place for place in self._slices.live_places if place.topic not in ordered and place not in held}
        waiting = self._without_ledger()
        stopped = places if self._budget.full else {place for place in places if self._lanes.share(place) in waiting}
        self._stopped.be(places, stopped)

    def _without_ledger(self) -> frozenset[Share]:
        """The live shares that wait until the ledger has signed."""
        return frozenset() if self._ledger is None else self._ledger.holds_back(self._lanes, self._slices.live_shares)

    def _restore(self) -> None:
        if self._transaction is None and not self._take_slot():
            return
        shares = self._slices.restore_some(self._settings.restore_slice)
        for share in shares:  # what they were held for before is over
            self._held.drop(self._lanes.places(share))
        for place in self._slices.without_offset(shares):
            self._held.stop(place, "offset_lost")
        self._hold_refused()
        self._ordered.live(shares, self._restorer.starts)
        if shares:  # before the first record of theirs is taken
            self._keep_budget()

    def _hold_refused(self) -> None:
        """Say which shares stand still because of their state; it is looked again after a while."""
        held = self._held.holds
        for share, why in self._slices.refused.items():
            places = self._lanes.places(share)
            if not places <= held.keys():
                self._held.refuse(places, self._lanes.slices(share), why)
                self._retry_at = self._clock.monotonic() + self._settings.refused_retry

    def _take_slot(self) -> bool:
        """Take over the slot's transactional id, which ends what an earlier producer left open; False: not yet."""
        if self._producer is None:
            self._producer = self._clients.producer(self._slot)
            self._take_slot_until = self._clock.monotonic() + self._settings.init_timeout
        try:
            # In short waits: the group is heard meanwhile, and so is a request to stop.
            self._producer.init_transactions(self._settings.busy_wait)
        except KafkaException as error:
            late = self._clock.monotonic() > self._take_slot_until
            if late or not error.args[0].retriable():
                raise in_our_words(error.args[0], "taking over the slot's transactional id") from error
            return False
        self._transaction = Transaction(
            self._producer, self._kernel, self._clock, self._settings,
            crash=self._crash, snapshots=self._snapshots, leaves=self._leaves,
        )  # fmt: skip
        self._membership.write(self._consumer.memberid() or "")
        self._control.confirm()
        return True

    def _advance(self) -> None:
        """Let the time of the log pass in every live slice: entries expire, and what is due is delivered."""
        for share in sorted(self._slices.live_shares):
            places = self._lanes.places(share)
            ordered = self._lanes.is_ordered(share)
            if ordered:
                clock_ms = self._ordered.clock_ms(share)
            else:
                clock_ms = self._progress.clock_ms(places, self._held.positions(places))
            if clock_ms is None:
                continue
            for owned in self._lanes.slices(share):
                if ordered:
                    for topic, records in self._kernel.tick(owned.lane, owned.number, clock_ms).outputs:
                        self._begun().deliver(topic, records)
                self._kernel.advance(owned.lane, owned.number, clock_ms)
        self._ordered.renew()
        self._advance_at = self._clock.monotonic() + self._settings.clock_interval

    def _observe(self) -> Observation:
        inputs = self._slices.live_places
        return Observation(
            accounts=tuple(self._kernel.accounts()),
            state=tuple(self._kernel.state_size()),
            spilt=tuple(self._kernel.spilt()),
            lags=self._progress.lags(inputs, self._held.positions(inputs)),
            held={place: hold.reason for place, hold in self._held.holds.items()},
            live=tuple(self._slices.live),
            buffered=self._ordered.buffered(),
            restoring=self._restorer.progress(),
            budget=self._budget.limit,
            full=self._budget.full,
        )

    def _without_errors(self, messages: Sequence[Message]) -> list[Message]:
        for message in filter(_error, messages):
            self._told(_error(message), message)
        return [message for message in messages if message.error() is None]

    def _told(self, error: KafkaError, message: Message) -> None:
        """What came in a message's place: the end of a partition, or what went wrong."""
        topic = message.topic() or "the sources"
        if error.code() == KafkaError._PARTITION_EOF:
            self._ordered.read_to(Place(topic, message.partition()), message.offset())
            return
        if error.code() == KafkaError._AUTO_OFFSET_RESET:
            self._held.stop(Place(topic, message.partition()), "gap")
            return
        if is_missing(error):
            self._vanished.revoked([topic])
        elif not error.retriable():
            raise in_our_words(error, f"consuming {topic}")
        _log.warning("consuming %s: %s", topic, error.str())

    # The three callbacks of the group. They run inside consume() and close(); what they raise would be lost there,
    # so it is kept for the loop.

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        # Paused before anything is read of them: restoring takes longer than a callback may. Each goes to the group's
        # offset when it is read. Until then it stands at a number: what `beginning` is the client asks the broker, and
        # again half a second after the pause has made the answer void; it would go there even from the group's offset.
        standing = [Place.of(partition).kafka(0) for partition in partitions]
        self._kept(lambda: consumer.incremental_assign(standing), "accepting partitions")
        self._kept(lambda: consumer.pause(partitions), "pausing new partitions")
        places = [Place.of(partition) for partition in partitions]
        self._held.drop(places)
        self._slices.assigned(places)
        self._rebalanced = True

    def _revoked(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Finish what is open while the partitions are still ours; bounded by the commit timeout, twice."""
        if not self._closing:
            if self._failure is None:
                self._kept(self._commit, "committing before a rebalance")
            places = [Place.of(partition) for partition in partitions]
            # What else a share reads stays assigned, but is read again from where the group stands.
            touched = {one for place in places for one in self._lanes.places(self._lanes.share(place))}
            self._held.drop(touched)
            self._slices.revoked(places)
            self._ordered.revoked(self._slices.live_shares)
            self._vanished.revoked(place.topic for place in touched)
            self._rebalanced = True
        self._kept(lambda: consumer.incremental_unassign(partitions), "giving partitions up")

    def _lost(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Whoever was silent for so long has no say any more: another worker may have its slot as well."""
        self._keep(
            Fenced(
                f"the group gave {len(partitions)} partitions to others: this worker was silent for longer than a "
                "session; its open transaction is void"
            )
        )
        self._kept(lambda: consumer.incremental_unassign(partitions), "giving partitions up")

    def _kept(self, act: Callable[[], Any], doing: str) -> None:
        try:
            with told(doing):
                act()
        except GebusError as error:
            self._keep(error)

    def _keep(self, error: GebusError) -> None:
        self._failure = self._failure or error
