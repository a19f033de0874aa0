import assert from "node:assert/strict";
import { renameSync, rmSync } from "node:fs";
import path from "node:path";
import { after, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { says, script, startNamespace, temporaryFolder, writeFiles } from "./namespace.js";

// The smallest module with one export: add(i32, i32).
const ADD_WASM = Uint8Array.from([
	0, 97, 115, 109, 1, 0, 0, 0, 1, 7, 1, 96, 2, 127, 127, 1, 127, 3, 2, 1, 0, 7, 7, 1, 3, 97, 100, 100, 0, 0, 10, 9, 1,
	7, 0, 32, 0, 32, 1, 106, 11,
]);

const kv = (/** @type {string} */ id) => JSON.stringify({ kv_namespaces: [{ binding: "STORE", id }] });
const KV_SCRIPT = script(`
	const url = new URL(request.url);
	if (request.method === "PUT") { await env.STORE.put(url.pathname, request.body, { metadata: { by: "test" } }); return new Response("put"); }
	return Response.json({
		value: await env.STORE.get(url.pathname),
		list: await env.STORE.list({ prefix: "/" }),
		many: [...await env.STORE.get(["/a", "/b"])],
		withMetadata: await env.STORE.getWithMetadata(url.pathname, "text"),
		stream: await new Response(await env.STORE.get("/a", "stream")).text(),
		gone: (await env.STORE.put("t", "x"), await env.STORE.delete("t"), await env.STORE.get("t")),
	});`);

const namespace = await startNamespace({
	"hello.js": says("hello"),
	"thrower.js": script('throw new TypeError("no soup");'),
	"broken.js": "export default {\n\tfetch( {\n}",
	"top.js": '\n\nthrow new Error("at the top");',
	"many/index.js": `
		import { shout } from "./lib/shout.mjs";
		import data from "./data.json";
		import page from "./page.html";
		import note from "./note.txt";
		import raw from "./raw.bin";
		import wasm from "./add.wasm";
		export default { async fetch() {
			const { exports } = await WebAssembly.instantiate(wasm);
			return Response.json({ shout: shout("hi"), data, page, note, raw: new Uint8Array(raw), sum: exports.add(2, 3) });
		} };`,
	"many/lib/shout.mjs": 'import { up } from "../up.js"; export const shout = (text) => up(text) + "!";',
	"many/up.js": "export const up = (text) => text.toUpperCase();",
	"many/data.json": '{"a": [1]}',
	"many/page.html": "<p>",
	"many/note.txt": "note",
	"many/raw.bin": Uint8Array.from([0, 255]),
	"many/add.wasm": ADD_WASM,
	"vars.js": script("return Response.json(env);"),
	"vars.json": '{"vars": {"PLAN": "free", "LIMITS": {"a": 1}}}',
	"flags.js":
		'import { Buffer } from "node:buffer"; export default { fetch: () => new Response(Buffer.from("hi").toString("hex")) };',
	"flags.json": '{"compatibility_flags": ["nodejs_compat"], "compatibility_date": "2025-01-01"}',
	"store-a.js": KV_SCRIPT,
	"store-a.json": kv("one"),
	"store-b.js": KV_SCRIPT,
	"store-b.json": kv("two"),
	"store-c/index.js": KV_SCRIPT,
	"store-c/config.json": kv("one"),
	"untrusted.js": script(`
		const errorOf = (use) => use().then(String, (error) => error.message);
		return Response.json({
			cf: typeof request.cf,
			cache: await errorOf(async () => caches.default.match("http://x/")),
			opened: await errorOf(async () => (await caches.open("x")).match("http://x/")),
		});`),
	"rpc.js": `
		import { WorkerEntrypoint } from "cloudflare:workers";
		export default class extends WorkerEntrypoint {
			fetch() { return new Response("class " + this.ctx.props.customer); }
			add(a, b) { return a + b; }
			fail() { throw new RangeError("too far"); }
		}`,
	"state.js": "let calls = 0; export default { fetch: () => new Response(String(++calls)) };",
});
after(() => namespace.stop());

/** @param {string | object} dispatch @param {string} [target] */
const text = async (dispatch, target) => (await namespace.fetch(dispatch, target)).text();
/** @param {string | object} dispatch @param {string} [target] */
const json = async (dispatch, target) => /** @type {any} */ ((await namespace.fetch(dispatch, target)).json());

test("a script responds", async () => assert.equal(await text("hello"), "hello"));

for (const name of ["missing", "Hello", "../hello", "hello.js", "", "many/lib"]) {
	test(`get(${JSON.stringify(name)}) gives a Fetcher whose fetch throws "Worker not found."`, async () => {
		assert.deepEqual(await json(name), { name: "Error", message: "Worker not found." });
	});
}

test("an exception of a script reaches the dispatcher", async () => {
	assert.deepEqual(await json("thrower"), { name: "TypeError", message: "no soup" });
});

test("a syntax error is reported with file and line", async () => {
	const { message } = await json("broken");
	assert.match(message, /SyntaxError.*\n.*at broken\.js:3/s);
});

test("an exception at start is reported", async () =>
	assert.match((await json("top")).message, /at the top\n.*top\.js:3/));

test("modules of every type can be imported", async () => {
	assert.deepEqual(await json("many"), {
		shout: "HI!",
		data: { a: [1] },
		page: "<p>",
		note: "note",
		raw: { 0: 0, 1: 255 },
		sum: 5,
	});
});

test("vars are the script's env", async () => assert.deepEqual(await json("vars"), { PLAN: "free", LIMITS: { a: 1 } }));
test("compatibility date and flags are the script's own", async () => assert.equal(await text("flags"), "6869"));

test("KV works, and is shared by scripts with equal ids only", async () => {
	await namespace.fetch("store-a", "/a", { method: "PUT", body: "apple" });
	const { list, ...a } = await json("store-a", "/a");
	assert.deepEqual(list.keys, [{ name: "/a", metadata: { by: "test" } }]);
	assert.deepEqual(a, {
		value: "apple",
		many: [
			["/a", "apple"],
			["/b", null],
		],
		stream: "apple",
		gone: null,
		withMetadata: { value: "apple", metadata: { by: "test" }, cacheStatus: null },
	});
	assert.equal((await json("store-b", "/a")).value, null);
	assert.equal((await json("store-c", "/a")).value, "apple");
});

test("a script sees neither request.cf nor a cache", async () => {
	assert.deepEqual(await json("untrusted"), {
		cf: "undefined",
		cache: "No Cache was configured",
		opened: "No Cache was configured",
	});
});

test("methods of a class entrypoint can be called", async () => {
	assert.equal(await json({ name: "rpc", call: { method: "add", args: [1, 2] } }), 3);
	assert.deepEqual(await json({ name: "rpc", call: { method: "fail", args: [] } }), {
		name: "RangeError",
		message: "too far",
	});
});

test("args.props are the script's ctx.props", async () => {
	assert.equal(await text({ name: "rpc", args: { props: { customer: "c1" } } }), "class c1");
});

test("a script keeps its state between requests", async () => {
	assert.deepEqual([await text("state"), await text("state")], ["1", "2"]);
});

test("new, changed, half-saved and removed scripts are detected at once", async () => {
	assert.match(await text("fresh"), /Worker not found/);
	namespace.write({ "fresh.js": says("one") });
	assert.equal(await text("fresh"), "one");
	namespace.write({ "fresh.js": "export default { fetch( " });
	assert.match(await text("fresh"), /SyntaxError/);
	namespace.write({ "fresh.js": says("two") });
	assert.equal(await text("fresh"), "two");
	namespace.write({ "fresh.json": '{"vars": ' });
	assert.match(await text("fresh"), /Script \\"fresh\\" cannot be loaded: fresh.json/);
	namespace.write({ "fresh.json": "{}" });
	assert.equal(await text("fresh"), "two");
	rmSync(path.join(namespace.folder, "fresh.js"));
	assert.match(await text("fresh"), /Worker not found/);
});

test("a change in a module of a folder is detected at once", async () => {
	namespace.write({
		"deep/index.js": 'import word from "./lib/word.txt"; export default { fetch: () => new Response(word) };',
		"deep/lib/word.txt": "a",
	});
	assert.equal(await text("deep"), "a");
	namespace.write({ "deep/lib/word.txt": "b" });
	assert.equal(await text("deep"), "b");
});

test("an unreadable folder is reported, and read when it is back", async () => {
	const gone = await startNamespace({ "hello.js": says("hello") });
	try {
		const moved = `${gone.folder}-moved`;
		renameSync(gone.folder, moved);
		assert.match(await (await gone.fetch("hello")).text(), /The folder of scripts cannot be read: ENOENT/);
		renameSync(moved, gone.folder);
		assert.equal(await (await gone.fetch("hello")).text(), "hello");
	} finally {
		await gone.stop();
	}
});

test("with the default recheckMs, a burst causes one check, and a later change is detected", async () => {
	const calm = await startNamespace({ "hello.js": says("one") }, { options: { recheckMs: 200 } });
	try {
		const burst = async () =>
			new Set(await Promise.all(Array.from({ length: 20 }, async () => (await calm.fetch("hello")).text())));
		assert.deepEqual(await burst(), new Set(["one"]));
		calm.write({ "hello.js": says("two") });
		await delay(220);
		await burst();
		assert.deepEqual(await burst(), new Set(["two"]));
	} finally {
		await calm.stop();
	}
});

test("two namespaces of one Worker have separate scripts", async () => {
	const other = temporaryFolder();
	writeFiles(other.folder, { "hello.js": says("the other"), "only.js": says("only there") });
	const both = await startNamespace({ "hello.js": says("one") }, { others: { OTHER: other.folder } });
	try {
		assert.equal(await (await both.fetch("hello")).text(), "one");
		assert.equal(await (await both.fetch({ binding: "OTHER", name: "hello" })).text(), "the other");
		assert.match(await (await both.fetch("only")).text(), /Worker not found/);
	} finally {
		await both.stop();
		other.remove();
	}
});
