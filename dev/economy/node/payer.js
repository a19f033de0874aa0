/**
 * Runs an official client over standard input and output: `@x402/fetch`, or `@x402/axios` if the
 * first argument is `axios`.
 *
 * Each line of input is a request as JSON: `id`, `key` (private key), `wallet` (if the payer is a
 * contract: `address`, `owner`, `factory`, `deployment` as in smart_wallets.py), `solanaRpcUrl` (a
 * node, to pay on Solana), `version` (2 or 1), `method`, `url`, `headers`, `body` (text),
 * `anyToken: true` to pay in tokens that the client does not know as well, and `sign: true` to sign
 * without sending. Each line of output is its result: `id` and either `status`, `headers`, `body`,
 * `receipt`, or `header` and `value` of the signed payment, or `error`. Requests run concurrently.
 */
import process from "node:process";
import { createInterface } from "node:readline";
import { registerExactEvmScheme } from "@x402/evm/exact/client";
import { UptoEvmScheme } from "@x402/evm/upto/client";
import { decodePaymentResponseHeader, wrapFetchWithPayment, x402Client, x402HTTPClient } from "@x402/fetch";
import { encodeAbiParameters, parseAbiParameters, serializeErc6492Signature } from "viem";
import { privateKeyToAccount } from "viem/accounts";

const isAxios = process.argv[2] === "axios";

/** @typedef {{status: number, headers: Record<string, string>, body: string}} Received */
/** @typedef {{address: `0x${string}`, owner: number, factory: `0x${string}` | "", deployment: `0x${string}`}} SmartWallet */
/** @typedef {{id: number, key: string, wallet?: SmartWallet, solanaRpcUrl?: string, version: 1 | 2, method: string, url: string, headers?: Record<string, string>, body?: string, anyToken?: boolean, sign?: boolean}} PaidRequest */

/**
 * Removes the header of version 2: a client of version 1 reads the requirements in the body.
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
 * Returns a client that pays on EVM networks, or on Solana.
 *
 * @param {PaidRequest} request
 */
async function makeClient(request) {
	const { key, solanaRpcUrl } = request;
	if (solanaRpcUrl === undefined) {
		const signer = signerOf(request);
		return registerExactEvmScheme(new x402Client(), { signer }).register("eip155:*", new UptoEvmScheme(signer));
	}
	const { createKeyPairSignerFromPrivateKeyBytes } = await import("@solana/kit");
	const { ExactSvmScheme } = await import("@x402/svm/exact/client");
	const { ExactSvmSchemeV1 } = await import("@x402/svm/exact/v1/client");
	const signer = await createKeyPairSignerFromPrivateKeyBytes(Buffer.from(key, "hex"));
	const config = { rpcUrl: solanaRpcUrl };
	return new x402Client()
		.register("solana:*", new ExactSvmScheme(signer, config))
		.registerV1("solana-devnet", new ExactSvmSchemeV1(signer, config));
}

/**
 * @param {PaidRequest} request
 * @returns {Promise<object>}
 */
async function run(request) {
	const client = await makeClient(request);
	if (request.anyToken) client.setSpendControls({ allowedAssets: true });
	const send = request.version === 1 ? fetchAsVersion1 : fetch;
	const init = { method: request.method, headers: request.headers ?? {}, body: request.body };
	if (request.sign) {
		return sign(client, await send(request.url, init));
	}
	const received = isAxios
		? await payWithAxios(client, request)
		: await receive(wrapFetchWithPayment(send, client)(request.url, init));
	const receipt = received.headers["payment-response"] ?? received.headers["x-payment-response"];
	return { ...received, receipt: receipt ? decodePaymentResponseHeader(receipt) : null };
}

/**
 * @param {PaidRequest} request
 * @returns {import("@x402/evm").ClientEvmSigner}
 */
function signerOf({ key, wallet }) {
	const account = privateKeyToAccount(/** @type {`0x${string}`} */ (key));
	if (wallet === undefined) return account;
	return {
		address: wallet.address,
		async signTypedData(message) {
			const own = await account.signTypedData(/** @type {any} */ (message));
			const signature = encodeAbiParameters(parseAbiParameters("uint256, bytes"), [BigInt(wallet.owner), own]);
			if (!wallet.factory) return signature;
			return serializeErc6492Signature({ address: wallet.factory, data: wallet.deployment, signature });
		},
	};
}

/**
 * @param {Promise<Response>} sent
 * @returns {Promise<Received>}
 */
async function receive(sent) {
	const response = await sent;
	return { status: response.status, headers: Object.fromEntries(response.headers), body: await response.text() };
}

/**
 * @param {x402Client} client
 * @param {PaidRequest} request
 * @returns {Promise<Received>}
 */
async function payWithAxios(client, request) {
	const { default: axios, isAxiosError } = await import("axios");
	const { wrapAxiosWithPayment } = await import("@x402/axios");
	const instance = axios.create({ headers: request.headers ?? {} });
	if (request.version === 1) {
		instance.interceptors.response.use(undefined, (error) => {
			delete error.response?.headers["payment-required"];
			throw error;
		});
	}
	// @ts-expect-error: the client's version has another private field than that of @x402/axios
	const paying = wrapAxiosWithPayment(instance, client);
	const { method, url, body } = request;
	const response = await paying.request({ method, url, data: body }).catch((error) => {
		// axios throws for a response with an error status.
		if (isAxiosError(error) && error.response !== undefined) return error.response;
		throw error;
	});
	const headers = Object.fromEntries(Object.entries(response.headers).map(([name, value]) => [name, String(value)]));
	return {
		status: response.status,
		headers,
		body: typeof response.data === "string" ? response.data : JSON.stringify(response.data),
	};
}

/**
 * @param {x402Client} client
 * @param {Response} response The 402 response.
 * @returns {Promise<object>} Name and value of the header that pays.
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
	const request = /** @type {PaidRequest} */ (JSON.parse(line));
	run(request)
		.catch((error) => ({ error: error instanceof Error ? error.message : String(error) }))
		.then((result) => process.stdout.write(`${JSON.stringify({ id: request.id, ...result })}\n`));
}
