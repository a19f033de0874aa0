// (m) The official middleware for JavaScript Workers, as its documentation says, in front of the
// same script. It keeps no ledger and records nothing.
import { HTTPFacilitatorClient } from "@x402/core/server";
import { ExactEvmScheme } from "@x402/evm/exact/server";
import { paymentMiddleware, x402ResourceServer } from "@x402/hono";
import { Hono } from "hono";

const PRICED = "/t/sold/item";

const dispatch = (context) => context.env.DISPATCHER.get("echo").fetch(context.req.raw);

function shop({ FACILITATOR_URL, X402_NETWORK, PAY_TO_ADDRESS }) {
	const facilitator = new HTTPFacilitatorClient({ url: FACILITATOR_URL });
	const server = new x402ResourceServer(facilitator).register(X402_NETWORK, new ExactEvmScheme());
	const price = { scheme: "exact", price: "$0.01", network: X402_NETWORK, payTo: PAY_TO_ADDRESS };
	const app = new Hono();
	app.use(paymentMiddleware({ [PRICED]: { accepts: price, description: "sold" } }, server));
	app.all("*", dispatch);
	return app;
}

let app;

export default {
	fetch(request, env, context) {
		if (new URL(request.url).pathname !== PRICED) return dispatch({ env, req: { raw: request } });
		// The middleware asks the facilitator what it supports as soon as it is made, and workerd binds
		// that call to the current request, which must therefore be one that waits for it.
		app ??= shop(env);
		return app.fetch(request, env, context);
	},
};
