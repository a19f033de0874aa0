"""Runs the clone's wrangler, without a terminal.

wrangler only gets the environment variables that it needs to reach Cloudflare: it cannot prompt,
use another account, or see settings. Its output goes to a log file, without known secrets; the file
is kept if wrangler fails.
"""

import contextlib
import json
import os
import re
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cli.account_api import RUN_AGAIN
from cli.deploy.wrangler_failures import explain
from cli.errors import NetworkError
from cli.targets import Account
from dev.launch.run_folder import RunFolder
from dev.layout import Layout
from dev.setup.node import find_node

SECONDS_MAX: Final = 600

_PASSED_ON = (
    *("PATH", "HOME", "LANG", "TMPDIR"),
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"),
    *("NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE"),
)
_HIDDEN = "…"
_SECRET_CHARACTERS_MIN = 6
"""Shorter texts occur in ordinary words."""

_COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


@dataclass(frozen=True, slots=True)
class Ran:
    """A successful run of wrangler.

    Args:
        output: Everything that it printed, without secrets.
        records: Its machine-readable output; each record has a `type`.
    """

    output: str
    records: tuple[Mapping[str, Any], ...]

    def record(self, kind: str) -> Mapping[str, Any]:
        """Return the last record of this `type`, or an empty one."""
        return next((one for one in reversed(self.records) if one.get("type") == kind), {})


@dataclass(frozen=True, slots=True)
class Wrangler:
    """wrangler in a run's folder.

    Args:
        layout: The clone; set-up must have run.
        folder: The folder with the configuration and the files that it names.
        account: The account; `None` for runs without network access.
        secrets: Texts to remove from the output.
        on_line: Called with each line that it prints.
        seconds_max: The timeout of a run.
    """

    layout: Layout
    folder: RunFolder
    account: Account | None
    secrets: tuple[str, ...] = ()
    on_line: Callable[[str], None] = lambda _line: None
    seconds_max: float = SECONDS_MAX

    def run(self, *arguments: str | Path, name: str, failure: str) -> Ran:
        """Run wrangler and wait until it ends.

        Args:
            arguments: Its command and options, without `--config`.
            name: The last part of the log file's name.
            failure: The sentence that an error message starts with.

        Raises:
            CommandError: It failed. The message is wrangler's; the log has the complete output.
        """
        log = self.layout.logs / f"{self.folder.path.name}-{name}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        records = self.folder.path / f"{name}.ndjson"
        program = self.layout.node_modules / "wrangler" / "bin" / "wrangler.js"
        is_late = threading.Event()
        with subprocess.Popen(
            [find_node(self.layout), program, *arguments, "--config", self.folder.config],
            cwd=self.folder.path,
            env=self._environment(records),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            # wrangler has two processes. A group of their own lets both be killed.
            start_new_session=True,
        ) as process:

            def end() -> None:
                is_late.set()
                _end(process)

            timer = threading.Timer(self.seconds_max, end)
            timer.start()
            try:
                output = self._read(process, log)
                code = process.wait()
            finally:
                timer.cancel()
                _end(process)
        if is_late.is_set():
            raise NetworkError(
                f"{failure} wrangler timed out after {self.seconds_max:g} s.",
                f"{RUN_AGAIN} Log: {log}",
            )
        if code != 0:
            raise explain(output, failure, log)
        log.unlink()
        return Ran(output, _records(records))

    def _read(self, process: "subprocess.Popen[str]", log: Path) -> str:
        lines = []
        assert process.stdout is not None
        # The output contains the values of variables, so only the owner may read the file.
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            for line in process.stdout:
                shown = self._without_secrets(_COLOURS.sub("", line))
                file.write(shown)
                lines.append(shown)
                if shown.strip():
                    self.on_line(shown.strip())
        return "".join(lines)

    def _without_secrets(self, line: str) -> str:
        token = (self.account.token.reveal(),) if self.account else ()
        for secret in (*token, *self.secrets):
            if len(secret) >= _SECRET_CHARACTERS_MIN:
                line = line.replace(secret, _HIDDEN)
        return line

    def _environment(self, records: Path) -> dict[str, str]:
        environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        own = self.folder.path / ".wrangler"
        environment |= {
            "CI": "1",
            "NO_COLOR": "1",
            "WRANGLER_HIDE_BANNER": "true",
            "WRANGLER_SEND_METRICS": "false",
            "WRANGLER_SEND_ERROR_REPORTS": "false",
            "WRANGLER_LOG_PATH": str(own / "logs"),
            "WRANGLER_OUTPUT_FILE_PATH": str(records),
            "CLOUDFLARE_CF_FETCH_ENABLED": "false",
            # An empty folder, so that wrangler does not find the user's own login.
            "XDG_CONFIG_HOME": str(own / "config"),
        }
        if self.account:
            environment |= {
                "CLOUDFLARE_ACCOUNT_ID": self.account.account_id,
                "CLOUDFLARE_API_TOKEN": self.account.token.reveal(),
                "CLOUDFLARE_API_BASE_URL": self.account.url,
            }
        return environment


def _end(process: "subprocess.Popen[str]") -> None:
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def _records(file: Path) -> tuple[Mapping[str, Any], ...]:
    if not file.exists():
        return ()
    return tuple(json.loads(line) for line in file.read_text(encoding="utf-8").splitlines())


def deploy_arguments(digest: str, secrets_file: Path | None) -> Sequence[str | Path]:
    """Return wrangler's arguments for an upload.

    Args:
        digest: The upload's digest; its first 12 digits become the version's tag.
        secrets_file: A JSON object of secrets to set.
    """
    secrets = ("--secrets-file", secrets_file) if secrets_file else ()
    return (
        *("deploy", "--tag", f"clawr-{digest[:12]}", "--message", "clawr deploy-dispatcher"),
        *secrets,
    )
