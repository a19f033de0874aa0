/**
 * Puts a module of this plugin's own in front of a script's main module.
 */

/** Names that a script's own modules, which begin with its name, cannot have. */
const MAIN = "dispatch-namespace-main.js";
const FRONT = "dispatch-namespace-front.js";
const SETTINGS = "dispatch-namespace-settings.json";

/**
 * @param {any} code Code for the loader.
 * @param {string} front Source of a module that exports `front`, a function from
 *   the script's default export to what takes its place. It is evaluated before
 *   any module of the script.
 * @param {unknown} settings What that module imports as its settings.
 */
export function withFront(code, front, settings) {
	const path = JSON.stringify(`./${code.mainModule}`);
	return {
		...code,
		mainModule: MAIN,
		modules: {
			...code.modules,
			[SETTINGS]: { json: settings },
			[FRONT]: { js: front },
			[MAIN]: {
				js: [
					`import { front } from "./${FRONT}";`,
					`import * as script from ${path};`,
					`export * from ${path};`,
					"export default front(script.default);",
				].join("\n"),
			},
		},
	};
}
