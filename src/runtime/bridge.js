/**
 * The JavaScript side of each request, in as few calls from Python as possible: an attribute read
 * from Python, or a call, costs more than all that a function here does.
 *
 * A promise that a call returns would arrive in Python as a future of its event loop, so it is
 * returned inside an object. Lists are passed as the lines of one text: no name or value of a header,
 * no method and no URL can hold a line break, because `Headers`, `Request` and the HTTP parser reject it.
 */

/** What ends `waitUntil` for each request without a response. @type {WeakMap<Request, () => void>} */
const ends = new WeakMap();

/** Uploads that came through a proxy, by whether they broke off. @type {WeakMap<Request, boolean>} */
const uploads = new WeakMap();

/** Scripts' responses whose client had disconnected before. @type {WeakSet<Response>} */
const clientless = new WeakSet();

/**
 * Read a request that has arrived, and keep its work running until `end`, even if the client
 * disconnects: the tenant's call must be recorded.
 *
 * @param {Request} request
 * @param {{ waitUntil(promise: Promise<unknown>): void }} context
 * @returns {string} the method, the URL, then each header's name in lower case and its value
 */
export function arrive(request, context) {
	const { promise, resolve } = Promise.withResolvers();
	context.waitUntil(promise);
	ends.set(request, () => resolve(undefined));
	const lines = [request.method, request.url];
	for (const [name, value] of request.headers) {
		lines.push(name, value);
	}
	return lines.join("\n");
}

/** Release a request. @param {Request} request */
export function end(request) {
	ends.get(request)?.();
}

/**
 * Resume a coroutine when the promise that it awaits is settled.
 *
 * @template T
 * @param {{ promise: Promise<unknown> }} awaited
 * @param {(value: unknown, error?: Error) => T} resume - called once
 * @returns {{ promise: Promise<T> }} what `resume` returns
 */
export function follow({ promise }, resume) {
	return {
		promise: promise.then(
			(value) => resume(value),
			// JavaScript can throw anything; only an `Error` becomes an exception in Python.
			(error) => resume(undefined, error instanceof Error ? error : new Error(String(error))),
		),
	};
}

/** A settled promise. @returns {{ promise: Promise<void> }} */
export function settled() {
	return { promise: Promise.resolve() };
}

/** @param {number} durationMs @returns {{ promise: Promise<void> }} settled after that time */
export function sleep(durationMs) {
	return { promise: new Promise((resolve) => setTimeout(resolve, durationMs)) };
}

/**
 * Let work continue after the response.
 *
 * @param {{ waitUntil(promise: Promise<unknown>): void }} context
 * @returns {{ promise: Promise<void>, end: () => void }} a settled promise, and what ends the work
 */
export function background(context) {
	const { promise, resolve } = Promise.withResolvers();
	context.waitUntil(promise);
	return { promise: Promise.resolve(), end: () => resolve(undefined) };
}

/**
 * Call a Python function as workerd calls a handler.
 *
 * @template T
 * @param {{ callRelaxed(...values: unknown[]): T }} handler
 * @param {...unknown} values
 * @returns {T}
 */
export function callRelaxed(handler, ...values) {
	return handler.callRelaxed(...values);
}

/**
 * Send a request to a script of a dispatch namespace.
 *
 * @param {{ get(name: string, args: object, options: object): { fetch(request: Request): Promise<Response> } }} namespace
 * @param {string} script
 * @param {number} cpuMs
 * @param {number} subRequests
 * @param {Request} request
 * @param {string} address - the URL in place of the request's own, the prefix that it lacks, and
 *   "proxied" if a proxy hides when the client disconnects, as lines; empty to keep the URL
 * @param {string} removed - the names of headers to remove, as lines
 * @returns {{ promise: Promise<Response> }}
 */
export function dispatch(namespace, script, cpuMs, subRequests, request, address, removed) {
	const [url, prefix, proxied] = lines(address);
	const given = proxied ? watched(request) : request;
	const outgoing = url || removed ? new Request(url || given.url, given) : given;
	for (const name of lines(removed)) {
		outgoing.headers.delete(name);
	}
	if (prefix) {
		outgoing.headers.set("x-forwarded-prefix", prefix);
	}
	const response = namespace.get(script, {}, { limits: { cpuMs, subRequests } }).fetch(outgoing);
	return { promise: response.then((upstream) => noteClient(request, upstream)) };
}

/**
 * Remember if the client disconnected before this response.
 *
 * An error of a script without an upload is its own failure. With an upload that may have broken
 * off, the script may have made it of the exception that reading the upload ended in.
 *
 * @param {Request} request
 * @param {Response} upstream
 */
function noteClient(request, upstream) {
	const isGone = request.signal.aborted || uploads.get(request);
	if (isGone && (upstream.status < 500 || mayBeBroken(request))) {
		clientless.add(upstream);
	}
	return upstream;
}

/** Tell whether an upload broke off; it may have if that is not known. @param {Request} request */
export function mayBeBroken(request) {
	return uploads.get(request) ?? request.body !== null;
}

/**
 * Return a request whose upload, if its length is known, passes through a stream that shows whether
 * it breaks off. Of other uploads, the script would take what arrived for all (seen in workerd).
 *
 * @param {Request} request
 */
function watched(request) {
	const { body, headers, method } = request;
	const length = headers.get("content-length");
	// The constructor accepts no body with these methods.
	if (body === null || length === null || method === "GET" || method === "HEAD") {
		return request;
	}
	/** @type {{ FixedLengthStream: new (length: bigint) => TransformStream }} */
	const { FixedLengthStream } = /** @type {any} */ (globalThis);
	const { readable, writable } = new FixedLengthStream(BigInt(length));
	uploads.set(request, false);
	const passed = body.pipeTo(writable, { preventCancel: true });
	// If the script stops reading, the rest shows whether it breaks off.
	passed.catch(() => body.pipeTo(new WritableStream())).catch(() => uploads.set(request, true));
	return new Request(request, { body: readable });
}

/**
 * Read a script's response.
 *
 * @param {Response} upstream
 * @returns {string} its status, negative without a client, then its headers' names in lower case
 */
export function describe(upstream) {
	const status = clientless.has(upstream) ? -upstream.status : upstream.status;
	return [status, ...upstream.headers.keys()].join("\n");
}

/**
 * Respond with a script's response, whose body is streamed and never read.
 *
 * @param {Request} request
 * @param {Response} upstream
 * @param {string} removed - the names of headers to remove, as lines
 * @param {string} set - names and values of headers to set after that, as lines
 * @param {string} added - names and values of headers to append, as lines
 * @returns {Response}
 */
export function forward(request, upstream, removed, set, added) {
	const response = new Response(upstream.body, upstream);
	for (const name of lines(removed)) {
		response.headers.delete(name);
	}
	for (const [name, value] of pairs(set)) {
		response.headers.set(name, value);
	}
	for (const [name, value] of pairs(added)) {
		response.headers.append(name, value);
	}
	end(request);
	return response;
}

/**
 * Respond with the dispatcher's own response.
 *
 * @param {Request} request
 * @param {number} status
 * @param {string} headers - names and values, as lines
 * @param {string} body - empty for none
 * @returns {Response}
 */
export function respond(request, status, headers, body) {
	const response = new Response(body || null, { status, headers: [...pairs(headers)] });
	end(request);
	return response;
}

/**
 * Discard the body of an unused response, or its connection.
 *
 * @param {Response & { webSocket?: { accept(): void, close(): void } | null }} upstream
 */
export async function discard(upstream) {
	if (upstream.webSocket) {
		upstream.webSocket.accept();
		upstream.webSocket.close();
	} else {
		await upstream.body?.cancel();
	}
}

/** Read the body of a request as text. @param {Request} request @returns {{ promise: Promise<string> }} */
export function readText(request) {
	return { promise: request.text() };
}

/** Read an upload that no script got. @param {Request} request @returns {{ promise: Promise<void> }} */
export function drain(request) {
	const rest = request.body && !request.bodyUsed ? request.body.pipeTo(new WritableStream()) : undefined;
	return { promise: Promise.resolve(rest) };
}

/**
 * List the names of keys of a KV namespace.
 *
 * @param {{ list(options: object): Promise<{ keys: { name: string }[], list_complete: boolean, cursor?: string }> }} namespace
 * @param {string} prefix
 * @param {number} limit
 * @param {string | undefined} cursor
 * @returns {Promise<string>} as JSON: the names, and the cursor of the next page or null
 */
export async function listNames(namespace, prefix, limit, cursor) {
	const page = await namespace.list({ prefix, limit, cursor });
	return JSON.stringify([page.keys.map((key) => key.name), page.list_complete ? null : page.cursor]);
}

/**
 * Call a method of a Durable Object, with text as argument and result.
 *
 * @param {{ getByName(name: string): Record<string, (argument: string) => Promise<string>> }} namespace
 * @param {string} name - the object's name
 * @param {string} method
 * @param {string} argument
 * @param {number} timeoutMs
 * @returns {{ promise: Promise<string> }} rejected if the object does not respond in time
 */
export function callObject(namespace, name, method, argument, timeoutMs) {
	/** @type {ReturnType<typeof setTimeout> | undefined} */
	let timer;
	const late = new Promise((_, reject) => {
		timer = setTimeout(() => reject(new Error(`no response within ${timeoutMs} ms`)), timeoutMs);
	});
	const call = namespace.getByName(name)[method](argument);
	return { promise: Promise.race([call, late]).finally(() => clearTimeout(timer)) };
}

/**
 * Run a statement on a Durable Object's database.
 *
 * @param {{ exec(statement: string, ...values: unknown[]): { raw(): { toArray(): unknown[][] } } }} sql
 * @param {string} statement
 * @param {...unknown} values
 * @returns {unknown[][] | undefined} the rows, undefined if there are none
 */
export function runStatement(sql, statement, ...values) {
	const cursor = sql.exec(statement, ...values);
	const rows = cursor.raw().toArray();
	return rows.length > 0 ? rows : undefined;
}

/** @param {string} text @returns {string[]} */
function lines(text) {
	return text ? text.split("\n") : [];
}

/** @param {string} text @returns {Generator<[string, string]>} */
function* pairs(text) {
	const found = lines(text);
	for (let index = 0; index < found.length; index += 2) {
		yield [found[index], found[index + 1]];
	}
}

/**
 * Run statements on a D1 database as one transaction.
 *
 * @param {{ prepare(sql: string): { bind(...values: unknown[]): unknown }, batch(statements: unknown[]): Promise<{ results: unknown[] }[]> }} database
 * @param {string} statements - JSON: an array of arrays of SQL and values
 * @returns {{ promise: Promise<string> }} as JSON: the rows of each statement
 */
export function runBatch(database, statements) {
	/** @type {[string, unknown[]][]} */
	const given = JSON.parse(statements);
	const prepared = given.map(([sql, values]) => {
		const statement = database.prepare(sql);
		return values.length > 0 ? statement.bind(...values) : statement;
	});
	const rows = database.batch(prepared).then((results) => results.map((result) => result.results));
	return { promise: rows.then(JSON.stringify) };
}

/**
 * Send a request, without following redirects, and read the response.
 *
 * @param {string} url
 * @param {string} method
 * @param {string} headers - the lines of the headers' names and values
 * @param {string | undefined} body
 * @param {number} timeoutMs - for the request and the response's body
 * @param {number} bytesMax - the longest body that is read
 * @returns {{ promise: Promise<string> }} the lines of status, a header (of a redirect: location; for
 *   401: the response's time in milliseconds; otherwise extension-responses) and body, which may have
 *   lines
 */
export function fetchText(url, method, headers, body, timeoutMs, bytesMax) {
	const signal = AbortSignal.timeout(timeoutMs);
	const init = { method, headers: [...pairs(headers)], body, redirect: /** @type {const} */ ("manual"), signal };
	const read = async () => {
		const response = await fetch(url, init);
		const { status, headers } = response;
		const name = status >= 300 && status < 400 ? "location" : "extension-responses";
		// A signed request may be rejected because the clocks differ.
		const detail = status === 401 ? Date.parse(headers.get("date") ?? "") || "" : (headers.get(name) ?? "");
		const text = response.body === null ? "" : await readBounded(response.body, bytesMax);
		return `${status}\n${detail}\n${text}`;
	};
	return { promise: read() };
}

/**
 * @param {ReadableStream<Uint8Array>} stream
 * @param {number} bytesMax
 */
async function readBounded(stream, bytesMax) {
	// A byte order mark is part of the text, as it is in Python.
	const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
	const reader = stream.getReader();
	let text = "";
	let length = 0;
	for (;;) {
		const { done, value } = await reader.read();
		if (done) {
			return text + decoder.decode();
		}
		length += value.byteLength;
		if (length > bytesMax) {
			await reader.cancel();
			throw new Error(`the response is longer than ${bytesMax} bytes`);
		}
		text += decoder.decode(value, { stream: true });
	}
}

/** Keys that were imported before, by algorithm and PKCS #8. @type {Map<string, CryptoKey>} */
const keys = new Map();

/**
 * Sign a text with a private key.
 *
 * @param {"ES256" | "EdDSA"} algorithm
 * @param {string} key - PKCS #8 in base64
 * @param {string} text
 * @returns {{ promise: Promise<string> }} the signature in base64
 */
export function sign(algorithm, key, text) {
	const parameters =
		algorithm === "EdDSA" ? { name: "Ed25519" } : { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
	const name = `${algorithm} ${key}`;
	const run = async () => {
		let imported = keys.get(name);
		if (imported === undefined) {
			const der = Uint8Array.from(atob(key), (character) => character.charCodeAt(0));
			imported = await crypto.subtle.importKey("pkcs8", der, parameters, false, ["sign"]);
			keys.set(name, imported);
		}
		const signature = await crypto.subtle.sign(parameters, imported, new TextEncoder().encode(text));
		return btoa(String.fromCharCode(...new Uint8Array(signature)));
	};
	return { promise: run() };
}
