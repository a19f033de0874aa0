"""Implements `clawr publish`: validate, plan, show, apply, and call the API once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from cli.doctor.outgoing import HostEnvironment
from cli.errors import CommandError, Finding, InputError
from cli.options import DirectoryOptions
from cli.output import Output
from cli.publish.data.options import DatasetOptions
from cli.publish.directory import Published
from cli.publish.kept import (
    DATASET,
    WORKER,
    WRAP,
    derived_fields,
    refuse_misplaced,
    script_options,
    unknown_names,
    user_fields,
)
from cli.publish.openapi import (
    Description,
    described_by,
    own_openapi,
    priced_document,
)
from cli.publish.openapi_file import load_openapi
from cli.publish.plan import Plan, Wanted, make_plan
from cli.publish.plan_view import plan_document, show_plan
from cli.publish.record import Asked, RecordOptions, checked_record, described_record, slug_of
from cli.publish.scripts.bundle import Bundle
from cli.publish.scripts.dataset import CACHE_SECONDS, ENDINGS, LIMITS, dataset_of
from cli.publish.scripts.worker_folder import FILE_ENDINGS, worker_bundle
from cli.publish.scripts.wrap import CACHE_SECONDS_MAX, Wrapping, wrap_bundle
from cli.publish.smoke_test import call_api
from cli.publish.steps import publish
from cli.targets import Target
from core.errors import ConfigurationError
from payments.requirements import requirements_for
from tenants.records import FIELDS, SLUG, Tenant

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
        path: A dataset or a Worker; `None` if `script` names another server's API.
        record: The options for the directory record.
        script: The options of the script by name, as in `kept.SCRIPT_OPTIONS`; `None` if not given.
        clear: What `--clear` names.
        replace_script: Whether a script that was not published for this API may be replaced.
        renew_secrets: Whether to upload the values of secrets again.
        is_confirmed: Whether a change of the price needs no confirmation.
        directory: Where to publish.
    """

    path: Path | None
    record: RecordOptions
    script: Mapping[str, Any]
    clear: Sequence[str]
    replace_script: bool
    renew_secrets: bool
    is_confirmed: bool
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
    asked = request.record.read()
    asked.findings.extend(unknown_names(request.clear))
    if asked.slug is None and request.path is not None:
        asked = replace(asked, fields={**asked.fields, "slug": slug_of(request.path)})
    with request.directory.open(target) as store:
        published = Published()
        if isinstance(asked.slug, str) and SLUG.fullmatch(asked.slug):
            with output.working("Reading what is published …"):
                published = store.published(asked.slug)
        checked = _checked(target, request, asked, published, output)
        with output.working("Comparing with what is published …"):
            if checked.tenant.priced:
                local = target.payment_settings
                _check_ways_to_pay(
                    checked.tenant, local if target.is_local else store.dispatcher_variables()
                )
            plan = make_plan(
                store,
                checked,
                published,
                # `make dev` keeps uploads apart from the files of NAMESPACE, so nothing is lost.
                replace_script=request.replace_script or target.is_local,
                renew_secrets=request.renew_secrets,
            )
        url = target.known_dispatcher.url if target.known_dispatcher else None
        is_done = execute and plan.is_changing
        if is_done:
            if plan.price_changes and not request.is_confirmed:
                _confirm(plan, output)
            with output.working("Publishing …"):
                publish(store, plan, output.progress)
    call, tenant = None, checked.tenant
    if execute and url:
        with output.working("Calling the API …"):
            call = call_api(url, tenant.slug, [*checked.bundle.secrets.values()])
    document = plan_document(
        plan, executed=execute, call=call, is_local=target.is_local, dispatcher_url=url
    )

    def show(console: Console) -> None:
        show_plan(console, document)

    # A free API that fails so is still served as it was before, for up to half a minute.
    if call is not None and call.is_misconfigured and (tenant.priced or not plan.price_changes):
        output.finding(
            document,
            show,
            f"{tenant.slug} is published, and the dispatcher cannot serve it: its record does not"
            " fit the dispatcher's settings, or one of these is missing.",
            "The response names the field or the setting. A correction takes up to 30 s.",
        )
    output.result(document, show)


def _confirm(plan: Plan, output: Output) -> None:
    """Ask on a terminal whether the price may change; raises `CommandError` if it may not."""
    if not output.can_ask:
        return
    for change in plan.price_changes:
        output.note(f"{plan.tenant.slug}: the {change.what} changes")
        output.note(f"  from {change.before}")
        output.note(f"  to   {change.after}")
    if not output.confirmed("Change it?"):
        raise CommandError(
            "The price was not confirmed. Nothing was sent.",
            "Run the command again and answer y, or add --yes.",
        )


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
    target: Target, request: Request, asked: Asked, published: Published, output: Output
) -> Wanted:
    """Return record and script; raises one `InputError` for the mistakes of both."""
    base = user_fields(published.record, published.publication)
    if asked.slug is not None:
        base["slug"] = asked.slug
    # The tenant is who publishes, and not a setting: see `plan._slug_conflicts`.
    base.pop("tenantId", None)
    record: tuple[dict[str, Any], Tenant] | None = None
    bundle: Bundle | None = None
    options: Mapping[str, Any] = {}
    errors: list[InputError] = []
    what: str | None = None
    try:
        what = _what(request, published)
    except InputError as error:
        errors.append(error)
    try:
        record = checked_record(asked, base, FREE_PATHS if what in (DATASET, WRAP) else ())
    except InputError as error:
        errors.insert(0, error)
    if what is not None:
        options = script_options(what, request.script, published.publication, request.clear)
        try:
            refuse_misplaced(what, request.script)
            _announce(request.path, output)
            with output.working("Reading …"):
                bundle = _bundle(target, request, what, options, record[1] if record else None)
        except InputError as error:
            errors.append(error)
    if record is None or bundle is None:
        raise _joined(errors)
    full, tenant, notes = described_record(*record, bundle.description)
    kept = {"what": what, "options": options, **derived_fields(asked.applied_to(base), full)}
    return Wanted(full, tenant, bundle, kept, notes)


def _announce(path: Path | None, output: Output) -> None:
    """State the limits before a large file is read."""
    size = path.stat().st_size if path is not None and path.is_file() else 0
    if path is not None and path.suffix.lower() in ENDINGS and size > ANNOUNCED_BYTES:
        output.progress(f"Reading {path.name}, {size:,} bytes. A dataset may have {LIMITS}.")


def _what(request: Request, published: Published) -> str:
    """Return what is published: `DATASET`, `WRAP` or `WORKER`; raises `InputError` if unclear."""
    wrap = request.script.get("wrap")
    if request.path is None and wrap is None and published.publication.get("what") == WRAP:
        return WRAP
    if (request.path is None) == (wrap is None):
        raise InputError(
            "Give either a PATH or --wrap URL.", "`clawr publish --help` has examples."
        )
    if request.path is None:
        return WRAP
    return WORKER if _is_worker(request.path) else DATASET


def _bundle(
    target: Target,
    request: Request,
    what: str,
    options: Mapping[str, Any],
    tenant: Tenant | None,
) -> Bundle:
    seconds = options.get("cache-seconds")
    if seconds is not None and not 0 <= seconds <= CACHE_SECONDS_MAX:
        raise InputError(f"--cache-seconds must be from 0 to {CACHE_SECONDS_MAX:,}.")

    def priced(document: dict[str, Any]) -> dict[str, Any]:
        return priced_document(document, tenant) if tenant else document

    # Shared caches must not serve a paid response to other callers.
    scope = "private" if tenant and tenant.priced else "public"
    openapi = options.get("openapi")
    if what == WRAP:
        wrapping = Wrapping.of(options)
        if wrapping.allow_private and not target.is_local:
            raise InputError(
                "--allow-private needs --local: Cloudflare cannot reach private networks.",
                "Use a public URL, or publish to `make dev` with --local.",
            )
        control = f"{scope}, max-age={seconds}" if seconds else None
        document = None if openapi is None else load_openapi(openapi)
        return wrap_bundle(wrapping, target.settings, control, document, priced)
    path = request.path
    assert path is not None
    if what == WORKER:
        return replace(worker_bundle(path), description=_worker_description(path, openapi))
    seconds = CACHE_SECONDS if seconds is None else seconds
    bundle = dataset_of(
        path,
        DatasetOptions.of(options),
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
