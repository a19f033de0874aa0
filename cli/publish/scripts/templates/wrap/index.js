/**
 * Another server's API, passed on.
 *
 * Owns which requests are let through, the answer's way back, and what a caller is told when the
 * other side fails. Every address that is asked is looked at first, each redirect's as well.
 */
import { readBounded, TooLarge } from "./bodies.js";
import { cached, keep } from "./cache.js";
import { answerHeaders, mayBeKept, requestHeaders } from "./headers.js";
import { joined } from "./joining.js";
import { settings } from "./settings.js";
import { whyRefused } from "./target.js";

const REDIRECTS_MAX = 5;
const REDIRECTS = [301, 302, 303, 307, 308];
const WITHOUT_BODY = [101, 204, 205, 304];

/** What the other side did that it should not have; the caller gets `status`, `code` and `message`. */
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
			return problem(405, "method_not_allowed", `This API takes ${allow}.`, {}, { allow });
		}
		const url = joined(new URL(request.url), new URL(settings.target));
		if (url === undefined) return problem(400, "invalid_path", "The path leads out of this API.");
		try {
			const known = await cached(request, url);
			if (known) return known;
			const { answer, isShared } = await passOn(request, url, env);
			if (isShared) keep(request, url, answer, ctx);
			return answer;
		} catch (error) {
			if (error instanceof UpstreamProblem) return problem(error.status, error.code, error.message, error.more);
			throw error;
		}
	},
};

/** @param {Request} request @param {URL} url @param {Record<string, string>} env */
async function passOn(request, url, env) {
	const signal = AbortSignal.timeout(settings.timeoutSeconds * 1000);
	try {
		const answer = await followed(request, url, env, signal);
		refuseFailures(answer);
		return { answer: await relayed(request, answer), isShared: mayBeKept(answer) };
	} catch (error) {
		if (error instanceof UpstreamProblem) throw error;
		if (error instanceof TooLarge) {
			throw new UpstreamProblem(502, "upstream_too_large", `It answered more than ${settings.responseBytesMax} bytes.`);
		}
		if (signal.aborted) {
			throw new UpstreamProblem(504, "upstream_timeout", `It did not answer in ${settings.timeoutSeconds} s.`);
		}
		// What exactly went wrong may name addresses and headers: it goes to the log alone.
		console.error("upstream_unreachable", /** @type {Error} */ (error).message);
		throw new UpstreamProblem(502, "upstream_unreachable", "It could not be reached.");
	}
}

/** @param {Request} request @param {URL} first @param {Record<string, string>} env @param {AbortSignal} signal */
async function followed(request, first, env, signal) {
	let url = first;
	for (let hop = 0; hop <= REDIRECTS_MAX; hop += 1) {
		const refused = whyRefused(url, settings.allowPrivate);
		if (refused) throw new UpstreamProblem(502, "upstream_refused", `It redirects to an address that ${refused}.`);
		const answer = await fetch(url.href, {
			method: request.method,
			headers: requestHeaders(request, env, { isFirstOrigin: url.origin === first.origin }),
			body: request.body,
			redirect: "manual",
			signal,
		});
		const location = REDIRECTS.includes(answer.status) ? answer.headers.get("location") : null;
		if (location === null) return answer;
		await answer.body?.cancel();
		if (request.method !== "GET" && request.method !== "HEAD") {
			throw new UpstreamProblem(502, "upstream_redirect", `It redirects ${request.method} requests.`);
		}
		if (!URL.canParse(location, url))
			throw new UpstreamProblem(502, "upstream_redirect", "It redirects to no address.");
		url = new URL(location, url);
	}
	throw new UpstreamProblem(502, "upstream_redirect", `It redirects more than ${REDIRECTS_MAX} times.`);
}

/**
 * An error of the other side's own is told as such; what it says about it may be meant for the
 * owner of the credentials, not for the caller.
 *
 * @param {Response} answer
 */
function refuseFailures({ status }) {
	if (status === 504)
		throw new UpstreamProblem(504, "upstream_timeout", "It waited in vain itself.", { upstreamStatus: status });
	if (status >= 500) throw new UpstreamProblem(502, "upstream_error", "It failed.", { upstreamStatus: status });
	const hasCredentials = Object.keys(settings.secretHeaders).length > 0;
	if (hasCredentials && (status === 401 || status === 403 || status === 407)) {
		throw new UpstreamProblem(502, "upstream_credentials", "It refused this API's credentials.", {
			upstreamStatus: status,
		});
	}
}

/** @param {Request} request @param {Response} answer */
async function relayed(request, answer) {
	const headers = answerHeaders(answer, settings.cacheControl);
	const { status } = answer;
	if (answer.body === null || request.method === "HEAD" || WITHOUT_BODY.includes(status)) {
		return new Response(null, { status, headers });
	}
	return new Response(await readBounded(answer, settings.responseBytesMax), { status, headers });
}

/**
 * @param {number} status
 * @param {string} error
 * @param {string} message
 * @param {object} [more]
 * @param {Record<string, string>} [headers]
 */
function problem(status, error, message, more = {}, headers = {}) {
	const told = status >= 500 ? `The API behind this one is at fault: ${message}` : message;
	return new Response(JSON.stringify({ ok: false, error, message: told, ...more }), {
		status,
		headers: { "content-type": "application/json; charset=utf-8", "cache-control": "no-store", ...headers },
	});
}
