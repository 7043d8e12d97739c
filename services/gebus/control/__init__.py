"""Grants and modes: who decides what may flow. The control topics are the truth; this writes them, and rights follow.

`log` reads and writes the topics, `persons` knows who acts, `grants` and `modes` are the acts, `paper` records what the
catalogue names as decided, `rights` brings the broker's ACLs to what is granted, `cut` says when a revocation has
reached every lane, `keeper` does what time alone makes due, `alerts` says what looks wrong.
"""
