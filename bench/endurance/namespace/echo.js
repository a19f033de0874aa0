// An API that responds.
const RESPONSE = JSON.stringify({ echo: true, text: "x".repeat(200) });
const HEADERS = { "content-type": "application/json" };

export default {
	fetch: () => new Response(RESPONSE, { headers: HEADERS }),
};
