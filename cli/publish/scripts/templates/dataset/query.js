/** Parses a URL's query into filters, order, fields and page; reports all mistakes at once. */
import { dataset as constants } from "./dataset.js";

/**
 * @typedef {import("./dataset.js").Dataset} Dataset
 * @typedef {import("./dataset.js").Column} Column
 * @typedef {string | number | boolean | null | object} Value
 * @typedef {{column: number, operator: string, value: Value}} Filter
 * @typedef {{column: number, isDescending: boolean}} Order
 * @typedef {{parameter: string, message: string}} Mistake
 * @typedef {{filters: Filter[], orders: Order[], fields: number[], limit: number, offset: number, mistakes: Mistake[]}} Query
 */

const { limitDefault: LIMIT_DEFAULT, limitMax: LIMIT_MAX, operators: OPERATORS } = constants;

const READERS = /** @type {Record<string, {demand: string, read: (text: string) => Value | undefined}>} */ ({
	integer: { demand: "a whole number", read: (text) => (/^[+-]?\d{1,16}$/.test(text) ? Number(text) : undefined) },
	number: {
		demand: "a number",
		read: (text) => (/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : undefined),
	},
	date: { demand: "a date such as 2026-01-31", read: (text) => (isDate(text) ? text : undefined) },
	text: { demand: "text", read: (text) => text },
	boolean: { demand: "true or false", read: readBoolean },
	json: { demand: "text", read: (text) => text },
});

/** @param {URLSearchParams} parameters @param {Dataset} dataset @returns {Query} */
export function readQuery(parameters, dataset) {
	/** @type {Query} */
	const query = { filters: [], orders: [], fields: [], limit: LIMIT_DEFAULT, offset: 0, mistakes: [] };
	const columns = new Map(dataset.columns.map((column, index) => [column.name, index]));
	const seen = new Set();
	for (const [parameter, text] of parameters) {
		/** @param {string} message */
		const refuse = (message) => query.mistakes.push({ parameter, message });
		const isOption = Object.hasOwn(OPTIONS, parameter);
		if (isOption && seen.has(parameter)) refuse("It is given twice.");
		else if (isOption) OPTIONS[parameter](query, text, columns, refuse);
		else addFilter(query, parameter, text, columns, dataset, refuse);
		seen.add(parameter);
	}
	if (query.fields.length === 0) query.fields = dataset.columns.map((_, index) => index);
	return query;
}

/** @type {Record<string, (query: Query, text: string, columns: Map<string, number>, refuse: (message: string) => void) => void>} */
const OPTIONS = {
	limit(query, text, _columns, refuse) {
		query.limit = whole(text, 1, LIMIT_MAX) ?? refuseWhole(refuse, 1, LIMIT_MAX);
	},
	offset(query, text, _columns, refuse) {
		query.offset = whole(text, 0, Number.MAX_SAFE_INTEGER) ?? refuseWhole(refuse, 0);
	},
	sort(query, text, columns, refuse) {
		for (const part of text.split(",")) {
			const isDescending = part.startsWith("-");
			const name = isDescending ? part.slice(1) : part;
			const column = columns.get(name);
			if (column === undefined) refuse(unknown(name, columns));
			else if (constants.columns[column].type === "json") refuse(`A json column cannot be sorted: ${name}.`);
			else query.orders.push({ column, isDescending });
		}
	},
	fields(query, text, columns, refuse) {
		for (const name of text.split(",")) {
			const column = columns.get(name);
			if (column === undefined) refuse(unknown(name, columns));
			else if (!query.fields.includes(column)) query.fields.push(column);
		}
	},
};

/**
 * @param {Query} query
 * @param {string} parameter
 * @param {string} text
 * @param {Map<string, number>} columns
 * @param {Dataset} dataset
 * @param {(message: string) => void} refuse
 */
function addFilter(query, parameter, text, columns, dataset, refuse) {
	const [, name, operator = "eq"] = /^([^[\]]*)(?:\[([a-z]+)\])?$/.exec(parameter) ?? [];
	const column = name === undefined ? undefined : columns.get(name);
	if (column === undefined) return refuse(unknown(name ?? parameter, columns));
	const { type } = dataset.columns[column];
	if (!OPERATORS[type].includes(operator)) {
		return refuse(`A ${type} column does not support ${operator}; it supports ${OPERATORS[type].join(", ")}.`);
	}
	const reader = operator === "null" ? READERS.boolean : READERS[type];
	const value = reader.read(text);
	if (value === undefined) refuse(`It must be ${reader.demand}.`);
	else query.filters.push({ column, operator, value });
}

/** @param {string} name @param {Map<string, number>} columns */
function unknown(name, columns) {
	return `Unknown column ${JSON.stringify(name)}; the columns are ${[...columns.keys()].join(", ")}.`;
}

/** @param {string} text @param {number} least @param {number} most */
function whole(text, least, most) {
	const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
	return value >= least && value <= most ? value : undefined;
}

/** @param {(message: string) => void} refuse @param {number} least @param {number} [most] */
function refuseWhole(refuse, least, most) {
	refuse(`It must be a whole number ${most === undefined ? `of at least ${least}` : `from ${least} to ${most}`}.`);
	return least;
}

/** @param {string} text */
function readBoolean(text) {
	if (text === "true") return true;
	return text === "false" ? false : undefined;
}

/** @param {string} text */
function isDate(text) {
	if (!/^\d{4}-\d{2}-\d{2}$/.test(text)) return false;
	const at = new Date(`${text}T00:00:00Z`);
	return !Number.isNaN(at.getTime()) && at.toISOString().startsWith(text);
}
