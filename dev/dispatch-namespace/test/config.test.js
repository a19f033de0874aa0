import assert from "node:assert/strict";
import { test } from "node:test";
import { ConfigError, readConfig } from "../src/config.node.js";

/** @param {string} file @param {string} text @param {RegExp} message */
const assertRejected = (file, text, message) =>
	assert.throws(
		() => readConfig(file, text),
		(/** @type {Error} */ error) => {
			assert.ok(error instanceof ConfigError);
			assert.match(error.message, message);
			assert.ok(error.message.startsWith(file) && !error.message.includes("\n"));
			return true;
		},
	);

const EXPECTED = {
	main: "src/index.js",
	compatibilityDate: "2026-01-31",
	compatibilityFlags: ["nodejs_compat"],
	vars: { PLAN: "free", TABLE: { a: 1 } },
	kv: { STORE: "abc" },
};

test("a wrangler.toml gives main, date, flags, vars and KV", () => {
	const text = `
name = "ignored"
main = "src/index.js"
compatibility_date = "2026-01-31"
compatibility_flags = ["nodejs_compat"]
kv_namespaces = [{ binding = "STORE", id = "abc" }]
[vars]
PLAN = "free"
TABLE = { a = 1 }
`;
	// Tables of the TOML parser have no prototype; structuredClone adds it for the comparison.
	assert.deepEqual(structuredClone(readConfig("x/wrangler.toml", text)), EXPECTED);
});

test("a wrangler.jsonc may have comments and trailing commas", () => {
	const text = `{
		// a comment
		"main": "src/index.js", "compatibility_date": "2026-01-31",
		"compatibility_flags": ["nodejs_compat"],
		"vars": { "PLAN": "free", "TABLE": { "a": 1 } },
		"kv_namespaces": [{ "binding": "STORE", "id": "abc" },],
	}`;
	assert.deepEqual(readConfig("x/wrangler.jsonc", text), EXPECTED);
});

test("the default id of a KV namespace is its binding", () => {
	assert.deepEqual(readConfig("x.json", '{"kv_namespaces": [{"binding": "A"}]}').kv, { A: "A" });
});

test("a syntax error in TOML is one line", () => assertRejected("x/wrangler.toml", "a = \n", /Invalid TOML/));
test("a syntax error in JSON is reported with its line", () => assertRejected("x.json", '{\n"a": ,\n}', /in line 2/));
test("an unsupported binding is rejected by name", () => {
	assertRejected("x/wrangler.toml", '[[d1_databases]]\nbinding = "DB"', /"d1_databases" is not supported/);
});
test("a value of the wrong type is rejected by name", () =>
	assertRejected("x.json", '{"vars": 1}', /"vars" must be a table/));
test("a list is not a configuration", () => assertRejected("x.json", "[]", /must contain an object/));
