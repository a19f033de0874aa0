/** Builds JSON responses, error responses and conditional responses. */
import { dataset } from "./dataset.js";

const ETAG = `"${dataset.version}"`;

/**
 * @param {unknown} body
 * @param {Record<string, string>} [headers]
 */
export function json(body, headers = {}) {
	return new Response(JSON.stringify(body), {
		headers: { ...SHARED, "cache-control": dataset.cacheControl, etag: ETAG, ...headers },
	});
}

/**
 * @param {number} status
 * @param {string} error
 * @param {string} message
 * @param {Record<string, unknown>} [more]
 * @param {Record<string, string>} [headers]
 */
export function problem(status, error, message, more = {}, headers = {}) {
	const body = JSON.stringify({ ok: false, error, message, ...more });
	return new Response(body, { status, headers: { ...SHARED, "cache-control": "no-store", ...headers } });
}

/**
 * Whether the caller already has this version of the dataset. Responses depend on the dataset and the
 * URL only, so all of them share one entity tag.
 *
 * @param {Request} request
 */
export function notModified(request) {
	const known = request.headers.get("if-none-match");
	if (known === null) return false;
	return known.split(",").some((tag) => tag.trim() === "*" || tag.trim().replace(/^W\//, "") === ETAG);
}

const SHARED = { "content-type": "application/json; charset=utf-8", "access-control-allow-origin": "*" };
