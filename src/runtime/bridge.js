/**
 * What each request needs of JavaScript, in as few calls from Python as there can be: every
 * attribute that is read from Python, and every call, costs more than all of a function here.
 *
 * A promise that a call returns would become a future of Python's event loop on its way, so it is
 * returned in an object. Lists cross as lines of one text. Neither a name nor a value of a header, nor a method or a
 * URL can hold a line break: `Headers`, `Request` and the HTTP parser refuse one.
 */

/** What `waitUntil` was given for a request that is not answered yet. @type {WeakMap<Request, () => void>} */
const ends = new WeakMap();

/**
 * Read a request that has arrived, and keep its work going until it is answered, even when the
 * client goes away meanwhile: what the tenant did is to be recorded.
 *
 * @param {Request} request
 * @param {{ waitUntil(promise: Promise<unknown>): void }} context
 * @returns {string} the method, the URL, then each header's name, lower case, and its value
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

/** Let go of a request that is answered. @param {Request} request */
export function end(request) {
	ends.get(request)?.();
}

/**
 * Go on with some work when what it awaits is settled.
 *
 * @template T
 * @param {{ promise: Promise<unknown> }} awaited
 * @param {(value: unknown, error?: Error) => T} goOn - called once
 * @returns {{ promise: Promise<T> }} what going on comes to
 */
export function follow({ promise }, goOn) {
	return {
		promise: promise.then(
			(value) => goOn(value),
			// Anything can be thrown; only an `Error` is an exception of Python's.
			(error) => goOn(undefined, error instanceof Error ? error : new Error(String(error))),
		),
	};
}

/**
 * Let a script of a dispatch namespace answer a request.
 *
 * @param {{ get(name: string, args: object, options: object): { fetch(request: Request): Promise<Response> } }} namespace
 * @param {string} script
 * @param {number} cpuMs
 * @param {number} subRequests
 * @param {Request} request
 * @param {string} url - in place of the request's own; empty for that
 * @param {string} removed - the names of headers that are taken out, as lines
 * @returns {{ promise: Promise<Response> }}
 */
export function dispatch(namespace, script, cpuMs, subRequests, request, url, removed) {
	const outgoing = url || removed ? new Request(url || request.url, request) : request;
	for (const name of lines(removed)) {
		outgoing.headers.delete(name);
	}
	return { promise: namespace.get(script, {}, { limits: { cpuMs, subRequests } }).fetch(outgoing) };
}

/**
 * Read what a script answered.
 *
 * @param {Response} reply
 * @returns {string} its status, then the names of its headers, lower case
 */
export function describe(reply) {
	return [reply.status, ...reply.headers.keys()].join("\n");
}

/**
 * Answer a request with a script's reply, whose body is passed on and never read.
 *
 * @param {Request} request
 * @param {Response} reply
 * @param {string} removed - the names of headers that go, as lines
 * @param {string} set - names and values of headers that are set then, as lines
 * @param {string} added - names and values of headers that join what there is, as lines
 * @returns {Response}
 */
export function relay(request, reply, removed, set, added) {
	const answer = new Response(reply.body, reply);
	for (const name of lines(removed)) {
		answer.headers.delete(name);
	}
	for (const [name, value] of pairs(set)) {
		answer.headers.set(name, value);
	}
	for (const [name, value] of pairs(added)) {
		answer.headers.append(name, value);
	}
	end(request);
	return answer;
}

/**
 * Answer a request by ourselves.
 *
 * @param {Request} request
 * @param {number} status
 * @param {string} headers - names and values, as lines
 * @param {string} body - empty for none
 * @returns {Response}
 */
export function answer(request, status, headers, body) {
	const made = new Response(body || null, { status, headers: [...pairs(headers)] });
	end(request);
	return made;
}

/**
 * Drop the body of a reply, or its connection, which nobody is to have.
 *
 * @param {Response & { webSocket?: { accept(): void, close(): void } | null }} reply
 */
export async function discard(reply) {
	if (reply.webSocket) {
		reply.webSocket.accept();
		reply.webSocket.close();
	} else {
		await reply.body?.cancel();
	}
}

/**
 * Read the rest of an upload that was passed on to nobody.
 *
 * @param {Request} request
 * @returns {{ promise: Promise<void> }}
 */
export function drain(request) {
	const rest = request.body && !request.bodyUsed ? request.body.pipeTo(new WritableStream()) : undefined;
	return { promise: Promise.resolve(rest) };
}

/**
 * List keys of a KV namespace by their names alone.
 *
 * @param {{ list(options: object): Promise<{ keys: { name: string }[], list_complete: boolean, cursor?: string }> }} namespace
 * @param {string} prefix
 * @param {number} limit
 * @param {string | undefined} cursor
 * @returns {Promise<string>} as JSON: the names, and what asks for the next page or null
 */
export async function listNames(namespace, prefix, limit, cursor) {
	const page = await namespace.list({ prefix, limit, cursor });
	return JSON.stringify([page.keys.map((key) => key.name), page.list_complete ? null : page.cursor]);
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
