/** Describes the dataset: a row as JSON Schema (2020-12), and the routes as OpenAPI 3.1. */
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
			total: { type: "integer", description: "The number of matching rows." },
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
					summary: "A page of matching rows.",
					parameters: [...pageParameters(), ...dataset.columns.flatMap(filterParameters)],
					responses: {
						200: response("The page. The Link header has the other pages.", page),
						400: response("The query is invalid; details lists all mistakes.", {
							$ref: "#/components/schemas/Problem",
						}),
					},
				},
			},
			"/rows/{id}": {
				get: {
					summary: `One row by ${dataset.id === null ? "its number, from 1" : dataset.id}.`,
					parameters: [{ name: "id", in: "path", required: true, schema: { type: "string" } }],
					responses: {
						200: response("The row.", { $ref: "#/components/schemas/Row" }),
						404: response("There is no such row.", { $ref: "#/components/schemas/Problem" }),
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
		queryParameter("limit", `Rows per page; the default is ${LIMIT_DEFAULT}.`, {
			type: "integer",
			minimum: 1,
			maximum: LIMIT_MAX,
		}),
		queryParameter("offset", "The number of rows to skip.", { type: "integer", minimum: 0 }),
		queryParameter("sort", "Columns separated by commas; a leading - sorts in descending order.", {
			type: "string",
		}),
		queryParameter("fields", "Columns to return, separated by commas.", { type: "string" }),
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
function response(description, schema) {
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
	contains: "Contains this text, ignoring case.",
	null: "true: null; false: not null.",
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
