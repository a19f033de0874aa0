/**
 * The status of the data: live, behind, or failed with a reason and a retry button.
 *
 * @typedef {import("./snapshot.js").Snapshot} Snapshot
 * @typedef {import("./feed.js").Trouble} Trouble
 */
import { byId, make, write } from "./dom.js";
import { age, clock, fullDate } from "./format.js";

const STALE_SECONDS = 300;

export const REASONS = {
	unreachable: "The dispatcher cannot be reached.",
	refused: "The dispatcher gave no figures.",
	upstream: "The analytics behind this page do not answer.",
};

/** @param {Snapshot} snapshot */
export const isStale = ({ freshness }) => !freshness.complete || freshness.lagSeconds > STALE_SECONDS;

/** @param {string} state @param {string} text */
function live(state, text) {
	byId("live", HTMLElement).dataset.state = state;
	write(byId("live-text", HTMLElement), text);
}

/**
 * @param {string} kind
 * @param {string} text Empty to remove the notice.
 * @param {(() => void) | null} retry
 */
function notice(kind, text, retry) {
	const box = byId("notice", HTMLElement);
	box.className = `notice ${kind}`;
	const shown = box.firstElementChild;
	// An unchanged notice is kept, to avoid a repeated announcement and to keep the focus.
	if (shown?.textContent === text || (!shown && !text)) {
		return;
	}
	if (!text) {
		box.replaceChildren();
		return;
	}
	const button = make("button", { type: "button", id: "retry" }, "Try again");
	button.addEventListener("click", () => retry?.());
	box.replaceChildren(make("p", {}, text), ...(retry ? [button] : []));
}

/** @param {Snapshot} snapshot The snapshot that was just received. */
export function showFresh(snapshot) {
	const { asOf, complete, lagSeconds } = snapshot.freshness;
	const until = asOf ? clock(asOf) : "–";
	if (!isStale(snapshot)) {
		live("live", `Live, up to ${until} UTC`);
		notice("", "", null);
		return;
	}
	live("stale", `Up to ${until} UTC`);
	const behind = `Everything is counted up to ${until} UTC, ${age(lagSeconds)} ago; newer figures are incomplete.`;
	notice(
		"stale",
		complete ? behind : "Some calls are still missing from these figures; they will be added soon.",
		null,
	);
}

/**
 * @param {Trouble} trouble
 * @param {Snapshot | null} last The snapshot that is still shown.
 * @param {() => void} retry
 */
export function showTrouble(trouble, last, retry) {
	const reason = `${REASONS[trouble.kind]} (${trouble.code})`;
	live("failed", last ? "Not refreshed" : "No figures");
	const from = last?.generatedAt ? ` These figures are from ${clock(last.generatedAt)} UTC.` : "";
	notice("failed", last ? `${reason}${from}` : `${reason} There are no figures to show yet.`, retry);
}

/**
 * @param {{from: Date, to: Date} | null} demo Says that the figures have generated history of this time.
 */
export function showDemo(demo) {
	const box = byId("demo", HTMLElement);
	box.hidden = demo === null;
	const text = demo
		? `Demo data: the calls and payments from ${fullDate(demo.from)} to ${fullDate(demo.to)} were generated. They are not real traffic.`
		: "";
	write(box, text);
}

/** Shows that a snapshot is loading. */
export function showLoading() {
	live("loading", "Loading");
}
