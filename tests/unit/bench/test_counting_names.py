"""Names of WebAssembly functions, from its exports."""

from bench.budget.names import exported_functions, glue_functions, python_functions
from dev.layout import HERE

MODULE = bytes(
    [
        *b"\0asm",
        *(1, 0, 0, 0),
        *(1, 4, 1, 0x60, 0, 0),  # one type: a function without parameters
        *(7, 20, 4),  # four exports
        *(1, *b"m", 2, 0),  # a memory
        *(1, *b"f", 0, 0x80, 0x02),  # function 256
        *(2, *b"ff", 0, 0x80, 0x02),  # the same by another name
        *(1, *b"g", 0, 3),
    ]
)


def test_exports_of_functions_are_read_by_number() -> None:
    assert exported_functions(MODULE) == {256: "f", 3: "g"}


def test_the_interpreters_loop_has_its_name() -> None:
    assert "_PyEval_EvalFrameDefault" in python_functions(HERE).values()


def test_the_glues_short_names_are_known() -> None:
    assert "callPyObjectKwargsPromising" in glue_functions(HERE).values()
