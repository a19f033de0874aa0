"""Finds mistakes in the settings, the scripts and the directory of a run, with what to do.

None of them prevents a start: the dispatcher serves what is right.
"""

import difflib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from core.errors import ConfigurationError
from dev.cloudflare_api.responses import ApiError
from dev.cloudflare_api.scripts.folder import read_script, script_names
from dev.cloudflare_api.scripts.loading import load
from dev.launch.settings import SECRETS, VARIABLES
from payments.facilitator_settings import LIST_SETTING, secrets_named
from tenants.records import parse_directory

SCRIPTS_MAX = 30
"""Scripts that are tried at a start; each takes about 50 ms."""

_LISTED_MAX = 10
_OTHERS = ("DRAIN_UPLOADS",)
_URL_EXAMPLES = {
    "FACILITATOR_URL": "https://x402.example/facilitator, with commas between several",
    "ANALYTICS_BASE_URL": "https://market.example",
    "X402_RPC_URL": 'https://node.example, or {"base": "https://node.example"}',
    "PLATFORM_CORS_ORIGINS": "https://dashboard.example, with commas between several",
    LIST_SETTING: '[{"url": "https://x402.example"}]',
}
"""The settings that hold URLs, with an example."""

_SPACE = re.compile(r"[\s<>\"\\^`{|}]")


def setting_mistakes(variables: Mapping[str, str]) -> Mapping[str, str]:
    """Return a sentence for each unknown variable and each invalid URL, by variable.

    Values are not shown, because they may be secrets.

    Args:
        variables: The variables of `VARS`.
    """
    found = {}
    known = {*VARIABLES, *SECRETS, *_OTHERS, *_named_secrets(variables)}
    for name, value in variables.items():
        if name not in known:
            alike = difflib.get_close_matches(name.upper(), known, 1)
            hint = f"did you mean {alike[0]}?" if alike else "docs/reference/settings.md lists all."
            found[name] = f"VARS has {name}, which is no setting and has no effect: {hint}"
        elif name in _URL_EXAMPLES and value and not all(map(_is_url, _urls(name, value))):
            example = _URL_EXAMPLES[name]
            found[name] = f"{name} in VARS is not an http(s) URL: write it as in {example}."
    return found


def directory_mistakes(text: str | None, label: str) -> Sequence[str]:
    """Return a sentence for each record of a directory that the dispatcher rejects.

    Args:
        text: The directory as JSON; `None` without one.
        label: How the user knows it, such as `TENANTS=tenants.json`.
    """
    if text is None:
        return []
    directory = parse_directory(text)
    refused = [str(one) for one in directory.refused]
    found = [f"{label}: {one}" for one in refused[:_LISTED_MAX]]
    if len(refused) > _LISTED_MAX:
        found.append(f"{label}: {len(refused) - _LISTED_MAX} more records are rejected.")
    if refused and not directory.by_slug:
        found.append(
            f"{label} has no usable record, so no API can be called: correct the records above, or "
            "publish with .venv/bin/clawr publish."
        )
    return found


def namespace_mistakes(folders: Sequence[Path], directory: str | None, label: str) -> Sequence[str]:
    """Return a sentence if there are no scripts, and for each one that the directory lacks.

    Args:
        folders: The folders of scripts: first the uploaded ones, last `NAMESPACE`.
        directory: The tenant directory as JSON; `None` without one.
        label: How the user knows the folder, such as `NAMESPACE=DIR`.
    """
    names = {name for folder in folders if folder.is_dir() for name in script_names(folder)}
    if not names:
        empty = f"{label} has no scripts (NAME.js or NAME/index.js), so no API can be called: "
        return [f"{empty}add one, or publish with .venv/bin/clawr publish."]
    if directory is None:
        return []
    wanted: dict[str, list[str]] = {}
    for tenant in parse_directory(directory).by_slug.values():
        wanted.setdefault(tenant.worker_name, []).append(tenant.slug)
    return [
        f"{label} has no script {name}, so calls of {', '.join(slugs[:3])} get worker_not_found: "
        f"add {name}.js, or correct workerName in the directory."
        for name, slugs in [*wanted.items()][:_LISTED_MAX]
        if name not in names
    ]


def failing_scripts(folder: Path, label: str) -> Iterator[str]:
    """Yield a sentence for each JavaScript script that workerd cannot load.

    Args:
        folder: The folder of scripts.
        label: How the user knows it.
    """
    for name in sorted({*script_names(folder)})[:SCRIPTS_MAX]:
        try:
            script = read_script(folder, name)
            # Python takes seconds for each.
            if script is not None and not script.main.endswith(".py"):
                load(script)
        except ApiError as error:
            reason = " ".join(str(error).split())
            yield (
                f"the script {name} of {label} does not load, so its calls fail: "
                f"{reason[:500].rstrip('.')}. Correct it; the next call uses the change."
            )


def _named_secrets(variables: Mapping[str, str]) -> Sequence[str]:
    try:
        text = variables.get(LIST_SETTING)
        return secrets_named(text) if text else ()
    except ConfigurationError:
        return ()


def _urls(name: str, value: str) -> Sequence[str]:
    """Return the URLs of a setting; what cannot be parsed is returned as it is."""
    if name == LIST_SETTING or value.lstrip().startswith("{"):
        try:
            document = json.loads(value)
        except ValueError:
            return [value]
        if isinstance(document, dict):
            return [str(url) for url in document.values()]
        if not isinstance(document, list):
            return [value]
        return [str(one.get("url")) if isinstance(one, dict) else "" for one in document]
    return [url.strip() for url in value.split(",") if url.strip()] or [value]


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        return False
    is_host = bool(parts.hostname) and not _SPACE.search(text)
    return parts.scheme in ("http", "https") and is_host
