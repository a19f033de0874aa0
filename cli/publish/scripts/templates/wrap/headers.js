/** Selects the headers to forward: not those of one connection, nor those of the platform. */
import { settings } from "./settings.js";

/** https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1, and others that belong to one connection. */
const CONNECTION = [
	"connection",
	"keep-alive",
	"proxy-authenticate",
	"proxy-authorization",
	"proxy-connection",
	"te",
	"trailer",
	"transfer-encoding",
	"upgrade",
	"host",
	"content-length",
	"expect",
];

/** Identity and payment of the caller, which are for the platform only. */
const PLATFORM = [
	"x-tenant-id",
	"x-request-id",
	"x-platform-token",
	"x-agent-id",
	"x-caller-id",
	"payment-signature",
	"payment-required",
	"payment-response",
	"x-payment",
	"x-payment-response",
	"cookie",
	"forwarded",
	"via",
	"x-real-ip",
	"true-client-ip",
	"accept-encoding",
];

/** Headers that are part of the cache key; `accept-encoding` is not forwarded. */
export const VARYING = ["accept", "accept-language"];

const PLATFORM_PREFIXES = ["x-clawr-", "cf-", "x-forwarded-"];

/**
 * @param {Request} request
 * @param {Record<string, string>} env
 * @param {{isFirstOrigin: boolean}} where Secrets are only sent to the target's origin, not to that of a redirect.
 */
export function requestHeaders(request, env, { isFirstOrigin }) {
	const headers = withoutConnection(request.headers);
	for (const name of [...headers.keys()]) {
		if (PLATFORM.includes(name) || PLATFORM_PREFIXES.some((prefix) => name.startsWith(prefix))) headers.delete(name);
	}
	if (!settings.forwardAuthorization || !isFirstOrigin) headers.delete("authorization");
	for (const [name, binding] of Object.entries(settings.secretHeaders)) {
		headers.delete(name);
		if (isFirstOrigin) headers.set(name, env[binding]);
	}
	return headers;
}

/**
 * The body is already decompressed, and cookies would be set for the platform's host.
 *
 * @param {Response} response
 * @param {string | null} cacheControl
 */
export function responseHeaders(response, cacheControl) {
	const headers = withoutConnection(response.headers);
	for (const name of ["set-cookie", "content-encoding", "alt-svc", "strict-transport-security"]) headers.delete(name);
	if (cacheControl !== null && isCacheable(response)) headers.set("cache-control", cacheControl);
	return headers;
}

/**
 * Whether the target allows a shared cache to store its response.
 *
 * @param {Response} response As received.
 */
export function isCacheable({ status, headers }) {
	const varying = (headers.get("vary") ?? "").split(",").map((name) => name.trim().toLowerCase());
	const isKnown = varying.every((name) => name === "" || name === "accept-encoding" || VARYING.includes(name));
	return status === 200 && isKnown && !/no-store|private/i.test(headers.get("cache-control") ?? "");
}

/** @param {Headers} from */
function withoutConnection(from) {
	const headers = new Headers(from);
	const named = (from.get("connection") ?? "").split(",").map((name) => name.trim().toLowerCase());
	for (const name of [...CONNECTION, ...named.filter((name) => /^[\w!#$%&'*+.^`|~-]+$/.test(name))])
		headers.delete(name);
	return headers;
}
