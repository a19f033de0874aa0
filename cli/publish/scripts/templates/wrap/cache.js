/**
 * Answers kept for the time that `--cache-seconds` gives.
 *
 * A script in a dispatch namespace has caches of its own by name, and none by default; where the
 * runtime gives it none at all (on a laptop), the header for callers is all there is.
 */
import { VARYING } from "./headers.js";
import { settings } from "./settings.js";

/** Whether the runtime has a cache for this script; known when it was first asked. */
let isThere = true;

/** @param {Request} request @param {URL} url */
export async function cached(request, url) {
	if (!isThere || !isCacheable(request)) return undefined;
	try {
		const cache = await caches.open("answers");
		const found = await cache.match(await keyOf(request, url));
		if (found === undefined) return undefined;
		const headers = new Headers(found.headers);
		if (settings.cacheControl !== null) headers.set("cache-control", settings.cacheControl);
		return new Response(found.body, { headers });
	} catch (error) {
		isThere = false;
		console.debug("no_cache", /** @type {Error} */ (error).message);
		return undefined;
	}
}

/**
 * Keeps an answer behind the caller's back; call `cached` first.
 *
 * @param {Request} request
 * @param {URL} url
 * @param {Response} answer
 * @param {{waitUntil: (promise: Promise<unknown>) => void}} ctx
 */
export function keep(request, url, answer, ctx) {
	if (!isThere || !isCacheable(request)) return;
	const copy = answer.clone();
	const headers = new Headers(copy.headers);
	headers.set("cache-control", `max-age=${settings.cacheSeconds}`);
	const put = async () => {
		const cache = await caches.open("answers");
		await cache.put(await keyOf(request, url), new Response(copy.body, { headers }));
	};
	ctx.waitUntil(put());
}

/** @param {Request} request */
function isCacheable(request) {
	const isPersonal = settings.forwardAuthorization && request.headers.has("authorization");
	return settings.cacheSeconds > 0 && request.method === "GET" && !request.headers.has("range") && !isPersonal;
}

/** @param {Request} request @param {URL} url */
async function keyOf(request, url) {
	const text = [url.href, ...VARYING.map((name) => request.headers.get(name) ?? "")].join("\n");
	const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
	return `https://answers.invalid/${Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}
