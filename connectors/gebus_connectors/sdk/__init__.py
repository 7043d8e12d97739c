"""Publish a party's events, receive a party's feeds: what an enterprise builds on."""

from gebus.model.errors import Denied, EventRefused, GebusError, NotFound, Stopped, Unavailable
from gebus_connectors.sdk.event_model import event_model
from gebus_connectors.sdk.in_flight import NotAcknowledged, Receipt, Sent, Unsent
from gebus_connectors.sdk.options import PublisherOptions, SubscriberOptions
from gebus_connectors.sdk.publisher import Publisher
from gebus_connectors.sdk.subscriber import Delivery, Start, Subscriber

__all__ = [
    "Delivery",
    "Denied",
    "EventRefused",
    "GebusError",
    "NotAcknowledged",
    "NotFound",
    "Publisher",
    "PublisherOptions",
    "Receipt",
    "Sent",
    "Start",
    "Stopped",
    "Subscriber",
    "SubscriberOptions",
    "Unavailable",
    "Unsent",
    "event_model",
]
