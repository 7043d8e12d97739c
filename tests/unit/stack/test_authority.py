"""Certificates: for loopback, signed by an authority whose key is nowhere, renewed in time."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

from cryptography import x509

from gebus.kafka.secrets import Secrets
from gebus.stack.authority import CA, CHAIN, KEY, KEYSTORE, ensure_certificates

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_the_certificate_is_for_loopback_and_for_nobody_else(tmp_path: Path) -> None:
    ensure_certificates(Secrets(tmp_path), NOW)
    certificate = x509.load_pem_x509_certificate((tmp_path / CHAIN).read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.IPAddress) == [IPv4Address("127.0.0.1")]
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]


def test_the_authority_signed_it_and_python_accepts_both(tmp_path: Path) -> None:
    ensure_certificates(Secrets(tmp_path), NOW)
    authority = x509.load_pem_x509_certificate((tmp_path / CA).read_bytes())
    x509.load_pem_x509_certificate((tmp_path / CHAIN).read_bytes()).verify_directly_issued_by(authority)
    ssl.create_default_context(cafile=str(tmp_path / CA))
    ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(tmp_path / CHAIN, tmp_path / KEY)


def test_the_only_private_key_on_disk_is_the_servers(tmp_path: Path) -> None:
    ensure_certificates(Secrets(tmp_path), NOW)
    with_keys = [path.name for path in tmp_path.iterdir() if b"PRIVATE KEY" in path.read_bytes()]
    assert sorted(with_keys) == sorted([KEY, KEYSTORE])
    key = (tmp_path / KEY).read_bytes()
    assert (tmp_path / KEYSTORE).read_bytes().startswith(key)
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in tmp_path.iterdir())


def test_it_is_kept_until_thirty_days_before_its_end(tmp_path: Path) -> None:
    secrets = Secrets(tmp_path)
    ensure_certificates(secrets, NOW)
    first = (tmp_path / CHAIN).read_bytes()
    ensure_certificates(secrets, NOW + timedelta(days=366))
    assert (tmp_path / CHAIN).read_bytes() == first
    ensure_certificates(secrets, NOW + timedelta(days=368))
    assert (tmp_path / CHAIN).read_bytes() != first


def test_a_missing_part_makes_all_of_it_new(tmp_path: Path) -> None:
    secrets = Secrets(tmp_path)
    ensure_certificates(secrets, NOW)
    authority = (tmp_path / CA).read_bytes()
    (tmp_path / KEY).unlink()
    ensure_certificates(secrets, NOW)
    assert (tmp_path / CA).read_bytes() != authority
