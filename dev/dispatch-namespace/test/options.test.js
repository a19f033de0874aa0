import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import path from "node:path";
import { after, test } from "node:test";
import { OptionError, readOptions } from "../src/options.node.js";
import { temporaryFolder } from "./namespace.js";

const { folder, remove } = temporaryFolder();
mkdirSync(path.join(folder, "scripts"));
after(remove);

/** @param {object} raw */
const read = (raw) => readOptions("DISPATCHER", { scripts: "./scripts", ...raw }, folder);

/** @param {object} raw @param {RegExp} message */
function assertRejected(raw, message) {
	assert.throws(
		() => read(raw),
		(/** @type {Error} */ error) => {
			assert.ok(error instanceof OptionError);
			assert.match(error.message, message);
			assert.match(error.message, /binding DISPATCHER/);
			assert.ok(!error.message.includes("\n"), "one line");
			return true;
		},
	);
}

test("a relative folder is resolved against the Worker's folder", () => {
	assert.deepEqual(read({}).scripts, [path.join(folder, "scripts")]);
});

test("fields of the production binding are allowed", () => {
	assert.equal(read({ namespace: "production" }).namespace, "production");
});

test("a missing folder is reported with its absolute path", () => {
	assertRejected({ scripts: "./absent" }, new RegExp(path.join(folder, "absent")));
	assertRejected({ scripts: ["./absent", "./away"] }, /there is no folder .*absent or .*away/);
});

test("several folders keep their order, and one must exist", () => {
	const scripts = ["later", "scripts"].map((name) => path.join(folder, name));
	assert.deepEqual(read({ scripts: ["./later", "./scripts"] }).scripts, scripts);
});

test("a list of folders must not be empty", () => {
	assertRejected({ scripts: [] }, /"scripts" must name the folder/);
	assertRejected({ scripts: ["./scripts", 1] }, /"scripts" must name the folder/);
});

test("packages for Python are resolved against the Worker's folder", () => {
	assert.deepEqual(read({}).python, { compatibilityFlags: [] });
	assert.deepEqual(read({ python: { modules: "./scripts", compatibilityFlags: ["a"] } }).python, {
		modules: path.join(folder, "scripts"),
		compatibilityFlags: ["a"],
	});
	assertRejected({ python: { modules: "./absent" } }, /"python.modules": there is no folder .*absent/);
	assertRejected({ python: { module: "./scripts" } }, /unknown option "python.module"/);
	assertRejected({ python: { compatibilityFlags: "a" } }, /"python.compatibilityFlags" must be a list of flags/);
	assertRejected({ python: "./scripts" }, /"python" must be a table/);
});

test("scripts must be given", () => assertRejected({ scripts: undefined }, /"scripts" must name the folder/));
test("an unknown option is rejected by name", () => assertRejected({ script: "x" }, /unknown option "script"/));
test("recheckMs must be a number", () => assertRejected({ recheckMs: "soon" }, /"recheckMs" must be a number/));
test("an outbound Worker needs a service or a script", () =>
	assertRejected({ outbound: {} }, /needs "service" or "script"/));
test("an unknown outbound option is rejected by name", () =>
	assertRejected({ outbound: { servce: "x" } }, /"outbound.servce"/));
test("parameters need an outbound script", () => {
	assertRejected({ outbound: { service: "x", parameters: ["a"] } }, /needs "outbound.script"/);
});

test("the upload API's form of an outbound Worker is accepted", () => {
	assert.deepEqual(read({ outbound: { worker: { service: "out" }, params: [] } }).outbound, {
		service: "out",
		parameters: [],
	});
});

test("an outbound script is resolved against the Worker's folder", () => {
	assert.deepEqual(read({ outbound: { script: "./out.js", params: [{ name: "a" }] } }).outbound, {
		script: path.join(folder, "out.js"),
		parameters: ["a"],
	});
});
