/**
 * Checks the address of a request: only public HTTP addresses are allowed.
 *
 * Host names are not resolved; Cloudflare's network cannot reach private addresses anyway.
 * `cli/publish/scripts/addresses.py` has the same rules for publishing.
 */

const PRIVATE_ENDINGS = [
	"localhost",
	"local",
	"internal",
	"intranet",
	"private",
	"corp",
	"home",
	"lan",
	"localdomain",
	"home.arpa",
	"test",
	"onion",
	"invalid",
];

/** Networks that are not public, with prefix lengths: https://www.iana.org/assignments/iana-ipv4-special-registry */
const PRIVATE_NETWORKS = /** @type {[number, number][]} */ ([
	[0x00000000, 8],
	[0x0a000000, 8],
	[0x64400000, 10],
	[0x7f000000, 8],
	[0xa9fe0000, 16],
	[0xac100000, 12],
	[0xc0000000, 24],
	[0xc0000200, 24],
	[0xc0586300, 24],
	[0xc0a80000, 16],
	[0xc6120000, 15],
	[0xc6336400, 24],
	[0xcb007100, 24],
	[0xe0000000, 4],
	[0xf0000000, 4],
]);

/**
 * @param {URL} url Parsed by the URL standard, which normalizes all spellings of IPv4 addresses.
 * @param {boolean} allowPrivate
 * @returns {string | undefined} Why the address is not allowed, to follow "an address that".
 */
export function whyRefused(url, allowPrivate) {
	if (url.protocol !== "http:" && url.protocol !== "https:") return "is neither http nor https";
	if (url.username !== "" || url.password !== "") return "has credentials in it";
	if (allowPrivate) return undefined;
	const port = Number(url.port);
	if (port !== 0 && port < 1024 && port !== 80 && port !== 443) return `has port ${port}`;
	return isPublic(url.hostname.replace(/\.$/, "")) ? undefined : "is not on the public internet";
}

/** @param {string} host */
function isPublic(host) {
	if (host.startsWith("[")) return isPublicV6(host.slice(1, -1));
	if (/^\d+\.\d+\.\d+\.\d+$/.test(host)) return isPublicV4(host);
	if (!host.includes(".")) return false;
	return !PRIVATE_ENDINGS.some((ending) => host === ending || host.endsWith(`.${ending}`));
}

/** @param {string} host */
function isPublicV4(host) {
	const address = host.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
	return !PRIVATE_NETWORKS.some(([network, length]) => {
		const size = 2 ** (32 - length);
		return address >= network && address < network + size;
	});
}

/**
 * Global unicast is 2000::/3. In it, 2001::/23 is for protocols, 2001:db8::/32 and 3fff::/20 are for
 * documentation, and 2002::/16 embeds IPv4 addresses.
 *
 * @param {string} host In the compressed form of URLs.
 */
function isPublicV6(host) {
	const [first, second] = host.split(":").map((part) => Number.parseInt(part || "0", 16));
	if (first < 0x2000 || first > 0x3fff || first === 0x2002) return false;
	if (first === 0x3fff && second < 0x1000) return false;
	return !(first === 0x2001 && (second < 0x0200 || second === 0x0db8));
}
