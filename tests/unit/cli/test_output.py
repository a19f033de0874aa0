"""The output of commands, without secrets."""

import json
from typing import Any

import pytest
from rich.table import Table

from cli.errors import CommandError, Finding, FindingError, InputError
from cli.output import Output
from cli.secret import HIDDEN, Secret, document_without_secrets, without_secrets

SECRET = Secret("a-secret-of-these-tests")


def test_a_result_is_one_json_document(capsys: pytest.CaptureFixture[str]) -> None:
    Output(as_json=True).result({"one": 1}, lambda _: pytest.fail("not text"))
    assert json.loads(capsys.readouterr().out) == {"ok": True, "one": 1}


def test_a_failure_is_one_json_document(capsys: pytest.CaptureFixture[str]) -> None:
    error = InputError("bad", "fix it", [Finding("wrong", "file.csv", 3)])
    Output(as_json=True).failure(error)
    assert json.loads(capsys.readouterr().out) == {
        "ok": False,
        "error": "invalid_input",
        "message": "bad",
        "advice": "fix it",
        "findings": [{"place": "file.csv", "line": 3, "message": "wrong"}],
    }


def test_findings_are_printed_with_the_document(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output(as_json=True)
    with pytest.raises(FindingError) as caught:
        output.finding({"ok": True, "rows": [1]}, lambda _: None, "it differs")
    assert capsys.readouterr().out == ""
    output.failure(caught.value)
    document = json.loads(capsys.readouterr().out)
    assert (document["ok"], document["rows"], document["message"]) == (False, [1], "it differs")


def test_as_text_the_result_is_printed_before_the_finding(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(FindingError):
        Output(as_json=False).finding({}, lambda console: console.print("rows"), "it differs")
    assert capsys.readouterr().out == "rows\n"


def test_entries_are_printed_one_per_line(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output(as_json=True)
    for number in range(3):
        output.entry({"number": number, "text": "a\nb"}, lambda _: None)
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line)["number"] for line in lines] == [0, 1, 2]


@pytest.mark.parametrize("as_json", [True, False])
def test_no_secret_is_printed(as_json: bool, capsys: pytest.CaptureFixture[str]) -> None:
    secret = SECRET.reveal()
    output = Output(as_json=as_json)
    table = Table()
    table.add_column("what")
    table.add_row(f"It is {secret}.")
    output.result({secret: [secret, {"in": secret}]}, lambda console: console.print(table))
    output.note(f"noted {secret}")
    output.failure(CommandError(f"failed with {secret}", secret, [Finding(secret, secret)]))
    try:
        int(secret)
    except ValueError:
        output.current_traceback()
    shown = capsys.readouterr()
    assert secret not in shown.out + shown.err
    assert HIDDEN in shown.out
    assert "ValueError" in shown.err


def test_a_short_text_is_not_replaced() -> None:
    Secret("dev")
    assert without_secrets("developer") == "developer"


@pytest.mark.parametrize("value", [1, None, 1.5, True, "text", ["a"], {"a": {"b": []}}])
def test_a_document_without_secrets_is_unchanged(value: Any) -> None:
    assert document_without_secrets(value) == value


def test_the_longer_of_two_overlapping_secrets_is_replaced() -> None:
    Secret("prefix")
    Secret("prefix-and-more")
    assert without_secrets("prefix-and-more") == HIDDEN


def test_progress_is_not_printed_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output(as_json=False)
    with output.advancing("Counting", 3) as advance:
        advance(3)
    with output.working("Waiting …"):
        pass
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "Counting" not in shown.err
