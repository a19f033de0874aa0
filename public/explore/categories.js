/**
 * The categories as cards; pressing one lists only its APIs.
 *
 * @typedef {import("./snapshot.js").Category} Category
 * @typedef {import("./snapshot.js").Snapshot} Snapshot
 */
import { byId, make, write } from "./dom.js";
import { count, money, plural, shortCount } from "./format.js";

const SHOWN = 5;

/** @typedef {{item: HTMLLIElement, button: HTMLButtonElement, name: HTMLElement, calls: HTMLElement, rest: HTMLElement, bar: HTMLElement}} Card */

export class Categories {
	/** @param {(name: string) => void} choose Called with the category to list; empty for all. */
	constructor(choose) {
		this.list = byId("categories", HTMLUListElement);
		this.more = byId("categories-more", HTMLButtonElement);
		this.choose = choose;
		this.showsAll = false;
		/** @type {Map<string, Card>} */
		this.cards = new Map();
		/** @type {readonly string[]} */
		this.order = [];
		this.chosen = "";
		this.more.addEventListener("click", () => {
			this.showsAll = !this.showsAll;
			this.#reveal();
		});
	}

	/**
	 * @param {Snapshot} snapshot
	 * @param {readonly string[]} order The names in the order to show.
	 * @param {string} chosen The only listed category; empty for all.
	 */
	show({ categories }, order, chosen) {
		const byName = new Map(categories.map((category) => [category.name, category]));
		const most = Math.max(1, ...categories.map((category) => category.calls));
		this.chosen = chosen;
		for (const [name, card] of this.cards) {
			if (!order.includes(name)) {
				card.item.remove();
				this.cards.delete(name);
			}
		}
		for (const name of order) {
			const category = byName.get(name);
			if (category) {
				this.#fill(this.#card(name), category, category.calls / most);
			}
		}
		const items = order.flatMap((name) => this.cards.get(name)?.item ?? []);
		if (items.some((item, index) => this.list.children[index] !== item)) {
			this.list.replaceChildren(...items);
		}
		this.order = order;
		write(byId("categories-count", HTMLElement), order.length > 0 ? count(order.length) : "");
		this.#reveal();
	}

	/** Shows no categories. */
	clear() {
		this.list.replaceChildren();
		this.cards.clear();
		this.order = [];
		this.more.hidden = true;
		write(byId("categories-count", HTMLElement), "");
	}

	/** @param {string} name @returns {Card} */
	#card(name) {
		const known = this.cards.get(name);
		if (known) {
			return known;
		}
		const [label, calls, rest, bar] = ["name", "calls", "rest", "bar"].map((part) => make("span", { class: part }));
		label.dir = "auto";
		bar.setAttribute("aria-hidden", "true");
		const button = make("button", { type: "button", class: "category" }, label, calls, rest, bar);
		button.addEventListener("click", () => this.choose(this.chosen === name ? "" : name));
		const card = { item: make("li", {}, button), button, name: label, calls, rest, bar };
		this.cards.set(name, card);
		return card;
	}

	/**
	 * @param {Card} card
	 * @param {Category} category
	 * @param {number} part
	 */
	#fill(card, category, part) {
		write(card.name, category.name);
		write(card.calls, `${shortCount(category.calls)} ${category.calls === 1 ? "call" : "calls"}`);
		write(card.rest, `${plural(category.apis, "API")} · ${money(category.revenueMicros)}`);
		card.bar.style.setProperty("--part", part.toFixed(4));
		card.button.setAttribute("aria-pressed", String(category.name === this.chosen));
	}

	#reveal() {
		this.order.forEach((name, index) => {
			const hidden = !this.showsAll && index >= SHOWN && name !== this.chosen;
			this.cards.get(name)?.item.toggleAttribute("hidden", hidden);
		});
		this.more.hidden = this.order.length <= SHOWN;
		this.more.setAttribute("aria-expanded", String(this.showsAll));
		write(this.more, this.showsAll ? "Show fewer" : `Show all ${this.order.length}`);
	}
}
