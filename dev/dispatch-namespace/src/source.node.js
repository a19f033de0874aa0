/**
 * Which files make up the script NAME.
 *
 * Owns the layout of the folder. Refuses names that production would not have,
 * which also keeps every path inside the folder.
 */
import { readdir, stat } from "node:fs/promises";
import path from "node:path";
import { CONFIG_FILES } from "./config.node.js";
import { typeOfFile } from "./modules.node.js";

/**
 * @typedef {object} SourceFile
 * @property {string} name Name of the module: the path from the folder, with "/".
 * @property {string} path
 * @property {import("./modules.node.js").ModuleType} [type] By its name where left out.
 *
 * @typedef {object} Source What belongs to a script, before anything is read.
 * @property {SourceFile[]} files
 * @property {SourceFile} [config]
 * @property {string} prefix "" for a single file, "NAME/" for a folder.
 * @property {string[]} mains Names of the main module, first one wins.
 */

const NAME = /^[a-z0-9][a-z0-9_-]*$/;
const MAX_FILES = 1000;
const PASSED_OVER = new Set(["node_modules", "__pycache__"]);
/** Endings of a main module, and the names of one that the configuration does not name. */
const MAIN_ENDINGS = ["js", "mjs", "py"];

/** A script that is there but cannot be run; the message says what to mend. */
export class ScriptError extends Error {
	/** @param {string} script @param {string} problem */
	constructor(script, problem) {
		super(`Script "${script}" cannot be loaded: ${problem}`);
		this.name = "ScriptError";
		this.script = script;
	}
}

/**
 * The listing, not the file system's own look-up, decides whether a name exists: on
 * some systems that look-up does not tell "a.js" from "A.js".
 *
 * @param {string} root Absolute path of the folder of scripts.
 * @param {Set<string>} entries What is in that folder.
 * @param {string} name
 * @returns {Promise<Source | undefined>} undefined if there is no such script.
 * @throws {ScriptError} If there is something of that name that is no script.
 */
export async function findSource(root, entries, name) {
	if (!NAME.test(name)) return undefined;
	const single = MAIN_ENDINGS.map((ending) => `${name}.${ending}`).filter((file) => entries.has(file));
	const isFolder = entries.has(name) && (await isDirectory(path.join(root, name)));
	if (single.length + Number(isFolder) > 1) {
		throw new ScriptError(
			name,
			`there are several of it: ${[...single, ...(isFolder ? [`${name}/`] : [])].join(", ")}`,
		);
	}
	if (single.length === 1) return singleFile(root, name, single[0], entries);
	if (isFolder) return folder(root, name);
	return undefined;
}

/** @param {string} root @param {string} name @param {string} file @param {Set<string>} entries @returns {Source} */
function singleFile(root, name, file, entries) {
	const config = ["toml", "jsonc", "json"].map((ending) => `${name}.${ending}`).find((f) => entries.has(f));
	return {
		files: [{ name: file, path: path.join(root, file) }],
		config: config === undefined ? undefined : { name: config, path: path.join(root, config) },
		prefix: "",
		mains: [file],
	};
}

/** @param {string} root @param {string} name @returns {Promise<Source>} */
async function folder(root, name) {
	/** @type {SourceFile[]} */
	const files = [];
	await walk(path.join(root, name), name, files, isPart);
	if (files.length > MAX_FILES) throw new ScriptError(name, `it has more than ${MAX_FILES} files`);
	const config = CONFIG_FILES.map((config) => files.find((file) => file.name === `${name}/${config}`)).find(Boolean);
	return { files, config, prefix: `${name}/`, mains: MAIN_ENDINGS.map((ending) => `${name}/index.${ending}`) };
}

/**
 * Adds the files below a folder, in the order of their names.
 *
 * @param {string} folder
 * @param {string} prefix What their names begin with.
 * @param {SourceFile[]} files
 * @param {(file: SourceFile) => boolean} isWanted
 */
export async function walk(folder, prefix, files, isWanted) {
	let entries;
	try {
		entries = await readdir(folder, { withFileTypes: true });
	} catch (error) {
		if (/** @type {NodeJS.ErrnoException} */ (error).code !== "ENOENT") throw error;
		// Gone since it was listed. It has no signature either, so all is looked at again.
		files.push({ name: prefix, path: folder });
		return;
	}
	for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
		if (entry.name.startsWith(".") || PASSED_OVER.has(entry.name) || files.length > MAX_FILES) continue;
		const file = { name: `${prefix}/${entry.name}`, path: path.join(folder, entry.name) };
		// A link to nothing is no file; the script that imports it will say so.
		const target = entry.isSymbolicLink() ? await stat(file.path).catch(() => undefined) : entry;
		if (target === undefined) continue;
		if (target.isDirectory()) await walk(file.path, file.name, files, isWanted);
		else if (isWanted(file)) files.push(file);
	}
}

/**
 * What editors leave lying about is not part of a script; whatever a Python package
 * brought is.
 *
 * @param {SourceFile} file
 */
function isPart({ name }) {
	const fileName = path.posix.basename(name);
	return typeOfFile(name) !== undefined || CONFIG_FILES.includes(fileName) || name.includes("/python_modules/");
}

/**
 * @param {Source} source
 * @returns {Promise<{text: string, changedAt: number} | undefined>} A text that
 *   changes when any file does, and when the last one did, in milliseconds since
 *   the epoch; undefined if a file has just gone.
 */
export async function signatureOf({ files, config }) {
	const all = config === undefined ? files : [...files, config];
	const lines = [];
	let changedAt = 0;
	for (const file of all) {
		const stats = await stat(file.path, { bigint: true }).catch(() => undefined);
		if (stats === undefined) return undefined;
		const { size, mtimeNs, ctimeNs, ino, ctimeMs } = stats;
		lines.push([file.path, size, mtimeNs, ctimeNs, ino].join("\0"));
		changedAt = Math.max(changedAt, Number(ctimeMs));
	}
	return { text: lines.join("\n"), changedAt };
}

/** @param {string[]} mains What was looked for. */
export function whyNoMain(mains) {
	const [wanted] = mains;
	if (wanted.endsWith(".ts")) return `its main module ${wanted} is TypeScript; name the JavaScript that it is built to`;
	return `it has no ${mains.join(" or ")}`;
}

/** @param {string} folder */
async function isDirectory(folder) {
	return (await stat(folder).catch(() => undefined))?.isDirectory() ?? false;
}
