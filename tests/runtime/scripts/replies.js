/** Responds with the kind of response that its path names. */
export default {
	fetch(request) {
		const kind = new URL(request.url).pathname.slice(1);
		switch (kind) {
			case "throw":
				throw new Error("a secret of the tenant");
			case "throw-nothing":
				throw undefined;
			case "pretend":
				throw new Error("Worker not found.");
			case "empty":
				return new Response(null, { status: 204 });
			case "unchanged":
				return new Response(null, { status: 304, headers: { etag: '"1"' } });
			case "receipt":
				return new Response("paid for", {
					headers: {
						"payment-response": "forged",
						"x-payment-response": "forged",
						"access-control-expose-headers": "x-own",
					},
				});
			case "redirect":
				return Response.redirect("https://elsewhere.example/", 302);
			case "stream": {
				const encoder = new TextEncoder();
				const parts = ["one ", "two ", "three"];
				const next = (controller) => {
					const part = parts.shift();
					if (part === undefined) controller.close();
					else controller.enqueue(encoder.encode(part));
				};
				return new Response(new ReadableStream({ pull: next }));
			}
			case "socket": {
				const [client, server] = Object.values(new WebSocketPair());
				server.accept();
				server.addEventListener("message", (event) => server.send(`echo ${event.data}`));
				return new Response(null, { status: 101, webSocket: client });
			}
			default:
				return new Response(kind);
		}
	},
};
