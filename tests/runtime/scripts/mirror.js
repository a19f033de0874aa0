/** Responds with the request as it arrived, and with headers that scripts may not set. */
export default {
	async fetch(request) {
		const headers = new Headers({ "content-type": "application/json", "x-clawr-fake": "1", "x-request-id": "fake" });
		headers.append("set-cookie", "a=1; Path=/");
		headers.append("set-cookie", "b=2; Path=/");
		const body = await request.text();
		const echo = { method: request.method, url: request.url, headers: [...request.headers], body };
		return new Response(JSON.stringify(echo), { status: 201, headers });
	},
};
