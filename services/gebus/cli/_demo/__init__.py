"""The demo: real data through the whole bus, and an account of it that does not trust the bus's own counters.

`programme` says who publishes what, `expectations` what each feed must then hold; `stage` brings up what is needed;
`publishing`, `attacks`, `live` and `reading` act; `verdict` compares; `report` prints. `run` is the order of it all.
"""
