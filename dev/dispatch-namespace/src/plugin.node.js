/**
 * The miniflare plugin `plugins["dispatch-namespace"]`.
 *
 * In workerd's configuration, each binding becomes a wrapped binding inside the dispatching
 * Worker, and a host Worker beside it.
 */
import { readFileSync } from "node:fs";
import path from "node:path";
import { KV_SERVICE, kvServices } from "./kv.node.js";
import { OptionError, readOptions } from "./options.node.js";
import { scriptServerService, serveFolders } from "./script-server.node.js";

const PLUGIN = "dispatch-namespace";
const SCRIPTS_SERVICE = `${PLUGIN}:scripts`;
const BINDING_MODULE = `${PLUGIN}:binding`;
/** Compatibility date of the plugin's Workers; scripts have their own. */
const COMPATIBILITY_DATE = "2026-01-01";

const source = (/** @type {string} */ file) => readFileSync(new URL(file, import.meta.url), "utf8");

/** @param {any} worker Options of one Worker, parsed by miniflare. */
function namespacesOf(worker) {
	const rootPath = worker.dev?.rootPath ?? process.cwd();
	return Object.entries(worker.config.env ?? {})
		.filter(([, binding]) => binding.dev?.plugin?.name === PLUGIN)
		.map(([name, binding]) => readOptions(name, binding.dev.options ?? {}, rootPath));
}

/** @param {any} worker @param {string} binding */
const hostService = (worker, binding) => `${PLUGIN}:host:${worker.config.name ?? ""}:${binding}`;

/** @param {any} worker */
function getBindings(worker) {
	return namespacesOf(worker).map((namespace) => ({
		name: namespace.binding,
		wrapped: {
			moduleName: BINDING_MODULE,
			innerBindings: [
				{ name: "host", service: { name: hostService(worker, namespace.binding), entrypoint: "Host" } },
				{ name: "scripts", service: { name: SCRIPTS_SERVICE } },
				{ name: "loader", workerLoader: {} },
				{
					name: "settings",
					json: JSON.stringify({
						folder: serveFolders(namespace.scripts, namespace.python.modules, namespace.log),
						recheckMs: namespace.recheckMs,
						parameters: namespace.outbound?.parameters ?? [],
						hasLog: namespace.log !== undefined,
					}),
				},
			],
		},
	}));
}

/** @param {any} context */
async function getServices(context) {
	const { options: worker, sharedOptions, workerNames } = context;
	const namespaces = namespacesOf(worker);
	if (namespaces.length === 0) return [];
	const hosts = namespaces.map((namespace) => {
		const { outbound } = namespace;
		if (outbound?.service !== undefined && !workerNames.includes(outbound.service)) {
			throw new OptionError(
				namespace.binding,
				`outbound.service "${outbound.service}" is not a Worker of this session (there are: ${workerNames.join(", ")})`,
			);
		}
		const settings = {
			folder: serveFolders(namespace.scripts, namespace.python.modules, namespace.log),
			hasLog: namespace.log !== undefined,
			pythonFlags: namespace.python.compatibilityFlags,
			compatibilityDate: worker.config.compatibilityDate ?? COMPATIBILITY_DATE,
			outbound:
				outbound?.script === undefined
					? undefined
					: {
							folder: serveFolders([path.dirname(outbound.script)]),
							name: path.basename(outbound.script).replace(/\.(m?js|py)$/, ""),
						},
		};
		return {
			name: hostService(worker, namespace.binding),
			worker: {
				compatibilityDate: COMPATIBILITY_DATE,
				compatibilityFlags: ["experimental"],
				modules: [
					{ name: "host.worker.js", esModule: source("host.worker.js") },
					{ name: "front.worker.js", esModule: source("front.worker.js") },
					{ name: "trace.worker.js", esModule: source("trace.worker.js") },
					{ name: "limiter.script.txt", text: source("limiter.script.js") },
					{ name: "limiter.script.py.txt", text: source("limiter.script.py") },
					{ name: "parameters.script.txt", text: source("parameters.script.js") },
				],
				bindings: [
					{ name: "SETTINGS", json: JSON.stringify(settings) },
					{ name: "SCRIPTS", service: { name: SCRIPTS_SERVICE } },
					{ name: "KV", kvNamespace: { name: KV_SERVICE } },
					{ name: "LOADER", workerLoader: {} },
					...(outbound?.service === undefined
						? []
						: [{ name: "OUTBOUND", service: { name: `core:user:${outbound.service}` } }]),
				],
			},
		};
	});
	return [
		{ name: SCRIPTS_SERVICE, ...(await scriptServerService()) },
		...(await kvServices(context.tmpPath, sharedOptions, COMPATIBILITY_DATE)),
		...hosts,
	];
}

/** @param {{options: any[]}} all */
function getExtensions({ options }) {
	if (!options.some((worker) => namespacesOf(worker).length > 0)) return [];
	return [{ modules: [{ name: BINDING_MODULE, esModule: source("binding.worker.js"), internal: true }] }];
}

export const plugins = {
	[PLUGIN]: {
		bindingTypeDescription: "Dispatch namespace",
		getBindings,
		getNodeBindings: () => ({}),
		getServices,
		getExtensions,
	},
};
