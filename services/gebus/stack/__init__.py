"""Kafka and the schema registry as child processes on loopback, secured as in production.

Needs the extra `stack`. `gebus.stack.stack` brings them up and takes them down.
"""
