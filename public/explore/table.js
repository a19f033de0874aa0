/**
 * The list of APIs. A row keeps its element while its API is listed, so that focus, selection and
 * position are kept when its values change.
 *
 * @typedef {import("./snapshot.js").Api} Api
 * @typedef {import("./view.js").View} View
 * @typedef {import("./view.js").SortKey} SortKey
 * @typedef {{element: HTMLTableRowElement, cells: Record<string, HTMLElement>, link: HTMLAnchorElement,
 *   about: HTMLElement, owner: HTMLButtonElement, address: HTMLElement, drawn: string}} Row
 */
import { byId, make, write } from "./dom.js";
import { duration, errorRate, money, priceRange, shortCount } from "./format.js";
import { sparkline } from "./sparkline.js";
import { uptimeLevel } from "./uptime.js";
import { SORTS } from "./view.js";

/** @type {readonly {name: string, label: string, sort: SortKey | null}[]} */
const COLUMNS = [
	{ name: "rank", label: "#", sort: "rank" },
	{ name: "api", label: "API", sort: "title" },
	{ name: "category-cell", label: "Category", sort: null },
	{ name: "price", label: "Price", sort: "price" },
	{ name: "calls", label: "Calls", sort: "calls" },
	{ name: "revenue", label: "Revenue", sort: "revenue" },
	{ name: "callers", label: "Callers", sort: "callers" },
	{ name: "latency", label: "Latency", sort: "latency" },
	{ name: "errors", label: "Errors", sort: "errors" },
	{ name: "trend", label: "Trend", sort: null },
];

export class Table {
	/**
	 * @param {(key: SortKey) => void} sort Called with the column to sort by.
	 * @param {(owner: string) => void} choose Called with the owner whose APIs are to be listed.
	 */
	constructor(sort, choose) {
		this.body = byId("rows", HTMLTableSectionElement);
		this.choose = choose;
		/** @type {Map<string, Row>} */
		this.rows = new Map();
		/** @type {Map<SortKey, HTMLElement>} */
		this.headers = new Map();
		for (const { name, label, sort: key } of COLUMNS) {
			const header = make("th", { scope: "col", class: name });
			if (key) {
				const button = make("button", { type: "button" }, label);
				if (label === "#") {
					button.setAttribute("aria-label", "Rank");
				}
				button.addEventListener("click", () => sort(key));
				header.append(button);
				this.headers.set(key, header);
			} else {
				header.append(label);
			}
			byId("columns", HTMLTableRowElement).append(header);
		}
	}

	/**
	 * @param {readonly Api[]} apis The APIs to show, in order.
	 * @param {View} view
	 */
	show(apis, view) {
		for (const [key, header] of this.headers) {
			header.removeAttribute("aria-sort");
			if (key === view.sort) {
				header.setAttribute("aria-sort", view.descending ? "descending" : "ascending");
			}
		}
		const wanted = new Set(apis.map((api) => api.id));
		for (const [id, row] of this.rows) {
			if (!wanted.has(id)) {
				row.element.remove();
				this.rows.delete(id);
			}
		}
		apis.forEach((api, index) => {
			const row = this.rows.get(api.id) ?? this.#add(api);
			fill(row, api, view);
			if (this.body.children[index] !== row.element) {
				this.body.insertBefore(row.element, this.body.children[index] ?? null);
			}
		});
	}

	/** @param {Api} api @returns {Row} */
	#add(api) {
		/** @type {Record<string, HTMLElement>} */
		const cells = {};
		for (const { name } of COLUMNS) {
			cells[name] = make(
				name === "api" ? "th" : "td",
				name === "api" ? { class: name, scope: "row" } : { class: name },
			);
		}
		const link = make("a", { class: "open", dir: "auto" });
		const about = make("span", { class: "description", dir: "auto" });
		const owner = make("button", { type: "button", class: "owner" });
		const address = make("code", { class: "endpoint" });
		owner.addEventListener("click", () => this.choose(owner.textContent ?? ""));
		cells.api.append(link, about, make("span", { class: "byline" }, owner, " ", address));
		const element = make("tr", {}, ...COLUMNS.map(({ name }) => cells[name]));
		const row = { element, cells, link, about, owner, address, drawn: "" };
		this.rows.set(api.id, row);
		return row;
	}
}

/** @param {Api} api @returns {string} The address of its page. */
const pageOf = (api) => `/explore/${encodeURIComponent(api.endpoint.replace(/\/+$/, "").split("/").pop() ?? "")}`;

/**
 * @param {Row} row
 * @param {Api} api
 * @param {View} view
 */
function fill(row, api, view) {
	const { element, cells } = row;
	const isCalled = api.calls > 0;
	element.classList.toggle("withdrawn", api.withdrawn);
	write(cells.rank, api.rank === null ? "–" : String(api.rank));
	write(row.link, api.title || api.endpoint.replace(/^\/t\//, ""));
	row.link.href = pageOf(api);
	write(row.about, api.withdrawn ? "Withdrawn: it can no longer be called." : api.description);
	write(row.owner, api.owner);
	row.owner.setAttribute("aria-label", `Only APIs of ${api.owner}`);
	write(row.address, api.endpoint);
	write(cells["category-cell"], api.category);
	write(cells.price, api.withdrawn ? "–" : priceRange(api));
	write(cells.calls, shortCount(api.calls));
	write(cells.revenue, money(api.revenueMicros));
	cells.revenue.classList.toggle("none", api.revenueMicros === 0);
	write(cells.callers, api.callers === null ? "–" : shortCount(api.callers));
	write(cells.latency, duration(api.latencyMs));
	write(cells.errors, isCalled ? errorRate(api.errorRatePct) : "–");
	cells.errors.dataset.level = isCalled ? uptimeLevel(100 - api.errorRatePct) : "none";
	const drawn = `${view.period} ${api.trend?.join()}`;
	if (row.drawn !== drawn) {
		row.drawn = drawn;
		cells.trend.replaceChildren(
			sparkline(isCalled ? api.trend : null, view.period === "today" ? "hour" : "day", 96, 28),
		);
	}
}

/** @param {(key: SortKey) => void} choose @returns {(view: View) => void} A function that shows the choice. */
export function sortControls(choose) {
	const select = byId("sort", HTMLSelectElement);
	const direction = byId("direction", HTMLButtonElement);
	for (const [key, { label }] of Object.entries(SORTS)) {
		select.append(make("option", { value: key }, label));
	}
	select.addEventListener("change", () => choose(/** @type {SortKey} */ (select.value)));
	direction.addEventListener("click", () => choose(/** @type {SortKey} */ (select.value)));
	return (view) => {
		select.value = view.sort;
		write(direction, view.descending ? "↓" : "↑");
		direction.setAttribute(
			"aria-label",
			view.descending ? "Highest first; reverse the order" : "Lowest first; reverse the order",
		);
	};
}
