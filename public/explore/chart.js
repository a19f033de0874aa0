/**
 * Values over time: panels with one time axis, drawn at the available width.
 *
 * @typedef {import("./snapshot.js").Point} Point
 * @typedef {{
 *   name: string, label: string, value: (point: Point) => number, axis: (value: number) => string,
 *   full: (value: number) => string, lines: number, unit: number, high: number, low: number,
 *   part?: (point: Point) => number,
 * }} Panel `axis` and `full` format a value, short and in full. `unit` is the smallest step of the axis; `high` and
 *   `low` are heights on wide and narrow screens; `part` is drawn in front of the value: the errors among calls.
 * @typedef {{series: Point[], isHourly: boolean, places: number, isOpen: boolean, summary: string}} Course `places`:
 *   the number of columns, with future ones; `isOpen`: whether the newest period is not over.
 * @typedef {{box: HTMLElement, readout: HTMLElement, table?: HTMLElement}} Places
 */
import { draw, make, write } from "./dom.js";
import { clock, date, fullDate } from "./format.js";
import { columnsPath, fixed, ticks } from "./scale.js";

const HOUR_MS = 3_600_000;
const DAY_HOURS = 24;
const LEFT = 52;
const RIGHT = 8;
const TOP = 14;
const BETWEEN = 34;
const BOTTOM = 28;
/** The width from which panels have their full height. */
const WIDE = 480;
const LABEL_WIDTH = 72;

export class Chart {
	/**
	 * @param {Places} places
	 * @param {string} title Names the chart for people who do not see it.
	 * @param {readonly Panel[]} panels
	 * @param {(point: Point) => string} describe What is said of one point.
	 * @param {(point: Point) => void} [choose] Called when a person chooses a day.
	 */
	constructor(places, title, panels, describe, choose) {
		this.box = places.box;
		this.readout = places.readout;
		this.table = places.table ?? null;
		this.title = title;
		this.panels = panels;
		this.describe = describe;
		this.choose = choose;
		/** @type {Course | null} */
		this.course = null;
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
		this.box.addEventListener("pointerleave", () => this.#select(null));
		this.box.addEventListener("blur", () => this.#select(null));
		this.box.addEventListener("keydown", (event) => this.#key(event));
		this.box.addEventListener("click", () => this.#open());
	}

	/** @param {Course} course */
	show(course) {
		if (this.course?.series.length !== course.series.length) {
			this.chosen = null;
		}
		this.course = course;
		this.box.toggleAttribute("data-days", this.#hasDays);
		this.#draw();
		this.#fillTable();
	}

	/** Removes the chart. */
	clear() {
		this.course = null;
		this.chosen = null;
		this.box.replaceChildren();
		this.table?.replaceChildren();
		write(this.readout, "");
	}

	get #series() {
		return this.course?.series ?? [];
	}

	/** Whether a person can choose a day here. */
	get #hasDays() {
		return this.choose !== undefined && this.course !== null && !this.course.isHourly;
	}

	get #step() {
		return (this.width - LEFT - RIGHT) / Math.max(1, this.course?.places ?? 1);
	}

	get #per() {
		return this.course?.isHourly ? "hour" : "day";
	}

	#draw() {
		this.width = Math.round(this.box.clientWidth);
		if (!this.course || this.width === 0) {
			return;
		}
		let top = TOP;
		const drawn = [];
		for (const panel of this.panels) {
			const bottom = top + (this.width >= WIDE ? panel.high : panel.low);
			drawn.push(...this.#panel(panel, top, bottom));
			top = bottom + BETWEEN;
		}
		const bottom = top - BETWEEN;
		const height = bottom + BOTTOM;
		const svg = draw("svg", { viewBox: `0 0 ${this.width} ${height}`, width: this.width, height, role: "img" });
		svg.setAttribute("aria-label", this.course.summary);
		svg.append(...drawn, ...this.#timeLabels(height - 8), this.marker);
		this.marker.setAttribute("height", String(bottom - TOP));
		this.box.replaceChildren(svg);
		const keys = `The left and right arrow keys read one ${this.#per} after another`;
		const enter = this.#hasDays ? "; Enter shows the APIs of that day" : "";
		this.box.setAttribute("aria-label", `${this.title} by ${this.#per}. ${keys}${enter}.`);
		this.#select(this.chosen);
	}

	/**
	 * @param {Panel} panel
	 * @param {number} top
	 * @param {number} bottom
	 */
	#panel(panel, top, bottom) {
		const values = this.#series.map(panel.value);
		const lines = ticks(Math.max(0, ...values), panel.lines, panel.unit);
		const scale = (bottom - top) / lines[lines.length - 1];
		/** @param {number} value */
		const y = (value) => bottom - value * scale;
		const gap = this.#step > 6 ? Math.min(6, this.#step * 0.22) : this.#step > 2.5 ? 0.5 : 0;
		const width = this.#step - gap;
		/** @param {readonly number[]} heights */
		const columnsOf = (heights) =>
			heights.map((value, index) => ({ x: LEFT + index * this.#step + gap / 2, top: y(value), bottom }));
		const columns = columnsOf(values);
		const closed = this.course?.isOpen ? columns.length - 1 : columns.length;
		const { part } = panel;
		return [
			...lines.flatMap((value, index) => {
				const at = fixed(y(value));
				return [
					draw("path", { class: index === 0 ? "base" : "grid", d: `M${LEFT} ${at}H${this.width - RIGHT}` }),
					draw("text", { class: "axis", x: LEFT - 8, y: Number(at) + 4, "text-anchor": "end" }, panel.axis(value)),
				];
			}),
			draw("path", { class: `columns ${panel.name}`, d: columnsPath(columns.slice(0, closed), width) }),
			// The newest period is not over yet.
			draw("path", { class: `columns ${panel.name} open`, d: columnsPath(columns.slice(closed), width) }),
			...(part
				? [draw("path", { class: "columns errors", d: columnsPath(columnsOf(this.#series.map(part)), width) })]
				: []),
			...(this.panels.length > 1 ? [draw("text", { class: "panel-title", x: LEFT, y: top - 4 }, panel.label)] : []),
		];
	}

	/** @param {number} y */
	#timeLabels(y) {
		const places = this.course?.places ?? 0;
		const isHourly = this.course?.isHourly ?? false;
		const isLong = isHourly && places > 2 * DAY_HOURS;
		const every = Math.max(1, Math.ceil((places * LABEL_WIDTH) / (this.width - LEFT - RIGHT)));
		const hours = [1, 2, 3, 4, 6, 12, 24, 48, 96, 192].find((size) => size >= every) ?? every;
		const step = isHourly ? (isLong ? Math.max(DAY_HOURS, hours) : hours) : every;
		const first = this.#series[0]?.startAt ?? new Date(0);
		// Hours of several days are labelled at midnight, others at even hours.
		const start = isHourly ? (step - (first.getUTCHours() % step)) % step : 0;
		const labels = [];
		for (let index = start; index < places; index += step) {
			const at = this.#series[index]?.startAt ?? new Date(first.getTime() + index * HOUR_MS);
			const x = LEFT + (index + (isLong ? 0 : 0.5)) * this.#step;
			const text = isHourly && !isLong ? clock(at) : date(at);
			const anchor = x > this.width - RIGHT - LABEL_WIDTH / 2 ? "end" : "middle";
			labels.push(draw("text", { class: "axis", x: fixed(x), y, "text-anchor": anchor }, text));
		}
		return labels;
	}

	/** @param {number} index */
	#name(index) {
		const { startAt } = this.#series[index];
		const day = (this.course?.places ?? 0) > DAY_HOURS ? `${date(startAt)}, ` : "";
		return this.course?.isHourly
			? `${day}${clock(startAt)}–${clock(new Date(startAt.getTime() + HOUR_MS))} UTC`
			: fullDate(startAt);
	}

	/** @param {number | null} index */
	#select(index) {
		const series = this.#series;
		this.chosen = index === null || series.length === 0 ? null : Math.max(0, Math.min(series.length - 1, index));
		this.marker.toggleAttribute("hidden", this.chosen === null);
		if (this.chosen === null) {
			write(this.readout, "");
			return;
		}
		this.marker.setAttribute("x", fixed(LEFT + this.chosen * this.#step));
		this.marker.setAttribute("width", fixed(this.#step));
		const last = this.course?.isOpen && this.chosen === series.length - 1 ? " so far" : "";
		write(this.readout, `${this.#name(this.chosen)}${last}: ${this.describe(series[this.chosen])}`);
	}

	#open() {
		if (this.#hasDays && this.chosen !== null) {
			this.choose?.(this.#series[this.chosen]);
		}
	}

	/** @param {PointerEvent} event */
	#point(event) {
		const x = event.clientX - this.box.getBoundingClientRect().left;
		this.#select(x < LEFT || this.#step === 0 ? null : Math.floor((x - LEFT) / this.#step));
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
			this.#select(null);
		} else if (event.key === "Enter") {
			this.#open();
		} else if (Object.hasOwn(steps, event.key)) {
			event.preventDefault();
			this.#select(steps[/** @type {keyof typeof steps} */ (event.key)]);
		}
	}

	#fillTable() {
		if (!this.table) {
			return;
		}
		const columns = this.panels.flatMap(({ label, value, full, part }) => [
			{ label, value, full },
			...(part ? [{ label: "Errors", value: part, full }] : []),
		]);
		const head = ["Time", ...columns.map(({ label }) => label)].map((name) => make("th", { scope: "col" }, name));
		const rows = this.#series.map((point, index) =>
			make(
				"tr",
				{},
				make("th", { scope: "row" }, this.#name(index)),
				...columns.map(({ value, full }) => make("td", {}, full(value(point)))),
			),
		);
		const caption = make("caption", { class: "unseen" }, `${this.title} by ${this.#per}`);
		const table = make("table", {}, caption, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...rows));
		this.table.replaceChildren(table);
	}
}
