/** Filters, sorts and pages the rows, and finds a row by its id. */
import { dataset } from "./dataset.js";
import text from "./rows.txt";

/**
 * @typedef {import("./query.js").Value} Value
 * @typedef {import("./query.js").Query} Query
 */

/** @type {Value[][]} */
const ROWS = JSON.parse(text);

const ID_COLUMN = dataset.columns.findIndex((column) => column.name === dataset.id);

/** @type {Map<string, Value[]> | undefined} */
let byId;

/** @type {Record<string, (value: any, wanted: any) => boolean>} */
const TESTS = {
	eq: (value, wanted) => value === wanted,
	ne: (value, wanted) => value !== wanted,
	gt: (value, wanted) => value !== null && value > wanted,
	gte: (value, wanted) => value !== null && value >= wanted,
	lt: (value, wanted) => value !== null && value < wanted,
	lte: (value, wanted) => value !== null && value <= wanted,
	contains: (value, wanted) =>
		typeof value === "string"
			? value.toLowerCase().includes(wanted.toLowerCase())
			: Array.isArray(value) && value.some((one) => String(one) === wanted),
	null: (value, wanted) => (value === null) === wanted,
};

/**
 * @param {Query} query
 * @returns {{rows: Record<string, Value>[], total: number}} One page, and the number of matching rows.
 */
export function selectRows({ filters, orders, fields, limit, offset }) {
	const tests = filters.map(({ column, operator, value }) => {
		const test = TESTS[operator];
		return (/** @type {Value[]} */ row) => test(row[column], value);
	});
	let found = tests.length === 0 ? ROWS : ROWS.filter((row) => tests.every((test) => test(row)));
	if (orders.length > 0) found = found.toSorted((one, other) => compare(one, other, orders));
	const rows = found.slice(offset, offset + limit).map((row) => named(row, fields));
	return { rows, total: found.length };
}

/** @param {string} id */
export function findRow(id) {
	const fields = dataset.columns.map((_, index) => index);
	if (ID_COLUMN === -1) {
		const row = /^[1-9]\d{0,8}$/.test(id) ? ROWS[Number(id) - 1] : undefined;
		return row && named(row, fields);
	}
	byId ??= new Map(ROWS.map((row) => [String(row[ID_COLUMN]), row]));
	const row = byId.get(id);
	return row && named(row, fields);
}

/**
 * Nulls come last in both directions.
 *
 * @param {Value[]} one
 * @param {Value[]} other
 * @param {Query["orders"]} orders
 */
function compare(one, other, orders) {
	for (const { column, isDescending } of orders) {
		const [a, b] = [one[column], other[column]];
		if (a === b) continue;
		if (a === null) return 1;
		if (b === null) return -1;
		return a < b === isDescending ? 1 : -1;
	}
	return 0;
}

/** @param {Value[]} row @param {number[]} fields */
function named(row, fields) {
	return Object.fromEntries(fields.map((index) => [dataset.columns[index].name, row[index]]));
}
