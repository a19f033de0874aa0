"""The hierarchy of errors, each with a stable code and an HTTP status.

`gateway.error_handling` maps them to responses.

    DispatcherError
    ├── CallerError             the request is at fault
    │   ├── InvalidParameter        400 invalid_parameter
    │   │   ├── InvalidWindow       400 invalid_window
    │   │   └── UnknownParameter    400 invalid_parameter
    │   ├── Unauthorized            401 and 429: subclasses in `api.auth`
    │   ├── TenantNotFound          404 tenant_not_found
    │   ├── NotFound                404 not_found
    │   ├── MethodNotAllowed        405 method_not_allowed
    │   ├── ClientClosedRequest     499 client_closed_request
    │   ├── PaymentError            402, 409 and 503: subclasses in `payments.errors`
    │   └── LimitError              402 and 429: subclasses in `tenants.admission`
    ├── TenantError             the tenant's script is at fault
    │   ├── WorkerNotFound          404 worker_not_found
    │   ├── TenantWorkerFailure     502 tenant_worker_failure
    │   └── TenantLimitExceeded     503 tenant_limit_exceeded
    ├── OperatorError           the deployment is at fault
    │   ├── BindingMissing          500 dispatcher_binding_missing
    │   └── ConfigurationError      500 configuration_error
    └── InternalError               500 internal_error
        ├── StoreOutage
        ├── LogOutage
        └── LedgerOutage

    DataError                   stored or received data cannot be used; never a response
    ├── RecordRefused               a record of the tenant directory
    ├── BatchUnreadable             a batch of the usage log
    ├── SummaryUnreadable           a summary or a part of one
    └── SettlementUnreadable        a settlement event

    StoreUnavailable            KV failed; the calling code decides what follows
    ├── ReadTooLarge                the values of one bulk get are too large
    └── LogExpired                  the batches that are needed have expired
    SqlRejected                 a Durable Object's database rejected a statement; a defect
    DatabaseUnavailable         D1 failed; the calling code decides
    FetchFailed                 another server gave no usable response; the calling code decides
    KeyUnusable                 a private key cannot sign; the calling code decides

Monitors and front ends rely on the codes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

Evidence = str | int | Sequence[str] | Sequence[Mapping[str, object]]


class DispatcherError(Exception):
    """Ends a request with an error response.

    Each class sets its `code`, its `status`, and `is_call`: whether the request counts as a
    call, which it does unless it was refused before dispatch. `evidence` has further fields
    for programs that read the response.
    """

    code = "internal_error"
    status = 500
    is_call = True

    def __init__(self, message: str, **evidence: Evidence) -> None:
        """Take the message for the caller and the fields of the response."""
        super().__init__(message)
        self.message = message
        self.evidence: Mapping[str, Evidence] = evidence

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """Headers that HTTP requires with the status, as (name, value) pairs."""
        return ()

    @property
    def page(self) -> str | None:
        """HTML to respond with instead of JSON; None for JSON."""
        return None


class CallerError(DispatcherError):
    """The request itself is at fault; it is refused before dispatch."""

    is_call = False


class InvalidParameter(CallerError):
    """A query parameter has a value that is not documented."""

    code = "invalid_parameter"
    status = 400

    def __init__(self, parameter: str, expected: str) -> None:
        """Take the parameter's name and a phrase that describes its values."""
        super().__init__(
            f"The parameter {parameter} must be {expected}.",
            parameter=parameter,
            expected=expected,
        )


class InvalidWindow(InvalidParameter):
    """`window` is not one of the windows."""

    code = "invalid_window"

    def __init__(self, windows: Sequence[str]) -> None:
        """Take the names of all windows."""
        DispatcherError.__init__(
            self,
            f"The parameter window must be one of {', '.join(windows)}.",
            parameter="window",
            expected=list(windows),
        )


class UnknownParameter(InvalidParameter):
    """The route has no such query parameter."""

    def __init__(self, parameter: str, accepted: Sequence[str]) -> None:
        """Take the parameter's name, and the names of those that the route accepts."""
        DispatcherError.__init__(
            self,
            f"The parameter {parameter!r} is unknown. This route accepts"
            f" {', '.join(accepted) or 'no parameters'}; names are case-sensitive.",
            parameter=parameter,
            expected="left out",
            accepted=list(accepted),
        )


class Unauthorized(CallerError):
    """A request to the platform API has no valid token."""

    code = "unauthorized"
    status = 401

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """RFC 9110 section 11.6.1: a 401 names the scheme."""
        return (("www-authenticate", 'Bearer realm="platform"'),)


class TenantNotFound(CallerError):
    """No tenant has this host or slug."""

    code = "tenant_not_found"
    status = 404


class NotFound(CallerError):
    """The dispatcher has no such route."""

    code = "not_found"
    status = 404


class MethodNotAllowed(CallerError):
    """The route exists, but not for this method."""

    code = "method_not_allowed"
    status = 405

    def __init__(self, method: str, allowed: Sequence[str]) -> None:
        """Take the request's method and the methods of the route."""
        super().__init__(
            f"This route accepts {' and '.join(allowed)}, not {method}.", allowed=list(allowed)
        )
        self._allowed = ", ".join(allowed)

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """RFC 9110 section 15.5.6: a 405 lists the allowed methods."""
        return (("allow", self._allowed),)


class ImportFolded(CallerError):
    """An import cannot be undone any more, because a day of it is folded."""

    code = "import_folded"
    status = 409

    def __init__(self, name: str) -> None:
        """Take the import's id."""
        super().__init__(
            f"The import {name} cannot be undone any more: the totals of its events have been"
            " folded into those of their days.",
            importId=name,
        )


class ImportUndone(CallerError):
    """Events were sent for an import that was undone."""

    code = "import_undone"
    status = 409

    def __init__(self, name: str) -> None:
        """Take the import's id."""
        super().__init__(
            f"The import {name} was undone, so nothing is added to it. Use another id.",
            importId=name,
        )


class ClientClosedRequest(CallerError):
    """The client disconnected before the response, so this error is only recorded."""

    code = "client_closed_request"
    status = 499


class TenantError(DispatcherError):
    """The tenant's script is at fault; its exception text is never shown."""


class WorkerNotFound(TenantError):
    """The directory names a script that is not in the dispatch namespace."""

    code = "worker_not_found"
    status = 404


class TenantWorkerFailure(TenantError):
    """The tenant's script threw, or its response could not be read."""

    code = "tenant_worker_failure"
    status = 502


class TenantLimitExceeded(TenantError):
    """The tenant's script exceeded its plan's limits."""

    code = "tenant_limit_exceeded"
    status = 503


class OperatorError(DispatcherError):
    """The deployment is at fault: something was not configured."""


class BindingMissing(OperatorError):
    """A binding that this request needs is not configured."""

    code = "dispatcher_binding_missing"

    def __init__(self, binding: str) -> None:
        """Take the binding's name in `wrangler.toml`."""
        super().__init__(
            f"The binding {binding} is not configured. Add it to wrangler.toml and deploy again.",
            binding=binding,
        )


class ConfigurationError(OperatorError):
    """A setting that this request needs is missing or unusable."""

    code = "configuration_error"

    def __init__(self, setting: str, remedy: str) -> None:
        """Take the setting's name and a sentence that says what to do."""
        super().__init__(f"The setting {setting} is missing or unusable. {remedy}", setting=setting)


class InternalError(DispatcherError):
    """A defect of the dispatcher; the log has the details under the request id."""

    def __init__(
        self, message: str = "The dispatcher failed. Its log has the details under this request id."
    ) -> None:
        """Take the message for the caller, which has no details."""
        super().__init__(message)


class StoreOutage(InternalError):
    """KV failed, and the request cannot be served without it."""

    def __init__(self) -> None:
        """Ask the caller to try again."""
        super().__init__("Workers KV does not respond at the moment. Try again; nothing is lost.")


class LogOutage(InternalError):
    """A shard of the usage log does not respond."""

    def __init__(self) -> None:
        """Ask the caller to try again."""
        super().__init__("The usage log does not respond at the moment. Try again.")


class LedgerOutage(InternalError):
    """D1 failed, and a paid request cannot be served without it."""

    is_call = False

    def __init__(self) -> None:
        """Ask the caller to try again."""
        super().__init__("The payout ledger does not respond at the moment. Try again.")


class DataError(Exception):
    """Data that cannot be used; it is skipped and reported, never a response."""


class RecordRefused(DataError):
    """A record of the tenant directory that cannot be used.

    `record` is the name by which an operator finds it, `reasons` has everything that is
    wrong with it.
    """

    def __init__(self, record: str, reasons: Sequence[str]) -> None:
        """Take the record's name and at least one reason."""
        super().__init__(f"{record}: {'; '.join(reasons)}")
        self.record = record
        self.reasons = tuple(reasons)


class BatchUnreadable(DataError):
    """A batch of events that does not parse, or is too large."""


class BatchVersionUnknown(BatchUnreadable):
    """A batch of events that another version of the software wrote."""


class SegmentUnreadable(DataError):
    """A segment of the usage log that is missing, damaged or of another version."""


class SummaryUnreadable(DataError):
    """Totals in storage that are missing, damaged or of another version."""


class SettlementUnreadable(DataError):
    """A settlement event that does not parse or is of another version."""


class StoreUnavailable(Exception):
    """A KV operation failed; whether it took effect is not known."""


class ReadTooLarge(StoreUnavailable):
    """The values of one bulk get exceed 25 MiB together; a get of fewer keys may succeed."""


class ShardUnavailable(Exception):
    """A call to a shard failed; whether it took effect is not known."""


class BatchRefused(Exception):
    """A shard refused a batch. It is not counted, and sending it again has the same result.

    `code` is `batch_unreadable`, or `batch_version_unknown` while a deployment is under way.
    """

    def __init__(self, code: str, message: str) -> None:
        """Take the shard's code and message."""
        super().__init__(message)
        self.code = code


class SqlRejected(Exception):
    """A Durable Object's database rejected a statement, which had no effect."""


class DatabaseUnavailable(Exception):
    """A D1 transaction failed; whether it took effect is not known."""


class FetchFailed(Exception):
    """Another server gave no usable response; whether the request had an effect is not known."""


class KeyUnusable(Exception):
    """A private key cannot be read, or is of another kind; the message never has a part of it."""
