/**
 * Forwards requests to another server's API, and maps its failures to error responses.
 *
 * The address of every request is checked before it is sent, including those of redirects.
 */
import { readBounded, TooLarge } from "./bodies.js";
import { cached, store } from "./cache.js";
import { isCacheable, requestHeaders, responseHeaders } from "./headers.js";
import { joined } from "./joining.js";
import { openapi } from "./openapi.js";
import { settings } from "./settings.js";
import { whyRefused } from "./target.js";

const REDIRECTS_MAX = 5;
const REDIRECTS = [301, 302, 303, 307, 308];
const WITHOUT_BODY = [101, 204, 205, 304];

/** A failure of the target; the caller gets `status`, `code` and `message`. */
class UpstreamProblem extends Error {
	/** @param {number} status @param {string} code @param {string} message @param {object} [more] */
	constructor(status, code, message, more = {}) {
		super(message);
		Object.assign(this, { status, code, more });
		this.status = status;
		this.code = code;
		this.more = more;
	}
}

export default {
	/** @param {Request} request @param {Record<string, string>} env @param {{waitUntil: (promise: Promise<unknown>) => void}} ctx */
	async fetch(request, env, ctx) {
		if (!settings.methods.includes(request.method)) {
			const allow = settings.methods.join(", ");
			return problem(405, "method_not_allowed", `This API accepts ${allow}.`, {}, { allow });
		}
		if (openapi !== null && new URL(request.url).pathname === "/openapi.json") return described(openapi);
		const url = joined(new URL(request.url), new URL(settings.target));
		if (url === undefined) return problem(400, "invalid_path", "The path is outside this API.");
		try {
			const known = await cached(request, url);
			if (known) return known;
			const { response, isShared } = await forward(request, url, env);
			if (isShared) store(request, url, response, ctx);
			return response;
		} catch (error) {
			if (error instanceof UpstreamProblem) return problem(error.status, error.code, error.message, error.more);
			throw error;
		}
	},
};

/** @param {object} document */
function described(document) {
	const cacheControl = settings.cacheControl ?? "public, max-age=60";
	return Response.json(document, {
		headers: { "access-control-allow-origin": "*", "cache-control": cacheControl },
	});
}

/** @param {Request} request @param {URL} url @param {Record<string, string>} env */
async function forward(request, url, env) {
	const signal = AbortSignal.timeout(settings.timeoutSeconds * 1000);
	try {
		const upstream = await fetchFollowing(request, url, env, signal);
		rejectFailures(upstream);
		return { response: await toCaller(request, upstream), isShared: isCacheable(upstream) };
	} catch (error) {
		if (error instanceof UpstreamProblem) throw error;
		if (error instanceof TooLarge) {
			const message = `Its response is larger than ${settings.responseBytesMax} bytes.`;
			throw new UpstreamProblem(502, "upstream_too_large", message);
		}
		if (signal.aborted) {
			throw new UpstreamProblem(504, "upstream_timeout", `It did not respond within ${settings.timeoutSeconds} s.`);
		}
		// The error may contain addresses and headers, so it is only logged.
		console.error("upstream_unreachable", /** @type {Error} */ (error).message);
		throw new UpstreamProblem(502, "upstream_unreachable", "It could not be reached.");
	}
}

/** @param {Request} request @param {URL} first @param {Record<string, string>} env @param {AbortSignal} signal */
async function fetchFollowing(request, first, env, signal) {
	let url = first;
	for (let hop = 0; hop <= REDIRECTS_MAX; hop += 1) {
		const refused = whyRefused(url, settings.allowPrivate);
		if (refused) throw new UpstreamProblem(502, "upstream_refused", `It redirects to an address that ${refused}.`);
		const response = await fetch(url.href, {
			method: request.method,
			headers: requestHeaders(request, env, { isFirstOrigin: url.origin === first.origin }),
			body: request.body,
			redirect: "manual",
			signal,
		});
		const location = REDIRECTS.includes(response.status) ? response.headers.get("location") : null;
		if (location === null) return response;
		await response.body?.cancel();
		if (request.method !== "GET" && request.method !== "HEAD") {
			throw new UpstreamProblem(502, "upstream_redirect", `It redirects ${request.method} requests.`);
		}
		if (!URL.canParse(location, url))
			throw new UpstreamProblem(502, "upstream_redirect", "It redirects to an invalid URL.");
		url = new URL(location, url);
	}
	throw new UpstreamProblem(502, "upstream_redirect", `It redirects more than ${REDIRECTS_MAX} times.`);
}

/**
 * Throws for server errors and rejected credentials. The body of such a response may be meant for
 * the owner of the credentials, so it is not forwarded.
 *
 * @param {Response} response
 */
function rejectFailures({ status }) {
	if (status === 504) throw new UpstreamProblem(504, "upstream_timeout", "It timed out.", { upstreamStatus: status });
	if (status >= 500) throw new UpstreamProblem(502, "upstream_error", "It failed.", { upstreamStatus: status });
	const hasCredentials = Object.keys(settings.secretHeaders).length > 0;
	if (hasCredentials && (status === 401 || status === 403 || status === 407)) {
		throw new UpstreamProblem(502, "upstream_credentials", "It rejected this API's credentials.", {
			upstreamStatus: status,
		});
	}
}

/** @param {Request} request @param {Response} upstream */
async function toCaller(request, upstream) {
	const headers = responseHeaders(upstream, settings.cacheControl);
	const { status } = upstream;
	if (upstream.body === null || request.method === "HEAD" || WITHOUT_BODY.includes(status)) {
		return new Response(null, { status, headers });
	}
	return new Response(await readBounded(upstream, settings.responseBytesMax), { status, headers });
}

/**
 * @param {number} status
 * @param {string} error
 * @param {string} message
 * @param {object} [more]
 * @param {Record<string, string>} [headers]
 */
function problem(status, error, message, more = {}, headers = {}) {
	const text = status >= 500 ? `The API behind this one failed: ${message}` : message;
	return new Response(JSON.stringify({ ok: false, error, message: text, ...more }), {
		status,
		headers: { "content-type": "application/json; charset=utf-8", "cache-control": "no-store", ...headers },
	});
}
