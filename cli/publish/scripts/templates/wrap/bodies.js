/**
 * Limits the size of response bodies.
 *
 * A body of unknown length is buffered before the response starts, so that a caller never pays for a
 * truncated body. An event stream is endless, and is streamed.
 */

/** The body exceeds the limit. */
export class TooLarge extends Error {}

/**
 * @param {Response} response A response with a body.
 * @param {number} bytesMax
 * @returns {Promise<ReadableStream<Uint8Array> | Uint8Array<ArrayBuffer>>}
 * @throws {TooLarge}
 */
export async function readBounded(response, bytesMax) {
	const body = /** @type {ReadableStream<Uint8Array>} */ (response.body);
	const { headers } = response;
	const declared = headers.has("content-encoding") ? null : headers.get("content-length");
	if (declared !== null) {
		if (Number(declared) > bytesMax) {
			await body.cancel();
			throw new TooLarge();
		}
		return body;
	}
	return /^text\/event-stream\b/i.test(headers.get("content-type") ?? "") ? body : whole(body, bytesMax);
}

/** @param {ReadableStream<Uint8Array>} body @param {number} bytesMax */
async function whole(body, bytesMax) {
	const chunks = [];
	let length = 0;
	for await (const chunk of body) {
		length += chunk.byteLength;
		if (length > bytesMax) throw new TooLarge();
		chunks.push(chunk);
	}
	const bytes = new Uint8Array(length);
	let at = 0;
	for (const chunk of chunks) {
		bytes.set(chunk, at);
		at += chunk.byteLength;
	}
	return bytes;
}
