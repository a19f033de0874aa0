"""`clawr publish` from end to end: checked, planned, shown, done, and called."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.errors import Finding, InputError
from cli.output import Output
from cli.publish.bundle import Bundle
from cli.publish.dataset import CACHE_SECONDS, dataset_of
from cli.publish.input_kind import DATASET, kind_of
from cli.publish.plan import make_plan
from cli.publish.plan_view import plan_document, show_plan
from cli.publish.record import RecordOptions, checked_record
from cli.publish.smoke_test import call_api
from cli.publish.steps import publish
from cli.publish.store import open_store
from cli.publish.worker_folder import worker_bundle
from cli.publish.wrap import CACHE_SECONDS_MAX, Wrapping, wrap_bundle
from cli.targets import Target
from tenants.records import Tenant


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be published, and how.

    Args:
        path: A dataset or a Worker; either this or `wrapping`.
        wrapping: Another server's API.
        record: What is said of the directory record.
        delimiter: Between the cells of a CSV file.
        id_column: The column that a dataset's rows are known by.
        cache_seconds: How long callers may keep answers; `None` where nothing was said.
        replace_script: Whether a script of others may be replaced.
        renew_secrets: Whether to send the values of secrets again.
        namespace: The dispatch namespace.
        tenant_kv_id: The KV namespace of the directory.
    """

    path: Path | None
    wrapping: Wrapping | None
    record: RecordOptions
    delimiter: str | None
    id_column: str | None
    cache_seconds: int | None
    replace_script: bool
    renew_secrets: bool
    namespace: str
    tenant_kv_id: str | None


def publish_api(target: Target, request: Request, output: Output, *, execute: bool) -> None:
    """Show what publishing would do; with `execute`, do it and call the API.

    Args:
        target: Where it is published.
        request: What.
        output: Where it is shown.
        execute: Whether to do it.

    Raises:
        CommandError: It cannot be published; nothing was sent if it is an `InputError` or a
            `ConflictError`.
    """
    record, tenant, bundle = _checked(target, request, output)
    with open_store(
        target, namespace=request.namespace, tenant_kv_id=request.tenant_kv_id
    ) as store:
        with output.working("Comparing with what is published …"):
            plan = make_plan(
                store,
                record,
                tenant,
                bundle,
                # Here, an upload hides a script of NAMESPACE and leaves its file as it is.
                replace_script=request.replace_script or target.is_local,
                renew_secrets=request.renew_secrets,
            )
        is_done = execute and plan.is_changing
        if is_done:
            with output.working("Publishing …"):
                publish(store, plan, output.note if not output.as_json else _silent)
    called = None
    if execute and target.known_dispatcher:
        with output.working("Calling it …"):
            secrets = [*bundle.secrets.values()]
            called = call_api(target.known_dispatcher.url, tenant.slug, secrets)
    document = plan_document(plan, executed=execute, called=called, is_local=target.is_local)
    output.result(document, lambda console: show_plan(console, document))


def _checked(
    target: Target, request: Request, output: Output
) -> tuple[Mapping[str, Any], Tenant, Bundle]:
    """Return record and script; what is wrong with either is told together."""
    record: tuple[Mapping[str, Any], Tenant] | None = None
    bundle: Bundle | None = None
    wrong: list[InputError] = []
    try:
        record = checked_record(request.record)
    except InputError as error:
        wrong.append(error)
    try:
        with output.working("Reading …"):
            bundle = _bundle(target, request, record[1] if record else None)
    except InputError as error:
        wrong.append(error)
    if record is None or bundle is None:
        raise _joined(wrong)
    return *record, bundle


def _bundle(target: Target, request: Request, tenant: Tenant | None) -> Bundle:
    seconds = request.cache_seconds
    if seconds is not None and not 0 <= seconds <= CACHE_SECONDS_MAX:
        raise InputError(f"--cache-seconds must be from 0 to {CACHE_SECONDS_MAX:,}.")
    # An answer that was paid for is the payer's own: no cache between may give it to others.
    scope = "private" if tenant and tenant.is_priced else "public"
    if (request.path is None) == (request.wrapping is None):
        raise InputError("Give a PATH, or --wrap URL, and not both.")
    if request.wrapping is not None:
        if request.wrapping.allow_private and not target.is_local:
            raise InputError(
                "--allow-private is for --local alone: Cloudflare reaches no private network."
            )
        control = f"{scope}, max-age={seconds}" if seconds else None
        return wrap_bundle(request.wrapping, target.settings, control)
    path = request.path
    assert path is not None
    if kind_of(path) != DATASET:
        return worker_bundle(path)
    seconds = CACHE_SECONDS if seconds is None else seconds
    bundle = dataset_of(
        path,
        delimiter=request.delimiter,
        id_column=request.id_column,
        title=tenant.slug if tenant else path.stem,
        description=tenant.description if tenant else "",
        cache_control=f"{scope}, max-age={seconds}",
    )
    bundle.check()
    return bundle


def _joined(wrong: list[InputError]) -> InputError:
    if len(wrong) == 1:
        return wrong[0]
    findings = [one for error in wrong for one in (error.findings or [Finding(error.message)])]
    return InputError(" ".join(error.message for error in wrong), "Nothing was sent.", findings)


def _silent(_step: str) -> None:
    pass
