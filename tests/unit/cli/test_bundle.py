"""A script as it is uploaded, within Cloudflare's limits."""

import os

import pytest

from cli.errors import InputError
from cli.publish import bundle as bundles
from cli.publish.bundle import Bundle, Module
from cli.secret import Secret


def bundle(*modules: Module, **more: object) -> Bundle:
    return Bundle("javascript", "a.js", modules, "2026-11-01", **more)  # type: ignore[arg-type]


def test_the_upload_has_what_the_script_is_bound_to() -> None:
    one = bundle(
        Module("a.js", b""),
        variables={"A": "1", "B": [2]},
        namespaces={"STORE": "abc"},
        secrets={"KEY": Secret("swordfish")},
    )
    assert one.metadata(["tag"]) == {
        "main_module": "a.js",
        "compatibility_date": "2026-11-01",
        "compatibility_flags": [],
        "tags": ["tag"],
        "bindings": [
            {"type": "plain_text", "name": "A", "text": "1"},
            {"type": "json", "name": "B", "json": [2]},
            {"type": "kv_namespace", "name": "STORE", "namespace_id": "abc"},
            {"type": "secret_text", "name": "KEY", "text": "swordfish"},
        ],
    }


@pytest.mark.parametrize(
    ("one", "told"),
    [
        (bundle(Module("a.js", b"x" * 20_000)), "it has 20,000 bytes"),
        (bundle(Module("a.js", os.urandom(6_000))), "when compressed"),
        (bundle(variables={f"V{number}": "x" for number in range(129)}), "129 variables"),
        (bundle(variables={"LONG": "x" * 6_000}), "variable LONG is larger"),
        (bundle(secrets={"LONG": Secret("x" * 6_000)}), "secret LONG is larger"),
    ],
)
def test_what_cloudflare_would_refuse_is_refused_before_it_is_sent(
    monkeypatch: pytest.MonkeyPatch, one: Bundle, told: str
) -> None:
    monkeypatch.setattr(bundles, "RAW_BYTES_MAX", 10_000)
    monkeypatch.setattr(bundles, "COMPRESSED_BYTES_MAX", 5_000)
    with pytest.raises(InputError) as raised:
        one.check()
    assert told in str(raised.value.findings[0])
