/**
 * A server on the loopback address through which workerd reads the scripts.
 *
 * There is one for the whole Node process. Only workerd knows its secret; requests without it
 * are rejected. The server does not keep the process alive.
 */
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";
import { ScriptLog } from "./log.node.js";
import { ScriptFolders } from "./scripts.node.js";
import { ScriptError } from "./source.node.js";

const SECRET_HEADER = "dispatch-namespace-secret";

const MAX_TRACE_BYTES = 8 * 1024 * 1024;

/** @type {Map<string, ScriptFolders>} */
const folders = new Map();
/** @type {Map<string, ScriptLog>} by the key of their folders */
const logs = new Map();
const secret = randomBytes(32).toString("hex");
/** @type {Promise<number> | undefined} */
let listening;

/**
 * @param {string[]} roots Absolute paths of folders of scripts; the first one that has a script is used.
 * @param {string} [pythonModules] Absolute path of the folder of packages for Python scripts.
 * @param {string} [log] Absolute path of the file that gets the traces of the scripts.
 * @returns {string} The key of these folders in requests.
 */
export function serveFolders(roots, pythonModules, log) {
	const key = createHash("sha256")
		.update(JSON.stringify([roots, pythonModules, log]))
		.digest("hex")
		.slice(0, 16);
	if (!folders.has(key)) folders.set(key, new ScriptFolders(roots, pythonModules));
	if (log !== undefined && !logs.has(key)) logs.set(key, new ScriptLog(log));
	return key;
}

/** @returns {Promise<object>} A workerd service that reaches the server. */
export async function scriptServerService() {
	listening ??= listen();
	return {
		external: {
			address: `127.0.0.1:${await listening}`,
			http: { injectRequestHeaders: [{ name: SECRET_HEADER, value: secret }] },
		},
	};
}

/** @returns {Promise<number>} the port */
function listen() {
	const server = createServer((request, response) => {
		respond(request).then(
			({ status, body }) => {
				response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
			},
			(error) => {
				response.writeHead(500).end(JSON.stringify({ error: String(error) }));
			},
		);
	});
	server.keepAliveTimeout = 60_000;
	server.on("connection", (socket) => socket.unref());
	return new Promise((resolve, reject) => {
		server.once("error", reject);
		server.listen(0, "127.0.0.1", () => {
			server.unref();
			resolve(/** @type {import("node:net").AddressInfo} */ (server.address()).port);
		});
	});
}

/**
 * `GET /KEY/NAME` returns `{version}`, `GET /KEY/NAME/VERSION` the script; `POST /KEY` logs traces.
 *
 * @param {import("node:http").IncomingMessage} request
 * @returns {Promise<{status: number, body: unknown}>}
 */
async function respond(request) {
	if (!hasSecret(request.headers[SECRET_HEADER])) return { status: 403, body: {} };
	const [, key, name, version] = (request.url ?? "").split("/").map(decodeURIComponent);
	const folder = folders.get(key);
	if (folder === undefined) return { status: 410, body: {} };
	if (request.method === "POST") {
		await logs.get(key)?.append(JSON.parse(await bodyOf(request)));
		return { status: 200, body: {} };
	}
	try {
		if (version !== undefined) {
			const script = folder.script(name, version);
			return script === undefined ? { status: 410, body: {} } : { status: 200, body: script };
		}
		const current = await folder.version(name);
		return current === undefined ? { status: 404, body: {} } : { status: 200, body: { version: current } };
	} catch (error) {
		if (error instanceof ScriptError) return { status: 422, body: { error: error.message } };
		const { message } = /** @type {Error} */ (error);
		return { status: 500, body: { error: `The folder of scripts cannot be read: ${message}` } };
	}
}

/** @param {import("node:http").IncomingMessage} request */
async function bodyOf(request) {
	const parts = [];
	let size = 0;
	for await (const part of request) {
		size += part.length;
		if (size > MAX_TRACE_BYTES) throw new Error("The traces are too large.");
		parts.push(part);
	}
	return Buffer.concat(parts).toString("utf8");
}

/** @param {string | string[] | undefined} given */
function hasSecret(given) {
	const hash = (/** @type {string} */ text) => createHash("sha256").update(text).digest();
	return typeof given === "string" && timingSafeEqual(hash(given), hash(secret));
}
