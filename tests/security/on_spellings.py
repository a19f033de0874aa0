"""Attacks through unusual spellings of platform paths and of hosts."""

from __future__ import annotations

from core.ports import ProxyResponse
from tests.security.guard import Guard
from tests.support.dispatcher_scene import Scene

TENANT_HOST = "http://fx.example"
ODD_SPELLINGS = (
    "/__PLATFORM/health",
    "/__platform;/health",
    "/__platform;x=y/health",
    "/;/__platform/health",
    "/__platform%00/health",
    "/__platform%09",
    "/%255f_platform/health",
    "/x/..%2f__platform/health",
    "/x%5c..%5c__platform",
    "/__platform%2f..%2f..%2fx",
)
"""Paths that a more lenient server would read as a platform path."""


def bypass_the_platform_by_an_encoded_spelling() -> bool:
    return _reaches_a_tenant("/%5f_platform/health")


def bypass_the_platform_by_parameters_in_the_path() -> bool:
    return _reaches_a_tenant("/__platform;x=y/health")


def bypass_the_platform_by_encoding_twice() -> bool:
    return _reaches_a_tenant("/%255f_platform/health")


def bypass_the_platform_by_control_characters() -> bool:
    return _reaches_a_tenant("/__platform%00/health")


def bypass_the_platform_by_an_encoded_slash() -> bool:
    return _reaches_a_tenant("/x/..%2f__platform/health")


def bypass_the_platform_by_leaving_it_again() -> bool:
    return _reaches_a_tenant("/__platform%2f..%2f..%2fx")


def bypass_the_platform_by_backslashes() -> bool:
    return _reaches_a_tenant("/__platform\\health")


def bypass_the_platform_by_slashes() -> bool:
    return _reaches_a_tenant("///__platform/health")


def bypass_the_platform_by_capitals() -> bool:
    return _reaches_a_tenant("/__Platform/health")


def reach_the_platform_through_a_tenants_path() -> bool:
    scene = Scene()
    scene.request("/t/weather/../../__platform/ask")
    return bool(scene.sent)


def impersonate_a_host_in_the_user_part_of_the_url() -> bool:
    return isinstance(Scene().request("http://fx.example@dispatcher.example/x"), ProxyResponse)


def _reaches_a_tenant(path: str) -> bool:
    scene = Scene()
    scene.request(TENANT_HOST + path)
    return bool(scene.sent)


_PLATFORM = ("gateway.urls", "is_platform")
_STARTS = ("gateway.urls", "_starts_platform")
_READINGS = ("gateway.urls", "_lenient_readings")

ON_SPELLINGS = (
    Guard(
        bypass_the_platform_by_an_encoded_spelling, *_PLATFORM, "_AMBIGUOUS.search(path)", "False"
    ),
    Guard(bypass_the_platform_by_parameters_in_the_path, *_READINGS, '_PARAMETERS.sub("", ', "("),
    Guard(bypass_the_platform_by_encoding_twice, *_READINGS, "range(_DECODINGS_MAX)", "range(1)"),
    Guard(bypass_the_platform_by_control_characters, *_READINGS, '_CONTROLS.sub("", ', "("),
    Guard(
        bypass_the_platform_by_an_encoded_slash, *_READINGS, "_without_dot_segments(path)", "path"
    ),
    Guard(
        bypass_the_platform_by_leaving_it_again,
        *_READINGS,
        "return path,",
        "return _without_dot_segments(path),",
    ),
    Guard(bypass_the_platform_by_backslashes, *_READINGS, r'path.replace("\\", "/")', "path"),
    Guard(bypass_the_platform_by_slashes, *_STARTS, 'path.lstrip("/")', "path[1:]"),
    Guard(bypass_the_platform_by_capitals, *_STARTS, ".lower()", ""),
    Guard(
        reach_the_platform_through_a_tenants_path,
        "gateway.urls",
        "parse_url",
        "and _DOT_SEGMENT.search(path)",
        "and False",
    ),
    Guard(
        impersonate_a_host_in_the_user_part_of_the_url,
        "gateway.urls",
        "_host_of",
        '.rpartition("@")[2]',
        '.partition("@")[0]',
    ),
)
