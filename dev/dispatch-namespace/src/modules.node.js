/**
 * Converts the files of a script to modules of workerd.
 */

/**
 * A module as sent to workerd: text as text, bytes as base64.
 * @typedef {{js: string} | {py: string} | {text: string} | {json: unknown} | {data: string} | {wasm: string}} Module
 */

/** @typedef {"js" | "py" | "json" | "text" | "wasm" | "data"} ModuleType */

/** @type {Record<string, ModuleType>} */
const TYPES = {
	".js": "js",
	".mjs": "js",
	".py": "py",
	".json": "json",
	".txt": "text",
	".html": "text",
	".sql": "text",
	".md": "text",
	".css": "text",
	".wasm": "wasm",
	".bin": "data",
};

/** @param {string} fileName Its name or path. */
export function typeOfFile(fileName) {
	const dot = fileName.lastIndexOf(".");
	return dot === -1 ? undefined : TYPES[fileName.slice(dot).toLowerCase()];
}

/**
 * @param {string} moduleName Name of the module, for messages.
 * @param {Buffer} contents
 * @param {ModuleType} [type] By default determined by the name.
 * @returns {Module}
 * @throws {SyntaxError} If a JSON module does not parse.
 */
export function toModule(moduleName, contents, type = typeOfFile(moduleName)) {
	switch (type) {
		case "js":
			return { js: contents.toString("utf8") };
		case "py":
			return { py: contents.toString("utf8") };
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
