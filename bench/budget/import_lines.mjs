// Imports one module in Pyodide under Node.js and prints, as JSON, how many lines of Python each
// module executes while it is imported. `imports.py` starts it.
import { realpathSync } from "node:fs";
import { loadPyodide } from "pyodide";

const [root, name] = process.argv.slice(2);
const pyodide = await loadPyodide();
// What workerd provides to the SDK; importing it needs only these names.
const workersModule = { WorkerEntrypoint: Object, DurableObject: Object, WorkflowEntrypoint: Object };
pyodide.registerJsModule("_pyodide_entrypoint_helper", {
	cloudflareWorkersModule: workersModule,
	doAnImport: (file) => import(`${root}/src/${file}`),
});
pyodide.registerJsModule("_cloudflare_compat_flags", {});
for (const folder of ["src", "python_modules"]) {
	pyodide.FS.mkdirTree(`/worker/${folder}`);
	pyodide.FS.mount(pyodide.FS.filesystems.NODEFS, { root: realpathSync(`${root}/${folder}`) }, `/worker/${folder}`);
}
pyodide.runPython(`
import sys
from collections import Counter
from importlib._bootstrap_external import _LoaderBasics

sys.dont_write_bytecode = True
sys.path[:0] = ["/worker/src", "/worker/python_modules"]
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
