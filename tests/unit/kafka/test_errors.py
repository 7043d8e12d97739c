"""kafka-python's errors in the words of gebus: the class says what to do, the message who, where and what next."""

from __future__ import annotations

from pathlib import Path

import pytest
from kafka import errors as kafka
from pydantic import SecretStr

from gebus.kafka import Connection
from gebus.kafka.errors import check, in_our_words, told
from gebus.model.errors import Denied, NotFound, Refused, Unavailable

JD = Connection("127.0.0.1:9", "https://127.0.0.1:8", Path("ca.pem"), "jd", SecretStr("secret"))


@pytest.mark.parametrize(
    ("error", "expected", "words"),
    [
        (kafka.SaslAuthenticationFailedError(), Denied, "refused to log in jd"),
        (kafka.UnsupportedSaslMechanismError(), Denied, "refused to log in jd"),
        (kafka.TopicAuthorizationFailedError("x"), Denied, "refused jd reading x: TOPIC_AUTHORIZATION_FAILED"),
        (kafka.GroupAuthorizationFailedError(), Denied, "GROUP_AUTHORIZATION_FAILED; `gebus apply`"),
        (kafka.TransactionalIdAuthorizationFailedError(), Denied, "TRANSACTIONAL_ID_AUTHORIZATION_FAILED"),
        (kafka.UnknownTopicOrPartitionError(), NotFound, "no such topic or partition: jd reading x"),
        (kafka.KafkaTimeoutError("late"), Unavailable, "does not answer jd reading x: .*late"),
        (kafka.NotLeaderForPartitionError(), Unavailable, "does not answer"),
        (kafka.KafkaConnectionError("gone"), Unavailable, "gone"),
        (kafka.TopicAlreadyExistsError("x"), Refused, "refused jd reading x"),
        (kafka.InvalidConfigurationError("bad"), Refused, "bad"),
    ],
)
def test_each_kind(error: kafka.KafkaError, expected: type[Exception], words: str) -> None:
    said = in_our_words(error, JD, "reading x")
    assert type(said) is expected
    with pytest.raises(expected, match=words):
        raise said


def test_only_silence_is_worth_another_try() -> None:
    assert in_our_words(kafka.KafkaTimeoutError(), JD, "x").retriable
    assert not in_our_words(kafka.TopicAuthorizationFailedError(), JD, "x").retriable


def test_what_is_raised_inside_keeps_its_cause() -> None:
    cause = kafka.KafkaTimeoutError()
    with pytest.raises(Unavailable) as caught, told(JD, "x"):
        raise cause
    assert caught.value.__cause__ is cause


def test_other_errors_pass_through() -> None:
    with pytest.raises(ZeroDivisionError), told(JD, "x"):
        raise ZeroDivisionError


def test_a_code_that_is_no_error_passes() -> None:
    check(JD, "x", kafka.NoError)
    with pytest.raises(Denied):
        check(JD, "x", kafka.ClusterAuthorizationFailedError, "said")
