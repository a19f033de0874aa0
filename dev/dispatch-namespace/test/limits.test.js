import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, test } from "node:test";
import { script, startNamespace } from "./namespace.js";

const server = createServer((_, response) => response.end("ok")).listen(0, "127.0.0.1");
await new Promise((resolve) => server.once("listening", resolve));
const target = `http://127.0.0.1:${/** @type {any} */ (server.address()).port}/`;

const FETCH = `
	const { searchParams } = new URL(request.url);
	const early = fetch;
	for (let i = 0; i < Number(searchParams.get("fetches")); i++) await (await fetch("${target}")).text();
	for (let i = 0; i < Number(searchParams.get("reads")); i++) await env.STORE.get("a");
	return new Response("done");`;

const namespace = await startNamespace({
	"object.js": script(FETCH),
	"object.json": '{"kv_namespaces": [{"binding": "STORE", "id": "x"}]}',
	"captured.js": `const early = fetch; export default { async fetch(request) { await early("${target}"); await early("${target}"); return new Response("done"); } };`,
	"class/index.js": `
		import { WorkerEntrypoint } from "cloudflare:workers";
		class Base extends WorkerEntrypoint { async inherited() { await this.fetchOne(); return "done"; } }
		export default class extends Base {
			#secret = "kept";
			async fetchOne() { return (await fetch("${target}")).text(); }
			async fetch(request) { await this.fetchOne(); return new Response(this.#secret + this.env.A); }
		}`,
	"class/config.json": '{"vars": {"A": "!"}}',
	"caught.js": script(
		`await fetch("${target}"); try { await fetch("${target}"); } catch (error) { return new Response("caught " + error.message); }`,
	),
	"spin.js": script("const end = Date.now() + 150; while (Date.now() < end); return new Response('spun');"),
	"plain.js": script("return new Response('done');"),
	"named.js":
		"export function helper() {}\nexport default { value: 7, fetch() { return new Response('this ' + this.value); } };",
	"broken.js": "export default {\n\tfetch( {\n}",
});
after(async () => {
	await namespace.stop();
	server.closeAllConnections();
	server.close();
});

const TOO_MANY = { name: "Error", message: "Too many subrequests by single Worker invocation." };
const TOO_LONG = { name: "Error", message: "Worker exceeded CPU time limit." };

/** @param {string} name @param {any} limits @param {string} [target] @param {object} [more] */
const call = (name, limits, target, more) => namespace.fetch({ name, options: { limits }, ...more }, target);

test("a script may make as many subrequests as its limit", async () => {
	assert.equal(await (await call("object", { subRequests: 2 }, "/?fetches=2")).text(), "done");
});

test("one more subrequest throws to the dispatcher", async () => {
	assert.deepEqual(await (await call("object", { subRequests: 2 }, "/?fetches=3")).json(), TOO_MANY);
});

test("KV operations count", async () => {
	assert.deepEqual(await (await call("object", { subRequests: 2 }, "/?fetches=1&reads=2")).json(), TOO_MANY);
});

test("concurrent invocations are counted separately", async () => {
	const all = await Promise.all(Array.from({ length: 8 }, () => call("object", { subRequests: 3 }, "/?fetches=3")));
	assert.deepEqual(await Promise.all(all.map((response) => response.text())), Array(8).fill("done"));
});

test("calls have separate limits", async () => {
	assert.deepEqual(await (await call("object", { subRequests: 0 }, "/?fetches=1")).json(), TOO_MANY);
	assert.equal(await (await call("object", undefined, "/?fetches=5")).text(), "done");
});

test("a reference to fetch from the start is counted too", async () => {
	assert.deepEqual(await (await call("captured", { subRequests: 1 })).json(), TOO_MANY);
});

test("a script can catch the error", async () => {
	assert.equal(await (await call("caught", { subRequests: 1 })).text(), `caught ${TOO_MANY.message}`);
});

test("a class entrypoint keeps its env, its private fields and its methods", async () => {
	assert.equal(await (await call("class", { subRequests: 1 })).text(), "kept!");
	const rpc = { call: { method: "inherited", args: [] } };
	assert.equal(await (await call("class", { subRequests: 1 }, "/", rpc)).json(), "done");
	assert.deepEqual(await (await call("class", { subRequests: 0 }, "/", rpc)).json(), TOO_MANY);
});

test("an object entrypoint keeps its own this and its other exports", async () => {
	assert.equal(await (await call("named", { cpuMs: 50 })).text(), "this 7");
});

test("computing past cpuMs before the first await throws to the dispatcher", async () => {
	assert.deepEqual(await (await call("spin", { cpuMs: 20 })).json(), TOO_LONG);
	assert.equal(await (await call("spin", { cpuMs: 2000 })).text(), "spun");
	assert.equal(await (await call("plain", { cpuMs: 1 })).text(), "done");
});

test("a syntax error is reported as without limits", async () => {
	assert.match(/** @type {any} */ (await (await call("broken", { cpuMs: 50 })).json()).message, /at broken\.js:3/);
});

test("limits that are not numbers are rejected", async () => {
	assert.deepEqual(await (await call("plain", { cpuMs: "soon" })).json(), {
		name: "TypeError",
		message: "limits.cpuMs must be a number, 0 or more",
	});
});
