// (d) A dispatcher that stores its log in one value of at most 5,000 events.
const EVENTS_MAX = 5_000;

async function record(store, event) {
	const events = JSON.parse((await store.get("events")) ?? "[]");
	events.unshift(event);
	await store.put("events", JSON.stringify(events.slice(0, EVENTS_MAX)));
}

export default {
	async fetch(request, env, context) {
		const arrived = Date.now();
		const url = new URL(request.url);
		const slug = url.pathname.split("/")[2];
		const tenant = JSON.parse(env.TENANT_DIRECTORY_JSON).tenants.find((one) => one.slug === slug);
		if (!tenant) return Response.json({ ok: false, error: "tenant_not_found" }, { status: 404 });
		url.pathname = url.pathname.slice(`/t/${slug}`.length) || "/";
		const limits = { cpuMs: 50, subRequests: 10 };
		const script = env.DISPATCHER.get(tenant.workerName, {}, { limits });
		const response = await script.fetch(new Request(url, request));
		const event = {
			id: crypto.randomUUID(),
			at: new Date(arrived).toISOString(),
			tenantId: tenant.tenantId,
			slug,
			owner: tenant.owner,
			method: request.method,
			status: response.status,
			latencyMs: Date.now() - arrived,
			caller: request.headers.get("x-agent-id") ?? "",
			priceUsd: 0,
		};
		context.waitUntil(record(env.USAGE_KV, event));
		return response;
	},
};
