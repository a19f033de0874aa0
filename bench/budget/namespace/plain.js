export default {
	async fetch(request) {
		await request.text();
		return Response.json({ ok: true });
	},
};
