"""party, topic, event, feed, grant: frozen values and the errors. No I/O, no clock."""
