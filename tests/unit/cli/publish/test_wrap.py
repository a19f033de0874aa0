"""Another server's API becomes a script; values of secrets appear only in their bindings."""

import pytest

from cli.errors import InputError
from cli.publish.scripts.wrap import Wrapping, wrap_bundle

SETTINGS = {"KEY": "swordfish", "EMPTY": "", "BROKEN": "a\nb"}
TARGET = "https://api.example.com/v1"


def findings(wrapping: Wrapping) -> list[str]:
    with pytest.raises(InputError) as raised:
        wrap_bundle(wrapping, SETTINGS, None)
    return [str(one) for one in raised.value.findings]


def test_a_secrets_value_appears_only_in_its_binding() -> None:
    bundle = wrap_bundle(Wrapping(TARGET, secret_headers=["X-Key=KEY"]), SETTINGS, None)
    assert bundle.bindings() == [
        {"type": "secret_text", "name": "SECRET_HEADER_1", "text": "swordfish"}
    ]
    shown = (repr(bundle), repr(bundle.about), *(repr(one.content) for one in bundle.modules))
    assert not any("swordfish" in text for text in shown)
    assert bundle.about["secretHeaders"] == {"x-key": "SECRET_HEADER_1"}


def test_a_secrets_value_does_not_change_the_digest() -> None:
    wrapping = Wrapping(TARGET, secret_headers=["X-Key=KEY"])
    other = wrap_bundle(wrapping, {"KEY": "other"}, None)
    assert other.digest == wrap_bundle(wrapping, SETTINGS, None).digest


def test_every_mistake_is_reported_without_values() -> None:
    told = findings(
        Wrapping(
            "http://localhost",
            methods=["GET", "TRACE"],
            secret_headers=["k=sk-live-1/2", "a=UNSET", "b=EMPTY", "c=BROKEN", "host=KEY", "d"],
            cache_seconds=-1,
            timeout_seconds=0,
            response_bytes_max=0,
        )
    )
    assert len(told) == 11
    assert not any("sk-live" in one for one in told)
    assert any("the environment variable UNSET is not set: set it" in one for one in told)


def test_a_header_given_twice_is_rejected() -> None:
    (told,) = findings(Wrapping(TARGET, secret_headers=["X-Key=KEY", "x-key=KEY"]))
    assert "twice" in told
