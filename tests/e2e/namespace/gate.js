/**
 * Tests streaming without a clock: a response continues only when another request releases it,
 * and another request reads how many bytes of an upload have arrived so far.
 */

const POLL_MS = 20;
const PATIENCE_POLLS = 1500;

const released = new Set();
const seenBytes = new Map();

function stream(id) {
	const encoder = new TextEncoder();
	let isFirst = true;
	return new ReadableStream({
		async pull(controller) {
			if (isFirst) {
				isFirst = false;
				controller.enqueue(encoder.encode("data: first\n\n"));
				return;
			}
			for (let polls = 0; !released.has(id) && polls < PATIENCE_POLLS; polls += 1) await scheduler.wait(POLL_MS);
			controller.enqueue(encoder.encode("data: second\n\n"));
			controller.close();
		},
	});
}

async function count(id, body) {
	let bytes = 0;
	for await (const chunk of body ?? []) {
		bytes += chunk.byteLength;
		seenBytes.set(id, bytes);
	}
	return bytes;
}

export default {
	async fetch(request) {
		const { pathname, searchParams } = new URL(request.url);
		const id = searchParams.get("id");
		if (pathname === "/stream") {
			return new Response(stream(id), { headers: { "content-type": "text/event-stream" } });
		}
		if (pathname === "/release") {
			released.add(id);
			return Response.json({ released: id });
		}
		if (pathname === "/upload") return Response.json({ bytes: await count(id, request.body) });
		return Response.json({ bytes: seenBytes.get(id) ?? 0 });
	},
};
