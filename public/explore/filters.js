/**
 * The search of the list, and what else limits it: each filter can be removed.
 *
 * @typedef {import("./view.js").View} View
 */
import { byId, make } from "./dom.js";
import { isDay, periodNamed } from "./ranges.js";
import { ROWS } from "./view.js";

const SEARCH_PAUSE_MS = 250;

export class Filters {
	/** @param {(change: Partial<View>, how?: "push" | "replace") => void} go Changes the view. */
	constructor(go) {
		this.go = go;
		this.search = byId("search", HTMLInputElement);
		this.chips = byId("chips", HTMLElement);
		this.searched = "";
		this.shown = "";
		this.timer = 0;
		this.search.addEventListener("input", () => {
			clearTimeout(this.timer);
			this.timer = setTimeout(() => this.#write(), SEARCH_PAUSE_MS);
		});
		byId("filters", HTMLFormElement).addEventListener("submit", (event) => {
			event.preventDefault();
			this.#write();
		});
	}

	/** Moves the focus to the search. */
	focus() {
		this.search.focus();
	}

	/** @param {View} view Shows the search of a view, even while it is being edited. */
	restore(view) {
		clearTimeout(this.timer);
		this.search.value = view.search;
	}

	/** @param {View} view */
	show(view) {
		this.searched = view.search;
		// The typed text is newer than the view.
		if (document.activeElement !== this.search) {
			this.search.value = view.search;
		}
		const chips = [
			{ label: "Category", value: view.category, change: { category: "" } },
			{ label: "Owner", value: view.owner, change: { owner: "" } },
			{ label: "Day", value: isDay(view.period) ? periodNamed(view.period).title : "", change: { period: "today" } },
		].filter(({ value }) => value !== "");
		const shown = chips.map(({ label, value }) => `${label} ${value}`).join("\n");
		if (shown === this.shown) {
			return;
		}
		this.shown = shown;
		this.chips.hidden = chips.length === 0;
		this.chips.replaceChildren(
			...chips.map(({ label, value, change }) => {
				const button = make("button", { type: "button", "aria-label": `Remove the filter ${label} ${value}` });
				button.append(`${label}: `, make("bdi", {}, value), make("span", { "aria-hidden": "true" }, " ×"));
				button.addEventListener("click", () => {
					this.go({ ...change, rows: ROWS });
					byId("apis", HTMLElement).focus({ preventScroll: true });
				});
				return make("li", {}, button);
			}),
		);
	}

	#write() {
		clearTimeout(this.timer);
		if (this.search.value !== this.searched) {
			this.go({ search: this.search.value, rows: ROWS }, "replace");
		}
	}
}
