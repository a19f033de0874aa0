/**
 * Runs a wrapper with a cache, as a dispatch namespace in production gives it one: under miniflare,
 * with a server behind it that counts. Takes the script's folder; prints what each call came to.
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
	const { path: asked, ...init } = JSON.parse(line);
	const answer = await market.dispatchFetch(`http://caller.example${asked}`, init);
	calls.push({ body: await answer.text(), cacheControl: answer.headers.get("cache-control") });
}
console.log(JSON.stringify(calls));
await market.dispose();
