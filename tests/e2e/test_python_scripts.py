"""A tenant's script in Python is dispatched to like any other."""

from .caller import Caller


def test_a_python_script_gets_the_request_and_answers_within_its_plan(caller: Caller) -> None:
    answer = caller.ask("/t/serpent/a/b?c=1", method="POST", content=b"body")
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-tenant-id"] == "ten_serpent"
    assert answer.json() == {
        "body": "body",
        "python": "CPython",
        "method": "POST",
        "path": "/a/b",
        "query": "c=1",
    }
