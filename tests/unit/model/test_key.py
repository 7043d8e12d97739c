"""The key's promise: different lists of values never give the same bytes."""

from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from gebus.model.key import encode_key

values = st.lists(st.text(alphabet="ab|\\", max_size=4), min_size=1, max_size=3)


@given(values, values)
def test_different_values_give_different_keys(left: list[str], right: list[str]) -> None:
    assert (encode_key(left) == encode_key(right)) == (left == right)


def test_integers_are_written_in_decimal() -> None:
    assert encode_key(["CA1234", -7]) == b"CA1234|-7"


def test_a_date_is_the_day_that_avro_writes() -> None:
    assert encode_key(["CA1234", date(2020, 1, 18)]) == encode_key(["CA1234", 18279]) == b"CA1234|18279"


def test_separators_inside_a_value_are_escaped() -> None:
    assert encode_key(["a|b", "c\\"]) == rb"a\|b|c\\"
