/** Converts colours, measures contrast by WCAG 2.2, and returns harmonies as JSON or SVG. */

const ABOUT = {
	name: "Palette",
	description: "Describes colours, measures contrast for readable text, and finds colours that go together.",
	endpoints: [
		{ method: "GET", path: "/colour", parameters: { hex: "rrggbb" }, example: "/colour?hex=1f6feb" },
		{
			method: "GET",
			path: "/contrast",
			parameters: { text: "rrggbb", background: "rrggbb" },
			example: "/contrast?text=ffffff&background=1f6feb",
		},
		{
			method: "GET",
			path: "/harmony",
			parameters: {
				hex: "rrggbb",
				scheme: "complementary (default), triadic, analogous",
				format: "json (default) or svg",
			},
			example: "/harmony?hex=1f6feb&scheme=triadic&format=svg",
		},
	],
};

const TURNS = { complementary: [0, 180], triadic: [0, 120, 240], analogous: [-30, 0, 30] };

function invalid(parameter, message) {
	return Response.json({ error: "invalid_parameter", parameter, message }, { status: 400 });
}

/** Returns red, green and blue of `text`, 0 to 255 each, or null if it is not a colour. */
function parse(text) {
	const hex = /^#?([0-9a-f]{6})$/i.exec(text ?? "")?.[1];
	return hex ? [0, 2, 4].map((at) => parseInt(hex.slice(at, at + 2), 16)) : null;
}

function toHex(rgb) {
	return `#${rgb.map((part) => part.toString(16).padStart(2, "0")).join("")}`;
}

function toHsl(rgb) {
	const [r, g, b] = rgb.map((part) => part / 255);
	const [high, low] = [Math.max(r, g, b), Math.min(r, g, b)];
	const [lightness, spread] = [(high + low) / 2, high - low];
	if (spread === 0) return { hue: 0, saturation: 0, lightness };
	const saturation = spread / (1 - Math.abs(2 * lightness - 1));
	const sixth = high === r ? ((g - b) / spread + 6) % 6 : high === g ? (b - r) / spread + 2 : (r - g) / spread + 4;
	return { hue: sixth * 60, saturation, lightness };
}

function fromHsl({ hue, saturation, lightness }) {
	const reach = saturation * Math.min(lightness, 1 - lightness);
	return [0, 8, 4].map((offset) => {
		const k = (offset + hue / 30) % 12;
		return Math.round(255 * (lightness - reach * Math.max(-1, Math.min(k - 3, 9 - k, 1))));
	});
}

/** Relative luminance as WCAG 2.2 defines it. */
function luminance(rgb) {
	const [r, g, b] = rgb.map((part) => {
		const share = part / 255;
		return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
	});
	return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function contrast(a, b) {
	const [light, dark] = [luminance(a), luminance(b)].sort((x, y) => y - x);
	return (light + 0.05) / (dark + 0.05);
}

function rounded(value) {
	return Math.round(value * 100) / 100;
}

function picture(colours) {
	const squares = colours.map((hex, at) => `<rect x="${at * 80}" width="80" height="80" fill="${hex}"/>`);
	const size = `width="${colours.length * 80}" height="80"`;
	return `<svg xmlns="http://www.w3.org/2000/svg" ${size}>${squares.join("")}</svg>`;
}

function describeColour(query) {
	const rgb = parse(query.get("hex"));
	if (!rgb) return invalid("hex", "hex must be six hexadecimal digits");
	const hsl = Object.fromEntries(Object.entries(toHsl(rgb)).map(([name, value]) => [name, rounded(value)]));
	return Response.json({ hex: toHex(rgb), rgb, hsl, luminance: rounded(luminance(rgb)) });
}

function measureContrast(query) {
	const [text, background] = [parse(query.get("text")), parse(query.get("background"))];
	if (!text) return invalid("text", "text must be six hexadecimal digits");
	if (!background) return invalid("background", "background must be six hexadecimal digits");
	const ratio = contrast(text, background);
	return Response.json({ ratio: rounded(ratio), AA: ratio >= 4.5, AAA: ratio >= 7 });
}

function harmonise(query) {
	const rgb = parse(query.get("hex"));
	if (!rgb) return invalid("hex", "hex must be six hexadecimal digits");
	const scheme = query.get("scheme") ?? "complementary";
	const format = query.get("format") ?? "json";
	if (!Object.hasOwn(TURNS, scheme))
		return invalid("scheme", `scheme must be one of: ${Object.keys(TURNS).join(", ")}`);
	if (!["json", "svg"].includes(format)) return invalid("format", "format must be json or svg");
	const hsl = toHsl(rgb);
	const colours = TURNS[scheme].map((turn) => toHex(fromHsl({ ...hsl, hue: (hsl.hue + turn + 360) % 360 })));
	if (format === "json") return Response.json({ scheme, colours });
	return new Response(picture(colours), { headers: { "content-type": "image/svg+xml" } });
}

const ROUTES = { "/colour": describeColour, "/contrast": measureContrast, "/harmony": harmonise };

export default {
	async fetch(request) {
		const { pathname, searchParams } = new URL(request.url);
		if (!["GET", "HEAD"].includes(request.method)) {
			const headers = { allow: "GET, HEAD" };
			return Response.json({ error: "method_not_allowed" }, { status: 405, headers });
		}
		if (pathname === "/") return Response.json(ABOUT);
		if (Object.hasOwn(ROUTES, pathname)) return ROUTES[pathname](searchParams);
		return Response.json({ error: "not_found", message: "see / for what there is" }, { status: 404 });
	},
};
