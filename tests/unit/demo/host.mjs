/**
 * Serves the scripts of a folder from one port: /NAME/path is path of the script NAME.
 *
 * Usage: node host.mjs FOLDER. Prints its URL on a line of its own, stops when its input ends.
 */
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { convertV4MiniflareOptions, Miniflare } from "miniflare";

const folder = resolve(process.argv[2]);
const compatibilityDate = "2026-11-17";

function moduleAt(path) {
  return { type: "ESModule", path, contents: readFileSync(path, "utf8") };
}

function scriptAt(entry) {
  const path = join(folder, entry.name);
  if (entry.isFile()) return { name: entry.name.slice(0, -3), modulesRoot: folder, modules: [moduleAt(path)] };
  const files = readdirSync(path).filter((file) => file.endsWith(".js"));
  const inOrder = ["index.js", ...files.filter((file) => file !== "index.js")];
  const configPath = join(path, "config.json");
  const config = existsSync(configPath) ? JSON.parse(readFileSync(configPath, "utf8")) : {};
  const namespaces = (config.kv_namespaces ?? []).map(({ binding, id }) => [binding, id]);
  return {
    name: entry.name,
    modulesRoot: path,
    modules: inOrder.map((file) => moduleAt(join(path, file))),
    kvNamespaces: Object.fromEntries(namespaces),
    bindings: config.vars ?? {},
  };
}

const scripts = readdirSync(folder, { withFileTypes: true }).map(scriptAt);
const router = `
  export default {
    fetch(request, env) {
      const [, name, rest] = /^https?:\\/\\/[^/]*\\/([^/?]*)(.*)$/.exec(request.url);
      const url = new URL(request.url);
      return env[name].fetch(new Request(url.origin + (rest.startsWith("/") ? rest : "/" + rest), request), { redirect: "manual" });
    },
  };`;

const options = convertV4MiniflareOptions({
  host: "127.0.0.1",
  port: 0,
  workers: [
    {
      name: "router",
      modules: true,
      script: router,
      compatibilityDate,
      serviceBindings: Object.fromEntries(scripts.map(({ name }) => [name, `script-${name}`])),
    },
    ...scripts.map(({ name, ...options }) => ({
      ...options,
      name: `script-${name}`,
      compatibilityDate,
    })),
  ],
});

const server = new Miniflare(options);
console.log(String(await server.ready));
process.stdin.resume();
process.stdin.on("end", async () => {
  await server.dispose();
  process.exit(0);
});
