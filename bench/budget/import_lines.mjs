// Imports one module in Pyodide under Node.js and prints, as JSON, how many lines of Python each
// module executes while it is imported. `imports.py` starts it.
import { loadWorker } from "../pyodide_worker.mjs";

const [root, name] = process.argv.slice(2);
const pyodide = await loadWorker(root);
pyodide.runPython(`
import sys
from collections import Counter
from importlib._bootstrap_external import _LoaderBasics

lines, importing = Counter(), []
execute = _LoaderBasics.exec_module

def exec_module(self, module):
    importing.append(module.__name__)
    try:
        execute(self, module)
    finally:
        importing.pop()

def count(code, line):
    if importing:
        lines[importing[-1]] += 1

_LoaderBasics.exec_module = exec_module
sys.monitoring.use_tool_id(sys.monitoring.PROFILER_ID, "imports")
sys.monitoring.register_callback(sys.monitoring.PROFILER_ID, sys.monitoring.events.LINE, count)
sys.monitoring.set_events(sys.monitoring.PROFILER_ID, sys.monitoring.events.LINE)
`);
// A JavaScript module is imported by waiting for a promise, as in a Worker.
await pyodide.runPythonAsync(`import ${name}`);
pyodide.runPython("sys.monitoring.set_events(sys.monitoring.PROFILER_ID, 0)");
console.log(pyodide.runPython("import json; json.dumps(lines)"));
