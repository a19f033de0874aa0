/**
 * A folder of scripts, read afresh whenever it changes.
 *
 * Owns the layout of the folder: which files make up the script NAME, and what
 * version they are. A version is a hash of everything that workerd is given, so
 * that equal contents are equal versions, whatever the clock says. Refuses names
 * that production would not have, which also keeps paths inside the folder.
 */
import { createHash } from "node:crypto";
import { readdir, readFile, stat } from "node:fs/promises";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { CONFIG_FILES, readConfig } from "./config.node.js";
import { toModule, typeOfFile } from "./modules.node.js";

/**
 * @typedef {import("./config.node.js").ScriptConfig} ScriptConfig
 * @typedef {import("./modules.node.js").Module} Module
 *
 * @typedef {object} Script
 * @property {string} version
 * @property {string} mainModule
 * @property {Record<string, Module>} modules
 * @property {ScriptConfig} config
 *
 * @typedef {object} SourceFile
 * @property {string} name Name of the module: the path from the folder, with "/".
 * @property {string} path
 *
 * @typedef {object} Source What belongs to a script, before anything is read.
 * @property {SourceFile[]} files
 * @property {SourceFile} [config]
 * @property {string} prefix "" for a single file, "NAME/" for a folder.
 * @property {string[]} mains Names of the main module, first one wins.
 */

const NAME = /^[a-z0-9][a-z0-9_-]*$/;
const MAX_FILES = 1000;
const MAX_TORN_READS = 5;
const VERSIONS_KEPT = 3;

/** A script that is there but cannot be run; the message says what to mend. */
export class ScriptError extends Error {
	/** @param {string} script @param {string} problem */
	constructor(script, problem) {
		super(`Script "${script}" cannot be loaded: ${problem}`);
		this.name = "ScriptError";
		this.script = script;
	}
}

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
		for (let attempt = 0; ; attempt++) {
			const source = await this.#find(name);
			if (source === undefined) return undefined;
			const signature = await signatureOf(source);
			if (signature !== undefined) {
				const known = this.#current.get(name);
				if (known?.signature === signature) return settle(known.outcome);
				const outcome = await read(name, source);
				// A file that changed while it was read may have been read half old, half
				// new. Such a mixture must not become a version.
				if ((await signatureOf(source)) === signature || attempt === MAX_TORN_READS) {
					return settle(this.#keep(name, signature, outcome));
				}
			}
			if (attempt > MAX_TORN_READS) throw new ScriptError(name, "its files keep changing");
			await delay(5 * 2 ** attempt);
		}
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

	/** @param {string} name @returns {Promise<Source | undefined>} */
	async #find(name) {
		if (!NAME.test(name)) return undefined;
		// The listing, not the file system's own look-up, decides whether a name
		// exists: on some systems that look-up does not tell "a.js" from "A.js".
		const entries = new Set(await readdir(this.root));
		const single = [`${name}.js`, `${name}.mjs`].filter((file) => entries.has(file));
		const isFolder = entries.has(name) && (await isDirectory(path.join(this.root, name)));
		if (single.length + Number(isFolder) > 1) {
			throw new ScriptError(name, `there are several of it: ${[...single, ...(isFolder ? [`${name}/`] : [])].join(", ")}`);
		}
		if (single.length === 1) return this.#singleFile(name, single[0], entries);
		if (isFolder) return this.#folder(name);
		if (entries.has(`${name}.py`)) throw new ScriptError(name, PYTHON);
		return undefined;
	}

	/** @param {string} name @param {string} file @param {Set<string>} entries @returns {Source} */
	#singleFile(name, file, entries) {
		const config = ["toml", "jsonc", "json"].map((ending) => `${name}.${ending}`).find((f) => entries.has(f));
		return {
			files: [{ name: file, path: path.join(this.root, file) }],
			config: config === undefined ? undefined : { name: config, path: path.join(this.root, config) },
			prefix: "",
			mains: [file],
		};
	}

	/** @param {string} name @returns {Promise<Source>} */
	async #folder(name) {
		/** @type {SourceFile[]} */
		const files = [];
		await walk(path.join(this.root, name), name, files);
		if (files.length > MAX_FILES) throw new ScriptError(name, `it has more than ${MAX_FILES} files`);
		const config = CONFIG_FILES.map((file) => `${name}/${file}`).flatMap((f) => files.filter((file) => file.name === f))[0];
		return { files, config, prefix: `${name}/`, mains: [`${name}/index.js`, `${name}/index.mjs`] };
	}
}

const PYTHON = "Python scripts are not supported; write it in JavaScript";

/** @param {Script | ScriptError} outcome */
function settle(outcome) {
	if (outcome instanceof ScriptError) throw outcome;
	return outcome.version;
}

/** @param {string} folder @param {string} prefix @param {SourceFile[]} files */
async function walk(folder, prefix, files) {
	for (const entry of (await readdir(folder, { withFileTypes: true })).sort((a, b) => (a.name < b.name ? -1 : 1))) {
		if (entry.name.startsWith(".") || entry.name === "node_modules" || files.length > MAX_FILES) continue;
		const file = { name: `${prefix}/${entry.name}`, path: path.join(folder, entry.name) };
		const isFolder = entry.isSymbolicLink() ? await isDirectory(file.path) : entry.isDirectory();
		if (isFolder) await walk(file.path, file.name, files);
		// What editors leave lying about is not part of the script.
		else if (isPart(entry.name)) files.push(file);
	}
}

/** @param {string} fileName */
function isPart(fileName) {
	return typeOfFile(fileName) !== undefined || CONFIG_FILES.includes(fileName) || fileName.endsWith(".py");
}

/**
 * @param {Source} source
 * @returns {Promise<string | undefined>} Changes when any file changes;
 *   undefined if one has just gone.
 */
async function signatureOf({ files, config }) {
	const all = config === undefined ? files : [...files, config];
	const stats = await Promise.all(all.map((file) => stat(file.path, { bigint: true }).catch(() => undefined)));
	if (stats.includes(undefined)) return undefined;
	return all.map((file, i) => `${file.name}\0${stats[i]?.size}\0${stats[i]?.mtimeNs}\0${stats[i]?.ctimeNs}\0${stats[i]?.ino}`).join("\n");
}

/** @param {string} name @param {Source} source @returns {Promise<Script | ScriptError>} */
async function read(name, source) {
	try {
		const config = source.config === undefined ? NO_CONFIG : readConfig(source.config.name, await readFile(source.config.path, "utf8"));
		/** @type {Record<string, Module>} */
		const modules = {};
		for (const file of source.files) {
			if (typeOfFile(file.name) === undefined) continue;
			modules[file.name] = toModule(file.name, await readFile(file.path));
		}
		const mains = config.main === undefined ? source.mains : [source.prefix + path.posix.normalize(config.main)];
		const mainModule = mains.find((main) => main in modules && "js" in modules[main]);
		if (mainModule === undefined) return new ScriptError(name, noMain(source, mains));
		const version = createHash("sha256").update(JSON.stringify([mainModule, modules, config])).digest("hex").slice(0, 16);
		return { version, mainModule, modules, config };
	} catch (error) {
		// Whatever is wrong with the files stays wrong until they change, and is
		// remembered with their signature; a file that went away is looked for again.
		return new ScriptError(name, /** @type {Error} */ (error).message);
	}
}

/** @type {ScriptConfig} */
const NO_CONFIG = { compatibilityFlags: [], vars: {}, kv: {} };

/** @param {Source} source @param {string[]} mains */
function noMain(source, mains) {
	const [wanted] = mains;
	if (wanted.endsWith(".py") || source.files.some((file) => file.name === `${source.prefix}index.py`)) return PYTHON;
	if (wanted.endsWith(".ts")) return `its main module ${wanted} is TypeScript; name the JavaScript that it is built to`;
	return `it has no ${mains.join(" or ")}`;
}

/** @param {string} folder */
async function isDirectory(folder) {
	return (await stat(folder).catch(() => undefined))?.isDirectory() ?? false;
}
