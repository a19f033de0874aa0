/**
 * Parses and validates the `options` of a binding in the wrangler configuration.
 *
 * Unknown options are an error, so that a misspelled option is not silently ignored.
 */
import { statSync } from "node:fs";
import path from "node:path";

/**
 * @typedef {object} PythonOptions
 * @property {string} [modules] Absolute path of the folder of packages for Python scripts
 *   without their own `workers` package.
 * @property {string[]} compatibilityFlags Flags that Python scripts get in addition to their own.
 *
 * @typedef {object} OutboundOptions
 * @property {string} [service] A Worker of the same wrangler session.
 * @property {string} [script] Absolute path of a script that this plugin loads.
 * @property {string[]} parameters Names that `get(…, {outbound})` may set.
 *
 * @typedef {object} NamespaceOptions
 * @property {string} binding Name of the binding, for messages.
 * @property {string} namespace Name of the dispatch namespace.
 * @property {string[]} scripts Absolute paths of the folders with the scripts; the first one
 *   that has a script is used. Some of them may not exist yet.
 * @property {PythonOptions} python
 * @property {number} recheckMs How long a script's version is used before the folder is
 *   checked again, in milliseconds.
 * @property {string} [log] Absolute path of the file that gets the traces of the scripts.
 * @property {OutboundOptions} [outbound]
 */

export const DEFAULT_RECHECK_MS = 150;

const KNOWN = ["scripts", "recheckMs", "outbound", "python", "log"];
const KNOWN_PYTHON = ["modules", "compatibilityFlags"];
/** Fields of the binding, which wrangler merges into the options. */
const FROM_BINDING = ["namespace", "outbound"];

/** An invalid option; its message is one line for the user. */
export class OptionError extends Error {
	/** @param {string} binding @param {string} problem */
	constructor(binding, problem) {
		super(`miniflare-dispatch-namespace: binding ${binding}: ${problem}`);
		this.name = "OptionError";
		this.binding = binding;
	}
}

/**
 * @param {string} binding Name of the binding.
 * @param {Record<string, unknown>} raw Options as wrangler passes them.
 * @param {string} rootPath Folder against which relative paths are resolved.
 * @returns {NamespaceOptions}
 * @throws {OptionError} If an option is invalid.
 */
export function readOptions(binding, raw, rootPath) {
	for (const key of Object.keys(raw)) {
		if (!KNOWN.includes(key) && !FROM_BINDING.includes(key)) {
			throw new OptionError(binding, `unknown option "${key}" (known: ${KNOWN.join(", ")})`);
		}
	}
	const { scripts, namespace = binding, recheckMs = DEFAULT_RECHECK_MS } = raw;
	const given = Array.isArray(scripts) ? scripts : [scripts];
	if (given.length === 0 || !given.every(isText)) {
		throw new OptionError(binding, 'option "scripts" must name the folder of the scripts, or a list of folders');
	}
	if (typeof namespace !== "string") {
		throw new OptionError(binding, '"namespace" must be a string');
	}
	if (typeof recheckMs !== "number" || !(recheckMs >= 0)) {
		throw new OptionError(binding, 'option "recheckMs" must be a number of milliseconds, 0 or more');
	}
	if (raw.log !== undefined && !isText(raw.log)) {
		throw new OptionError(binding, 'option "log" must be the path of a file');
	}
	const folders = given.map((folder) => path.resolve(rootPath, folder));
	// A folder may be created later, but if none exists, the option is probably wrong.
	if (!folders.some(isFolder)) {
		throw new OptionError(binding, `option "scripts": there is no folder ${folders.join(" or ")}`);
	}
	return {
		binding,
		namespace,
		scripts: folders,
		recheckMs,
		python: readPython(binding, raw.python, rootPath),
		log: isText(raw.log) ? path.resolve(rootPath, raw.log) : undefined,
		outbound: readOutbound(binding, raw.outbound, rootPath),
	};
}

/**
 * @param {string} binding
 * @param {any} raw
 * @param {string} rootPath
 * @returns {PythonOptions}
 */
function readPython(binding, raw = {}, rootPath) {
	if (typeof raw !== "object" || raw === null || Array.isArray(raw)) {
		throw new OptionError(binding, 'option "python" must be a table');
	}
	const unknown = Object.keys(raw).find((key) => !KNOWN_PYTHON.includes(key));
	if (unknown !== undefined) {
		throw new OptionError(binding, `unknown option "python.${unknown}" (known: ${KNOWN_PYTHON.join(", ")})`);
	}
	const { modules, compatibilityFlags = [] } = raw;
	if (!Array.isArray(compatibilityFlags) || !compatibilityFlags.every(isText)) {
		throw new OptionError(binding, 'option "python.compatibilityFlags" must be a list of flags');
	}
	if (modules === undefined) return { compatibilityFlags };
	if (!isText(modules)) throw new OptionError(binding, 'option "python.modules" must be a path');
	const folder = path.resolve(rootPath, modules);
	if (!isFolder(folder)) throw new OptionError(binding, `option "python.modules": there is no folder ${folder}`);
	return { modules: folder, compatibilityFlags };
}

/**
 * Accepts the form of `dispatch_namespaces` (`{service, parameters}`), of the upload API
 * (`{worker: {service}, params: [{name}]}`) and of this plugin (`{script, parameters}`).
 *
 * @param {string} binding
 * @param {any} raw
 * @param {string} rootPath
 * @returns {OutboundOptions | undefined}
 */
function readOutbound(binding, raw, rootPath) {
	if (raw === undefined) return undefined;
	if (typeof raw !== "object" || raw === null) {
		throw new OptionError(binding, 'option "outbound" must be a table');
	}
	const known = ["service", "environment", "parameters", "script", "worker", "params"];
	const unknown = Object.keys(raw).find((key) => !known.includes(key));
	if (unknown !== undefined) {
		throw new OptionError(binding, `unknown option "outbound.${unknown}"`);
	}
	const service = raw.service ?? raw.worker?.service;
	const parameters = raw.parameters ?? raw.params?.map((/** @type {any} */ p) => p?.name ?? p) ?? [];
	if (!Array.isArray(parameters) || parameters.some((name) => typeof name !== "string")) {
		throw new OptionError(binding, 'option "outbound.parameters" must be a list of names');
	}
	if (raw.script !== undefined) {
		if (typeof raw.script !== "string") {
			throw new OptionError(binding, 'option "outbound.script" must be a path');
		}
		return { script: path.resolve(rootPath, raw.script), parameters };
	}
	if (typeof service !== "string" || service === "") {
		throw new OptionError(binding, 'option "outbound" needs "service" or "script"');
	}
	if (parameters.length > 0) {
		throw new OptionError(
			binding,
			'option "outbound.parameters" needs "outbound.script": the env of a Worker that wrangler runs is fixed',
		);
	}
	return { service, parameters };
}

/** @param {unknown} value @returns {value is string} */
function isText(value) {
	return typeof value === "string" && value !== "";
}

/** @param {string} folder */
function isFolder(folder) {
	return statSync(folder, { throwIfNoEntry: false })?.isDirectory() ?? false;
}
