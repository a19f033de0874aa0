// (a) The baseline: forwards the request to the script and returns the response.
export default {
	fetch: (request, env) => env.DISPATCHER.get("echo").fetch(request),
};
