/**
 * The Worker beside the dispatching Worker: converts a script to code for workerd's loader,
 * with the bindings of the script.
 */
import { WorkerEntrypoint } from "cloudflare:workers";
import pythonLimiter from "limiter.script.py.txt";
import limiter from "limiter.script.txt";
import parametersFront from "parameters.script.txt";
import { withFront, withPythonFront } from "./front.worker.js";
import { toTrace } from "./trace.worker.js";

/**
 * Options of one `get()`.
 * @typedef {object} Variant
 * @property {{cpuMs?: number, subRequests?: number}} [limits]
 * @property {Record<string, unknown>} [parameters] For the outbound Worker.
 */

/** The entrypoint that the binding of the dispatching Worker calls. */
export class Host extends WorkerEntrypoint {
	/**
	 * @param {string} name
	 * @param {string} version
	 * @param {Variant} variant
	 * @returns {Promise<object>} Code for the loader.
	 */
	async load(name, version, { limits, parameters }) {
		const { folder, hasLog, outbound } = this.env.SETTINGS;
		const script = await fetchScript(this.env, folder, name, version);
		const code = {
			...toCode(script, this.env.SETTINGS),
			env: toEnv(script, this.ctx),
			...(hasLog ? { tails: [this.ctx.exports.Tail({ props: { name } })] } : {}),
			globalOutbound: outbound === undefined ? this.env.OUTBOUND : this.ctx.exports.Outbound({ props: { parameters } }),
		};
		return limits === undefined ? code : withLimits(code, limits, Object.keys(script.config.kv));
	}
}

/** The outbound Worker: handles every `fetch()` of a script, with its parameters in `env`. */
export class Outbound extends WorkerEntrypoint {
	async fetch(/** @type {Request} */ request) {
		const { outbound } = this.env.SETTINGS;
		const response = await this.env.SCRIPTS.fetch(`http://scripts/${outbound.folder}/${outbound.name}`);
		if (!response.ok) throw new Error((await response.json()).error ?? "The outbound Worker's script is missing.");
		const { version } = await response.json();
		const script = await fetchScript(this.env, outbound.folder, outbound.name, version);
		if (isPython(script))
			throw new Error(`Script "${outbound.name}" is Python; an outbound Worker must be JavaScript.`);
		const worker = this.env.LOADER.get(version, () => ({
			...withFront(toCode(script, this.env.SETTINGS), parametersFront, {}),
			env: toEnv(script, this.ctx),
		}));
		return worker.getEntrypoint(undefined, { props: this.ctx.props }).fetch(request);
	}
}

/** The Tail Worker of all scripts: writes what they do to the log. */
export class Tail extends WorkerEntrypoint {
	async tail(/** @type {any[]} */ events) {
		const { SCRIPTS, SETTINGS } = this.env;
		const traces = events.map((event) => toTrace(this.ctx.props.name, event));
		const body = JSON.stringify(traces);
		const response = await SCRIPTS.fetch(`http://scripts/${SETTINGS.folder}`, { method: "POST", body });
		if (!response.ok) throw new Error(`The log of the scripts cannot be written: ${await response.text()}`);
	}
}

/** The KV binding of a script: the methods of `KVNamespace` for one namespace. */
export class Kv extends WorkerEntrypoint {
	#key(/** @type {unknown} */ key) {
		return `${this.ctx.props.id}\0${key}`;
	}
	get(/** @type {any} */ key, /** @type {any} */ options) {
		return this.env.KV.get(Array.isArray(key) ? key.map((k) => this.#key(k)) : this.#key(key), options);
	}
	getWithMetadata(/** @type {any} */ key, /** @type {any} */ options) {
		return this.env.KV.getWithMetadata(Array.isArray(key) ? key.map((k) => this.#key(k)) : this.#key(key), options);
	}
	put(/** @type {string} */ key, /** @type {any} */ value, /** @type {any} */ options) {
		return this.env.KV.put(this.#key(key), value, options);
	}
	delete(/** @type {string} */ key) {
		return this.env.KV.delete(this.#key(key));
	}
	list(/** @type {any} */ options) {
		return this.env.KV.list({ ...options, prefix: this.#key(options?.prefix ?? "") });
	}
}

/** @param {any} env @param {string} folder @param {string} name @param {string} version */
async function fetchScript(env, folder, name, version) {
	const response = await env.SCRIPTS.fetch(`http://scripts/${folder}/${name}/${version}`);
	if (!response.ok) throw new Error(`Script "${name}" changed while it was loaded; try again.`);
	return response.json();
}

/** @param {any} code @param {object} limits @param {string[]} kvBindings */
function withLimits(code, limits, kvBindings) {
	if (isPython(code)) return withPythonFront(code, pythonLimiter, { limits, kvBindings });
	const flags = code.compatibilityFlags;
	const hasStorage = flags.some((/** @type {string} */ flag) => flag === "nodejs_compat" || flag === "nodejs_als");
	return {
		...withFront(code, limiter, { limits, kvBindings }),
		compatibilityFlags: hasStorage ? flags : [...flags, "nodejs_als"],
	};
}

/** @param {any} script @param {{compatibilityDate: string, pythonFlags: string[]}} settings */
function toCode(script, { compatibilityDate, pythonFlags }) {
	const added = isPython(script) ? ["python_workers", ...pythonFlags] : [];
	const compatibilityFlags = [...new Set([...script.config.compatibilityFlags, ...added])];
	return {
		compatibilityDate: script.config.compatibilityDate ?? compatibilityDate,
		compatibilityFlags,
		// Python may need experimental flags.
		...(added.includes("experimental") ? { allowExperimental: true } : {}),
		mainModule: script.mainModule,
		modules: Object.fromEntries(
			Object.entries(script.modules).map(([name, module]) => {
				if (module.wasm !== undefined) return [name, { wasm: bytes(module.wasm) }];
				if (module.data !== undefined) return [name, { data: bytes(module.data) }];
				return [name, module];
			}),
		),
	};
}

/** @param {any} script @param {any} ctx */
function toEnv(script, ctx) {
	const { vars, kv } = script.config;
	const namespaces = Object.entries(kv).map(([binding, id]) => [binding, ctx.exports.Kv({ props: { id } })]);
	return { ...vars, ...Object.fromEntries(namespaces) };
}

/** @param {{mainModule: string}} script */
function isPython({ mainModule }) {
	return mainModule.endsWith(".py");
}

/** @param {string} base64 */
function bytes(base64) {
	return Uint8Array.from(atob(base64), (char) => char.charCodeAt(0)).buffer;
}
