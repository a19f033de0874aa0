/**
 * The page: combines the user's view with the newest snapshot, and updates all parts.
 *
 * New values are shown in place. While the list or the categories are visible, rows keep their
 * order, and a button offers the new one.
 *
 * @typedef {import("./snapshot.js").Snapshot} Snapshot
 * @typedef {import("./snapshot.js").WindowName} WindowName
 * @typedef {import("./view.js").View} View
 * @typedef {import("./view.js").SortKey} SortKey
 */
import { Categories } from "./categories.js";
import { Chart } from "./chart.js";
import { switchColours } from "./colours.js";
import { Detail } from "./detail.js";
import { byId, make, write } from "./dom.js";
import { Feed, sourceOf } from "./feed.js";
import { plural } from "./format.js";
import { periodOf, showNoTotals, showTotals } from "./hero.js";
import { listed } from "./listing.js";
import { showFresh, showLoading, showTrouble } from "./status.js";
import { sortControls, Table } from "./table.js";
import { addressOf, ROWS, readView, SORTS } from "./view.js";

const SEARCH_PAUSE_MS = 250;
const MORE_ROWS = 50;
const NAMES = { today: "Today", week: "Week", overall: "Overall" };

let view = readView(location.search);
/** @type {Map<WindowName, Snapshot>} The last snapshot of each window, to show it at once. */
const snapshots = new Map();
/** The snapshot whose order is shown. @type {Snapshot | null} */
let arranged = null;
let searchTimer = 0;

const main = byId("main", HTMLElement);
const search = byId("search", HTMLInputElement);
const moved = byId("moved", HTMLElement);
const more = byId("more", HTMLButtonElement);
const nothing = byId("nothing", HTMLElement);
const chart = new Chart();
const categories = new Categories((category) => go({ category, rows: ROWS }));
const table = new Table(sortBy, (api) => go({ api }));
const showSort = sortControls(sortBy);
const detail = new Detail(closeDetail);
const feed = new Feed({ onSnapshot: receive, onTrouble: complain });

/** @param {SortKey} sort Reverses the order if it is already sorted by this key. */
function sortBy(sort) {
	go({ sort, descending: sort === view.sort ? !view.descending : SORTS[sort].descending });
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
		const state = { opened: how === "push" && view.api !== "" && before.api === "" };
		history[how === "push" ? "pushState" : "replaceState"](state, "", addressOf(view));
	}
	follow(before);
}

/** @param {View} before Shows the view, and requests a snapshot if the window has changed. */
function follow(before) {
	if (view.window !== before.window) {
		arranged = snapshots.get(view.window) ?? null;
		start();
	} else if (view.api === before.api) {
		arranged = snapshots.get(view.window) ?? null;
	}
	render();
}

function start() {
	showLoading();
	main.setAttribute("aria-busy", "true");
	feed.follow(view.window);
}

/** @param {Snapshot} snapshot */
function receive(snapshot) {
	snapshots.set(snapshot.window, snapshot);
	main.removeAttribute("aria-busy");
	showFresh(snapshot);
	if (!arranged || !isBeingRead()) {
		arranged = snapshot;
	}
	render();
}

/** @param {import("./feed.js").Trouble} trouble */
function complain(trouble) {
	main.removeAttribute("aria-busy");
	const last = snapshots.get(view.window) ?? null;
	showTrouble(trouble, last, () => feed.request());
	if (!last) {
		clear();
	}
}

/** Removes the values of another window, so that they are not mistaken for this one's. */
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
	const snapshot = snapshots.get(view.window);
	showControls();
	if (!snapshot || !arranged) {
		detail.hide();
		return;
	}
	document.body.dataset.figures = snapshot.totals.calls > 0 ? "some" : "zero";
	byId("period", HTMLElement).textContent = periodOf(snapshot);
	write(
		byId("made", HTMLElement),
		snapshot.generatedAt ? `Computed ${snapshot.generatedAt.toISOString().slice(0, 19)}Z.` : "",
	);
	showTotals(snapshot);
	chart.show(snapshot);
	categories.show(
		snapshot,
		arranged.categories.map(({ name }) => name),
		view.category,
	);
	showList(snapshot, arranged);
	showDetail(snapshot);
}

/**
 * @param {Snapshot} snapshot The newest snapshot.
 * @param {Snapshot} order The snapshot whose order is shown.
 */
function showList(snapshot, order) {
	const newest = new Map(snapshot.apis.map((api) => [api.id, api]));
	const all = listed(order.apis, view);
	const shown = all.slice(0, view.rows).map((api) => ({ ...(newest.get(api.id) ?? api), rank: api.rank }));
	table.show(shown, view);
	const now = snapshot === order ? all : listed(snapshot.apis, view);
	const isMoved =
		now.length !== all.length ||
		now.slice(0, view.rows).some((api, index) => api.id !== all[index].id || api.rank !== all[index].rank) ||
		snapshot.categories.some(({ name }, index) => name !== order.categories[index]?.name);
	moved.hidden = !isMoved;
	const total = order.apis.length;
	write(
		byId("count", HTMLElement),
		all.length === total
			? plural(total, "API")
			: `${plural(all.length, "match", "matches")} of ${plural(total, "API")}`,
	);
	more.hidden = all.length <= view.rows;
	write(more, `Show ${Math.min(MORE_ROWS, all.length - view.rows)} more`);
	showNothing(all.length, total);
}

/**
 * @param {number} matches
 * @param {number} total
 */
function showNothing(matches, total) {
	nothing.hidden = matches > 0;
	const kind = matches > 0 ? "" : total > 0 ? "unmatched" : `${view.window} empty`;
	if (nothing.dataset.kind === kind) {
		return;
	}
	nothing.dataset.kind = kind;
	if (kind === "unmatched") {
		const button = make("button", { type: "button" }, "Show all APIs");
		button.addEventListener("click", () => {
			go({ search: "", category: "", rows: ROWS });
			search.focus();
		});
		nothing.replaceChildren(make("p", {}, "No API matches this search and category."), button);
	} else if (kind) {
		const overall = make("button", { type: "button" }, "Show everything so far");
		overall.addEventListener("click", () => go({ window: "overall" }));
		const text = {
			today: "No API has been called today yet.",
			week: "No API has been called this week.",
			overall: "No API has been called yet.",
		};
		nothing.replaceChildren(make("p", {}, text[view.window]), ...(view.window === "overall" ? [] : [overall]));
	}
}

/** @param {Snapshot} snapshot */
function showDetail(snapshot) {
	if (view.api) {
		detail.show(snapshot.apis.find((api) => api.id === view.api) ?? null, view.api, view.window);
	} else {
		detail.hide();
	}
}

function closeDetail() {
	const closed = view.api;
	if (!closed) {
		return;
	}
	if (history.state?.opened) {
		history.back();
	} else {
		go({ api: "" }, "replace");
	}
	table.focus(closed);
}

function showControls() {
	document.title = `${NAMES[view.window]} · Explore · clawr`;
	for (const link of byId("windows", HTMLElement).querySelectorAll("a")) {
		const window = /** @type {WindowName} */ (link.dataset.window);
		link.href = addressOf({ ...view, window, rows: ROWS, api: "" });
		link.toggleAttribute("aria-current", false);
		if (window === view.window) {
			link.setAttribute("aria-current", "page");
		}
	}
	byId("data", HTMLAnchorElement).href = sourceOf(view.window);
	// The typed text is newer than the view.
	if (document.activeElement !== search) {
		search.value = view.search;
	}
	showSort(view);
}

function writeSearch() {
	clearTimeout(searchTimer);
	if (search.value !== view.search) {
		go({ search: search.value, rows: ROWS }, "replace");
	}
}

search.addEventListener("input", () => {
	clearTimeout(searchTimer);
	searchTimer = setTimeout(writeSearch, SEARCH_PAUSE_MS);
});
byId("filters", HTMLFormElement).addEventListener("submit", (event) => {
	event.preventDefault();
	writeSearch();
});
byId("arrange", HTMLButtonElement).addEventListener("click", () => {
	arranged = snapshots.get(view.window) ?? null;
	render();
	byId("apis", HTMLElement).focus({ preventScroll: true });
});
more.addEventListener("click", () => {
	const first = view.rows;
	go({ rows: view.rows + MORE_ROWS }, "replace");
	byId("rows", HTMLElement).children[first]?.querySelector("a")?.focus({ preventScroll: true });
});
byId("windows", HTMLElement).addEventListener("click", (event) => {
	const link = event.target instanceof Element ? event.target.closest("a") : null;
	if (link && !(event.metaKey || event.ctrlKey || event.shiftKey)) {
		event.preventDefault();
		go({ window: /** @type {WindowName} */ (link.dataset.window), rows: ROWS });
	}
});
document.addEventListener("keydown", (event) => {
	const isTyping = event.target instanceof HTMLElement && event.target.matches("input, select, textarea");
	if (event.key === "/" && !isTyping && !detail.dialog.open && !(event.ctrlKey || event.metaKey || event.altKey)) {
		event.preventDefault();
		search.focus();
	}
});
addEventListener("popstate", () => {
	const before = view;
	view = readView(location.search);
	search.value = view.search;
	follow(before);
});

switchColours(byId("theme", HTMLButtonElement));
start();
render();
