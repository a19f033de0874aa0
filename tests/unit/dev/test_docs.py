"""Every link and every path in the documentation has a target that exists."""

import re
from pathlib import Path

import pytest

from dev.layout import HERE

ROOT = HERE.root
PAGES = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "dev/dispatch-namespace/README.md"]
)
SOURCES = sorted(
    path
    for folder in ("src", "cli", "dev", "bench", "tests")
    for path in (ROOT / folder).rglob("*.py")
    if "node_modules" not in path.parts
)
LINK = re.compile(r"\]\(([^)\s]+)\)")
NAMED_PATH = re.compile(r"`((?:src|dev|cli|tests|bench|docs|public|migrations)/[\w./-]*)`")
NAMED_PAGE = re.compile(r"\bdocs/[\w/-]+\.md\b")


def name(path: Path) -> str:
    """Return a path as it is written in the documentation."""
    return path.relative_to(ROOT).as_posix()


def text_of(page: Path) -> str:
    """Return a page without its code blocks, which contain no links."""
    return re.sub(
        r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE
    )


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", text_of(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_relative_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    broken = []
    for link in LINK.findall(text_of(page)):
        if re.match(r"\w+:", link):
            continue
        target, _, anchor = link.partition("#")
        file = (page.parent / target).resolve() if target else page
        if not file.exists() or (anchor and anchor not in anchors(file)):
            broken.append(link)
    assert broken == []


# The README of the package dispatch-namespace names paths in its users' projects.
@pytest.mark.parametrize(
    "page", [page for page in PAGES if not name(page).startswith("dev")], ids=name
)
def test_every_path_that_a_page_names_exists(page: Path) -> None:
    """Upper-case parts such as COMMIT stand for a name. A page may name paths from its folder."""
    named = {
        path
        for path in NAMED_PATH.findall(page.read_text(encoding="utf-8"))
        if not re.search(r"\b[A-Z]{3,}\b", path.replace("README", ""))
    }
    missing = [
        path for path in named if not ((ROOT / path).exists() or (page.parent / path).exists())
    ]
    assert sorted(missing) == []


def test_every_page_that_code_refers_to_exists() -> None:
    missing = {
        f"{name(path)}: {page}"
        for path in SOURCES
        for page in NAMED_PAGE.findall(path.read_text(encoding="utf-8"))
        if not (ROOT / page).exists()
    }
    assert sorted(missing) == []


def test_the_list_of_decisions_has_every_one_with_its_title() -> None:
    decisions = ROOT / "docs/decisions"
    text = (decisions / "README.md").read_text(encoding="utf-8")
    titles = {
        path.name: path.read_text(encoding="utf-8").partition("\n")[0]
        for path in sorted(decisions.glob("0*.md"))
    }
    listed = re.findall(r"^(\d+)\. \[(.+)\]\(([^)]+)\)(.*)$", text, re.MULTILINE)
    assert {file: f"# {number}. {title}{note}" for number, title, file, note in listed} == titles


def test_the_architecture_names_every_module_of_every_package() -> None:
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    _, *sections = re.split(r"^### ", text, flags=re.MULTILINE)
    named = {
        package: set(re.findall(r"`(\w+\.(?:py|js))`", section))
        for section in sections
        for package in re.findall(r"`src/(\w+)/`", section.partition("\n")[0])
    }
    modules = {
        folder.name: {
            path.name for path in folder.rglob("*.[pj][ys]") if path.name != "__init__.py"
        }
        for folder in (ROOT / "src").iterdir()
        if (folder / "__init__.py").exists()
    }
    missing = {package: modules[package] - named.get(package, set()) for package in modules}
    assert {package: names for package, names in missing.items() if names} == {}
