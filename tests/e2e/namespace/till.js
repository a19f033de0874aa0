/** The script of priced APIs: responds with "bread" and the request, or fails as requested. */

export default {
	async fetch(request) {
		const url = new URL(request.url);
		const body = await request.text();
		await scheduler.wait(Number(url.searchParams.get("wait_ms") ?? 0));
		if (url.searchParams.has("throw")) throw new Error("the till is stuck: hunter2");
		const status = Number(url.searchParams.get("status") ?? 200);
		const goods = status < 400 ? "bread" : "none";
		return Response.json({ goods, method: request.method, path: url.pathname, body }, { status });
	},
};
