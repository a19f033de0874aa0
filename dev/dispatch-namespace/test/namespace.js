/** A folder of scripts and a real miniflare that serves it, for one test file. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { convertV4MiniflareOptions, Log, LogLevel, Miniflare } from "miniflare";

export const PACKAGE = fileURLToPath(new URL("..", import.meta.url));

/**
 * Dispatches to the script in the header `dispatch`. A thrown error becomes a response with
 * status 599, name and message.
 */
export const DISPATCHER = `
export default {
	async fetch(request, env) {
		const { binding = "DISPATCHER", name, args, options, call, timeoutMs } = JSON.parse(request.headers.get("dispatch"));
		try {
			const script = env[binding].get(name, args, options);
			if (call) return Response.json(await script[call.method](...call.args));
			const headers = new Headers(request.headers);
			headers.delete("dispatch");
			const signal = timeoutMs === undefined ? undefined : AbortSignal.timeout(timeoutMs);
			return await script.fetch(new Request(request, { headers }), { signal });
		} catch (error) {
			return Response.json({ name: error.name, message: error.message }, { status: 599 });
		}
	},
};`;

/** @param {string} folder @param {Record<string, string | Uint8Array>} files */
export function writeFiles(folder, files) {
	for (const [name, contents] of Object.entries(files)) {
		const file = path.join(folder, name);
		mkdirSync(path.dirname(file), { recursive: true });
		writeFileSync(file, contents);
	}
}

export function temporaryFolder() {
	const folder = mkdtempSync(path.join(tmpdir(), "namespace-"));
	return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

/**
 * @param {Record<string, string | Uint8Array>} files Files of the namespace.
 * @param {{options?: object, workers?: any[], others?: Record<string, string>, flags?: string[]}} [settings]
 *   `others` are further bindings with their folders; `flags` are those of the dispatching Worker.
 */
export async function startNamespace(files, { options = {}, workers = [], others = {}, flags = [] } = {}) {
	const { folder, remove } = temporaryFolder();
	writeFiles(folder, files);
	/** @type {any} */
	const v4 = {
		host: "127.0.0.1",
		port: 0,
		log: new Log(LogLevel.NONE),
		handleStructuredLogs() {},
		workers: [
			{
				name: "dispatcher",
				modules: true,
				script: DISPATCHER,
				compatibilityDate: "2026-11-01",
				compatibilityFlags: flags,
				unsafeBindings: Object.entries({ DISPATCHER: folder, ...others }).map(([name, scripts]) => ({
					name,
					type: "dispatch_namespace",
					plugin: { package: PACKAGE, name: "dispatch-namespace" },
					options: { namespace: "test", scripts, recheckMs: 0, ...options },
				})),
			},
			...workers,
		],
	};
	const miniflare = new Miniflare(convertV4MiniflareOptions(v4));
	let url;
	try {
		url = await miniflare.ready;
	} catch (error) {
		await miniflare.dispose().catch(() => {});
		remove();
		throw error;
	}
	return {
		folder,
		url,
		write: (/** @type {Record<string, string | Uint8Array>} */ more) => writeFiles(folder, more),
		/** @param {string | object} dispatch @param {string} [target] @param {RequestInit & {duplex?: string}} [init] */
		fetch(dispatch, target = "/", init = {}) {
			const header = JSON.stringify(typeof dispatch === "string" ? { name: dispatch } : dispatch);
			return fetch(new URL(target, url), {
				redirect: "manual",
				...init,
				headers: { .../** @type {any} */ (init.headers), dispatch: header },
			});
		},
		async stop() {
			await miniflare.dispose();
			remove();
		},
	};
}

/** @param {string} body JavaScript of the body of `fetch(request, env, ctx)`. */
export const script = (body) => `export default { async fetch(request, env, ctx) { ${body} } };`;
/** @param {string} text */
export const says = (text) => script(`return new Response(${JSON.stringify(text)});`);
