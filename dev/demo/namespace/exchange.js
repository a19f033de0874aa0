/** Converts between currencies at fixed reference rates. It has its own host name. */

const ABOUT = {
	name: "Exchange",
	description: "Converts amounts between currencies at fixed demonstration rates, exact to the cent.",
	endpoints: [
		{ method: "GET", path: "/rates", parameters: { base: "default EUR" }, example: "/rates?base=USD" },
		{
			method: "GET",
			path: "/convert",
			parameters: { from: "currency", to: "currency", amount: "up to 12 digits and 2 decimals, default 1" },
			example: "/convert?from=EUR&to=JPY&amount=12.50",
		},
	],
};

/** Units of each currency for one euro, in millionths, so that all arithmetic uses integers. */
const MICROS_PER_EURO = {
	EUR: 1_000_000n,
	USD: 1_084_300n,
	GBP: 843_150n,
	CHF: 957_200n,
	JPY: 163_420_000n,
	SEK: 11_412_500n,
	NOK: 11_690_000n,
	PLN: 4_301_200n,
	CAD: 1_483_900n,
	AUD: 1_642_700n,
	BRL: 5_918_000n,
	INR: 90_870_000n,
};

function errorResponse(status, fields, headers = {}) {
	return Response.json(fields, { status, headers });
}

function currency(query, name, otherwise) {
	const code = (query.get(name) ?? otherwise ?? "").toUpperCase();
	return Object.hasOwn(MICROS_PER_EURO, code) ? code : null;
}

function invalidCurrency(parameter) {
	const known = Object.keys(MICROS_PER_EURO);
	return errorResponse(400, { error: "invalid_parameter", parameter, message: "unknown currency", known });
}

/** `numerator / denominator` to `decimals` places, half up, as text. */
function decimal(numerator, denominator, decimals) {
	const scale = 10n ** BigInt(decimals);
	const scaled = (2n * numerator * scale + denominator) / (2n * denominator);
	return `${scaled / scale}.${String(scaled % scale).padStart(decimals, "0")}`;
}

function rates(query) {
	const base = currency(query, "base", "EUR");
	if (base === null) return invalidCurrency("base");
	const perBase = Object.entries(MICROS_PER_EURO).map(([code, micros]) => [
		code,
		decimal(micros, MICROS_PER_EURO[base], 6),
	]);
	return Response.json({ base, rates: Object.fromEntries(perBase) });
}

function convert(query) {
	const from = currency(query, "from");
	if (from === null) return invalidCurrency("from");
	const to = currency(query, "to");
	if (to === null) return invalidCurrency("to");
	const amount = query.get("amount") ?? "1";
	const [, units, cents = ""] = /^(\d{1,12})(?:\.(\d{1,2}))?$/.exec(amount) ?? [];
	if (units === undefined) {
		const message = "amount must be a positive number with at most 12 digits and 2 decimals";
		return errorResponse(400, { error: "invalid_parameter", parameter: "amount", message });
	}
	const amountCents = BigInt(units) * 100n + BigInt(cents.padEnd(2, "0"));
	const numerator = amountCents * MICROS_PER_EURO[to];
	const result = decimal(numerator, 100n * MICROS_PER_EURO[from], 2);
	return Response.json({ from, to, amount, result });
}

export default {
	async fetch(request) {
		if (!["GET", "HEAD"].includes(request.method)) {
			return errorResponse(405, { error: "method_not_allowed", message: "use GET" }, { allow: "GET, HEAD" });
		}
		const { host, pathname, searchParams } = new URL(request.url);
		if (pathname === "/") return Response.json({ ...ABOUT, host });
		if (pathname === "/rates") return rates(searchParams);
		if (pathname === "/convert") return convert(searchParams);
		return errorResponse(404, { error: "not_found", message: "see / for what there is" });
	},
};
