// Makes the dispatcher's sources and the SDK importable in Pyodide under Node.js.
import { realpathSync } from "node:fs";
import { loadPyodide } from "pyodide";

/**
 * @param {string} root The clone.
 * @param {object} [options] Options of `loadPyodide`.
 * @returns {Promise<any>} The interpreter; `runPythonAsync` imports JavaScript modules as a Worker does.
 */
export async function loadWorker(root, options) {
	const pyodide = await loadPyodide(options);
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

# Workers have no folder to keep compiled modules in.
sys.dont_write_bytecode = True
sys.path[:0] = ["/worker/src", "/worker/python_modules"]
`);
	return pyodide;
}
