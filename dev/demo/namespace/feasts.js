/** Dates of the movable feasts, by the Gregorian or the Julian calendar. */

const ABOUT = {
	name: "Feasts",
	description: "Dates of Easter and of the feasts that depend on it, for any year from 1583 to 4099.",
	endpoints: [
		{
			method: "GET",
			path: "/easter",
			parameters: { year: "1583 to 4099", rite: "western (default) or eastern" },
			example: "/easter?year=2026",
		},
		{
			method: "GET",
			path: "/feasts",
			parameters: { year: "as above", rite: "as above" },
			example: "/feasts?year=2026",
		},
	],
};

const DAY_MS = 86_400_000;
const MOVABLE = {
	"Ash Wednesday": -46,
	"Palm Sunday": -7,
	"Good Friday": -2,
	Easter: 0,
	"Easter Monday": 1,
	Ascension: 39,
	Pentecost: 49,
	"Corpus Christi": 60,
};

/** The anonymous Gregorian algorithm (Meeus, Astronomical Algorithms, chapter 8). */
function western(year) {
	const a = year % 19;
	const b = Math.floor(year / 100);
	const c = year % 100;
	const d = Math.floor(b / 4);
	const f = Math.floor((b + 8) / 25);
	const g = Math.floor((b - f + 1) / 3);
	const h = (19 * a + b - d - g + 15) % 30;
	const l = (32 + 2 * (b % 4) + 2 * Math.floor(c / 4) - h - (c % 4)) % 7;
	const m = Math.floor((a + 11 * h + 22 * l) / 451);
	const marchDay = h + l - 7 * m + 22;
	return Date.UTC(year, 2, marchDay);
}

/** Meeus's Julian algorithm; the result is converted to the Gregorian calendar. */
function eastern(year) {
	const d = (19 * (year % 19) + 15) % 30;
	const e = (2 * (year % 4) + 4 * (year % 7) - d + 34) % 7;
	const marchDay = d + e + 22;
	const century = Math.floor(year / 100);
	const calendarGap = century - Math.floor(century / 4) - 2;
	return Date.UTC(year, 2, marchDay + calendarGap);
}

function day(time) {
	return new Date(time).toISOString().slice(0, 10);
}

function invalid(parameter, message) {
	return Response.json({ error: "invalid_parameter", parameter, message }, { status: 400 });
}

export default {
	async fetch(request) {
		const { pathname, searchParams } = new URL(request.url);
		if (!["GET", "HEAD"].includes(request.method)) {
			const headers = { allow: "GET, HEAD" };
			return Response.json({ error: "method_not_allowed" }, { status: 405, headers });
		}
		if (pathname === "/") return Response.json(ABOUT);
		if (!["/easter", "/feasts"].includes(pathname)) {
			return Response.json({ error: "not_found", message: "see / for what there is" }, { status: 404 });
		}
		const yearText = searchParams.get("year") ?? "";
		const year = /^\d{4}$/.test(yearText) ? Number(yearText) : NaN;
		if (!(year >= 1583 && year <= 4099)) return invalid("year", "year must be from 1583 to 4099");
		const rite = searchParams.get("rite") ?? "western";
		if (!["western", "eastern"].includes(rite)) return invalid("rite", "rite must be western or eastern");

		const easter = rite === "western" ? western(year) : eastern(year);
		if (pathname === "/easter") return Response.json({ year, rite, date: day(easter) });
		const feasts = Object.entries(MOVABLE).map(([name, offset]) => ({
			name,
			date: day(easter + offset * DAY_MS),
		}));
		return Response.json({ year, rite, feasts });
	},
};
