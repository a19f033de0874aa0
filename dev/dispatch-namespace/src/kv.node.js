/**
 * KV namespaces that need not be known when workerd starts.
 *
 * Owns the services behind the scripts' KV bindings. They are miniflare's own,
 * so a namespace with some id is the same one that wrangler itself would use.
 */

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

export const KV_SERVICE = "dispatch-namespace:kv";

/**
 * @param {string} tmpPath
 * @param {any} sharedOptions
 * @param {string} compatibilityDate
 */
export async function kvServices(tmpPath, sharedOptions, compatibilityDate) {
	const miniflare = await runningMiniflare();
	const anyNamespace = { config: { env: { KV: { type: "kv", id: "dispatch-namespace" } } } };
	return [
		...(await miniflare.KV_PLUGIN.getServices({ options: anyNamespace, tmpPath, sharedOptions })),
		{
			name: KV_SERVICE,
			worker: {
				compatibilityDate,
				modules: [
					{
						name: "kv-router.worker.js",
						esModule: readFileSync(new URL("kv-router.worker.js", import.meta.url), "utf8"),
					},
				],
				bindings: [
					// Without the usual props, which would name one namespace, the service
					// takes the namespace from a header of each request.
					{
						name: "KV",
						service: miniflare.getStorageService(miniflare.KV_LOCAL_ENTRY_SERVICE_NAME, {}, sharedOptions),
					},
				],
			},
		},
	];
}

/**
 * The miniflare that has loaded this plugin, wherever it is installed. A second
 * copy of another version would build services that the first cannot serve.
 *
 * @returns {Promise<any>}
 */
async function runningMiniflare() {
	const loaded = Object.values(createRequire(import.meta.url).cache).find(
		(module) => /[\\/]miniflare[\\/]dist[\\/]src[\\/]index\.js$/.test(module?.filename ?? "") && module?.loaded,
	);
	return loaded?.exports ?? (await import("miniflare"));
}
