"""The one tree of errors, each with a stable code and an HTTP status.

Owns what can go wrong and what a caller is told about it. Refuses to know how
a response is made: `respond` in the routes turns any of these into JSON.

    DispatcherError
    ├── CallerError             the request is at fault
    │   ├── InvalidParameter        400 invalid_parameter
    │   │   └── InvalidWindow       400 invalid_window
    │   ├── Unauthorized            401 and 429: `access_errors` has its branches
    │   ├── TenantNotFound          404 tenant_not_found
    │   ├── NotFound                404 not_found
    │   ├── MethodNotAllowed        405 method_not_allowed
    │   ├── PaymentError            402, 409 and 503: `payment_errors` has its branches
    │   └── LimitError              402 and 429: `limit_errors` has its branches
    ├── TenantError             the tenant's script is at fault
    │   ├── WorkerNotFound          404 worker_not_found
    │   ├── TenantWorkerFailure     502 tenant_worker_failure
    │   └── TenantLimitExceeded     503 tenant_limit_exceeded
    ├── OperatorError           the deployment is at fault
    │   ├── BindingMissing          500 dispatcher_binding_missing
    │   └── ConfigurationError      500 configuration_error
    └── InternalError               500 internal_error
        ├── StoreOutage
        └── LedgerOutage

    DataError                   stored or given data cannot be used; never a response
    ├── RecordRefused               a record of the tenant directory
    ├── KeyMalformed                a KV key that this version does not build
    ├── BatchUnreadable             a batch of the usage log
    ├── SummaryUnreadable           a summary, or a part of one
    └── SettlementUnreadable        a settlement event

    StoreUnavailable            KV did not do what was asked; the caller decides
    ├── ReadTooLarge                more at once than it gives
    └── LogExpired                  nor can it: what is asked for has expired
    DatabaseUnavailable         so did D1
    FetchFailed                 another server gave no usable answer; the caller decides

The codes are the contract's; monitors and front ends rely on them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

Evidence = str | int | Sequence[str] | Sequence[Mapping[str, object]]


class DispatcherError(Exception):
    """Something that ends a request with an error response.

    `code` and `status` belong to the class, and so does `is_call`: whether a
    request that ends so counts as a call, which it does unless it was refused
    before dispatch. `evidence` holds what a program reading the response can
    use, `headers` what HTTP wants beside the status.
    """

    code = "internal_error"
    status = 500
    is_call = True

    def __init__(self, message: str, **evidence: Evidence) -> None:
        """Take the sentence shown to the caller and the fields beside it."""
        super().__init__(message)
        self.message = message
        self.evidence: Mapping[str, Evidence] = evidence

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """Headers that the status demands, as (name, value) pairs."""
        return ()

    @property
    def page(self) -> str | None:
        """What people see in a browser in place of JSON, as HTML; None for JSON to all."""
        return None


class CallerError(DispatcherError):
    """The request itself is at fault; it is refused before dispatch."""

    is_call = False


class InvalidParameter(CallerError):
    """A query parameter has a value outside what is documented."""

    code = "invalid_parameter"
    status = 400

    def __init__(self, parameter: str, expected: str) -> None:
        """Take the parameter's name and what it may be, in words."""
        super().__init__(
            f"The parameter {parameter} must be {expected}.",
            parameter=parameter,
            expected=expected,
        )


class InvalidWindow(InvalidParameter):
    """`window` is none of the windows there are."""

    code = "invalid_window"

    def __init__(self, windows: Sequence[str]) -> None:
        """Take the names of the windows there are."""
        DispatcherError.__init__(
            self,
            f"The parameter window must be one of {', '.join(windows)}.",
            parameter="window",
            expected=list(windows),
        )


class Unauthorized(CallerError):
    """The platform API was asked without a valid token."""

    code = "unauthorized"
    status = 401

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """RFC 9110 section 11.6.1: a 401 names the scheme it wants."""
        return (("www-authenticate", 'Bearer realm="platform"'),)


class TenantNotFound(CallerError):
    """No tenant answers at this host or slug."""

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
        """Take the method used and those that the route answers."""
        super().__init__(
            f"This route answers {' and '.join(allowed)}, not {method}.", allowed=list(allowed)
        )
        self._allowed = ", ".join(allowed)

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """RFC 9110 section 15.5.6: a 405 lists what is allowed."""
        return (("allow", self._allowed),)


class TenantError(DispatcherError):
    """The tenant's script is at fault; its own words are never shown."""


class WorkerNotFound(TenantError):
    """The directory names a script that the dispatch namespace does not hold."""

    code = "worker_not_found"
    status = 404


class TenantWorkerFailure(TenantError):
    """The tenant's script threw, or its answer could not be read."""

    code = "tenant_worker_failure"
    status = 502


class TenantLimitExceeded(TenantError):
    """The tenant's script went past its plan's limits."""

    code = "tenant_limit_exceeded"
    status = 503


class OperatorError(DispatcherError):
    """The deployment is at fault: something was not configured."""


class BindingMissing(OperatorError):
    """A binding that this request needs is not configured."""

    code = "dispatcher_binding_missing"

    def __init__(self, binding: str) -> None:
        """Take the binding's name as `wrangler.toml` spells it."""
        super().__init__(
            f"The binding {binding} is not configured. Add it to wrangler.toml and deploy again.",
            binding=binding,
        )


class ConfigurationError(OperatorError):
    """A setting that this request needs is missing or unusable."""

    code = "configuration_error"

    def __init__(self, setting: str, remedy: str) -> None:
        """Take the setting's name and the sentence that says what to do."""
        super().__init__(f"The setting {setting} is missing or unusable. {remedy}", setting=setting)


class InternalError(DispatcherError):
    """A defect of the dispatcher; the log has the details under the request id."""

    def __init__(
        self, message: str = "The dispatcher failed. Its log has the details under this request id."
    ) -> None:
        """Say no more than that to the caller."""
        super().__init__(message)


class StoreOutage(InternalError):
    """KV does not do what a request cannot go on without."""

    def __init__(self) -> None:
        """Say that it passes."""
        super().__init__("Workers KV does not answer at the moment. Try again; nothing is lost.")


class LedgerOutage(InternalError):
    """D1 does not do what a paid request cannot go on without."""

    is_call = False

    def __init__(self) -> None:
        """Say that it passes."""
        super().__init__("The payout ledger does not answer at the moment. Try again.")


class DataError(Exception):
    """Data that cannot be used; set aside and reported, never a response."""


class RecordRefused(DataError):
    """A record of the tenant directory that cannot be used.

    `record` names it as an operator would look for it, `reasons` says all
    that is wrong with it.
    """

    def __init__(self, record: str, reasons: Sequence[str]) -> None:
        """Take the record's name and at least one reason."""
        super().__init__(f"{record}: {'; '.join(reasons)}")
        self.record = record
        self.reasons = tuple(reasons)


class KeyMalformed(DataError):
    """A KV key that this version of the software does not build."""


class BatchUnreadable(DataError):
    """A batch of the usage log that does not parse or is of a newer version."""


class SummaryUnreadable(DataError):
    """A summary of usage, or a part of one, that is not as this version writes it."""


class SettlementUnreadable(DataError):
    """A settlement event that is not as this version writes it."""


class StoreUnavailable(Exception):
    """KV refused or failed an operation; whether it took effect is not known."""


class ReadTooLarge(StoreUnavailable):
    """The values of one bulk get are more than 25 MiB together; fewer may be had."""


class LogExpired(StoreUnavailable):
    """A summary is damaged, and batches that it was made of may have expired."""

    def __init__(self, key: str, damage: str) -> None:
        """Take the summary's key and what is wrong with its value."""
        super().__init__(
            f"{key} cannot be made again, because batches of it may have expired ({damage});"
            " once it is deleted, it is made of the batches that are left"
        )
        self.key = key


class DatabaseUnavailable(Exception):
    """D1 refused or failed a transaction; whether it took effect is not known."""


class FetchFailed(Exception):
    """A request to another server got no answer; whether it had an effect is not known."""
