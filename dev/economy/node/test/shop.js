/**
 * A paid server built with the official library, which shows that the economy works
 * independently of the dispatcher. FACILITATOR_URL and PAY_TO come from the environment.
 *
 * `/t/priced/cent` costs a cent and returns the request's method and body.
 */
import { createServer } from "node:http";
import process from "node:process";
import { HTTPFacilitatorClient, x402HTTPResourceServer, x402ResourceServer } from "@x402/core/server";
import { ExactEvmScheme } from "@x402/evm/exact/server";

const NETWORK = "eip155:84532";
const facilitator = new HTTPFacilitatorClient({ url: process.env.FACILITATOR_URL });
const shop = new x402HTTPResourceServer(new x402ResourceServer(facilitator).register(NETWORK, new ExactEvmScheme()), {
	"/t/priced/cent": {
		accepts: { scheme: "exact", price: "$0.01", network: NETWORK, payTo: String(process.env.PAY_TO) },
		description: "Sold for a cent",
	},
});

const server = createServer(async (request, response) => {
	const chunks = [];
	for await (const chunk of request) {
		chunks.push(chunk);
	}
	const url = new URL(request.url ?? "/", `http://${request.headers.host}`);
	const context = {
		path: url.pathname,
		method: request.method ?? "GET",
		adapter: {
			getHeader: (/** @type {string} */ name) =>
				/** @type {string | undefined} */ (request.headers[name.toLowerCase()]),
			getMethod: () => request.method ?? "GET",
			getPath: () => url.pathname,
			getUrl: () => url.href,
			getAcceptHeader: () => request.headers.accept ?? "",
			getUserAgent: () => request.headers["user-agent"] ?? "",
		},
	};
	const outcome = await shop.processHTTPRequest(context);
	if (outcome.type === "payment-error") {
		response.writeHead(outcome.response.status, outcome.response.headers);
		response.end(JSON.stringify(outcome.response.body ?? {}));
		return;
	}
	if (outcome.type !== "payment-verified") {
		response.writeHead(404).end();
		return;
	}
	const { paymentPayload, paymentRequirements, declaredExtensions } = outcome;
	const settled = await shop.processSettlement(paymentPayload, paymentRequirements, declaredExtensions, {
		request: context,
	});
	response.writeHead(settled.success ? 200 : settled.response.status, settled.headers);
	response.end(
		settled.success ? JSON.stringify({ method: request.method, body: Buffer.concat(chunks).toString("utf8") }) : "{}",
	);
});

await shop.initialize();
server.listen(0, "127.0.0.1", () => {
	const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
	process.stdout.write(`Listening on 127.0.0.1:${port}\n`);
});
