/**
 * Folders of scripts, read afresh whenever they change.
 *
 * Owns versions. A version is a hash of everything that workerd is given, so that
 * equal contents are equal versions, whatever the clock says.
 */
import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { readConfig } from "./config.node.js";
import { toModule, typeOfFile } from "./modules.node.js";
import { isPython, pythonFiles } from "./python.node.js";
import { findSource, ScriptError, signatureOf, whyNoMain } from "./source.node.js";

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

const MAX_TORN_READS = 5;
const VERSIONS_KEPT = 3;
/** How long files must have been left alone before they are believed. Saving
 * often means emptying a file and then filling it. */
const SETTLED_MS = 20;
/** The same for an empty script, which is hardly ever meant, on a busy machine. */
const SETTLED_EMPTY_MS = 1000;

class EmptyScriptError extends ScriptError {}

export class ScriptFolders {
	/** @type {Map<string, {signature: string, outcome: Script | ScriptError}>} */
	#current = new Map();
	/** @type {Map<string, Script[]>} newest first */
	#recent = new Map();

	/**
	 * @param {string[]} roots Absolute paths of the folders, the first that holds a script wins.
	 * @param {string} [pythonModules] Absolute path of the folder of packages for Python scripts.
	 */
	constructor(roots, pythonModules) {
		this.roots = roots;
		this.pythonModules = pythonModules;
	}

	/**
	 * @param {string} name
	 * @returns {Promise<string | undefined>} The version of the script as it is
	 *   on disk now; undefined if there is none of this name.
	 * @throws {ScriptError} If it is there but cannot be run.
	 */
	async version(name) {
		const known = this.#current.get(name);
		/** @type {Script | ScriptError} */
		let unsettled = new ScriptError(name, "its files keep changing");
		for (let attempt = 0; attempt < MAX_TORN_READS; attempt++) {
			const source = await this.#find(name);
			if (source === undefined) return undefined;
			const signature = await signatureOf(source);
			if (signature !== undefined) {
				if (known?.signature === signature.text) return settle(known.outcome);
				const outcome = await read(name, source, this.pythonModules);
				const settledMs = outcome instanceof EmptyScriptError ? SETTLED_EMPTY_MS : SETTLED_MS;
				const isSettled = Math.abs(Date.now() - signature.changedAt) >= settledMs;
				// A file that changed while it was read may have been read half old, half
				// new. Such a mixture must not become a version.
				if (isSettled && (await signatureOf(source))?.text === signature.text) {
					return settle(this.#keep(name, signature.text, outcome));
				}
				if (outcome instanceof ScriptError) unsettled = outcome;
			}
			await delay(SETTLED_MS + 1);
		}
		return settle(known?.outcome ?? unsettled);
	}

	/**
	 * @param {string} name
	 * @param {string} version As `version()` has returned it lately.
	 * @returns {Script | undefined}
	 */
	script(name, version) {
		return this.#recent.get(name)?.find((script) => script.version === version);
	}

	/**
	 * A folder that is not there holds nothing, unless none of them is there.
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
	#keep(name, signature, outcome) {
		this.#current.set(name, { signature, outcome });
		if (!(outcome instanceof ScriptError)) {
			const others = (this.#recent.get(name) ?? []).filter((s) => s.version !== outcome.version);
			this.#recent.set(name, [outcome, ...others].slice(0, VERSIONS_KEPT));
		}
		return outcome;
	}
}

/** @param {Script | ScriptError} outcome */
function settle(outcome) {
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
		if (main === undefined) return new ScriptError(name, whyNoMain(mains));
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
		// Whatever is wrong with the files stays wrong until they change, and is
		// remembered with their signature; a file that went away is looked for again.
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
