/**
 * Which addresses are asked: those of the public internet, over HTTP.
 *
 * A name that a resolver turns into a private address is not seen here; on Cloudflare's network
 * such an address leads nowhere. `cli/publish/addresses.py` has the same rules for publishing.
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

/** Network and length of prefix: whatever is not public, by https://www.iana.org/assignments/iana-ipv4-special-registry */
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
 * @param {URL} url As the URL standard reads it, so that every spelling of an IPv4 address is the dotted one.
 * @param {boolean} allowPrivate
 * @returns {string | undefined} Why the address is not asked, to be read behind "an address that".
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
 * Global unicast is 2000::/3. Within it, 2001::/23 is for protocols, 2001:db8::/32 and 3fff::/20
 * for documents, and 2002::/16 holds any IPv4 address.
 *
 * @param {string} host In the compressed form that URLs have.
 */
function isPublicV6(host) {
	const [first, second] = host.split(":").map((part) => Number.parseInt(part || "0", 16));
	if (first < 0x2000 || first > 0x3fff || first === 0x2002) return false;
	if (first === 0x3fff && second < 0x1000) return false;
	return !(first === 0x2001 && (second < 0x0200 || second === 0x0db8));
}
