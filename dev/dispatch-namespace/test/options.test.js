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
function refused(raw, message) {
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

test("a relative folder starts at the Worker's own folder", () => {
	assert.deepEqual(read({}).scripts, [path.join(folder, "scripts")]);
});

test("fields of the production binding are no unknown options", () => {
	assert.equal(read({ namespace: "production" }).namespace, "production");
});

test("a missing folder is named with its whole path", () => {
	refused({ scripts: "./absent" }, new RegExp(path.join(folder, "absent")));
	refused({ scripts: ["./absent", "./away"] }, /there is no folder .*absent or .*away/);
});

test("several folders keep their order, and one of them is enough", () => {
	const scripts = ["later", "scripts"].map((name) => path.join(folder, name));
	assert.deepEqual(read({ scripts: ["./later", "./scripts"] }).scripts, scripts);
});

test("a list of folders holds folders", () => {
	refused({ scripts: [] }, /"scripts" must name the folder/);
	refused({ scripts: ["./scripts", 1] }, /"scripts" must name the folder/);
});

test("packages for Python are a folder from the Worker's own folder", () => {
	assert.deepEqual(read({}).python, { compatibilityFlags: [] });
	assert.deepEqual(read({ python: { modules: "./scripts", compatibilityFlags: ["a"] } }).python, {
		modules: path.join(folder, "scripts"),
		compatibilityFlags: ["a"],
	});
	refused({ python: { modules: "./absent" } }, /"python.modules": there is no folder .*absent/);
	refused({ python: { module: "./scripts" } }, /unknown option "python.module"/);
	refused({ python: { compatibilityFlags: "a" } }, /"python.compatibilityFlags" must be a list of flags/);
	refused({ python: "./scripts" }, /"python" must be a table/);
});

test("scripts must be given", () => refused({ scripts: undefined }, /"scripts" must name the folder/));
test("an unknown option is refused by name", () => refused({ script: "x" }, /unknown option "script"/));
test("recheckMs must be a number", () => refused({ recheckMs: "soon" }, /"recheckMs" must be a number/));
test("an outbound Worker needs a service or a script", () => refused({ outbound: {} }, /needs "service" or "script"/));
test("an unknown outbound option is refused by name", () =>
	refused({ outbound: { servce: "x" } }, /"outbound.servce"/));
test("parameters need an outbound script", () => {
	refused({ outbound: { service: "x", parameters: ["a"] } }, /needs "outbound.script"/);
});

test("the upload API's form of an outbound Worker is understood", () => {
	assert.deepEqual(read({ outbound: { worker: { service: "out" }, params: [] } }).outbound, {
		service: "out",
		parameters: [],
	});
});

test("an outbound script is a path from the Worker's own folder", () => {
	assert.deepEqual(read({ outbound: { script: "./out.js", params: [{ name: "a" }] } }).outbound, {
		script: path.join(folder, "out.js"),
		parameters: ["a"],
	});
});
