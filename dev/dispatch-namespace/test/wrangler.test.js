import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { after, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { PACKAGE, says, script, temporaryFolder, writeFiles } from "./namespace.js";

// In a workspace, npm installs packages above their users.
const MANIFEST = createRequire(import.meta.url).resolve("wrangler/package.json");
const WRANGLER = path.join(path.dirname(MANIFEST), "bin/wrangler.js");
const { folder, remove } = temporaryFolder();
after(remove);

const CONFIG = `
name = "dispatcher"
main = "dispatcher.js"
compatibility_date = "2026-11-01"

[[unsafe.bindings]]
name = "DISPATCHER"
type = "dispatch_namespace"
namespace = "my-namespace"
[unsafe.bindings.dev]
plugin = { package = ${JSON.stringify(PACKAGE)}, name = "dispatch-namespace" }
options = { scripts = "./namespace" }
`;

const DISPATCHER = `export default { async fetch(request, env) {
	const name = new URL(request.url).pathname.slice(1);
	try {
		return await env.DISPATCHER.get(name, {}, { limits: { cpuMs: 50, subRequests: 5 } }).fetch(request);
	} catch (error) {
		if (error.message.startsWith("Worker not found")) return new Response("", { status: 404 });
		return new Response(error.message, { status: 500 });
	}
} };`;

writeFiles(folder, {
	"wrangler.toml": CONFIG,
	"dispatcher.js": DISPATCHER,
	"namespace/hello.js": says("hello"),
	"namespace/store.js": script(`
		console.log("a log line of the script");
		if (request.method === "PUT") await env.STORE.put("key", await request.text());
		return new Response(await env.STORE.get("key"));`),
	"namespace/store.json": '{"kv_namespaces": [{"binding": "STORE", "id": "store"}]}',
});

/** @param {string[]} args */
function wrangler(args) {
	const child = spawn(process.execPath, [WRANGLER, ...args], {
		cwd: folder,
		// Isolates the test from other wrangler sessions of the same user.
		env: {
			...process.env,
			XDG_CONFIG_HOME: path.join(folder, ".config"),
			WRANGLER_REGISTRY_PATH: path.join(folder, ".registry"),
			CLOUDFLARE_CF_FETCH_ENABLED: "false",
			WRANGLER_SEND_METRICS: "false",
			CI: "1",
		},
	});
	const output = { text: "" };
	for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => (output.text += data));
	return { child, output };
}

/** @param {(url: string, output: {text: string}) => Promise<void>} use */
async function withDev(use) {
	const { child, output } = wrangler(["dev", "--ip", "127.0.0.1", "--port", "0", "--inspector-port", "0"]);
	const exited = once(child, "exit");
	try {
		let url;
		while (url === undefined && child.exitCode === null) {
			url = /Ready on (http:\S+)/.exec(output.text)?.[1];
			await delay(50);
		}
		assert.ok(url, output.text);
		await use(url, output);
	} finally {
		child.kill("SIGTERM");
		await exited;
	}
}

/** Requests the URL until the response is the expected one.
 * @param {string} url @param {string} expected @param {number} [patienceMs] */
async function becomes(url, expected, patienceMs = 1000) {
	const deadline = Date.now() + patienceMs;
	for (;;) {
		const response = await fetch(url);
		const actual = `${response.status} ${await response.text()}`;
		if (actual === expected) return;
		if (Date.now() > deadline) assert.equal(actual, expected);
		await delay(20);
	}
}

test("under wrangler dev, scripts respond, change, persist and log", async () => {
	await withDev(async (url, output) => {
		await becomes(`${url}/hello`, "200 hello");
		await becomes(`${url}/later`, "404 ");
		writeFiles(folder, { "namespace/later.js": says("here"), "namespace/hello.js": says("changed") });
		await becomes(`${url}/later`, "200 here");
		await becomes(`${url}/hello`, "200 changed");
		assert.equal(await (await fetch(`${url}/store`, { method: "PUT", body: "kept" })).text(), "kept");
		while (!output.text.includes("a log line of the script")) await delay(20);
		writeFiles(folder, { "dispatcher.js": DISPATCHER.replace('"", { status: 404 }', '"none", { status: 404 }') });
		await becomes(`${url}/absent`, "404 none", 15_000);
		await becomes(`${url}/hello`, "200 changed");
	});
	await withDev(async (url) => becomes(`${url}/store`, "200 kept"));
});

test("wrangler's own commands use the same KV namespace", async () => {
	const { child, output } = wrangler(["kv", "key", "get", "key", "--namespace-id", "store", "--local", "--text"]);
	await once(child, "exit");
	assert.match(output.text, /kept/);
});

test("the same configuration deploys as a dispatch namespace", async () => {
	const { child, output } = wrangler(["deploy", "--dry-run"]);
	const [code] = await once(child, "exit");
	assert.equal(code, 0, output.text);
	assert.match(output.text, /env\.DISPATCHER \(dispatch_namespace\)|dispatch_namespace/);
});

test("an invalid option is reported in one line", async () => {
	writeFiles(folder, { "wrangler.toml": CONFIG.replace("./namespace", "./absent") });
	const { child, output } = wrangler(["dev", "--ip", "127.0.0.1", "--port", "0", "--inspector-port", "0"]);
	const exited = once(child, "exit");
	while (!output.text.includes("there is no folder") && child.exitCode === null) await delay(50);
	child.kill("SIGTERM");
	await exited;
	assert.match(output.text, /binding DISPATCHER: option "scripts": there is no folder .*absent/);
});

test("the README's example runs unchanged", async () => {
	const readme = readFileSync(path.join(PACKAGE, "README.md"), "utf8");
	const files = [...readme.matchAll(/^`(\S+)`:\n\n```\w+\n([\s\S]*?)^```/gm)].map(([, name, text]) => [name, text]);
	assert.equal(files.length, 6);
	rmSync(path.join(folder, "namespace"), { recursive: true });
	// In this test the package is not installed beside miniflare.
	writeFiles(
		folder,
		Object.fromEntries(
			files.map(([name, text]) => [
				name,
				text.replace('package = "miniflare-dispatch-namespace"', `package = ${JSON.stringify(PACKAGE)}`),
			]),
		),
	);
	const calls = [...readme.matchAll(/^\$ curl http:\/\/localhost:8787(\S+)\n(.*\n)/gm)];
	assert.equal(calls.length, 3);
	await withDev(async (url) => {
		for (const [, target, expected] of calls) assert.equal(await (await fetch(url + target)).text(), expected);
	});
});
