/**
 * Enforces the limits of a script, inside its isolate.
 *
 * workerd accepts limits for a loaded Worker, but does not enforce them. This module wraps the
 * script: it counts the subrequests of each invocation, and measures the time before a handler's
 * first await. It can reject a subrequest, but cannot stop running code.
 */

import { WorkerEntrypoint } from "cloudflare:workers";
import { AsyncLocalStorage } from "node:async_hooks";
import settings from "./dispatch-namespace-settings.json";

/** @type {{limits: {cpuMs?: number, subRequests?: number}, kvBindings: string[]}} */
const {
	kvBindings,
	limits: { cpuMs = Infinity, subRequests = Infinity },
} = settings;

/** Tolerance, because a busy machine may suspend a thread for a while. */
const CPU_GRACE_MS = 50;

/** @type {AsyncLocalStorage<{subRequests: number}>} */
const invocation = new AsyncLocalStorage();

const plainFetch = globalThis.fetch;
globalThis.fetch = async (input, init) => {
	countSubRequest();
	return plainFetch(input, init);
};

function countSubRequest() {
	const current = invocation.getStore();
	if (current !== undefined && ++current.subRequests > subRequests) {
		throw new Error("Too many subrequests by single Worker invocation.");
	}
}

/** @param {() => any} handler */
function invoke(handler) {
	const startedAt = Date.now();
	const result = invocation.run({ subRequests: 0 }, handler);
	if (Date.now() - startedAt > cpuMs + CPU_GRACE_MS) {
		// The result is discarded, so its rejection must not be reported as unhandled.
		Promise.resolve(result).catch(() => {});
		throw new Error("Worker exceeded CPU time limit.");
	}
	return result;
}

/** @param {any} env @returns {any} */
function countedEnv(env) {
	if (kvBindings.length === 0) return env;
	const counted = { ...env };
	for (const name of kvBindings) {
		counted[name] = new Proxy(env[name], {
			get:
				(kv, method) =>
				async (/** @type {unknown[]} */ ...args) => {
					countSubRequest();
					return kv[method](...args);
				},
		});
	}
	return counted;
}

/**
 * @param {any} main Default export of the script's main module.
 * @returns {any} Its replacement.
 */
export function front(main) {
	if (typeof main === "function") return limitedClass(main);
	if (typeof main !== "object" || main === null) return main;
	return new Proxy(main, {
		get(handlers, key) {
			const handler = handlers[key];
			if (typeof handler !== "function") return handler;
			return (/** @type {any} */ event, /** @type {any} */ env, /** @type {unknown[]} */ ...rest) =>
				invoke(() => handler.call(handlers, event, countedEnv(env), ...rest));
		},
	});
}

/** @param {any} Main */
function limitedClass(Main) {
	class Limited extends Main {
		constructor(/** @type {any} */ ctx, /** @type {any} */ env) {
			super(ctx, countedEnv(env));
		}
	}
	for (
		let proto = Main.prototype;
		proto && proto !== WorkerEntrypoint.prototype;
		proto = Object.getPrototypeOf(proto)
	) {
		for (const [key, { value }] of Object.entries(Object.getOwnPropertyDescriptors(proto))) {
			if (key === "constructor" || typeof value !== "function" || Object.hasOwn(Limited.prototype, key)) continue;
			Object.defineProperty(Limited.prototype, key, {
				value(/** @type {unknown[]} */ ...args) {
					return invoke(() => value.apply(this, args));
				},
			});
		}
	}
	return Limited;
}
