/**
 * The script of priced APIs: responds with "bread" and the request, or fails as requested. `charge` is
 * the header that says how much it costs.
 */

export default {
	async fetch(request) {
		const url = new URL(request.url);
		const body = await request.text();
		await scheduler.wait(Number(url.searchParams.get("wait_ms") ?? 0));
		if (url.searchParams.has("throw")) throw new Error("the till is stuck: hunter2");
		const status = Number(url.searchParams.get("status") ?? 200);
		const goods = status < 400 ? "bread" : "none";
		const charge = url.searchParams.get("charge");
		/** @type {Record<string, string>} */
		const headers = charge === null ? {} : { "settlement-overrides": charge };
		return Response.json({ goods, method: request.method, path: url.pathname, body }, { status, headers });
	},
};
