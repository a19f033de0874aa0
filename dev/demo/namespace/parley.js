/** A WebSocket that echoes every message. */

const ABOUT = {
	name: "Parley",
	description: "A WebSocket echo, for text and binary messages.",
	endpoints: [
		{
			method: "GET with upgrade: websocket",
			path: "/socket",
			parameters: { limit: "close after this many messages, 1 to 1000; without it, never" },
			example: "ws://…/socket?limit=3",
		},
	],
};

function errorResponse(status, fields, headers = {}) {
	return Response.json(fields, { status, headers });
}

function converse(socket, limit) {
	let echoed = 0;
	socket.binaryType = "arraybuffer"; // A Blob cannot be sent back.
	socket.accept();
	socket.addEventListener("message", ({ data }) => {
		if (echoed === limit) return; // Sent before the client received our close.
		socket.send(data);
		echoed += 1;
		if (echoed === limit) socket.close(1000, "limit reached");
	});
	// Without this, the runtime does not complete the closing handshake.
	socket.addEventListener("close", ({ code }) => {
		if (echoed !== limit) socket.close(code === 1005 ? 1000 : code, "goodbye");
	});
}

export default {
	async fetch(request) {
		const { pathname, searchParams } = new URL(request.url);
		if (!["GET", "HEAD"].includes(request.method)) {
			return errorResponse(405, { error: "method_not_allowed", message: "use GET" }, { allow: "GET, HEAD" });
		}
		if (pathname === "/") return Response.json(ABOUT);
		if (pathname !== "/socket") return errorResponse(404, { error: "not_found", message: "see / for what there is" });
		if (request.headers.get("upgrade")?.toLowerCase() !== "websocket") {
			const message = "connect with a WebSocket client";
			return errorResponse(426, { error: "upgrade_required", message }, { upgrade: "websocket" });
		}
		const limitText = searchParams.get("limit");
		const limit = limitText === null ? Infinity : Number(limitText);
		if (!(limit >= 1 && (limit === Infinity || (Number.isInteger(limit) && limit <= 1000)))) {
			const message = "limit must be a whole number from 1 to 1000";
			return errorResponse(400, { error: "invalid_parameter", parameter: "limit", message });
		}
		const { 0: client, 1: server } = new WebSocketPair();
		converse(server, limit);
		return new Response(null, { status: 101, webSocket: client });
	},
};
