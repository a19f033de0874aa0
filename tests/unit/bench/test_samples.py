"""Parsing of V8 profiles by part and function."""

import pytest

from bench.profile.samples import GLUE, LONGEST_MICROSECONDS, NATIVE, OWN, PYTHON, read


def node(number: int, name: str, url: str = "") -> dict[str, object]:
    return {"id": number, "callFrame": {"functionName": name, "url": url}}


PROFILE = {
    "nodes": [
        node(1, "(idle)"),
        node(2, "wasm-function[3792]", "wasm://wasm/0249d42a"),
        node(3, "bo", "pyodideRuntime-internal:pyodide.asm"),
        node(4, "fetch"),
        node(5, "forward", "bridge.js"),
        node(6, "never sampled"),
    ],
    "samples": [1, 2, 2, 3, 4, 5],
    "timeDeltas": [200, 100, 300, 50, 20, 10],
}


def test_times_are_per_request() -> None:
    samples = read(PROFILE, 10)
    assert samples.parts == pytest.approx({"idle": 20, PYTHON: 40, GLUE: 5, NATIVE: 2, OWN: 1})


def test_functions_have_their_full_names() -> None:
    functions = read(PROFILE, 1).functions
    assert functions[f"_PyEval_EvalFrameDefault, {PYTHON}"] == 400
    assert functions[f"scheduleCallbackImmediate, {GLUE}"] == 50


def test_time_of_other_processes_is_not_counted() -> None:
    profile = {**PROFILE, "samples": [4], "timeDeltas": [1_000_000]}
    assert read(profile, 1).parts[NATIVE] == LONGEST_MICROSECONDS
