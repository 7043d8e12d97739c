"""How far records are settled."""

from __future__ import annotations

import random

from gebus_connectors.sdk.progress import Progress


def handed_out(*offsets: int) -> Progress:
    progress = Progress()
    for offset in offsets:
        progress.hand_out(offset)
    return progress


def test_nothing_settled_is_no_position() -> None:
    assert handed_out(3, 4).position is None


def test_the_position_is_after_the_last_settled_record_of_an_unbroken_row() -> None:
    progress = handed_out(3, 4, 7, 8)  # 5 and 6 are markers of transactions, which nobody is handed
    progress.settle(4)
    assert (progress.position, len(progress)) == (None, 4)
    progress.settle(3)
    assert (progress.position, len(progress)) == (5, 2)
    progress.settle(8)
    progress.settle(7)
    assert (progress.position, len(progress)) == (9, 0)


def test_settling_again_or_what_was_never_handed_out_changes_nothing() -> None:
    progress = handed_out(1, 2)
    for offset in (1, 1, 0, -5):
        progress.settle(offset)
    assert (progress.position, len(progress)) == (2, 1)


def test_any_order_ends_at_the_end_and_never_passes_an_unsettled_record() -> None:
    for seed in range(50):
        chance = random.Random(seed)
        offsets = sorted(chance.sample(range(1000), 60))
        progress, left = handed_out(*offsets), set(offsets)
        for offset in chance.sample(offsets, len(offsets)):
            progress.settle(offset)
            left.discard(offset)
            assert all(other >= (progress.position or 0) for other in left), f"seed {seed}"
        assert progress.position == offsets[-1] + 1
