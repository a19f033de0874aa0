"""The forms of `auth` in the setting `FACILITATORS`.

    {"bearer": NAME}
    {"headers": {HEADER: NAME}}                                 for every call
    {"headers": {"verify": {HEADER: NAME}, "settle": {…}, …}}   for each call its own
    {"coinbase": {"keyId": NAME, "keySecret": NAME}}            a token for each request

NAME is a secret of the Worker. The third form is what the `createAuthHeaders` of `@x402/core`
returns; a call that it leaves out gets no headers. No error repeats a value, because somebody may
have written the secret where its name belongs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from core.ports import Json
from payments.credentials import CALLS, Credentials, Headers

LIST_FORM = (
    'a JSON list of {"url", "auth"} with http(s) URLs without password, query and fragment; auth is'
    ' left out, or {"bearer": NAME}, {"headers": {HEADER: NAME}}, {"headers": {CALL: {HEADER:'
    ' NAME}}} or {"coinbase": {"keyId": NAME, "keySecret": NAME}} with names of secrets, where CALL'
    f" is {', '.join(CALLS[:-1])} or {CALLS[-1]}"
)
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}", re.ASCII)
_SETTING = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}", re.ASCII)


def read_auth(auth: Json) -> Credentials:
    """Read an `auth`; None has no credentials.

    Raises `ValueError` with the unusable field and what is wrong with it.
    """
    if auth is None:
        return {}, None
    if not isinstance(auth, dict) or len(auth) != 1:
        raise ValueError("auth must have exactly one of bearer, headers and coinbase")
    ((form, value),) = auth.items()
    field = f"auth.{form}"
    if form == "bearer":
        headers = {"authorization": ("Bearer ", _setting(value, field))}
        return dict.fromkeys(CALLS, headers), None
    if form == "headers":
        return _headers_by_call(value, field), None
    if form == "coinbase":
        if not isinstance(value, dict) or value.keys() != {"keyId", "keySecret"}:
            raise ValueError(f"{field} must have keyId and keySecret, and nothing else")
        key_id, secret = (_setting(value[one], f"{field}.{one}") for one in ("keyId", "keySecret"))
        return {}, (key_id, secret)
    raise ValueError("auth has an unknown form")


def _headers_by_call(value: Json, field: str) -> Mapping[str, Headers]:
    if not isinstance(value, dict) or not value:
        raise ValueError(f"{field} must have at least one header")
    nested = [name for name, inner in value.items() if isinstance(inner, dict)]
    if not nested:
        return dict.fromkeys(CALLS, _headers(value, field))
    if len(nested) != len(value):
        name = next(name for name in value if name not in nested)
        shown = f"{field}.{name}" if _HEADER.fullmatch(name) else "one of them"
        raise ValueError(
            f"{field} mixes headers for every call with headers by call: {shown} has no headers"
        )
    if not value.keys() <= {*CALLS}:
        raise ValueError(f"{field} has a call that is none of {', '.join(CALLS)}")
    return {call: _headers(headers, f"{field}.{call}") for call, headers in value.items()}


def _headers(value: Mapping[str, Json], field: str) -> Headers:
    if not all(_HEADER.fullmatch(name) for name in value):
        raise ValueError(f"{field} has a name that is not a header's")
    headers = {}
    for name, setting in value.items():
        shown = f"{field}.{name}"
        if name.lower() == "content-type" or name.lower() in headers:
            raise ValueError(f"{shown} is repeated, or set by the dispatcher")
        headers[name.lower()] = ("", _setting(setting, shown))
    return headers


def _setting(value: Json, field: str) -> str:
    if not isinstance(value, str) or not _SETTING.fullmatch(value):
        raise ValueError(f"{field} must be the name of a secret")
    return value
