/** Returns the digest of uploads of any size; it reads them as a stream, one chunk at a time. */

const ABOUT = {
	name: "Digest",
	description: "Send a file, get its digest and size. Nothing is stored or buffered.",
	endpoints: [
		{
			method: "POST or PUT",
			path: "/sha256",
			also: ["/sha1", "/sha384", "/sha512", "/md5"],
			parameters: { expect: "a digest in hexadecimal; the status is 422 if the digest differs" },
			limits: { bytes: 512 * 1024 * 1024 },
			example: "curl --data-binary @file /sha256",
		},
	],
};

const ALGORITHMS = {
	"/sha256": "SHA-256",
	"/sha1": "SHA-1",
	"/sha384": "SHA-384",
	"/sha512": "SHA-512",
	"/md5": "MD5",
};
const MAX_BYTES = ABOUT.endpoints[0].limits.bytes;

function errorResponse(status, error, message, headers = {}) {
	return Response.json({ error, message }, { status, headers });
}

function hexadecimal(buffer) {
	return [...new Uint8Array(buffer)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Returns digest and size of `body`; `digest` is null if the body is larger than the limit. */
async function measure(algorithm, body) {
	const stream = new crypto.DigestStream(algorithm);
	const writer = stream.getWriter();
	let bytes = 0;
	for await (const chunk of body ?? []) {
		bytes += chunk.byteLength;
		if (bytes > MAX_BYTES) {
			stream.digest.catch(() => {}); // Aborting rejects the promise, which is not used.
			await writer.abort();
			return { bytes, digest: null };
		}
		await writer.write(chunk);
	}
	await writer.close();
	return { bytes, digest: hexadecimal(await stream.digest) };
}

export default {
	async fetch(request) {
		const { pathname, searchParams } = new URL(request.url);
		const algorithm = ALGORITHMS[pathname];
		if (pathname === "/" && ["GET", "HEAD"].includes(request.method)) return Response.json(ABOUT);
		if (!algorithm) return errorResponse(404, "not_found", "see / for what there is");
		if (!["POST", "PUT"].includes(request.method)) {
			return errorResponse(405, "method_not_allowed", "send the file with POST or PUT", { allow: "POST, PUT" });
		}
		const expected = searchParams.get("expect")?.toLowerCase();
		if (expected !== undefined && !/^[0-9a-f]{32,128}$/.test(expected)) {
			return errorResponse(400, "invalid_parameter", "expect must be a digest in hexadecimal");
		}
		if (Number(request.headers.get("content-length") ?? 0) > MAX_BYTES) {
			return errorResponse(413, "too_large", `at most ${MAX_BYTES} bytes`);
		}

		const { bytes, digest } = await measure(algorithm, request.body);
		if (digest === null) return errorResponse(413, "too_large", `at most ${MAX_BYTES} bytes`);
		const contentType = request.headers.get("content-type");
		const result = { algorithm, digest, bytes, contentType };
		if (expected === undefined) return Response.json(result);
		const matches = expected === digest;
		return Response.json({ ...result, expected, matches }, { status: matches ? 200 : 422 });
	},
};
