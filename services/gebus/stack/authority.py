"""The certificate authority of one stack, and the certificate that it signs for the servers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from ipaddress import IPv4Address

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gebus.kafka.secrets import Secrets

_VALID = timedelta(days=397)
_RENEW_BEFORE = timedelta(days=30)
_BACKDATED = timedelta(hours=1)  # a clock that runs a little behind must not find the certificate not yet valid

CA, KEY, CHAIN, KEYSTORE = "ca.pem", "server.key", "server.pem", "keystore.pem"


def ensure_certificates(secrets: Secrets, now: datetime, hosts: Sequence[str] = ()) -> None:
    """Make an authority and a server certificate for loopback and `hosts`, unless one is valid for 30 days more.

    The authority's key is never written: it signs one certificate, and the next one comes from a new authority.
    """
    if not all((secrets.directory / name).exists() for name in (CA, KEY, CHAIN, KEYSTORE)) or _expires(secrets, now):
        _issue(secrets, now, hosts)


def _expires(secrets: Secrets, now: datetime) -> bool:
    certificate = x509.load_pem_x509_certificate((secrets.directory / CHAIN).read_bytes())
    return certificate.not_valid_after_utc < now + _RENEW_BEFORE


def _issue(secrets: Secrets, now: datetime, hosts: Sequence[str]) -> None:
    ca_key, server_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "gebus stack")])
    ca = _unsigned(ca_name, ca_name, ca_key, now).add_extension(x509.BasicConstraints(True, 0), critical=True)
    ca = ca.add_extension(_usage(signs_certificates=True), critical=True)
    identity = x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key())
    ca = ca.add_extension(identity, critical=False)
    named = [x509.DNSName(host) for host in ("localhost", *hosts)]
    names = x509.SubjectAlternativeName([*named, x509.IPAddress(IPv4Address("127.0.0.1"))])
    server_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    server = _unsigned(server_name, ca_name, server_key, now).add_extension(names, critical=False)
    server = server.add_extension(x509.BasicConstraints(False, None), critical=True)
    server = server.add_extension(_usage(signs_certificates=False), critical=True)
    # Kafka's broker is a client of its own controller.
    purposes = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
    server = server.add_extension(purposes, critical=False)
    issuer = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identity)
    server = server.add_extension(issuer, critical=False)
    ca_pem = ca.sign(ca_key, hashes.SHA256()).public_bytes(Encoding.PEM)
    chain = server.sign(ca_key, hashes.SHA256()).public_bytes(Encoding.PEM) + ca_pem
    key = server_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for name, content in ((CA, ca_pem), (KEY, key), (CHAIN, chain), (KEYSTORE, key + chain)):
        secrets.write_file(name, content)


def _unsigned(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + _VALID)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
