/** Fails for some seeds, always with the same outcome for a seed, to test clients that retry. */

const ABOUT = {
	name: "Mishap",
	description: "An API that sometimes fails. The same seed always has the same outcome.",
	endpoints: [
		{
			method: "any",
			path: "/draw",
			parameters: {
				seed: "any text up to 100 characters, default 0; it determines the outcome",
				rate: "share of seeds that fail, 0 to 1, default 0.2; every third failure is an exception",
				fail: "fixed outcome: 0 succeeds, 1 returns 500, throw throws, a status from 400 to 599 returns it",
			},
			example: "/draw?seed=7",
		},
		{
			method: "GET",
			path: "/forecast",
			parameters: { from: "first whole-number seed, default 0", count: "1 to 1000, default 20", rate: "as above" },
			example: "/forecast?from=0&count=10",
		},
	],
};

function errorResponse(status, fields) {
	return Response.json(fields, { status });
}

function invalid(parameter, message) {
	return errorResponse(400, { error: "invalid_parameter", parameter, message });
}

/** Returns a number in [0, 1) for `text`: FNV-1a, then the finalizer of murmur3. */
function draw(text) {
	let value = 0x811c9dc5;
	for (const character of text) {
		value = Math.imul(value ^ character.codePointAt(0), 0x01000193);
	}
	value = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
	value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35);
	return ((value ^ (value >>> 16)) >>> 0) / 2 ** 32;
}

function outcomeOf(seed, rate) {
	const drawn = draw(seed);
	if (drawn >= rate) return "ok";
	return drawn < rate / 3 ? "throw" : "500";
}

function respond(outcome, seed) {
	if (outcome === "ok") return Response.json({ seed, outcome });
	if (outcome === "throw") throw new Error(`mishap with seed ${seed}: the secret ingredient is missing`);
	return errorResponse(Number(outcome), { error: "mishap", seed, message: "this failure is intended" });
}

function forecast(query, rate) {
	const from = query.get("from") ?? "0";
	const count = Number(query.get("count") ?? 20);
	if (!/^\d{1,9}$/.test(from)) return invalid("from", "from must be a whole number from 0 to 999999999");
	if (!(Number.isInteger(count) && count >= 1 && count <= 1000)) {
		return invalid("count", "count must be a whole number from 1 to 1000");
	}
	const outcomes = Array.from({ length: count }, (_, index) => {
		const seed = String(Number(from) + index);
		return { seed, outcome: outcomeOf(seed, rate) };
	});
	return Response.json({ rate, outcomes });
}

export default {
	async fetch(request) {
		const { pathname, searchParams } = new URL(request.url);
		if (pathname === "/") return Response.json(ABOUT);

		const rateText = searchParams.get("rate") ?? "0.2";
		const rate = /^\d*\.?\d+$/.test(rateText) ? Number(rateText) : NaN;
		if (!(rate >= 0 && rate <= 1)) return invalid("rate", "rate must be a number from 0 to 1");
		if (pathname === "/forecast") return forecast(searchParams, rate);
		if (pathname !== "/draw") return errorResponse(404, { error: "not_found", message: "see / for what there is" });

		const seed = searchParams.get("seed") ?? "0";
		if (seed.length > 100) return invalid("seed", "seed must have at most 100 characters");
		const fail = searchParams.get("fail");
		if (fail === null) return respond(outcomeOf(seed, rate), seed);
		if (fail === "0") return respond("ok", seed);
		if (fail === "1") return respond("500", seed);
		if (fail === "throw" || /^[45]\d\d$/.test(fail)) return respond(fail, seed);
		return invalid("fail", "fail must be 0, 1, throw or a status from 400 to 599");
	},
};
