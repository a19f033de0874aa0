/**
 * The official client, driven over its standard input and output: `@x402/fetch` pays for one
 * request after another, or for many at once.
 *
 * Each line of input is a request as JSON: `id`, `key` (private key), `version` (2 or 1),
 * `method`, `url`, `headers`, `body` (text), and `sign: true` to sign without sending. Each
 * line of output is what came of it: `id` and either `status`, `headers`, `body`, `receipt`,
 * or `header` and `value` of the payment signed, or `error`.
 */
import process from "node:process";
import { createInterface } from "node:readline";
import { registerExactEvmScheme } from "@x402/evm/exact/client";
import { decodePaymentResponseHeader, wrapFetchWithPayment, x402Client, x402HTTPClient } from "@x402/fetch";
import { privateKeyToAccount } from "viem/accounts";

/** @typedef {{id: number, key: `0x${string}`, version: 1 | 2, method: string, url: string, headers?: Record<string, string>, body?: string, sign?: boolean}} Order */

/**
 * A client that was made for version 1 knows no such header and reads the offer in the body.
 *
 * @param {RequestInfo | URL} input
 * @param {RequestInit} [init]
 * @returns {Promise<Response>}
 */
async function fetchAsVersion1(input, init) {
	const response = await fetch(input, init);
	const headers = new Headers(response.headers);
	headers.delete("payment-required");
	return new Response(response.body, { status: response.status, headers });
}

/**
 * @param {Order} order
 * @returns {Promise<object>}
 */
async function carryOut(order) {
	const client = registerExactEvmScheme(new x402Client(), { signer: privateKeyToAccount(order.key) });
	const send = order.version === 1 ? fetchAsVersion1 : fetch;
	const request = { method: order.method, headers: order.headers ?? {}, body: order.body };
	if (order.sign) {
		return sign(client, await send(order.url, request));
	}
	const response = await wrapFetchWithPayment(send, client)(order.url, request);
	const receipt = response.headers.get("payment-response") ?? response.headers.get("x-payment-response");
	return {
		status: response.status,
		headers: Object.fromEntries(response.headers),
		body: await response.text(),
		receipt: receipt ? decodePaymentResponseHeader(receipt) : null,
	};
}

/**
 * @param {x402Client} client
 * @param {Response} response The answer 402.
 * @returns {Promise<object>} The header that pays, and the payment in it.
 */
async function sign(client, response) {
	const http = new x402HTTPClient(client);
	const body = JSON.parse((await response.text()) || "null");
	const required = http.getPaymentRequiredResponse((name) => response.headers.get(name), body);
	const payload = await client.createPaymentPayload(required);
	const [[header, value]] = Object.entries(http.encodePaymentSignatureHeader(payload));
	return { header, value };
}

for await (const line of createInterface({ input: process.stdin })) {
	const order = /** @type {Order} */ (JSON.parse(line));
	carryOut(order)
		.catch((error) => ({ error: error instanceof Error ? error.message : String(error) }))
		.then((outcome) => process.stdout.write(`${JSON.stringify({ id: order.id, ...outcome })}\n`));
}
