// (a) The floor: hands the request to the script, and the answer back.
export default {
	fetch: (request, env) => env.DISPATCHER.get("echo").fetch(request),
};
