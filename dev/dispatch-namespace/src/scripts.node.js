/**
 * A folder of scripts, read afresh whenever it changes.
 *
 * Owns versions. A version is a hash of everything that workerd is given, so that
 * equal contents are equal versions, whatever the clock says.
 */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { readConfig } from "./config.node.js";
import { toModule, typeOfFile } from "./modules.node.js";
import { findSource, ScriptError, signatureOf, whyNoMain } from "./source.node.js";

/**
 * @typedef {import("./config.node.js").ScriptConfig} ScriptConfig
 * @typedef {import("./modules.node.js").Module} Module
 * @typedef {import("./source.node.js").Source} Source
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

export class ScriptFolder {
	/** @type {Map<string, {signature: string, outcome: Script | ScriptError}>} */
	#current = new Map();
	/** @type {Map<string, Script[]>} newest first */
	#recent = new Map();

	/** @param {string} root Absolute path of the folder. */
	constructor(root) {
		this.root = root;
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
			const source = await findSource(this.root, name);
			if (source === undefined) return undefined;
			const signature = await signatureOf(source);
			if (signature !== undefined) {
				if (known?.signature === signature.text) return settle(known.outcome);
				const outcome = await read(name, source);
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

/** @param {string} name @param {Source} source @returns {Promise<Script | ScriptError>} */
async function read(name, source) {
	try {
		const config =
			source.config === undefined
				? NO_CONFIG
				: readConfig(source.config.name, await readFile(source.config.path, "utf8"));
		/** @type {Record<string, Module>} */
		const modules = {};
		for (const file of source.files) {
			if (typeOfFile(file.name) === undefined) continue;
			modules[file.name] = toModule(file.name, await readFile(file.path));
		}
		const mains = config.main === undefined ? source.mains : [source.prefix + path.posix.normalize(config.main)];
		const mainModule = mains.find((main) => main in modules && "js" in modules[main]);
		if (mainModule === undefined) return new ScriptError(name, whyNoMain(source, mains));
		const main = modules[mainModule];
		if ("js" in main && main.js.trim() === "")
			return new EmptyScriptError(name, `its main module ${mainModule} is empty`);
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

/** @type {ScriptConfig} */
const NO_CONFIG = { compatibilityFlags: [], vars: {}, kv: {} };
