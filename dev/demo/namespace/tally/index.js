/**
 * Named counters in this API's own KV namespace.
 *
 * In KV the last write wins, so concurrent increments can be lost. The description says so.
 */

const ABOUT = {
	name: "Tally",
	description: "Named counters. Approximate if many clients count at once: the last write wins.",
	endpoints: [
		{ method: "GET", path: "/counters", answers: "all counters" },
		{ method: "GET", path: "/counters/{name}", answers: "one counter, 0 if it does not exist" },
		{
			method: "POST",
			path: "/counters/{name}",
			parameters: { by: "-1000 to 1000, default 1" },
			example: "/counters/espresso?by=2",
		},
		{ method: "DELETE", path: "/counters/{name}", answers: "204" },
	],
};

function errorResponse(status, fields, headers = {}) {
	return Response.json(fields, { status, headers });
}

/** Each counter is a separate read, and plans limit the number of reads. */
const LISTED_COUNTERS = 40;

async function read(counters, name) {
	return Number((await counters.get(name)) ?? 0);
}

async function all(counters) {
	const { keys, list_complete: complete } = await counters.list({ limit: LISTED_COUNTERS });
	const pairs = keys.map(async ({ name }) => [name, await read(counters, name)]);
	return Response.json({ counters: Object.fromEntries(await Promise.all(pairs)), complete });
}

async function add(counters, name, query) {
	const by = Number(query.get("by") ?? 1);
	if (!Number.isInteger(by) || Math.abs(by) > 1000) {
		const message = "by must be a whole number from -1000 to 1000";
		return errorResponse(400, { error: "invalid_parameter", parameter: "by", message });
	}
	const count = (await read(counters, name)) + by;
	await counters.put(name, String(count));
	return Response.json({ name, count });
}

export default {
	async fetch(request, env) {
		const { pathname, searchParams } = new URL(request.url);
		const reading = ["GET", "HEAD"].includes(request.method);
		const [, collection, name, ...rest] = pathname.split("/");
		if (collection !== "" && (collection !== "counters" || rest.length > 0)) {
			return errorResponse(404, { error: "not_found", message: "see / for what there is" });
		}
		if (!name) {
			const message = "only GET here";
			if (!reading) return errorResponse(405, { error: "method_not_allowed", message }, { allow: "GET, HEAD" });
			return collection === "" ? Response.json(ABOUT) : all(env.COUNTERS);
		}
		if (!/^[a-z0-9-]{1,40}$/.test(name)) {
			const message = "a counter's name is 1 to 40 of a-z, 0-9 and -";
			return errorResponse(400, { error: "invalid_parameter", parameter: "name", message });
		}
		if (reading) return Response.json({ name, count: await read(env.COUNTERS, name) });
		if (request.method === "POST") return add(env.COUNTERS, name, searchParams);
		if (request.method === "DELETE") {
			await env.COUNTERS.delete(name);
			return new Response(null, { status: 204 });
		}
		const allow = "GET, HEAD, POST, DELETE";
		return errorResponse(405, { error: "method_not_allowed", message: `one of: ${allow}` }, { allow });
	},
};
