import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { says, startNamespace } from "./namespace.js";

/**
 * With these variables, workerd uses a local Pyodide bundle, which needs development flags;
 * without them, it downloads Cloudflare's.
 */
const { PYTHON_FLAGS, PYTHON_MODULES } = process.env;
const FLAGS = PYTHON_FLAGS?.split(" ") ?? [];

const APP = `
import asyncio
import json
from urllib.parse import urlsplit, parse_qs

from lib.greeting import greet
from workers import Response, WorkerEntrypoint, fetch
import js
import shouting


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        url = urlsplit(request.url)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        return await getattr(self, "get_" + url.path.strip("/"))(request, query)

    async def get_hello(self, request, query):
        page = open("/session/metadata/page.html").read()
        return Response(f"{greet(self.env.WHO)} {shouting.loud(page)} {self.env.LIST[1]} {self.greeting()}")

    def greeting(self):
        return "sync"

    async def get_store(self, request, query):
        await self.env.STORE.put("key", await request.text())
        keys = (await self.env.STORE.list())["keys"]
        return Response(await self.env.STORE.get("key") + keys[0]["name"], status=201, headers={"x-own": "yes"})

    async def get_fetches(self, request, query):
        async def one(send):
            return await (await send("http://elsewhere.test/")).text()

        fetches = [one(fetch if i % 2 else js.fetch) for i in range(int(query["count"]))]
        return Response(" ".join(await asyncio.gather(*fetches)))

    async def get_reads(self, request, query):
        for _ in range(int(query["count"])):
            await self.env.STORE.get("key")
        return Response("read")

    async def get_busy(self, request, query):
        while True:
            sum(range(300_000))
            await asyncio.sleep(0)

    async def get_waits(self, request, query):
        await asyncio.sleep(0.3)
        return Response("waited")

    async def get_broken(self, request, query):
        raise ValueError("broken on purpose")

    async def add(self, a, b):
        return {"sum": a + b, "props": self.ctx.props.plan}
`;

const LIMITS = { cpuMs: 300, subRequests: 2 };
/** @type {Awaited<ReturnType<typeof startNamespace>>} */
let namespace;

before(async () => {
	namespace = await startNamespace(
		{
			"app/wrangler.toml": [
				'main = "src/entry.py"',
				'compatibility_flags = ["python_workers"]',
				'kv_namespaces = [{ binding = "STORE", id = "store" }]',
				"[vars]",
				'WHO = "you"',
				'LIST = ["a", "b"]',
			].join("\n"),
			"app/src/entry.py": APP,
			"app/src/lib/greeting.py": 'greet = lambda who: f"hello {who}"',
			"app/src/page.html": "page",
			"app/python_modules/shouting.py": "loud = str.upper",
			"lost.py": "import workers\n\nfrom nowhere import something\n",
			"garbled.py": "class Default\n",
		},
		{
			options: {
				python: { compatibilityFlags: FLAGS, modules: PYTHON_MODULES },
				outbound: { service: "out" },
			},
			flags: FLAGS.filter((flag) => flag === "experimental"),
			workers: [{ name: "out", modules: true, compatibilityDate: "2026-11-01", script: says("out") }],
		},
	);
});
after(() => namespace.stop());

/** @param {string} target @param {object} [more] @param {RequestInit} [init] */
async function call(target, more = {}, init = {}) {
	const response = await namespace.fetch({ name: "app", ...more }, target, init);
	const text = await response.text();
	return { status: response.status, headers: response.headers, text };
}
/** @param {string} target */
const callLimited = (target) => call(target, { options: { limits: LIMITS } });

test("a Python script has its modules, packages, files and variables", async () => {
	const { status, text } = await call("/hello");
	assert.deepEqual([status, text], [200, "hello you PAGE b sync"]);
});

test("a Python script has its KV namespaces, and returns status and headers", async () => {
	const { status, headers, text } = await call("/store", {}, { method: "POST", body: "value" });
	assert.deepEqual([status, headers.get("x-own"), text], [201, "yes", "valuekey"]);
});

test("requests of a Python script go through the outbound Worker", async () => {
	assert.equal((await call("/fetches?count=3")).text, "out out out");
});

test("methods of a Python entrypoint are remote procedures, with the caller's props", async () => {
	const rpc = { call: { method: "add", args: [2, 3] }, args: { props: { plan: "pro" } } };
	assert.deepEqual(JSON.parse((await call("/", rpc)).text), { sum: 5, props: "pro" });
});

test("an exception in a Python script is thrown by fetch, with file and line", async () => {
	const { status, text } = await call("/broken");
	assert.equal(status, 599);
	assert.match(JSON.parse(text).message, /entry.py", line \d+[\s\S]*ValueError: broken on purpose/);
});

test("a missing module is reported with the importing file", async () => {
	const { message } = JSON.parse((await call("/", { name: "lost" })).text);
	assert.match(message, /lost.py", line 3[\s\S]*No module named 'nowhere'/);
});

test("a syntax error in Python is reported with file and line", async () => {
	const { message } = JSON.parse((await call("/", { name: "garbled" })).text);
	assert.match(message, /garbled.py", line 1[\s\S]*SyntaxError/);
});

test("within its limits, a Python script responds as without", async () => {
	assert.equal((await callLimited("/hello")).text, "hello you PAGE b sync");
	const waits = await Promise.all([callLimited("/waits"), callLimited("/waits")]);
	assert.deepEqual(
		waits.map(({ text }) => text),
		["waited", "waited"],
	);
});

test("subrequests of a Python script are counted by invocation", async () => {
	const all = await Promise.all(["/fetches?count=2", "/reads?count=2", "/fetches?count=2"].map(callLimited));
	assert.deepEqual(
		all.map(({ text }) => text),
		["out out", "read", "out out"],
	);
	for (const target of ["/fetches?count=3", "/reads?count=3"]) {
		const { status, text } = await callLimited(target);
		assert.equal(status, 599);
		assert.match(JSON.parse(text).message, /Too many subrequests by single Worker invocation/);
	}
});

test("a Python script that computes too long is stopped at an await", async () => {
	const { status, text } = await callLimited("/busy");
	assert.equal(status, 599);
	assert.match(JSON.parse(text).message, /Worker exceeded CPU time limit/);
	assert.equal((await callLimited("/hello")).status, 200);
});

test("a changed Python script is used at the next call", async () => {
	assert.equal((await call("/hello")).text, "hello you PAGE b sync");
	namespace.write({ "app/src/lib/greeting.py": 'greet = lambda who: f"welcome {who}"' });
	assert.equal((await call("/hello")).text, "welcome you PAGE b sync");
});
