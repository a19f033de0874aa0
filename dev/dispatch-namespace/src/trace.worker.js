/**
 * Converts what a Tail Worker gets to JSON with the fields of Cloudflare's tails.
 */

/** Characters of one log message and of one exception's stack. */
const MAX_CHARACTERS = 16_384;

/**
 * @param {string} scriptName
 * @param {any} item A `TraceItem`.
 * @returns {object} Without headers, which have the secrets of callers.
 */
export function toTrace(scriptName, item) {
	const { request, response } = item.event ?? {};
	return {
		scriptName,
		outcome: item.outcome,
		eventTimestamp: item.eventTimestamp,
		event: request && {
			request: { method: request.method, url: request.url },
			response: response && { status: response.status },
		},
		logs: item.logs.map((/** @type {any} */ { level, message, timestamp }) => ({
			level,
			message: message.map(shortened),
			timestamp,
		})),
		exceptions: item.exceptions.map((/** @type {any} */ { name, message, stack, timestamp }) => ({
			name,
			message: shortened(message),
			stack: stack && shortened(withoutOwnFrames(stack)),
			timestamp,
		})),
		truncated: item.truncated || undefined,
	};
}

/** Removes the modules of this plugin, which wrap those of the script. @param {string} stack */
function withoutOwnFrames(stack) {
	const lines = stack.split("\n");
	return lines.filter((line) => !/^\s+at .*\bdispatch-namespace-\w+\.js:/.test(line)).join("\n");
}

/** @param {unknown} value */
function shortened(value) {
	return typeof value === "string" && value.length > MAX_CHARACTERS ? `${value.slice(0, MAX_CHARACTERS)}…` : value;
}
