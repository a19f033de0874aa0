// A Worker that only responds: the cost of workerd and miniflare alone.
export default {
	fetch: () => new Response("empty"),
};
