/**
 * The list of APIs. A row keeps its element while its API is listed, so that focus, selection and
 * position are kept when its values change.
 *
 * @typedef {import("./snapshot.js").Api} Api
 * @typedef {import("./view.js").View} View
 * @typedef {import("./view.js").SortKey} SortKey
 * @typedef {{element: HTMLTableRowElement, rank: HTMLElement, link: HTMLAnchorElement, owner: HTMLElement, category: HTMLElement,
 *   price: HTMLElement, calls: HTMLElement, revenue: HTMLElement, callers: HTMLElement, latency: HTMLElement,
 *   uptime: HTMLElement, trend: HTMLElement, drawn: string}} Row
 */
import { byId, make, write } from "./dom.js";
import { callPrice, duration, money, percent, shortCount } from "./format.js";
import { sparkline } from "./sparkline.js";
import { addressOf, SORTS } from "./view.js";

/** @type {readonly {name: string, label: string, sort: SortKey | null}[]} */
const COLUMNS = [
	{ name: "rank", label: "#", sort: "rank" },
	{ name: "api", label: "API", sort: "endpoint" },
	{ name: "category-cell", label: "Category", sort: null },
	{ name: "price", label: "Price", sort: "price" },
	{ name: "calls", label: "Calls", sort: "calls" },
	{ name: "revenue", label: "Revenue", sort: "revenue" },
	{ name: "callers", label: "Callers", sort: "callers" },
	{ name: "latency", label: "Latency", sort: "latency" },
	{ name: "uptime", label: "Uptime", sort: "uptime" },
	{ name: "trend", label: "Trend", sort: null },
];

const GOOD_UPTIME_PCT = 99;
const POOR_UPTIME_PCT = 95;

export class Table {
	/**
	 * @param {(key: SortKey) => void} sort Called with the column to sort by.
	 * @param {(id: string) => void} open Called with the API to open.
	 */
	constructor(sort, open) {
		this.body = byId("rows", HTMLTableSectionElement);
		this.open = open;
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
			const row = this.rows.get(api.id) ?? this.#add(api.id);
			fill(row, api, view);
			if (this.body.children[index] !== row.element) {
				this.body.insertBefore(row.element, this.body.children[index] ?? null);
			}
		});
	}

	/** @param {string} id Moves the focus to the row of an API, if it is listed. */
	focus(id) {
		this.rows.get(id)?.link.focus();
	}

	/** @param {string} id @returns {Row} */
	#add(id) {
		const [rank, api, category, price, calls, revenue, callers, latency, uptime, trend] = COLUMNS.map(({ name }) =>
			make(name === "api" ? "th" : "td", name === "api" ? { class: name, scope: "row" } : { class: name }),
		);
		const link = make("a", { class: "open" });
		const owner = make("span", { class: "owner" });
		api.append(link, owner);
		const element = make("tr", {}, rank, api, category, price, calls, revenue, callers, latency, uptime, trend);
		link.addEventListener("click", (event) => {
			if (!(event.metaKey || event.ctrlKey || event.shiftKey)) {
				event.preventDefault();
				this.open(id);
			}
		});
		const row = {
			element,
			rank,
			link,
			owner,
			category,
			price,
			calls,
			revenue,
			callers,
			latency,
			uptime,
			trend,
			drawn: "",
		};
		this.rows.set(id, row);
		return row;
	}
}

/**
 * @param {Row} row
 * @param {Api} api
 * @param {View} view
 */
function fill(row, api, view) {
	write(row.rank, String(api.rank));
	write(row.link, api.endpoint);
	row.link.href = addressOf({ ...view, api: api.id });
	write(row.owner, api.owner);
	write(row.category, api.category);
	write(row.price, callPrice(api.priceUsd));
	write(row.calls, shortCount(api.calls));
	write(row.revenue, money(api.revenueMicros));
	row.revenue.classList.toggle("none", api.revenueMicros === 0);
	write(row.callers, shortCount(api.callers));
	write(row.latency, duration(api.latencyMs));
	write(row.uptime, percent(api.uptimePct));
	row.uptime.dataset.level =
		api.uptimePct >= GOOD_UPTIME_PCT ? "good" : api.uptimePct >= POOR_UPTIME_PCT ? "fair" : "poor";
	const drawn = `${view.window} ${api.trend?.join()}`;
	if (row.drawn !== drawn) {
		row.drawn = drawn;
		row.trend.replaceChildren(sparkline(api.trend, view.window === "today" ? "hour" : "day", 96, 28));
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
