/**
 * A live ticker: what was called and paid between two responses that the page requests anyway.
 *
 * Neither the dispatcher nor the ticker knows a caller: only sums of APIs are compared.
 *
 * @typedef {import("./snapshot.js").Api} Api
 * @typedef {import("./snapshot.js").Snapshot} Snapshot
 */
import { byId, make, write } from "./dom.js";
import { age, count, money, plural } from "./format.js";

const SHOWN = 3;

export class Ticker {
	constructor() {
		this.value = byId("ticker-value", HTMLElement);
		this.rest = byId("ticker-rest", HTMLElement);
		this.list = byId("ticker-apis", HTMLElement);
		/** @type {{source: string, snapshot: Snapshot} | null} */
		this.last = null;
	}

	/**
	 * @param {Snapshot} snapshot
	 * @param {string} source The address of its figures.
	 */
	show(snapshot, source) {
		const last = this.last?.source === source ? this.last.snapshot : null;
		if (last && last.generatedAt?.getTime() === snapshot.generatedAt?.getTime()) {
			return;
		}
		this.last = { source, snapshot };
		if (!last) {
			write(this.value, "–");
			write(this.rest, "Waiting for new calls");
			this.list.replaceChildren();
			return;
		}
		const seconds = ((snapshot.generatedAt?.getTime() ?? 0) - (last.generatedAt?.getTime() ?? 0)) / 1_000;
		const { calls, paid } = difference(last, snapshot);
		write(this.value, `+${count(calls)}`);
		write(this.rest, `${calls === 1 ? "call" : "calls"}${paid ? `, ${paid}` : ""} in ${age(seconds)}`);
		this.list.replaceChildren(
			...newest(last, snapshot).map(({ name, calls: more }) =>
				make("li", {}, make("bdi", {}, name), make("span", {}, `+${count(more)}`)),
			),
		);
	}
}

/**
 * @param {Snapshot} last
 * @param {Snapshot} now
 * @returns {{calls: number, paid: string}} `paid`: paid calls in words, empty if there are none.
 */
export function difference(last, now) {
	const calls = Math.max(0, now.totals.calls - last.totals.calls);
	const revenueMicros = Math.max(0, now.totals.revenueMicros - last.totals.revenueMicros);
	if (revenueMicros === 0) {
		return { calls, paid: "" };
	}
	const before = new Map(last.apis.map((api) => [api.id, api]));
	let counted = 0;
	let paid = 0;
	for (const api of now.apis) {
		const more = api.revenueMicros - (before.get(api.id)?.revenueMicros ?? api.revenueMicros);
		// With one price, the money says how many calls were paid.
		if (more > 0 && api.priceMicros === api.highestMicros && more % api.priceMicros === 0) {
			counted += more;
			paid += more / api.priceMicros;
		}
	}
	const amount = money(revenueMicros);
	return { calls, paid: counted === revenueMicros ? `${plural(paid, "paid call")} (${amount})` : `${amount} paid` };
}

/**
 * @param {Snapshot} last
 * @param {Snapshot} now
 * @returns {{name: string, calls: number}[]} The APIs with the most new calls.
 */
function newest(last, now) {
	const before = new Map(last.apis.map((api) => [api.id, api.calls]));
	return now.apis
		.map((api) => ({ name: nameOf(api), calls: api.calls - (before.get(api.id) ?? api.calls) }))
		.filter(({ calls }) => calls > 0)
		.sort((one, other) => other.calls - one.calls)
		.slice(0, SHOWN);
}

/** @param {Api} api */
const nameOf = ({ title, endpoint }) => title || endpoint.replace(/^\/t\//, "");
