/**
 * `node replay.mjs RECORDING STATE [--explorer]`: runs the Worker in workerd with what wrangler once passed to
 * miniflare.
 *
 * Variables and script folders are those of the configuration in the working directory. In place
 * of wrangler's proxy, miniflare's own server listens.
 */
import { readFileSync } from "node:fs";
import { deserialize } from "node:v8";
import miniflare from "miniflare";
import { FOLDER, STATE } from "./placeholders.mjs";

const { Log, LogLevel, Miniflare } = miniflare;
const [recording, state, explorer] = process.argv.slice(2);
const config = JSON.parse(readFileSync("wrangler.json", "utf8"));

/** Replaces the placeholders of `record.mjs`. */
function current(value) {
	if (typeof value === "string") return value.replaceAll(FOLDER, process.cwd()).replaceAll(STATE, state);
	if (typeof value !== "object" || value === null || value instanceof Uint8Array) return value;
	if (Array.isArray(value)) return value.map(current);
	return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, current(one)]));
}

const options = current(deserialize(readFileSync(recording)));
const { env } = options.workers[0].config;
for (const [name, { type }] of Object.entries(env)) if (type === "text" || type === "json") delete env[name];
for (const [name, value] of Object.entries(config.vars)) {
	env[name] = { type: typeof value === "string" ? "text" : "json", value };
}
for (const { name, dev } of config.unsafe?.bindings ?? [])
	env[name].dev.options = { ...env[name].dev.options, ...dev.options };

const session = new Miniflare({
	...options,
	enableDevRegistry: false,
	handleStructuredLogs: ({ message }) => console.log(message),
	handleUncaughtError: ({ name, message }) => console.error(`✘ [ERROR] ${name ?? "Error"}: ${message}`),
	inspectorPort: undefined,
	log: new Log(LogLevel.WARN),
	unsafeLocalExplorer: explorer !== undefined,
	unsafeProxySharedSecret: undefined,
});
process.on("SIGTERM", async () => {
	await session.dispose();
	process.exit();
});
try {
	console.log(`Ready on ${(await session.ready).origin}`);
} catch (error) {
	console.error(`✘ [ERROR] ${error.message}`);
	process.exit(1);
}
