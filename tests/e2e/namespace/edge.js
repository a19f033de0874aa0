/** Reads, ignores or echoes a request, or fails, as the path says. */
export default {
	async fetch(request) {
		const { pathname } = new URL(request.url);
		if (pathname === "/throw") throw new Error("a failure of its own");
		if (pathname === "/read") return new Response(await request.text());
		if (pathname.startsWith("/catch/")) {
			const status = Number(pathname.slice(7));
			return request.text().then(
				(text) => new Response(text),
				(error) => new Response(error.message, { status }),
			);
		}
		if (pathname === "/complete/500") return new Response(await request.text(), { status: 500 });
		if (pathname === "/redirect") {
			const location = `${request.headers.get("x-forwarded-prefix") ?? ""}/echo`;
			return new Response(null, { status: 303, headers: { location } });
		}
		if (pathname.startsWith("/status/")) return new Response(null, { status: Number(pathname.slice(8)) });
		const { method, headers } = request;
		return Response.json({ method, headers: Object.fromEntries(headers), body: await request.text() });
	},
};
