// Imports one module in Pyodide under Node.js, whose clocks advance while Python computes, and
// prints the time of each import (-X importtime). `imports.py` starts it.
import { loadPyodide } from "pyodide";

const [root, name] = process.argv.slice(2);
const lines = [];
const pyodide = await loadPyodide({ args: ["-X", "importtime"], stderr: (line) => lines.push(line) });

// What workerd provides to the SDK; importing it needs only these names.
const workersModule = { WorkerEntrypoint: Object, DurableObject: Object, WorkflowEntrypoint: Object };
pyodide.registerJsModule("_pyodide_entrypoint_helper", {
	cloudflareWorkersModule: workersModule,
	doAnImport: (file) => import(`${root}/src/${file}`),
});
pyodide.registerJsModule("_cloudflare_compat_flags", {});
for (const folder of ["src", "python_modules"]) {
	pyodide.FS.mkdirTree(`/worker/${folder}`);
	pyodide.FS.mount(pyodide.FS.filesystems.NODEFS, { root: `${root}/${folder}` }, `/worker/${folder}`);
}
pyodide.runPython(`
import sys

# Workers have no folder to keep compiled modules in.
sys.dont_write_bytecode = True
sys.path[:0] = ["/worker/src", "/worker/python_modules"]
`);
lines.length = 0;
// A JavaScript module is imported by waiting for a promise, as in a Worker.
await pyodide.runPythonAsync(`import ${name}`);
console.log(lines.join("\n"));
