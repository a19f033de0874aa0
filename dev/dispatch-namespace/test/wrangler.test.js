import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { after, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { PACKAGE, says, script, temporaryFolder, writeFiles } from "./namespace.js";

// Wherever npm put it: in a workspace, packages lie above their users.
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
		console.log("the script is heard");
		if (request.method === "PUT") await env.STORE.put("key", await request.text());
		return new Response(await env.STORE.get("key"));`),
	"namespace/store.json": '{"kv_namespaces": [{"binding": "STORE", "id": "store"}]}',
});

/** @param {string[]} args */
function wrangler(args) {
	const child = spawn(process.execPath, [WRANGLER, ...args], {
		cwd: folder,
		// Other sessions of the same user must neither be seen nor disturbed.
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

/** Asks until the answer is the one expected.
 * @param {string} url @param {string} expected @param {number} [patienceMs] */
async function becomes(url, expected, patienceMs = 1000) {
	const deadline = Date.now() + patienceMs;
	for (;;) {
		const response = await fetch(url);
		const answer = `${response.status} ${await response.text()}`;
		if (answer === expected) return;
		if (Date.now() > deadline) assert.equal(answer, expected);
		await delay(20);
	}
}

test("under wrangler dev, scripts answer, change, persist and log", async () => {
	await withDev(async (url, output) => {
		await becomes(`${url}/hello`, "200 hello");
		await becomes(`${url}/nobody`, "404 ");
		writeFiles(folder, { "namespace/nobody.js": says("somebody"), "namespace/hello.js": says("changed") });
		await becomes(`${url}/nobody`, "200 somebody");
		await becomes(`${url}/hello`, "200 changed");
		assert.equal(await (await fetch(`${url}/store`, { method: "PUT", body: "kept" })).text(), "kept");
		while (!output.text.includes("the script is heard")) await delay(20);
		writeFiles(folder, { "dispatcher.js": DISPATCHER.replace('"", { status: 404 }', '"none", { status: 404 }') });
		await becomes(`${url}/absent`, "404 none", 15_000);
		await becomes(`${url}/hello`, "200 changed");
	});
	await withDev(async (url) => becomes(`${url}/store`, "200 kept"));
});

test("the same KV namespace is there for wrangler's own commands", async () => {
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

test("a bad option ends wrangler dev with one line", async () => {
	writeFiles(folder, { "wrangler.toml": CONFIG.replace("./namespace", "./absent") });
	const { child, output } = wrangler(["dev", "--ip", "127.0.0.1", "--port", "0", "--inspector-port", "0"]);
	const exited = once(child, "exit");
	while (!output.text.includes("there is no folder") && child.exitCode === null) await delay(50);
	child.kill("SIGTERM");
	await exited;
	assert.match(output.text, /binding DISPATCHER: option "scripts": there is no folder .*absent/);
});

test("the README's example runs as it is printed", async () => {
	const readme = readFileSync(path.join(PACKAGE, "README.md"), "utf8");
	const files = [...readme.matchAll(/^`(\S+)`:\n\n```\w+\n([\s\S]*?)^```/gm)].map(([, name, text]) => [name, text]);
	assert.equal(files.length, 6);
	rmSync(path.join(folder, "namespace"), { recursive: true });
	// Here the package is not installed beside miniflare.
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
		for (const [, target, answer] of calls) assert.equal(await (await fetch(url + target)).text(), answer);
	});
});
