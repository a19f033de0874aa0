/**
 * Code that calls an API, to copy into a shell or a program.
 *
 * @typedef {import("./snapshot.js").Api} Api
 * @typedef {{name: string, language: string, text: string}} Snippet
 */

/**
 * @param {Api} api
 * @param {string} origin The origin of the APIs.
 * @returns {string} The URL of the API's root: the one in the response, otherwise always on `origin`.
 */
export function urlOf(api, origin) {
	if (api.url) {
		return `${api.url.replace(/\/$/, "")}/`;
	}
	const path = api.endpoint.split("/").map(encodeURIComponent).join("/");
	return `${origin}/${path.replace(/^\/+/, "")}/`;
}

/**
 * @param {Api} api
 * @param {string} origin
 * @returns {Snippet[]}
 */
export function snippetsOf(api, origin) {
	const url = urlOf(api, origin);
	// The only shell character that encodeURIComponent does not escape is the single quote.
	const curl = { name: "curl", language: "sh", text: `curl -i '${url.replaceAll("'", "%27")}'` };
	if (api.priceUsd === 0) {
		return [curl];
	}
	return [curl, { name: "x402", language: "js", text: paying(url) }];
}

/** @param {string} url */
const paying = (url) => `// npm install @x402/fetch @x402/evm viem
import { wrapFetchWithPayment, x402Client } from "@x402/fetch";
import { registerExactEvmScheme } from "@x402/evm/exact/client";
import { privateKeyToAccount } from "viem/accounts";

const signer = privateKeyToAccount(process.env.PRIVATE_KEY);
const client = registerExactEvmScheme(new x402Client(), { signer });
const fetchAndPay = wrapFetchWithPayment(fetch, client);

const response = await fetchAndPay(${JSON.stringify(url)});
console.log(response.status, await response.text());`;
