/**
 * Serves a dataset: pages of rows, single rows, and its description.
 *
 * The rows are parsed once, when the Worker starts, and stay in memory.
 */

import { dataset } from "./dataset.js";
import { pageLinks } from "./links.js";
import { readQuery } from "./query.js";
import { json, notModified, problem } from "./responses.js";
import { findRow, selectRows } from "./rows.js";

const METHODS = "GET, HEAD, OPTIONS";

export default {
	/** @param {Request} request */
	async fetch(request) {
		if (request.method === "OPTIONS") {
			const cors = { "access-control-allow-methods": METHODS, "access-control-allow-headers": "*" };
			return new Response(null, {
				status: 204,
				headers: { allow: METHODS, "access-control-allow-origin": "*", ...cors },
			});
		}
		if (request.method !== "GET" && request.method !== "HEAD") {
			return problem(405, "method_not_allowed", `This API accepts ${METHODS}.`, {}, { allow: METHODS });
		}
		const response = route(new URL(request.url));
		const { status, headers } = response;
		if (status === 200 && notModified(request)) return new Response(null, { status: 304, headers });
		return request.method === "HEAD" ? new Response(null, { status, headers }) : response;
	},
};

/** @param {URL} url */
function route(url) {
	const path = url.pathname.replace(/\/+$/, "");
	if (path === "") return rows(url);
	if (path === "/schema.json") return json(dataset.schema);
	if (path === "/openapi.json") return json(dataset.openapi);
	if (path === "/health") return json({ ok: true });
	const [, id] = /^\/rows\/([^/]+)$/.exec(path) ?? [];
	if (id !== undefined) return oneRow(id);
	return problem(404, "not_found", "Unknown path. The paths are /, /rows/ID, /schema.json, /openapi.json and /health.");
}

/** @param {URL} url */
function rows(url) {
	const query = readQuery(url.searchParams, dataset);
	if (query.mistakes.length > 0) {
		return problem(400, "invalid_parameter", "The query is invalid.", { details: query.mistakes });
	}
	const found = selectRows(query);
	const links = pageLinks(url.searchParams, query, found.total);
	const body = { rows: found.rows, total: found.total, limit: query.limit, offset: query.offset, next: links.next };
	return json(body, { link: links.header, "x-total-count": String(found.total) });
}

/** @param {string} encoded */
function oneRow(encoded) {
	let id;
	try {
		id = decodeURIComponent(encoded);
	} catch {
		return problem(400, "invalid_parameter", "The id is not percent-encoded UTF-8.");
	}
	const row = findRow(id);
	return row
		? json(row)
		: problem(404, "row_not_found", `No row has ${dataset.id ?? "the number"} ${JSON.stringify(id)}.`);
}
