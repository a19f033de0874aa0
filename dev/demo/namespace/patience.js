/** Delays the response headers, or streams the body slowly, to test timeouts of clients. */

const ABOUT = {
	name: "Patience",
	description: "Slow on purpose: a delayed response, or a response that is sent line by line.",
	endpoints: [
		{
			method: "GET or POST",
			path: "/wait",
			parameters: { delay_ms: "0 to 10000, default 1000" },
			example: "/wait?delay_ms=1500",
		},
		{
			method: "GET",
			path: "/drip",
			parameters: { lines: "1 to 100, default 5", pause_ms: "before each line, 0 to 2000, default 200" },
			example: "/drip?lines=3&pause_ms=300",
		},
	],
};

function errorResponse(status, fields, headers = {}) {
	return Response.json(fields, { status, headers });
}

/** Returns the whole number in the query, `otherwise` if it is missing, or an error Response. */
function whole(query, name, to, otherwise, from = 0) {
	const text = query.get(name);
	if (text === null) return otherwise;
	const value = /^\d{1,9}$/.test(text) ? Number(text) : NaN;
	if (value >= from && value <= to) return value;
	const message = `${name} must be a whole number from ${from} to ${to}`;
	return errorResponse(400, { error: "invalid_parameter", parameter: name, message });
}

function drip(lines, pauseMs) {
	const encoder = new TextEncoder();
	let sent = 0;
	return new ReadableStream({
		async pull(controller) {
			await scheduler.wait(pauseMs);
			sent += 1;
			controller.enqueue(encoder.encode(`line ${sent} of ${lines}\n`));
			if (sent === lines) controller.close();
		},
	});
}

export default {
	async fetch(request) {
		const { pathname, searchParams } = new URL(request.url);
		const reading = ["GET", "HEAD"].includes(request.method);
		if (!reading && !(request.method === "POST" && pathname === "/wait")) {
			return errorResponse(405, { error: "method_not_allowed", message: "use GET" }, { allow: "GET, HEAD" });
		}
		if (pathname === "/") return Response.json(ABOUT);
		if (pathname === "/wait") {
			const delayMs = whole(searchParams, "delay_ms", 10_000, 1000);
			if (delayMs instanceof Response) return delayMs;
			await scheduler.wait(delayMs);
			return Response.json({ waited_ms: delayMs });
		}
		if (pathname === "/drip") {
			const lines = whole(searchParams, "lines", 100, 5, 1);
			if (lines instanceof Response) return lines;
			const pauseMs = whole(searchParams, "pause_ms", 2000, 200);
			if (pauseMs instanceof Response) return pauseMs;
			const headers = { "content-type": "text/plain; charset=utf-8", "cache-control": "no-store" };
			return new Response(request.method === "HEAD" ? null : drip(lines, pauseMs), { headers });
		}
		return errorResponse(404, { error: "not_found", message: "see / for what there is" });
	},
};
