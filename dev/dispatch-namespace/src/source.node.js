/**
 * Finds the files of a script in a folder of scripts.
 *
 * Names that are invalid in production are rejected, which also keeps every path inside the
 * folder.
 */
import { readdir, stat } from "node:fs/promises";
import path from "node:path";
import { CONFIG_FILES } from "./config.node.js";
import { typeOfFile } from "./modules.node.js";

/**
 * @typedef {object} SourceFile
 * @property {string} name Name of the module: the path from the folder, with "/".
 * @property {string} path
 * @property {import("./modules.node.js").ModuleType} [type] By default determined by the name.
 *
 * @typedef {object} Source The files of a script, not yet read.
 * @property {SourceFile[]} files
 * @property {SourceFile} [config]
 * @property {string} prefix "" for a single file, "NAME/" for a folder.
 * @property {string[]} mains Possible names of the main module; the first existing one is used.
 */

const NAME = /^[a-z0-9][a-z0-9_-]*$/;
const MAX_FILES = 1000;
const IGNORED = new Set(["node_modules", "__pycache__"]);
/** Endings of a main module. */
const MAIN_ENDINGS = ["js", "mjs", "py"];

/** A script that exists but cannot be run; the message says what to correct. */
export class ScriptError extends Error {
	/** @param {string} script @param {string} problem */
	constructor(script, problem) {
		super(`Script "${script}" cannot be loaded: ${problem}`);
		this.name = "ScriptError";
		this.script = script;
	}
}

/**
 * Whether a name exists is checked in the listing, because some file systems do not
 * distinguish "a.js" from "A.js".
 *
 * @param {string} root Absolute path of the folder of scripts.
 * @param {Set<string>} entries The names in that folder.
 * @param {string} name
 * @returns {Promise<Source | undefined>} undefined if the script does not exist.
 * @throws {ScriptError} If the name is ambiguous, or is not a script.
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
 * Adds the files below a folder, ordered by name.
 *
 * @param {string} folder
 * @param {string} prefix The prefix of their names.
 * @param {SourceFile[]} files
 * @param {(file: SourceFile) => boolean} isWanted
 */
export async function walk(folder, prefix, files, isWanted) {
	let entries;
	try {
		entries = await readdir(folder, { withFileTypes: true });
	} catch (error) {
		if (/** @type {NodeJS.ErrnoException} */ (error).code !== "ENOENT") throw error;
		// Removed since it was listed. It has no signature, so the script is read again.
		files.push({ name: prefix, path: folder });
		return;
	}
	for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
		if (entry.name.startsWith(".") || IGNORED.has(entry.name) || files.length > MAX_FILES) continue;
		const file = { name: `${prefix}/${entry.name}`, path: path.join(folder, entry.name) };
		// A dangling link is ignored; a script that imports it fails with a clear message.
		const target = entry.isSymbolicLink() ? await stat(file.path).catch(() => undefined) : entry;
		if (target === undefined) continue;
		if (target.isDirectory()) await walk(file.path, file.name, files, isWanted);
		else if (isWanted(file)) files.push(file);
	}
}

/**
 * Files of unknown types, such as backups of editors, are ignored, except in Python packages.
 *
 * @param {SourceFile} file
 */
function isPart({ name }) {
	const fileName = path.posix.basename(name);
	return typeOfFile(name) !== undefined || CONFIG_FILES.includes(fileName) || name.includes("/python_modules/");
}

/**
 * @param {Source} source
 * @returns {Promise<{text: string, changedAt: number} | undefined>} A text that changes with
 *   any file, and the time of the last change in milliseconds since the epoch; undefined if a
 *   file was just removed.
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

/** @param {string[]} mains The names that do not exist. */
export function missingMainMessage(mains) {
	const [wanted] = mains;
	if (wanted.endsWith(".ts")) return `its main module ${wanted} is TypeScript; name the JavaScript that it is built to`;
	return `it has no ${mains.join(" or ")}`;
}

/** @param {string} folder */
async function isDirectory(folder) {
	return (await stat(folder).catch(() => undefined))?.isDirectory() ?? false;
}
