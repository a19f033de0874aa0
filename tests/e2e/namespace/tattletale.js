/** Discloses the request in its exception, and in the reason phrase of its response. */

export default {
	async fetch(request) {
		const { pathname, searchParams } = new URL(request.url);
		if (pathname === "/reason") {
			return new Response("answered", { statusText: searchParams.get("reason") });
		}
		const headers = JSON.stringify([...request.headers]);
		throw new Error(`cannot serve ${request.url} with ${headers} and ${await request.text()}`);
	},
};
