"""Charts and tables are reproducible and accessible."""

import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from bench.report import page as report
from bench.report.plots import plots
from bench.report.results import CommitResults, store

from . import making

MORNING = "2026-11-23T07:00:00+00:00"
SVG = "{http://www.w3.org/2000/svg}"
PAGE = """# Performance

<!-- figures: ratios -->
<!-- end of figures -->

Words of our own.

<!-- figures: designs -->
old
<!-- end of figures -->

<!-- figures: page -->
measured elsewhere
<!-- end of figures -->

<!-- figures: picture writes -->
<!-- end of figures -->

<!-- figures: picture history -->
<!-- end of figures -->
"""


def run(commit: str = "1a2b3c4", hour: int = 7, **faster: float) -> CommitResults:
    return making.results(
        commit,
        f"2026-11-23T{hour:02}:00:00+00:00",
        requests=making.requests(**faster),
        bodies=making.bodies(),
        designs=making.designs(),
        snapshots=making.snapshots(),
    )


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    (tmp_path / report.PAGE).parent.mkdir(parents=True)
    (tmp_path / report.PAGE).write_text(PAGE.replace("ratios", "snapshots"))
    (tmp_path / report.RESULTS).parent.mkdir(parents=True)
    store(tmp_path / report.RESULTS, making.results("1a2b3c4", MORNING, designs=making.designs()))
    return tmp_path


def test_the_same_results_give_the_same_charts() -> None:
    pictures = [{name: chart.svg() for name, chart in plots([run()])} for _ in range(2)]
    assert pictures[0] == pictures[1]
    assert list(pictures[0]) == ["responses", "cpu", "times", "snapshots", "writes"]


def test_a_chart_has_title_and_description() -> None:
    for name, chart in plots([run(f=1.5), run("5d6e7f8", 8)]):
        picture = ET.fromstring(chart.svg())  # noqa: S314 (our own)
        assert picture.get("role") == "img"
        title, words = picture[:2]
        assert (title.tag, words.tag) == (f"{SVG}title", f"{SVG}desc")
        assert title.text == chart.title, name
        assert words.text == chart.description, name
        texts = {"".join(text.itertext()) for text in picture.iter(f"{SVG}text")}
        assert chart.title in texts, name


def test_descriptions_contain_the_values() -> None:
    descriptions = {name: chart.description for name, chart in plots([run(f=1.5)])}
    assert "(f) contender f: 1.5 relative to (c) (1.5 to 1.5)" in descriptions["responses"]
    assert "today, 1,000 APIs: 10,000: 10; 1,000,000: 20" in descriptions["snapshots"]
    assert (
        "this design, isolates: 1: 0.75; one key an event, isolates: 1: 1,000."
        in descriptions["writes"]
    )


def test_several_commits_have_a_history_chart() -> None:
    course = dict(plots([run(f=0.5), run("5d6e7f8", 8, f=2.0)]))["history"]
    assert "responses per second: 1a2b3c4: 0.5; 5d6e7f8: 2." in course.description


def test_the_newest_results_are_inserted_into_the_page() -> None:
    newer = making.results("5d6e7f8", MORNING, designs=making.designs()[:1])
    stored = [run(), newer]
    text = report.page(PAGE, stored, dict(plots(stored)))
    assert "\nWords of our own.\n" in text
    assert "old" not in text
    assert "| responses/s, (f) / (c) | 1.00 times |  | ≥ 1 times | yes |" in text
    row = "| this design | 200 | 1 | 0.75 | 30 | 33 | $1.00 | 0.0 % |"
    assert f"{row}\n\nCommit `5d6e7f8`, `SIZE=small`" in text
    assert "<!-- figures: page -->\nmeasured elsewhere\n" in text
    assert "![KV writes at 200 requests per second](images/performance/writes.svg)\n" in text
    assert "<!-- figures: picture history -->\n<!-- end of figures -->\n" in text


def test_written_files_are_current_until_there_are_new_results(
    clone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not report.is_current(clone)
    assert "docs/performance.md does not match the newest results" in capsys.readouterr().out
    assert report.write(clone) == [report.PICTURES / "writes.svg", report.PAGE]
    assert report.is_current(clone)
    store(clone / report.RESULTS, making.results("5d6e7f8", MORNING, designs=making.designs()[:1]))
    assert not report.is_current(clone)


@pytest.mark.parametrize(("moved", "is_current"), [("0.000001", True), ("0.002000", False)])
def test_a_chart_is_current_whatever_the_last_digit_of_its_coordinates_is(
    clone: Path, moved: str, is_current: bool
) -> None:
    report.write(clone)
    chart = next((clone / report.PICTURES).glob("*.svg"))
    text = chart.read_text()
    x = re.search(r"\d+\.\d{6}", text)
    assert x is not None
    chart.write_text(text.replace(x[0], f"{float(x[0]) + float(moved):.6f}", 1))
    assert report.is_current(clone) is is_current


def test_a_superfluous_chart_is_removed(clone: Path) -> None:
    report.write(clone)
    stray = clone / report.PICTURES / "stray.svg"
    stray.write_text("<svg/>")
    assert report.write(clone) == [report.PICTURES / "stray.svg"]
    assert not stray.exists()


def test_an_unknown_table_is_an_error(clone: Path) -> None:
    (clone / report.PAGE).write_text("<!-- figures: nonsense -->\n<!-- end of figures -->\n")
    with pytest.raises(KeyError, match="nonsense"):
        report.write(clone)
