"""Pictures and tables are made from figures: the same from the same, and for every reader."""

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from bench.report import page as report
from bench.report.plots import plots
from bench.report.results import Kept, keep

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


def run(commit: str = "1a2b3c4", hour: int = 7, **faster: float) -> Kept:
    return making.kept(
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
    keep(tmp_path / report.RESULTS, making.kept("1a2b3c4", MORNING, designs=making.designs()))
    return tmp_path


def test_the_same_figures_give_the_same_pictures() -> None:
    pictures = [{name: chart.svg() for name, chart in plots([run()])} for _ in range(2)]
    assert pictures[0] == pictures[1]
    assert list(pictures[0]) == ["answers", "cpu", "times", "snapshots", "writes"]


def test_a_picture_says_in_words_what_it_shows() -> None:
    for name, chart in plots([run(f=1.5), run("5d6e7f8", 8)]):
        picture = ET.fromstring(chart.svg())  # noqa: S314 (our own)
        assert picture.get("role") == "img"
        title, words = picture[:2]
        assert (title.tag, words.tag) == (f"{SVG}title", f"{SVG}desc")
        assert title.text == chart.title, name
        assert words.text == chart.description, name
        texts = {"".join(text.itertext()) for text in picture.iter(f"{SVG}text")}
        assert chart.title in texts, name


def test_words_hold_the_figures() -> None:
    said = {name: chart.description for name, chart in plots([run(f=1.5)])}
    assert "(f) contender f: 1.5 times those of (c) (1.5 to 1.5)" in said["answers"]
    assert "today, 1,000 APIs: 10,000: 10; 1,000,000: 20" in said["snapshots"]
    assert "this design: 19.97; one key an event: 1,000" in said["writes"]


def test_the_course_of_commits_is_drawn_when_there_is_one() -> None:
    course = dict(plots([run(f=0.5), run("5d6e7f8", 8, f=2.0)]))["history"]
    assert "answers a second: 1a2b3c4: 0.5; 5d6e7f8: 2." in course.description


def test_the_page_gets_the_newest_figures_between_its_words() -> None:
    newer = making.kept("5d6e7f8", MORNING, designs=making.designs()[:1])
    kept = [run(), newer]
    text = report.page(PAGE, kept, dict(plots(kept)))
    assert "\nWords of our own.\n" in text
    assert "old" not in text
    assert "| answers/s, (f) / (c) | 1.00 times |  | ≥ 1 times | yes |" in text
    assert "| this design | 19.97 | $1.00 | 0.0 % |\n\nCommit `5d6e7f8`, `SIZE=small`" in text
    assert "<!-- figures: page -->\nmeasured elsewhere\n" in text
    assert "![KV writes at 200 requests a second](images/performance/writes.svg)\n" in text
    assert "<!-- figures: picture history -->\n<!-- end of figures -->\n" in text


def test_what_is_written_is_current_until_there_are_other_figures(
    clone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not report.is_current(clone)
    assert "docs/performance.md is not of the newest figures" in capsys.readouterr().out
    assert report.write(clone) == [report.PICTURES / "writes.svg", report.PAGE]
    assert report.is_current(clone)
    keep(clone / report.RESULTS, making.kept("5d6e7f8", MORNING, designs=making.designs()[:1]))
    assert not report.is_current(clone)


def test_a_picture_of_figures_long_gone_is_taken_away(clone: Path) -> None:
    report.write(clone)
    stray = clone / report.PICTURES / "stray.svg"
    stray.write_text("<svg/>")
    assert report.write(clone) == [report.PICTURES / "stray.svg"]
    assert not stray.exists()


def test_a_page_that_asks_for_what_there_is_not_is_refused(clone: Path) -> None:
    (clone / report.PAGE).write_text("<!-- figures: nonsense -->\n<!-- end of figures -->\n")
    with pytest.raises(KeyError, match="nonsense"):
        report.write(clone)
