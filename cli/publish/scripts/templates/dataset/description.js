/** What the dataset has, as JSON Schema (2020-12) of a row and as OpenAPI 3.1 of the routes. */
import { LIMIT_DEFAULT, LIMIT_MAX, OPERATORS } from "./query.js";

/**
 * @typedef {import("./dataset.js").Dataset} Dataset
 * @typedef {import("./dataset.js").Column} Column
 */

/** @type {Record<string, Record<string, string>>} */
const TYPES = {
	integer: { type: "integer" },
	number: { type: "number" },
	boolean: { type: "boolean" },
	date: { type: "string", format: "date" },
	text: { type: "string" },
	null: { type: "null" },
};

/** @param {Dataset} dataset */
export function schemaOf(dataset) {
	return { $schema: "https://json-schema.org/draft/2020-12/schema", title: dataset.title, ...rowSchema(dataset) };
}

/** @param {Dataset} dataset */
export function describe(dataset) {
	const page = {
		type: "object",
		required: ["rows", "total", "limit", "offset", "next"],
		properties: {
			rows: { type: "array", items: { $ref: "#/components/schemas/Row" } },
			total: { type: "integer", description: "How many rows match in all." },
			limit: { type: "integer" },
			offset: { type: "integer" },
			next: { type: ["string", "null"], description: "The query of the next page." },
		},
	};
	return {
		openapi: "3.1.0",
		info: { title: dataset.title, version: dataset.version, description: dataset.description },
		paths: {
			"/": {
				get: {
					summary: "A page of the rows that match.",
					parameters: [...pageParameters(), ...dataset.columns.flatMap(filterParameters)],
					responses: {
						200: answer("The page; the header Link leads to the others.", page),
						400: answer("The query cannot be used; every mistake is named.", { $ref: "#/components/schemas/Problem" }),
					},
				},
			},
			"/rows/{id}": {
				get: {
					summary: `One row, by ${dataset.id === null ? "its number from 1" : dataset.id}.`,
					parameters: [{ name: "id", in: "path", required: true, schema: { type: "string" } }],
					responses: {
						200: answer("The row.", { $ref: "#/components/schemas/Row" }),
						404: answer("There is none.", { $ref: "#/components/schemas/Problem" }),
					},
				},
			},
		},
		components: { schemas: { Row: rowSchema(dataset), Problem: PROBLEM } },
	};
}

/** @param {Dataset} dataset */
function rowSchema(dataset) {
	return {
		type: "object",
		properties: Object.fromEntries(dataset.columns.map((column) => [column.name, valueSchema(column)])),
	};
}

/** @param {Column} column */
function valueSchema({ type, isNullable }) {
	const schema = TYPES[type];
	return isNullable && type !== "null" ? { ...schema, type: [schema.type, "null"] } : schema;
}

function pageParameters() {
	return [
		queryParameter("limit", `Rows a page; ${LIMIT_DEFAULT} without.`, {
			type: "integer",
			minimum: 1,
			maximum: LIMIT_MAX,
		}),
		queryParameter("offset", "How many rows to pass over.", { type: "integer", minimum: 0 }),
		queryParameter("sort", "Columns with commas in between, each with - in front to turn it round.", {
			type: "string",
		}),
		queryParameter("fields", "Columns to show, with commas in between.", { type: "string" }),
	];
}

/** @param {Column} column */
function filterParameters({ name, type }) {
	return OPERATORS[type].map((operator) => {
		const schema = operator === "null" ? TYPES.boolean : TYPES[type];
		return queryParameter(operator === "eq" ? name : `${name}[${operator}]`, MEANINGS[operator], schema);
	});
}

/** @param {string} name @param {string} description @param {object} schema */
function queryParameter(name, description, schema) {
	return { name, in: "query", description, schema };
}

/** @param {string} description @param {object} schema */
function answer(description, schema) {
	return { description, content: { "application/json": { schema } } };
}

/** @type {Record<string, string>} */
const MEANINGS = {
	eq: "Equal.",
	ne: "Not equal.",
	gt: "Greater.",
	gte: "Greater or equal.",
	lt: "Less.",
	lte: "Less or equal.",
	contains: "Has this text in it, in capitals or not.",
	null: "true: without a value; false: with one.",
};

const PROBLEM = {
	type: "object",
	required: ["ok", "error", "message"],
	properties: {
		ok: { const: false },
		error: { type: "string" },
		message: { type: "string" },
		details: {
			type: "array",
			items: { type: "object", properties: { parameter: { type: "string" }, message: { type: "string" } } },
		},
	},
};
