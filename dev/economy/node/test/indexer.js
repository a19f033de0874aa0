/**
 * Examines the URLs of priced endpoints as indexers do: with `@agentcash/discovery` and the parsers of
 * `@x402/extensions`.
 *
 * Usage: node indexer.js DISPATCHER URL…, where a URL at another host is requested from DISPATCHER with
 * that host. Prints a JSON array with one finding for each URL.
 */
import { request } from "node:http";
import process from "node:process";
import {
	checkEndpointSchema,
	checkL2ForOpenAPI,
	discoverOriginSchema,
	getOpenAPI,
	getWarningsForL2,
	getWarningsForL3,
	getWarningsForOpenAPI,
	validatePaymentRequiredDetailed,
} from "@agentcash/discovery";
import { decodePaymentRequiredHeader } from "@x402/core/http";
import {
	extractDiscoveryInfo,
	validateDiscoveryExtension,
	validateDiscoveryExtensionSpec,
} from "@x402/extensions/bazaar";
import { validatePaymentIdentifier } from "@x402/extensions/payment-identifier";

const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

const [dispatcher, ...urls] = process.argv.slice(2);

/** Node's own `fetch` cannot set the header `Host`. @type {typeof fetch} */
globalThis.fetch = (input, init = {}) => {
	const { host, pathname, search } = new URL(String(input));
	const headers = { ...Object.fromEntries(new Headers(init.headers)), host };
	const target = new URL(pathname + search, dispatcher);
	return new Promise((resolve, reject) => {
		const sent = request(target, { method: init.method ?? "GET", headers }, async (received) => {
			const body = Buffer.concat(await received.toArray());
			const lines = Object.entries(received.headers).map(([name, value]) => [name, String(value)]);
			const status = received.statusCode;
			resolve(new Response(body.length === 0 ? null : body, { status, headers: Object.fromEntries(lines) }));
		});
		sent.on("error", reject);
		sent.end();
	});
};

/** @param {string} url */
async function examine(url) {
	/** @type {{code: string, severity: string, message: string}[]} */
	const warnings = [];
	const problems = [];
	const documents = new Set();
	let catalogued;
	for (const method of METHODS) {
		const response = await fetch(url, { method });
		const header = response.headers.get("payment-required") ?? "";
		if (response.status !== 402) problems.push(`${method}: status ${response.status}`);
		documents.add(header);
		if (header.length > 6000) problems.push(`${method}: ${header.length} bytes`);
		const required = decodePaymentRequiredHeader(header);
		warnings.push(...validatePaymentRequiredDetailed(required).issues);
		const { bazaar, "payment-identifier": identifier } = /** @type {any} */ (required.extensions);
		for (const checked of [
			validateDiscoveryExtension(bazaar),
			validateDiscoveryExtensionSpec(bazaar),
			validatePaymentIdentifier(identifier),
		]) {
			problems.push(...(checked.errors ?? []));
		}
		const { resource, accepts, extensions } = required;
		const payment = { x402Version: 2, resource, accepted: accepts[0], payload: {}, extensions };
		catalogued = extractDiscoveryInfo(/** @type {any} */ (payment), accepts[0]);
	}
	if (documents.size !== 1) problems.push("the document depends on the method");
	for (const probe of [true, false]) {
		const found = await checkEndpointSchema({ url, probe });
		if (!found.found) problems.push(`not found: ${found.cause}`);
		else for (const advisory of found.advisories) warnings.push(...getWarningsForL3(advisory));
	}
	return { url, catalogued, problems, warnings, origin: await originOf(url) };
}

/** What the origin's OpenAPI document says. @param {string} url */
async function originOf(url) {
	const { origin } = new URL(url);
	const openApi = (await getOpenAPI(origin)).unwrapOr(null);
	if (openApi === null || "parseFailure" in openApi) return { warnings: getWarningsForOpenAPI(openApi) };
	const found = await discoverOriginSchema({ target: origin });
	const warnings = [...getWarningsForOpenAPI(openApi), ...getWarningsForL2(checkL2ForOpenAPI(openApi))];
	return { endpoints: found.found ? found.endpoints : [], warnings };
}

const findings = [];
for (const url of urls) findings.push(await examine(url));
process.stdout.write(`${JSON.stringify(findings)}\n`);
