/**
 * How the files of a script become modules of workerd.
 *
 * Owns the table from a file's ending to a module's type.
 */

/**
 * A module as it travels to workerd: text as text, bytes as base64.
 * @typedef {{js: string} | {text: string} | {json: unknown} | {data: string} | {wasm: string}} Module
 */

/** @type {Record<string, "js" | "json" | "text" | "wasm" | "data">} */
const TYPES = {
	".js": "js",
	".mjs": "js",
	".json": "json",
	".txt": "text",
	".html": "text",
	".sql": "text",
	".md": "text",
	".css": "text",
	".wasm": "wasm",
	".bin": "data",
};

/** @param {string} fileName */
export function typeOfFile(fileName) {
	const dot = fileName.lastIndexOf(".");
	return dot === -1 ? undefined : TYPES[fileName.slice(dot).toLowerCase()];
}

/**
 * @param {string} moduleName Name of the module, for messages.
 * @param {Buffer} contents
 * @returns {Module}
 * @throws {SyntaxError} If a JSON module does not parse.
 */
export function toModule(moduleName, contents) {
	switch (typeOfFile(moduleName)) {
		case "js":
			return { js: contents.toString("utf8") };
		case "text":
			return { text: contents.toString("utf8") };
		case "json":
			try {
				return { json: JSON.parse(contents.toString("utf8")) };
			} catch (error) {
				throw new SyntaxError(`${moduleName}: ${/** @type {Error} */ (error).message}`);
			}
		case "wasm":
			return { wasm: contents.toString("base64") };
		default:
			return { data: contents.toString("base64") };
	}
}
