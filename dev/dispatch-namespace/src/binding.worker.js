/**
 * The binding `env.DISPATCHER` of the dispatching Worker, in whose isolate it runs.
 *
 * For each call it determines the current version of the script, and its entrypoint in this
 * isolate's loader. The host Worker fetches the code, once for each version.
 */

/** @typedef {{version?: string, error?: string, checkedAt: number}} Current */

const MISSING = "Worker not found.";
/** How the message begins if a script does not start. */
const NOT_STARTED = "Failed to start Worker";
const MAX_PARAMETER_SETS = 8;
/** Names come from requests, so their number is unbounded. */
const MAX_NAMES = 10_000;

export default function (/** @type {any} */ env) {
	return new DispatchNamespace(env);
}

class DispatchNamespace {
	#env;
	/** @type {Map<string, Current>} */
	#current = new Map();
	/** @type {Set<string>} */
	#loaded = new Set();
	/** @type {Map<string, number>} */
	#parameterSets = new Map();

	constructor(/** @type {any} */ env) {
		this.#env = env;
	}

	/**
	 * @param {string} name Name of the script.
	 * @param {{props?: unknown}} [args] `props` arrives as the script's `ctx.props`.
	 * @param {{limits?: {cpuMs?: number, subRequests?: number}, outbound?: Record<string, unknown>}} [options]
	 * @returns {object} A Fetcher, immediately. If the script does not exist, its `fetch`
	 *   throws `Error("Worker not found.")`, as in production.
	 */
	get(name, args, options) {
		const call = {
			name: String(name),
			props: args?.props,
			limits: readLimits(options?.limits),
			parameters: this.#pickParameters(options?.outbound),
		};
		return stub(
			() => this.#entrypoint(call),
			(request, error) => this.#logFailure(call.name, request, error),
		);
	}

	/**
	 * Logs that a script is missing, or did not start: it has no invocation of which its Tail
	 * Worker could know.
	 *
	 * @param {string} scriptName @param {Request} request @param {Error} error
	 */
	async #logFailure(scriptName, { method, url }, { name, message }) {
		const { folder, hasLog } = this.#env.settings;
		if (!hasLog) return;
		const now = Date.now();
		const trace = {
			scriptName,
			outcome: message === MISSING ? "scriptNotFound" : "exception",
			eventTimestamp: now,
			event: { request: { method, url } },
			logs: [],
			exceptions: message === MISSING ? [] : [{ name, message, timestamp: now }],
		};
		await this.#env.scripts.fetch(`http://scripts/${folder}`, { method: "POST", body: JSON.stringify([trace]) });
	}

	async #entrypoint(/** @type {any} */ { name, props, limits, parameters }) {
		const version = await this.#version(name);
		const variant = { limits, parameters };
		const load = () => this.#env.host.load(name, version, variant);
		const id = `${name}@${version}${limits || parameters ? JSON.stringify(variant) : ""}`;
		let worker;
		if (this.#loaded.has(id)) {
			worker = this.#env.loader.get(id, load);
		} else {
			// The loader permanently remembers a failure of an id, so the code is fetched
			// before the loader is called.
			const code = await load();
			const keep = parameters === undefined || this.#countParameters(`${name}@${version}`);
			worker = keep ? this.#env.loader.get(id, () => code) : this.#env.loader.load(code);
			if (keep) this.#loaded.add(id);
		}
		return worker.getEntrypoint(undefined, { props, limits });
	}

	/**
	 * An isolate has a single outbound Worker, so each set of parameters needs its own isolate,
	 * and the loader never releases isolates with an id. Therefore only the first sets of
	 * parameters get one; later isolates serve a single call.
	 */
	#countParameters(/** @type {string} */ script) {
		const count = (this.#parameterSets.get(script) ?? 0) + 1;
		this.#parameterSets.set(script, count);
		return count <= MAX_PARAMETER_SETS;
	}

	#pickParameters(/** @type {any} */ outbound) {
		const names = this.#env.settings.parameters.filter((/** @type {string} */ name) => outbound?.[name] !== undefined);
		if (names.length === 0) return undefined;
		return Object.fromEntries(names.map((/** @type {string} */ name) => [name, outbound[name]]));
	}

	async #version(/** @type {string} */ name) {
		const now = Date.now();
		let current = this.#current.get(name);
		if (current === undefined || now - current.checkedAt >= this.#env.settings.recheckMs) {
			// One request checks; concurrent ones use the known version.
			if (current !== undefined) current.checkedAt = now;
			current = await this.#fetchVersion(name, now);
			if (this.#current.size >= MAX_NAMES) this.#current.clear();
			this.#current.set(name, current);
		}
		if (current.error !== undefined) throw new Error(current.error);
		return current.version;
	}

	/** @returns {Promise<Current>} */
	async #fetchVersion(/** @type {string} */ name, /** @type {number} */ now) {
		const { folder } = this.#env.settings;
		const response = await this.#env.scripts.fetch(`http://scripts/${folder}/${encodeURIComponent(name)}`);
		const body = await response.json();
		if (response.status === 200) return { version: body.version, checkedAt: now };
		if (response.status === 404) return { error: MISSING, checkedAt: now };
		return { error: body.error ?? `The folder of scripts cannot be read (${response.status}).`, checkedAt: now };
	}
}

/** Keys that are read from objects without being method calls. */
const NOT_METHODS = new Set(["then", "toJSON", "constructor", "length", "size"]);

/**
 * Returns a Fetcher that resolves its entrypoint on the first call: `fetch`, and any other
 * method as an RPC.
 *
 * @param {() => Promise<any>} entrypoint
 * @param {(request: Request, error: Error) => Promise<void>} onFailure Called if there is no
 *   invocation of the script.
 */
function stub(entrypoint, onFailure) {
	const fetcher = {
		/** @param {any} input @param {any} [init] */
		async fetch(input, init) {
			const request = withoutCf(init === undefined && input instanceof Request ? input : new Request(input, init));
			let worker;
			try {
				worker = await entrypoint();
				return await worker.fetch(request);
			} catch (/** @type {any} */ error) {
				if (worker === undefined || error.message?.startsWith(NOT_STARTED)) await onFailure(request, error);
				throw error;
			}
		},
	};
	return new Proxy(fetcher, {
		get(target, key, receiver) {
			if (key in target || typeof key === "symbol" || NOT_METHODS.has(key)) return Reflect.get(target, key, receiver);
			return async (/** @type {unknown[]} */ ...args) => (await entrypoint())[key](...args);
		},
	});
}

/**
 * Removes `request.cf`, which scripts of a namespace do not get. A copied request inherits
 * it, so the request is rebuilt from its parts. The constructor takes a body with GET or HEAD only
 * from another request, so such a request is a copy whose `cf` is empty.
 *
 * @param {any} request
 */
function withoutCf(request) {
	if (request.cf === undefined) return request;
	const { method, headers, body, redirect, signal } = request;
	if (body !== null && (method === "GET" || method === "HEAD")) {
		return new Request(request, /** @type {any} */ ({ cf: {} }));
	}
	return new Request(request.url, { method, headers, body, redirect, signal });
}

/** @param {any} limits */
function readLimits(limits) {
	if (limits === undefined || limits === null) return undefined;
	/** @type {Record<string, number>} */
	const read = {};
	for (const key of ["cpuMs", "subRequests"]) {
		if (limits[key] === undefined || limits[key] === null) continue;
		const value = Number(limits[key]);
		if (!(value >= 0)) throw new TypeError(`limits.${key} must be a number, 0 or more`);
		read[key] = value;
	}
	return Object.keys(read).length === 0 ? undefined : read;
}
