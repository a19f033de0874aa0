/**
 * Bodies of bounded size.
 *
 * A body whose length is not known beforehand is read whole before anything is passed on, so that
 * a caller gets it whole or is told so, and pays for no half of one. A stream of events never ends
 * by itself, and is passed on as it comes.
 */

/** The body is larger than it may be. */
export class TooLarge extends Error {}

/**
 * @param {Response} answer One with a body.
 * @param {number} bytesMax
 * @returns {Promise<ReadableStream<Uint8Array> | Uint8Array<ArrayBuffer>>}
 * @throws {TooLarge}
 */
export async function readBounded(answer, bytesMax) {
	const body = /** @type {ReadableStream<Uint8Array>} */ (answer.body);
	const { headers } = answer;
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
