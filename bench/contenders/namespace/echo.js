// What every contender hands requests to.
const ANSWER = JSON.stringify({ echo: true, text: "x".repeat(200) });
const HEADERS = { "content-type": "application/json" };

async function received(body) {
	let bytes = 0;
	for await (const chunk of body) bytes += chunk.byteLength;
	return bytes;
}

export default {
	async fetch(request) {
		if (request.method === "POST") return Response.json({ bytes: await received(request.body) });
		const [, size] = new URL(request.url).pathname.match(/\/bytes\/(\d+)$/) ?? [];
		return new Response(size ? new Uint8Array(Number(size)) : ANSWER, { headers: HEADERS });
	},
};
