import assert from "node:assert/strict";
import http from "node:http";
import { after, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { script, startNamespace } from "./namespace.js";

const namespace = await startNamespace({
	"echo.js": script(`
		return new Response(request.body, { headers: {
			method: request.method, url: request.url, "x-length": request.headers.get("content-length") ?? "none",
			"x-custom": request.headers.get("x-custom") ?? "none", "x-dispatch": request.headers.get("dispatch") ?? "none",
		} });`),
	"digest.js": script(`
		let bytes = 0, chunks = 0;
		for await (const chunk of request.body) { bytes += chunk.byteLength; chunks++; }
		return Response.json({ bytes, several: chunks > 1 });`),
	"events.js": script(`
		const { readable, writable } = new TransformStream();
		const writer = writable.getWriter();
		const send = async () => {
			for (let i = 0; i < 3; i++) { await writer.write(new TextEncoder().encode("data: " + i + "\\n\\n")); await scheduler.wait(40); }
			await writer.close();
		};
		ctx.waitUntil(send());
		return new Response(readable, { headers: { "content-type": "text/event-stream" } });`),
	"cookies.js": script(`
		const headers = new Headers({ location: "/elsewhere" });
		headers.append("set-cookie", "a=1; Path=/"); headers.append("set-cookie", "b=2; Path=/");
		return new Response(null, { status: 302, headers });`),
	"status.js": script(
		"return new Response(null, { status: Number(new URL(request.url).searchParams.get('status')), headers: { etag: '\"x\"' } });",
	),
	"socket.js": script(`
		const [client, server] = Object.values(new WebSocketPair());
		server.accept();
		server.addEventListener("message", (event) => server.send("echo " + event.data));
		return new Response(null, { status: 101, webSocket: client });`),
	"slow.js": `
		let running = 0, stopped = 0;
		export default { async fetch(request) {
			if (new URL(request.url).pathname === "/count") return Response.json({ running, stopped });
			running++;
			return new Response(new ReadableStream({
				async pull(controller) { await scheduler.wait(10); controller.enqueue(new Uint8Array(1024)); },
				cancel() { stopped++; },
			}));
		} };`,
	"late.js": script("await scheduler.wait(3000); return new Response('late');"),
	"large.js": script("return new Response(new Uint8Array(5_000_000));"),
});
after(() => namespace.stop());

/** Gives access to raw headers and the connection, which fetch hides.
 * @param {string} name @param {http.RequestOptions & {path?: string}} [options] @param {string} [body] @returns {Promise<http.IncomingMessage>} */
function raw(name, options = {}, body = undefined) {
	return new Promise((resolve, reject) => {
		http
			.request(
				namespace.url,
				{ agent: false, ...options, headers: { dispatch: JSON.stringify({ name }), ...options.headers } },
				resolve,
			)
			.on("error", reject)
			.end(body);
	});
}

// Node's `fetch` sends none of these; workerd passes them.
for (const method of ["GET", "HEAD", "TRACE", "PURGE", "PROPFIND", "QUERY"]) {
	for (const body of ["the body", ""]) {
		test(`${method} arrives with ${body ? "its body" : "an empty body"}`, async () => {
			const headers = { "content-length": `${body.length}`, "x-custom": "1" };
			const response = await raw("echo", { method, path: "/a", headers }, body);
			assert.equal(response.statusCode, 200);
			assert.equal(response.headers.method, method);
			assert.equal(response.headers["x-length"], `${body.length}`);
			assert.equal(response.headers["x-custom"], "1");
			let received = "";
			for await (const chunk of response) received += chunk;
			assert.equal(received, method === "HEAD" ? "" : body);
		});
	}
}

for (const method of ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]) {
	test(`${method} arrives with its URL, headers and body`, async () => {
		const body = ["GET", "HEAD"].includes(method) ? undefined : "the body";
		const response = await namespace.fetch("echo", "/a%20b/?q=%C3%BC&q=2", {
			method,
			body,
			headers: { "x-custom": "1" },
		});
		assert.equal(response.headers.get("method"), method);
		assert.equal(new URL(response.headers.get("url") ?? "").pathname, "/a%20b/");
		assert.equal(new URL(response.headers.get("url") ?? "").search, "?q=%C3%BC&q=2");
		assert.equal(response.headers.get("x-custom"), "1");
		assert.equal(response.headers.get("x-dispatch"), "none");
		assert.equal(await response.text(), body ?? "");
	});
}

test("the length of a body that has one is kept", async () => {
	const response = await namespace.fetch("echo", "/", { method: "POST", body: "12345" });
	assert.equal(response.headers.get("x-length"), "5");
	await response.text();
});

test("a large upload is streamed, not buffered", async () => {
	const total = 32 * 1024 * 1024;
	let sent = 0;
	const body = new ReadableStream({
		pull(controller) {
			if (sent >= total) return controller.close();
			sent += 65_536;
			controller.enqueue(new Uint8Array(65_536));
		},
	});
	const response = await namespace.fetch("digest", "/", { method: "POST", body, duplex: "half" });
	assert.deepEqual(await response.json(), { bytes: total, several: true });
});

test("a large response arrives completely", async () => {
	assert.equal((await (await namespace.fetch("large")).arrayBuffer()).byteLength, 5_000_000);
});

test("server-sent events arrive one by one", async () => {
	const response = await namespace.fetch("events");
	assert.equal(response.headers.get("content-type"), "text/event-stream");
	/** @type {[string, number][]} */
	const arrivals = [];
	for await (const chunk of /** @type {any} */ (response.body))
		arrivals.push([new TextDecoder().decode(chunk), Date.now()]);
	assert.deepEqual(
		arrivals.map(([text]) => text),
		["data: 0\n\n", "data: 1\n\n", "data: 2\n\n"],
	);
	assert.ok(arrivals[2][1] - arrivals[0][1] >= 60, "with time between them");
});

test("a redirect is passed on with each of its cookies", async () => {
	const response = await raw("cookies");
	assert.equal(response.statusCode, 302);
	assert.equal(response.headers.location, "/elsewhere");
	assert.deepEqual(response.headers["set-cookie"], ["a=1; Path=/", "b=2; Path=/"]);
	response.resume();
});

for (const status of [204, 304, 404, 500]) {
	test(`status ${status} passes without a body`, async () => {
		const response = await namespace.fetch("status", `/?status=${status}`);
		assert.equal(response.status, status);
		assert.equal(response.headers.get("etag"), '"x"');
		assert.equal(await response.text(), "");
	});
}

test("a WebSocket is passed through", async () => {
	const { promise, resolve, reject } = Promise.withResolvers();
	const request = http.request(namespace.url, {
		headers: {
			dispatch: JSON.stringify({ name: "socket" }),
			connection: "Upgrade",
			upgrade: "websocket",
			"sec-websocket-version": "13",
			"sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
		},
	});
	request.on("upgrade", (response, socket) => {
		socket.once("data", (frame) => {
			resolve([response.statusCode, frame.subarray(2).toString()]);
			socket.destroy();
		});
		// One masked text frame "hi", masked with zeros.
		socket.write(Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0x68, 0x69]));
	});
	request.on("response", (response) => reject(new Error(`no upgrade: ${response.statusCode}`)));
	request.on("error", reject).end();
	assert.deepEqual(await promise, [101, "echo hi"]);
});

test("a client that disconnects stops the script's stream", async () => {
	const response = await raw("slow");
	await new Promise((resolve) => response.once("data", resolve));
	response.destroy();
	const count = async () => /** @type {any} */ ((await namespace.fetch("slow", "/count")).json());
	const deadline = Date.now() + 5000;
	while ((await count()).stopped === 0 && Date.now() < deadline) await delay(20);
	assert.deepEqual(await count(), { running: 1, stopped: 1 });
});

test("the dispatcher's own AbortSignal ends the call", async () => {
	const response = await namespace.fetch({ name: "late", timeoutMs: 50 });
	assert.deepEqual(/** @type {any} */ (await response.json()).name, "TimeoutError");
});
