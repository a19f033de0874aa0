"""Implements `clawr publish`: validate, plan, show, apply, and call the API once."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from cli.doctor.outgoing import HostEnvironment
from cli.errors import Finding, InputError
from cli.options import DirectoryOptions
from cli.output import Output
from cli.publish.data.options import DatasetOptions
from cli.publish.openapi import (
    Description,
    described_by,
    own_openapi,
    priced_document,
)
from cli.publish.openapi_file import load_openapi
from cli.publish.plan import make_plan
from cli.publish.plan_view import plan_document, show_plan
from cli.publish.record import RecordOptions, checked_record, described_record
from cli.publish.scripts.bundle import Bundle
from cli.publish.scripts.dataset import CACHE_SECONDS, ENDINGS, LIMITS, dataset_of
from cli.publish.scripts.worker_folder import FILE_ENDINGS, worker_bundle
from cli.publish.scripts.wrap import CACHE_SECONDS_MAX, Wrapping, wrap_bundle
from cli.publish.smoke_test import call_api
from cli.publish.steps import publish
from cli.targets import Target
from core.errors import ConfigurationError
from payments.requirements import requirements_for
from tenants.records import FIELDS, Tenant

OPENAPI_FILE: Final = "openapi.json"
"""The OpenAPI document in a Worker's folder. It is not uploaded."""

ANNOUNCED_BYTES: Final = 1_000_000
"""The limits of datasets are stated before a file of this size is read."""

FREE_PATHS: Final = ("/openapi.json", "/schema.json", "/health")
"""What describes a dataset or a wrapped API, and shows that it works, costs nothing."""


@dataclass(frozen=True, slots=True)
class Request:
    """The options of `clawr publish`.

    Args:
        path: A dataset or a Worker; either this or `wrapping`.
        wrapping: Another server's API.
        record: The options for the directory record.
        dataset: How a dataset is read.
        cache_seconds: The cache lifetime of responses; `None` for the default.
        openapi: A file or URL with the OpenAPI document of a Worker or of another server.
        replace_script: Whether a script that was not published for this API may be replaced.
        renew_secrets: Whether to upload the values of secrets again.
        directory: Where to publish.
    """

    path: Path | None
    wrapping: Wrapping | None
    record: RecordOptions
    dataset: DatasetOptions
    cache_seconds: int | None
    openapi: str | None
    replace_script: bool
    renew_secrets: bool
    directory: DirectoryOptions


def publish_api(target: Target, request: Request, output: Output, *, execute: bool) -> None:
    """Show the plan of a publication; with `execute`, apply it and call the API once.

    Args:
        target: The account or `make dev`.
        request: The options.
        output: The output.
        execute: Whether to apply the plan.

    Raises:
        CommandError: It cannot be published. With an `InputError` or a `ConflictError`, nothing was
            sent.
        FindingError: It is published, and the dispatcher's settings do not allow to serve it.
    """
    record, tenant, bundle = _checked(target, request, output)
    record, tenant, notes = described_record(record, tenant, bundle.description)
    with request.directory.open(target) as store:
        with output.working("Comparing with what is published …"):
            if tenant.priced:
                local = target.payment_settings
                _check_ways_to_pay(
                    tenant, local if target.is_local else store.dispatcher_variables()
                )
            plan = make_plan(
                store,
                record,
                tenant,
                bundle,
                # `make dev` keeps uploads apart from the files of NAMESPACE, so nothing is lost.
                replace_script=request.replace_script or target.is_local,
                renew_secrets=request.renew_secrets,
                notes=notes,
            )
        is_done = execute and plan.is_changing
        if is_done:
            with output.working("Publishing …"):
                publish(store, plan, output.progress)
    call = None
    if execute and target.known_dispatcher:
        with output.working("Calling the API …"):
            secrets = [*bundle.secrets.values()]
            call = call_api(target.known_dispatcher.url, tenant.slug, secrets)
    document = plan_document(plan, executed=execute, call=call, is_local=target.is_local)

    def show(console: Console) -> None:
        show_plan(console, document)

    if call is not None and call.is_misconfigured:
        output.finding(
            document,
            show,
            f"{tenant.slug} is published, and the dispatcher cannot serve it: its record does not"
            " fit the dispatcher's settings, or one of these is missing.",
            "The response names the field or the setting. A correction takes up to 30 s.",
        )
    output.result(document, show)


def _check_ways_to_pay(tenant: Tenant, settings: Mapping[str, str]) -> None:
    """Raise `InputError` if a record does not fit the dispatcher's settings, if they are known."""
    if not settings.get("X402_NETWORK"):
        return
    environment = HostEnvironment(settings)
    findings: dict[str, None] = {}
    for priced in tenant.priced:
        try:
            requirements_for(environment, priced)
        except ConfigurationError as error:
            # A setting that is missing is not the record's fault; the first call names it.
            if error.evidence["setting"] in FIELDS:
                findings[error.message] = None
    if findings:
        raise InputError(
            "The record does not fit the dispatcher's settings.",
            "Correct the record, or the settings. Nothing was sent.",
            [Finding(message) for message in findings],
        )


def _checked(
    target: Target, request: Request, output: Output
) -> tuple[Mapping[str, Any], Tenant, Bundle]:
    """Return record and script; raises one `InputError` for the mistakes of both."""
    record: tuple[Mapping[str, Any], Tenant] | None = None
    bundle: Bundle | None = None
    errors: list[InputError] = []
    try:
        is_worker = request.path is not None and _is_worker(request.path)
        record = checked_record(request.record, () if is_worker else FREE_PATHS)
    except InputError as error:
        errors.append(error)
    try:
        _announce(request.path, output)
        with output.working("Reading …"):
            bundle = _bundle(target, request, record[1] if record else None)
    except InputError as error:
        errors.append(error)
    if record is None or bundle is None:
        raise _joined(errors)
    return *record, bundle


def _announce(path: Path | None, output: Output) -> None:
    """State the limits before a large file is read."""
    size = path.stat().st_size if path is not None and path.is_file() else 0
    if path is not None and path.suffix.lower() in ENDINGS and size > ANNOUNCED_BYTES:
        output.progress(f"Reading {path.name}, {size:,} bytes. A dataset may have {LIMITS}.")


def _bundle(target: Target, request: Request, tenant: Tenant | None) -> Bundle:
    seconds = request.cache_seconds
    if seconds is not None and not 0 <= seconds <= CACHE_SECONDS_MAX:
        raise InputError(f"--cache-seconds must be from 0 to {CACHE_SECONDS_MAX:,}.")

    def priced(document: dict[str, Any]) -> dict[str, Any]:
        return priced_document(document, tenant) if tenant else document

    # Shared caches must not serve a paid response to other callers.
    scope = "private" if tenant and tenant.priced else "public"
    if (request.path is None) == (request.wrapping is None):
        raise InputError(
            "Give either a PATH or --wrap URL.", "`clawr publish --help` has examples."
        )
    if request.wrapping is not None or _is_worker(request.path or Path()):
        request.dataset.refuse_given()
    if request.wrapping is not None:
        if request.wrapping.allow_private and not target.is_local:
            raise InputError(
                "--allow-private needs --local: Cloudflare cannot reach private networks.",
                "Use a public URL, or publish to `make dev` with --local.",
            )
        control = f"{scope}, max-age={seconds}" if seconds else None
        openapi = None if request.openapi is None else load_openapi(request.openapi)
        return wrap_bundle(request.wrapping, target.settings, control, openapi, priced)
    path = request.path
    assert path is not None
    if _is_worker(path):
        return replace(worker_bundle(path), description=_worker_description(path, request.openapi))
    if request.openapi is not None:
        raise InputError("A dataset describes itself.", "Leave out --openapi.")
    seconds = CACHE_SECONDS if seconds is None else seconds
    bundle = dataset_of(
        path,
        request.dataset,
        title=tenant.slug if tenant else path.stem,
        description=tenant.description if tenant else "",
        cache_control=f"{scope}, max-age={seconds}",
        priced=priced,
    )
    bundle.check()
    return bundle


def _worker_description(path: Path, given: str | None) -> Description:
    """Return what the OpenAPI document of a Worker says, if there is one."""
    beside = path / OPENAPI_FILE
    if given is None and not beside.is_file():
        return Description()
    return described_by(own_openapi(load_openapi(given or str(beside))))


def _is_worker(path: Path) -> bool:
    """Return whether a path is a Worker, not a dataset; raises `InputError` if it is neither."""
    if not path.exists():
        raise InputError(f"{path} does not exist.", "Check the path.")
    if path.is_dir() or path.suffix.lower() in FILE_ENDINGS:
        return True
    if path.suffix.lower() in ENDINGS:
        return False
    raise InputError(
        f"{path.name} cannot be published: its suffix is not supported.",
        f"Give a dataset ({', '.join(ENDINGS)}), a Worker ({', '.join(FILE_ENDINGS)}, or a "
        "folder), or --wrap URL for another server's API.",
    )


def _joined(errors: list[InputError]) -> InputError:
    if len(errors) == 1:
        return errors[0]
    findings = [one for error in errors for one in (error.findings or [Finding(error.message)])]
    return InputError(" ".join(error.message for error in errors), "Nothing was sent.", findings)
