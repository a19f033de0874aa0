// The script that every contender dispatches to.
const RESPONSE = JSON.stringify({ echo: true, text: "x".repeat(200) });
const HEADERS = { "content-type": "application/json" };

async function received(body) {
	let bytes = 0;
	for await (const chunk of body) bytes += chunk.byteLength;
	return bytes;
}

// Sends the first chunk at once, and each further one after a pause.
function inChunks(chunks, bytes, pauseMs) {
	let sent = 0;
	return new ReadableStream({
		async pull(controller) {
			if (sent++) await scheduler.wait(pauseMs);
			controller.enqueue(new Uint8Array(bytes));
			if (sent === chunks) controller.close();
		},
	});
}

function body(path) {
	const [, size] = path.match(/\/bytes\/(\d+)$/) ?? [];
	if (size) return new Uint8Array(Number(size));
	const [, ...stream] = path.match(/\/stream\/(\d+)\/(\d+)\/(\d+)$/) ?? [];
	return stream.length ? inChunks(...stream.map(Number)) : RESPONSE;
}

export default {
	async fetch(request) {
		if (request.method === "POST") return Response.json({ bytes: await received(request.body) });
		return new Response(body(new URL(request.url).pathname), { headers: HEADERS });
	},
};
