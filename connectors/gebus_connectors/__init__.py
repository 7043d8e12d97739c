"""Programs at the edge of gebus: publish a party's events, receive a party's feeds.

An enterprise installs this without Rust, Faust or Java: it needs `gebus` without extras.
"""
