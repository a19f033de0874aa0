"""The error for a rejected script has its exception and what to do, however long the traceback."""

from cli.script_failures import script_error

FRAME = '  File "/lib/python314.zip/_pyodide/_base.py", line 666, in pyimport_impl\n'


def test_a_long_traceback_is_shown_with_its_exception() -> None:
    message = f"Uncaught Traceback:\n{FRAME * 20}ModuleNotFoundError: No module named 'numpy' [1]"
    error = script_error("Rejected.", message)
    assert str(error).startswith("Rejected. … ")
    assert str(error).endswith("No module named 'numpy' [1]")
    assert len(str(error)) < 600
    assert "pywrangler sync" in error.advice


def test_the_start_of_a_message_may_be_what_tells_the_cause() -> None:
    error = script_error("Rejected.", "Script startup exceeded CPU time limit." + " x" * 500)
    assert "second of CPU time" in error.advice
