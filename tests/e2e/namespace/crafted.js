/** Responds as the request says: any status, headers and body, and several failures. */

const SECRET = "postgres://root:hunter2@db.internal";

const ROUTES = {
	/** ?status=&body=&header=NAME:VALUE (several). */
	"/answer": ({ searchParams }) => {
		const headers = new Headers();
		for (const line of searchParams.getAll("header")) {
			const colon = line.indexOf(":");
			headers.append(line.slice(0, colon), line.slice(colon + 1));
		}
		return new Response(searchParams.get("body"), { status: Number(searchParams.get("status") ?? 200), headers });
	},

	/** Returns the request's method in a header, which HEAD has too. */
	"/method": (_, request) => {
		const headers = { "x-seen-method": request.method };
		return new Response(request.method === "HEAD" ? null : "seen", { headers });
	},

	/** Compressed by the script itself, with a header that says so. */
	"/gzip": ({ searchParams }) => {
		const text = new Blob([searchParams.get("text")]).stream();
		const headers = { "content-encoding": "gzip", "content-type": "text/plain" };
		return new Response(text.pipeThrough(new CompressionStream("gzip")), { headers, encodeBody: "manual" });
	},

	/** ?bytes= of 0, 1, 2, … 255, 0, 1, … as one stream. */
	"/download": ({ searchParams }) => {
		const chunk = Uint8Array.from({ length: 65536 }, (_, index) => index % 256);
		let left = Number(searchParams.get("bytes"));
		const body = new ReadableStream({
			pull(controller) {
				controller.enqueue(chunk.slice(0, Math.min(left, chunk.length)));
				left -= chunk.length;
				if (left <= 0) controller.close();
			},
		});
		return new Response(body);
	},

	/** Sets the headers that only the dispatcher may set. */
	"/spoof": () => {
		const headers = {
			"x-request-id": "spoofed",
			"x-tenant-id": "spoofed",
			"x-clawr-anything": "spoofed",
			"X-Clawr-Charged": "spoofed",
			"x-own": "kept",
		};
		return new Response("spoofed?", { headers });
	},

	"/throw": () => {
		throw new Error(`cannot connect to ${SECRET}`);
	},
	"/throw-text": () => {
		throw SECRET;
	},
	"/throw-nothing": () => {
		throw undefined;
	},
	"/throw-message": (url) => {
		throw new Error(url.searchParams.get("message"));
	},
	"/no-response": () => ({ secret: SECRET }),
	"/throw-midway": () => {
		const body = new ReadableStream({
			async pull(controller) {
				controller.enqueue(new TextEncoder().encode("the beginning"));
				await scheduler.wait(50);
				controller.error(new Error(SECRET));
			},
		});
		return new Response(body);
	},
};

export default {
	async fetch(request) {
		const url = new URL(request.url);
		const route = ROUTES[url.pathname];
		return route ? route(url, request) : new Response("no such route", { status: 404 });
	},
};
