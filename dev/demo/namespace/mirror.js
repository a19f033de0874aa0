/** Returns the request it received: method, URL, headers, and size and digest of the body. */

const ABOUT = {
	name: "Mirror",
	description: "Echoes the received request, on every path and with every method.",
	endpoints: [
		{
			method: "any",
			path: "any",
			answers: "request: {method, url, path, query, headers, body: {bytes, sha256}}",
			example: "/any/path?and=query",
		},
	],
};

async function bodyOf(request) {
	const digest = new crypto.DigestStream("SHA-256");
	const writer = digest.getWriter();
	let bytes = 0;
	for await (const chunk of request.body ?? []) {
		bytes += chunk.byteLength;
		await writer.write(chunk);
	}
	await writer.close();
	const sha256 = [...new Uint8Array(await digest.digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
	return { bytes, sha256 };
}

/** Returns path and query of `url` unchanged; a URL object would normalize them. */
function rawPathAndQuery(url) {
	const [, path, query] = /^[a-z]+:\/\/[^/?]*([^?]*)(?:\?(.*))?$/s.exec(url);
	return { path, query: query ?? null };
}

export default {
	async fetch(request) {
		const echoed = {
			method: request.method,
			url: request.url,
			...rawPathAndQuery(request.url),
			headers: [...request.headers],
			body: await bodyOf(request),
		};
		const about = echoed.path === "/" ? ABOUT : {};
		return Response.json({ ...about, request: echoed }, { headers: { "cache-control": "no-store" } });
	},
};
