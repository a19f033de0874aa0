/**
 * Caches responses for `--cache-seconds`.
 *
 * A script in a dispatch namespace has named caches, but no default cache. Where the runtime has no
 * cache (`make dev`), only the `Cache-Control` header for callers remains.
 */
import { VARYING } from "./headers.js";
import { settings } from "./settings.js";

/** Whether the runtime has a cache; false after the first failure. */
let isAvailable = true;

/** @param {Request} request @param {URL} url */
export async function cached(request, url) {
	if (!isAvailable || !isCacheable(request)) return undefined;
	try {
		const cache = await caches.open("answers");
		const found = await cache.match(await keyOf(request, url));
		if (found === undefined) return undefined;
		const headers = new Headers(found.headers);
		if (settings.cacheControl !== null) headers.set("cache-control", settings.cacheControl);
		return new Response(found.body, { headers });
	} catch (error) {
		isAvailable = false;
		console.debug("no_cache", /** @type {Error} */ (error).message);
		return undefined;
	}
}

/**
 * Stores a response in the background; call `cached` first.
 *
 * @param {Request} request
 * @param {URL} url
 * @param {Response} response
 * @param {{waitUntil: (promise: Promise<unknown>) => void}} ctx
 */
export function store(request, url, response, ctx) {
	if (!isAvailable || !isCacheable(request)) return;
	const copy = response.clone();
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
