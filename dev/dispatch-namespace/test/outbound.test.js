import assert from "node:assert/strict";
import path from "node:path";
import { after, test } from "node:test";
import { says, script, startNamespace, temporaryFolder, writeFiles } from "./namespace.js";

const CALLER = script('return fetch("http://elsewhere.test/path", { method: "POST", body: "sent" });');
const { folder, remove } = temporaryFolder();
writeFiles(folder, {
	"outbound/index.js": script("return Response.json({ url: request.url, body: await request.text(), env });"),
	"outbound/config.json": '{"vars": {"FIXED": "yes"}}',
});
after(remove);

test("an outbound script gets every fetch, with its parameters in env", async () => {
	const namespace = await startNamespace(
		{ "caller.js": CALLER },
		{ options: { outbound: { script: path.join(folder, "outbound"), parameters: ["customer"] } } },
	);
	try {
		const call = async (/** @type {string} */ customer) =>
			(
				await namespace.fetch({ name: "caller", options: { outbound: { customer: { name: customer }, other: 1 } } })
			).json();
		for (const name of ["ann", "bob", ...Array.from({ length: 12 }, (_, i) => `new${i}`), "ann"]) {
			assert.deepEqual(await call(name), {
				url: "http://elsewhere.test/path",
				body: "sent",
				env: { FIXED: "yes", customer: { name } },
			});
		}
		assert.deepEqual(/** @type {any} */ (await (await namespace.fetch("caller")).json()).env, { FIXED: "yes" });
		writeFiles(folder, { "outbound/index.js": says("changed") });
		assert.equal(await (await namespace.fetch("caller")).text(), "changed");
	} finally {
		await namespace.stop();
	}
});

test("an outbound script in Python is rejected", async () => {
	writeFiles(folder, { "away.py": "a" });
	const namespace = await startNamespace(
		{ "caller.js": CALLER },
		{ options: { outbound: { script: path.join(folder, "away.py") } } },
	);
	try {
		const { message } = await (await namespace.fetch("caller")).json();
		assert.match(message, /Script "away" is Python; an outbound Worker must be JavaScript/);
	} finally {
		await namespace.stop();
	}
});

test("an outbound service of the same session gets every fetch", async () => {
	const outbound = {
		name: "out",
		modules: true,
		compatibilityDate: "2026-11-01",
		script: script('return new Response("out " + request.url);'),
	};
	const namespace = await startNamespace(
		{ "caller.js": CALLER },
		{ options: { outbound: { service: "out" } }, workers: [outbound] },
	);
	try {
		assert.equal(await (await namespace.fetch("caller")).text(), "out http://elsewhere.test/path");
		const limited = { name: "caller", options: { limits: { subRequests: 0 } } };
		assert.match(await (await namespace.fetch(limited)).text(), /Too many subrequests/);
	} finally {
		await namespace.stop();
	}
});

test("a missing outbound service is reported", async () => {
	await assert.rejects(
		startNamespace({}, { options: { outbound: { service: "out" } } }),
		/"out" is not a Worker of this session \(there are: dispatcher\)/,
	);
});

test("an invalid option is reported at start", async () => {
	await assert.rejects(
		startNamespace({}, { options: { scripts: "/does/not/exist" } }),
		/binding DISPATCHER: .* there is no folder \/does\/not\/exist/,
	);
});
