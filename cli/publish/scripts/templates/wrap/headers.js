/** Which headers go where: what is meant for one connection, or for the platform, goes no further. */
import { settings } from "./settings.js";

/** https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1, and what has no meaning behind it. */
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

/** Who calls and how it was paid is between the caller and the platform. */
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

/** What a kept answer may depend on, besides its address; `accept-encoding` is always the same. */
export const VARYING = ["accept", "accept-language"];

const PLATFORM_PREFIXES = ["x-clawr-", "cf-", "x-forwarded-"];

/**
 * @param {Request} request
 * @param {Record<string, string>} env
 * @param {{isFirstOrigin: boolean}} where The secrets are for the target's own origin, and for no redirect's.
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
 * The body arrives here uncompressed, and cookies would be the platform's.
 *
 * @param {Response} answer
 * @param {string | null} cacheControl
 */
export function answerHeaders(answer, cacheControl) {
	const headers = withoutConnection(answer.headers);
	for (const name of ["set-cookie", "content-encoding", "alt-svc", "strict-transport-security"]) headers.delete(name);
	if (cacheControl !== null && mayBeKept(answer)) headers.set("cache-control", cacheControl);
	return headers;
}

/**
 * Whether the other side lets its answer be kept for others.
 *
 * @param {Response} answer As it came.
 */
export function mayBeKept({ status, headers }) {
	const varying = (headers.get("vary") ?? "").split(",").map((name) => name.trim().toLowerCase());
	const isTold = varying.every((name) => name === "" || name === "accept-encoding" || VARYING.includes(name));
	return status === 200 && isTold && !/no-store|private/i.test(headers.get("cache-control") ?? "");
}

/** @param {Headers} from */
function withoutConnection(from) {
	const headers = new Headers(from);
	const named = (from.get("connection") ?? "").split(",").map((name) => name.trim().toLowerCase());
	for (const name of [...CONNECTION, ...named.filter((name) => /^[\w!#$%&'*+.^`|~-]+$/.test(name))])
		headers.delete(name);
	return headers;
}
