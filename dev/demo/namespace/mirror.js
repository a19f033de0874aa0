/** Answers what it was sent: method, URL, headers, and the size and digest of the body. */

const ABOUT = {
	name: "Mirror",
	description: "Echoes the request as it arrived here, on every path and with every method.",
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

/** Path and query of `url` as they were written: a URL object would tidy them. */
function written(url) {
	const [, path, query] = /^[a-z]+:\/\/[^/?]*([^?]*)(?:\?(.*))?$/s.exec(url);
	return { path, query: query ?? null };
}

export default {
	async fetch(request) {
		const echoed = {
			method: request.method,
			url: request.url,
			...written(request.url),
			headers: [...request.headers],
			body: await bodyOf(request),
		};
		const about = echoed.path === "/" ? ABOUT : {};
		return Response.json({ ...about, request: echoed }, { headers: { "cache-control": "no-store" } });
	},
};
