/**
 * Parses and validates the configuration of a script.
 *
 * Unsupported bindings are an error, because a script without its binding would fail later and
 * less clearly.
 */
import { parse as parseJsonc, printParseErrorCode } from "jsonc-parser";
import { parse as parseToml } from "smol-toml";

/**
 * @typedef {object} ScriptConfig
 * @property {string} [main] Main module, relative to the script's folder.
 * @property {string} [compatibilityDate]
 * @property {string[]} compatibilityFlags
 * @property {Record<string, unknown>} vars
 * @property {Record<string, string>} kv Binding name to namespace id.
 */

/** Names of configuration files in a script's folder; the first existing one is used. */
export const CONFIG_FILES = ["wrangler.toml", "wrangler.jsonc", "wrangler.json", "config.json"];

/** Keys of a wrangler configuration for unsupported bindings. */
const UNSUPPORTED = [
	"ai",
	"analytics_engine_datasets",
	"assets",
	"browser",
	"d1_databases",
	"dispatch_namespaces",
	"durable_objects",
	"hyperdrive",
	"mtls_certificates",
	"pipelines",
	"queues",
	"r2_buckets",
	"ratelimits",
	"secrets_store_secrets",
	"send_email",
	"services",
	"vectorize",
	"workflows",
];

/** An invalid configuration in the file `fileName`. */
export class ConfigError extends Error {
	/** @param {string} fileName @param {string} problem */
	constructor(fileName, problem) {
		super(`${fileName}: ${problem}`);
		this.name = "ConfigError";
		this.fileName = fileName;
	}
}

/**
 * @param {string} fileName Name for messages; its ending determines the parser.
 * @param {string} text
 * @returns {ScriptConfig}
 * @throws {ConfigError}
 */
export function readConfig(fileName, text) {
	const raw = fileName.endsWith(".toml") ? readToml(fileName, text) : readJson(fileName, text);
	const unsupported = UNSUPPORTED.find((key) => raw[key] !== undefined);
	if (unsupported !== undefined) {
		throw new ConfigError(fileName, `"${unsupported}" is not supported here (vars and kv_namespaces are)`);
	}
	return {
		main: optional(fileName, raw, "main", isString, "a string"),
		compatibilityDate: optional(fileName, raw, "compatibility_date", isDate, "a date such as 2026-01-31"),
		compatibilityFlags: optional(fileName, raw, "compatibility_flags", isStrings, "a list of strings") ?? [],
		vars: optional(fileName, raw, "vars", isTable, "a table") ?? {},
		kv: readKv(fileName, optional(fileName, raw, "kv_namespaces", Array.isArray, "a list of tables") ?? []),
	};
}

/** @param {string} fileName @param {any[]} list */
function readKv(fileName, list) {
	/** @type {Record<string, string>} */
	const kv = {};
	for (const entry of list) {
		if (!isString(entry?.binding)) {
			throw new ConfigError(fileName, 'each of "kv_namespaces" needs "binding"');
		}
		// As in wrangler, local state uses the preview id if there is one.
		const id = entry.preview_id ?? entry.id ?? entry.binding;
		if (!isString(id)) {
			throw new ConfigError(fileName, `the id of KV namespace "${entry.binding}" must be a string`);
		}
		kv[entry.binding] = id;
	}
	return kv;
}

/** @param {string} fileName @param {string} text @returns {Record<string, any>} */
function readToml(fileName, text) {
	try {
		return parseToml(text);
	} catch (error) {
		throw new ConfigError(fileName, firstLine(/** @type {Error} */ (error).message));
	}
}

/** @param {string} fileName @param {string} text @returns {Record<string, any>} */
function readJson(fileName, text) {
	/** @type {import("jsonc-parser").ParseError[]} */
	const errors = [];
	const value = parseJsonc(text, errors, { allowTrailingComma: true });
	if (errors.length > 0) {
		const line = text.slice(0, errors[0].offset).split("\n").length;
		throw new ConfigError(fileName, `${printParseErrorCode(errors[0].error)} in line ${line}`);
	}
	if (!isTable(value)) throw new ConfigError(fileName, "must contain an object");
	return value;
}

/**
 * @param {string} fileName
 * @param {Record<string, any>} raw
 * @param {string} key
 * @param {(value: any) => boolean} isValid
 * @param {string} expected
 */
function optional(fileName, raw, key, isValid, expected) {
	const value = raw[key];
	if (value === undefined) return undefined;
	if (!isValid(value)) throw new ConfigError(fileName, `"${key}" must be ${expected}`);
	return value;
}

const isString = (/** @type {unknown} */ value) => typeof value === "string" && value !== "";
const isDate = (/** @type {unknown} */ value) => typeof value === "string" && /^\d{4}-\d{2}-\d{2}$/.test(value);
const isStrings = (/** @type {unknown} */ value) => Array.isArray(value) && value.every(isString);
const isTable = (/** @type {unknown} */ value) => typeof value === "object" && value !== null && !Array.isArray(value);
const firstLine = (/** @type {string} */ text) => text.split("\n", 1)[0];
