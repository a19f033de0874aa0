"""A Worker's file or folder becomes a script; unsupported settings are rejected by name."""

from pathlib import Path

import pytest

from cli.errors import InputError
from cli.publish.scripts.worker_folder import worker_bundle

CODE = "export default { fetch: () => new Response('x') };\n"


def put(folder: Path, **files: str) -> Path:
    for name, content in files.items():
        file = folder / name.replace("__", "/").replace("_dot_", ".")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    return folder


def findings(path: Path) -> list[str]:
    with pytest.raises(InputError) as raised:
        worker_bundle(path)
    return [str(one) for one in raised.value.findings]


def test_a_single_module_is_a_worker(tmp_path: Path) -> None:
    bundle = worker_bundle(put(tmp_path, hello_dot_js=CODE) / "hello.js")
    assert (bundle.kind, bundle.main, len(bundle.modules)) == ("javascript", "hello.js", 1)


def test_a_folder_is_read_with_its_configuration(tmp_path: Path) -> None:
    put(
        tmp_path,
        index_dot_js=CODE,
        lib__text_dot_txt="x",
        node_modules__a_dot_js="x",
        _dot_env="SECRET=1",
        notes_dot_json="{}",
        wrangler_dot_toml='compatibility_date = "2026-01-01"\ncompatibility_flags = ["f"]\n'
        'kv_namespaces = [{ binding = "STORE", id = "abc" }]\n[vars]\nA = "1"\nB = { c = 2 }\n',
    )
    bundle = worker_bundle(tmp_path)
    assert [one.name for one in bundle.modules] == ["index.js", "lib/text.txt"]
    assert (bundle.compatibility_date, bundle.compatibility_flags) == ("2026-01-01", ("f",))
    assert bundle.bindings() == [
        {"type": "plain_text", "name": "A", "text": "1"},
        {"type": "json", "name": "B", "json": {"c": 2}},
        {"type": "kv_namespace", "name": "STORE", "namespace_id": "abc"},
    ]


def test_the_configuration_names_the_main_module(tmp_path: Path) -> None:
    put(
        tmp_path,
        src__app_dot_mjs=CODE,
        wrangler_dot_jsonc='{\n // the main module\n "main": "./src/app.mjs", "x": "http://y", }',
    )
    assert worker_bundle(tmp_path).main == "src/app.mjs"


def test_a_python_workers_modules_are_relative_to_the_main_one(tmp_path: Path) -> None:
    put(
        tmp_path,
        src__entry_dot_py="from part import x",
        src__part_dot_py="x = 1",
        python_modules__p__a_dot_py="",
        other_dot_js=CODE,
        wrangler_dot_toml='main = "src/entry.py"',
    )
    bundle = worker_bundle(tmp_path)
    assert (bundle.kind, bundle.main) == ("python", "entry.py")
    names = [one.name for one in bundle.modules]
    assert names[:3] == ["python_modules/p/a.py", "entry.py", "part.py"]
    assert "python_modules/workers/__init__.py" in names[3:]
    assert all(name.startswith("python_modules/") for name in names[3:])
    assert bundle.compatibility_flags == ("python_workers",)


def test_unsupported_bindings_are_rejected_with_their_lines(tmp_path: Path) -> None:
    put(
        tmp_path,
        index_dot_js=CODE,
        wrangler_dot_toml='name = "x"\n\n[[d1_databases]]\nbinding = "D"\n\n[ai]\nbinding = "A"\n',
    )
    told = findings(tmp_path)
    assert told[0].startswith("wrangler.toml:6: 'ai'")
    assert told[1].startswith("wrangler.toml:3: 'd1_databases'")


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ('main = "index.ts"', "name the JavaScript module"),
        ('main = "away.js"', "does not exist"),
        ("main = 1", "'main' must be"),
        ('compatibility_date = "soon"', "'compatibility_date' must be"),
        ("kv_namespaces = [{ binding = 'A' }]", "'kv_namespaces' must be"),
        ("main = ", "invalid TOML"),
    ],
)
def test_an_invalid_configuration_is_rejected(tmp_path: Path, config: str, told: str) -> None:
    put(tmp_path, index_dot_js=CODE, wrangler_dot_toml=config)
    assert told in findings(tmp_path)[0]


def test_a_folder_without_a_main_module_is_rejected(tmp_path: Path) -> None:
    assert "add one of index.js" in findings(put(tmp_path, a_dot_txt="x"))[0]


def test_a_json_module_is_rejected(tmp_path: Path) -> None:
    put(tmp_path, index_dot_js='import a from "./lib/data.json";', lib__data_dot_json="{}")
    assert findings(tmp_path)[0].startswith("lib/data.json: JSON modules are not supported")


def test_a_link_out_of_the_folder_is_rejected(tmp_path: Path) -> None:
    folder = put(tmp_path / "worker", index_dot_js=CODE)
    (tmp_path / "secret.txt").write_text("x")
    (folder / "data.txt").symlink_to(tmp_path / "secret.txt")
    assert findings(folder) == ["data.txt: a symbolic link to a file outside the folder"]


@pytest.mark.parametrize(
    "config",
    [
        'compatibility_flags = ["disable_python_external_sdk"]',
        'compatibility_date = "2026-04-20"',
    ],
)
def test_a_python_worker_that_uses_the_runtimes_sdk_gets_no_other(
    tmp_path: Path, config: str
) -> None:
    put(tmp_path, main_dot_py="", wrangler_dot_toml=config)
    assert [one.name for one in worker_bundle(tmp_path).modules] == ["main.py"]


def test_a_python_worker_keeps_its_own_sdk_and_all_files_of_its_packages(tmp_path: Path) -> None:
    put(tmp_path, main_dot_py="", python_modules__workers__own_dot_py="")
    put(tmp_path, python_modules__p__py_dot_typed="", python_modules__p__table_dot_json="{}")
    modules = {one.name: one for one in worker_bundle(tmp_path).modules}
    assert [*modules] == [
        "main.py",
        "python_modules/p/py.typed",
        "python_modules/p/table.json",
        "python_modules/workers/own.py",
    ]
    assert modules["python_modules/p/table.json"].media_type == "application/octet-stream"


FUNCTION = "from workers import Response\n\nasync def on_fetch(request, env):\n    ...\n"


def test_a_python_worker_whose_handler_is_never_called_is_rejected(tmp_path: Path) -> None:
    told = findings(put(tmp_path, main_dot_py=FUNCTION))
    assert len(told) == 1
    assert told[0].startswith("main.py:3: on_fetch is not called: move it into `class Default(")


@pytest.mark.parametrize(
    ("code", "config"),
    [
        (FUNCTION, 'compatibility_flags = ["disable_python_no_global_handlers"]'),
        (FUNCTION, 'compatibility_date = "2025-08-13"'),
        (f"{FUNCTION}class Default: ...\n", ""),
        (f"{FUNCTION}from app import Default\n", ""),
        (f"{FUNCTION}from app import *\n", ""),
        (f"{FUNCTION}Default = 1\n", ""),
        ("def on_fetch(request:\n", ""),
    ],
)
def test_other_python_workers_are_not_rejected_for_a_function(
    tmp_path: Path, code: str, config: str
) -> None:
    assert worker_bundle(put(tmp_path, main_dot_py=code, wrangler_dot_toml=config)).modules
