"""A publication keeps what the command is not told to change."""

from typing import Any

import pytest

from cli.errors import InputError
from cli.publish.kept import (
    CLEARABLE,
    DATASET,
    WORKER,
    WRAP,
    clearable_names,
    cleared_parts,
    derived_fields,
    refuse_misplaced,
    script_options,
    unknown_names,
    user_fields,
)
from cli.publish.record import Asked, RecordOptions, checked_record
from tenants.records import FIELDS

PUBLISHED: dict[str, Any] = {
    "slug": "a",
    "tenantId": "t",
    "workerName": "w",
    "owner": "@ada",
    "directory": "Travel",
    "plan": "pro",
    "limits": {"cpuMs": 20, "subRequests": 3},
    "hosts": ["a.example"],
    "priceUsd": "0.01",
    "x402Enabled": True,
    "payTo": "0x" + "1" * 40,
    "paymentNetwork": "base",
    "description": "Airports",
    "rateLimit": {"requests": 5, "windowSeconds": 10},
    "usageLimit": {"dailyRequests": 5, "monthlyRequests": 50},
    "spendLimit": {"dailySpendUsd": "1", "monthlySpendUsd": "2"},
    "accepts": [{"network": "base"}],
    "routes": [{"path": "/x", "priceUsd": "0.5"}],
    "tags": ["b"],
    "title": "A",
    "chargeRedirects": True,
}


def asked(clear: list[str] | None = None, **fields: Any) -> Asked:
    pairs = {
        name: fields.pop(name)
        for name in ("limits", "usageLimit", "spendLimit")
        if isinstance(fields.get(name), dict)
    }
    cleared = cleared_parts(clear or [])
    return RecordOptions({"slug": "a", **fields}, pairs, cleared=cleared).read()


def test_fields_that_are_not_given_keep_their_values() -> None:
    assert checked_record(asked(), PUBLISHED)[0] == PUBLISHED
    changed = checked_record(asked(description="All airports"), PUBLISHED)[0]
    assert changed == {**PUBLISHED, "description": "All airports"}


def test_a_part_of_a_field_keeps_the_other_parts() -> None:
    record, _ = checked_record(asked(limits={"cpuMs": 30, "subRequests": None}), PUBLISHED)
    assert record["limits"] == {"cpuMs": 30, "subRequests": 3}
    record, _ = checked_record(asked(["daily-spend"]), PUBLISHED)
    assert record["spendLimit"] == {"monthlySpendUsd": "2"}


@pytest.mark.parametrize("name", [*CLEARABLE])
def test_everything_that_can_be_cleared_is_removed(name: str) -> None:
    field, part = CLEARABLE[name]
    record = asked([name]).applied_to({**PUBLISHED, field: PUBLISHED.get(field, {"x": 1})})
    assert field not in record or (part and part not in record[field])


def test_fields_are_cleared_by_the_names_of_options_and_of_fields() -> None:
    assert cleared_parts(["--category", "directory", "limits", "no"]) == [
        ("directory", ""),
        ("directory", ""),
        ("limits", ""),
    ]
    (unknown,) = unknown_names(["description", "directory", "id", "slug"])
    assert "'slug' cannot be cleared" in unknown.message
    assert clearable_names() in unknown.message


def test_every_field_but_who_and_where_can_be_cleared() -> None:
    fields = {field for field, _ in CLEARABLE.values()}
    assert fields == FIELDS - {"slug", "tenantId"}


def test_the_price_0_ends_what_a_price_has_brought() -> None:
    priced, _ = checked_record(asked(priceUsd="0.01"), {}, ["/health"])
    given = user_fields(priced, derived_fields(asked(priceUsd="0.01").applied_to({}), priced))
    assert given == {"slug": "a", "priceUsd": "0.01"}
    free, tenant = checked_record(asked(priceUsd="0"), given, ["/health"])
    assert free == {"slug": "a", "tenantId": "ten_a", "workerName": "a"}
    assert not tenant.priced


def test_the_price_0_leaves_the_prices_of_routes() -> None:
    base = {"slug": "a", "priceUsd": "0.01", "x402Enabled": True, "routes": PUBLISHED["routes"]}
    _, tenant = checked_record(asked(priceUsd="0"), base)
    assert [one.price_micros for one in tenant.priced] == [500_000]


def test_derived_fields_are_derived_again_unless_someone_changed_them() -> None:
    given = {"slug": "a", "routes": [{"path": "/x", "priceUsd": "1"}]}
    full = {"slug": "a", "title": "Derived", "tags": ["b"], "routes": [{"path": "/"}]}
    publication = derived_fields(given, full)
    assert user_fields(full, publication) == given
    assert user_fields({**full, "title": "Mine"}, publication) == {**given, "title": "Mine"}
    # Of a publication by an older version, everything is kept.
    assert user_fields(full, {}) == full


def test_options_of_the_script_are_kept_and_cleared() -> None:
    publication = {"what": DATASET, "options": {"id": "code", "cache-seconds": 5}}
    kept = script_options(DATASET, {"id": None, "cache-seconds": 9}, publication, [])
    assert kept == {"id": "code", "cache-seconds": 9}
    assert script_options(DATASET, {}, publication, ["--id"]) == {"cache-seconds": 5}
    # The options of a dataset say nothing about a Worker.
    assert script_options(WORKER, {}, publication, []) == {}


def test_an_option_that_does_not_fit_is_named() -> None:
    refuse_misplaced(WRAP, {"method": ["GET"], "id": None})
    with pytest.raises(InputError) as raised:
        refuse_misplaced(WORKER, {"id": "code"})
    assert [str(one) for one in raised.value.findings] == [
        "--id: is not for a Worker: leave it out"
    ]


def test_a_kept_field_that_became_invalid_is_reported_as_published() -> None:
    with pytest.raises(InputError) as raised:
        checked_record(asked(), {**PUBLISHED, "plan": "gold"})
    assert str(raised.value.findings[0]).startswith("in the published record: plan must be one of")
