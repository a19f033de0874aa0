/**
 * The services of the scripts' KV bindings.
 *
 * Namespaces need not be known when workerd starts. The services are miniflare's own, so an id
 * refers to the same namespace as in wrangler.
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
					// Without props, which would select one namespace, the service reads the
					// namespace from a header of each request.
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
 * Returns the miniflare that has loaded this plugin, wherever it is installed. A second copy
 * of another version would create incompatible services.
 *
 * @returns {Promise<any>}
 */
async function runningMiniflare() {
	const loaded = Object.values(createRequire(import.meta.url).cache).find(
		(module) => /[\\/]miniflare[\\/]dist[\\/]src[\\/]index\.js$/.test(module?.filename ?? "") && module?.loaded,
	);
	return loaded?.exports ?? (await import("miniflare"));
}
