/**
 * Puts a script behind the module that keeps its limits.
 */
import limiter from "limiter.script.txt";

/** Module names that a script's own, which begin with its name, cannot have. */
const MAIN = "dispatch-namespace-main.js";
const LIMITER = "dispatch-namespace-limiter.js";
const LIMITS = "dispatch-namespace-limits.json";

/**
 * @param {any} code Code for the loader.
 * @param {{cpuMs?: number, subRequests?: number} | undefined} limits
 * @param {string[]} kvBindings Names of the bindings whose calls are subrequests.
 */
export function withLimits(code, limits, kvBindings) {
	if (limits === undefined) return code;
	const path = JSON.stringify(`./${code.mainModule}`);
	const flags = code.compatibilityFlags;
	const hasStorage = flags.some((/** @type {string} */ flag) => flag === "nodejs_compat" || flag === "nodejs_als");
	return {
		...code,
		compatibilityFlags: hasStorage ? flags : [...flags, "nodejs_als"],
		mainModule: MAIN,
		modules: {
			...code.modules,
			[LIMITS]: { json: { limits, kvBindings } },
			[LIMITER]: { js: limiter },
			// The limiter comes first, so that the script never sees the plain fetch.
			[MAIN]: {
				js: [
					`import { limited } from "./${LIMITER}";`,
					`import * as script from ${path};`,
					`export * from ${path};`,
					"export default limited(script.default);",
				].join("\n"),
			},
		},
	};
}
