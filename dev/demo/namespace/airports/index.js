/** A dataset API: filter, sort and page through airports, look one up, or find the nearest. */
import { airports } from "./data.js";

const ABOUT = {
	name: "Airports",
	description: "Airports of the world's larger cities, to filter, sort, page through and measure.",
	endpoints: [
		{
			method: "GET",
			path: "/airports",
			parameters: {
				country: "ISO 3166-1 code of two letters, such as PT",
				q: "text in the name or city, case-insensitive",
				min_elevation_m: "metres above the sea, at least",
				max_elevation_m: "metres above the sea, at most",
				sort: "iata (default), name, city, country, elevation_m",
				order: "asc (default) or desc",
				page: "from 1",
				per_page: "1 to 50, default 20",
			},
			example: "/airports?country=US&sort=elevation_m&order=desc&per_page=3",
		},
		{ method: "GET", path: "/airports/{iata}", example: "/airports/LIS" },
		{
			method: "GET",
			path: "/nearest",
			parameters: { latitude: "-90 to 90", longitude: "-180 to 180", limit: "1 to 10, default 3" },
			example: "/nearest?latitude=41.15&longitude=-8.61",
		},
	],
};

const SORTABLE = ["iata", "name", "city", "country", "elevation_m"];
const EARTH_RADIUS_KM = 6371;

/** An invalid request, with the status and body of the response. */
class RequestError extends Error {
	constructor(status, fields) {
		super(fields.message);
		this.status = status;
		this.fields = fields;
	}
}

function invalid(parameter, message) {
	return new RequestError(400, { error: "invalid_parameter", parameter, message });
}

function number(query, name, { from, to, otherwise, whole = false }) {
	const text = query.get(name);
	if (text === null && otherwise !== undefined) return otherwise;
	const value = text === null || text.trim() === "" ? NaN : Number(text);
	if (!Number.isFinite(value) || value < from || value > to || (whole && !Number.isInteger(value))) {
		throw invalid(name, `${name} must be a ${whole ? "whole " : ""}number from ${from} to ${to}`);
	}
	return value;
}

function choice(query, name, allowed) {
	const value = query.get(name) ?? allowed[0];
	if (!allowed.includes(value)) throw invalid(name, `${name} must be one of: ${allowed.join(", ")}`);
	return value;
}

function list(query) {
	const country = query.get("country");
	if (country !== null && !/^[A-Za-z]{2}$/.test(country)) {
		throw invalid("country", "country must be an ISO 3166-1 code of two letters");
	}
	const text = query.get("q")?.toLowerCase();
	const lowest = number(query, "min_elevation_m", { from: -500, to: 9000, otherwise: -500 });
	const highest = number(query, "max_elevation_m", { from: -500, to: 9000, otherwise: 9000 });
	const sort = choice(query, "sort", SORTABLE);
	const direction = choice(query, "order", ["asc", "desc"]) === "asc" ? 1 : -1;
	const page = number(query, "page", { from: 1, to: 1000, otherwise: 1, whole: true });
	const perPage = number(query, "per_page", { from: 1, to: 50, otherwise: 20, whole: true });

	const found = airports
		.filter((airport) => country === null || airport.country === country.toUpperCase())
		.filter((airport) => airport.elevation_m >= lowest && airport.elevation_m <= highest)
		.filter((airport) => !text || `${airport.name} ${airport.city}`.toLowerCase().includes(text))
		.sort((a, b) => {
			const [left, right] = [a[sort], b[sort]];
			const order = typeof left === "number" ? left - right : left.localeCompare(right);
			return direction * (order || a.iata.localeCompare(b.iata));
		});
	return {
		total: found.length,
		page,
		pages: Math.max(1, Math.ceil(found.length / perPage)),
		airports: found.slice((page - 1) * perPage, page * perPage),
	};
}

function one(iata) {
	const airport = airports.find((candidate) => candidate.iata === iata.toUpperCase());
	if (!airport) {
		throw new RequestError(404, { error: "airport_not_found", message: `no airport has the code ${iata}` });
	}
	return airport;
}

/** Great-circle distance by the haversine formula. */
function distanceKm(a, b) {
	const radians = Math.PI / 180;
	const latitude = ((b.latitude - a.latitude) * radians) / 2;
	const longitude = ((b.longitude - a.longitude) * radians) / 2;
	const chord =
		Math.sin(latitude) ** 2 +
		Math.cos(a.latitude * radians) * Math.cos(b.latitude * radians) * Math.sin(longitude) ** 2;
	return 2 * EARTH_RADIUS_KM * Math.asin(Math.sqrt(chord));
}

function nearest(query) {
	const here = {
		latitude: number(query, "latitude", { from: -90, to: 90 }),
		longitude: number(query, "longitude", { from: -180, to: 180 }),
	};
	const limit = number(query, "limit", { from: 1, to: 10, otherwise: 3, whole: true });
	const measured = airports
		.map((airport) => ({ ...airport, distance_km: Math.round(distanceKm(here, airport)) }))
		.sort((a, b) => a.distance_km - b.distance_km);
	return { from: here, airports: measured.slice(0, limit) };
}

function resultFor(url) {
	const [, collection, iata, ...rest] = url.pathname.split("/");
	if (collection === "") return ABOUT;
	if (collection === "airports" && !iata) return list(url.searchParams);
	if (collection === "airports" && rest.length === 0) return one(decodeURIComponent(iata));
	if (collection === "nearest" && iata === undefined) return nearest(url.searchParams);
	throw new RequestError(404, { error: "not_found", message: "see / for what there is" });
}

export default {
	async fetch(request) {
		if (!["GET", "HEAD"].includes(request.method)) {
			const body = { error: "method_not_allowed", message: "this API is read with GET" };
			return Response.json(body, { status: 405, headers: { allow: "GET, HEAD" } });
		}
		try {
			const headers = { "cache-control": "public, max-age=3600" };
			return Response.json(resultFor(new URL(request.url)), { headers });
		} catch (error) {
			if (error instanceof RequestError) return Response.json(error.fields, { status: error.status });
			if (error instanceof URIError) return Response.json({ error: "not_found" }, { status: 404 });
			throw error;
		}
	},
};
