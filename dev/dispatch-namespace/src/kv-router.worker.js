/**
 * Routes one KV binding to all namespaces: keys are received as ID, a NUL, KEY, and forwarded
 * as KEY to the namespace ID. It uses the protocol between workerd's `KvNamespace` and its
 * service, and changes only the keys in requests; responses have the plain keys already.
 */
const NAMESPACE_HEADER = "MF-Namespace";

export default {
	/** @param {Request} request @param {{KV: any}} env */
	async fetch(request, env) {
		const url = new URL(request.url);
		const headers = new Headers(request.headers);
		/** @type {any} */
		let body = request.method === "PUT" ? request.body : undefined;
		let id;
		if (url.pathname === "/bulk/get") {
			const bulk = await request.json();
			const split = bulk.keys.map(splitKey);
			id = split[0].id;
			body = JSON.stringify({ ...bulk, keys: split.map((/** @type {any} */ { key }) => key) });
			headers.delete("content-length");
		} else if (url.pathname === "/") {
			const prefix = splitKey(url.searchParams.get("prefix") ?? "");
			id = prefix.id;
			url.searchParams.set("prefix", prefix.key);
		} else {
			const path = splitKey(decodeURIComponent(url.pathname.slice(1)));
			id = path.id;
			url.pathname = `/${encodeURIComponent(path.key)}`;
		}
		headers.set(NAMESPACE_HEADER, id);
		return env.KV.fetch(url, { method: request.method, headers, body });
	},
};

/** @param {string} text */
function splitKey(text) {
	const end = text.indexOf("\0");
	if (end === -1) throw new Error("KV request without a namespace");
	return { id: text.slice(0, end), key: text.slice(end + 1) };
}
