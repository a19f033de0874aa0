/**
 * Uses the dispatcher's MCP server as an agent does, with the official client, and calls what it finds.
 *
 * Usage: node agent.js DISPATCHER QUERY. Prints a JSON object with what the server said.
 */
import process from "node:process";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

const [dispatcher, query] = process.argv.slice(2);
const transport = new StreamableHTTPClientTransport(new URL("/mcp", dispatcher));
const client = new Client({ name: "agent", version: "1" });
await client.connect(transport);
const { tools } = await client.listTools();
const searched = /** @type {any} */ (await client.callTool({ name: "search_apis", arguments: { query } }));
const [first] = searched.structuredContent.apis;
const got = /** @type {any} */ (await client.callTool({ name: "get_api", arguments: { api: first.slug } }));
const unknown = /** @type {any} */ (await client.callTool({ name: "get_api", arguments: { api: "nobody" } }));
const invalid = await client.callTool({ name: "no_such_tool" }).catch((error) => ({ code: error.code }));
await client.ping();
const [{ url }] = got.structuredContent.requests;
const response = await fetch(url);
const found = {
	server: client.getServerVersion(),
	instructions: client.getInstructions(),
	version: transport.protocolVersion,
	tools: tools.map((/** @type {{name: string}} */ tool) => tool.name),
	apis: searched.structuredContent.apis,
	api: got.structuredContent,
	text: got.content[0].text,
	unknown,
	invalid,
	called: { status: response.status, paymentRequired: response.headers.has("payment-required") },
};
await client.close();
process.stdout.write(JSON.stringify(found));
