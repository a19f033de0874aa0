/**
 * Wraps a script's main module in a module of this plugin.
 */

/** Names that cannot collide with a script's modules, which begin with its name. */
const MAIN = "dispatch-namespace-main.js";
const FRONT = "dispatch-namespace-front.js";
const SETTINGS = "dispatch-namespace-settings.json";
/** The same for a Python script, whose modules do not begin with its name. */
const PYTHON_MAIN = "_dispatch_namespace_main.py";
const PYTHON_FRONT = "_dispatch_namespace_front.py";

/**
 * @param {any} code Code for the loader.
 * @param {string} front Source of a module that exports `front`, a function that maps the
 *   script's default export to its replacement. It is evaluated before any module of the script.
 * @param {unknown} settings The settings that the module imports.
 */
export function withFront(code, front, settings) {
	const path = JSON.stringify(`./${code.mainModule}`);
	return {
		...code,
		mainModule: MAIN,
		modules: {
			...code.modules,
			[SETTINGS]: { json: settings },
			[FRONT]: { js: front },
			[MAIN]: {
				js: [
					`import { front } from "./${FRONT}";`,
					`import * as script from ${path};`,
					`export * from ${path};`,
					"export default front(script.default);",
				].join("\n"),
			},
		},
	};
}

/**
 * @param {any} code Code of a Python script for the loader.
 * @param {string} front Source of a module with a function `front(script, settings)`
 *   that returns the names to export from the main module. It is evaluated before any module
 *   of the script.
 * @param {unknown} settings
 */
export function withPythonFront(code, front, settings) {
	const script = JSON.stringify(code.mainModule.slice(0, -".py".length));
	return {
		...code,
		mainModule: PYTHON_MAIN,
		modules: {
			...code.modules,
			[PYTHON_FRONT]: { py: front },
			[PYTHON_MAIN]: {
				py: [
					"import importlib, json",
					"from _dispatch_namespace_front import front",
					`script = importlib.import_module(${script})`,
					`globals().update(front(script, json.loads(${JSON.stringify(JSON.stringify(settings))})))`,
				].join("\n"),
			},
		},
	};
}
