/**
 * Compares the cost of a dispatch with that of a service binding.
 *
 * One Worker makes the calls sequentially inside one request, so that neither HTTP nor a load
 * generator is measured. Rounds alternate; the result is the median round.
 */
import { convertV4MiniflareOptions, Log, LogLevel, Miniflare } from "miniflare";
import { PACKAGE, says, temporaryFolder, writeFiles } from "./namespace.js";

const ROUNDS = 11;
const CALLS = 1000;

const CALLER = `
export default { async fetch(request, env) {
	const limits = { cpuMs: 50, subRequests: 50 };
	const ways = {
		service: () => env.SERVICE.fetch(request.url),
		dispatch: () => env.DISPATCHER.get("hello").fetch(request.url),
		"dispatch, a client's request": () => env.DISPATCHER.get("hello").fetch(request),
		"service, a client's request": () => env.SERVICE.fetch(request),
		"dispatch with limits": () => env.DISPATCHER.get("hello", {}, { limits }).fetch(request.url),
		"dispatch to a missing script": () => env.DISPATCHER.get("missing").fetch(request.url).catch(() => new Response()),
	};
	const rounds = Object.fromEntries(Object.keys(ways).map((way) => [way, []]));
	for (let round = 0; round < ${ROUNDS}; round++) {
		for (const [way, call] of Object.entries(ways)) {
			const start = performance.now();
			for (let i = 0; i < ${CALLS}; i++) await (await call()).text();
			rounds[way].push((performance.now() - start) * 1000 / ${CALLS});
		}
	}
	return Response.json(rounds);
} };`;

const { folder, remove } = temporaryFolder();
writeFiles(folder, { "hello.js": says("hello") });
/** @type {any} */
const options = {
	host: "127.0.0.1",
	log: new Log(LogLevel.NONE),
	workers: [
		{
			name: "caller",
			modules: true,
			compatibilityDate: "2026-11-01",
			script: CALLER,
			serviceBindings: { SERVICE: "hello" },
			unsafeBindings: [
				{
					name: "DISPATCHER",
					type: "dispatch_namespace",
					plugin: { package: PACKAGE, name: "dispatch-namespace" },
					options: { scripts: folder },
				},
			],
		},
		{ name: "hello", modules: true, compatibilityDate: "2026-11-01", script: says("hello") },
	],
};
const miniflare = new Miniflare(convertV4MiniflareOptions(options));
try {
	/** @type {any} */
	const rounds = await (await fetch(await miniflare.ready)).json();
	for (const [way, micros] of Object.entries(rounds)) {
		const sorted = micros.toSorted((/** @type {number} */ a, /** @type {number} */ b) => a - b);
		console.log(
			`${way.padEnd(30)} ${sorted[ROUNDS >> 1].toFixed(0).padStart(5)} µs a call (${sorted[0].toFixed(0)} to ${sorted.at(-1)?.toFixed(0)})`,
		);
	}
} finally {
	await miniflare.dispose();
	remove();
}
