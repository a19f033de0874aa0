// What workerd and miniflare take by themselves: answers, and nothing else.
export default {
	fetch: () => new Response("empty"),
};
