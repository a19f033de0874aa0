/**
 * Reads the scripts of folders, and again when they change.
 *
 * A version is a hash of everything that workerd gets, so equal contents have equal versions,
 * regardless of file times.
 */
import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { readConfig } from "./config.node.js";
import { toModule, typeOfFile } from "./modules.node.js";
import { isPython, pythonFiles } from "./python.node.js";
import { findSource, missingMainMessage, ScriptError, signatureOf } from "./source.node.js";

/**
 * @typedef {import("./config.node.js").ScriptConfig} ScriptConfig
 * @typedef {import("./modules.node.js").Module} Module
 * @typedef {import("./source.node.js").Source} Source
 * @typedef {import("./source.node.js").SourceFile} SourceFile
 *
 * @typedef {object} Script
 * @property {string} version
 * @property {string} mainModule
 * @property {Record<string, Module>} modules
 * @property {ScriptConfig} config
 */

const MAX_READ_ATTEMPTS = 5;
const VERSIONS_KEPT = 3;
/** How long files must be unchanged before they are used: editors often truncate a file and
 * then write it. */
const SETTLED_MS = 20;
/** The same for an empty script, which is usually a file that is just being written. */
const SETTLED_EMPTY_MS = 1000;

class EmptyScriptError extends ScriptError {}

export class ScriptFolders {
	/** @type {Map<string, {signature: string, outcome: Script | ScriptError}>} */
	#current = new Map();
	/** @type {Map<string, Script[]>} newest first */
	#recent = new Map();

	/**
	 * @param {string[]} roots Absolute paths of the folders; the first one that has a script is used.
	 * @param {string} [pythonModules] Absolute path of the folder of packages for Python scripts.
	 */
	constructor(roots, pythonModules) {
		this.roots = roots;
		this.pythonModules = pythonModules;
	}

	/**
	 * @param {string} name
	 * @returns {Promise<string | undefined>} The current version of the script on disk;
	 *   undefined if it does not exist.
	 * @throws {ScriptError} If it exists but cannot be run.
	 */
	async version(name) {
		const known = this.#current.get(name);
		/** @type {Script | ScriptError} */
		let unsettled = new ScriptError(name, "its files keep changing");
		for (let attempt = 0; attempt < MAX_READ_ATTEMPTS; attempt++) {
			const source = await this.#find(name);
			if (source === undefined) return undefined;
			const signature = await signatureOf(source);
			if (signature !== undefined) {
				if (known?.signature === signature.text) return versionOrThrow(known.outcome);
				const outcome = await read(name, source, this.pythonModules);
				const settledMs = outcome instanceof EmptyScriptError ? SETTLED_EMPTY_MS : SETTLED_MS;
				const isSettled = Math.abs(Date.now() - signature.changedAt) >= settledMs;
				// If a file changed while it was read, the result may be partly old, and
				// must not become a version.
				if (isSettled && (await signatureOf(source))?.text === signature.text) {
					return versionOrThrow(this.#remember(name, signature.text, outcome));
				}
				if (outcome instanceof ScriptError) unsettled = outcome;
			}
			await delay(SETTLED_MS + 1);
		}
		return versionOrThrow(known?.outcome ?? unsettled);
	}

	/**
	 * @param {string} name
	 * @param {string} version A version that `version()` returned recently.
	 * @returns {Script | undefined}
	 */
	script(name, version) {
		return this.#recent.get(name)?.find((script) => script.version === version);
	}

	/**
	 * A missing folder counts as empty, unless all folders are missing.
	 *
	 * @param {string} name
	 */
	async #find(name) {
		const listings = await Promise.allSettled(this.roots.map((root) => readdir(root)));
		const failed = listings.filter((listing) => listing.status === "rejected").map(({ reason }) => reason);
		const fatal = failed.find(({ code }) => code !== "ENOENT") ?? (failed.length === listings.length && failed[0]);
		if (fatal) throw fatal;
		for (const [i, listing] of listings.entries()) {
			const entries = new Set(listing.status === "fulfilled" ? listing.value : []);
			const source = await findSource(this.roots[i], entries, name);
			if (source !== undefined) return source;
		}
		return undefined;
	}

	/** @param {string} name @param {string} signature @param {Script | ScriptError} outcome */
	#remember(name, signature, outcome) {
		this.#current.set(name, { signature, outcome });
		if (!(outcome instanceof ScriptError)) {
			const others = (this.#recent.get(name) ?? []).filter((s) => s.version !== outcome.version);
			this.#recent.set(name, [outcome, ...others].slice(0, VERSIONS_KEPT));
		}
		return outcome;
	}
}

/** @param {Script | ScriptError} outcome */
function versionOrThrow(outcome) {
	if (outcome instanceof ScriptError) throw outcome;
	return outcome.version;
}

/**
 * @param {string} name
 * @param {Source} source
 * @param {string} [pythonModules]
 * @returns {Promise<Script | ScriptError>}
 */
async function read(name, source, pythonModules) {
	try {
		const config =
			source.config === undefined
				? NO_CONFIG
				: readConfig(source.config.name, await readFile(source.config.path, "utf8"));
		const mains = config.main === undefined ? source.mains : [source.prefix + path.posix.normalize(config.main)];
		const main = mains.map((name) => source.files.find((file) => file.name === name && isCode(file))).find(Boolean);
		if (main === undefined) return new ScriptError(name, missingMainMessage(mains));
		const python = isPython(main.name);
		const files = python ? await pythonFiles(source, main, pythonModules) : source.files.filter(isForJavaScript);
		/** @type {Record<string, Module>} */
		const modules = {};
		for (const file of files) modules[file.name] = toModule(file.name, await readFile(file.path), file.type);
		const mainModule = python ? path.posix.basename(main.name) : main.name;
		if (codeOf(modules[mainModule]).trim() === "")
			return new EmptyScriptError(name, `its main module ${main.name} is empty`);
		const version = createHash("sha256")
			.update(JSON.stringify([mainModule, modules, config]))
			.digest("hex")
			.slice(0, 16);
		return { version, mainModule, modules, config };
	} catch (error) {
		// The error is valid until the files change, so it is stored with their signature. If a
		// file was removed, the signature differs and the script is read again.
		return new ScriptError(name, /** @type {Error} */ (error).message);
	}
}

/** @param {Module} module */
const codeOf = (module) => ("js" in module ? module.js : "py" in module ? module.py : "");

/** @param {SourceFile} file */
const isCode = ({ name }) => ["js", "py"].includes(typeOfFile(name) ?? "");

/** @param {SourceFile} file */
const isForJavaScript = ({ name }) => ![undefined, "py"].includes(typeOfFile(name));

/** @type {ScriptConfig} */
const NO_CONFIG = { compatibilityFlags: [], vars: {}, kv: {} };
