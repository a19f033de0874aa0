import assert from "node:assert/strict";
import { test } from "node:test";
import { ConfigError, readConfig } from "../src/config.node.js";

/** @param {string} file @param {string} text @param {RegExp} message */
const refused = (file, text, message) =>
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
	// Tables of the TOML parser have no prototype, which no reader can tell.
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

test("a KV namespace without an id is known by its binding", () => {
	assert.deepEqual(readConfig("x.json", '{"kv_namespaces": [{"binding": "A"}]}').kv, { A: "A" });
});

test("a syntax error in TOML is one line", () => refused("x/wrangler.toml", "a = \n", /Invalid TOML/));
test("a syntax error in JSON names its line", () => refused("x.json", '{\n"a": ,\n}', /in line 2/));
test("a binding that cannot be served is refused by name", () => {
	refused("x/wrangler.toml", '[[d1_databases]]\nbinding = "DB"', /"d1_databases" is not supported/);
});
test("a value of the wrong type is refused by name", () => refused("x.json", '{"vars": 1}', /"vars" must be a table/));
test("a list is no configuration", () => refused("x.json", "[]", /must hold an object/));
