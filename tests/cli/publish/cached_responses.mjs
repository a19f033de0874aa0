/**
 * Runs a wrapper under miniflare, which has a cache as dispatch namespaces in production have, with a
 * target that counts requests. Takes the script's folder; prints the response to each call.
 */
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { convertV4MiniflareOptions, Miniflare, Response } from "miniflare";

const [folder] = process.argv.slice(2);
const names = readdirSync(folder).sort((one) => (one === "index.js" ? -1 : 1));
const counts = new Map();

const market = new Miniflare(
	convertV4MiniflareOptions({
		modules: names.map((name) => ({
			type: "ESModule",
			path: name,
			contents: readFileSync(path.join(folder, name), "utf8"),
		})),
		compatibilityDate: "2026-11-01",
		outboundService(request) {
			const { pathname } = new URL(request.url);
			const count = (counts.get(pathname) ?? 0) + 1;
			counts.set(pathname, count);
			const vary = pathname.endsWith("varying") ? "accept, x-user" : "Accept-Encoding, accept";
			const headers = { vary, "cache-control": pathname.endsWith("private") ? "private" : "max-age=5" };
			return new Response(String(count), { status: pathname.endsWith("missing") ? 404 : 200, headers });
		},
	}),
);

const calls = [];
for (const line of readFileSync(0, "utf8").trim().split("\n")) {
	const { path: called, ...init } = JSON.parse(line);
	const response = await market.dispatchFetch(`http://caller.example${called}`, init);
	calls.push({ body: await response.text(), cacheControl: response.headers.get("cache-control") });
}
console.log(JSON.stringify(calls));
await market.dispose();
