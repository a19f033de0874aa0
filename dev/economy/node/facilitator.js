/**
 * Serves the official x402 facilitator over HTTP on a free port of 127.0.0.1, for the local
 * chains. Settings come from the environment: RPC_URL, PRIVATE_KEY (pays the gas),
 * WALLET_FACTORY (the only contract that may deploy a payer's smart wallet) and CONFIRMATION_MS
 * (how long a settlement waits for its block before it is reported as pending), and for Solana
 * SOLANA_RPC_URL and SOLANA_PRIVATE_KEY (pays the fees; 32 bytes in hexadecimal).
 *
 * As catalogs do, it says in the header EXTENSION-RESPONSES of a settlement whether it can list the API.
 *
 * Prints one line with its address when it is ready, then one line of JSON for each call: the
 * path, the status and the duration in milliseconds.
 */
import { createServer } from "node:http";
import { performance } from "node:perf_hooks";
import process from "node:process";
import { createKeyPairSignerFromPrivateKeyBytes } from "@solana/kit";
import { x402Facilitator } from "@x402/core/facilitator";
import { toFacilitatorEvmSigner } from "@x402/evm";
import { ExactEvmScheme } from "@x402/evm/exact/facilitator";
import { ExactEvmSchemeV1 } from "@x402/evm/exact/v1/facilitator";
import { UptoEvmScheme } from "@x402/evm/upto/facilitator";
import { extractDiscoveryInfo, validateDiscoveryExtension } from "@x402/extensions/bazaar";
import { SOLANA_DEVNET_CAIP2, toFacilitatorSvmSigner } from "@x402/svm";
import { ExactSvmScheme } from "@x402/svm/exact/facilitator";
import { ExactSvmSchemeV1 } from "@x402/svm/exact/v1/facilitator";
import { createWalletClient, defineChain, http, publicActions } from "viem";
import { privateKeyToAccount } from "viem/accounts";

const CHAIN_ID = 84532;
const NETWORK = `eip155:${CHAIN_ID}`;
/** The same network's name in version 1 of the protocol. */
const NETWORK_V1 = "base-sepolia";
const SOLANA_NETWORK_V1 = "solana-devnet";
const BODY_BYTES_MAX = 1_000_000;
const SAID_MAX = 100;
/** Interval of polling for a receipt; short, because the local chain mines each transaction at once. */
const POLLING_MS = 20;

/**
 * @param {string} name
 * @returns {string}
 */
function setting(name) {
	const value = process.env[name];
	if (!value) {
		throw new Error(`${name} is not set: start this through dev.economy.`);
	}
	return value;
}

/**
 * Returns the signer for the official scheme.
 *
 * @param {string} rpcUrl
 * @param {`0x${string}`} privateKey
 * @param {number} confirmationTimeoutMs
 */
function makeSigner(rpcUrl, privateKey, confirmationTimeoutMs) {
	const chain = defineChain({
		id: CHAIN_ID,
		name: "Local",
		nativeCurrency: { name: "Ether", symbol: "ETH", decimals: 18 },
		rpcUrls: { default: { http: [rpcUrl] } },
	});
	const account = privateKeyToAccount(privateKey);
	const client = createWalletClient({
		account,
		chain,
		transport: http(rpcUrl),
		pollingInterval: POLLING_MS,
		cacheTime: 0,
	}).extend(publicActions);
	// One broadcast at a time. viem takes a nonce before it finds that a transaction would fail;
	// a concurrent transaction would then wait for that nonce forever.
	let previous = Promise.resolve();
	/** @type {<T>(broadcast: () => Promise<T>) => Promise<T>} */
	const inTurn = (broadcast) => {
		const turn = previous.then(broadcast);
		previous = turn.then(
			() => {},
			() => {},
		);
		return turn;
	};
	return toFacilitatorEvmSigner(
		/** @type {any} */ ({
			address: account.address,
			getCode: client.getCode,
			readContract: client.readContract,
			verifyTypedData: client.verifyTypedData,
			waitForTransactionReceipt: client.waitForTransactionReceipt,
			sendTransaction: (/** @type {any} */ request) => inTurn(() => client.sendTransaction(request)),
			writeContract: (/** @type {any} */ request) => inTurn(() => client.writeContract(request)),
		}),
		{ confirmationTimeoutMs },
	);
}

class InvalidRequest extends Error {}

/**
 * @param {import("node:http").IncomingMessage} request
 * @returns {Promise<any>} The JSON of its body.
 */
async function readJson(request) {
	const chunks = [];
	let length = 0;
	for await (const chunk of request) {
		length += chunk.length;
		if (length > BODY_BYTES_MAX) {
			throw new InvalidRequest("the body is too long");
		}
		chunks.push(chunk);
	}
	try {
		return JSON.parse(Buffer.concat(chunks).toString("utf8"));
	} catch {
		throw new InvalidRequest("the body is not JSON");
	}
}

const signer = makeSigner(
	setting("RPC_URL"),
	/** @type {`0x${string}`} */ (setting("PRIVATE_KEY")),
	Number(setting("CONFIRMATION_MS")),
);
const wallets = { eip6492AllowedFactories: [setting("WALLET_FACTORY")] };
const feePayer = await createKeyPairSignerFromPrivateKeyBytes(Buffer.from(setting("SOLANA_PRIVATE_KEY"), "hex"));
const solanaSigner = toFacilitatorSvmSigner(feePayer, { defaultRpcUrl: setting("SOLANA_RPC_URL") });
const facilitator = new x402Facilitator()
	.register(NETWORK, new ExactEvmScheme(signer, wallets))
	.register(NETWORK, new UptoEvmScheme(signer))
	.registerV1(/** @type {any} */ (NETWORK_V1), new ExactEvmSchemeV1(signer, wallets))
	.register(SOLANA_DEVNET_CAIP2, new ExactSvmScheme(solanaSigner))
	.registerV1(/** @type {any} */ (SOLANA_NETWORK_V1), new ExactSvmSchemeV1(solanaSigner));

/** What was said about descriptions of APIs before, by their text. @type {Map<string, string>} */
const said = new Map();

/**
 * @param {any} paymentPayload
 * @param {any} paymentRequirements
 * @returns {string | undefined} The value of EXTENSION-RESPONSES.
 */
function extensionResponses(paymentPayload, paymentRequirements) {
	const bazaar = paymentPayload.extensions?.bazaar;
	if (bazaar === undefined) return undefined;
	const text = JSON.stringify(bazaar);
	if (said.size > SAID_MAX) said.clear();
	if (!said.has(text)) {
		const reason = (validateDiscoveryExtension(bazaar).errors ?? []).join("; ");
		const isListed = reason === "" && extractDiscoveryInfo(paymentPayload, paymentRequirements) !== null;
		const response = isListed ? { status: "success" } : { status: "rejected", rejectedReason: reason };
		said.set(text, Buffer.from(JSON.stringify({ bazaar: response })).toString("base64"));
	}
	return said.get(text);
}

/**
 * @param {import("node:http").IncomingMessage} request
 * @returns {Promise<[number, unknown, string?]>} Status, JSON and EXTENSION-RESPONSES of the response.
 */
async function respond(request) {
	const route = `${request.method} ${request.url}`;
	if (route === "GET /supported") {
		return [200, facilitator.getSupported()];
	}
	if (route !== "POST /verify" && route !== "POST /settle") {
		return [404, { error: "not_found" }];
	}
	try {
		const { paymentPayload, paymentRequirements } = await readJson(request);
		if (!paymentPayload || !paymentRequirements) {
			throw new InvalidRequest("paymentPayload and paymentRequirements are required");
		}
		if (route === "POST /verify") {
			return [200, await facilitator.verify(paymentPayload, paymentRequirements)];
		}
		const settled = await facilitator.settle(paymentPayload, paymentRequirements);
		return [200, settled, extensionResponses(paymentPayload, paymentRequirements)];
	} catch (error) {
		const message = error instanceof Error ? error.message : String(error);
		return [error instanceof InvalidRequest ? 400 : 500, { error: message }];
	}
}

const server = createServer(async (request, response) => {
	const started = performance.now();
	const [status, body, extensions] = await respond(request);
	// viem returns bigint, which JSON does not support.
	const text = JSON.stringify(body, (_key, value) => (typeof value === "bigint" ? value.toString() : value));
	if (extensions !== undefined) response.setHeader("extension-responses", extensions);
	response.writeHead(status, { "content-type": "application/json" }).end(text);
	const milliseconds = Math.round(10 * (performance.now() - started)) / 10;
	process.stdout.write(`${JSON.stringify({ path: request.url, status, milliseconds })}\n`);
});

server.listen(0, "127.0.0.1", () => {
	const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
	process.stdout.write(`Listening on 127.0.0.1:${port}\n`);
});
