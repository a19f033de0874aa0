// An API that answers.
const ANSWER = JSON.stringify({ echo: true, text: "x".repeat(200) });
const HEADERS = { "content-type": "application/json" };

export default {
	fetch: () => new Response(ANSWER, { headers: HEADERS }),
};
