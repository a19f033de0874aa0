"""A script's upload, and Cloudflare's limits."""

import os

import pytest

from cli.errors import InputError
from cli.publish.scripts import bundle as bundles
from cli.publish.scripts.bundle import Bundle, Module
from cli.secret import Secret


def bundle(*modules: Module, **more: object) -> Bundle:
    return Bundle("javascript", "a.js", modules, "2026-11-01", **more)  # type: ignore[arg-type]


def test_the_metadata_contains_all_bindings() -> None:
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
        (bundle(Module("a.js", b"x" * 20_000)), "20,000 bytes; the limit"),
        (bundle(Module("a.js", os.urandom(6_000))), "compressed bytes; the limit"),
        (bundle(variables={f"V{number}": "x" for number in range(129)}), "129 variables"),
        (bundle(variables={"LONG": "x" * 6_000}), "variable LONG is larger"),
        (bundle(secrets={"LONG": Secret("x" * 6_000)}), "secret LONG is larger"),
    ],
)
def test_scripts_above_cloudflares_limits_are_rejected_before_the_upload(
    monkeypatch: pytest.MonkeyPatch, one: Bundle, told: str
) -> None:
    monkeypatch.setattr(bundles, "RAW_BYTES_MAX", 10_000)
    monkeypatch.setattr(bundles, "COMPRESSED_BYTES_MAX", 5_000)
    with pytest.raises(InputError) as raised:
        one.check()
    assert told in str(raised.value.findings[0])
