import assert from "node:assert/strict";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { script, startNamespace } from "./namespace.js";

const log = path.join(tmpdir(), `script-log-${process.pid}`, "scripts.jsonl");
const namespace = await startNamespace(
	{
		"speaker.js": script(
			`console.log("said", { deep: 1 }); console.error("failed"); return new Response("x", { status: 201 });`,
		),
		"thrower.js": `function inner() { throw new TypeError("broken part"); }
export default {
	fetch() {
		inner();
	},
};`,
		"syntax.js": "export default {\n\tfetch( {\n}",
		"top.js": "throw new Error('at the top');\nexport default {};",
	},
	{ options: { log } },
);
after(async () => {
	await namespace.stop();
	rmSync(path.dirname(log), { recursive: true, force: true });
});

/** @param {string} name @param {number} count */
async function traces(name, count = 1) {
	const deadline = Date.now() + 10_000;
	for (;;) {
		// A line may be incomplete while it is written.
		const lines = existsSync(log) ? readFileSync(log, "utf8").split("\n").slice(0, -1) : [];
		const found = lines.map((line) => JSON.parse(line)).filter(({ scriptName }) => scriptName === name);
		if (found.length >= count) return found;
		assert.ok(Date.now() < deadline, `no trace of ${name}: ${lines.join("\n")}`);
		await new Promise((resolve) => setTimeout(resolve, 20));
	}
}

test("a request's trace has its URL, status and console output", async () => {
	await (await namespace.fetch("speaker", "/a?b=1", { headers: { authorization: "Bearer secret" } })).text();
	const [trace] = await traces("speaker");
	assert.equal(trace.outcome, "ok");
	assert.equal(trace.event.request.method, "GET");
	assert.match(trace.event.request.url, /\/a\?b=1$/);
	assert.equal(trace.event.response.status, 201);
	assert.deepEqual(
		trace.logs.map((/** @type {any} */ { level, message }) => [level, message]),
		[
			["log", ["said", { deep: 1 }]],
			["error", ["failed"]],
		],
	);
	assert.ok(!readFileSync(log, "utf8").includes("secret"));
});

test("an exception's trace has its stack", async () => {
	await (await namespace.fetch({ name: "thrower", options: { limits: { cpuMs: 50 } } })).text();
	const [trace] = await traces("thrower");
	assert.equal(trace.outcome, "exception");
	const [{ name, message, stack }] = trace.exceptions;
	assert.deepEqual([name, message], ["TypeError", "broken part"]);
	assert.match(stack, /inner .*thrower\.js:1/);
	assert.doesNotMatch(stack, /dispatch-namespace/);
});

test("a script that does not start has a trace with the exception", async () => {
	for (const name of ["syntax", "top"]) {
		const { message } = await (await namespace.fetch(name)).json();
		const [trace] = await traces(name);
		assert.equal(trace.outcome, "exception");
		assert.equal(trace.exceptions[0].message, message);
		assert.match(JSON.stringify(trace), new RegExp(`${name}.js`));
	}
});

test("a missing script has a trace", async () => {
	await (await namespace.fetch("gone")).text();
	const [trace] = await traces("gone");
	assert.equal(trace.outcome, "scriptNotFound");
});
