/**
 * Serves a dispatch namespace on one port: /NAME/path is path of the script NAME.
 *
 * Usage: node host.mjs FOLDER. Prints its URL, and stops when its standard input ends.
 */
import { fileURLToPath } from "node:url";
import { convertV4MiniflareOptions, Miniflare } from "miniflare";

const PLUGIN = fileURLToPath(new URL("../../../dev/dispatch-namespace", import.meta.url));

// The URL is cut as text, because a URL object would normalize it.
const DISPATCHER = `
  export default {
    async fetch(request, env) {
      const [, origin, name, rest] = /^(https?:\\/\\/[^/]*)\\/([^/?]*)(.*)$/s.exec(request.url);
      const path = rest.startsWith("/") ? rest : "/" + rest;
      try {
        return await env.DISPATCHER.get(name).fetch(new Request(origin + path, request));
      } catch (error) {
        return new Response(String(error), { status: 500 });
      }
    },
  };`;

const options = convertV4MiniflareOptions({
	host: "127.0.0.1",
	port: 0,
	workers: [
		{
			name: "dispatcher",
			modules: true,
			script: DISPATCHER,
			compatibilityDate: "2026-11-17",
			unsafeBindings: [
				{
					name: "DISPATCHER",
					type: "dispatch_namespace",
					plugin: { package: PLUGIN, name: "dispatch-namespace" },
					options: { namespace: "demo", scripts: process.argv[2] },
				},
			],
		},
	],
});
const server = new Miniflare(options);
console.log(String(await server.ready));
process.stdin.resume();
process.stdin.on("end", async () => {
	await server.dispose();
	process.exit(0);
});
