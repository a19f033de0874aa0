/**
 * Which modules a Python script is made of.
 *
 * Owns their names: as wrangler uploads them, a script's modules are named from the
 * folder of its main module, and its packages lie in `python_modules/` beside its
 * configuration.
 */
import path from "node:path";
import { typeOfFile } from "./modules.node.js";
import { walk } from "./source.node.js";

/**
 * @typedef {import("./source.node.js").Source} Source
 * @typedef {import("./source.node.js").SourceFile} SourceFile
 */

const PACKAGES = "python_modules/";
const SDK = `${PACKAGES}workers/`;

/** @param {string} fileName */
export const isPython = (fileName) => typeOfFile(fileName) === "py";

/**
 * @param {Source} source
 * @param {SourceFile} main One of its files.
 * @param {string} [shared] Absolute path of a folder of packages, for a script that
 *   has no package `workers` of its own.
 * @returns {Promise<SourceFile[]>} With the names that the modules have in workerd.
 */
export async function pythonFiles(source, main, shared) {
	const folder = main.name.slice(0, main.name.length - path.posix.basename(main.name).length);
	const packages = source.files.filter(({ name }) => name.startsWith(source.prefix + PACKAGES));
	const own = source.files.filter((file) => file.name.startsWith(folder) && !packages.includes(file));
	const files = [
		...packages.map((file) => inPackages({ ...file, name: file.name.slice(source.prefix.length) })),
		...own
			.map((file) => ({ ...file, name: file.name.slice(folder.length) }))
			.filter(({ name }) => typeOfFile(name) !== undefined),
	];
	if (shared === undefined || files.some(({ name }) => name.startsWith(SDK))) return files;
	/** @type {SourceFile[]} */
	const more = [];
	await walk(shared, PACKAGES.slice(0, -1), more, () => true);
	const taken = new Set(files.map(({ name }) => name));
	return [...files, ...more.map(inPackages).filter(({ name }) => !taken.has(name))];
}

/**
 * What a package brings besides Python is there to be opened as a file, but for the
 * JavaScript of the SDK, which it imports.
 *
 * @param {SourceFile} file
 * @returns {SourceFile}
 */
function inPackages(file) {
	const type = typeOfFile(file.name);
	const isModule = type === "py" || (type === "js" && file.name.startsWith(SDK));
	return { ...file, type: isModule ? type : "data" };
}
