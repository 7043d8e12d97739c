"""The schema registry, spoken to through the Confluent API, which every registry offers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx

from gebus.kafka.connection import ANSWER_SECONDS, Connection
from gebus.model.errors import Denied, GebusError, NotFound, Refused, Unavailable

_API = "/apis/ccompat/v7"
_MEDIA = "application/vnd.schemaregistry.v1+json"


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a subject. `id` is global: what stands before the Avro bytes on the wire."""

    subject: str
    version: int
    id: int
    schema: str


class Registry:
    """A client of the registry, as one principal. Use it as a context manager, or close it.

    Promised: every call ends within 10 seconds, with an answer or with Unavailable, Denied, NotFound or Refused.
    Reading needs no right; writing needs that of `gebus-admin`. Not promised: a cache; every call asks the server.
    """

    def __init__(self, connection: Connection, *, timeout_seconds: float = ANSWER_SECONDS) -> None:
        self._connection = connection
        self._client = httpx.Client(
            base_url=connection.registry + _API,
            verify=connection.trust(),
            timeout=timeout_seconds,
            trust_env=False,  # a proxy of the environment must not see, or be asked for, a server on loopback
        )

    def __repr__(self) -> str:
        return f"Registry({self._connection.registry!r}, principal={self._connection.principal!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; safe to call twice."""
        self._client.close()

    def subjects(self) -> list[str]:
        """Every subject, in order."""
        return sorted(self._get("/subjects", list))

    def versions(self, subject: str) -> list[int]:
        """The versions of a subject, oldest first."""
        return sorted(self._get(f"/subjects/{_part(subject)}/versions", list))

    def latest(self, subject: str) -> Version:
        """The newest version of a subject."""
        return self._version(subject, "latest")

    def version(self, subject: str, version: int) -> Version:
        """One version of a subject."""
        return self._version(subject, str(version))

    def schema_by_id(self, id: int) -> str:  # noqa: A002 - the registry's own word
        """The schema of an id, as it was registered."""
        return str(self._get(f"/schemas/ids/{id}", dict, "schema")["schema"])

    def subjects_of(self, id: int) -> frozenset[str]:  # noqa: A002 - the registry's own word
        """The subjects that have a version with this id; empty if the id is unknown."""
        try:
            return frozenset(str(row["subject"]) for row in self._get(f"/schemas/ids/{id}/versions", list))
        except NotFound:
            return frozenset()

    def register(self, subject: str, schema: str) -> int:
        """The id of a schema in a subject; it becomes the newest version unless the subject has it already.

        Refused if it is not a schema, or breaks the subject's compatibility.
        """
        path = f"/subjects/{_part(subject)}/versions"
        answer = self._send("POST", path, {"schema": schema, "schemaType": "AVRO"})
        return int(self._shaped(answer, path, dict, ("id",))["id"])

    def compatibility(self, subject: str) -> str | None:
        """The subject's own compatibility level, or None if it has none of its own."""
        try:
            return str(self._get(f"/config/{_part(subject)}", dict, "compatibilityLevel")["compatibilityLevel"])
        except NotFound:
            return None

    def set_compatibility(self, subject: str, level: str) -> None:
        """Refuse from now on what breaks `level` in this subject."""
        self._send("PUT", f"/config/{_part(subject)}", {"compatibility": level})

    def set_default_compatibility(self, level: str) -> None:
        """The level of every subject without one of its own."""
        self._send("PUT", "/config", {"compatibility": level})

    def delete_subject(self, subject: str) -> None:
        """Remove a subject and its versions; ids that stand in the log stay resolvable where the server keeps them."""
        self._send("DELETE", f"/subjects/{_part(subject)}", None)

    def _version(self, subject: str, version: str) -> Version:
        path = f"/subjects/{_part(subject)}/versions/{version}"
        row = self._get(path, dict, "subject", "version", "id", "schema")
        return Version(str(row["subject"]), int(row["version"]), int(row["id"]), str(row["schema"]))

    def _get(self, path: str, shape: type[dict[str, Any]] | type[list[Any]], *keys: str) -> Any:
        return self._shaped(self._call("GET", path, None, None), path, shape, keys)

    def _shaped(
        self, answer: Any, path: str, shape: type[dict[str, Any]] | type[list[Any]], keys: Iterable[str]
    ) -> Any:
        """The answer, if it has the shape that this API promises: what answers could be any server."""
        if not isinstance(answer, shape) or any(key not in answer for key in keys):
            raise Unavailable(
                f"{self._connection.registry} answered {path} with something that a schema registry would not say; "
                "is another server on that port?"
            )
        return answer

    def _send(self, method: str, path: str, body: dict[str, str] | None) -> Any:
        # Only writes carry credentials: a party has none here, and the registry checks them before it checks the right.
        login = httpx.BasicAuth(self._connection.principal, self._connection.password.get_secret_value())
        return self._call(method, path, body, login)

    def _call(self, method: str, path: str, body: dict[str, str] | None, login: httpx.BasicAuth | None) -> Any:
        try:
            answer = self._client.request(
                method, path, json=body, auth=login, headers={"Content-Type": _MEDIA, "Accept": _MEDIA}
            )
        except httpx.TransportError as error:
            raise Unavailable(
                f"the registry at {self._connection.registry} does not answer: {error or type(error).__name__}; "
                "`gebus status` shows whether it runs"
            ) from error
        if answer.is_success:
            return _json(answer)
        raise self._refusal(method, path, answer)

    def _refusal(self, method: str, path: str, answer: httpx.Response) -> GebusError:
        what = f"the registry at {self._connection.registry} answered {answer.status_code} to {method} {path}"
        said = _message(answer)
        if answer.status_code in (401, 403):
            return Denied(
                f"{what} for principal {self._connection.principal}: {said}; "
                "schemas are registered by `gebus apply`, as gebus-admin"
            )
        if answer.status_code == 404:
            return NotFound(f"{what}: {said}")
        if answer.status_code in (400, 409, 422):
            return Refused(f"{what}: {said}")
        return Unavailable(f"{what}: {said}; see its log, which `gebus status` names")


def _part(text: str) -> str:
    return quote(text, safe="")


def _json(answer: httpx.Response) -> Any:
    try:
        return answer.json() if answer.content else None
    except ValueError:
        return None


def _message(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["message"])
    except (ValueError, KeyError, TypeError):
        return answer.reason_phrase or "no reason given"
