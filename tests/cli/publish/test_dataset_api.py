"""A published dataset, called through the dispatcher in workerd."""

from collections.abc import Iterator

import httpx
import jsonschema
import pytest

from .local import Local

# These tests run first, to start the `unpublish` that waits for half a minute.
pytestmark = pytest.mark.usefixtures("unpublishing")

CSV = """code,name,country,runways,elevation,opened,hub,remark
ZRH,Zürich,CH,3,432,1953-06-14,true,
GVA,Genève,CH,2,430.5,1920-09-22,false,"two
lines, quoted"
MUC,München,DE,2,453,1992-05-17,true,
LHR,London Heathrow,GB,2,25,1946-03-25,true,busy
SIR,Sion,CH,1,482,1935-08-01,false,alps
"""


@pytest.fixture(scope="module")
def client(local: Local, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    file = tmp_path_factory.mktemp("dataset") / "airports.csv"
    file.write_text(CSV, encoding="utf-8")
    local.done("publish", file, "--slug", "query", "--id", "code", "--plan", "pro", "--execute")
    with local.client("query") as client:
        yield client


def codes(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [row["code"] for row in answer.json()["rows"]]


def test_without_a_query_all_rows_are_returned_with_types(client: httpx.Client) -> None:
    page = client.get("").json()
    assert page["total"] == 5
    assert page["rows"][1] == {
        "code": "GVA",
        "name": "Genève",
        "country": "CH",
        "runways": 2,
        "elevation": 430.5,
        "opened": "1920-09-22",
        "hub": False,
        "remark": "two\nlines, quoted",
    }
    assert page["rows"][0]["remark"] is None
    assert (page["limit"], page["offset"], page["next"]) == (100, 0, None)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("country=CH", ["ZRH", "GVA", "SIR"]),
        ("country[ne]=CH", ["MUC", "LHR"]),
        ("runways=2", ["GVA", "MUC", "LHR"]),
        ("runways[gt]=2", ["ZRH"]),
        ("elevation[gte]=432", ["ZRH", "MUC", "SIR"]),
        ("elevation[lt]=4.3e2", ["LHR"]),
        ("elevation[lte]=430.5", ["GVA", "LHR"]),
        ("opened[lt]=1936-01-01", ["GVA", "SIR"]),
        ("opened=1953-06-14", ["ZRH"]),
        ("hub=false", ["GVA", "SIR"]),
        ("name[contains]=ÜR", ["ZRH"]),
        ("remark[null]=true", ["ZRH", "MUC"]),
        ("remark[null]=false&country=CH", ["GVA", "SIR"]),
        ("country=CH&hub=true", ["ZRH"]),
        ("name[gt]=M&name[lt]=N", ["MUC"]),
        ("sort=runways,-code", ["SIR", "MUC", "LHR", "GVA", "ZRH"]),
        ("sort=-elevation", ["SIR", "MUC", "ZRH", "GVA", "LHR"]),
        ("sort=remark,code", ["SIR", "LHR", "GVA", "MUC", "ZRH"]),
        ("sort=-remark,code", ["GVA", "LHR", "SIR", "MUC", "ZRH"]),
        ("sort=code&limit=2&offset=1", ["LHR", "MUC"]),
        ("offset=99", []),
    ],
)
def test_rows_are_filtered_sorted_and_paged(
    client: httpx.Client, query: str, expected: list[str]
) -> None:
    assert codes(client.get(f"?{query}")) == expected


def test_pages_are_linked_from_first_to_last(client: httpx.Client) -> None:
    found = []
    answer = client.get("?sort=code&limit=2")
    while True:
        found += codes(answer)
        assert answer.headers["x-total-count"] == "5"
        assert ('rel="next"' in answer.headers["link"]) is (answer.json()["next"] is not None)
        if answer.json()["next"] is None:
            break
        answer = client.get(answer.json()["next"])
    assert found == ["GVA", "LHR", "MUC", "SIR", "ZRH"]
    assert '<?sort=code&limit=2&offset=2>; rel="prev"' in answer.headers["link"]
    assert '<?sort=code&limit=2&offset=4>; rel="last"' in answer.headers["link"]


def test_only_requested_fields_are_returned(client: httpx.Client) -> None:
    rows = client.get("?fields=name,code&runways=1").json()["rows"]
    assert [list(row.items()) for row in rows] == [[("name", "Sion"), ("code", "SIR")]]


def test_one_row_is_found_by_its_id(client: httpx.Client) -> None:
    assert client.get("/rows/MUC").json()["name"] == "München"
    missing = client.get("/rows/XXX")
    assert (missing.status_code, missing.json()["error"]) == (404, "row_not_found")


@pytest.mark.parametrize(
    ("query", "parameters"),
    [
        ("runways=two", ["runways"]),
        ("runways[contains]=2", ["runways[contains]"]),
        ("limit=0", ["limit"]),
        ("limit=1001&offset=-1&sort=size&fields=x,y", ["limit", "offset", "sort", "fields"]),
        ("colour=red", ["colour"]),
        ("opened[gt]=1936-02-30", ["opened[gt]"]),
        ("hub=yes", ["hub"]),
        ("name[like]=x", ["name[like]"]),
        ("remark[null]=1", ["remark[null]"]),
        ("limit=1&limit=2", ["limit"]),
        ("name[=x", ["name["]),
        ("__proto__=x", ["__proto__"]),
        ("constructor=x", ["constructor"]),
    ],
)
def test_every_mistake_of_a_query_is_reported(
    client: httpx.Client, query: str, parameters: list[str]
) -> None:
    answer = client.get(f"?{query}")
    assert answer.status_code == 400
    body = answer.json()
    assert (body["ok"], body["error"]) == (False, "invalid_parameter")
    assert set(parameters) == {one["parameter"] for one in body["details"]}
    assert answer.headers["cache-control"] == "no-store"


def test_an_unchanged_response_is_not_sent_again(client: httpx.Client) -> None:
    first = client.get("?country=CH")
    assert first.headers["cache-control"] == "public, max-age=60"
    tag = first.headers["etag"]
    again = client.get("?country=CH", headers={"if-none-match": f'"x", W/{tag}'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)


def test_head_and_options_match_get(client: httpx.Client) -> None:
    head = client.head("?country=CH")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["x-total-count"] == "3"
    options = client.options("")
    assert (options.status_code, options.headers["allow"]) == (204, "GET, HEAD, OPTIONS")
    post = client.post("")
    assert (post.status_code, post.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
    assert client.get("/nowhere").status_code == 404


def test_nested_values_and_reserved_names_can_be_filtered(
    local: Local, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.mktemp("nested") / "nested.jsonl"
    file.write_text(
        '{"id": 1, "limit": 5, "sort": "x", "tags": ["a", 7], "at": {"lat": 1.5}}\n'
        '{"id": 2, "limit": 7, "sort": "y", "tags": null, "at": {"lat": 2.5}}\n'
    )
    asked = ("publish", file, "--slug", "nested", "--nested", "keep", "--execute")
    assert local.done(*asked)["about"]["columns"][3]["type"] == "json"
    with local.client("nested") as client:

        def found(query: str) -> list[int]:
            answer = client.get(f"?{query}&fields=id")
            assert answer.status_code == 200, answer.text
            return [row["id"] for row in answer.json()["rows"]]

        assert client.get("/rows/1").json()["at"] == {"lat": 1.5}
        assert found("limit[eq]=7") == [2]
        assert found("limit[gt]=4&limit=1") == [1]
        assert found("sort[eq]=x&sort=-id") == [1]
        assert found("tags[contains]=7") == [1]
        assert found("tags[contains]=b") == []
        assert found("tags[null]=true") == [2]
        for query in ("sort=at", "tags=a"):
            assert client.get(f"?{query}").status_code == 400


def test_the_schema_validates_the_rows(client: httpx.Client) -> None:
    schema = client.get("/schema.json").json()
    jsonschema.Draft202012Validator.check_schema(schema)
    for row in client.get("").json()["rows"]:
        jsonschema.validate(row, schema)
    assert schema["properties"]["opened"] == {"type": "string", "format": "date"}
    assert schema["properties"]["remark"] == {"type": ["string", "null"]}


def test_the_openapi_document_describes_the_routes(client: httpx.Client) -> None:
    document = client.get("/openapi.json").json()
    names = {one["name"] for one in document["paths"]["/"]["get"]["parameters"]}
    assert {"limit", "sort", "fields", "offset", "elevation[gte]", "name[contains]"} <= names
    assert set(document["paths"]) == {"/", "/rows/{id}"}
