"""Bounds the payments of one sender that an isolate has verified in vain.

Verifying a payment costs a call of the facilitator and a read of the ledger, also if the payment is
worth nothing. The sender is not the payer, whose name is in any such payment.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from core import constants


@dataclass(slots=True)
class _Sender:
    refused_until_ms: int = 0
    begun_ms: list[int] = field(default_factory=list)
    """When the payments came that are being verified."""


@dataclass(slots=True)
class PaymentAttempts:
    """The payments that an isolate is verifying, and the senders that it refuses, by key."""

    _senders: dict[str, _Sender] = field(default_factory=dict)

    def begin(self, key: str, at_once: int, window_ms: int, now_ms: int) -> bool:
        """Note that a payment is about to be verified; False if it is not to be.

        Args:
            key: The API and the sender.
            at_once: How many payments of one sender may be verified at the same time.
            window_ms: After this time, a request that never ended is forgotten.
            now_ms: The time.
        """
        sender = self._senders.get(key) or _Sender()
        sender.begun_ms = [begun for begun in sender.begun_ms if now_ms - begun < window_ms]
        if now_ms < sender.refused_until_ms or len(sender.begun_ms) >= at_once:
            return False
        sender.begun_ms.append(now_ms)
        self._senders.pop(key, None)
        self._senders[key] = sender
        if len(self._senders) > constants.PAYMENT_SENDERS_MAX:
            del self._senders[next(iter(self._senders))]
        return True

    def end(self, key: str, begun_ms: int, now_ms: int) -> None:
        """Note that a payment that began at `begun_ms` has been verified, or could not be."""
        sender = self._senders.get(key)
        if sender is None:
            return
        if begun_ms in sender.begun_ms:
            sender.begun_ms.remove(begun_ms)
        if not sender.begun_ms and now_ms >= sender.refused_until_ms:
            del self._senders[key]

    def refuse(self, key: str, until_ms: int) -> None:
        """Refuse the payments of a sender until `until_ms`."""
        self._senders.setdefault(key, _Sender()).refused_until_ms = until_ms
