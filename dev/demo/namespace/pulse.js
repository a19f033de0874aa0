/** Streams invented share prices as server-sent events; a symbol always has the same prices. */

const ABOUT = {
	name: "Pulse",
	description: "Prices of invented shares as server-sent events; a symbol always has the same prices.",
	endpoints: [
		{
			method: "GET",
			path: "/ticks",
			parameters: {
				symbol: "1 to 8 letters, default CLAWR",
				count: "events to send, 1 to 200, default 5",
				interval_ms: "pause before each event but the first, 0 to 2000, default 200",
			},
			headers: { "last-event-id": "the last received id; the stream continues after it" },
			example: "/ticks?symbol=ACME&count=3&interval_ms=500",
		},
		{ method: "GET", path: "/price", parameters: { symbol: "as above", tick: "from 0" }, example: "/price?tick=3" },
	],
};

function errorResponse(status, fields, headers = {}) {
	return Response.json(fields, { status, headers });
}

function invalid(parameter, message) {
	return errorResponse(400, { error: "invalid_parameter", parameter, message });
}

function whole(query, name, from, to, otherwise) {
	const text = query.get(name);
	if (text === null) return otherwise;
	const value = /^\d{1,9}$/.test(text) ? Number(text) : NaN;
	return value >= from && value <= to ? value : null;
}

/** Returns the 32-bit FNV-1a hash of `text`. */
function hash(text) {
	let value = 0x811c9dc5;
	for (const character of text) {
		value = Math.imul(value ^ character.codePointAt(0), 0x01000193) >>> 0;
	}
	return value;
}

/** Returns the price at `tick` in cents: a sine wave plus noise derived from the symbol's hash. */
function priceCents(symbol, tick) {
	const base = 2000 + (hash(symbol) % 30000);
	const noise = (hash(`${symbol}/${tick}`) % 201) - 100;
	return base + Math.round(base * 0.05 * Math.sin(tick / 9)) + noise;
}

function tickAt(symbol, tick) {
	return { symbol, tick, price: (priceCents(symbol, tick) / 100).toFixed(2) };
}

function stream(symbol, first, count, intervalMs) {
	const encoder = new TextEncoder();
	let sent = 0;
	return new ReadableStream({
		async pull(controller) {
			if (sent === count) {
				controller.enqueue(encoder.encode("event: done\ndata: {}\n\n"));
				controller.close();
				return;
			}
			if (sent > 0) await scheduler.wait(intervalMs);
			const tick = first + sent;
			const data = JSON.stringify(tickAt(symbol, tick));
			controller.enqueue(encoder.encode(`id: ${tick}\nevent: tick\ndata: ${data}\n\n`));
			sent += 1;
		},
	});
}

export default {
	async fetch(request) {
		const { pathname, searchParams } = new URL(request.url);
		if (!["GET", "HEAD"].includes(request.method)) {
			return errorResponse(405, { error: "method_not_allowed", message: "use GET" }, { allow: "GET, HEAD" });
		}
		if (pathname === "/") return Response.json(ABOUT);
		const symbol = (searchParams.get("symbol") ?? "CLAWR").toUpperCase();
		if (!/^[A-Z]{1,8}$/.test(symbol)) return invalid("symbol", "symbol must be 1 to 8 letters");
		if (pathname === "/price") {
			const tick = whole(searchParams, "tick", 0, 1_000_000, 0);
			if (tick === null) return invalid("tick", "tick must be a whole number from 0 to 1000000");
			return Response.json(tickAt(symbol, tick));
		}
		if (pathname !== "/ticks") return errorResponse(404, { error: "not_found", message: "see / for what there is" });

		const count = whole(searchParams, "count", 1, 200, 5);
		if (count === null) return invalid("count", "count must be a whole number from 1 to 200");
		const intervalMs = whole(searchParams, "interval_ms", 0, 2000, 200);
		if (intervalMs === null) return invalid("interval_ms", "interval_ms must be a whole number from 0 to 2000");
		const last = request.headers.get("last-event-id");
		const first = last !== null && /^\d{1,9}$/.test(last) ? Number(last) + 1 : 0;

		const headers = { "content-type": "text/event-stream", "cache-control": "no-store" };
		const body = request.method === "HEAD" ? null : stream(symbol, first, count, intervalMs);
		return new Response(body, { headers });
	},
};
