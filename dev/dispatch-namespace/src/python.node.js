/**
 * Determines the modules of a Python script.
 *
 * As in wrangler's uploads, module names are relative to the folder of the main module, and
 * packages are in `python_modules/` beside the configuration.
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
 * @param {string} [shared] Absolute path of a folder of packages for a script without its own
 *   package `workers`.
 * @returns {Promise<SourceFile[]>} The files, with their module names in workerd.
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
 * Other files than Python in a package are data, except for the JavaScript of the SDK, which
 * it imports.
 *
 * @param {SourceFile} file
 * @returns {SourceFile}
 */
function inPackages(file) {
	const type = typeOfFile(file.name);
	const isModule = type === "py" || (type === "js" && file.name.startsWith(SDK));
	return { ...file, type: isModule ? type : "data" };
}
