/**
 * Calls and revenue over time: two panels with one time axis, drawn at the available width.
 *
 * @typedef {import("./snapshot.js").Point} Point
 * @typedef {import("./snapshot.js").Snapshot} Snapshot
 */
import { byId, draw, make, write } from "./dom.js";
import { axisCount, axisMoney, clock, count, date, fullDate, money, plural } from "./format.js";
import { columnsPath, fixed, ticks } from "./scale.js";

const HOUR_MS = 3_600_000;
const HOURS = 24;
const LEFT = 52;
const RIGHT = 8;
const TOP = 12;
const BETWEEN = 34;
const BOTTOM = 28;
/** Height of each panel, and the width from which it applies. */
const WIDE = { from: 560, calls: 222, revenue: 104 };
const NARROW = { calls: 150, revenue: 76 };
const LABEL_WIDTH = 72;

export class Chart {
	constructor() {
		this.box = byId("chart", HTMLElement);
		this.readout = byId("readout", HTMLElement);
		this.table = byId("course-table", HTMLElement);
		/** @type {Snapshot | null} */
		this.snapshot = null;
		/** @type {number | null} The selected point; `null` for none. */
		this.chosen = null;
		this.width = 0;
		this.marker = draw("rect", { class: "marker", y: TOP });
		new ResizeObserver(() => {
			if (Math.round(this.box.clientWidth) !== this.width) {
				this.#draw();
			}
		}).observe(this.box);
		this.box.addEventListener("pointermove", (event) => this.#point(event));
		this.box.addEventListener("pointerdown", (event) => this.#point(event));
		this.box.addEventListener("pointerleave", () => this.#choose(null));
		this.box.addEventListener("blur", () => this.#choose(null));
		this.box.addEventListener("keydown", (event) => this.#key(event));
	}

	/** @param {Snapshot} snapshot */
	show(snapshot) {
		if (this.snapshot?.window !== snapshot.window) {
			this.chosen = null;
		}
		this.snapshot = snapshot;
		this.#draw();
		this.#fillTable();
	}

	/** Removes the chart. */
	clear() {
		this.snapshot = null;
		this.chosen = null;
		this.box.replaceChildren();
		this.table.replaceChildren();
		write(this.readout, "");
	}

	get #series() {
		return this.snapshot?.series ?? [];
	}

	/** The number of columns: a day has all its hours, including future ones. */
	get #places() {
		return this.snapshot?.window === "today" ? Math.max(HOURS, this.#series.length) : this.#series.length;
	}

	get #step() {
		return (this.width - LEFT - RIGHT) / Math.max(1, this.#places);
	}

	#draw() {
		this.width = Math.round(this.box.clientWidth);
		if (!this.snapshot || this.width === 0) {
			return;
		}
		const high = this.width >= WIDE.from ? WIDE : NARROW;
		const calls = { top: TOP, bottom: TOP + high.calls };
		const revenue = { top: calls.bottom + BETWEEN, bottom: calls.bottom + BETWEEN + high.revenue };
		const height = revenue.bottom + BOTTOM;
		const svg = draw("svg", { viewBox: `0 0 ${this.width} ${height}`, width: this.width, height, role: "img" });
		svg.setAttribute("aria-label", this.#summary());
		svg.append(
			...this.#panel("calls", calls),
			...this.#panel("revenue", revenue),
			...this.#timeLabels(height - 8),
			this.marker,
		);
		this.marker.setAttribute("height", String(revenue.bottom - TOP));
		this.box.replaceChildren(svg);
		this.box.setAttribute(
			"aria-label",
			`Calls and revenue by ${this.#per}. The left and right arrow keys read one ${this.#per} after another.`,
		);
		this.#choose(this.chosen);
	}

	/**
	 * @param {"calls" | "revenue"} what
	 * @param {{top: number, bottom: number}} place
	 */
	#panel(what, place) {
		const isCalls = what === "calls";
		const values = this.#series.map((point) => (isCalls ? point.calls : point.revenueMicros));
		const lines = ticks(Math.max(0, ...values), isCalls ? 4 : 2, isCalls ? 1 : 10_000);
		const scale = (place.bottom - place.top) / lines[lines.length - 1];
		/** @param {number} value */
		const y = (value) => place.bottom - value * scale;
		const gap = this.#step > 6 ? Math.min(6, this.#step * 0.22) : 0;
		const width = this.#step - gap;
		/** @param {number} index */
		const x = (index) => LEFT + index * this.#step + gap / 2;
		const columns = values.map((value, index) => ({ x: x(index), top: y(value), bottom: place.bottom }));
		const failed = this.#series.map(({ errors }, index) => ({ x: x(index), top: y(errors), bottom: place.bottom }));
		const title = draw("text", { class: "panel-title", x: LEFT, y: place.top - 4 }, isCalls ? "Calls" : "Revenue");
		return [
			...lines.flatMap((value, index) => {
				const at = fixed(y(value));
				const label = (isCalls ? axisCount : axisMoney)(value);
				return [
					draw("path", { class: index === 0 ? "base" : "grid", d: `M${LEFT} ${at}H${this.width - RIGHT}` }),
					draw("text", { class: "axis", x: LEFT - 8, y: Number(at) + 4, "text-anchor": "end" }, label),
				];
			}),
			draw("path", { class: `columns ${what}`, d: columnsPath(columns.slice(0, -1), width) }),
			// The newest period is not over yet.
			draw("path", { class: `columns ${what} open`, d: columnsPath(columns.slice(-1), width) }),
			...(isCalls ? [draw("path", { class: "columns errors", d: columnsPath(failed, width) })] : []),
			title,
		];
	}

	/** @param {number} y */
	#timeLabels(y) {
		const count = this.#places;
		const every = Math.max(1, Math.ceil((count * LABEL_WIDTH) / (this.width - LEFT - RIGHT)));
		const step = this.#isHours ? ([1, 2, 3, 4, 6, 12].find((hours) => hours >= every) ?? 12) : every;
		const first = this.#series[0]?.startAt.getTime() ?? 0;
		const labels = [];
		for (let index = 0; index < count; index += step) {
			const at = this.#series[index]?.startAt ?? new Date(first + index * HOUR_MS);
			const x = fixed(LEFT + (index + 0.5) * this.#step);
			const text = this.#isHours ? clock(at) : date(at);
			labels.push(draw("text", { class: "axis", x, y, "text-anchor": "middle" }, text));
		}
		return labels;
	}

	get #isHours() {
		return this.snapshot?.window === "today";
	}

	get #per() {
		return this.#isHours ? "hour" : "day";
	}

	#summary() {
		const totals = this.snapshot?.totals;
		const highest = this.#series.reduce((most, point, index, all) => (point.calls > all[most].calls ? index : most), 0);
		if (!totals || totals.calls === 0 || this.#series.length === 0) {
			return "No calls in this period.";
		}
		return `${plural(totals.calls, "call")} and ${money(totals.revenueMicros)} of revenue; most calls ${this.#name(highest)}.`;
	}

	/** @param {number} index */
	#name(index) {
		const { startAt } = this.#series[index];
		return this.#isHours ? `${clock(startAt)}–${clock(new Date(startAt.getTime() + HOUR_MS))} UTC` : fullDate(startAt);
	}

	/** @param {number | null} index */
	#choose(index) {
		const series = this.#series;
		this.chosen = index === null || series.length === 0 ? null : Math.max(0, Math.min(series.length - 1, index));
		this.marker.toggleAttribute("hidden", this.chosen === null);
		if (this.chosen === null) {
			write(this.readout, "");
			return;
		}
		const { calls, revenueMicros, errors } = series[this.chosen];
		this.marker.setAttribute("x", fixed(LEFT + this.chosen * this.#step));
		this.marker.setAttribute("width", fixed(this.#step));
		const failed = errors > 0 ? ` · ${plural(errors, "error")}` : "";
		const last = this.chosen === series.length - 1 ? " so far" : "";
		write(
			this.readout,
			`${this.#name(this.chosen)}${last}: ${plural(calls, "call")} · ${money(revenueMicros)}${failed}`,
		);
	}

	/** @param {PointerEvent} event */
	#point(event) {
		const x = event.clientX - this.box.getBoundingClientRect().left;
		this.#choose(x < LEFT || this.#step === 0 ? null : Math.floor((x - LEFT) / this.#step));
	}

	/** @param {KeyboardEvent} event */
	#key(event) {
		const last = this.#series.length - 1;
		const steps = {
			ArrowLeft: (this.chosen ?? last + 1) - 1,
			ArrowRight: (this.chosen ?? -1) + 1,
			Home: 0,
			End: last,
		};
		if (event.key === "Escape") {
			this.#choose(null);
		} else if (Object.hasOwn(steps, event.key)) {
			event.preventDefault();
			this.#choose(steps[/** @type {keyof typeof steps} */ (event.key)]);
		}
	}

	#fillTable() {
		const head = ["Time", "Calls", "Revenue", "Errors"].map((name) => make("th", { scope: "col" }, name));
		const rows = this.#series.map((point, index) =>
			make(
				"tr",
				{},
				make("th", { scope: "row" }, this.#name(index)),
				make("td", {}, count(point.calls)),
				make("td", {}, money(point.revenueMicros)),
				make("td", {}, count(point.errors)),
			),
		);
		const caption = make("caption", { class: "unseen" }, `Calls and revenue by ${this.#per}`);
		const table = make("table", {}, caption, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...rows));
		this.table.replaceChildren(table);
	}
}
