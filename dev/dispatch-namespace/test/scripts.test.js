import assert from "node:assert/strict";
import { renameSync, rmSync, symlinkSync, utimesSync } from "node:fs";
import path from "node:path";
import { after, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { ScriptFolders } from "../src/scripts.node.js";
import { ScriptError } from "../src/source.node.js";
import { temporaryFolder, writeFiles } from "./namespace.js";

const { folder, remove } = temporaryFolder();
after(remove);
const scripts = new ScriptFolders([folder]);
/** @param {Record<string, string>} files */
const write = (files) => writeFiles(folder, files);

/** @param {string} name */
async function load(name) {
	const version = await scripts.version(name);
	assert.ok(version !== undefined, `${name} is found`);
	const script = scripts.script(name, version);
	assert.ok(script !== undefined);
	return script;
}
/** @param {string} name @param {RegExp} message */
const assertRejected = (name, message) =>
	assert.rejects(scripts.version(name), (error) => error instanceof ScriptError && message.test(error.message));

test("a single file is a script, with its configuration beside it", async () => {
	write({ "one.js": "export default {}", "one.json": '{"vars": {"A": "1"}}' });
	const script = await load("one");
	assert.equal(script.mainModule, "one.js");
	assert.deepEqual(Object.keys(script.modules), ["one.js"]);
	assert.deepEqual(script.config.vars, { A: "1" });
});

test("a folder is a script with every module below it", async () => {
	write({
		"many/index.mjs": "x",
		"many/lib/a.js": "y",
		"many/page.html": "<p>",
		"many/data.json": "{}",
		"many/raw.bin": "b",
		"many/notes.pdf": "-",
		"many/.hidden.js": "-",
		"many/node_modules/x/index.js": "-",
		"many/index.js~": "-",
	});
	const script = await load("many");
	assert.equal(script.mainModule, "many/index.mjs");
	assert.deepEqual(Object.keys(script.modules), [
		"many/data.json",
		"many/index.mjs",
		"many/lib/a.js",
		"many/page.html",
		"many/raw.bin",
	]);
});

test("main in the configuration names the main module", async () => {
	write({ "built/wrangler.toml": 'main = "./dist/worker.js"', "built/dist/worker.js": "x" });
	assert.equal((await load("built")).mainModule, "built/dist/worker.js");
});

test("equal contents have an equal version, regardless of file times", async () => {
	write({ "same.js": "a" });
	const first = await scripts.version("same");
	utimesSync(path.join(folder, "same.js"), 1, 1);
	assert.equal(await scripts.version("same"), first);
	write({ "same.js": "b" });
	assert.notEqual(await scripts.version("same"), first);
	write({ "same.js": "a" });
	assert.equal(await scripts.version("same"), first);
});

test("a change of equal size within one clock tick is detected", async () => {
	const seen = new Set();
	for (let i = 0; i < 10; i++) {
		write({ "quick.js": `${i}` });
		seen.add(await scripts.version("quick"));
	}
	assert.equal(seen.size, 10);
});

test("a change of the configuration is a new version", async () => {
	write({ "conf.js": "a", "conf.json": '{"vars": {"A": 1}}' });
	const first = await scripts.version("conf");
	write({ "conf.json": '{"vars": {"A": 2}}' });
	assert.notEqual(await scripts.version("conf"), first);
});

test("a script is created, renamed and removed", async () => {
	assert.equal(await scripts.version("fleeting"), undefined);
	write({ "fleeting.js": "a" });
	assert.ok(await scripts.version("fleeting"));
	renameSync(path.join(folder, "fleeting.js"), path.join(folder, "moved.js"));
	assert.equal(await scripts.version("fleeting"), undefined);
	rmSync(path.join(folder, "moved.js"));
	assert.equal(await scripts.version("moved"), undefined);
});

for (const name of [
	"",
	"..",
	"../x",
	"a/b",
	"a\\b",
	"a.js",
	"-a",
	"_a",
	"A",
	"é",
	"a\0",
	"a%2fb",
	"constructor.name",
	" a",
]) {
	test(`no script has the name ${JSON.stringify(name)}`, async () => {
		assert.equal(await scripts.version(name), undefined);
	});
}

test("a file of another case is not the script", async () => {
	write({ "Mixed.js": "a" });
	assert.equal(await scripts.version("mixed"), undefined);
});

test("two sources of one name are rejected", async () => {
	write({ "twice.js": "a", "twice/index.js": "b" });
	await assertRejected("twice", /several of it: twice.js, twice\//);
});

test("a Python script has the modules beside its main one, and its packages", async () => {
	write({
		"snake.py": "a",
		"viper/index.py": "b",
		"adder/wrangler.toml": 'main = "src/entry.py"',
		"adder/src/entry.py": "c",
		"adder/src/scales/skin.py": "d",
		"adder/src/page.html": "<p>",
		"adder/src/__pycache__/entry.cpython-314.pyc": "-",
		"adder/outside.py": "-",
		"adder/python_modules/markdown/__init__.py": "e",
		"adder/python_modules/markdown/names.json": "{",
		"adder/python_modules/markdown/LICENSE": "f",
	});
	assert.deepEqual((await load("snake")).modules, { "snake.py": { py: "a" } });
	assert.deepEqual((await load("viper")).modules, { "index.py": { py: "b" } });
	const { mainModule, modules } = await load("adder");
	assert.equal(mainModule, "entry.py");
	assert.deepEqual(modules, {
		"python_modules/markdown/LICENSE": { data: "Zg==" },
		"python_modules/markdown/__init__.py": { py: "e" },
		"python_modules/markdown/names.json": { data: "ew==" },
		"entry.py": { py: "c" },
		"page.html": { text: "<p>" },
		"scales/skin.py": { py: "d" },
	});
});

test("a Python script without its own SDK gets the shared one", async () => {
	write({
		"sdk/workers/__init__.py": "shared",
		"sdk/workers/workflows.js": "js",
		"sdk/markdown.py": "shared",
		"bare/index.py": "a",
		"bare/python_modules/markdown.py": "own",
		"whole/index.py": "b",
		"whole/python_modules/workers/__init__.py": "own",
	});
	const withSdk = new ScriptFolders([folder], path.join(folder, "sdk"));
	const modules = async (/** @type {string} */ name) =>
		withSdk.script(name, (await withSdk.version(name)) ?? "")?.modules;
	assert.deepEqual(await modules("bare"), {
		"python_modules/markdown.py": { py: "own" },
		"index.py": { py: "a" },
		"python_modules/workers/__init__.py": { py: "shared" },
		"python_modules/workers/workflows.js": { js: "js" },
	});
	assert.deepEqual(await modules("whole"), {
		"python_modules/workers/__init__.py": { py: "own" },
		"index.py": { py: "b" },
	});
});

test("a JavaScript script ignores Python files", async () => {
	write({ "mixed/index.js": "a", "mixed/tool.py": "b" });
	assert.deepEqual(Object.keys((await load("mixed")).modules), ["mixed/index.js"]);
});

test("the first folder that has a script is used, also if it appears later", async () => {
	const [first, second] = [path.join(folder, "first"), path.join(folder, "second")];
	write({ "second/shared.js": "second", "second/only.js": "second" });
	const both = new ScriptFolders([first, second]);
	const source = async (/** @type {string} */ name) => {
		const version = await both.version(name);
		return version && Object.values(both.script(name, version)?.modules ?? {})[0];
	};
	assert.deepEqual(await source("shared"), { js: "second" });
	write({ "first/shared/index.js": "first" });
	assert.deepEqual(await source("shared"), { js: "first" });
	assert.deepEqual(await source("only"), { js: "second" });
	assert.equal(await source("neither"), undefined);
	rmSync(first, { recursive: true });
	assert.deepEqual(await source("shared"), { js: "second" });
});

test("a replaced script is either the old or the new one", async () => {
	const at = (/** @type {string} */ name) => path.join(folder, name);
	write({ "swapped/index.js": "0", "swapped/lib/deep/a.js": "0", "swapped/lib/deep/b.js": "0" });
	await load("swapped");
	let busy = true;
	const swapping = (async () => {
		for (let i = 1; i <= 40; i++) {
			write({ ".next/index.js": `${i}`, ".next/lib/deep/a.js": `${i}`, ".next/lib/deep/b.js": `${i}` });
			renameSync(at("swapped"), at(".old"));
			renameSync(at(".next"), at("swapped"));
			rmSync(at(".old"), { recursive: true });
			await delay(i % 3);
		}
		busy = false;
	})();
	while (busy) {
		const version = await scripts.version("swapped");
		// Between the two renames the script does not exist.
		const modules = version === undefined ? [] : Object.values(scripts.script("swapped", version)?.modules ?? {});
		assert.ok(new Set(modules.map((module) => JSON.stringify(module))).size <= 1);
		await delay(1);
	}
	await swapping;
});

test("a broken script is not replaced by one of the next folder", async () => {
	write({ "upper/half.js": "a", "upper/half.json": "{", "lower/half.js": "b" });
	const both = new ScriptFolders([path.join(folder, "upper"), path.join(folder, "lower")]);
	await assert.rejects(both.version("half"), /half.json/);
});

test("a folder without a main module is reported", async () => {
	write({ "empty/lib.js": "" });
	await assertRejected("empty", /it has no empty\/index.js or empty\/index.mjs or empty\/index.py/);
});

test("main cannot leave the folder", async () => {
	write({ "secret.js": "a", "thief/config.json": '{"main": "../secret.js"}' });
	await assertRejected("thief", /it has no thief\/..\/secret.js/);
});

test("TypeScript is reported with a hint to build it", async () => {
	write({ "typed/config.json": '{"main": "index.ts"}' });
	await assertRejected("typed", /is TypeScript/);
});

test("a broken configuration is rejected until it is corrected", async () => {
	write({ "repair.js": "a", "repair.json": "{" });
	await assertRejected("repair", /repair.json: .* in line 1/);
	write({ "repair.json": "{}" });
	assert.ok(await scripts.version("repair"));
});

test("a syntax error in a JSON module is reported", async () => {
	write({ "data/index.js": "a", "data/x.json": "{" });
	await assertRejected("data", /data\/x.json/);
});

test("a link to a folder is followed, a dangling one is ignored", async () => {
	write({ "linked/index.js": "a", "elsewhere/b.js": "b" });
	symlinkSync(path.join(folder, "elsewhere"), path.join(folder, "linked/lib"));
	assert.deepEqual(Object.keys((await load("linked")).modules), ["linked/index.js", "linked/lib/b.js"]);
	symlinkSync(path.join(folder, "nowhere.js"), path.join(folder, "linked/c.js"));
	assert.deepEqual(Object.keys((await load("linked")).modules), ["linked/index.js", "linked/lib/b.js"]);
});

test("a truncated file is read after it is written again", async () => {
	write({ "saved.js": "old" });
	const old = await scripts.version("saved");
	write({ "saved.js": "" });
	setTimeout(() => write({ "saved.js": "new" }), 60);
	let version = old;
	while (version === old) version = await scripts.version("saved");
	assert.deepEqual(scripts.script("saved", version ?? "")?.modules, { "saved.js": { js: "new" } });
});

test("an empty script is reported, after a second if there was a version before", async () => {
	write({ "blank.js": "\n", "blanked.js": "old" });
	await assertRejected("blank", /its main module blank.js is empty/);
	const old = await scripts.version("blanked");
	write({ "blanked.js": "" });
	assert.equal(await scripts.version("blanked"), old);
	await delay(1000);
	await assertRejected("blanked", /its main module blanked.js is empty/);
});
