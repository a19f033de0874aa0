/**
 * The page: requests the figures of the user's view, and updates all parts.
 *
 * New values are shown in place. While the list or the categories are visible, rows keep their
 * order, and a button offers the new one.
 *
 * @typedef {import("./snapshot.js").Snapshot} Snapshot
 * @typedef {import("./view.js").View} View
 * @typedef {import("./view.js").SortKey} SortKey
 */
import { Categories } from "./categories.js";
import { Chart } from "./chart.js";
import { switchColours } from "./colours.js";
import { byId, make, write } from "./dom.js";
import { Feed } from "./feed.js";
import { Filters } from "./filters.js";
import { axisCount, axisMoney, count, money, plural } from "./format.js";
import { periodText, showNoTotals, showTotals } from "./hero.js";
import { dayOf, isDay, isHourly, periodNamed } from "./ranges.js";
import { readSnapshot } from "./snapshot.js";
import { showDemo, showFresh, showLoading, showTrouble } from "./status.js";
import { sortControls, Table } from "./table.js";
import { Ticker } from "./ticker.js";
import { addressOf, ROWS, ROWS_MAX, readView, SORTS, sourceOf } from "./view.js";

const MORE_ROWS = 50;
const SNAPSHOTS_MAX = 12;
const DAY_HOURS = 24;
/** The periods in which distinct callers, which the score needs, are counted. */
const SCORED = ["today", "week", "7d", "overall"];
const RANKED_BY_SCORE =
	"Ranked by calls, revenue and distinct callers; errors, slow responses and one-sided traffic cost points.";

let view = readView(location.search);
/** @type {Map<string, Snapshot>} The last snapshots by their source, to show them at once. */
const snapshots = new Map();
/** The snapshot whose order is shown. @type {Snapshot | null} */
let arranged = null;
/** The row that gets the focus when it is there, after more rows were requested. @type {number | null} */
let focused = null;

const main = byId("main", HTMLElement);
const moved = byId("moved", HTMLElement);
const more = byId("more", HTMLButtonElement);
const nothing = byId("nothing", HTMLElement);
const windows = byId("windows", HTMLElement);
const chart = new Chart(
	{
		box: byId("chart", HTMLElement),
		readout: byId("readout", HTMLElement),
		table: byId("course-table", HTMLElement),
	},
	"Calls and revenue",
	[
		{
			name: "calls",
			label: "Calls",
			value: (point) => point.calls,
			part: (point) => point.errors,
			axis: axisCount,
			full: count,
			lines: 4,
			unit: 1,
			high: 222,
			low: 150,
		},
		{
			name: "revenue",
			label: "Revenue",
			value: (point) => point.revenueMicros,
			axis: axisMoney,
			full: money,
			lines: 2,
			unit: 10_000,
			high: 104,
			low: 76,
		},
	],
	({ calls, revenueMicros, errors }) =>
		`${plural(calls, "call")} · ${money(revenueMicros)}${errors > 0 ? ` · ${plural(errors, "error")}` : ""}`,
	({ startAt }) => go({ period: dayOf(startAt), rows: ROWS }),
);
const categories = new Categories((category) => go({ category, rows: ROWS }));
const table = new Table(sortBy, (owner) => go({ owner, rows: ROWS }));
const filters = new Filters(go);
const ticker = new Ticker();
const showSort = sortControls(sortBy);
/** @type {Feed<Snapshot>} */
const feed = new Feed(readSnapshot, { onFigures: receive, onTrouble: complain });

/** @param {SortKey} sort Reverses the order if it is already sorted by this key. */
function sortBy(sort) {
	go({ sort, descending: sort === view.sort ? !view.descending : SORTS[sort].descending, rows: ROWS });
}

/**
 * Changes the view, as a new entry of the browser's history or in place of the current one.
 *
 * @param {Partial<View>} change
 * @param {"push" | "replace"} [how]
 */
function go(change, how = "push") {
	const before = view;
	view = { ...view, ...change };
	if (addressOf(view) !== addressOf(before)) {
		history[how === "push" ? "pushState" : "replaceState"](null, "", addressOf(view));
	}
	follow();
}

/** Shows what is known of the view, and requests its figures. */
function follow() {
	arranged = snapshots.get(sourceOf(view)) ?? null;
	showLoading();
	main.setAttribute("aria-busy", "true");
	feed.follow(sourceOf(view));
	render();
}

/** @param {Snapshot} snapshot */
function receive(snapshot) {
	const source = sourceOf(view);
	snapshots.delete(source);
	snapshots.set(source, snapshot);
	if (snapshots.size > SNAPSHOTS_MAX) {
		snapshots.delete([...snapshots.keys()][0]);
	}
	main.removeAttribute("aria-busy");
	showFresh(snapshot);
	ticker.show(snapshot, source);
	if (!arranged || !isBeingRead()) {
		arranged = snapshot;
	}
	render();
}

/** @param {import("./feed.js").Trouble} trouble */
function complain(trouble) {
	main.removeAttribute("aria-busy");
	const last = snapshots.get(sourceOf(view)) ?? null;
	showTrouble(trouble, last, () => feed.request());
	if (!last) {
		clear();
	}
}

/** Removes the values of another view, so that they are not mistaken for this one's. */
function clear() {
	showNoTotals();
	chart.clear();
	categories.clear();
	table.show([], view);
	for (const part of [moved, more, nothing]) {
		part.hidden = true;
	}
	write(byId("count", HTMLElement), "");
	document.body.dataset.figures = "none";
}

/** Whether a changed order of rows or cards would be visible. */
function isBeingRead() {
	return [byId("rows", HTMLElement), byId("categories", HTMLElement)].some((part) => {
		const { top, bottom } = part.getBoundingClientRect();
		return (top < innerHeight && bottom > 0) || part.contains(document.activeElement);
	});
}

function render() {
	showControls();
	const snapshot = snapshots.get(sourceOf(view));
	if (!snapshot || !arranged) {
		return;
	}
	document.body.dataset.figures = snapshot.totals.calls > 0 ? "some" : "zero";
	byId("period", HTMLElement).textContent = periodText(snapshot, view.period);
	write(
		byId("made", HTMLElement),
		snapshot.generatedAt ? `Computed ${snapshot.generatedAt.toISOString().slice(0, 19)}Z.` : "",
	);
	const { demo, startAt } = snapshot;
	showDemo(demo && (startAt === null || demo.to > startAt) ? demo : null);
	showTotals(snapshot, view.period);
	showChart(snapshot);
	categories.show(
		snapshot,
		arranged.categories.map(({ name }) => name),
		view.category,
	);
	showList(snapshot, arranged);
}

/** @param {Snapshot} snapshot */
function showChart({ series, totals }) {
	const hourly = isHourly(view.period);
	const hasDay = hourly && view.period !== "24h";
	const { name } = periodNamed(view.period);
	chart.show({
		series,
		isHourly: hourly,
		places: hasDay ? Math.max(DAY_HOURS, series.length) : series.length,
		isOpen: !isDay(view.period) || view.period === dayOf(new Date()),
		summary:
			totals.calls > 0
				? `${plural(totals.calls, "call")} and ${money(totals.revenueMicros)} of revenue ${name}.`
				: `No calls ${name}.`,
	});
}

/**
 * @param {Snapshot} snapshot The newest snapshot.
 * @param {Snapshot} order The snapshot whose order is shown.
 */
function showList(snapshot, order) {
	const newest = new Map(snapshot.apis.map((api) => [api.id, api]));
	table.show(
		order.apis.map((api) => ({ ...(newest.get(api.id) ?? api), rank: api.rank })),
		view,
	);
	moved.hidden = !(
		snapshot.apis.length !== order.apis.length ||
		snapshot.apis.some((api, index) => api.id !== order.apis[index].id || api.rank !== order.apis[index].rank) ||
		snapshot.categories.some(({ name }, index) => name !== order.categories[index]?.name)
	);
	const row = focused === null ? null : byId("rows", HTMLElement).children[focused];
	if (row) {
		focused = null;
		row.querySelector("a")?.focus({ preventScroll: true });
	}
	const { total, matching } = order;
	write(
		byId("count", HTMLElement),
		matching === total ? plural(total, "API") : `${plural(matching, "match", "matches")} of ${plural(total, "API")}`,
	);
	const left = Math.min(matching, ROWS_MAX) - order.apis.length;
	more.hidden = left <= 0;
	write(more, `Show ${count(Math.min(MORE_ROWS, left))} more`);
	showNothing(matching, total);
}

/**
 * @param {number} matches
 * @param {number} total
 */
function showNothing(matches, total) {
	nothing.hidden = matches > 0;
	const kind = matches > 0 ? "" : total > 0 ? "unmatched" : "empty";
	if (nothing.dataset.kind === kind) {
		return;
	}
	nothing.dataset.kind = kind;
	if (kind === "unmatched") {
		const button = make("button", { type: "button" }, "Show all APIs");
		button.addEventListener("click", () => {
			go({ search: "", category: "", owner: "", rows: ROWS });
			filters.focus();
		});
		nothing.replaceChildren(make("p", {}, "No API matches this search."), button);
	} else if (kind) {
		nothing.replaceChildren(
			make("p", {}, "No API is published here yet."),
			make("p", {}, "Publish one with ", make("code", {}, "clawr publish"), "; it is listed within a minute."),
		);
	}
}

function showControls() {
	document.title = `${periodNamed(view.period).title} · Explore · clawr`;
	for (const link of windows.querySelectorAll("a")) {
		const period = link.dataset.window ?? "";
		link.href = addressOf({ ...view, period, rows: ROWS });
		link.toggleAttribute("aria-current", false);
		if (period === view.period) {
			link.setAttribute("aria-current", "page");
		}
	}
	byId("data", HTMLAnchorElement).href = sourceOf(view);
	write(byId("ranked", HTMLElement), SCORED.includes(view.period) ? RANKED_BY_SCORE : "Ranked by calls.");
	filters.show(view);
	showSort(view);
}

byId("arrange", HTMLButtonElement).addEventListener("click", () => {
	arranged = snapshots.get(sourceOf(view)) ?? null;
	render();
	byId("apis", HTMLElement).focus({ preventScroll: true });
});
more.addEventListener("click", () => {
	focused = view.rows;
	go({ rows: Math.min(ROWS_MAX, view.rows + MORE_ROWS) }, "replace");
});
windows.addEventListener("click", (event) => {
	const link = event.target instanceof Element ? event.target.closest("a") : null;
	if (link && !(event.metaKey || event.ctrlKey || event.shiftKey)) {
		event.preventDefault();
		go({ period: link.dataset.window ?? "today", rows: ROWS });
	}
});
document.addEventListener("keydown", (event) => {
	const isTyping = event.target instanceof HTMLElement && event.target.matches("input, select, textarea");
	if (event.key === "/" && !isTyping && !(event.ctrlKey || event.metaKey || event.altKey)) {
		event.preventDefault();
		filters.focus();
	}
});
addEventListener("popstate", () => {
	view = readView(location.search);
	filters.restore(view);
	follow();
});

switchColours(byId("theme", HTMLButtonElement));
follow();
