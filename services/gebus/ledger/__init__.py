"""The ledger: every delivery in an append-only Merkle tree that anyone can hold against its signed heads.

`tree`, `tiles`, `notes` and `audit` are values in, values out; `store` and `index` are the files; `service` and
`witness` are the two processes. `verify_evidence` is one file that stands alone. Promises and figures: LEDGER.md.
"""
