"""A tenant's script may be written in Python."""

from pathlib import Path

from . import marketplace
from .caller import Caller
from .conftest import TOKEN, Starter


def test_a_python_script_gets_the_request_and_responds(start: Starter, tmp_path: Path) -> None:
    with (
        start(tmp_path, marketplace.directory(), is_prepared=False) as server,
        Caller(server.url, TOKEN) as caller,
    ):
        response = caller.request("/t/serpent/a/b?c=1", method="POST", content=b"body")
    assert response.status_code == 200, response.text
    assert response.headers["x-tenant-id"] == "ten_serpent"
    assert response.json() == {
        "body": "body",
        "python": "CPython",
        "method": "POST",
        "path": "/a/b",
        "query": "c=1",
    }
