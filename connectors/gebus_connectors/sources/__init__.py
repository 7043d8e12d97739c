"""Source connectors: each reads what one party holds and gives it as events.

All have one anatomy: `config.py` says what to read, `source.py` reads it, `README.md` states the guarantee first.
"""
